"""Turn what a script holds (tensors on any device, arrays, lists) into plain tensors on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from d3wrap.errors import DataError


def is_array(value: object) -> bool:
    """Return whether ``value`` can be an array of numbers: a tensor, a numpy array, a list, a tuple or a range."""
    return isinstance(value, Tensor | np.ndarray | list | tuple | range)


def to_tensor(value: object, what: str) -> Tensor:
    """Return ``value`` as a tensor on the CPU, detached; it may share memory with ``value``.

    ``what`` names it in errors. Raises :class:`~d3wrap.errors.DataError` where it does not hold real numbers.
    """
    if isinstance(value, Tensor):
        tensor = value.detach()
        tensor = (tensor.to_dense() if tensor.layout is not torch.strided else tensor).cpu()
        if tensor.is_complex() or tensor.is_quantized:
            raise DataError(f"{what} holds {tensor.dtype}, expected real numbers")
        return tensor
    try:
        array: np.ndarray[Any, np.dtype[Any]] = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} is a {type(value).__name__} that is no array ({error}), expected numbers") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} holds {array.dtype}, expected real numbers")
    kind = {"f": np.float64 if array.dtype.itemsize > 4 else np.float32, "b": np.bool_}.get(array.dtype.kind, np.int64)
    # torch takes neither foreign byte orders nor negative strides, and warns of arrays that cannot be written to
    array = np.ascontiguousarray(array, dtype=kind)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def feature_rows(value: object, what: str, count: int | None = None) -> Tensor:
    """Return features ``[n, d]``: float64 where they are, else float32; ``[n, d, 1, 1]`` is flattened.

    ``count`` is the number of labels: where only the columns are as many, the array is taken as ``[d, n]``. Raises
    :class:`~d3wrap.errors.DataError` for another shape.
    """
    tensor = to_tensor(value, what)
    shape = tuple(tensor.shape)
    if len(shape) > 2 and tensor.numel() == shape[0] * max(shape[1:]):
        tensor = tensor.flatten(1)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise DataError(f"{what} has shape {shape}, expected features [n, d], one row per image")
    if count is not None and tensor.shape[0] != count and tensor.shape[1] == count:
        tensor = tensor.T
    if count is not None and tensor.shape[0] != count:
        raise DataError(f"{what} has shape {shape} and there are {count} labels, expected one label per row")
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def label_vector(value: object, what: str) -> Tensor:
    """Return labels or ids ``[n]`` int64 from ``[n]``, ``[n, 1]``, ``[1, n]`` or one-hot rows ``[n, m]``.

    Floats are taken where they are whole, as MATLAB files hold them. Raises :class:`~d3wrap.errors.DataError` for
    anything else.
    """
    tensor = to_tensor(value, what)
    shape = tuple(tensor.shape)
    if tensor.ndim == 2 and 1 not in shape and is_one_hot(tensor):
        return tensor.to(torch.float32).argmax(1)
    if tensor.ndim == 0 or tensor.numel() != max(shape) or tensor.numel() == 0:
        raise DataError(f"{what} has shape {shape}, expected a vector of class numbers")
    if tensor.dtype == torch.bool or (tensor.is_floating_point() and not bool((tensor == tensor.round()).all())):
        raise DataError(f"{what} holds {tensor.dtype} values that are no whole numbers, expected class numbers")
    return tensor.reshape(-1).long()


def is_one_hot(tensor: Tensor) -> bool:
    """Return whether every row of ``[n, m]`` has a single one and zeros beside it."""
    return bool((((tensor == 0) | (tensor == 1)).all()) and ((tensor != 0).sum(1) == 1).all())


def semantic_rows(value: object, what: str) -> Tensor:
    """Return a table of semantics, two-dimensional; float64 where it is, else float32."""
    tensor = to_tensor(value, what)
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise DataError(f"{what} has shape {tuple(tensor.shape)}, expected semantics [C, k], one row per class")
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def described(tensor: Tensor) -> str:
    """Return shape and range in words, e.g. ``[50, 85], in [0, 1]``."""
    return f"{list(tensor.shape)}, {value_range(tensor)}"


def value_range(tensor: Tensor) -> str:
    """Return the range of the values in words."""
    low, high = (float(value) for value in torch.aminmax(tensor))
    return "in [0, 1]" if low >= 0 and 0 < high <= 1 else f"from {low:.4g} to {high:.4g}"
