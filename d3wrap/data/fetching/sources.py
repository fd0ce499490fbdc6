"""Where the benchmarks' data are published: addresses, files, terms and what to cite."""

from __future__ import annotations

import difflib
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

    @property
    def plain(self) -> bool:
        """Whether it is the file itself, with nothing to unpack; its SHA-256 is known then."""
        return not self.name.endswith(".zip")


@dataclass(frozen=True)
class Source:
    """A dataset under the name it goes by, and which files of which archive it is made of."""

    name: str
    title: str
    archive: Archive
    members: tuple[str, ...]
    """Paths within the archive; each is written under its last component. Of a plain file, the name it gets."""
    citation: str
    terms: str = _TERMS
    note: str = ""
    aliases: tuple[str, ...] = ()
    beside: str = ""
    """Name of the dataset that these are further files of, and whose folder they go into."""
    split: str = ""
    """The ``--split`` they are read with."""

    @property
    def folder(self) -> str:
        """The name of the folder its files go into."""
        return self.beside or self.name

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


_REPOSITORY = "Hanzy1996/CE-GZSL"
_COMMIT = "7bf5358ac4727ea1dc2dc9dec2f453b014500bd8"


def _further(name: str, title: str, path: str, sha256: str, about_bytes: int, *, split: str, note: str) -> Source:
    """Return a file of the repository of CE-GZSL, at a commit, so that it stays what it is."""
    dataset = name.partition("-")[0]
    archive = Archive(
        name=f"{dataset}_{split}.mat",
        urls=(f"https://raw.githubusercontent.com/{_REPOSITORY}/{_COMMIT}/{path}",),
        page=f"https://github.com/{_REPOSITORY}",
        sha256=sha256,
        about_bytes=about_bytes,
    )
    citation = f"{_XIAN}; Han, Fu, Chen and Yang, Contrastive Embedding for Generalized Zero-Shot Learning, CVPR 2021"
    return Source(name, title, archive, (f"{split}.mat",), citation, note=note, beside=dataset, split=split)


def _validation(dataset: str, sha256: str, about_bytes: int) -> Source:
    return _further(
        f"{dataset}-val", f"{dataset}'s splits with the benchmark's validation rows", f"data/{dataset}/att_splits.mat",
        sha256, about_bytes, split="att_splits_val",
        note="has train_loc and val_loc, which the archive's file may lack; read it with --split att_splits_val",
    )  # fmt: skip


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
        note="classes are described by 312 attributes; the 1,024 features of sentences that many papers use are "
        "CUB-sent",
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
    _further(
        "CUB-sent", "CUB described by sentences: 1,024 features a class, and the splits", "data/CUB/sent_splits.mat",
        "53f542c27e45f3ace55f4465ba2743a1c3400a329c61be7aa116e7ccb77c4087", 1_696_088, split="sent_splits",
        note="the features are of a CNN-RNN (Reed, Akata, Lee and Schiele, Learning Deep Representations of "
        "Fine-Grained Visual Descriptions, CVPR 2016); read it with --split sent_splits",
    ),
    _validation("AWA1", "752e0fad7b01b0ad966d7f5d5650817e85fb3008848d5c603b437b4d9219d664", 134_901),
    _validation("AWA2", "dfe0e4f26ef5debaa77eff823a9316ac110e9b809b70d19c72dd11404f7be357", 156_278),
    _validation("SUN", "90dcb2a60704ce1117ba1897523ba78dc6b625e606008918c4eade9cd8a5bf43", 291_128),
)  # fmt: skip
"""What ``d3wrap data fetch`` knows, by name."""


def find_source(name: str) -> Source:
    """Return the source called ``name``, whatever its case; raises :class:`~d3wrap.errors.ConfigError` for none."""
    if name.lower() in ("digits", "synthetic"):
        raise ConfigError(f"{name} comes with d3wrap, there is nothing to fetch: type d3wrap data info {name.lower()}")
    known = {key.upper(): source for source in SOURCES for key in (source.name, *source.aliases)}
    if name.upper() not in known:
        spelt = {one.name.upper(): one.name for one in SOURCES}
        near = difflib.get_close_matches(name.upper(), spelt, n=1)
        meant = spelt[near[0]] if near else name
        raise ConfigError(f"no dataset {name!r} can be fetched{did_you_mean(meant, spelt.values())}")
    return known[name.upper()]
