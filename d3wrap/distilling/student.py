"""Students: a small residual network for images, an MLP for features, or any network of timm, all untrained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.distilling.settings import DistillSettings
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.vision.importing import import_extra

TIMM = "timm:"


class Student(nn.Module):
    """A network behind a standardisation of its inputs: (x − mean) / std by channel, fixed.

    Shapes: images ``[n, c, h, w]`` in [0, 1], or features ``[n, d]`` → features ``[n, e]`` in the teacher's space, of
    any length.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the features of ``inputs``."""
        if inputs.ndim == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        found: Tensor = self.network((inputs - self.mean) / self.std)
        return found


class Block(nn.Module):
    """Two 3 × 3 convolutions with batch normalisation beside a shortcut: ReLU(f(x) + x) (He et al., CVPR 2016).

    Shapes: ``[n, inside, h, w]`` → ``[n, outside, ⌈h / stride⌉, ⌈w / stride⌉]``.
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            # Means instead of a 1 × 1 convolution with stride (He et al., CVPR 2019), which throws pixels away, and
            # whose backward pass in torch 2.13 writes beyond its memory for few channels in the order used here.
            shrink = [nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)] if stride != 1 else []
            self.shortcut = nn.Sequential(*shrink, nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def residual_network(channels: int, width: int, blocks: int, out_dim: int, *, halve_first: bool) -> nn.Sequential:
    """Return the residual student: a convolution, three stages that halve the picture and double the width, a mean.

    ``halve_first`` lets the first convolution halve the picture too, which is right for 32 pixels or more. Shapes:
    ``[n, channels, h, w]`` → ``[n, out_dim]``, of any size.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, 3, 2 if halve_first else 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    inside = width
    for _ in range(3):
        for index in range(blocks):
            layers.append(Block(inside, 2 * inside if index == 0 else inside, 2 if index == 0 else 1))
            inside = 2 * inside if index == 0 else inside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, out_dim))


def require_fit(settings: DistillSettings, shape: Sequence[int]) -> None:
    """Raise :class:`~d3wrap.errors.ShapeError` where the student cannot take inputs of ``shape``, one row's."""
    name = settings.student
    if name == "mlp" and len(shape) != 1:
        raise ShapeError(
            f"student 'mlp' takes features [n, d], the inputs are images {list(shape)}: leave --images out, or add "
            "--set student=residual"
        )
    if (name == "residual" or name.startswith(TIMM)) and len(shape) != 3:
        raise ShapeError(
            f"student {name!r} takes images, the inputs are {shape[0]} features: give --images, or for a student on "
            "features --preset features"
        )


def new_student(settings: DistillSettings, shape: Sequence[int], out_dim: int, mean: Tensor, std: Tensor) -> Student:
    """Return an untrained student for inputs of ``shape`` (one row's: ``(c, h, w)`` or ``(d,)``).

    ``mean`` and ``std`` broadcast against a batch. Weights come from torch's global stream. Raises
    :class:`~d3wrap.errors.ShapeError` where the student does not fit the inputs,
    :class:`~d3wrap.errors.ConfigError` for a student that does not exist and
    :class:`~d3wrap.errors.MissingExtraError` without timm.
    """
    require_fit(settings, shape)
    name = settings.student
    if name == "mlp":
        network: nn.Module = nn.Sequential(
            nn.Linear(shape[0], settings.hidden),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, out_dim),
        )
    elif name == "residual" or name.startswith(TIMM):
        network = _image_network(settings, shape[0], out_dim)
        # convolutions on a CPU, and mixed precision on a GPU, are faster so; values are the same
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    else:
        raise ConfigError(f"student: expected 'residual', 'mlp' or 'timm:NAME', found {name!r}")
    return Student(network, mean, std)


def _image_network(settings: DistillSettings, channels: int, out_dim: int) -> nn.Module:
    if settings.student == "residual":
        return residual_network(
            channels, settings.width, settings.blocks, out_dim, halve_first=min(settings.crop, settings.size) >= 32
        )
    timm = import_extra("timm", "timm", "timm", f"student {settings.student!r}")
    name = settings.student.removeprefix(TIMM)
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=out_dim, in_chans=channels)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"student: timm cannot make {name!r}: {error}") from error
    return network
