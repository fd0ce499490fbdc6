"""Switch a network to evaluation for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import nn


@contextlib.contextmanager
def evaluating(network: object) -> Iterator[None]:
    """Turn gradients off and put ``network`` in eval mode inside the block; restore each module's own mode after.

    Anything without ``modules()`` is left as it is.
    """
    modules: Iterable[nn.Module] = network.modules() if hasattr(network, "modules") else ()
    modes = {module: module.training for module in modules}
    for module in modes:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
