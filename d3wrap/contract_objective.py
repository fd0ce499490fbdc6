"""What every objective must do, as checks that run on a small dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

import torch
from torch import Tensor, nn

from d3wrap.batch import ClassifierStep
from d3wrap.contract import Check, global_stream_untouched, require, tried
from d3wrap.data import GZSLDataset, synthetic
from d3wrap.enhancer import Enhancer
from d3wrap.errors import ConfigError
from d3wrap.manager import LoadedPlugin, Plugins
from d3wrap.settings import D3Settings, Formulation
from d3wrap.specs import ObjectiveSpec


def objective_checks(spec: ObjectiveSpec, dataset: GZSLDataset | None = None) -> Iterator[Check]:
    """Yield each check of an objective as it is done, in both formulations; stops where it cannot be built.

    An optional one gets a weight, so that it takes part; it may refuse to, by a ``ConfigError`` that says why.
    """
    dataset = dataset or synthetic()
    plugins = Plugins([LoadedPlugin(spec.name, spec, (), (spec,))], {})
    for formulation in get_args(Formulation):
        weights = {spec.name: 1.0} if spec.optional else {}
        settings = D3Settings(formulation=formulation, teacher_epochs=1, embedding_dim=16, student_weights=weights)
        enhancer = Enhancer(_Linear(dataset), dataset, settings, plugins=plugins)
        if spec.optional and (reason := _refusal(enhancer)):
            yield Check(f"takes no part ({formulation}), and says why: {reason}", None)
            continue
        first = tried(f"builds ({formulation})", enhancer.prepare)
        yield first
        if first.fault is None:
            yield tried(f"gives finite declared losses that train something ({formulation})", _on_batch, enhancer, spec)
            yield tried(f"takes the steps of classifiers ({formulation})", _on_classifier_step, enhancer)


class _Linear(nn.Module):
    """The smallest generator: features are a linear map of semantics."""

    def __init__(self, dataset: GZSLDataset) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dataset.semantic_dim, dataset.feature_dim), 0.1))

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return semantics @ self.weight


def _refusal(enhancer: Enhancer) -> str | None:
    try:
        enhancer.prepare()
    except ConfigError as error:
        return str(error)
    except Exception:  # whatever else is wrong, the check after this finds it too
        return None
    return None


def _on_batch(enhancer: Enhancer, spec: ObjectiveSpec) -> None:
    learned: Iterable[Tensor] = [*enhancer.student.parameters()]
    before = [parameter.detach().clone() for parameter in learned]
    dataset = enhancer.dataset
    with global_stream_untouched():
        losses = enhancer.on_batch(dataset.train_features[:16], dataset.train_labels[:16])
    declared = {f"{spec.name}/{term}" for term in spec.terms}
    undeclared = sorted(set(losses.terms) - declared)
    require(not undeclared, f"returns {', '.join(undeclared)}, which its spec's terms do not declare")
    for name, value in losses.terms.items():
        require(bool(value.isfinite()), f"loss {name} is {float(value)}")
    moved = any(not torch.equal(old, new) for old, new in zip(before, learned, strict=True))
    require(moved or losses.total.requires_grad or not losses.terms, "its losses train neither student nor generator")


def _on_classifier_step(enhancer: Enhancer) -> None:
    dataset = enhancer.dataset
    real, labels = dataset.train_features[:16], dataset.train_labels[:16]
    unseen = dataset.unseen
    batch = enhancer.observe(real, labels, enhancer.generator.generate(dataset.semantics[unseen]).detach(), unseen)
    steps = {"student": batch, "softmax": None}
    for classifier, seen_by_student in steps.items():
        step = ClassifierStep(classifier, batch.features, batch.labels, batch.student.logits, seen_by_student)
        with global_stream_untouched():
            loss = enhancer.on_classifier_step(step)
        require(loss is None or bool(loss.isfinite()), f"its loss on a step of classifier {classifier!r} is not finite")
