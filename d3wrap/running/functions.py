"""What the lines of a configuration may call by bare name, and on tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F

# fmt: off
_TORCH = (
    "abs", "cat", "chunk", "clamp", "concat", "cos", "exp", "full_like", "log", "matmul", "ones_like", "rand_like",
    "randn_like", "relu", "sigmoid", "sin", "split", "sqrt", "stack", "tanh", "where", "zeros_like",
)
_FUNCTIONAL = ("leaky_relu", "log_softmax", "normalize", "one_hot", "softmax", "softplus")
_METHODS = (
    "abs", "add", "bool", "chunk", "clamp", "clone", "contiguous", "cos", "cpu", "cuda", "cumsum", "detach", "diag",
    "dim", "div", "double", "exp", "expand", "expand_as", "flatten", "float", "gather", "half", "index_select", "int",
    "log", "log_softmax", "long", "masked_fill", "matmul", "max", "mean", "min", "mm", "bmm", "mul", "narrow", "neg",
    "new_full", "new_ones", "new_zeros", "norm", "numel", "permute", "pow", "relu", "repeat", "repeat_interleave",
    "reshape", "rsqrt", "select", "sigmoid", "sin", "size", "softmax", "split", "sqrt", "square", "squeeze", "std",
    "sub", "sum", "t", "tanh", "tile", "to", "transpose", "type", "type_as", "unbind", "unsqueeze", "var", "view",
    "view_as",
)
# fmt: on

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(torch, name) for name in _TORCH},
    **{name: getattr(F, name) for name in _FUNCTIONAL},
}
"""Torch's functions that lines may call; they go before what the script calls by the same name."""

TENSOR_METHODS = frozenset(_METHODS)
"""Methods of tensors that lines may call: none that changes a tensor, and none that runs a function it is given."""
