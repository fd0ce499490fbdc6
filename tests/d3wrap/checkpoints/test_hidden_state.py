"""What a plugin keeps where one would not look: dropout's stream, buffers that are not stored, extra state, objects."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import d3wrap
from d3wrap import hookimpl
from d3wrap.checkpoints import Checkpoints
from d3wrap.checkpoints.packing import pack, unpack
from d3wrap.checkpoints.state import load_module_state, module_state
from d3wrap.checkpoints.store import CheckpointStore
from d3wrap.errors import D3WrapWarning, DataError, PluginError
from d3wrap.generator import Phase
from d3wrap.manager import load_plugins
from d3wrap.seeds import initialising
from d3wrap.specs import ObjectiveSpec
from d3wrap.training.loop import fit

STEPS = 6


class Killed(BaseException):
    """Nothing that training catches."""


class Hiding(d3wrap.Backbone):
    """Keeps state in every place there is, and lets it decide the losses."""

    name = "hiding"

    def __init__(self, dataset):
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.map = nn.Sequential(nn.Linear(self.semantic_dim + 2, 8), nn.Dropout(0.5), nn.Linear(8, self.feature_dim))
        self.register_buffer("kept", torch.zeros(1))
        self.register_buffer("unstored", torch.zeros(()), persistent=False)
        self.register_buffer("later", None)
        self.counted = 0

    def prepare(self, dataset, rng):
        self.shift = torch.randn((), generator=rng)  # in no buffer: prepare makes it again

    def get_extra_state(self):
        return {"counted": self.counted}

    def set_extra_state(self, state):
        self.counted = state["counted"]

    def phases(self):
        return (Phase("map", tuple(self.parameters()), lr=1e-2, enhanced=True, decay=lambda n: 0.9**n),)

    def losses(self, phase, batch, rng):
        self.counted += 1
        self.unstored += 0.1
        self.kept = torch.cat([self.kept, self.kept[-1:] + 1])  # grows
        self.later = batch.features[:1].mean() if self.later is None else self.later
        wanted = batch.features + self.shift + self.unstored + self.later + 0.1 * self.counted + len(self.kept)
        return {"error": F.mse_loss(self.generate(batch.semantics, rng=rng), wanted)}

    def generate(self, semantics, *, rng=None):
        return self.map(torch.cat([torch.randn(len(semantics), 2, generator=rng), semantics], 1))


class Counting:
    """An objective that is no module, and whose weight grows with its steps."""

    def __init__(self, context):
        self.steps = 0

    @hookimpl
    def on_batch(self, batch):
        self.steps += 1
        return {"size": self.steps * batch.features.square().mean() + batch.student.logits.square().mean()}

    def state_dict(self):
        return {"steps": self.steps}

    def load_state_dict(self, state):
        self.steps = state["steps"]


class Plugin:
    @hookimpl
    def register_objectives(self, register):
        register(ObjectiveSpec("counting", "a growing loss", Counting, ("size",)))


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


def trained(dataset, folder, last=None):
    with initialising(0, "generator"):
        backbone = Hiding(dataset)
    plugins = load_plugins(environ={}, extra={"counting": Plugin()})
    d3 = d3wrap.enhance(backbone, dataset, plugins=plugins, teacher_epochs=1, embedding_dim=8, student_lr=1e-2)
    checkpoints = Checkpoints(folder / "checkpoints", 0, {}, folder / "journal")
    records = []

    def log(record):
        records.append(record)
        if record.step == last:
            raise Killed

    fit(backbone, dataset, steps=STEPS, batch_size=8, seed=0, enhancer=d3, log_every=1, on_log=log,
        checkpoints=checkpoints)  # fmt: skip
    whole = {f"generator {k}": v for k, v in backbone.state_dict().items() if isinstance(v, torch.Tensor)}
    whole |= {f"d3 {k}": v for k, v in d3.state_dict().items()}
    return whole, records


def test_hidden_state_is_restored(dataset, tmp_path):
    expected, records = trained(dataset, tmp_path / "whole")
    for last in range(2, STEPS + 1):
        with pytest.raises(Killed):
            trained(dataset, tmp_path / "killed", last)
    found, rest = trained(dataset, tmp_path / "killed")
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []
    assert [(record.step, record.losses) for record in rest] == [(STEPS, records[-1].losses)]


def test_seconds_go_on(dataset, tmp_path):
    with pytest.raises(Killed):
        trained(dataset, tmp_path, 4)
    (path,) = (tmp_path / "checkpoints").glob("step-*3.json")
    stored = json.loads(path.read_text())
    stored["state"]["seconds"] = stored["header"]["seconds"] = 1000
    path.write_text(json.dumps(stored))
    _, records = trained(dataset, tmp_path)
    assert all(record.seconds > 1000 for record in records)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 0, {}, tmp_path / "journal")
    assert checkpoints.load() is not None
    assert 1000 < checkpoints.seconds < 1100


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1, 2}}, [object()], (1, 2)])
def test_what_json_does_not_give_back_is_refused(value):
    with pytest.raises(PluginError, match="a checkpoint cannot hold"):
        pack({"state": value})


def test_a_tree_comes_back():
    tree = {"a": [torch.eye(2), {"b": None}], "c": {"$tensor": 1, "d": "text"}, "e": 0.1, "f": torch.empty(0)}
    tensors, packed = pack(tree)
    found = unpack(json.loads(json.dumps(packed)), tensors)
    assert torch.equal(found["a"][0], torch.eye(2))
    assert found["f"].shape == (0,)
    assert (found["a"][1], found["c"], found["e"]) == (tree["a"][1], tree["c"], 0.1)


def test_a_state_of_another_network_is_refused():
    state = module_state(nn.Linear(2, 3))
    with pytest.raises(DataError, match=r"does not fit Linear: weight: the network has \[\(3, 4\)\], the checkpoint"):
        load_module_state(nn.Linear(4, 3), state)
    with pytest.raises(DataError, match=r"parameters: the network has \[\], the checkpoint \['bias'\]"):
        load_module_state(nn.Linear(2, 3, bias=False), state)


# --- files


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints")


def test_two_are_kept_and_the_newest_is_first(store):
    for step in (1, 2, 9, 10):
        store.write(step, {"step": torch.tensor(step)}, {"step": step})
    assert [header["step"] for header, _ in store.read()] == [10, 9]
    assert len(list(store.folder.iterdir())) == 4
    store.clear()
    assert not store.folder.exists()
    store.clear()


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors, text: text.write_bytes(text.read_bytes()[:-9]),
        lambda tensors, text: text.write_text("[]"),
        lambda tensors, text: text.write_text("{}"),
        lambda tensors, text: text.write_text(text.read_text().replace("checkpoint/1", "checkpoint/9")),
        lambda tensors, text: tensors.unlink(),
        lambda tensors, text: tensors.write_bytes(b""),
        lambda tensors, text: tensors.write_bytes(tensors.read_bytes()[:-1]),
        lambda tensors, text: tensors.write_bytes(tensors.read_bytes()[:-1] + b"!"),
    ],
)
def test_a_damaged_one_is_left_out(store, damage):
    for step in (1, 2):
        store.write(step, {"value": torch.ones(3)}, {"step": step})
    damage(store.folder / "step-000000002.safetensors", store.folder / "step-000000002.json")
    with pytest.warns(D3WrapWarning, match=r"step-000000002.json: this checkpoint is left out"):
        assert [header["step"] for header, _ in store.read()] == [1]
    store.write(2, {"value": torch.ones(3)}, {"step": 2})
    assert [header["step"] for header, _ in store.read()] == [2, 1]


def test_tensors_without_their_json_are_none(store):
    store.write(1, {"value": torch.ones(3)}, {})
    store.write(2, {"value": torch.ones(3)}, {})
    (store.folder / "step-000000002.json").unlink()
    assert len(list(store.read())) == 1


# --- the journal, and when one is due


def checkpoints_in(folder, every=0.0):
    return Checkpoints(folder / "checkpoints", every, {}, folder / "journal")


def test_the_journal_is_cut_back_to_the_checkpoint(tmp_path):
    journal = tmp_path / "journal"
    journal.write_text("1\n")
    checkpoints_in(tmp_path).save(1, {"step": 1})
    journal.write_text("1\n2\n3")
    assert checkpoints_in(tmp_path).load() == {"step": 1}
    assert journal.read_text() == "1\n"


def test_a_checkpoint_whose_journal_was_lost_is_not_used(tmp_path):
    journal = tmp_path / "journal"
    for step in (1, 2):
        journal.write_text("line\n" * step)
        checkpoints_in(tmp_path).save(step, {"step": step})
    journal.write_text("line\nli")
    assert checkpoints_in(tmp_path).load() == {"step": 1}
    journal.unlink()
    assert checkpoints_in(tmp_path).load() is None


def test_without_a_checkpoint_the_journal_begins_anew(tmp_path):
    (tmp_path / "journal").write_text("1\n2\n")
    assert checkpoints_in(tmp_path).load() is None
    assert not (tmp_path / "journal").exists()


def test_one_is_due_when_its_time_has_come_and_later_where_writing_is_slow(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("d3wrap.checkpoints.checkpoints.time.perf_counter", lambda: now[0])
    checkpoints = checkpoints_in(tmp_path, every=60)

    def due_after(seconds):
        now[0] += seconds
        return checkpoints.due()

    def slow_write(*_):
        now[0] += 3

    assert not due_after(59)
    assert due_after(1)
    checkpoints.save(1, {})
    assert not due_after(59)
    assert due_after(1)
    monkeypatch.setattr(checkpoints._store, "write", slow_write)
    checkpoints.save(2, {})
    assert not due_after(149)  # 3 s are 2 % of 150 s
    assert due_after(1)
