"""Weights from files: read without executing anything, found in a cache, and hashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from d3wrap.errors import ConfigError, DataError


def existing(path: str | os.PathLike[str], what: str) -> Path:
    """Return ``path`` if it is a file; ``what`` says in the :class:`~d3wrap.errors.ConfigError` what it should be."""
    found = Path(path).expanduser()
    if not found.is_file():
        raise ConfigError(f"{found}: no such file, expected {what}")
    return found


def read_state(path: Path) -> dict[str, Tensor]:
    """Return a network's weights by name from a ``.safetensors`` file or one of ``torch.save`` (``.pth``, ``.bin``, …).

    A dictionary that holds the weights as ``state_dict`` or ``model`` is opened, and the ``module.`` that parallel
    training puts before names is taken off. Raises :class:`~d3wrap.errors.DataError` for what holds anything but
    tensors where the weights should be, and for files that would have to execute code to be read.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path, device="cpu")
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, ImportError) as error:
        raise DataError(f"{path}: cannot be read as weights ({_first_line(error)})") from error
    except Exception as error:  # pickle.UnpicklingError, which we do not import
        raise DataError(
            f"{path}: holds more than tensors, and reading it could execute code ({_first_line(error)}). If you trust "
            "it, load it yourself and save its state_dict with safetensors.torch.save_file"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise DataError(f"{path}: holds no state_dict: expected tensors by name, found {type(content).__name__}")
    whole = all(str(name).startswith("module.") for name in content)
    return {str(name).removeprefix("module.") if whole else str(name): value for name, value in content.items()}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def sha256_of_state(network: nn.Module) -> str:
    """Return the SHA-256 of a network's weights: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def find_on_hub(model: str, repository: str, files: Sequence[str]) -> Path:
    """Return a file of a Hugging Face repository (``owner/name``, perhaps ``@revision``) from the cache, or fetch it.

    The first of ``files`` that the cache holds; else the first that the repository has. ``model`` is named in the
    :class:`~d3wrap.errors.DataError` where there is no network and the file is not in the cache.
    """
    import huggingface_hub as hub
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    for file in files:
        known = hub.try_to_load_from_cache(name, file, revision=revision or None)
        if isinstance(known, str):
            return Path(known)
    fault: Exception | None = None
    try:
        # One question, so that a machine without a network says so at once; what fetches tries again for half a minute.
        hub.HfApi().model_info(name, revision=revision or None, timeout=10)
    except Exception as error:  # the network, a proxy, a repository that is not there or needs a login
        fault = error
    for file in () if fault else files:
        try:
            return Path(hub.hf_hub_download(name, file, revision=revision or None))
        except EntryNotFoundError as error:
            fault = error
            if isinstance(error, LocalEntryNotFoundError):
                break
        except Exception as error:  # the network, the disk
            fault = error
            break
    raise DataError(
        f"{model}: its weights are not on this machine and could not be fetched ({_first_line(fault or OSError())}). "
        f"Looked for {name} ({' or '.join(files)}) in {HF_HUB_CACHE}. On a machine with a network type "
        f"`hf download {name} {files[0]}`, copy the file here and add --weights FILE; for a trial without trained "
        "weights add --random-weights 0"
    )
