"""Fit the three classifiers that a generator is measured by."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from d3wrap.batch import ClassifierStep, D3Batch, Embedded
from d3wrap.data.dataset import GZSLDataset
from d3wrap.evaluation.classifier import ClassifierSettings, SoftmaxClassifier, fit_classifier, predict_scores
from d3wrap.networks import Student
from d3wrap.seeds import initialising, stream

if TYPE_CHECKING:
    from d3wrap.enhancer import Enhancer

CLASSIFIERS = ("softmax", "student", "embedding")
"""``softmax``: linear on features. ``student``: embedding and classifier end to end. ``embedding``: linear on the
student's embedding."""

Step = Callable[["Enhancer", Tensor, Tensor, Tensor], ClassifierStep]
"""Makes of features, labels and logits what the hooks receive."""


class Fitting:
    """Real training features of seen classes followed by generated ones, to fit classifiers on."""

    def __init__(
        self,
        dataset: GZSLDataset,
        generated: Tensor,
        generated_labels: Tensor,
        seed: int,
        settings: ClassifierSettings,
        enhancer: Enhancer | None,
    ) -> None:
        self.dataset, self.seed, self.settings, self.enhancer = dataset, seed, settings, enhancer
        real = dataset.train_features
        self.num_real = len(real)
        self.features = torch.cat([real, generated.to(real)])
        self.labels = torch.cat([dataset.train_labels, generated_labels])

    def fit(self, classifiers: Sequence[str], embedding_dim: int) -> dict[str, nn.Module]:
        """Return the fitted networks, features ``[n, d]`` → logits ``[n, C]``, by name."""
        models: dict[str, nn.Module] = {}
        if "softmax" in classifiers:
            models["softmax"] = self._softmax("softmax", self.features)
        if "student" in classifiers or "embedding" in classifiers:
            models["student"] = student = self._student(embedding_dim)
            if "embedding" in classifiers:
                embed = _Embed(student.student)
                linear = self._softmax("embedding", predict_scores(embed, self.features))
                models["embedding"] = nn.Sequential(embed, linear)
        return models

    def _softmax(self, name: str, features: Tensor) -> SoftmaxClassifier:
        model = SoftmaxClassifier(features.shape[1], self.dataset.num_classes).to(features)
        self._fit(model, features, name, lambda _, x, labels, logits: ClassifierStep(name, x, labels, logits))
        return model

    def _student(self, embedding_dim: int) -> _StudentLogits:
        """Fit the student: the enhancer's own, else one of the same sizes and initial weights."""
        if self.enhancer is not None:
            student = copy.deepcopy(self.enhancer.student)
        else:
            with initialising(self.seed, "student"):
                student = Student(self.dataset.feature_dim, embedding_dim, self.dataset.num_classes)
        model = _StudentLogits(student.to(self.features))

        def step(enhancer: Enhancer, x: Tensor, labels: Tensor, logits: Tensor) -> ClassifierStep:
            teacher = enhancer.teacher(x)
            batch = D3Batch(x, labels, self._real_in_batch, teacher, model.last, self.dataset.seen, self.dataset.unseen)
            return ClassifierStep("student", x, labels, logits, batch)

        self._fit(model, self.features, "student", step)
        return model

    def _fit(self, model: nn.Module, features: Tensor, name: str, step: Step) -> None:
        enhancer = self.enhancer
        fit_classifier(
            model,
            features,
            self.labels,
            rng=stream(self.seed, f"classifier/{name}", features.device),
            settings=self.settings,
            step_loss=None if enhancer is None else lambda *seen: enhancer.on_classifier_step(step(enhancer, *seen)),
            cut=self._real_first,
            name=name,
        )

    def _real_first(self, order: Tensor, size: int) -> Iterator[Tensor]:
        """Cut an epoch into batches, each with its real rows first; their counts reach the host once an epoch."""
        batches = order.split(size)
        counts = torch.stack([(rows < self.num_real).sum() for rows in batches]).tolist()
        for rows, self._real_in_batch in zip(batches, counts, strict=True):
            yield rows[(rows >= self.num_real).int().argsort(stable=True)]


class _StudentLogits(nn.Module):
    """A student as a classifier: it gives logits alone, and keeps for the hooks what it gave last."""

    last: Embedded

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, features: Tensor) -> Tensor:
        self.last = self.student(features)
        return self.last.logits


class _Embed(nn.Module):
    """A student's embedding, features ``[n, d]`` → ``[n, e]``."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.student = student

    def forward(self, features: Tensor) -> Tensor:
        return self.student(features).embedding
