"""Make a search from a plan and what is to be searched, and tell whether a folder holds the same one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d3wrap.comparison.identity import require_same
from d3wrap.comparison.run import Plan, build, describe
from d3wrap.config import Override
from d3wrap.data.dataset import GZSLDataset
from d3wrap.files import write_json
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins
from d3wrap.protocol import Vault
from d3wrap.tuning.default_space import filled_space
from d3wrap.tuning.search import Budget, Tuning
from d3wrap.tuning.space import Settings, read_space

MANIFEST = "manifest.json"


def make_tuning(
    plan: Plan,
    dataset: GZSLDataset,
    plugins: Plugins,
    wanted: Sequence[Override] = (),
    *,
    budget: Budget | None = None,
    seed: int = 0,
    **job: Any,
) -> Tuning:
    """Check what is ``wanted`` to be searched against the settings, add defaults, and return the search.

    The plan's own settings are the defaults. ``job`` are fields of :class:`~d3wrap.comparison.job.Job` other than those
    of the trial. Nothing is trained. Raises :class:`~d3wrap.errors.ConfigError` for what does not fit.
    """
    backbone = _built(plan, dataset, plugins)
    optional = {name for name, spec in plugins.objectives.items() if spec.optional}
    settings = Settings(backbone.settings, plan.d3.resolved(backbone.gradient_share), optional)
    given = read_space(wanted, settings, plugins)
    space = filled_space(given, settings, plugins.generator(plan.generator), plugins)
    defaults = {key: settings.value(key) for key in space}
    return Tuning(plan, defaults, space, budget or Budget(), seed, {"plugins": plugins.names, **job})


def begin(folder: Path, tuning: Tuning, dataset: GZSLDataset, plugins: Plugins, command: Sequence[str] = ()) -> None:
    """Write ``manifest.json`` of a search, or check that the one there is of the same: data, space, seeds, settings.

    Trials and seconds may differ: a search can be given more. Raises :class:`~d3wrap.errors.DataError` that shows the
    difference.
    """
    backbone = _built(tuning.plan, dataset, plugins)
    found = describe(tuning.plan, dataset, "enhanced", tuning.seed, backbone, plugins, command)
    found["arm"] = "both"
    found["config"] |= {
        "space": {key: str(values) for key, values in tuning.space.items()},
        "seeds": list(tuning.budget.seeds),
        "prune": tuning.budget.prune,
    }
    path = folder / MANIFEST
    if path.exists():
        require_same(path, found)
    else:
        write_json(path, found)


def _built(plan: Plan, dataset: GZSLDataset, plugins: Plugins) -> Backbone:
    return build(plan, Vault(dataset).sealed, "baseline", 0, plugins)[0]
