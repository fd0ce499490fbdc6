"""Baseline and enhanced arms of several generators and seeds, one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, get_args

from torch import Tensor

from d3wrap.comparison.picture import digit_sheet
from d3wrap.comparison.results import RunResult
from d3wrap.comparison.run import Arm, Plan, measure, results, train
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.storage import Results, write_results
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import D3WrapWarning, MissingExtraError
from d3wrap.evaluation.modes import evaluating
from d3wrap.files import write_json
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins
from d3wrap.seeds import stream
from d3wrap.training.log import Record

ARMS: tuple[Arm, ...] = get_args(Arm)
PICTURES = 12
"""Generated pictures of each unseen class and arm, where features are pictures."""

Watch = Callable[[str], AbstractContextManager[Callable[[Record], None]]]
"""Called with a run's label; gives what is told of each log interval."""


def compare(
    plans: Sequence[Plan],
    dataset: GZSLDataset,
    seeds: Sequence[int],
    plugins: Plugins,
    out: Path,
    *,
    watch: Watch,
    on_result: Callable[[Sequence[RunResult]], None],
    config: Mapping[str, Any],
    command: Sequence[str] = (),
) -> Results:
    """Run both arms of every plan for every seed and write ``results.json`` and ``results.csv`` into ``out``.

    The arms of a seed share data order, noise and initial weights. Each run has its folder
    ``GENERATOR/seed-N/ARM`` with its manifest, losses, weights and ``result.json``. Where features are pictures,
    ``GENERATOR/generated.png`` shows real and generated ones of the first seed.
    """
    runs: list[RunResult] = []
    for plan in plans:
        pictures: dict[str, Tensor] = {}
        for seed in seeds:
            for arm in ARMS:
                folder = RunFolder(out / plan.generator / f"seed-{seed}" / arm)
                with watch(f"{plan.generator} {arm}, seed {seed}") as on_log:
                    trained = train(plan, dataset, arm, seed, plugins, folder, on_log)
                    evaluation, seconds = measure(plan, dataset, seed, trained)
                found = results(plan, dataset, arm, seed, trained, evaluation, seconds)
                write_json(folder.path / "result.json", [run.as_dict() for run in found])
                on_result(found)
                runs += found
                if dataset.image_shape is not None and seed == seeds[0]:
                    pictures[arm] = _generated(trained.backbone, dataset, seed)
        if dataset.image_shape is not None:
            title = f"{plan.generator}, seed {seeds[0]}"
            _draw(out / plan.generator / "generated.png", pictures, dataset, dataset.image_shape, title)
    return write_results(out, runs, config, command)


def _generated(generator: Backbone, dataset: GZSLDataset, seed: int) -> Tensor:
    """Return features of each unseen class, the same noise for both arms; see :func:`_draw`."""
    rng = stream(seed, "pictures", dataset.features.device)
    labels = dataset.unseen.repeat_interleave(PICTURES)
    with evaluating(generator):
        return generator.generate_features(dataset.semantics[labels], rng=rng)


def _draw(
    path: Path, generated: Mapping[str, Tensor], dataset: GZSLDataset, image_shape: tuple[int, int], title: str
) -> None:
    rows = {"real": dataset.features[dataset.test_unseen], **generated}
    if dataset.scaler is not None:
        rows = {name: dataset.scaler.inverse(features) for name, features in rows.items()}
    labels = {name: dataset.unseen.repeat_interleave(PICTURES) for name in generated}
    try:
        digit_sheet(
            path,
            rows,
            {"real": dataset.labels[dataset.test_unseen], **labels},
            classes=dataset.unseen.tolist(),
            class_names=dataset.class_names,
            image_shape=image_shape,
            columns=PICTURES,
            title=title,
        )
    except MissingExtraError as error:
        warnings.warn(D3WrapWarning(f"no picture: {error}"), stacklevel=2)
