"""Tensors by name in a safetensors file, written whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from d3wrap.errors import DataError
from d3wrap.files import atomic_path


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name as a safetensors file, atomically."""
    with atomic_path(path) as temporary:
        # Tied weights share memory, which the format does not allow: each name gets its own copy.
        safetensors.torch.save_file({k: v.detach().cpu().clone().contiguous() for k, v in tensors.items()}, temporary)


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return what :func:`save_tensors` wrote; raises :class:`~d3wrap.errors.DataError` naming the file."""
    try:
        return safetensors.torch.load_file(Path(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, safetensors.SafetensorError) as error:
        raise DataError(f"{path}: not a safetensors file that can be read: {error}") from error


def load_weights(path: str | os.PathLike[str], network: nn.Module) -> None:
    """Load what :func:`save_tensors` wrote into ``network``, in place, on its own device and dtype.

    Raises :class:`~d3wrap.errors.DataError` that names the file and the parameters missing, unknown or of another
    shape; the network is unchanged then.
    """
    stored = read_weights(path)
    own = network.state_dict()
    faults = [
        *(f"{key} is missing" for key in own if key not in stored),
        *(f"{key} is unknown to the network" for key in stored if key not in own),
        *(
            f"{key} has shape {list(stored[key].shape)}, the network's has {list(own[key].shape)}"
            for key in own
            if key in stored and stored[key].shape != own[key].shape
        ),
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise DataError(f"{path} does not fit {type(network).__name__}: {'; '.join(faults[:3])}{more}")
    network.load_state_dict(stored)
