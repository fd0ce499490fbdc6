"""Import the libraries that hold image networks, and say what to type where one is missing or does not fit."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import torch

from d3wrap.errors import ConfigError, MissingExtraError

_NEVER_USED = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_DECLARED: list[torch.library.Library] = []  # declarations last as long as the library object


def import_extra(module: str, package: str, extra: str, purpose: str) -> ModuleType:
    """Import ``module`` of the optional ``package``, with :func:`mend_torchvision` done before.

    Raises :class:`~d3wrap.errors.MissingExtraError` where it is not installed, and
    :class:`~d3wrap.errors.ConfigError` where it is and cannot be imported.
    """
    if importlib.util.find_spec(module) is None:
        raise MissingExtraError(package, extra, purpose)
    try:
        mend_torchvision()
        return importlib.import_module(module)
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"{purpose} needs {package}, which is installed but cannot be imported ({error}). If this is about "
            f"torchvision, install the one made for torch {torch.__version__}, from where that torch came: "
            "https://pytorch.org/get-started"
        ) from error


def mend_torchvision() -> None:
    """Import torchvision, where there is one, so that libraries that import it can.

    The torchvision of PyPI is built for CUDA. Beside a CPU build of torch its compiled operators cannot be loaded, and
    then it fails to import, since it describes two of them (``nms`` and ``qnms``, which choose boxes) unconditionally.
    Nothing here and nothing in timm, open_clip or transformers calls them to compute features, so they are declared
    without an implementation; everything else in torchvision is Python.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(name + _NEVER_USED)
        _DECLARED.append(library)
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        importlib.import_module("torchvision")
