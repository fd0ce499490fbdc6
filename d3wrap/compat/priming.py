"""What torch learns once about its own functions, learned before any of them is replaced.

Making the first optimizer, the first default device or the first script function has torch build tables from what
``torch.zeros`` and its like are at that moment, and keep them. Built while shims are applied, the tables would hold the
shims' functions for the rest of the process, or be refused.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from functools import cache

TABLES = (
    ("torch.utils._device", "_device_constructors"),
    ("torch.jit._builtins", "_get_builtin_table"),
    ("torch._dynamo.trace_rules", "get_torch_obj_rule_map"),
)
"""Modules and functions of torch that build a table and keep it; other versions of torch may not have them."""


@cache
def prime() -> None:
    """Let torch build its tables from its own functions; once for a process."""
    for module, function in TABLES:
        with suppress(ImportError, AttributeError):
            getattr(importlib.import_module(module), function)()
