"""Find the folder of a pretrained model: on this machine, in the cache of the Hugging Face hub, or on the hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from d3wrap.errors import ConfigError, DataError, MissingExtraError

WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
"""Weights in the order of preference: of a repository, files of the first kind that it has are fetched."""
DESCRIBING = ("*.json", "*.txt", "*.model")
"""Configuration and vocabulary."""
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


def model_folder(model: str, encoder: str) -> Path:
    """Return the folder that holds ``model``: a folder's path, or a repository ``owner/name``, perhaps ``@revision``.

    A repository is taken from the cache, and fetched from the hub where it is not there, unless ``HF_HUB_OFFLINE=1`` is
    set. Raises :class:`~d3wrap.errors.ConfigError` for what is neither, and
    :class:`~d3wrap.errors.DataError`, with what to type, where the weights cannot be had.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    if not _REPOSITORY.fullmatch(model):
        raise ConfigError(
            f"encoder {encoder}: model is {model!r}, which is no folder here and cannot be a repository on the Hugging "
            "Face hub (owner/name)"
        )
    try:
        import huggingface_hub as hub
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError as error:
        raise MissingExtraError("huggingface-hub", "text", f"encoder {encoder}, for models of the hub,") from error
    name, _, revision = model.partition("@")
    cached = _cached(name, revision or None)
    if cached is not None:
        return cached
    try:
        # One question, so that a machine without a network says so at once; what fetches tries again for half a minute.
        found = hub.HfApi().model_info(name, revision=revision or None, timeout=10)
        files = [one.rfilename for one in found.siblings or ()]
        return Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=_wanted(files)))
    except Exception as error:  # the network, a proxy, the disk, a repository that is not there or needs a login
        short = name.partition("/")[2]
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"encoder {encoder}: the weights of {model} are not on this machine and could not be fetched ({said}). "
            f"Looked for the folder {folder.absolute()} and in the cache {HF_HUB_CACHE}. On a machine with a network "
            f"type `hf download {name} --local-dir {short}`, copy that folder here, and say --set model={short}"
        ) from error


def require_described(folder: Path, encoder: str) -> None:
    """Raise :class:`~d3wrap.errors.DataError` for a folder of something else, which libraries say in riddles."""
    if next(folder.glob("*.json"), None) is None:
        raise DataError(f"encoder {encoder}: {folder}: holds no .json file that describes a model")


def _cached(name: str, revision: str | None) -> Path | None:
    """Return the folder in the cache, where it has weights in it."""
    import huggingface_hub as hub

    try:
        folder = Path(hub.snapshot_download(name, revision=revision, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if any(next(folder.rglob(pattern), None) for pattern in WEIGHTS) else None


def _wanted(files: Sequence[str]) -> list[str]:
    """Return patterns of what to fetch: weights in one form, not in every form that somebody needed once."""
    for pattern in WEIGHTS:
        if any(Path(file).match(pattern) for file in files):
            return [*DESCRIBING, pattern]
    return [*DESCRIBING]
