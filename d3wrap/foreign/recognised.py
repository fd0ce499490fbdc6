"""What came out of looking at a script's data."""

from __future__ import annotations

from dataclasses import dataclass

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import DataError
from d3wrap.foreign.convention import Convention


@dataclass(frozen=True)
class Recognised:
    """A script's data as a dataset, and in words how it was understood.

    ``convention`` is that of the script's training labels; ``lines`` are for a person to read.
    """

    dataset: GZSLDataset
    convention: Convention
    lines: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """The splits without images: ``test_seen``, ``test_unseen``, both or none."""
        return tuple(name for name in ("test_seen", "test_unseen") if not len(getattr(self.dataset, name)))

    @property
    def has_test(self) -> bool:
        """Whether there are test images of seen and of unseen classes, so that a model can be evaluated."""
        return not self.missing

    def require_test(self) -> None:
        """Raise :class:`~d3wrap.errors.DataError` where :attr:`has_test` is false, saying what is missing."""
        if self.missing:
            raise DataError(without_test(self.missing))


def without_test(missing: tuple[str, ...]) -> str:
    """Say what is missing for an evaluation and what to give."""
    names = ", ".join(f"{name}_features and {name}_labels" for name in missing)
    return (
        f"evaluate() is impossible: the data has no {' and no '.join(missing)} images (a loader in validation mode "
        f"often has none); give {names}"
    )
