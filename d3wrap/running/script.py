"""Run a Python script in this process as ``python script.py args…`` would."""

from __future__ import annotations

import builtins
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import TextIO

INTERRUPTED = 130


@dataclass(frozen=True)
class Outcome:
    """How a script ended: its exit code, and the exception that ended it unless that was ``sys.exit``."""

    code: int
    error: BaseException | None = None


class _Script(importlib.abc.ExecutionLoader):
    """Loads a script under the name ``__main__``, from its source and without a cache file."""

    def __init__(self, path: Path) -> None:
        self.path = Path.cwd() / path
        self.code: CodeType | None = None

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.path.read_bytes())

    def get_code(self, fullname: str) -> CodeType:
        self.code = compile(self.path.read_bytes(), str(self.path), "exec", dont_inherit=True)
        return self.code


@contextlib.contextmanager
def as_main(path: Path, arguments: Sequence[str]) -> Iterator[ModuleType]:
    """Give this process the face of ``python path arguments…`` inside the block; yield the empty ``__main__`` module.

    What is put back after: ``sys.argv``, ``sys.path``, ``sys.modules["__main__"]``, ``sys.stdin``, ``stdout`` and
    ``stderr``, ``sys.excepthook`` and the working directory. Modules that the script imported stay imported.
    """
    absolute = str(Path.cwd() / path)
    module = ModuleType("__main__")
    module.__file__ = absolute
    module.__builtins__ = builtins  # type: ignore[attr-defined]
    module.__spec__ = None
    if sys.version_info < (3, 14):
        module.__annotations__ = {}
    if sys.version_info < (3, 15):
        module.__cached__ = None  # type: ignore[attr-defined]
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", absolute)
    names = ("argv", "path", "stdin", "stdout", "stderr", "excepthook")
    before = {name: getattr(sys, name) for name in names}
    main, folder = sys.modules.get("__main__"), Path.cwd()
    sys.argv = [str(path), *arguments]
    sys.path = [str(path.resolve().parent), *_without_own_entry(before["path"], before["argv"])]
    sys.modules["__main__"] = module
    try:
        yield module
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # a closed pipe, or an object of the script's own
                stream.flush()
        for name, value in before.items():
            setattr(sys, name, value)
        if main is not None:
            sys.modules["__main__"] = main
        with contextlib.suppress(OSError):
            os.chdir(folder)


def _without_own_entry(path: Sequence[str], argv: Sequence[str]) -> list[str]:
    """Return the search path without the entry that Python made for the ``d3wrap`` command itself."""
    command = str(Path(argv[0]).resolve().parent) if argv and argv[0] else None
    return list(path[1:] if path and path[0] and str(Path(path[0]).resolve()) == command else path)


def execute(path: Path, module: ModuleType, errors: TextIO, finish: Callable[[Outcome], Outcome]) -> Outcome:
    """Run the script in ``module`` and return how it ended, after ``finish`` had its say.

    As Python does: ``sys.exit(n)`` gives n, text given to it goes to ``errors``, an exception prints its traceback
    from the script's own lines on and gives 1, Ctrl-C gives 130. ``finish`` runs while the script's module is in place.
    """
    loader = _Script(path)
    try:
        loader.exec_module(module)
        outcome = Outcome(0)
    except SystemExit as stop:
        outcome = Outcome(_exit_code(stop, errors))
    except KeyboardInterrupt as error:
        outcome = Outcome(INTERRUPTED, strip(error, loader.code))
    except BaseException as error:  # as the interpreter: whatever ends a script is shown
        outcome = Outcome(1, strip(error, loader.code))
    return finish(outcome)


def _exit_code(stop: SystemExit, errors: TextIO) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=errors)
    return 1


def strip(error: BaseException, code: CodeType | None) -> BaseException:
    """Cut the frames above the script's own off an exception's traceback."""
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_frame.f_code is not code:
        place = place.tb_next
    return error.with_traceback(place)


def show(error: BaseException, errors: TextIO) -> None:
    """Print an exception as the interpreter would: by the script's own ``sys.excepthook``, if it set one."""
    if sys.excepthook is not sys.__excepthook__:
        sys.excepthook(type(error), error, error.__traceback__)
    else:
        traceback.print_exception(error, file=errors)
