"""How CE-GZSL trains: an embedding in a stage of its own, then a Wasserstein GAN that answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from d3wrap import GZSLDataset
from d3wrap.adapters.gan import GANBackbone
from d3wrap.contrastive import class_contrastive, instance_contrastive, supervised_contrastive
from d3wrap.generator import Phase, RealBatch, Stage
from d3wrap.plugins.cegzsl.embedding import ContrastiveEmbedding
from d3wrap.plugins.cegzsl.settings import CEGZSLSettings


class CEGZSLBackbone(GANBackbone):
    """A generator network G(z, a) trained as in CE-GZSL (Han et al., CVPR 2021) and classified in the embedding h.

    Stage ``embedding``, on real features: L_ins(z) + L_cls(F(h, a)). Then the phases of
    :class:`~d3wrap.adapters.gan.GANBackbone`, where the generator adds w_ins L_ins over its features and the real ones
    of the batch together, and w_cls L_cls on its own. L_ins is :func:`~d3wrap.contrastive.supervised_contrastive`, as
    released, or with ``positives_compete=False`` :func:`~d3wrap.contrastive.instance_contrastive`, as printed. L_cls
    is :func:`~d3wrap.contrastive.class_contrastive` over the scores with all seen classes.

    The authors' code takes a step of the embedding with each step of the critic. No generated feature enters it, so
    the GAN has no say in it. Here it is learned first and stays: the generator answers to the finished embedding, not
    to one that still changes, and no batch is shared with the critic. That code also lets the gradients of F pile up
    over an epoch; here each step has its own.
    """

    seen_semantics: Tensor
    column: Tensor

    def __init__(self, network: nn.Module, noise_dim: int, dataset: GZSLDataset, settings: CEGZSLSettings) -> None:
        super().__init__(
            network,
            noise_dim=noise_dim,
            order="noise, semantics",
            feature_dim=dataset.feature_dim,
            semantic_dim=dataset.semantic_dim,
            num_classes=dataset.num_classes,
            critic_hidden=settings.hidden,
            critic_steps=settings.critic_steps,
            penalty_weight=settings.penalty_weight,
            classification_weight=0.0,
            lr=settings.lr,
            name="cegzsl",
        )
        self.settings: CEGZSLSettings = settings
        self.embedding = ContrastiveEmbedding(
            dataset.feature_dim,
            dataset.semantic_dim,
            settings.embedding_dim,
            settings.projection_dim,
            settings.comparator_hidden,
        )
        self.register_buffer("seen_semantics", dataset.semantics[dataset.seen].clone())
        column = torch.full((dataset.num_classes,), -1, device=dataset.seen.device)
        column[dataset.seen] = torch.arange(len(dataset.seen), device=column.device)
        self.register_buffer("column", column)

    def stages(self) -> Sequence[Stage]:
        """Return the one stage, ``embedding``."""
        own, steps = self.settings, self.settings.embedding_steps
        phase = self._decayed(Phase("embedding", tuple(self.embedding.parameters()), lr=own.lr), own.critic_steps)
        steps = own.critic_steps * own.steps if steps is None else steps
        return (Stage("embedding", steps, (phase,), own.embedding_batch_size),)

    def phases(self) -> Sequence[Phase]:
        """Return ``critic_steps`` critic steps and one generator step."""
        return tuple(self._decayed(phase) for phase in super().phases())

    def _decayed(self, phase: Phase, steps: int = 1) -> Phase:
        """Lower the phase's rate as often as the settings say; it takes ``steps`` for one of the generator."""
        if self.settings.lr_decay_every is None:
            return phase
        factor, every = self.settings.lr_decay, self.settings.lr_decay_every * steps
        return replace(phase, decay=lambda n: factor ** (n // every))

    def losses(self, phase: str, batch: RealBatch, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Return the terms of ``embedding``, ``critic`` or ``generator``; see the class for the equations."""
        if phase == "embedding":
            h = self.encode(batch.features)
            z = self.embedding.projection(h)
            return {"instance": self._instance(z, batch.labels), "class": self._class(h, batch.labels)}
        if phase == "critic":
            with torch.no_grad():
                generated = self.generate_features(batch.semantics, rng=rng)
            return self.critic_terms(batch, generated, rng)
        return self.generator_terms(batch, self.generate_features(batch.semantics, rng=rng))

    def generator_terms(self, batch: RealBatch, generated: Tensor) -> dict[str, Tensor]:
        """Add both contrasts to what the generator minimises."""
        terms = super().generator_terms(batch, generated)
        h = self.encode(generated)
        if self.settings.instance_weight:
            with torch.no_grad():
                real = self.embedding.projection(self.encode(batch.features))
            z = torch.cat([self.embedding.projection(h), real])
            terms["instance"] = self.settings.instance_weight * self._instance(z, batch.labels.repeat(2))
        if self.settings.class_weight:
            terms["class"] = self.settings.class_weight * self._class(h, batch.labels)
        return terms

    def _instance(self, projected: Tensor, labels: Tensor) -> Tensor:
        loss = supervised_contrastive if self.settings.positives_compete else instance_contrastive
        return loss(projected, labels, self.settings.instance_temperature)

    def _class(self, embedded: Tensor, labels: Tensor) -> Tensor:
        scores = self.embedding.comparator.all_pairs(embedded, self.seen_semantics)
        return class_contrastive(scores, self.column[labels], self.settings.class_temperature)

    def encode(self, features: Tensor) -> Tensor:
        """Return h of real features, ``[n, d]`` → ``[n, e]``."""
        return self.embedding(features)

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Return h of generated features: ``[n, k]`` → ``[n, e]``."""
        return self.encode(self.generate_features(semantics, rng=rng))

    def generate_features(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one visual feature for each row: ``[n, k]`` → ``[n, d]``."""
        return self.generator.generate(semantics, rng=rng)
