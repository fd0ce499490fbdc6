"""Models of the library sentence-transformers, which are trained so that cosines say how alike sentences are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from d3wrap import hookimpl
from d3wrap.errors import ConfigError, DataError
from d3wrap.plugins.encoders.hf import quiet
from d3wrap.semantics.cut import note_cut
from d3wrap.semantics.hub import model_folder, require_described
from d3wrap.specs import EncoderSettings, EncoderSpec
from d3wrap.vision.importing import import_extra
from d3wrap.vision.weights_files import sha256_of_state


@dataclass(frozen=True)
class SentenceSettings(EncoderSettings):
    """Which model, and how many texts it gets at a time."""

    model: str = ""
    """A folder that sentence-transformers saved, or a repository of the hub: ``owner/name``, or with ``@revision``
    behind."""
    prompt: str = ""
    """Text to put before each, as some models want it, e.g. ``"query: "``."""
    batch_size: int = 32
    """Texts at a time."""

    def __post_init__(self) -> None:
        """Refuse numbers that are out of range."""
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}, expected 1 or more")


class SentenceEncoder:
    """Encodes texts by a model of sentence-transformers, in float32."""

    def __init__(self, settings: SentenceSettings, device: torch.device) -> None:
        purpose = "encoder sentence-transformers"
        library = import_extra("sentence_transformers", "sentence-transformers", "text", purpose)
        folder = model_folder(settings.model, "sentence-transformers")
        require_described(folder, "sentence-transformers")
        with quiet():
            try:
                # Whatever a folder's files ask for, no code of it is run.
                model: Any = library.SentenceTransformer(
                    str(folder), device=str(device), local_files_only=True, trust_remote_code=False
                )
            except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as error:
                raise DataError(f"{purpose}: {folder}: {' '.join(str(error).split())[:400]}") from error
        self.model = model.to(torch.float32).eval().requires_grad_(False)
        self.settings = settings
        self.provenance: Mapping[str, str] = {
            "weights": f"sha256 of state {sha256_of_state(model)}",
            **{name: version(name) for name in ("sentence-transformers", "transformers")},
            "torch": str(torch.__version__),
        }

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return ``[n, k]``; warns where texts are longer than the model reads."""
        given = [self.settings.prompt + text for text in texts]
        self._note_cut(given)
        found: Tensor = self.model.encode(
            given, batch_size=self.settings.batch_size, convert_to_tensor=True, show_progress_bar=False
        )
        return found.to("cpu", torch.float32)

    def _note_cut(self, texts: Sequence[str]) -> None:
        limit, tokenizer = self.model.max_seq_length, self.model.tokenizer
        if limit and callable(tokenizer):
            lengths = [len(one) for one in tokenizer(list(texts), verbose=False)["input_ids"]]
            self.provenance = {**self.provenance, **note_cut("sentence-transformers", lengths, int(limit))}


SPEC = EncoderSpec(
    name="sentence-transformers",
    summary="a model of sentence-transformers (extra text)",
    reference="Reimers and Gurevych, Sentence-BERT, EMNLP 2019",
    settings=SentenceSettings,
    build=SentenceEncoder,
    required=("model",),
)


@hookimpl
def register_encoders(register: Callable[[EncoderSpec], None]) -> None:
    """Register the encoder ``sentence-transformers``."""
    register(SPEC)
