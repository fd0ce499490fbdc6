"""The encoder ``open_clip`` on a tiny model with random weights."""

from __future__ import annotations

import importlib.util
import json
import logging

import pytest
import torch
from safetensors.torch import save_file

from d3wrap.contract_encoder import TEXTS
from d3wrap.errors import ConfigError, D3WrapWarning, DataError
from d3wrap.manager import load_encoders
from d3wrap.plugins.encoders import open_clip as plugin
from d3wrap.plugins.encoders.open_clip import SPEC, OpenCLIPEncoder, OpenCLIPSettings
from d3wrap.testing import check_encoder
from d3wrap.vision.importing import import_extra

if importlib.util.find_spec("open_clip") is None:
    pytest.skip("open_clip_torch is not installed", allow_module_level=True)
library = import_extra("open_clip", "open_clip_torch", "open_clip", "this test")

CPU = torch.device("cpu")
SIZES = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def encoder(model, **settings):
    return OpenCLIPEncoder(OpenCLIPSettings(model=str(model), **settings), CPU)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """An architecture ``tiny-for-tests`` that OpenCLIP knows, and a model of it."""
    folder = tmp_path_factory.mktemp("architectures")
    (folder / "tiny-for-tests.json").write_text(json.dumps(SIZES))
    library.add_model_config(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return library.create_model("tiny-for-tests").eval()


@pytest.fixture(scope="module")
def folder(tiny, tmp_path_factory):
    """The model in a folder, as repositories of the hub have it."""
    made = tmp_path_factory.mktemp("open_clip")
    (made / "open_clip_config.json").write_text(json.dumps({"model_cfg": SIZES, "preprocess_cfg": {}}))
    save_file({name: value.contiguous() for name, value in tiny.state_dict().items()}, made / "model.safetensors")
    return made


@torch.no_grad()
def expected(tiny, texts):
    return tiny.encode_text(library.get_tokenizer("tiny-for-tests")(list(texts)))


def test_a_folder_and_an_architecture_with_a_file_give_what_the_model_gives(tiny, folder):
    texts = TEXTS[:3]
    torch.testing.assert_close(encoder(folder, batch_size=2).encode(texts), expected(tiny, texts))
    one = encoder("tiny-for-tests", weights=str(folder / "model.safetensors"))
    torch.testing.assert_close(one.encode(texts), expected(tiny, texts))
    assert one.provenance["weights"] == encoder(folder).provenance["weights"]


def test_a_tag_is_looked_for_where_open_clip_says(tiny, folder, monkeypatch):
    asked = []
    tagged = {"hf_hub": "owner/name/", "quick_gelu": False}
    monkeypatch.setattr(library, "get_pretrained_cfg", lambda model, tag: tagged if tag == "own" else {})
    monkeypatch.setattr(plugin, "model_folder", lambda name, encoder: asked.append(name) or folder)
    torch.testing.assert_close(encoder("tiny-for-tests/own").encode(TEXTS[:2]), expected(tiny, TEXTS[:2]))
    assert asked == ["owner/name"]
    with pytest.raises(ConfigError, match="tiny-for-tests has no weights 'other'"):
        encoder("tiny-for-tests/other")
    tagged["hf_hub"] = "owner/name/absent.bin"
    with pytest.raises(DataError, match=r"has no weights \(absent.bin\)"):
        encoder("tiny-for-tests/own")
    tagged.update(hf_hub="", url="https://somewhere/weights.pt")
    with pytest.raises(
        ConfigError, match=r"download https://somewhere/weights\.pt and type --set model=tiny-for-tests"
    ):
        encoder("tiny-for-tests/own")


def test_weights_learnt_with_quick_gelu_are_run_with_it(tiny, folder, monkeypatch):
    tagged = {"hf_hub": "owner/name/", "quick_gelu": True}
    monkeypatch.setattr(library, "get_pretrained_cfg", lambda model, tag: tagged)
    monkeypatch.setattr(plugin, "model_folder", lambda name, encoder: folder)
    quick = library.create_model("tiny-for-tests", force_quick_gelu=True).eval()
    quick.load_state_dict(tiny.state_dict())
    found = encoder("tiny-for-tests/own").encode(TEXTS[:2])
    torch.testing.assert_close(found, expected(quick, TEXTS[:2]))
    assert not torch.allclose(found, expected(tiny, TEXTS[:2]), atol=1e-5)


def test_the_model_is_at_rest_and_frozen_and_in_single_precision(folder):
    model = encoder(folder).model
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_the_contract_holds(folder):
    settings = OpenCLIPSettings(model=str(folder))
    assert len(check_encoder(SPEC, settings)) == 4


def test_texts_that_are_cut_are_counted_and_said(folder):
    one = encoder(folder)
    with pytest.warns(D3WrapWarning, match=r"open_clip reads 16 tokens: of 2 texts 1 are longer \(up to 42\)"):
        one.encode(["zebra", " ".join(["zebra"] * 40)])
    assert one.provenance["texts cut"] == "1 of 2, to 16 tokens"


def test_never_random_weights(tiny, folder, tmp_path):
    with pytest.raises(ConfigError, match="tiny-for-tests needs weights: say which behind a /"):
        encoder("tiny-for-tests")
    with pytest.raises(
        DataError, match=r"has no open_clip_config.json, so it is no model of OpenCLIP; try --encoder hf"
    ):
        encoder(tmp_path)
    (tmp_path / "open_clip_config.json").write_text((folder / "open_clip_config.json").read_text())
    with pytest.raises(DataError, match="has no weights"):
        encoder(tmp_path)
    torch.save(torch.ones(2), tmp_path / "model.pt")  # which OpenCLIP does not look for in a folder
    with pytest.raises(DataError, match="cannot be made on this machine: Required pretrained weights"):
        encoder(tmp_path)
    save_file({"some": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="cannot be made on this machine"):
        encoder(tmp_path)


def test_faults_of_settings_are_named(tiny, tmp_path):
    with pytest.raises(ConfigError, match="with weights, model is an architecture, found 'ViT-B-23'; did you mean"):
        encoder("ViT-B-23", weights="a.safetensors")
    with pytest.raises(ConfigError, match="no folder here and no architecture of OpenCLIP, found 'ViT-B-33'; did you"):
        encoder("ViT-B-33")
    with pytest.raises(ConfigError, match="no such file, expected a file of weights"):
        encoder("tiny-for-tests", weights=str(tmp_path / "absent.pt"))
    (tmp_path / "broken.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"broken\.pt"):
        encoder("tiny-for-tests", weights=str(tmp_path / "broken.pt"))
    with pytest.raises(ConfigError, match="batch_size is 0"):
        OpenCLIPSettings(batch_size=0)


def test_logging_is_as_it_was(folder):
    before = logging.root.manager.disable
    encoder(folder)
    assert logging.root.manager.disable == before


def test_it_is_installed():
    assert load_encoders().encoder("open_clip") is not None
