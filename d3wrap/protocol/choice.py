"""Choose steps, samples per class and γ of one arm in the validation world."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor

from d3wrap.data.dataset import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.errors import ConfigError
from d3wrap.evaluation.arms import Evaluation, evaluate_generator
from d3wrap.evaluation.fitting import CLASSIFIERS
from d3wrap.generator import Backbone
from d3wrap.protocol.world import validation_world
from d3wrap.training.log import Record
from d3wrap.training.loop import fit
from d3wrap.training.precision import Precision, computing

Build = Callable[[GZSLDataset], tuple[Backbone, Enhancer | None]]
"""Builds an arm, untrained, for a dataset."""
CRITERION = "AUSUC"
"""What steps and samples are chosen by: no bias towards seen or unseen classes changes it, as it would change H."""


@dataclass(frozen=True)
class Search:
    """What is tried: ``points`` numbers of steps, evenly up to the generator's own, and samples per unseen class.

    No ``samples`` means the generator's own setting.
    """

    points: int = 4
    samples: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.points < 1 or any(n < 1 for n in self.samples):
            raise ConfigError(f"points and samples: expected 1 or more, found {self.points} and {list(self.samples)}")


@dataclass(frozen=True)
class Choice:
    """What one arm of one seed is to be trained and measured with, and how that was found.

    ``gammas`` holds γ by classifier: of the highest H in the validation world. ``tried`` has every candidate with what
    its classifier reached there, ``world`` says how the world was cut, ``seconds`` what it took.
    """

    steps: int
    synthetic_per_class: int
    gammas: Mapping[str, float]
    tried: tuple[Mapping[str, Any], ...]
    world: str
    seconds: float = field(compare=False)

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
            world=str(stored["world"]),
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
    fold: int | None = None,
    on_log: Callable[[Record], None] | None = None,
) -> Choice:
    """Train an arm in the validation world of ``dataset`` and choose by what it reaches there.

    ``dataset`` may be a sealed one (:class:`~d3wrap.protocol.sealing.Vault`): test rows are not looked at. Steps and
    samples are those of the highest AUSUC of the first classifier, ties to the fewer steps; γ of each classifier is
    chosen with these. Raises :class:`~d3wrap.errors.DataError` where no world can be cut.
    """
    search = search or Search()
    began = time.perf_counter()
    world = validation_world(dataset, seed=seed, fold=fold)
    arm = _Arm(*build(world))
    settings = arm.backbone.settings
    states = dict(arm.train(world, seed, search.points, precision, on_log))
    samples = search.samples or (settings.synthetic_per_class,)

    def measure(steps: int, per_class: int, names: Sequence[str]) -> Evaluation:
        arm.load(states[steps])
        with computing(precision, world.features.device):
            return evaluate_generator(
                arm.backbone,
                world,
                seed=seed,
                synthetic_per_class=per_class,
                classifiers=names,
                embedding_dim=embedding_dim,
                enhancer=arm.enhancer,
            )

    first = classifiers[0]
    tried: list[dict[str, Any]] = []
    for steps in states:
        for per_class in samples:
            found = measure(steps, per_class, [first])[first]
            gamma = found.curve.best_gamma()
            tried.append(
                {
                    "steps": steps,
                    "synthetic_per_class": per_class,
                    "classifier": first,
                    "AUSUC": found.AUSUC,
                    "T1": found.T1,
                    "H": found.H,
                    "gamma": gamma,
                    "H_gamma": found.curve.at(gamma)[2],
                }
            )
    best = max(tried, key=lambda one: (one[CRITERION], -one["steps"], -one["synthetic_per_class"]))
    final = measure(best["steps"], best["synthetic_per_class"], classifiers)
    return Choice(
        steps=best["steps"],
        synthetic_per_class=best["synthetic_per_class"],
        gammas={name: metrics.curve.best_gamma() for name, metrics in final.items()},
        tried=tuple(tried),
        world=world.provenance["split"],
        seconds=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class _Arm:
    backbone: Backbone
    enhancer: Enhancer | None

    def train(
        self,
        world: GZSLDataset,
        seed: int,
        points: int,
        precision: Precision,
        on_log: Callable[[Record], None] | None,
    ) -> Iterator[tuple[int, list[Mapping[str, Tensor]]]]:
        """Train to the end; yield the state at each of ``points`` numbers of steps."""
        steps = self.backbone.settings.steps
        states: dict[int, list[Mapping[str, Tensor]]] = {}

        def keep(record: Record) -> None:
            step = record.step - (record.total - steps)
            if step > 0:
                states[step] = self.state()
            if on_log is not None:
                on_log(record)

        fit(
            self.backbone,
            world,
            steps=steps,
            batch_size=self.backbone.settings.batch_size,
            seed=seed,
            enhancer=self.enhancer,
            precision=precision,
            log_every=max(1, -(-steps // points)),
            on_log=keep,
        )
        yield from states.items()

    def state(self) -> list[Mapping[str, Tensor]]:
        """Return copies of the weights."""
        parts = [self.backbone.state_dict(), *([] if self.enhancer is None else [self.enhancer.state_dict()])]
        return [{name: value.detach().clone() for name, value in part.items()} for part in parts]

    def load(self, state: list[Mapping[str, Tensor]]) -> None:
        """Put weights back."""
        self.backbone.load_state_dict(state[0])
        if self.enhancer is not None:
            self.enhancer.load_state_dict(state[1])
