"""A generator that predicts clean data from noised data, as both stages of ZeroDiff have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from d3wrap.adapters.denoiser import DenoisingChain
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.adapters.schedule import Schedule, TimeEmbedding, noise_like
from d3wrap.plugins.zerodiff.settings import ZeroDiffSettings


class Diffused(NamedTuple):
    """A real row at two levels of the diffusion, and what the generator makes of the noisier one."""

    step: Tensor
    """Step t of each row, ``[n]``."""
    clean: Tensor
    """Predicted x̃_0, ``[n, d]``."""
    real: Tensor
    """x_t, ``[n, d]``."""
    generated: Tensor
    """x̃_t, drawn from the posterior given x̃_0 and x_{t+1}, ``[n, d]``."""
    noisier: Tensor
    """x_{t+1}, ``[n, d]``."""


class StepNetwork(nn.Module):
    """x̃_0 = G(x_{t+1}, t, z, c): one hidden layer on all of them side by side, t as sinusoids.

    Shapes: states ``[n, dim]``, steps ``[n]``, z and conditions ``[n, ·]`` → ``[n, dim]``. ``finish`` is applied to the
    output.
    """

    def __init__(
        self,
        dim: int,
        noise_dim: int,
        condition_dim: int,
        settings: ZeroDiffSettings,
        *,
        output: str,
        dtype: torch.dtype,
        finish: Callable[[Tensor], Tensor] | None,
    ) -> None:
        super().__init__()
        self.embedding = TimeEmbedding(settings.diffusion_steps, settings.time_dim, dtype=dtype)
        widths = [dim, settings.time_dim, noise_dim, condition_dim]
        self.network = ConditionalNetwork(widths, [settings.hidden], dim, output)
        self.finish = finish

    def forward(self, state: Tensor, step: Tensor, z: Tensor, condition: Tensor) -> Tensor:
        """Predict x_0 from x_{t+1}."""
        predicted: Tensor = self.network(state, self.embedding(step), z, condition)
        return predicted if self.finish is None else self.finish(predicted)


class Denoiser(DenoisingChain):
    """A denoising diffusion GAN's generator (Xiao et al., ICLR 2022), of data as it is: nothing is centred.

    Its conditions take the place of the semantics, ``[n, condition_dim]``.
    """

    network: StepNetwork

    def __init__(
        self,
        dim: int,
        condition_dim: int,
        noise_dim: int,
        settings: ZeroDiffSettings,
        *,
        output: str,
        dtype: torch.dtype,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(
            StepNetwork(dim, noise_dim, condition_dim, settings, output=output, dtype=dtype, finish=finish),
            Schedule(settings.diffusion_steps, beta_min=settings.beta_min, beta_max=settings.beta_max, dtype=dtype),
            noise_dim=noise_dim,
            feature_dim=dim,
            gives="centred",
            chain_gradient=settings.chain_gradient,
        )
        self.sampling = settings.sampling

    def diffuse(
        self, clean: Tensor, condition: Tensor, rng: torch.Generator | None, z: Tensor | None = None
    ) -> Diffused:
        """Noise real data ``[n, d]`` to a step drawn for each row, and generate from there, with ``z`` if given."""
        step = self.schedule.draw_steps(len(clean), rng)
        real, noisier = self.schedule.pair(clean, step, rng)
        if z is None:
            predicted = self.predict(noisier, step, condition, rng)
        else:
            predicted = self.network(noisier, step, z, condition)
        return Diffused(step, predicted, real, self.schedule.step_back(predicted, noisier, step, rng), noisier)

    def sample(self, condition: Tensor, rng: torch.Generator | None) -> Tensor:
        """Generate x_0 ``[n, d]`` from pure noise, at once or through all steps as ``sampling`` says."""
        if self.sampling == "progressive":
            return self.generate(condition, rng=rng)
        start = noise_like(condition.new_empty(len(condition), self.feature_dim), rng)
        last = torch.full((len(condition),), self.schedule.steps - 1, device=condition.device)
        return self.predict(start, last, condition, rng)
