import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from d3wrap.comparison.run_folder import RunFolder, load_weights
from d3wrap.errors import DataError


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_a_run_is_stored_once(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    folder.write_manifest({"seed": 1})
    assert json.loads((tmp_path / "a" / "b" / "manifest.json").read_text()) == {"seed": 1}
    with pytest.raises(DataError, match="b: holds a run already"):
        RunFolder(tmp_path / "a" / "b")


def test_metrics_are_readable_line_by_line_at_any_time(tmp_path):
    folder = RunFolder(tmp_path)
    for step in range(3):
        folder.append_metrics({"step": step, "loss": 0.5})
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(step + 1))


def test_metrics_hold_no_nan(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.append_metrics({"loss": float("nan")})
    assert not (tmp_path / "metrics.jsonl").exists()


def test_weights_come_back(tmp_path):
    stored, fresh = network(), network()
    path = RunFolder(tmp_path).save_weights("generator", stored)
    assert path == tmp_path / "generator.safetensors"
    load_weights(path, fresh)
    for name, value in stored.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name])
    assert list(tmp_path.iterdir()) == [path]


def test_weights_load_into_the_networks_own_dtype(tmp_path):
    path = RunFolder(tmp_path).save_weights("w", network())
    fresh = network().double()
    load_weights(path, fresh)
    assert fresh[0].weight.dtype == torch.float64


def test_tied_and_transposed_tensors_can_be_stored(tmp_path):
    weight = torch.arange(6.0).reshape(2, 3)
    path = RunFolder(tmp_path).save_weights("state", {"a": weight, "b": weight, "c": weight.T})
    stored = load_file(path)
    assert torch.equal(stored["b"], weight)
    assert torch.equal(stored["c"], weight.T)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.weight"), "0.weight is missing"),
        (lambda s: s.update(extra=torch.zeros(1)), "extra is unknown to the network"),
        (lambda s: s.update({"0.bias": torch.zeros(5)}), r"0.bias has shape \[5\], the network's has \[2\]"),
        (lambda s: s.clear(), "0.weight is missing; .* and 4 more"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_change_nothing(tmp_path, change, message):
    state = network().state_dict()
    change(state)
    path = RunFolder(tmp_path).save_weights("w", state)
    fresh = network()
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    with pytest.raises(DataError, match=f"w.safetensors does not fit Sequential: .*{message}"):
        load_weights(path, fresh)
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_files_that_are_no_weights_are_named(tmp_path):
    with pytest.raises(DataError, match=r"absent.safetensors: no such file"):
        load_weights(tmp_path / "absent.safetensors", network())
    (tmp_path / "bad.safetensors").write_bytes(b"\x80\x04 no weights")
    with pytest.raises(DataError, match=r"bad.safetensors: not a safetensors file"):
        load_weights(tmp_path / "bad.safetensors", network())
