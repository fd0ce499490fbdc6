"""The classes ``torch.cuda.FloatTensor`` and its like, on the device there is."""

from __future__ import annotations

from typing import Any

import torch

from d3wrap.compat.target import target

TYPE_NAMES = (
    *("BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "HalfTensor"),
    *("IntTensor", "LongTensor", "ShortTensor"),
)


class LegacyType(type):
    """A class that makes tensors of one type, and whose instances all tensors of that type are."""

    plain: Any

    def __call__(cls, *args: Any, **options: Any) -> torch.Tensor:
        """Make a tensor on the device there is."""
        made: torch.Tensor = cls.plain(*args, **options)
        device = target()
        return made if device is None else made.to(device)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, torch.Tensor) and instance.dtype == cls.plain.dtype


def legacy_type(name: str) -> LegacyType:
    """Return the class that stands for ``torch.cuda.<name>``."""
    return LegacyType(name, (), {"plain": getattr(torch, name)})


def plain_type(kind: Any) -> Any:
    """Return torch's own class, e.g. ``torch.FloatTensor``, where a class or text names one of CUDA's, else None."""
    if target() is None:
        return None
    if isinstance(kind, LegacyType):
        return kind.plain
    if isinstance(kind, str) and kind.startswith("torch.cuda.") and kind.rpartition(".")[2] in TYPE_NAMES:
        return getattr(torch, kind.rpartition(".")[2])
    return None
