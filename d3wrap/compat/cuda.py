"""CUDA where there is none: everything a script sends to the GPU goes to the device there is.

Functions and methods are replaced, nothing is intercepted: other operations cost what they always do, and all threads
see the same. A tensor "moved" to the device it is on is that tensor, as in any run on a CPU, but for leaves that need
gradients: moved to a GPU these would be leaves no longer, and scripts go on to change the result in place. What
``torch.cuda.is_available`` and ``device_count`` say stays true, so that scripts that ask take their own way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

import torch
from torch import nn

from d3wrap.compat.cuda_types import TYPE_NAMES, legacy_type, plain_type
from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim
from d3wrap.compat.target import mapped, target

FACTORIES = (
    *("arange", "as_tensor", "asarray", "bartlett_window", "blackman_window", "empty", "empty_like", "empty_permuted"),
    *("empty_strided", "eye", "full", "full_like", "hamming_window", "hann_window", "kaiser_window", "linspace"),
    *("logspace", "normal", "ones", "ones_like", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like"),
    *("randperm", "range", "scalar_tensor", "sparse_bsc_tensor", "sparse_bsr_tensor", "sparse_compressed_tensor"),
    *("sparse_coo_tensor", "sparse_csc_tensor", "sparse_csr_tensor", "tensor", "tril_indices", "triu_indices"),
    *("zeros", "zeros_like"),
)
"""Functions of ``torch`` that take ``device=``."""

NEW = ("new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros")
"""Methods of tensors that take ``device=``."""

NOTHING = (
    *("init", "ipc_collect", "reset_accumulated_memory_stats", "reset_max_memory_allocated"),
    *("reset_max_memory_cached", "reset_peak_memory_stats", "set_device", "set_rng_state", "synchronize"),
)
"""Functions of ``torch.cuda`` that have nothing to do elsewhere."""


def with_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with its ``device=`` mapped."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        if "device" in options:
            options["device"] = mapped(options["device"])
        return function(*args, **options)

    return call


TENSOR_TO: Callable[..., Any] = torch.Tensor.to
MODULE_TO: Callable[..., Any] = nn.Module.to
TENSOR_TYPE: Callable[..., Any] = torch.Tensor.type
LOAD: Callable[..., Any] = torch.load
GENERATOR: Any = torch.Generator


def tensor_to(self: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
    """Stand for ``Tensor.to``."""
    asked = options["device"] if "device" in options else args[0] if args else None
    if mapped(asked) is asked:
        return TENSOR_TO(self, *args, **options)
    if "device" in options:
        return as_moved(self, TENSOR_TO(self, *args, **{**options, "device": mapped(asked)}))
    return as_moved(self, TENSOR_TO(self, mapped(asked), *args[1:], **options))


def module_to(self: nn.Module, *args: Any, **options: Any) -> nn.Module:
    """Stand for ``Module.to``."""
    if "device" in options:
        options["device"] = mapped(options["device"])
    return MODULE_TO(self, *map(mapped, args[:1]), *args[1:], **options)


def as_moved(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Return what was moved; where nothing was, and a GPU would have made a leaf something computed, that."""
    is_leaf = before.requires_grad and before.is_leaf and not isinstance(before, nn.Parameter)
    return before.clone() if after is before and is_leaf else after


def to_device(self: Any, device: Any = None, non_blocking: bool = False, **options: Any) -> Any:
    """Stand for ``Tensor.cuda``: move to the device there is, whichever GPU was named."""
    goal = target() or torch.device("cuda", device)
    return as_moved(self, TENSOR_TO(self, goal, non_blocking=non_blocking, **options))


def storage_to_device(self: Any, device: Any = None, non_blocking: bool = False) -> Any:
    """Stand for ``UntypedStorage.cuda``, which scripts call in a function they give ``torch.load``."""
    return self.to(device=target() or torch.device("cuda", device), non_blocking=non_blocking)


def pin_memory(self: Any, device: Any = None) -> Any:
    """Stand for ``Tensor.pin_memory``: without a GPU there is no other memory to lie in."""
    return self


