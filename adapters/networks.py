"""The one conditional network that generators, encoders and decoders are made of."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.adapters.critic import SLOPE, initialise
from d3wrap.errors import ConfigError, did_you_mean

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {"linear": lambda x: x, "relu": F.relu, "sigmoid": torch.sigmoid}
"""What may follow the last layer."""


class ConditionalNetwork(nn.Module):
    """A perceptron on several inputs side by side: [x₁; …; xₘ] → hidden layers with LeakyReLU → ``out``.

    Shapes: one ``[n, width]`` for each of ``inputs`` → ``[n, out]``. ``hidden`` are the widths of the hidden layers,
    ``output`` one of ``linear``, ``relu``, ``sigmoid``. Weights start from N(0, 0.02²), as in f-CLSWGAN.
    """

    def __init__(self, inputs: Sequence[int], hidden: Sequence[int], out: int, output: str = "linear") -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ConfigError(f"output: no such activation: {output!r}{did_you_mean(output, OUTPUTS)}")
        widths = [sum(inputs), *hidden]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.out = nn.Linear(widths[-1], out)
        self.output = output
        initialise(self)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return one row for each row of the inputs."""
        return self.finish(self.hidden_layers(*inputs))

    def hidden_layers(self, *inputs: Tensor) -> Tensor:
        """Return the last hidden layer, ``[n, hidden[-1]]``."""
        x = torch.cat(inputs, 1)
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), SLOPE)
        return x

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the output from the last hidden layer, ``[n, hidden[-1]]`` → ``[n, out]``."""
        return OUTPUTS[self.output](self.out(hidden))
