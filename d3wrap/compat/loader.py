"""Loaders of data as they were: iterators have ``next``, and a length is asked for when it is needed."""

from __future__ import annotations

from typing import Any

import torch.utils.data
from torch.utils.data import dataloader

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

SAMPLER_INIT: Any = torch.utils.data.RandomSampler.__init__


def sampler_init(self: Any, data_source: Any, *args: Any, **options: Any) -> None:
    """Make a sampler; one of data without ``len`` fails when it is iterated over, not here."""
    if hasattr(data_source, "__len__"):
        SAMPLER_INIT(self, data_source, *args, **options)
        return
    SAMPLER_INIT(self, range(1), *args, **options)
    self.data_source = data_source


def apply(patches: Patches) -> None:
    """Give iterators ``next``, and let data without a length be given to a loader."""
    patches.add(dataloader._BaseDataLoaderIter, "next", lambda self: next(self))
    patches.put(torch.utils.data.RandomSampler, "__init__", sampler_init)


SHIM = Shim(
    name="loader",
    summary="`iter(loader).next()`, and `DataLoader(dataset, shuffle=True)` of a dataset without `len`, which a script "
    "makes and never iterates over",
    gone="torch 1.0 to 2.0",
    apply=apply,
)
