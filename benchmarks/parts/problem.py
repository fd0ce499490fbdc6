"""One D³ step on given networks and features, as d3wrap and as the reference compute it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.objectives.o2dbd import O2DBD
from d3wrap.seeds import initialising, stream
from d3wrap.settings import Formulation
from d3wrap.specs import ObjectiveContext
from d3wrap.weights import named_terms
from parts import reference
from parts.sizes import Sizes, own_plugins


@dataclass(frozen=True)
class Terms:
    """The four losses by ``objective/term``, and what they are to be differentiated by."""

    losses: Mapping[str, Tensor]
    inputs: Mapping[str, Tensor]

    def gradients(self) -> dict[str, Tensor]:
        """Return the gradients of the sum of the losses, by input."""
        total = torch.stack(list(self.losses.values())).sum()
        return dict(zip(self.inputs, torch.autograd.grad(total, list(self.inputs.values())), strict=True))


class Problem:
    """An untrained teacher and student, real features and generated ones: the same for every process of one machine."""

    def __init__(
        self, sizes: Sizes, formulation: Formulation, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        plugins = own_plugins()
        dataset = sizes.dataset().to(device, dtype)
        backbone = d3wrap.build_generator("clswgan", dataset, settings={"hidden": sizes.hidden}, plugins=plugins)
        settings = d3wrap.D3Settings(formulation=formulation, embedding_dim=sizes.embedding_dim, teacher_epochs=0)
        self.enhancer = d3wrap.Enhancer(backbone, dataset, settings, plugins=plugins)
        self.enhancer.prepare()
        teacher, student = self.enhancer.teacher, self.enhancer.student
        rows = torch.randperm(len(dataset.train), generator=stream(0, "benchmark"))[: sizes.real].to(device)
        self.real, self.labels = dataset.train_features[rows], dataset.train_labels[rows]
        self.generated_labels = dataset.unseen.repeat_interleave(sizes.per_class)
        with torch.no_grad():
            semantics = dataset.semantics[self.generated_labels]
            self.generated = backbone.generate(semantics, rng=stream(0, "benchmark", device))
            logits = teacher(dataset.train_features).logits
        context = ObjectiveContext(self.enhancer.settings, dataset, teacher, student, logits)
        with initialising(0, "benchmark"):
            self.objectives = {name: spec.build(context) for name, spec in plugins.objectives.items()}
        self.hook = plugins.freeze("on_batch", self.objectives)

    def d3wrap(self) -> Terms:
        """Compute the terms as training does."""
        generated = self.generated.detach().requires_grad_()
        batch = self.enhancer.observe(self.real, self.labels, generated, self.generated_labels)
        return Terms(named_terms(self.hook(batch=batch)), self._inputs(generated))

    def reference(self) -> Terms:
        """Compute the terms pair by pair; of the released formulation only."""
        o2dbd = self.objectives["o2dbd"]
        if not isinstance(o2dbd, O2DBD) or o2dbd.head is None:
            raise ValueError("the reference is of the released formulation")
        generated = self.generated.detach().requires_grad_()
        losses = reference.losses(
            torch.cat([self.real, generated]),
            torch.cat([self.labels, self.generated_labels]),
            len(self.real),
            self.enhancer.dataset.seen,
            self.enhancer.teacher,
            self.enhancer.student,
            o2dbd.head,
            o2dbd.weight,
            o2dbd.offset,
        )
        return Terms(losses, self._inputs(generated))

    def _inputs(self, generated: Tensor) -> dict[str, Tensor]:
        modules = {name: value for name, value in self.objectives.items() if isinstance(value, nn.Module)}
        networks = nn.ModuleDict({"student": self.enhancer.student, **modules})
        learned = {name: value for name, value in networks.named_parameters() if value.requires_grad}
        return {"generated": generated, **learned}
