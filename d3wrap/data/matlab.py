"""Read variables of a MATLAB file without ever parsing it in this process."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import safe_open

from d3wrap.data.limits import Limits
from d3wrap.data.opening import first_bytes
from d3wrap.errors import DataError, MissingExtraError

CHILD = Path(__file__).with_name("matlab_child.py")
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class MatlabFile:
    """What was read of a file: numeric arrays, *transposed*, and lists of texts, by variable name."""

    path: Path
    arrays: dict[str, NDArray[Any]]
    texts: dict[str, list[str]]
    present: tuple[str, ...]
    """The names of all variables in the file, read or not."""

    def array(self, name: str) -> NDArray[Any]:
        """Return a numeric variable, transposed; raises :class:`~d3wrap.errors.DataError` where there is none."""
        if name in self.arrays:
            return self.arrays[name]
        if name in self.texts:
            raise DataError(f"{self.path}: {name} holds text, expected numbers")
        raise DataError(f"{self.path}: no variable {name!r}; it has {', '.join(self.present) or 'none'}")


def read_matlab(path: Path, names: tuple[str, ...], scratch: Path, limits: Limits) -> MatlabFile:
    """Read the variables of ``names`` that ``path`` has, v5 to v7 or v7.3 (HDF5), parsing in a child process.

    ``scratch`` is a directory for the file through which the child hands the arrays over. Raises
    :class:`~d3wrap.errors.DataError` for a file that is not MATLAB's, is malformed, crashes the parser or goes
    beyond ``limits``, and :class:`~d3wrap.errors.MissingExtraError` for v7.3 without h5py.
    """
    _check_header(path, limits)
    output = scratch / f"{path.stem}.safetensors"
    _parse(path, output, names, limits)
    with safe_open(output, framework="numpy") as file:
        metadata = file.metadata()
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    output.unlink()
    return MatlabFile(path, arrays, json.loads(metadata["texts"]), tuple(json.loads(metadata["present"])))


def _check_header(path: Path, limits: Limits) -> None:
    head = first_bytes(path, 520, limits)
    if _HDF5 in (head[:8], head[512:]):
        if importlib.util.find_spec("h5py") is None:
            raise MissingExtraError("h5py", "hdf5", f"reading {path} (MATLAB v7.3, an HDF5 file)")
        return
    if not head.startswith(b"MATLAB 5.0 MAT-file") or head[126:128] not in (b"IM", b"MI"):
        raise DataError(
            f"{path}: is not a MATLAB file (v5 to v7.3): it starts with {head[:16]!r}; copy or download it again"
        )


def _parse(path: Path, output: Path, names: tuple[str, ...], limits: Limits) -> None:
    # -P: no module of this folder may stand in for another of the same name
    command = [sys.executable, "-P", str(CHILD), str(path), str(output), str(limits.memory_bytes), *names]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=limits.seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"{path}: parsing took longer than {limits.seconds:g} s and was stopped; "
            "if the file is sound, pass limits=Limits(seconds=...)"
        ) from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise DataError(f"{path}: the parser crashed ({name}): the file is malformed; copy or download it again")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise DataError(f"{path}: {lines[-1] if lines else 'the parser stopped without saying why'}")
