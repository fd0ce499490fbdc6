"""Weights are read without executing anything, and looked for where they may be."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from d3wrap.errors import ConfigError, DataError
from d3wrap.vision import weights_files
from d3wrap.vision.weights_files import existing, find_on_hub, read_state, sha256_of_state

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2)}


def same(found):
    return found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_safetensors_and_every_usual_shape_of_a_pth_file_are_read(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    assert same(read_state(tmp_path / "w.safetensors"))
    wrapped = {f"module.{name}": value for name, value in STATE.items()}
    for content in (STATE, wrapped, {"state_dict": STATE, "epoch": 3}, {"model": wrapped}):
        torch.save(content, tmp_path / "w.pth")
        assert same(read_state(tmp_path / "w.pth"))


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path):
    torch.save({"state_dict": STATE, "optimizer": Trap(tmp_path / "sprung")}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds more than tensors, and reading it could execute code"):
        read_state(tmp_path / "w.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_nonsense_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nonsense" * 10)
    with pytest.raises(DataError, match=name):
        read_state(tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, torch.ones(3)])
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(DataError, match="holds no state_dict"):
        read_state(tmp_path / "w.pth")


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"w.pth: no such file, expected a file of weights"):
        existing(tmp_path / "w.pth", "a file of weights")


def test_the_hash_of_weights_sees_names_shapes_types_and_values():
    network = torch.nn.Linear(2, 3)
    before = sha256_of_state(network)
    assert sha256_of_state(network) == before
    with torch.no_grad():
        network.bias[0] += 1e-3
    changed = sha256_of_state(network)
    assert len({before, changed, sha256_of_state(network.double())}) == 3
    conv = torch.nn.Conv2d(1, 1, (2, 3), bias=False)
    flat = torch.nn.Conv2d(1, 1, (3, 2), bias=False)
    flat.weight.data = conv.weight.data.view(1, 1, 3, 2)
    assert sha256_of_state(conv) != sha256_of_state(flat)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hugging Face cache in a folder, and a hub that cannot be reached."""
    library = pytest.importorskip("huggingface_hub")
    asked = []

    def download(name, file, revision=None):
        asked.append((name, file, revision))
        raise OSError("no network\nand a long explanation")

    class Unreachable:
        """The hub's first answer, on a machine without a network."""

        def model_info(self, name, revision=None, timeout=None):
            assert timeout is not None
            asked.append((name, revision))
            raise OSError("no network\nand a long explanation")

    monkeypatch.setattr(library, "HfApi", Unreachable)
    monkeypatch.setattr(library, "hf_hub_download", download)
    real = library.try_to_load_from_cache
    monkeypatch.setattr(
        library, "try_to_load_from_cache", lambda *names, **given: real(*names, cache_dir=tmp_path, **given)
    )
    return library, tmp_path, asked


def in_cache(cache, name, file, revision="abc"):
    folder = cache / f"models--{name.replace('/', '--')}"
    (folder / "snapshots" / revision).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision / file).write_bytes(b"x")
    return folder / "snapshots" / revision / file


def test_weights_in_the_cache_are_found_without_a_network(hub):
    _, cache, asked = hub
    path = in_cache(cache, "timm/eye", "b.bin")
    assert find_on_hub("timm:eye", "timm/eye", ("a.safetensors", "b.bin")) == path
    assert asked == []


def test_of_several_files_in_the_cache_the_first_asked_for_is_taken(hub):
    _, cache, asked = hub
    path = in_cache(cache, "timm/eye", "b.bin")
    safe = path.with_name("a.safetensors")
    safe.write_bytes(b"y")
    assert find_on_hub("timm:eye", "timm/eye", ("a.safetensors", "b.bin")) == safe
    assert find_on_hub("timm:eye", "timm/eye", ("b.bin", "a.safetensors")) == path
    assert asked == []


def test_weights_that_are_nowhere_are_said_with_what_to_type(hub):
    with pytest.raises(DataError) as caught:
        find_on_hub("timm:eye", "timm/eye@v2", ("a.safetensors", "b.bin"))
    message = str(caught.value)
    assert message.startswith("timm:eye: its weights are not on this machine and could not be fetched (no network).")
    assert "timm/eye (a.safetensors or b.bin) in " in message
    assert "`hf download timm/eye a.safetensors`" in message
    assert "--weights FILE" in message
    assert "--random-weights 0" in message
    assert hub[2] == [("timm/eye", "v2")]  # one question where there is no network: a download tries for half a minute


def test_a_download_that_breaks_off_is_not_tried_with_the_next_file(hub, monkeypatch):
    monkeypatch.setattr(hub[0].HfApi, "model_info", lambda *_, **__: None)
    with pytest.raises(DataError, match=r"could not be fetched \(no network\)"):
        find_on_hub("timm:eye", "timm/eye", ("a.safetensors", "b.bin"))
    assert hub[2] == [("timm/eye", "a.safetensors", None)]


def test_the_next_file_is_tried_where_a_repository_lacks_the_first(hub, monkeypatch, tmp_path):
    library = hub[0]
    from huggingface_hub.errors import EntryNotFoundError

    def download(name, file, revision=None):
        if file == "a.safetensors":
            raise EntryNotFoundError("404")
        return str(tmp_path / file)

    monkeypatch.setattr(library, "hf_hub_download", download)
    monkeypatch.setattr(library.HfApi, "model_info", lambda *_, **__: None)
    assert find_on_hub("timm:eye", "timm/eye", ("a.safetensors", "b.bin")) == tmp_path / "b.bin"
    assert weights_files._first_line(ValueError()) == "ValueError"
