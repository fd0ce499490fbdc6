import json

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from d3wrap.checkpoints.tensors import load_weights
from d3wrap.comparison.identity import differences
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.errors import DataError


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def test_a_run_is_stored_once(tmp_path):
    folder = RunFolder(tmp_path / "a" / "b")
    folder.write_manifest({"seed": 1})
    assert json.loads((tmp_path / "a" / "b" / "manifest.json").read_text()) == {"seed": 1}
    with pytest.raises(DataError, match="b: holds a run already"):
        RunFolder(tmp_path / "a" / "b")


def test_what_a_killed_process_left_is_removed(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    left = [".result.json.x1.tmp", "error.txt", "checkpoints/.step-000000002.json.x2.tmp"]
    kept = ["metrics.jsonl", "checkpoints/step-000000001.json", "checkpoints/step-000000001.safetensors"]
    for name in left + kept:
        (tmp_path / name).touch()
    folder.clean()
    assert [name for name in left + kept if (tmp_path / name).exists()] == kept
    (tmp_path / "training.json").touch()  # it was killed before it could remove its checkpoints
    folder.clean()
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_is_gone_on_with_only_where_it_is_the_same(tmp_path):
    first = {"seed": 1, "config": {"settings": {"steps": 4}}, "dataset": {}, "created": "then"}
    RunFolder(tmp_path).begin(first)
    RunFolder(tmp_path, resume=True).begin(first | {"created": "now", "command": []})
    assert json.loads((tmp_path / "manifest.json").read_text()) == first
    with pytest.raises(DataError, match=r"holds another run: seed is 1 there and 2 now, config.settings.steps is 4 t"):
        RunFolder(tmp_path, resume=True).begin(first | {"seed": 2, "config": {"settings": {"steps": 5}}})
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest.json: cannot be read as JSON"):
        RunFolder(tmp_path, resume=True).begin(first)


def test_of_many_differences_some_are_shown():
    there, now = ({f"key{i}": value for i in range(9)} for value in ("a", "b"))
    assert differences(there, now).endswith('key4 is "a" there and "b" now and 4 more')
    assert differences({"a": [1, 2]}, {"a": (1, 2)}) == ""
    # what the one has in a mapping tells that it is empty in the other
    assert differences({"d3": {}}, {"d3": {"alpha": 2}}) == "d3.alpha is missing there and 2 now"
    assert differences({"d3": {"alpha": 2}}, {"d3": {}}) == "d3.alpha is 2 there and missing now"
    assert differences({"d3": {}, "seed": 1}, {"seed": 1}) == "d3 is {} there and missing now"
    assert differences({"a": {}}, {"a": {"b": None}}) == "a.b is missing there and null now"


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
