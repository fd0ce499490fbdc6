"""Tiny models with random weights, saved as the libraries save them; nothing is downloaded."""

from __future__ import annotations

import pytest
import torch

from d3wrap.contract_encoder import TEXTS
from d3wrap.vision.importing import mend_torchvision

mend_torchvision()  # before transformers meets it

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="session")
def tokenizer():
    """A tokenizer of a few words and all letters, as BERT has them, that reads 24 tokens."""
    tokenizers = pytest.importorskip("tokenizers")
    transformers = pytest.importorskip("transformers")
    words = [word.strip(".,").lower() for text in TEXTS for word in text.split()]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = [*special, *dict.fromkeys(words), *LETTERS, *(f"##{letter}" for letter in LETTERS), ".", ","]
    numbers = {word: number for number, word in enumerate(dict.fromkeys(vocabulary))}
    inner = tokenizers.Tokenizer(tokenizers.models.WordPiece(numbers, unk_token="[UNK]"))
    inner.normalizer = tokenizers.normalizers.BertNormalizer()
    inner.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    inner.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=24,
    )  # fmt: skip


@pytest.fixture(scope="session")
def saved(tmp_path_factory, tokenizer):
    """Return a function that saves a model of transformers, drawn with seed 0, with the tokenizer beside it."""

    def save(name, kind, config):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = kind(config)
        folder = tmp_path_factory.mktemp(name)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def bert(saved, tokenizer):
    """A folder with a tiny BERT."""
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=24,
    )  # fmt: skip
    return saved("bert", transformers.BertModel, config)
