"""``tuned.yaml``: the best settings of each arm, and what they replace."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from d3wrap.comparison.manifest import manifest
from d3wrap.comparison.run import Arm, Plan
from d3wrap.config import load_yaml
from d3wrap.config.document import ConfigDocument
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.files import atomic_path, sha256_of
from d3wrap.protocol.choice import CRITERION
from d3wrap.settings import D3Settings
from d3wrap.tuning.search import Tuning
from d3wrap.tuning.space import ARMS
from d3wrap.tuning.trial import Trial, best_of

FILE = "tuned.yaml"
HEADER = (
    "# The best settings of each arm that `d3wrap tune` found in validation worlds; `d3wrap compare --tuned` takes\n"
    "# them. `value` is the highest of several noisy ones, and so optimistic; `default` is what it replaces.\n"
)


@dataclass(frozen=True)
class TunedArm:
    """The best settings of an arm: by key, and which trial they are of; ``value`` and ``default`` are fractions."""

    settings: Mapping[str, Any]
    trial: int
    value: float
    default: float
    trials: int
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    ``searched`` is what it was of, which a comparison must have in common with it: generator, preset, settings that
    were changed by hand, plugins that were blocked, data. ``validation`` says how settings were judged.
    """

    searched: Mapping[str, Any]
    validation: Mapping[str, Any]
    arms: Mapping[Arm, TunedArm]
    source: str = field(default="", compare=False)
    """The file it was read from."""
    sha256: str = field(default="", compare=False)
    """Of that file."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as YAML and JSON hold it."""
        stored = dataclasses.asdict(self)
        del stored["source"], stored["sha256"]
        return stored

    def note(self, arm: Arm) -> dict[str, Any]:
        """Return what the manifest of a tuned run says of it: not where the file is, which may move."""
        return {"sha256": self.sha256, **dataclasses.asdict(self.arms[arm])}


def make_tuned(tuning: Tuning, trials: Mapping[Arm, list[Trial]], dataset: GZSLDataset) -> Tuned:
    """Return the best of each arm's trials. Of ``dataset`` names and sizes alone are looked at."""
    return Tuned(
        searched=searched(tuning.plan, dataset),
        validation={
            "criterion": CRITERION,
            "classifier": tuning.plan.classifiers[0],
            "seeds": list(tuning.budget.seeds),
            "search_seed": tuning.seed,
            "space": {key: str(values) for key, values in tuning.space.items()},
        },
        arms={arm: _arm(trials[arm]) for arm in ARMS},
    )


def searched(plan: Plan, dataset: GZSLDataset) -> dict[str, Any]:
    """Return what a search and a comparison of its settings have in common, as JSON holds it."""
    plain = D3Settings(formulation=plan.d3.formulation)
    changed = {name: value for name, value in dataclasses.asdict(plan.d3).items() if value != getattr(plain, name)}
    given = plan.settings.items() if isinstance(plan.settings, Mapping) else ((o.key, o.value) for o in plan.settings)
    return {
        "generator": plan.generator,
        "preset": plan.preset,
        "set": dict(given),
        "formulation": plan.d3.formulation,
        "d3": changed,
        "block": sorted(plan.block),
        "dataset": manifest(config={}, seed=0, arm="", dataset=dataset, precision="")["dataset"],
    }


def _arm(trials: list[Trial]) -> TunedArm:
    best = best_of(trials)
    return TunedArm(
        settings=dict(best.parameters),
        trial=best.number,
        value=cast(float, best.value),
        default=cast(float, trials[0].value),
        trials=len(trials),
        seconds=sum(trial.seconds for trial in trials),
    )


def write_tuned(folder: Path, tuned: Tuned) -> Path:
    """Write ``tuned.yaml``, whole or not at all, and return its path."""
    text = yaml.safe_dump(tuned.as_dict(), sort_keys=False, allow_unicode=True, width=100)
    with atomic_path(folder / FILE) as temporary:
        temporary.write_text(HEADER + text, encoding="utf-8")
    return folder / FILE


def read_tuned(path: Path) -> Tuned:
    """Read what :func:`write_tuned` wrote, the file or its folder.

    Raises :class:`~d3wrap.errors.ConfigError` where there is none, or one that d3wrap would not have written.
    """
    if path.is_dir():
        path = path / FILE
        if not path.exists():
            raise ConfigError(f"{path}: no such file; where a search has not ended, its command goes on")
    document = load_yaml(path)
    values = document.values
    _check_keys(document, values, dict.fromkeys(("searched", "validation", "arms"), dict), ())
    kinds: dict[str, type] = {"generator": str, "preset": str, "set": dict, "formulation": str, "d3": dict}
    _check_keys(document, values["searched"], {**kinds, "block": list, "dataset": dict}, ("searched",))
    arms = {arm: _read_arm(document, arm, values["arms"].get(arm)) for arm in ARMS}
    return Tuned(values["searched"], values["validation"], arms, str(path), sha256_of(path))


def _read_arm(document: ConfigDocument, arm: Arm, stored: Any) -> TunedArm:
    kinds: dict[str, type] = {"settings": dict, "trial": int, "value": float, "default": float, "trials": int}
    if not isinstance(stored, dict):
        raise document.error(f"expected the arms {' and '.join(ARMS)}", "arms")
    _check_keys(document, stored, {**kinds, "seconds": float}, ("arms", arm))
    prefixes = ("set.",) if arm == "baseline" else ("set.", "d3.")
    for key in stored["settings"]:
        if not key.startswith(prefixes):
            raise document.error(f"expected {' or '.join(prefixes)}…", "arms", arm, "settings", key)
    return TunedArm(**stored)


def _check_keys(
    document: ConfigDocument, values: Mapping[str, Any], kinds: Mapping[str, type], path: tuple[str, ...]
) -> None:
    where = f"{document.path}{': ' if path else ''}{'.'.join(path)}"
    if set(values) != set(kinds):
        raise ConfigError(f"{where}: expected the keys {', '.join(kinds)}, found {', '.join(values) or 'none'}")
    for key, kind in kinds.items():
        if not isinstance(values[key], kind):
            raise document.error(f"expected {kind.__name__}, found {type(values[key]).__name__}", *path, key)