def as_type(self: Any, dtype: Any = None, *args: Any, **options: Any) -> Any:
    """Stand for ``Tensor.type``: ``torch.cuda.FloatTensor``, also as text, means this type on the device there is."""
    plain = plain_type(dtype)
    if plain is None:
        return TENSOR_TYPE(self, dtype, *args, **options)
    return TENSOR_TO(self, target(), plain.dtype)


def load(f: Any, map_location: Any = None, *args: Any, **options: Any) -> Any:
    """Stand for ``torch.load``: what was stored on a GPU goes to the device there is; nothing else is changed."""
    device = target()
    if isinstance(map_location, dict):
        location: Any = {key: str(mapped(value)) for key, value in map_location.items()}
    elif map_location is None and device is not None:
        location = storage_from_gpu
    else:
        location = map_location if callable(map_location) else mapped(map_location)
    return LOAD(f, location, *args, **options)


def storage_from_gpu(storage: Any, location: str) -> Any:
    """Return the storage on the device there is, where a GPU wrote it, else None for what torch would do."""
    return storage.to(device=target()) if location.startswith("cuda") else None


class _AnyGenerator(type):
    """Let generators made before, and those made here, be instances of the class that stands for theirs."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, GENERATOR)


class Generator(metaclass=_AnyGenerator):
    """``torch.Generator`` on the device there is."""

    def __new__(cls, device: Any = "cpu") -> Any:  # noqa: D102
        return GENERATOR(device=mapped(device))


def set_default_tensor_type(t: Any) -> None:
    """Stand for ``torch.set_default_tensor_type``: the type, and the device there is as the default one."""
    plain = plain_type(t)
    DEFAULT_TYPE(t if plain is None else plain)
    if plain is not None and target() != torch.device("cpu"):
        torch.set_default_device(target())


DEFAULT_TYPE: Callable[..., Any] = torch.set_default_tensor_type


def nothing(*args: Any, **options: Any) -> None:
    """Do nothing."""


def apply(patches: Patches) -> None:
    """Map CUDA to the target of :mod:`d3wrap.compat.target`, where there is one."""
    for name in FACTORIES:
        if hasattr(torch, name):
            patches.put(torch, name, with_device(getattr(torch, name)))
    for name in NEW:
        patches.put(torch.Tensor, name, with_device(getattr(torch.Tensor, name)))
    patches.put(torch.Tensor, "to", tensor_to)
    patches.put(nn.Module, "to", module_to)
    patches.put(torch.Tensor, "cuda", to_device)
    patches.put(torch.Tensor, "type", as_type)
    patches.put(torch.Tensor, "pin_memory", pin_memory)
    patches.put(torch.UntypedStorage, "cuda", storage_to_device)
    patches.put(torch, "load", load)
    patches.put(torch, "Generator", Generator)
    patches.put(torch, "set_default_tensor_type", set_default_tensor_type)
    for name in TYPE_NAMES:
        patches.put(torch.cuda, name, legacy_type(name))
    apply_to_cuda(patches)


def apply_to_cuda(patches: Patches) -> None:
    """Let the functions of ``torch.cuda`` that ask for a GPU answer without."""
    for name in NOTHING:
        patches.put(torch.cuda, name, nothing)
    answers: dict[str, Callable[..., Any]] = {
        "current_device": lambda: 0,
        "device": lambda device=None: nullcontext(),
        "get_device_name": lambda device=None: f"{target()} (there is no CUDA device)",
        "get_rng_state": lambda device=None: torch.empty(0, dtype=torch.uint8),
        "initial_seed": torch.initial_seed,
        "memory_summary": lambda *args, **options: "",
    }
    for name, answer in answers.items():
        patches.put(torch.cuda, name, answer)


SHIM = Shim(
    name="cuda",
    summary="on a machine without CUDA: `.cuda()`, `.to('cuda')`, `device='cuda'`, `torch.cuda.FloatTensor(…)`, "
    "`torch.load` of what a GPU stored, `torch.cuda.set_device`, `synchronize`, … mean the device there is; where CUDA "
    "is, nothing is changed",
    gone="not gone: there is no GPU",
    apply=apply,
)
