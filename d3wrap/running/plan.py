"""What a d3.yaml says: which objects of a script D³ is attached to, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from d3wrap.config import ConfigDocument, Override
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.running import values
from d3wrap.running.expression import ENCODE_INPUTS, SAMPLE_INPUTS, Lines
from d3wrap.running.given import MERGED, Given, from_document, from_overrides
from d3wrap.running.names import Name


@dataclass(frozen=True)
class Plan:
    """A checked d3.yaml; names are not looked up before the script runs.

    Fields that are None were not given. ``data`` is one name, or a name for each part; ``attach`` holds the plain
    values that :func:`d3wrap.attach` takes as they are, ``d3`` the D³ settings, ``evaluate`` the options of the
    evaluation at the end, ``written`` everything as it was written.
    """

    generator: Name | None = None
    sample: Lines | None = None
    optimizer: tuple[Name, ...] = ()
    data: Name | Mapping[str, Name] | None = None
    semantics: Name | None = None
    encode: Lines | None = None
    real: tuple[Name, Name] | None = None
    noise_dim: int | Name | None = None
    attach: Mapping[str, Any] = field(default_factory=dict)
    d3: Mapping[str, Any] = field(default_factory=dict)
    evaluate: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[Name, ...]:
        """Every dotted name that must be found in the script."""
        data = self.data if isinstance(self.data, Mapping) else {"": self.data}
        single = (self.generator, *self.optimizer, *data.values(), self.semantics, *(self.real or ()), self.noise_dim)
        lines = [name for part in (self.sample, self.encode) if part for name in part.names]
        return (*(name for name in single if isinstance(name, Name)), *lines)


class Key(NamedTuple):
    """A key of d3.yaml: how its value is read, and whether it is handed to ``attach`` as it is."""

    read: Callable[[Given], Any]
    plain: bool = False


KEYS: Mapping[str, Key] = {
    "generator": Key(values.name),
    "sample": Key(lambda given: values.lines(given, SAMPLE_INPUTS)),
    "optimizer": Key(values.names),
    "data": Key(values.data),
    "semantics": Key(values.name),
    "encode": Key(lambda given: values.lines(given, ENCODE_INPUTS)),
    "real": Key(values.real),
    "noise_dim": Key(values.size_or_name),
    "labels": Key(values.choice("global", "seen", "block"), plain=True),
    "order": Key(values.choice("noise, semantics", "semantics, noise"), plain=True),
    "noise": Key(values.choice("normal", "uniform"), plain=True),
    "output": Key(values.output, plain=True),
    "batch_size": Key(values.integer(1), plain=True),
    "every": Key(values.integer(1), plain=True),
    "inner_steps": Key(values.integer(1), plain=True),
    "start_step": Key(values.integer(0), plain=True),
    "scale": Key(values.number, plain=True),
    "seed": Key(values.integer(0), plain=True),
    "encode_generated": Key(values.boolean, plain=True),
    "move_buffers": Key(values.boolean, plain=True),
}
"""Every key but ``d3`` and ``evaluate``, which hold keys of their own."""


def read_plan(documents: Iterable[ConfigDocument], overrides: Iterable[Override] = ()) -> Plan:
    """Read a plan from documents (a recipe's configuration, a d3.yaml) and ``--set`` overrides.

    Of a key given more than once the last one counts; ``d3`` and ``evaluate`` are merged key by key, and null takes a
    key back. Raises ``ConfigError`` as ``FILE:LINE: KEY: message`` for unknown keys, values of another type, and
    where neither ``generator`` nor ``sample`` or no ``data`` is left.
    """
    given: dict[str, Given] = {}
    for document in documents:
        given.update(from_document(document))
    given.update(from_overrides(overrides))
    for key, one in given.items():
        _check_key(key, one)
    given = {key: one for key, one in given.items() if one.value is not None}
    read = {key: KEYS[key].read(one) for key, one in given.items() if key in KEYS}
    plan = Plan(
        **{key: value for key, value in read.items() if not KEYS[key].plain},
        attach={key: value for key, value in read.items() if KEYS[key].plain},
        d3=values.d3_settings(_below("d3", given)),
        evaluate=values.evaluation(_below("evaluate", given)),
        written=_written(given),
    )
    if plan.generator is None and plan.sample is None:
        raise ConfigError("d3.yaml names nothing that generates: give generator: NAME, or sample: with lines")
    if plan.data is None:
        raise ConfigError("d3.yaml does not say where the data is: give data: NAME of the script's loader object")
    return plan


def _check_key(key: str, given: Given) -> None:
    top = key.partition(".")[0]
    if "." in key and top in MERGED:
        return
    if key in MERGED:
        raise ConfigError(f"{given.where()}: set one of its keys, e.g. {key}.{'relation' if key == 'd3' else 'seed'}=…")
    if key not in KEYS:
        raise ConfigError(f"{given.where()}: unknown key{did_you_mean(key, [*KEYS, *MERGED])}")


def _below(top: str, given: Mapping[str, Given]) -> dict[str, Given]:
    return {key.partition(".")[2]: one for key, one in given.items() if key.startswith(f"{top}.")}


def _written(given: Mapping[str, Given]) -> dict[str, Any]:
    written: dict[str, Any] = {key: one.value for key, one in given.items() if key in KEYS}
    for top in MERGED:
        if below := _below(top, given):
            written[top] = {key: one.value for key, one in below.items()}
    return written
