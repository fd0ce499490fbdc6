"""Text towers of Hugging Face's transformers: of CLIP and its like, or any model of sentences, pooled."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import torch
from torch import Tensor

from d3wrap import hookimpl
from d3wrap.errors import ConfigError, DataError
from d3wrap.semantics.cut import note_cut
from d3wrap.semantics.hub import model_folder, require_described
from d3wrap.specs import EncoderSettings, EncoderSpec
from d3wrap.vision.importing import import_extra
from d3wrap.vision.weights_files import sha256_of_state

Pooling = Literal["auto", "mean", "first", "last"]


@dataclass(frozen=True)
class HFSettings(EncoderSettings):
    """Which model, and how its tokens become one vector."""

    model: str = ""
    """A folder with config.json, weights and tokenizer, or a repository of the hub: ``owner/name``, or with
    ``@revision`` behind."""
    pooling: Pooling = "auto"
    """``auto``: what the model itself gives for a text (CLIP, SigLIP, …), else the mean. Of the tokens' vectors in the
    last layer ``mean``, ``first`` or ``last``."""
    batch_size: int = 32
    """Texts at a time."""

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}, expected 1 or more")


class HFEncoder:
    """Encodes texts by a model of transformers, in float32, without dropout."""

    def __init__(self, settings: HFSettings, device: torch.device) -> None:
        transformers = import_extra("transformers", "transformers", "text", "encoder hf")
        folder = model_folder(settings.model, "hf")
        require_described(folder, "hf")
        with quiet():
            try:
                # Whatever a folder's files ask for, no code of it is run.
                self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
                model: Any = transformers.AutoModel.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
                raise DataError(f"encoder hf: {folder}: {' '.join(str(error).split())[:400]}") from error
        model = model.to(device, torch.float32).eval().requires_grad_(False)
        self.settings, self.device = settings, device
        self.whole = hasattr(model, "get_text_features") and settings.pooling == "auto"
        text = getattr(model.config, "text_config", None) or model.config
        if self.whole:
            self.model = model
        else:
            self.model = getattr(model, "text_model", None) or (
                model.get_encoder() if model.config.is_encoder_decoder else model
            )
        positions = getattr(text, "max_position_embeddings", None) or self.tokenizer.model_max_length
        self.limit = int(min(positions, self.tokenizer.model_max_length))
        # SigLIP learnt from texts filled up to its length, and reads others wrongly.
        self.padding = "max_length" if model.config.model_type.startswith("siglip") else True
        self.provenance: Mapping[str, str] = {
            "weights": f"sha256 of state {sha256_of_state(model)}",
            "transformers": version("transformers"),
            "torch": str(torch.__version__),
        }

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return ``[n, k]``; warns where texts are longer than the model reads."""
        lengths = [len(one) for one in self.tokenizer(list(texts), verbose=False)["input_ids"]]
        self.provenance = {**self.provenance, **note_cut("hf", lengths, self.limit)}
        size = self.settings.batch_size
        parts = [self._batch(texts[start : start + size]) for start in range(0, len(texts), size)]
        return torch.cat(parts).cpu()

    def _batch(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(
            list(texts), padding=self.padding, truncation=True, max_length=self.limit, return_tensors="pt"
        ).to(self.device)
        ids, mask = tokens["input_ids"], tokens.get("attention_mask")
        if mask is None:
            mask = torch.ones_like(ids)
        if self.whole:
            # SigLIP's tokenizer gives no mask because its text tower must see the filling.
            given = {} if "attention_mask" not in tokens else {"attention_mask": mask}
            found = self.model.get_text_features(input_ids=ids, **given)
            return found if isinstance(found, Tensor) else found.pooler_output
        states: Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.settings.pooling == "first":
            return states[:, 0]
        if self.settings.pooling == "last":
            # of the tokens that are there, on whichever side the filling is
            places = torch.arange(mask.shape[1], device=mask.device) * mask
            return states[torch.arange(len(states), device=mask.device), places.argmax(1)]
        weights = mask.unsqueeze(2).to(states)
        return (states * weights).sum(1) / weights.sum(1)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and from warning of what loading an image tower leaves out."""
    from transformers.utils import logging as log

    bars, level = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    log.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


SPEC = EncoderSpec(
    name="hf",
    summary="a text tower or a model of sentences of Hugging Face's transformers (extra text)",
    reference="Wolf et al., Transformers: State-of-the-Art Natural Language Processing, EMNLP 2020",
    settings=HFSettings,
    build=HFEncoder,
    required=("model",),
)


@hookimpl
def register_encoders(register: Callable[[EncoderSpec], None]) -> None:
    """Register the encoder ``hf``."""
    register(SPEC)
