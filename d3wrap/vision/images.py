"""Images of a folder or a zip file: an ordered list of names, decoded one by one or all into a tensor."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3wrap.errors import ConfigError, DataError
from d3wrap.files import atomic_path
from d3wrap.vision.decoding import BrokenImageError, decode, need_pillow
from d3wrap.vision.listing import SUFFIXES, files_in_folder, members_of_zip

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 2**28
"""A file of more bytes is refused unread (256 MiB)."""
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class ImageSource:
    """The images of a folder (and its folders) or of a zip file, which is never unpacked to disk.

    ``names`` are paths relative to the folder or in the archive, with ``/``, in natural order (``img2`` before
    ``img10``). Files are read when asked for; threads may share a source, and so may forked and spawned processes.

    Raises :class:`~d3wrap.errors.DataError` for a path that is neither, has no images, or is an archive with unsafe
    members, and :class:`~d3wrap.errors.MissingExtraError` without Pillow.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        need_pillow()
        self.path = Path(path).expanduser()
        self._lock = threading.Lock()
        self._archive: tuple[int, zipfile.ZipFile] | None = None
        self._members: dict[str, zipfile.ZipInfo] | None = None
        self._files: dict[str, Path] = {}
        if self.path.is_dir():
            self._files = files_in_folder(self.path)
        elif self.path.is_file():
            self._members = members_of_zip(self.path, self._zip())
        else:
            raise DataError(f"{self.path}: no such folder or zip file")
        self.names: tuple[str, ...] = tuple(self._files if self._members is None else self._members)
        if not self.names:
            raise DataError(f"{self.path}: has no images: no file ends in {', '.join(SUFFIXES)}")

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in (self._files if self._members is None else self._members)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_lock", "_archive")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock(), _archive=None)

    def read(self, name: str) -> bytes:
        """Return an image file's bytes.

        Raises :class:`~d3wrap.errors.DataError` for a name that is not in ``names`` and
        :class:`~d3wrap.vision.decoding.BrokenImageError` for a file that is too large or cannot be read.
        """
        if name not in self:
            raise DataError(
                f"{self.path}: no image {name!r}; it has {len(self):,}: {self.names[0]!r} … {self.names[-1]!r}"
            )
        try:
            size = self._files[name].stat().st_size if self._members is None else self._members[name].file_size
            if size > MAX_BYTES:
                raise BrokenImageError(name, f"has {size:,} bytes, more than the limit of {MAX_BYTES:,}")
            return self._files[name].read_bytes() if self._members is None else self._zip().read(self._members[name])
        except _DAMAGED as error:
            raise BrokenImageError(name, f"cannot be read ({error})") from error

    def open(self, name: str) -> Image:
        """Return an image as RGB, upright; see :func:`~d3wrap.vision.decoding.decode` for what it raises."""
        return decode(self.read(name), name)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Return hexadecimal digits that change when one of ``names`` does, without reading the images.

        Looks at size and checksum in an archive, at size and time of change in a folder.
        """
        lines = []
        for name in names:
            if self._members is not None:
                lines.append(f"{name}\0{self._members[name].file_size}\0{self._members[name].CRC}")
            elif self._files[name].is_file():
                status = self._files[name].stat()
                lines.append(f"{name}\0{status.st_size}\0{status.st_mtime_ns}")
            else:
                lines.append(f"{name}\0gone")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _zip(self) -> zipfile.ZipFile:
        """Return the open archive; each process opens its own, since forks would share one position in the file."""
        with self._lock:
            if self._archive is None or self._archive[0] != os.getpid():
                try:
                    self._archive = os.getpid(), zipfile.ZipFile(self.path)
                except _DAMAGED as error:
                    raise DataError(f"{self.path}: is no whole zip file ({error}), and no folder") from error
            return self._archive[1]


def load_images(
    source: ImageSource | str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    size: int = 64,
    cache: str | os.PathLike[str] | None = None,
    threads: int = 2,
) -> Tensor:
    """Decode images into one tensor ``[n, 3, size, size]``, uint8, in the order of ``names`` (all, by default).

    An image that is not square is cut to its central square; one that has another size is resized (bicubic).
    ``cache`` is a folder where the pixels are kept as one ``.npy`` file, found again by what the images are and
    mapped into memory instead of read (writing to the tensor does not change the file).

    Raises :class:`~d3wrap.vision.decoding.BrokenImageError` for the first image that cannot be decoded and what
    :class:`ImageSource` raises.
    """
    if size < 1 or threads < 1:
        raise ConfigError(f"size is {size} and threads is {threads}, expected 1 or more")
    if not isinstance(source, ImageSource):
        source = ImageSource(source)
    names = source.names if names is None else names
    shape = (len(names), 3, size, size)
    if cache is None:
        return torch.from_numpy(_fill(np.empty(shape, np.uint8), source, names, threads))
    for name in names:
        if name not in source:
            source.read(name)  # raises, and says what there is
    kept = Path(cache).expanduser() / f"images-{size}-{source.fingerprint(names)[:16]}.npy"
    if not kept.is_file():
        with atomic_path(kept) as temporary:
            pixels = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            _fill(pixels, source, names, threads).flush()
    return torch.from_numpy(np.load(kept, mmap_mode="c", allow_pickle=False))


def _fill(pixels: Any, source: ImageSource, names: Sequence[str], threads: int) -> Any:
    with ThreadPoolExecutor(threads) as pool:
        for row, square in enumerate(_squares(pool, source, names, pixels.shape[-1])):
            pixels[row] = square
    return pixels


def _squares(
    pool: ThreadPoolExecutor, source: ImageSource, names: Sequence[str], size: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images of ``names`` in order, decoding a few hundred ahead."""
    for start in range(0, len(names), 256):
        yield from pool.map(lambda name: _square(source.open(name), size), names[start : start + 256])


def _square(image: Image, size: int) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.uint8).transpose(2, 0, 1)
