"""Call a network without moving its running statistics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def restored_buffers(network: object) -> Iterator[None]:
    """Restore after the block what a call in train mode moves: the buffers, e.g. running statistics of BatchNorm.

    Anything that is no ``nn.Module`` is left as it is.
    """
    buffers = list(network.buffers()) if isinstance(network, nn.Module) else []
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.data.copy_(value)  # behind autograd's back: the call's backward pass does not look at it
