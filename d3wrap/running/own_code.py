"""Which code is the user's, and which is Python's, a library's or ours."""

from __future__ import annotations

import functools
import site
import sysconfig
from pathlib import Path
from types import FrameType

import d3wrap


@functools.cache
def libraries() -> tuple[Path, ...]:
    """Return the folders of Python's standard library, of installed packages and of d3wrap."""
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    places += [*site.getsitepackages(), site.getusersitepackages(), str(Path(d3wrap.__file__).parent)]
    return tuple(dict.fromkeys(Path(place).resolve() for place in places))


class OwnCode:
    """Tells the files of a script from those of libraries.

    A script's own files are those below its folder, and below the working directory where the script is below that,
    leaving out packages installed there (a ``.venv`` in the folder).
    """

    def __init__(self, script: Path) -> None:
        folder = script.resolve().parent
        here = Path.cwd().resolve()
        self.folders = tuple(dict.fromkeys([folder, here] if folder.is_relative_to(here) else [folder]))
        self._own: dict[str, bool] = {}
        self._library: dict[str, bool] = {}

    def is_own(self, filename: str) -> bool:
        """Say whether a file is the script or beside it or below."""
        if filename not in self._own:
            path = _resolved(filename)
            self._own[filename] = path is not None and any(
                path.is_relative_to(folder) and not _installed_below(path, folder) for folder in self.folders
            )
        return self._own[filename]

    def is_library(self, filename: str) -> bool:
        """Say whether a file is Python's, a package's or d3wrap's, or no file at all."""
        if filename not in self._library:
            path = _resolved(filename)
            self._library[filename] = not self.is_own(filename) and (
                path is None or any(path.is_relative_to(library) for library in libraries())
            )
        return self._library[filename]

    def place(self, frame: FrameType | None) -> str:
        """Return the nearest line of the script from a frame outwards, as ``FILE:LINE``."""
        while frame is not None and self.is_library(frame.f_code.co_filename):
            frame = frame.f_back
        return "a line of a library" if frame is None else f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _resolved(filename: str) -> Path | None:
    return None if filename.startswith("<") else Path(filename).resolve()


def _installed_below(path: Path, folder: Path) -> bool:
    return any(library.is_relative_to(folder) and path.is_relative_to(library) for library in libraries())
