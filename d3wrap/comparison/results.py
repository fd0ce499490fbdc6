"""One run of a comparison, as it is stored; ``docs/results.md`` describes every field."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from d3wrap.comparison.checks import (
    COUNT,
    FLAG,
    FRACTION,
    INTEGER,
    NUMBER,
    SECONDS,
    SHARE,
    TEXT,
    check_fields,
    checked,
    mapping_of,
    one_of,
)
from d3wrap.errors import DataError

METRICS = ("T1", "U", "S", "H", "AUSUC", "AUROC")
DIAGNOSTICS = ("ECE", "unseen_as_seen", "seen_as_unseen")
CALIBRATED = ("U_gamma", "S_gamma", "H_gamma")


@dataclass(frozen=True)
class RunResult:
    """What one classifier reached in one run: one arm, one seed. Accuracies and areas are fractions in 0..1.

    Raises :class:`~d3wrap.errors.DataError`, naming the field, for a value of the wrong type or out of range.
    """

    dataset: str = checked(TEXT)
    generator: str = checked(TEXT)
    preset: str = checked(TEXT)
    arm: Literal["baseline", "enhanced"] = checked(one_of("baseline", "enhanced"))
    seed: int = checked(INTEGER)
    classifier: Literal["softmax", "student", "embedding"] = checked(one_of("softmax", "student", "embedding"))
    T1: float = checked(FRACTION)
    U: float = checked(FRACTION)
    S: float = checked(FRACTION)
    H: float = checked(FRACTION)
    AUSUC: float = checked(FRACTION)
    AUROC: float = checked(FRACTION)
    per_class: Mapping[int, float] = checked(mapping_of(int, FRACTION))
    protocol: Literal["honest", "fixed", "paper"] = checked(one_of("honest", "fixed", "paper"))
    test_used_for_selection: bool = checked(FLAG)
    formulation: Literal["released", "corrected"] | None = checked(one_of("released", "corrected").or_none())
    features: str = checked(TEXT)
    semantics: str = checked(TEXT)
    split: str = checked(TEXT)
    train_fraction: float = checked(SHARE)
    steps: int = checked(COUNT)
    batch_size: int = checked(COUNT)
    training_seconds: float = checked(SECONDS)
    evaluation_seconds: float = checked(SECONDS)
    device: str = checked(TEXT)
    dtype: str = checked(TEXT)
    precision: Literal["exact", "tf32", "bf16"] = checked(one_of("exact", "tf32", "bf16"))
    versions: Mapping[str, str] = checked(mapping_of(str, TEXT))
    ECE: float | None = checked(FRACTION.or_none(), None)
    unseen_as_seen: float | None = checked(FRACTION.or_none(), None)
    seen_as_unseen: float | None = checked(FRACTION.or_none(), None)
    gamma: float | None = checked(NUMBER.or_none(), None)
    U_gamma: float | None = checked(FRACTION.or_none(), None)
    S_gamma: float | None = checked(FRACTION.or_none(), None)
    H_gamma: float | None = checked(FRACTION.or_none(), None)
    synthetic_per_class: int | None = checked(COUNT.or_none(), None)
    last5: Mapping[str, float] | None = checked(mapping_of(str, FRACTION).or_none(), None)
    last_step: Mapping[str, float] | None = checked(mapping_of(str, FRACTION).or_none(), None)

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.formulation is None) != (self.arm == "baseline"):
            raise DataError(f"formulation: the {self.arm} arm cannot have {self.formulation!r}; only baseline has none")
        if self.test_used_for_selection != (self.protocol == "paper"):
            raise DataError(
                f"test_used_for_selection: {self.test_used_for_selection} contradicts protocol {self.protocol!r}; "
                "'paper' selects on the test set, the others do not"
            )
        if len({value is None for value in (self.gamma, self.U_gamma, self.S_gamma, self.H_gamma)}) > 1:
            raise DataError("gamma, U_gamma, S_gamma and H_gamma: expected all four or none")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON holds them; class ids become text."""
        return dataclasses.asdict(self) | {"per_class": {str(c): a for c, a in self.per_class.items()}}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> RunResult:
        """Undo :meth:`as_dict`; raises :class:`~d3wrap.errors.DataError` for fields missing, unknown or wrong."""
        names = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(names - set(stored)):
            raise DataError(f"{', '.join(missing)}: missing")
        if unknown := sorted(set(stored) - names):
            raise DataError(f"{', '.join(unknown)}: unknown; this version of d3wrap does not write it")
        return cls(**(dict(stored) | {"per_class": _with_integer_keys(stored["per_class"])}))


def _with_integer_keys(per_class: Any) -> Any:
    if not isinstance(per_class, Mapping) or not all(str(c).isdecimal() for c in per_class):
        raise DataError(f"per_class: expected class ids as keys, found {per_class!r}")
    return {int(c): accuracy for c, accuracy in per_class.items()}
