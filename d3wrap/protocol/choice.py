"""Choose steps, samples per class and γ of one arm in validation worlds cut out of the training rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from d3wrap.checkpoints.checkpoints import EVERY
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError
from d3wrap.evaluation.curve import best_gamma
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.evaluation.metrics import Metrics
from d3wrap.protocol.fold import Build, Fold
from d3wrap.protocol.world import validation_world, world_folds
from d3wrap.training.precision import Precision

CRITERION = "AUSUC"
"""What steps and samples are chosen by: no bias towards seen or unseen classes changes it, as it would change H."""
REPORTED = ("AUSUC", "T1", "H")


@dataclass(frozen=True)
class Search:
    """What is tried: ``points`` numbers of steps, evenly up to the generator's own, and samples per unseen class.

    No ``samples`` means the generator's own setting. ``folds`` is in how many validation worlds, ``None`` what
    :func:`~d3wrap.protocol.world.world_folds` says.
    """

    points: int = 4
    samples: tuple[int, ...] = ()
    folds: int | None = None

    def __post_init__(self) -> None:
        if self.points < 1 or any(n < 1 for n in self.samples):
            raise ConfigError(f"points and samples: expected 1 or more, found {self.points} and {list(self.samples)}")
        if self.folds is not None and self.folds < 1:
            raise ConfigError(f"folds: expected 1 or more, found {self.folds}")


@dataclass(frozen=True)
class Choice:
    """What one arm of one seed is to be trained and measured with, and how that was found.

    ``gammas`` holds γ by classifier: of the highest H, the mean over the validation worlds. ``tried`` has every
    candidate with what its classifier reached there, ``worlds`` says how each was cut, ``seconds`` what it took.
    """

    steps: int
    synthetic_per_class: int
    gammas: Mapping[str, float]
    tried: tuple[Mapping[str, Any], ...]
    worlds: tuple[str, ...]
    seconds: float = field(compare=False)

    @property
    def score(self) -> float:
        """The criterion of what was chosen: the highest of those tried."""
        return max(float(one[CRITERION]) for one in self.tried)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self) | {"criterion": CRITERION}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Choice:
        """Undo :meth:`as_dict`; raises ``KeyError``, ``TypeError`` or ``ValueError`` for what it would not give."""
        return cls(
            steps=int(stored["steps"]),
            synthetic_per_class=int(stored["synthetic_per_class"]),
            gammas={str(name): float(gamma) for name, gamma in stored["gammas"].items()},
            tried=tuple(dict(one) for one in stored["tried"]),
            worlds=tuple(str(world) for world in stored["worlds"]),
            seconds=float(stored["seconds"]),
        )


def choose(
    build: Build,
    dataset: GZSLDataset,
    *,
    seed: int,
    search: Search | None = None,
    classifiers: Sequence[str] = CLASSIFIERS,
    embedding_dim: int = 512,
    precision: Precision = "exact",
    folder: Path | None = None,
    checkpoint_every: float = EVERY,
    made_with: Mapping[str, Any] | None = None,
) -> Choice:
    """Train an arm in each validation world of ``dataset`` and choose by what it reaches there, on average.

    ``dataset`` may be a sealed one (:class:`~d3wrap.protocol.sealing.Vault`): test rows are not looked at. Steps and
    samples are those of the highest AUSUC of the first classifier, ties to the fewer steps; γ of each classifier is
    chosen with these. ``folder`` keeps what a choice that is killed goes on from, with a checkpoint every
    ``checkpoint_every`` seconds; see :class:`~d3wrap.checkpoints.Checkpoints` for ``made_with``. Raises
    :class:`~d3wrap.errors.DataError` where no world can be cut.
    """
    search = search or Search()
    places = world_folds(dataset, search.folds)
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as kept:
        # All folders at once, so that who watches knows how many there are.
        folders = [Path(kept) / f"fold-{number}" for number in range(1, len(places) + 1)]
        for one in folders:
            one.mkdir(parents=True, exist_ok=True)
        folds, found = [], []
        for place, own in zip(places, folders, strict=True):
            world = validation_world(dataset, seed=seed, fold=place)
            fold = Fold(world, build, own, seed=seed, precision=precision)
            samples = search.samples or (fold.backbone.settings.synthetic_per_class,)
            candidates = [
                (steps, per_class)
                for steps in fold.train(search.points, checkpoint_every, made_with or {})
                for per_class in samples
            ]
            folds.append(fold)
            found.append([fold.measure(*one, classifiers[:1], embedding_dim)[classifiers[0]] for one in candidates])
        tried = [
            {"steps": steps, "synthetic_per_class": per_class, "classifier": classifiers[0], **_reached(metrics)}
            for (steps, per_class), metrics in zip(candidates, zip(*found, strict=True), strict=True)
        ]
        best = max(tried, key=lambda one: (one[CRITERION], -one["steps"], -one["synthetic_per_class"]))
        final = [fold.measure(best["steps"], best["synthetic_per_class"], classifiers, embedding_dim) for fold in folds]
        return Choice(
            steps=best["steps"],
            synthetic_per_class=best["synthetic_per_class"],
            gammas={name: best_gamma([metrics[name].curve for metrics in final]) for name in classifiers},
            tried=tuple(tried),
            worlds=tuple(fold.world.provenance["split"] for fold in folds),
            seconds=sum(fold.seconds for fold in folds),
        )


def _reached(worlds: Sequence[Metrics]) -> dict[str, Any]:
    """Return what a candidate reached on average, at the γ that suits all worlds too, and in each world."""
    gamma = best_gamma([metrics.curve for metrics in worlds])
    by_world = {name: [getattr(metrics, name) for metrics in worlds] for name in REPORTED}
    by_world["H_gamma"] = [metrics.curve.at(gamma)[2] for metrics in worlds]
    return {**{name: fmean(values) for name, values in by_world.items()}, "gamma": gamma, "by_world": by_world}
