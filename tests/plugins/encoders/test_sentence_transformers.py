"""The encoder ``sentence-transformers`` on tiny models with random weights."""

from __future__ import annotations

import importlib
import json
import shutil

import pytest
import torch

from d3wrap.contract_encoder import TEXTS
from d3wrap.errors import ConfigError, D3WrapWarning, DataError, MissingExtraError
from d3wrap.manager import load_encoders
from d3wrap.testing import check_encoder
from d3wrap.vision import importing

library = pytest.importorskip("sentence_transformers")
from d3wrap.plugins.encoders.hf import HFEncoder, HFSettings  # noqa: E402
from d3wrap.plugins.encoders.sentence_transformers import SPEC, SentenceEncoder, SentenceSettings  # noqa: E402

modules = importlib.import_module("sentence_transformers.sentence_transformer.modules")
CPU = torch.device("cpu")


def encoder(folder, **settings):
    return SentenceEncoder(SentenceSettings(model=str(folder), **settings), CPU)


@pytest.fixture(scope="module")
def folder(bert, tmp_path_factory):
    """A folder with a tiny model of sentences: a BERT, and the mean over its tokens."""
    made = tmp_path_factory.mktemp("sentences") / "model"
    words = modules.Transformer(str(bert), max_seq_length=24)
    mean = modules.Pooling(16, pooling_mode="mean")
    library.SentenceTransformer(modules=[words, mean], device="cpu").save(str(made))
    return made


def test_it_gives_what_the_model_gives(folder, bert):
    found = encoder(folder, batch_size=2).encode(TEXTS[:3])
    expected = HFEncoder(HFSettings(model=str(bert), pooling="mean"), CPU).encode(TEXTS[:3])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_prompt_stands_before_each_text(folder):
    with_prompt = encoder(folder, prompt="a zebra ").encode(TEXTS[1:2])
    torch.testing.assert_close(with_prompt, encoder(folder).encode([f"a zebra {TEXTS[1]}"]))


def test_weights_in_half_precision_are_computed_with_in_single(folder, tmp_path):
    model = library.SentenceTransformer(str(folder), device="cpu").half()
    model.save(str(tmp_path / "half"))
    one = encoder(tmp_path / "half")
    assert {value.dtype for value in one.model.state_dict().values() if value.is_floating_point()} == {torch.float32}
    single = model.float().encode(TEXTS[:2], convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(one.encode(TEXTS[:2]), single.float(), atol=1e-5, rtol=1e-4)


def test_static_embeddings_without_any_network_will_do(tokenizer, tmp_path):
    vectors = torch.arange(len(tokenizer) * 4.0).reshape(-1, 4).sin().numpy()
    static = modules.StaticEmbedding(tokenizer.backend_tokenizer, embedding_weights=vectors)
    library.SentenceTransformer(modules=[static], device="cpu").save(str(tmp_path / "static"))
    assert encoder(tmp_path / "static").encode(TEXTS[:2]).shape == (2, 4)


def test_the_contract_holds(folder):
    assert len(check_encoder(SPEC, SentenceSettings(model=str(folder)))) == 4


def test_texts_that_are_cut_are_counted_and_said(folder):
    one = encoder(folder)
    with pytest.warns(
        D3WrapWarning, match=r"sentence-transformers reads 24 tokens: of 1 texts 1 are longer \(up to 42\)"
    ):
        one.encode([" ".join(["zebra"] * 40)])
    assert one.provenance["texts cut"] == "1 of 1, to 24 tokens"


def test_what_it_depends_on_is_said(folder):
    said = encoder(folder).provenance
    assert set(said) == {"weights", "sentence-transformers", "transformers", "torch"}
    assert len(said["weights"].rpartition(" ")[2]) == 64


def test_a_folder_that_names_a_module_of_its_own_is_refused(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    listed = json.loads((broken / "modules.json").read_text())
    listed[1]["type"] = "own.Module"
    (broken / "modules.json").write_text(json.dumps(listed))
    (broken / "own.py").write_text("raise SystemExit('was run')\n")
    with pytest.raises(DataError, match="executes third-party code"):
        encoder(broken)


def test_faults_are_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=f"encoder sentence-transformers: {tmp_path}: holds no .json file"):
        encoder(tmp_path)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        SentenceSettings(batch_size=0)
    monkeypatch.setattr(importing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"needs sentence-transformers.*d3wrap\[text\]"):
        encoder("anything")


def test_it_is_installed():
    assert load_encoders().encoder("sentence-transformers") is not None
