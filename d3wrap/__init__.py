"""d3wrap gives D³ training (ID²SD + O²DBD) to any generative model for generalized zero-shot learning.

The public names below are loaded when first used, so that ``import d3wrap`` costs next to nothing.
"""

from __future__ import annotations

import importlib
import random
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d3wrap.attaching import AttachReport as AttachReport
    from d3wrap.attaching import Handle as Handle
    from d3wrap.attaching import attach as attach
    from d3wrap.data import GZSLDataset as GZSLDataset
    from d3wrap.data import load_dataset as load_dataset
    from d3wrap.data import synthetic as synthetic
    from d3wrap.enhancer import Enhancer as Enhancer
    from d3wrap.enhancer import enhance as enhance
    from d3wrap.errors import D3WrapError as D3WrapError
    from d3wrap.generator import Backbone as Backbone
    from d3wrap.generator import Generator as Generator
    from d3wrap.hookspecs import hookimpl as hookimpl
    from d3wrap.settings import D3Settings as D3Settings
    from d3wrap.specs import GeneratorSpec as GeneratorSpec
    from d3wrap.wrap import adapt as adapt
    from d3wrap.wrap import build_generator as build_generator

_HOME = {
    "AttachReport": "d3wrap.attaching",
    "Backbone": "d3wrap.generator",
    "D3Settings": "d3wrap.settings",
    "D3WrapError": "d3wrap.errors",
    "Enhancer": "d3wrap.enhancer",
    "GZSLDataset": "d3wrap.data",
    "Generator": "d3wrap.generator",
    "Handle": "d3wrap.attaching",
    "GeneratorSpec": "d3wrap.specs",
    "adapt": "d3wrap.wrap",
    "attach": "d3wrap.attaching",
    "build_generator": "d3wrap.wrap",
    "enhance": "d3wrap.enhancer",
    "hookimpl": "d3wrap.hookspecs",
    "load_dataset": "d3wrap.data",
    "synthetic": "d3wrap.data",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'd3wrap' has no attribute {name!r}")
    value = getattr(_imported(_HOME[name]), name)
    globals()[name] = value
    return value


def _imported(name: str) -> ModuleType:
    """Import a module and put Python's random stream back: rich draws from it, and a script may have seeded it."""
    state = random.getstate()
    try:
        return importlib.import_module(name)
    finally:
        random.setstate(state)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
