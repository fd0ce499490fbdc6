"""The firewall: whatever is trained or chosen sees a dataset without test rows, and test rows are given out once."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ProtocolError


class SealedRows(Tensor):
    """Test rows that cannot be read: any use but moving and carrying them raises, naming who tried.

    They hold nothing: the features and labels that they would point to are not in the dataset either.
    """

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Let rows be moved, and refuse everything else."""
        if getattr(function, "__name__", "") in ("to", "is_floating_point"):
            return args[0] if function.__name__ == "to" else False
        raise ProtocolError(
            f"{_caller()} read test rows before everything was chosen: the test set is looked at once, by the final "
            "evaluation. Choose in the validation world (d3wrap.protocol.validation_world)"
        )

    def __len__(self) -> int:
        return int(self.__torch_function__(Tensor.__len__, (SealedRows,), (self,)))


class Vault:
    """Keeps a dataset's test rows until everything is chosen.

    :attr:`sealed` is the dataset to train and choose with: its features and labels are those of the training rows.
    :meth:`decide` records what was chosen, and :meth:`open` then gives the whole dataset, once.
    """

    def __init__(self, dataset: GZSLDataset) -> None:
        self._dataset = dataset
        self.decided: Mapping[str, Any] | None = None
        """What was chosen, once it is."""
        self.opened = False
        self.sealed = _seal(dataset)

    def decide(self, **choice: Any) -> None:
        """Record what was chosen without the test set; nothing can be chosen again."""
        if self.decided is not None:
            raise ProtocolError(f"{_caller()} chose again; chosen was {dict(self.decided)}")
        self.decided = choice

    def open(self) -> GZSLDataset:
        """Return the dataset with its test rows, once, and after :meth:`decide`; else raise ``ProtocolError``."""
        if self.decided is None:
            raise ProtocolError(f"{_caller()} asked for test rows before decide() said what was chosen")
        if self.opened:
            raise ProtocolError(f"{_caller()} asked for test rows again; they were given out once already")
        self.opened = True
        return self._dataset


def _seal(dataset: GZSLDataset) -> GZSLDataset:
    train = dataset.train

    def moved(rows: Tensor | None) -> Tensor | None:
        if rows is None:
            return None
        order = train.argsort()
        return order[torch.searchsorted(train[order], rows.contiguous())]

    return replace(
        dataset,
        features=dataset.features[train],
        labels=dataset.labels[train],
        teacher_features=None if dataset.teacher_features is None else dataset.teacher_features[train],
        train=torch.arange(len(train), device=train.device),
        test_seen=torch.empty(0, dtype=torch.int64).as_subclass(SealedRows),
        test_unseen=torch.empty(0, dtype=torch.int64).as_subclass(SealedRows),
        official_train=moved(dataset.official_train),
        official_val=moved(dataset.official_val),
    )


def _caller() -> str:
    """Name the place outside this file, and outside torch, that led here."""
    torchs = str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if frame.filename != __file__ and not frame.filename.startswith(torchs):
            return f"{Path(frame.filename).name}:{frame.lineno} ({frame.name})"
    return "somebody"
