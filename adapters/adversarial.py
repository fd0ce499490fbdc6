"""What every Wasserstein GAN of ours has: two phases, the critic's terms, and the classification term."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.adapters.critic import Critic
from d3wrap.data import GZSLDataset
from d3wrap.evaluation import SoftmaxClassifier, fit_classifier
from d3wrap.generator import Backbone, Phase


class AdversarialBackbone(Backbone):
    """A generator and a critic of it, trained by turns, with the classification term of f-CLSWGAN (CVPR 2018).

    ``generator`` is a module of which what is not frozen is trained. ``classification_weight`` weighs the cross-entropy
    of a softmax classifier that is trained beforehand on real features of the seen classes and then frozen.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: Critic,
        *,
        feature_dim: int,
        semantic_dim: int,
        num_classes: int,
        critic_steps: int = 5,
        penalty_weight: float = 10.0,
        classification_weight: float = 0.01,
        lr: float = 1e-4,
        name: str,
    ) -> None:
        super().__init__()
        self.name = name
        self.feature_dim, self.semantic_dim = feature_dim, semantic_dim
        self.generator, self.critic = generator, critic
        self.critic_steps = critic_steps
        self.penalty_weight = penalty_weight
        self.classification_weight = classification_weight
        self.lr = lr
        self.seen_classifier = SoftmaxClassifier(feature_dim, num_classes).requires_grad_(False)

    @abstractmethod
    def try_out(self, dataset: GZSLDataset) -> None:
        """Call the network once, leaving no trace; raises ``ShapeError`` where it does not fit the dataset."""

    def prepare(self, dataset: GZSLDataset, rng: torch.Generator) -> None:
        """Train and freeze the softmax classifier of the classification term."""
        if self.classification_weight:
            features, labels = dataset.train_features, dataset.train_labels
            self.seen_classifier.requires_grad_(True)
            fit_classifier(self.seen_classifier, features, labels, rng=rng)
            self.seen_classifier.requires_grad_(False)

    def phases(self) -> Sequence[Phase]:
        """Return ``critic_steps`` critic steps and one generator step; what the network has frozen stays so."""
        trained = tuple(p for p in self.generator.parameters() if p.requires_grad)
        return (
            Phase("critic", tuple(self.critic.parameters()), lr=self.lr, repeats=self.critic_steps),
            Phase("generator", trained, lr=self.lr, enhanced=True),
        )

    def compare(
        self,
        real: Tensor,
        generated: Tensor,
        condition: Tensor,
        rng: torch.Generator | None,
        critic: Critic | None = None,
    ) -> dict[str, Tensor]:
        """Return what the critic minimises, all ``[n, ·]``: E[D(x̃, c)] − E[D(x, c)] and λ E[(‖∇D‖ − 1)²]."""
        on_real, on_generated, penalty = (critic or self.critic).compare(real, generated, condition, rng)
        return {"wasserstein": on_generated.mean() - on_real.mean(), "penalty": self.penalty_weight * penalty}

    def classification(self, generated: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return β L_cls on generated features ``[n, d]`` of classes ``[n]``; nothing where β is 0."""
        if not self.classification_weight:
            return {}
        return {"classification": self.classification_weight * F.cross_entropy(self.seen_classifier(generated), labels)}
