"""Call foreign code without a trace: neither random streams nor buffers move."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from d3wrap.seeds import derive, initialising


@contextlib.contextmanager
def isolated(
    seed: int, purpose: str, device: torch.device | str = "cpu", *, move_buffers: bool = False
) -> Iterator[dict[nn.Module, None]]:
    """Seed the global random streams of torch, numpy and Python inside the block, and put them back after.

    Buffers of every module called inside, e.g. running statistics of BatchNorm, are put back too, unless
    ``move_buffers``. Yields these modules in the order of their calls, whoever calls them and by whatever name.
    """
    called: dict[nn.Module, None] = {}
    before: list[tuple[Tensor, Tensor]] = []

    def remember(module: nn.Module, _: object) -> None:
        if module not in called:
            called[module] = None
            if not move_buffers:
                before.extend((buffer, buffer.clone()) for buffer in module.buffers(recurse=False))

    legacy = np.random.get_state()  # noqa: NPY002 - foreign scripts draw from it
    pythons = random.getstate()
    hook = register_module_forward_pre_hook(remember)
    try:
        with initialising(seed, purpose, device):
            np.random.seed(derive(seed, purpose) % 2**32)  # noqa: NPY002
            random.seed(derive(seed, purpose))
            yield called
    finally:
        hook.remove()
        np.random.set_state(legacy)  # noqa: NPY002
        random.setstate(pythons)
        for buffer, value in before:
            buffer.data.copy_(value)  # behind autograd's back: the backward pass does not look at them
