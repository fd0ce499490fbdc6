"""Where the benchmarks' data are published: addresses, files, terms and what to cite."""

from __future__ import annotations

from dataclasses import dataclass

from d3wrap.errors import ConfigError, did_you_mean

_MPI = "https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research/zero-shot-learning"
_TERMS = (
    "no licence of the archive is known here; read its page and the terms of the underlying images "
    "before you pass any of it on"
)
_XIAN = (
    "Xian, Lampert, Schiele and Akata, Zero-Shot Learning – A Comprehensive Evaluation of the Good, the Bad and "
    "the Ugly, TPAMI 2019, arXiv 1707.00600"
)


@dataclass(frozen=True)
class Archive:
    """A file to download, which may hold several datasets."""

    name: str
    urls: tuple[str, ...]
    """The source, then its mirrors, in the order in which they are tried."""
    page: str
    """Where its makers describe it."""
    sha256: str | None = None
    """``None`` where it cannot be known: the first download is then recorded, and later ones must match."""
    about_bytes: int | None = None
    """Roughly how much there is to download, for people and for the check of disk space."""


@dataclass(frozen=True)
class Source:
    """A dataset under the name it goes by, and which files of which archive it is made of."""

    name: str
    title: str
    archive: Archive
    members: tuple[str, ...]
    """Paths within the archive; each is written under its last component."""
    citation: str
    terms: str = _TERMS
    note: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The names the members have once they are unpacked."""
        return tuple(member.rpartition("/")[2] for member in self.members)


XLSA17 = Archive(
    name="xlsa17.zip",
    urls=("https://datasets.d2.mpi-inf.mpg.de/xian/xlsa17.zip",),
    page=f"{_MPI}/zero-shot-learning-the-good-the-bad-and-the-ugly/",
    about_bytes=900_000_000,
)
CVPR18XIAN = Archive(
    name="cvpr18xian.zip",
    urls=("https://datasets.d2.mpi-inf.mpg.de/xian/cvpr18xian.zip",),
    page=f"{_MPI}/feature-generating-networks-for-zero-shot-learning/",
)


def _xlsa17(name: str, title: str, images: str, citation: str, note: str = "") -> Source:
    members = tuple(f"xlsa17/data/{name}/{file}" for file in ("res101.mat", "att_splits.mat"))
    return Source(name, f"{title}: {images}, ResNet-101 features", XLSA17, members, f"{_XIAN}; {citation}", note=note)


_LAMPERT = "Lampert, Nickisch and Harmeling, Attribute-Based Classification for Zero-Shot Visual Object "
SOURCES = (
    _xlsa17(
        "APY", "aPascal and aYahoo", "15,339 images of 32 classes",
        "Farhadi, Endres, Hoiem and Forsyth, Describing Objects by their Attributes, CVPR 2009",
    ),
    _xlsa17(
        "AWA1", "Animals with Attributes", "30,475 images of 50 classes",
        f"{_LAMPERT}Categorization, TPAMI 2014", note="its images are not public, only features are",
    ),
    _xlsa17(
        "AWA2", "Animals with Attributes 2", "37,322 images of 50 classes", "which introduces AWA2 too",
    ),
    _xlsa17(
        "CUB", "Caltech-UCSD Birds 200-2011", "11,788 images of 200 classes",
        "Wah, Branson, Welinder, Perona and Belongie, The Caltech-UCSD Birds-200-2011 Dataset, 2011",
        note="classes are described by 312 attributes; the 1,024 sentence features of many papers "
        "(sent_splits.mat) are not in this archive",
    ),
    _xlsa17(
        "SUN", "SUN Attribute", "14,340 images of 717 classes",
        "Patterson and Hays, SUN Attribute Database, CVPR 2012",
    ),
    Source(
        "FLO",
        "Oxford Flowers 102: 8,189 images of 102 classes, ResNet-101 features",
        CVPR18XIAN,
        ("cvpr18xian/data/FLO/res101.mat", "cvpr18xian/data/FLO/att_splits.mat"),
        "Xian, Lorenz, Schiele and Akata, Feature Generating Networks for Zero-Shot Learning, CVPR 2018; "
        "Nilsback and Zisserman, Automated Flower Classification over a Large Number of Classes, ICVGIP 2008",
        note="classes are described by 1,024 features of sentences",
        aliases=("FLOWERS",),
    ),
)  # fmt: skip
"""What ``d3wrap data fetch`` knows, by name."""


def find_source(name: str) -> Source:
    """Return the source called ``name``, whatever its case; raises :class:`~d3wrap.errors.ConfigError` for none."""
    if name.lower() in ("digits", "synthetic"):
        raise ConfigError(f"{name} comes with d3wrap, there is nothing to fetch: type d3wrap data info {name.lower()}")
    known = {key.upper(): source for source in SOURCES for key in (source.name, *source.aliases)}
    if name.upper() not in known:
        raise ConfigError(f"no dataset {name!r} can be fetched{did_you_mean(name.upper(), known)}")
    return known[name.upper()]
