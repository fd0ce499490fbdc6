"""Build a conditional flow of affine couplings with FrEIA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from d3wrap.adapters.critic import SLOPE
from d3wrap.errors import MissingExtraError


def couplings(
    feature_dim: int, condition_dim: int, *, blocks: int, hidden: int, clamp: float = 1.0, permute: bool = False
) -> nn.Module:
    """Build ``blocks`` conditional affine coupling blocks of the GLOW type as a FrEIA ``SequenceINN``.

    A block transforms one half of the features and then the other, each scaled by at most exp(± ``clamp``); its two
    sub-networks are Linear → LeakyReLU → Linear with ``hidden`` units. All weights and biases are drawn from
    N(0, 0.01²), as GSMFlow does, so that the flow starts near the identity. ``permute`` puts a random permutation,
    fixed from then on, before each block. Everything is drawn from torch's global stream. Raises
    :class:`~d3wrap.errors.MissingExtraError` without FrEIA.
    """
    try:
        from FrEIA.framework import SequenceINN
        from FrEIA.modules import GLOWCouplingBlock, PermuteRandom
    except ImportError as error:
        raise MissingExtraError("FrEIA", "flow", "building a flow of couplings") from error

    def subnet(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, outputs))

    sequence: Any = SequenceINN(feature_dim)
    for _ in range(blocks):
        if permute:
            with numpys_stream_kept():
                sequence.append(PermuteRandom, seed=int(torch.randint(2**31, ())))
        sequence.append(GLOWCouplingBlock, cond=0, cond_shape=(condition_dim,), subnet_constructor=subnet, clamp=clamp)
    network: nn.Module = sequence
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, 0.0, 0.01)
    return network


@contextlib.contextmanager
def numpys_stream_kept() -> Iterator[None]:
    """Restore numpy's global random stream after the block; FrEIA's ``PermuteRandom`` seeds it."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
