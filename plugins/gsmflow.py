"""GSMFlow (Chen et al.: *Mitigating Generation Shifts for Generalized Zero-Shot Learning*, ACM MM 2021)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.couplings import couplings
from d3wrap.adapters.flow import FlowBackbone
from d3wrap.generator import RealBatch
from d3wrap.specs import BackboneSettings

ANCHORS = 3


@dataclass(frozen=True)
class GSMFlowSettings(BackboneSettings):
    """Sizes and rates of GSMFlow; the defaults are those the authors released for CUB."""

    steps: int = 16_200  # 600 epochs of ⌊7,057 / 256⌋ steps
    batch_size: int = 256
    synthetic_per_class: int = 600
    blocks: int = 5
    """Number K of coupling blocks; each transforms both halves of the features."""
    hidden: int = 2048
    """Width of the hidden layer of a block's two sub-networks."""
    condition_dim: int = 1024
    """Width of g(a), what the blocks are conditioned on."""
    clamp: float = 1.0
    """A sub-network scales a feature by at most exp(± clamp)."""
    permute: bool = False
    """Whether a random permutation, fixed when it is built, mixes the halves before each block."""
    prototype_weight: float = 1.0
    """Weight λ_p of the term that ties f⁻¹(0; g(a_c)) to the mean feature of class c."""
    perturbation: float = 0.05
    """Standard deviation π of the noise added to features in training."""
    mask: float = 0.0
    """Probability that a dimension is spared from the noise of a step."""
    lr: float = 3e-4
    weight_decay: float = 1e-5
    decay: float = 0.8
    """Factor γ of the learning rate after each ``decay_epochs``."""
    decay_epochs: int = 15


SMALL = GSMFlowSettings(
    steps=2000,
    batch_size=64,
    synthetic_per_class=300,
    blocks=3,
    hidden=256,
    condition_dim=256,
    permute=True,
    prototype_weight=10.0,
    perturbation=0.07,
    lr=1e-3,
)
PRESETS = {
    # Steps are epochs × ⌊training rows / batch⌋, as the released loop counts them. It has scripts for four datasets;
    # any other gets that of CUB.
    "paper": GSMFlowSettings(),
    "paper/AWA2": GSMFlowSettings(
        steps=45_500,  # 500 × ⌊23,527 / 256⌋
        synthetic_per_class=50_000,
        blocks=3,
        prototype_weight=10.0,
        perturbation=0.15,
        weight_decay=3e-6,
        decay=0.92,
    ),
    "paper/APY": GSMFlowSettings(
        steps=17_400,  # 600 × ⌊5,932 / 200⌋
        batch_size=200,
        synthetic_per_class=9000,
        prototype_weight=3.0,
        perturbation=0.02,
        weight_decay=1e-6,
        decay=0.55,
    ),
    "paper/CUB": GSMFlowSettings(),
    "paper/FLO": GSMFlowSettings(
        steps=6300,  # 300 × ⌊5,631 / 256⌋
        synthetic_per_class=3000,
        prototype_weight=3.0,
        perturbation=0.07,
        weight_decay=1e-4,
    ),
    "small": SMALL,
    "small/digits": replace(SMALL, steps=800),
}


class RelativePositioning(nn.Module):
    """g(a) = Σᵢ ReLU(Wᵢ(a − vᵢ) + bᵢ) over three anchors v, ``[n, k]`` → ``[n, c]`` (relative positioning)."""

    anchors: Tensor

    def __init__(self, semantic_dim: int, out: int) -> None:
        super().__init__()
        self.register_buffer("anchors", torch.zeros(ANCHORS, semantic_dim))
        self.maps = nn.ModuleList(nn.Linear(semantic_dim, out) for _ in range(ANCHORS))

    def forward(self, semantics: Tensor) -> Tensor:
        """Return the position relative to the anchors."""
        return torch.stack(
            [F.relu(layer(semantics - anchor)) for layer, anchor in zip(self.maps, self.anchors, strict=True)]
        ).sum(0)


def find_anchors(semantics: Tensor) -> Tensor:
    """Return the rows with the smallest, the largest and the median total cosine similarity to all rows.

    ``[C, k]`` → ``[3, k]``. Of an even number of rows the upper median is taken, as in the released code.
    """
    unit = F.normalize(semantics, dim=1)
    order = (unit @ unit.sum(0)).argsort()
    return semantics[order[[0, -1, len(order) // 2]]]


class GSMFlowBackbone(FlowBackbone):
    """Maximum likelihood with a visual perturbation, plus λ_p MSE(f⁻¹(0; g(a_c)), x̄_c) over all seen classes c.

    The last term gives no gradient to g, as in the released code.
    """

    condition: RelativePositioning
    seen_semantics: Tensor
    class_means: Tensor

    def __init__(self, network: nn.Module, seen_classes: int, *, prototype_weight: float, **options: Any) -> None:
        super().__init__(network, **options)
        self.prototype_weight = prototype_weight
        self.register_buffer("seen_semantics", torch.zeros(seen_classes, self.semantic_dim))
        self.register_buffer("class_means", torch.zeros(seen_classes, self.feature_dim))

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Choose the anchors among the seen classes, and take the means of their training features."""
        features, labels = dataset.train_features, dataset.train_labels
        self.seen_semantics.copy_(dataset.semantics[dataset.seen])
        self.class_means.copy_(torch.stack([features[labels == c].mean(0) for c in dataset.seen]))
        self.condition.anchors.copy_(find_anchors(self.seen_semantics))

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return ``prior`` and ``volume`` of the likelihood, and ``prototypes``."""
        terms = dict(super().losses(phase, batch, rng))
        if self.prototype_weight:
            with torch.no_grad():
                condition = self.condition(self.seen_semantics)
            central = self.network.inverse(torch.zeros_like(self.class_means), condition)
            terms["prototypes"] = self.prototype_weight * F.mse_loss(central, self.class_means)
        return terms


def build(dataset: GZSLDataset, settings: GSMFlowSettings) -> GSMFlowBackbone:
    """Build an untrained GSMFlow for a dataset."""
    every = settings.decay_epochs * math.ceil(len(dataset.train) / settings.batch_size)
    return GSMFlowBackbone(
        couplings(
            dataset.feature_dim,
            settings.condition_dim,
            blocks=settings.blocks,
            hidden=settings.hidden,
            clamp=settings.clamp,
            permute=settings.permute,
        ),
        len(dataset.seen),
        prototype_weight=settings.prototype_weight,
        feature_dim=dataset.feature_dim,
        semantic_dim=dataset.semantic_dim,
        condition=RelativePositioning(dataset.semantic_dim, settings.condition_dim),
        perturbation=settings.perturbation,
        mask=settings.mask,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        decay=lambda n: settings.decay ** (n // every),
        name="gsmflow",
    )


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``gsmflow``."""
    register(
        GeneratorSpec(
            name="gsmflow",
            family="flow",
            summary="GSMFlow: a conditional normalising flow over semantics placed relative to anchors (needs FrEIA)",
            reference="Chen et al., Mitigating Generation Shifts for Generalized Zero-Shot Learning, ACM MM 2021",
            settings=GSMFlowSettings,
            presets=PRESETS,
            build=build,
            search=("lr", "prototype_weight"),
        )
    )
