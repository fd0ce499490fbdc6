"""The text half of the vision-language models of OpenCLIP."""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3wrap import hookimpl
from d3wrap.errors import ConfigError, DataError
from d3wrap.semantics.cut import note_cut
from d3wrap.semantics.hub import WEIGHTS, model_folder
from d3wrap.specs import EncoderSettings, EncoderSpec
from d3wrap.vision.importing import import_extra
from d3wrap.vision.weights_files import existing, read_state, sha256_of_state

CONFIG = "open_clip_config.json"
PURPOSE = "encoder open_clip"


@dataclass(frozen=True)
class OpenCLIPSettings(EncoderSettings):
    """Which model and weights, and how many texts it gets at a time."""

    model: str = ""
    """``ARCHITECTURE/TAG`` as OpenCLIP lists them, e.g. ``ViT-B-32/laion2b_s34b_b79k``; a folder with
    open_clip_config.json, weights and tokenizer, or such a repository of the hub, ``owner/name``; or, with ``weights``,
    an architecture alone."""
    weights: str = ""
    """A file of weights for the architecture ``model``."""
    batch_size: int = 32
    """Texts at a time."""

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}, expected 1 or more")


class OpenCLIPEncoder:
    """Encodes texts into the space that a model of OpenCLIP shares with images, in float32."""

    def __init__(self, settings: OpenCLIPSettings, device: torch.device) -> None:
        library = import_extra("open_clip", "open_clip_torch", "open_clip", PURPOSE)
        name, options = _found(library, settings)
        with _quiet():
            try:
                model: Any = library.create_model(name, require_pretrained=True, pretrained_text=False, **options)
                tokenizer: Any = library.get_tokenizer(name)
            except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
                said = " ".join(str(error).split())[:400]
                raise DataError(f"{PURPOSE}: {settings.model} cannot be made on this machine: {said}") from error
        self.model = model.to(device, torch.float32).eval().requires_grad_(False)
        self.settings, self.device, self.tokenizer = settings, device, tokenizer
        self.provenance: Mapping[str, str] = {
            "weights": f"sha256 of state {sha256_of_state(model)}",
            "open_clip_torch": version("open_clip_torch"),
            "torch": str(torch.__version__),
        }

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return ``[n, k]``; warns where texts are longer than the model reads."""
        limit = int(self.tokenizer.context_length)
        self.provenance = {**self.provenance, **note_cut("open_clip", self._lengths(texts), limit)}
        size = self.settings.batch_size
        parts = [
            self.model.encode_text(self.tokenizer(list(texts[start : start + size])).to(self.device))
            for start in range(0, len(texts), size)
        ]
        return torch.cat(parts).cpu()

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        inner = getattr(self.tokenizer, "tokenizer", None)  # of transformers, where the text tower is
        if inner is not None:
            return [len(one) for one in inner(list(texts), verbose=False)["input_ids"]]
        return [len(self.tokenizer.encode(text)) + 2 for text in texts]  # and one at each end


def _found(library: Any, settings: OpenCLIPSettings) -> tuple[str, dict[str, Any]]:
    """Return what OpenCLIP calls the model, and the options that say where its weights are."""
    architecture, _, tag = settings.model.partition("/")
    known = library.list_models()
    if settings.weights:
        if settings.model not in known:
            raise ConfigError(f"{PURPOSE}: with weights, model is an architecture{_near(settings.model, known)}")
        file = existing(settings.weights, "a file of weights")
        read_state(file)  # says what is wrong with a file; open_clip would not
        return settings.model, {"pretrained": str(file)}
    if architecture in known and not Path(settings.model).is_dir():
        tagged = library.get_pretrained_cfg(architecture, tag) if tag else {}
        if not tagged:
            tags = ", ".join(library.list_pretrained_tags_by_model(architecture)) or "none"
            fault = f"has no weights {tag!r}" if tag else "needs weights: say which behind a /, or --set weights=FILE"
            raise ConfigError(f"{PURPOSE}: {architecture} {fault} (there are {tags})")
        repository, _, file_name = str(tagged.get("hf_hub", "")).rpartition("/")
        if not repository:
            raise ConfigError(
                f"{PURPOSE}: the weights of {settings.model} are not on the Hugging Face hub; download "
                f"{tagged.get('url')} and type --set model={architecture} --set weights=FILE"
            )
        file = _weights_in(model_folder(repository, "open_clip"), file_name)
        return architecture, {"pretrained": str(file), "force_quick_gelu": bool(tagged.get("quick_gelu"))}
    if not (tag or Path(settings.model).is_dir()):
        raise ConfigError(
            f"{PURPOSE}: model is no folder here and no architecture of OpenCLIP{_near(architecture, known)}"
        )
    folder = model_folder(settings.model, "open_clip")
    if not (folder / CONFIG).is_file():
        raise DataError(f"{PURPOSE}: {folder} has no {CONFIG}, so it is no model of OpenCLIP; try --encoder hf")
    _weights_in(folder, "")
    return f"local-dir:{folder}", {}


def _weights_in(folder: Path, name: str) -> Path:
    files = [folder / name] if name else [file for pattern in WEIGHTS for file in sorted(folder.glob(pattern))]
    for file in files:
        if file.is_file():
            return file
    raise DataError(f"{PURPOSE}: {folder} has no weights ({name or ', '.join(WEIGHTS)}); copy or fetch it again")


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    return f", found {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else "")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCLIP from telling what it does on the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


SPEC = EncoderSpec(
    name="open_clip",
    summary="the text half of a model of OpenCLIP (extra open_clip)",
    reference="Cherti et al., Reproducible scaling laws for contrastive language-image learning, CVPR 2023",
    settings=OpenCLIPSettings,
    build=OpenCLIPEncoder,
    required=("model",),
)


@hookimpl
def register_encoders(register: Callable[[EncoderSpec], None]) -> None:
    """Register the encoder ``open_clip``."""
    register(SPEC)
