"""How much noise each step of a diffusion adds, and the distributions that follow from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from d3wrap.errors import ConfigError

START = 1e-3
"""Time s_0 at which the diffusion begins (Xiao et al., their code): at 0 its standard deviation has no slope."""


class Schedule(nn.Module):
    """The variance-preserving diffusion of T steps: x_0 is data, x_T nearly N(0, I).

    ᾱ_l = exp(−∫β(s) ds) with β(s) = ``beta_min`` + s(``beta_max`` − ``beta_min``), from time s_0 to
    s_l = s_0 + (l/T)(1 − s_0). A *level* l in 0..T names a state x_l; a *step* t in 0..T−1 names the pair x_t, x_{t+1},
    so that the posterior of step t goes from x_{t+1} to x_t. Levels and steps are given as integers ``[n]``, one a row.
    Buffers, computed in double precision, are ``dtype`` (by default float32). Source: Xiao, Kreis, Vahdat, *Tackling
    the Generative Learning Trilemma with Denoising Diffusion GANs*, ICLR 2022, after Song et al., ICLR 2021.
    """

    signal: Tensor
    """√ᾱ_l, ``[T+1]``; 1 at level 0."""
    sigma: Tensor
    """√(1 − ᾱ_l), ``[T+1]``; 0 at level 0."""
    step_signal: Tensor
    """√α of step t, ``[T]``: what is left of x_t in x_{t+1}."""
    step_sigma: Tensor
    """√β of step t, ``[T]``: the standard deviation of the noise it adds."""
    from_start: Tensor
    """Coefficient of x_0 in the mean of the posterior, ``[T]``."""
    from_state: Tensor
    """Coefficient of x_{t+1} in the mean of the posterior, ``[T]``."""
    posterior_sigma: Tensor
    """Standard deviation of the posterior, ``[T]``; 0 at step 0."""

    def __init__(
        self, steps: int = 4, *, beta_min: float = 0.1, beta_max: float = 20.0, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if steps < 1:
            raise ConfigError(f"steps of the diffusion: expected 1 or more, found {steps}")
        if not 0 < beta_min <= beta_max:
            raise ConfigError(f"beta_min and beta_max: expected 0 < beta_min <= beta_max, found {beta_min}, {beta_max}")
        self.steps = steps
        time = START + (1 - START) * torch.arange(steps + 1, dtype=torch.float64) / steps
        integral = beta_min * time + (beta_max - beta_min) / 2 * time.square()
        integral = integral - integral[0]
        alpha, beta = torch.exp(-integral.diff()), -torch.expm1(-integral.diff())
        signal, noise = torch.exp(-integral / 2), -torch.expm1(-integral)
        # The first step adds all the noise there is: its quotients are 1 and 0, whatever rounding makes of them.
        share = torch.cat([torch.ones(1, dtype=torch.float64), beta[1:] / noise[2:]])
        for name, value in {
            "signal": signal,
            "sigma": noise.sqrt(),
            "step_signal": alpha.sqrt(),
            "step_sigma": beta.sqrt(),
            "from_start": signal[:-1] * share,
            "from_state": alpha.sqrt() * noise[:-1] / noise[1:],
            "posterior_sigma": (share * noise[:-1]).sqrt(),
        }.items():
            self.register_buffer(name, value.to(dtype))

    @property
    def kappa(self) -> Tensor:
        """κ_l = 1 − √ᾱ_l, ``[T+1]``: how much of the data is lost at each level (ZeroDiff's noise-to-data ratio)."""
        return 1 - self.signal

    def draw_steps(self, rows: int, rng: torch.Generator | None) -> Tensor:
        """Draw a step for each row, uniformly from 0..T−1: integers ``[rows]``."""
        return torch.randint(self.steps, (rows,), generator=rng, device=self.signal.device)

    def diffuse(self, start: Tensor, level: Tensor, rng: torch.Generator | None) -> Tensor:
        """Draw x_l from q(x_l | x_0) = N(√ᾱ_l x_0, (1 − ᾱ_l) I): ``[n, d]``, levels ``[n]`` in 0..T → ``[n, d]``."""
        return column(self.signal, level) * start + column(self.sigma, level) * noise_like(start, rng)

    def advance(self, state: Tensor, step: Tensor, rng: torch.Generator | None) -> Tensor:
        """Draw x_{t+1} from q(x_{t+1} | x_t) = N(√α_t x_t, β_t I): ``[n, d]``, steps ``[n]`` → ``[n, d]``."""
        return column(self.step_signal, step) * state + column(self.step_sigma, step) * noise_like(state, rng)

    def pair(self, start: Tensor, step: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw (x_t, x_{t+1}) given x_0, ``[n, d]`` each: first x_t, by one jump, then the step from it."""
        state = self.diffuse(start, step, rng)
        return state, self.advance(state, step, rng)

    def posterior(self, start: Tensor, state: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean ``[n, d]`` and standard deviation ``[n, 1]`` of q(x_t | x_{t+1}, x_0), given x_0 and x_{t+1}.

        Source: Ho et al., *Denoising Diffusion Probabilistic Models*, 2020, eqs 6 and 7.
        """
        mean = column(self.from_start, step) * start + column(self.from_state, step) * state
        return mean, column(self.posterior_sigma, step)

    def step_back(self, start: Tensor, state: Tensor, step: Tensor, rng: torch.Generator | None) -> Tensor:
        """Draw x_t from the posterior, given (a prediction of) x_0 and x_{t+1}; at step 0 it is x_0 itself."""
        mean, sigma = self.posterior(start, state, step)
        return mean + sigma * noise_like(mean, rng)


class TimeEmbedding(nn.Module):
    """A fixed table of sinusoids of the step: integers ``[n]`` in 0..T−1 → ``[n, width]``, width even, at least 4.

    The first half of the columns are sin(ω_i t), the second cos(ω_i t), with ω_i falling from 1 to 1/10 000
    geometrically. Source: Ho et al. 2020, after Vaswani et al., *Attention Is All You Need*, 2017.
    """

    table: Tensor

    def __init__(self, steps: int, width: int, *, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if width < 4 or width % 2:
            raise ConfigError(f"width of the time embedding: expected an even number, 4 or more, found {width}")
        half = width // 2
        frequency = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float64) / (half - 1))
        angle = torch.arange(steps, dtype=torch.float64)[:, None] * frequency
        self.register_buffer("table", torch.cat([angle.sin(), angle.cos()], 1).to(dtype))

    def forward(self, step: Tensor) -> Tensor:
        """Return the row of each step."""
        return self.table[step]


def column(values: Tensor, index: Tensor) -> Tensor:
    """Return one value for each row, ``[n, 1]``, to multiply features ``[n, d]`` with."""
    return values[index].unsqueeze(1)


def noise_like(tensor: Tensor, rng: torch.Generator | None) -> Tensor:
    """Draw standard normal noise of the shape, type and device of ``tensor``."""
    return torch.randn(tensor.shape, generator=rng, device=tensor.device, dtype=tensor.dtype)
