"""Measure a generator by three classifiers trained on real features of seen and generated ones of unseen classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError, did_you_mean
from d3wrap.evaluation.classifier import ClassifierSettings, predict_scores
from d3wrap.evaluation.fitting import CLASSIFIERS, Fitting
from d3wrap.evaluation.metrics import Metrics, evaluate_scores
from d3wrap.evaluation.synthesis import synthesise
from d3wrap.generator import Generator
from d3wrap.seeds import stream
from d3wrap.space import classifier_space

if TYPE_CHECKING:
    from d3wrap.enhancer import Enhancer


@dataclass(frozen=True)
class Evaluation(Mapping[str, Metrics]):
    """What each classifier reached; printing it gives a table in percent."""

    metrics: Mapping[str, Metrics]

    def __getitem__(self, classifier: str) -> Metrics:
        return self.metrics[classifier]

    def __iter__(self) -> Iterator[str]:
        return iter(self.metrics)

    def __len__(self) -> int:
        return len(self.metrics)

    def __str__(self) -> str:
        names = ("T1", "U", "S", "H", "AUSUC", "AUROC")
        lines = [f"{'percent':10}" + "".join(f"{name:>7}" for name in names)]
        for classifier, metrics in self.metrics.items():
            lines.append(f"{classifier:10}" + "".join(f"{100 * getattr(metrics, name):7.1f}" for name in names))
        return "\n".join(lines)


def evaluate_generator(
    generator: Generator,
    dataset: GZSLDataset,
    *,
    seed: int,
    synthetic_per_class: int = 300,
    classifiers: Sequence[str] = CLASSIFIERS,
    embedding_dim: int = 512,
    settings: ClassifierSettings | None = None,
    enhancer: Enhancer | None = None,
) -> Evaluation:
    """Train each classifier on real training features and ``synthetic_per_class`` features a class, and measure it.

    Without an enhancer, student and embedding are of the same sizes (``embedding_dim``) and initial weights as with
    one, but learn from cross-entropy alone: the arms differ in D³ and in nothing else. Where the generator has a space
    of its own, everything is measured there. Test labels are read once, when every classifier is trained.
    """
    for name in classifiers:
        if name not in CLASSIFIERS:
            raise ConfigError(f"no classifier is called {name!r}{did_you_mean(name, CLASSIFIERS)}")
    dataset = classifier_space(generator, dataset)
    generated, generated_labels = synthesise(
        generator,
        dataset.semantics,
        dataset.unseen,
        synthetic_per_class,
        stream(seed, "synthesis", dataset.features.device),
    )
    if enhancer is not None:
        generated = enhancer.on_generate(generated, generated_labels).detach()
    fitting = Fitting(dataset, generated, generated_labels, seed, settings or ClassifierSettings(), enhancer)
    models = fitting.fit(classifiers, embedding_dim)
    return Evaluation({name: _measure(models[name], dataset) for name in classifiers})


def _measure(model: nn.Module, dataset: GZSLDataset) -> Metrics:
    scores = [predict_scores(model, dataset.features[rows]) for rows in (dataset.test_seen, dataset.test_unseen)]
    return evaluate_scores(
        scores[0],
        dataset.labels[dataset.test_seen],
        scores[1],
        dataset.labels[dataset.test_unseen],
        seen=dataset.seen,
        unseen=dataset.unseen,
    )
