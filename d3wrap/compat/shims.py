"""The list of shims, in the order in which they are applied and documented."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from d3wrap.compat import (
    cuda,
    freia,
    item,
    loader,
    masks,
    numpy_names,
    numpy_scalars,
    scalar_gradient,
    scipy_names,
    torch_names,
    volatile,
    yaml_load,
)
from d3wrap.compat.shim import Shim

SHIMS: Mapping[str, Shim] = MappingProxyType(
    {
        module.SHIM.name: module.SHIM
        for module in (
            cuda,
            volatile,
            item,
            scalar_gradient,
            masks,
            loader,
            torch_names,
            numpy_names,
            numpy_scalars,
            scipy_names,
            freia,
            yaml_load,
        )
    }
)
"""Every shim by name. No two set the same attribute, so that they can be undone in any order."""
