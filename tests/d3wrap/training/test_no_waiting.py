"""Between two looks at the losses nothing waits for the device.

There is no device here to wait for, so that what would wait on one is counted instead: operations whose result the
host needs (``.item()``, ``if tensor``) or whose shape depends on values (``nonzero``, ``unique``, boolean indexing),
and tensors made of host data, which are copied over.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import d3wrap
from d3wrap.training.log import LossLog

WAITING = (
    "_local_scalar_dense", "nonzero", "_unique", "unique_", "masked_select", "equal", "is_nonzero", "lift_fresh",
    "repeat_interleave.Tensor", "bincount", "isin",
)  # fmt: skip
METHODS = ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__")


class Waiting(TorchDispatchMode):
    """Records operations that would wait for the device."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removeprefix("aten.")
        by_mask = name.startswith("index.") and any(i is not None and i.dtype == torch.bool for i in args[1])
        if name.startswith(WAITING) or by_mask:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch):
    """Return a function that counts what waits while another runs, but for the looks at the losses."""
    found, looking = [], []
    take = LossLog.take

    def look(self):
        looking.append(True)
        try:
            return take(self)
        finally:
            looking.pop()

    def counted(name, method):
        def call(self, *arguments):
            if not looking:
                found.append(name)
            return method(self, *arguments)

        return call

    def count(function):
        with monkeypatch.context() as patch, Waiting() as mode:
            patch.setattr(LossLog, "take", look)
            for name in METHODS:
                patch.setattr(torch.Tensor, name, counted(name, getattr(torch.Tensor, name)))
            function()
        return [*found, *mode.found]

    return count


@pytest.mark.parametrize("operation", [
    lambda x: x.sum().item(), lambda x: x.tolist(), lambda x: bool(x.any()), lambda x: float(x[0]), lambda x: x[x > 0],
    lambda x: x.nonzero(), lambda x: x.unique(), lambda x: torch.isin(torch.arange(500), torch.arange(100)),
    lambda x: x.new_tensor(1.0), lambda x: torch.tensor(1.0), lambda x: torch.equal(x, x), lambda x: x.cpu(),
])  # fmt: skip
def test_the_count_finds_what_waits(waits, operation):
    assert waits(lambda: operation(torch.arange(3.0)))


def prepared(dataset, **settings):
    """Return an enhancer around clswgan; what comes before the loop is done and may have waited."""
    backbone = d3wrap.build_generator("clswgan", dataset, settings={"hidden": 8, "critic_steps": 2})
    backbone.prepare(dataset, torch.Generator())
    backbone.prepare = lambda dataset, rng: None
    enhancer = d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8, **settings)
    enhancer.prepare()
    return enhancer


def test_the_baseline_does_not_wait(waits, train):
    dataset = d3wrap.synthetic(6, 2, 7, 4, 10)
    backbone = prepared(dataset).generator
    assert waits(lambda: train(backbone, steps=6, log_every=3)) == []


@pytest.mark.parametrize("settings", [
    {}, {"formulation": "released"}, {"max_unseen_classes": 1}, {"relation": "gram"}, {"class_balanced": False},
])  # fmt: skip
def test_the_enhanced_run_does_not_wait(waits, settings):
    """With more unseen classes than torch.isin compares one by one."""
    dataset = d3wrap.synthetic(50, 40, 7, 4, 10)
    enhancer = prepared(dataset, **settings)
    assert waits(lambda: enhancer.fit(steps=6, batch_size=8, log_every=3, on_log=lambda record: None)) == []
