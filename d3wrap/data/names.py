"""Datasets that have a name instead of a path."""

from __future__ import annotations

from typing import Any

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.digits import digits
from d3wrap.data.synthetic import synthetic
from d3wrap.errors import ConfigError, did_you_mean

NAMES = ("digits", "synthetic")
DIALS: dict[str, tuple[str, type[int] | type[float]]] = {
    "classes": ("num_classes", int),
    "unseen": ("num_unseen", int),
    "dim": ("feature_dim", int),
    "semantics": ("semantic_dim", int),
    "samples": ("samples_per_class", int),
    "noise": ("semantic_noise", float),
    "shift": ("shift", float),
    "seed": ("seed", int),
}


def is_name(text: str) -> bool:
    """Return whether ``text`` is a dataset's name, with or without dials."""
    return text.partition(":")[0] in NAMES


def read_named(text: str) -> GZSLDataset:
    """Return ``digits``, or ``synthetic`` with dials as in ``synthetic:classes=20,dim=64``, unscaled.

    Raises :class:`~d3wrap.errors.ConfigError` for a dial that does not exist or is out of range.
    """
    name, colon, dials = text.partition(":")
    if name == "digits":
        if colon:
            raise ConfigError(f"{text}: digits has no dials; write 'digits'")
        return digits()
    return synthetic(**_dials(text, dials))


def _dials(text: str, dials: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for dial in dials.split(",") if dials else ():
        key, sign, value = dial.partition("=")
        if key not in DIALS or not sign:
            raise ConfigError(f"{text}: expected DIAL=NUMBER, found {dial!r}{did_you_mean(key, DIALS)}")
        parameter, kind = DIALS[key]
        if parameter in values:
            raise ConfigError(f"{text}: {key} is given twice")
        try:
            values[parameter] = kind(value)
        except ValueError as error:
            wanted = "a whole number" if kind is int else "a number"
            raise ConfigError(f"{text}: {key} is {value!r}, expected {wanted}") from error
    return values
