"""The encoder ``hf`` on tiny models with random weights."""

from __future__ import annotations

import json

import pytest
import torch

from d3wrap.contract_encoder import TEXTS
from d3wrap.errors import ConfigError, D3WrapWarning, DataError, MissingExtraError
from d3wrap.manager import load_encoders
from d3wrap.testing import check_encoder
from d3wrap.vision import importing

transformers = pytest.importorskip("transformers")
from d3wrap.plugins.encoders.hf import SPEC, HFEncoder, HFSettings  # noqa: E402

CPU = torch.device("cpu")


def encoder(folder, **settings):
    return HFEncoder(HFSettings(model=str(folder), **settings), CPU)


@pytest.fixture(scope="module")
def clip(saved, tokenizer):
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 20, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0,
    }  # fmt: skip
    image = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
        "image_size": 32, "patch_size": 16,
    }  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=image, projection_dim=8)
    return saved("clip", transformers.CLIPModel, config)


@torch.no_grad()
def states_one_by_one(folder, texts):
    """Return the last layer's states of each text, encoded alone and so without filling."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(folder)
    return [model(**tokens(text, return_tensors="pt")).last_hidden_state[0] for text in texts]


@pytest.mark.parametrize(
    ("pooling", "naive"),
    [
        ("auto", lambda states: states.mean(0)),
        ("mean", lambda states: states.mean(0)),
        ("first", lambda states: states[0]),
        ("last", lambda states: states[-1]),
    ],
)
def test_tokens_are_pooled_as_if_each_text_were_alone(bert, pooling, naive):
    found = encoder(bert, pooling=pooling, batch_size=2).encode(TEXTS[:3])
    expected = torch.stack([naive(states) for states in states_one_by_one(bert, TEXTS[:3])])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_the_last_token_is_found_on_whichever_side_the_filling_is(bert):
    one = encoder(bert, pooling="last")
    right = one.encode(TEXTS[:1])
    one.tokenizer.padding_side = "left"
    found = one.encode([TEXTS[2], TEXTS[0]])
    states = states_one_by_one(bert, TEXTS[:1])[0]
    torch.testing.assert_close(right[0], states[-1], atol=1e-5, rtol=1e-4)
    # BERT counts places from the left, so that filling moves its numbers, but not where the last token is.
    tokens = one.tokenizer([TEXTS[2], TEXTS[0]], padding=True, return_tensors="pt")
    with torch.no_grad():
        filled = one.model(**tokens).last_hidden_state
    assert tokens["attention_mask"][1, 0] == 0
    torch.testing.assert_close(found, filled[:, -1], atol=1e-5, rtol=1e-4)


def test_clip_gives_its_own_text_features_or_its_tokens(clip):
    model = transformers.AutoModel.from_pretrained(clip).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(clip)
    with torch.no_grad():
        found = model.get_text_features(**tokens(TEXTS[0], return_tensors="pt"))
    expected = found if isinstance(found, torch.Tensor) else found.pooler_output
    torch.testing.assert_close(encoder(clip).encode(TEXTS[:2])[:1], expected, atol=1e-5, rtol=1e-4)
    assert encoder(clip, pooling="mean").encode(TEXTS[:2]).shape == (2, 16)


def test_a_text_tower_that_looks_both_ways_does_not_see_filling(saved, tokenizer):
    """CLIP's looks back alone, and so would not notice a mask that is missing; this one is a BERT."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.ChineseCLIPConfig(
        text_config={**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 24},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
        projection_dim=8,
    )
    one = encoder(saved("both-ways", transformers.ChineseCLIPModel, config))
    assert one.whole
    together = one.encode(TEXTS[:3])
    alone = torch.cat([one.encode([text]) for text in TEXTS[:3]])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert one.encode(TEXTS[:3]).unique(dim=0).shape == (3, 8)


def test_weights_in_half_precision_are_computed_with_in_single(bert, tmp_path, tokenizer):
    model = transformers.AutoModel.from_pretrained(bert).half()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = encoder(tmp_path).encode(TEXTS[:2])
    assert found.dtype == torch.float32
    with torch.no_grad():
        states = [
            model.float()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0) for text in TEXTS[:2]
        ]
    torch.testing.assert_close(found, torch.stack(states), atol=1e-5, rtol=1e-4)


def test_of_an_encoder_and_a_decoder_the_encoder_is_taken(saved, tokenizer):
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    found = encoder(saved("t5", transformers.T5Model, config)).encode(TEXTS[:2])
    assert found.shape == (2, 16)
    assert found.isfinite().all()


def test_siglip_gets_texts_filled_up_as_it_learnt_them(saved, tokenizer):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.SiglipConfig(
        text_config={**sizes, "vocab_size": len(tokenizer), "max_position_embeddings": 24, "projection_size": 16},
        vision_config={**sizes, "image_size": 32, "patch_size": 16},
    )
    one = encoder(saved("siglip", transformers.SiglipModel, config))
    assert one.padding == "max_length"
    assert one.encode(TEXTS[:2]).shape == (2, 16)


def test_the_contract_holds(bert, clip):
    for folder in (bert, clip):
        assert len(check_encoder(SPEC, HFSettings(model=str(folder)))) == 4


def test_texts_that_are_cut_are_counted_and_said(bert):
    one = encoder(bert)
    long = " ".join(["zebra"] * 40)
    with pytest.warns(D3WrapWarning, match=r"hf reads 24 tokens: of 2 texts 1 are longer \(up to 42\)"):
        found = one.encode(["zebra", long])
    assert one.provenance["texts cut"] == "1 of 2, to 24 tokens"
    torch.testing.assert_close(found[1], one.encode([" ".join(["zebra"] * 22)])[0], atol=1e-5, rtol=1e-4)


def test_what_it_depends_on_is_said(bert):
    one, other = encoder(bert), encoder(bert, pooling="first")
    assert one.provenance == other.provenance
    assert set(one.provenance) == {"weights", "transformers", "torch"}
    assert len(one.provenance["weights"].rpartition(" ")[2]) == 64


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(DataError, match=f"encoder hf: {tmp_path}: holds no .json file"):
        encoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=f"encoder hf: {tmp_path}: "):
        encoder(tmp_path)


def test_a_folder_that_brings_code_along_is_refused(bert, tmp_path, tokenizer):
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((bert / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(DataError, match="contains custom code which must be executed"):
        encoder(tmp_path)


def test_settings_and_a_missing_library_are_named(monkeypatch):
    with pytest.raises(ConfigError, match="batch_size is 0"):
        HFSettings(batch_size=0)
    monkeypatch.setattr(importing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"encoder hf needs transformers.*d3wrap\[text\]"):
        encoder("anything")


def test_progress_bars_are_as_they_were(bert):
    log = transformers.utils.logging
    was = log.is_progress_bar_enabled(), log.get_verbosity()
    log.disable_progress_bar()
    try:
        encoder(bert)
        assert not log.is_progress_bar_enabled()
    finally:
        log.enable_progress_bar()
    encoder(bert)
    assert log.is_progress_bar_enabled()
    assert log.get_verbosity() == was[1]


def test_it_is_installed():
    assert load_encoders().encoder("hf") is not None
