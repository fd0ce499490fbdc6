"""The real batch that D³ compares with: what the script has in hand, or one drawn for it."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.foreign import Convention, LabelReader, recover_labels
from d3wrap.seeds import stream
from d3wrap.training.batches import RealBatches

Batch = tuple[Tensor, Tensor]


class RealRows:
    """Gives real features ``[b, d]`` with class ids ``[b]``, on the dataset's device and in its type.

    ``current()`` is the script's own batch; without it, training rows are drawn from a random stream of d3wrap's.
    """

    def __init__(
        self,
        dataset: GZSLDataset,
        *,
        batch_size: int,
        seed: int,
        current: Callable[[], Batch] | None = None,
        labels: Convention | None = None,
    ) -> None:
        self.dataset, self.current = dataset, current
        self.read = LabelReader(dataset, labels)
        rng = stream(seed, "attach/batches", dataset.features.device)
        self._rows = RealBatches(dataset.train_features, dataset.train_labels, dataset.semantics, batch_size, rng)

    def draw(self) -> Batch:
        """Return the script's current batch, or the next of d3wrap's own."""
        if self.current is None:
            batch = self._rows.draw()
            return batch.features, batch.labels
        given = self.current()
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ConfigError(f"real= must give (features, labels), found a {type(given).__name__}")
        return self.given(*given)

    def given(self, features: Tensor, labels: Tensor | None = None, semantics: Tensor | None = None) -> Batch:
        """Return a script's batch as d3wrap takes it; labels may be told from the rows of semantics it goes with.

        Raises :class:`~d3wrap.errors.ShapeError` for another width, :class:`~d3wrap.errors.DataError` for labels that
        cannot be read.
        """
        if not isinstance(features, Tensor) or features.flatten(1).shape[1:] != (self.dataset.feature_dim,):
            found = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ShapeError(f"real features are {found}, expected [b, {self.dataset.feature_dim}] as in the data")
        values = features.detach().flatten(1).to(self.dataset.features)
        if labels is not None:
            return values, self.read(values, labels)
        if semantics is None:
            raise ConfigError("on_batch: give the labels of the features, or semantics=, their rows of the table")
        return values, recover_labels(semantics, self.dataset)

    @property
    def source(self) -> str:
        """Say where the batches come from."""
        if self.current is None:
            return f"{self._rows.size} rows a step, drawn by d3wrap from the training features"
        convention = self.read.convention
        return "real=, the script's own" + (f"; labels are {convention!r}" if convention else "")
