"""The variants of an ablation: each objective off and alone, each correction off and alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from d3wrap.ablation.parts import WEIGHTS, Part, parts_of, without
from d3wrap.comparison.run import Arm, Plan
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.manager import Plugins
from d3wrap.settings import D3Settings, Formulation

BASELINE, FULL, RELEASED = "baseline", "full", "released"
Kind = Literal["reference", "objective", "correction"]

_RESOLVED = [D3Settings(formulation).resolved() for formulation in ("released", "corrected")]
CORRECTIONS = (
    *(
        field.name
        for field in fields(D3Settings)
        if field.name != "formulation" and len({repr(getattr(one, field.name)) for one in _RESOLVED}) > 1
    ),
    "weights",
)
"""Settings that the formulation decides; ``weights`` are those of terms, which no switch stands for."""


@dataclass(frozen=True)
class Variant:
    """One way to train: what it is called, what it changes in words, and the plan of its runs."""

    name: str
    kind: Kind
    says: str
    plan: Plan
    arm: Arm = "enhanced"


@dataclass(frozen=True)
class Variants:
    """Everything that can be ablated of a plan, and sentences about what cannot."""

    all: Sequence[Variant]
    remarks: Sequence[str]

    def chosen(self, kinds: Collection[Kind], names: Sequence[str] = ()) -> list[Variant]:
        """Return the variants of ``kinds`` and those called ``names``, baseline and full first.

        Neither kinds nor names is all. Raises :class:`~d3wrap.errors.ConfigError` for a name that none has.
        """
        known = [variant.name for variant in self.all]
        for name in names:
            if name not in known:
                raise ConfigError(f"--only: no variant is called {name!r}{did_you_mean(name, known)}")
        wanted = {"reference", *kinds} if kinds or names else {"reference", "objective", "correction"}
        return [variant for variant in self.all if variant.kind in wanted or variant.name in names]


def variants_of(plan: Plan, plugins: Plugins, gradient_share: float) -> Variants:
    """Return the variants of ``plan``; ``gradient_share`` is what suits its generator.

    Those that would train just as another does are left out, with a remark.
    """
    parts = parts_of(plan, plugins)
    found = [
        Variant(BASELINE, "reference", "without D³", plan, "baseline"),
        Variant(FULL, "reference", "D³ as the command asks for it", plan),
        *_objectives(plan, parts),
        *_corrections(plan, parts, gradient_share),
    ]
    seen: dict[str, Variant] = {}
    kept, remarks = [], []
    for variant in found:
        same = seen.setdefault(_trains(variant, gradient_share), variant)
        if same is variant:
            kept.append(variant)
        else:
            remarks.append(f"{variant.name} is left out: it is {same.name}")
    remarks += [_remark(part) for part in parts if not part.blocked]
    return Variants(kept, remarks)


def _remark(part: Part) -> str:
    """Say how a part is left out whose plugin must stay."""
    why = f"{part.name}: its plugin {part.plugin} registers more than this objective, so"
    if not part.weighs:
        return f"{why} it cannot be left out; it declares no losses that could weigh 0"
    return (
        f"{why} its losses weigh 0 instead of the plugin being blocked; a hook of it that changes features would still "
        "run"
    )


def _trains(variant: Variant, gradient_share: float) -> str:
    """Return a text that two variants share where they train alike."""
    if variant.arm == "baseline":
        return "baseline"
    plan = variant.plan
    settings = dataclasses.asdict(plan.d3.resolved(gradient_share)) | {"formulation": None}
    parts = {name: getattr(plan.d3, f"{name}_weight") for name in ("student", "generator", "classifier")}
    usual = {name: weight(term) for name, weight in parts.items() for term in ("classify", "id2sd", "any")}
    return json.dumps([settings, usual, sorted(plan.block)], sort_keys=True)


def _objectives(plan: Plan, parts: Sequence[Part]) -> list[Variant]:
    off = [Variant(f"without-{part.name}", "objective", f"{part.name} off", without(plan, [part])) for part in parts]
    only = [
        Variant(
            f"only-{part.name}",
            "objective",
            f"{part.name} alone",
            without(plan, [other for other in parts if other is not part]),
        )
        for part in parts
    ]
    return off + only


def _corrections(plan: Plan, parts: Sequence[Part], gradient_share: float) -> list[Variant]:
    """Return each correction off; all off, as released; and all off but one."""
    base = plan.d3
    unset: dict[str, Any] = {c: None for c in CORRECTIONS if c != "weights"}
    names: tuple[Formulation, ...] = ("released", "corrected")
    forms = {name: replace(base, formulation=name, **unset) for name in names}
    values = {name: _values(d3, parts, gradient_share) for name, d3 in forms.items()}
    full = _values(base, parts, gradient_share)

    def variant(name: str, says: str, d3: D3Settings) -> Variant:
        return Variant(name, "correction", says, replace(plan, d3=d3))

    found = [
        variant(
            f"without-{c}",
            f"{c}: {_said(values['released'][c])} instead of {_said(full[c])}",
            _with(base, c, values["released"][c]),
        )
        for c in CORRECTIONS
        if full[c] != values["released"][c]
    ]
    found.append(variant(RELEASED, "every correction off, as its authors released it", forms["released"]))
    for c in CORRECTIONS:
        value = full[c] if full[c] != values["released"][c] else values["corrected"][c]
        says = f"released, but {c}: {_said(value)} instead of {_said(values['released'][c])}"
        found.append(variant(f"{RELEASED}+{c}", says, _with(forms["released"], c, value)))
    return found


def _values(d3: D3Settings, parts: Sequence[Part], gradient_share: float) -> dict[str, Any]:
    """Return the value of each correction; of the weights, those of every objective in each of the three sums."""
    resolved = d3.resolved(gradient_share)
    weights = {
        field: {part.name: getattr(d3, field.removesuffix("s"))(part.name) for part in parts if part.weighs}
        for field in WEIGHTS
    }
    return {name: getattr(resolved, name) for name in CORRECTIONS if name != "weights"} | {"weights": weights}


def _with(d3: D3Settings, correction: str, value: Any) -> D3Settings:
    changed: dict[str, Any] = {correction: value}
    if correction == "weights":  # what was asked for term by term stays
        changed = {field: {**value[field], **getattr(d3, field)} for field in WEIGHTS}
    return replace(d3, **changed)


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{field.removesuffix('_weights')} {_listed(own)}" for field, own in value.items())
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _listed(weights: dict[str, float]) -> str:
    values = set(weights.values())
    return (
        f"{values.pop():g}" if len(values) == 1 else ", ".join(f"{name} {value:g}" for name, value in weights.items())
    )
