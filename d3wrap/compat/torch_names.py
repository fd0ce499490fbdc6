"""Small things torch dropped: ``torch._six``, ``verbose=`` of schedulers."""

from __future__ import annotations

import collections.abc
import inspect
import math
import sys
from functools import wraps
from types import ModuleType
from typing import Any

import torch
from torch.optim import lr_scheduler

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

SIX: dict[str, Any] = {
    "PY2": False,
    "PY3": True,
    "PY37": True,
    "inf": math.inf,
    "nan": math.nan,
    "string_classes": (str, bytes),
    "int_classes": int,
    "container_abcs": collections.abc,
    "queue": __import__("queue"),
}
"""What ``torch._six`` held."""


def six() -> ModuleType:
    """Return a module that holds what ``torch._six`` did."""
    module = ModuleType("torch._six", "What torch._six held until torch 1.13.")
    vars(module).update(SIX)
    return module


def without_verbose(init: Any) -> Any:
    """Return a scheduler's ``__init__`` that takes ``verbose=``, and prints nothing."""

    @wraps(init)
    def initialise(self: Any, *args: Any, verbose: Any = None, **options: Any) -> None:
        init(self, *args, **options)

    return initialise


def schedulers() -> list[type[Any]]:
    """Return the schedulers of torch that define how they are made, and know nothing of ``verbose``."""
    kinds = [kind for kind in vars(lr_scheduler).values() if isinstance(kind, type) and "__init__" in vars(kind)]
    kinds = [kind for kind in kinds if issubclass(kind, (lr_scheduler.LRScheduler, lr_scheduler.ReduceLROnPlateau))]
    unique = list(dict.fromkeys(kinds))
    return [kind for kind in unique if "verbose" not in inspect.signature(kind).parameters]


def apply(patches: Patches) -> None:
    """Give torch back what it dropped."""
    if "torch._six" not in sys.modules:
        module = six()
        patches.put_item(sys.modules, "torch._six", module)
        patches.add(torch, "_six", module)
    for kind in schedulers():
        patches.put(kind, "__init__", without_verbose(kind.__init__))


SHIM = Shim(
    name="torch-names",
    summary="`torch._six`, and `verbose=` of learning rate schedulers (nothing is printed)",
    gone="torch 1.13 to 2.x",
    apply=apply,
)
