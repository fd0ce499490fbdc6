"""ZeroDiff's critics: several views on a generated row, each a Wasserstein GAN of its own, under one penalty weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from d3wrap.adapters.critic import Critic
from d3wrap.adapters.penalty import AdaptivePenalty


class View(NamedTuple):
    """What one critic compares: a real and a generated row ``[n, d]``, under the conditions ``[n, ·]`` of both."""

    real: Tensor
    generated: Tensor
    conditions: Sequence[Tensor]


class Critics(nn.Module):
    """One critic for each view, by name; ``conditions`` gives the widths of its conditions.

    Every critic has the closed-form gradient penalty with respect to the compared row. The sum of the penalties has one
    weight, which follows their size where ``adapt_every`` is not 0, as in the released code.
    """

    def __init__(
        self, dim: int, conditions: Mapping[str, Sequence[int]], hidden: int, weight: float, adapt_every: int
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict({name: Critic(dim, sum(w), hidden) for name, w in conditions.items()})
        self.penalty = AdaptivePenalty(weight, every=adapt_every)

    def compare(
        self, views: Mapping[str, View], rng: torch.Generator | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the terms that critics minimise, and each critic's score of real less generated rows ``[n]``."""
        terms, estimates, penalties = {}, {}, []
        for name, view in views.items():
            real, generated, penalty = self._critic(name).compare(
                view.real, view.generated, torch.cat(list(view.conditions), 1), rng
            )
            estimates[name] = real - generated
            terms[name] = -estimates[name].mean()
            penalties.append(penalty)
        terms["penalty"] = self.penalty(torch.stack(penalties).sum())
        return terms, estimates

    def judge(self, views: Mapping[str, View]) -> dict[str, Tensor]:
        """Return the terms that a generator minimises: the negative mean score of generated rows, by critic."""
        return {
            name: -self._critic(name)(view.generated, torch.cat(list(view.conditions), 1)).mean()
            for name, view in views.items()
        }

    def _critic(self, name: str) -> Critic:
        return cast(Critic, self.networks[name])
