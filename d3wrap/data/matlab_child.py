"""Parse one MATLAB file in a process of its own; run by :mod:`d3wrap.data.matlab`, never imported by it.

A crafted ``.mat`` file can crash the parser or ask for any amount of memory, so that happens here, under a
limit on the address space, and the arrays go back through a safetensors file. This file imports nothing of
d3wrap, and so no torch: it starts fast and needs little memory.

Arguments: SOURCE OUTPUT MEMORY_BYTES NAME..., the variables wanted where the file has them. Arrays are
written transposed, the order MATLAB keeps them in. Exit code 3: the file is at fault, and standard error says how.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

FAULT = 3
NUMERIC = {"double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}


class FaultError(Exception):
    """What is wrong with the file."""


def main(source: str, output: str, memory_bytes: str, *names: str) -> int:
    """Parse ``source``, write ``output``, and return the exit code."""
    budget = int(memory_bytes)
    try:
        _limit_memory(budget)
        read = _read_hdf5 if _is_hdf5(source) else _read_v5
        arrays, texts, present = read(source, names, budget)
        metadata = {"texts": json.dumps(texts), "present": json.dumps(present)}
        save_file(arrays, output, metadata=metadata)
    except FaultError as fault:
        return _report(str(fault))
    except MemoryError:
        return _report(f"needs more memory than the limit of {budget:,} bytes")
    except Exception as error:  # whatever a parser raises on a malformed file is the file's fault
        return _report(f"cannot be parsed ({type(error).__name__}: {error})")
    return 0


Parsed = tuple[dict[str, NDArray[Any]], dict[str, list[str]], list[str]]


def _report(fault: str) -> int:
    print(fault, file=sys.stderr)
    return FAULT


def _limit_memory(budget: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit still holds
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed = budget if hard == resource.RLIM_INFINITY else min(budget, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    except ValueError:  # macOS refuses limits on the address space
        return


def _is_hdf5(source: str) -> bool:
    """Return whether HDF5 starts at byte 0 or, as MATLAB writes it, after 512 bytes of its own."""
    with open(source, "rb") as stream:  # noqa: PTH123 - pathlib is one more import to wait for
        head = stream.read(520)
    return b"\x89HDF\r\n\x1a\n" in (head[:8], head[512:])


def _read_v5(source: str, names: tuple[str, ...], budget: int) -> Parsed:
    import scipy.io

    listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(source)}
    wanted = [name for name in names if name in listed]
    for name in wanted:
        shape, kind = listed[name]
        if kind not in NUMERIC | {"cell", "char"}:
            raise FaultError(f"{name} is a {kind}, expected a full numeric array or text")
        if kind in NUMERIC:
            _check_size(name, shape, budget)
    loaded = scipy.io.loadmat(source, variable_names=wanted)
    arrays, texts = {}, {}
    for name in wanted:
        if listed[name][1] in NUMERIC:
            arrays[name] = _plain(name, loaded[name].T)
        else:
            texts[name] = [_text(name, cell) for cell in loaded[name].ravel()]
    return arrays, texts, list(listed)


def _read_hdf5(source: str, names: tuple[str, ...], budget: int) -> Parsed:
    import h5py

    arrays: dict[str, NDArray[Any]] = {}
    texts: dict[str, list[str]] = {}
    with h5py.File(source, "r") as file:
        present = [name for name in file if not name.startswith("#")]
        for name in (name for name in names if name in present):
            link, data = file.get(name, getlink=True), file.get(name)
            if isinstance(link, h5py.ExternalLink) or not isinstance(data, h5py.Dataset):
                raise FaultError(f"{name} is a struct, a sparse array or a link, expected a full array or text")
            if data.is_virtual or data.external:
                raise FaultError(f"{name} takes its numbers from another file, expected them in this one")
            _check_size(name, data.shape, budget)
            if h5py.check_ref_dtype(data.dtype) is not None:
                texts[name] = ["".join(map(chr, file[cell][()].ravel())) for cell in data[()].ravel()]
            else:
                arrays[name] = _plain(name, data[()])
    return arrays, texts, present


def _check_size(name: str, shape: tuple[int, ...], budget: int) -> None:
    if len(shape) != 2:
        raise FaultError(f"{name} has {len(shape)} dimensions, expected 2")
    if 8 * math.prod(shape) > budget:
        raise FaultError(f"{name} declares {shape}, which needs more memory than the limit of {budget:,} bytes")


def _plain(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise FaultError(f"{name} holds {array.dtype}, expected real numbers")
    return np.ascontiguousarray(array)


def _text(name: str, cell: Any) -> str:
    """Return the text in one cell of a cell array, or of one row of a character array."""
    value = np.asarray(cell)
    if value.dtype.kind != "U" or value.size > 1:
        raise FaultError(f"{name} holds something else than text in a cell")
    return str(value.item()).rstrip() if value.size else ""


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
