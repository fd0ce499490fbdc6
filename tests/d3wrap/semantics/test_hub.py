"""Where models are looked for, and what is said where they are not; nothing here reaches a network."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace

import pytest

from d3wrap.errors import ConfigError, DataError, MissingExtraError
from d3wrap.semantics.hub import model_folder, require_described


class Hub:
    """Stands in for huggingface_hub: a cache and a hub, each a folder by repository or nothing."""

    def __init__(self, cached=None, online=None, files=()):
        self.cached, self.online, self.files, self.asked = cached, online, files, []
        self.constants = SimpleNamespace(HF_HUB_CACHE="/cache/hub")

    def HfApi(self):
        return self

    def model_info(self, name, *, revision, timeout):
        if self.online is None:
            raise OSError("no network\nand more")
        self.asked.append((name, revision))
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in self.files])

    def snapshot_download(self, name, *, revision, allow_patterns=None, local_files_only=False):
        if not local_files_only:
            self.asked.append(allow_patterns)
            return str(self.online)
        if self.cached is None:
            raise FileNotFoundError(name)
        self.asked.append((name, revision))
        return str(self.cached)


@pytest.fixture
def hub(monkeypatch):
    """Return a function that puts a stand-in in the place of huggingface_hub."""

    def put(**content):
        found = Hub(**content)
        monkeypatch.setitem(sys.modules, "huggingface_hub", found)
        monkeypatch.setitem(sys.modules, "huggingface_hub.constants", found.constants)
        return found

    return put


def test_a_folder_is_taken_before_anything_else(tmp_path, monkeypatch, hub):
    asked = hub()
    (tmp_path / "own" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model_folder("own/model", "hf").samefile(tmp_path / "own" / "model")
    assert asked.asked == []


def test_a_folder_of_something_else_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"encoder hf: .*: holds no \.json file that describes a model"):
        require_described(tmp_path, "hf")
    (tmp_path / "config.json").touch()
    require_described(tmp_path, "hf")


@pytest.mark.parametrize("model", ["/no/such/folder", "bert-base", "a/b/c", "../x y", "?"])
def test_what_is_no_folder_and_no_repository_is_refused(model, hub):
    hub()
    with pytest.raises(
        ConfigError, match=r"encoder hf: model is .*, which is no folder here and cannot be a repository"
    ):
        model_folder(model, "hf")


def test_the_cache_is_taken_where_it_has_weights(tmp_path, hub):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "model.safetensors").touch()
    asked = hub(cached=tmp_path)
    assert model_folder("owner/name@v1.0", "hf") == tmp_path
    assert asked.asked == [("owner/name", "v1.0")]


@pytest.mark.parametrize(
    ("files", "patterns"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin"], ["*.safetensors"]),
        (["config.json", "pytorch_model.bin", "tf_model.h5"], ["*.bin"]),
        (["open_clip.pt"], ["*.pt"]),
        (["flax_model.msgpack"], []),
    ],
)
def test_a_cache_without_weights_is_filled_with_one_form_of_them(tmp_path, hub, files, patterns):
    (tmp_path / "config.json").touch()
    asked = hub(cached=tmp_path, online=tmp_path / "fetched", files=files)
    assert model_folder("owner/name", "hf") == tmp_path / "fetched"
    assert asked.asked[-1] == ["*.json", "*.txt", "*.model", *patterns]


def test_without_a_network_it_says_where_it_looked_and_what_to_type(hub):
    hub()
    with pytest.raises(DataError) as caught:
        model_folder("owner/name", "open_clip")
    said = str(caught.value)
    assert "encoder open_clip: the weights of owner/name are not on this machine" in said
    assert "could not be fetched (no network)" in said
    assert "/owner/name and in the cache /cache/hub" in said
    assert "`hf download owner/name --local-dir name`, copy that folder here, and say --set model=name" in said


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"encoder hf, .* needs huggingface-hub.*'d3wrap\[text\]'"):
        model_folder("owner/name", "hf")


def test_the_real_library_is_asked_in_words_it_knows(monkeypatch, tmp_path):
    pytest.importorskip("huggingface_hub")
    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"could not be fetched \(.*[Oo]ffline"):
        model_folder("owner/name", "hf")
