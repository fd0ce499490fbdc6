"""Training goes on from a checkpoint bit for bit, whatever the generator and wherever it stopped."""

from __future__ import annotations

import warnings

import pytest
import torch

import d3wrap
from d3wrap.checkpoints import Checkpoints
from d3wrap.errors import D3WrapWarning
from d3wrap.manager import load_plugins
from d3wrap.settings import D3Settings
from d3wrap.specs import BackboneSettings
from d3wrap.training.loop import fit

PLUGINS = load_plugins(environ={})
TINY = {
    "hidden": 8, "embedding_dim": 8, "noise_dim": 3, "decoder_hidden": 8, "condition_dim": 8, "comparator_hidden": 8,
    "representation_dim": 8, "head_dim": 4, "latent_dim": 3, "encoder_hidden": 8, "critic_hidden": 8, "blocks": 2,
    "critic_steps": 2, "batch_size": 12, "embedding_batch_size": 12, "representation_batch": 12,
    "embedding_steps": 4, "decoder_steps": 4, "representation_steps": 4, "representation_generator_steps": 4,
}  # fmt: skip
"""What makes a generator small and its stages short, where it has a setting of that name."""
STEPS = 4


class Killed(BaseException):
    """Nothing that training catches."""


class Stopping(Checkpoints):
    """Checkpoints after every step, and a death right after that of step ``last``."""

    last = -1

    def save(self, step, state):
        super().save(step, state)
        if step == self.last:
            raise Killed


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10)


def settings_of(name: str) -> dict[str, int]:
    own = PLUGINS.generator(name).presets["small"]
    return {key: value for key, value in TINY.items() if hasattr(own, key)} | {"steps": STEPS}


def trained(dataset, folder, name, arm, *, last=-1, precision="exact"):
    """Train from new objects, from the checkpoints in ``folder``; return all that training leaves."""
    settings = settings_of(name)
    backbone = d3wrap.build_generator(name, dataset, settings=settings, plugins=PLUGINS)
    d3 = D3Settings(embedding_dim=8, teacher_epochs=1, student_lr=1e-2, max_unseen_classes=1)
    enhancer = d3wrap.Enhancer(backbone, dataset, d3, plugins=PLUGINS) if arm == "enhanced" else None
    checkpoints = Stopping(folder / "checkpoints", 0, {"torch": torch.__version__}, folder / "metrics.jsonl")
    checkpoints.last = last
    assert isinstance(backbone.settings, BackboneSettings)

    def log(record):
        with (folder / "metrics.jsonl").open("a") as stream:
            stream.write(f"{record.step} {sorted(record.losses.items())}\n")

    fit(
        backbone, dataset, steps=STEPS, batch_size=12, seed=0, enhancer=enhancer, precision=precision, log_every=3,
        on_log=log, checkpoints=checkpoints,
    )  # fmt: skip
    state = {f"generator.{name}": value for name, value in backbone.state_dict().items()}
    state |= {f"enhancer.{name}": value for name, value in (enhancer.state_dict() if enhancer else {}).items()}
    return state, (folder / "metrics.jsonl").read_text()


def assert_equal(found, expected):
    assert found[1] == expected[1]
    assert found[0].keys() == expected[0].keys()
    assert [name for name, value in found[0].items() if not torch.equal(value, expected[0][name])] == []


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
@pytest.mark.parametrize("name", PLUGINS.generators)
def test_killed_after_any_step_it_ends_with_the_same_bits(name, arm, dataset, tmp_path):
    if name == "gsmflow":
        pytest.importorskip("FrEIA")
    (tmp_path / "whole").mkdir()
    expected = trained(dataset, tmp_path / "whole", name, arm)
    total = int(expected[1].splitlines()[-1].split()[0])
    assert total >= STEPS
    folder = tmp_path / "killed"
    folder.mkdir()
    for step in range(1, total):
        with pytest.raises(Killed):
            trained(dataset, folder, name, arm, last=step)
    assert_equal(trained(dataset, folder, name, arm), expected)


def test_killed_in_bf16(dataset, tmp_path):
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    expected = trained(dataset, tmp_path / "whole", "tfvaegan", "enhanced", precision="bf16")
    with pytest.raises(Killed):
        trained(dataset, tmp_path / "killed", "tfvaegan", "enhanced", last=6, precision="bf16")
    assert_equal(trained(dataset, tmp_path / "killed", "tfvaegan", "enhanced", precision="bf16"), expected)


def test_a_broken_checkpoint_is_passed_over_for_the_one_before(dataset, tmp_path):
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    expected = trained(dataset, tmp_path / "whole", "clswgan", "enhanced")
    with pytest.raises(Killed):
        trained(dataset, tmp_path / "killed", "clswgan", "enhanced", last=3)
    stored = sorted((tmp_path / "killed" / "checkpoints").glob("*.safetensors"))
    assert [path.name for path in stored] == ["step-000000002.safetensors", "step-000000003.safetensors"]
    content = bytearray(stored[1].read_bytes())
    content[-1] ^= 1
    stored[1].write_bytes(content)
    with pytest.warns(D3WrapWarning, match="step-000000003.json: this checkpoint is left out, .* bytes have changed"):
        assert_equal(trained(dataset, tmp_path / "killed", "clswgan", "enhanced"), expected)


def test_made_with_something_else_it_begins_anew(dataset, tmp_path, monkeypatch):
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    expected = trained(dataset, tmp_path / "whole", "clswgan", "baseline")
    with pytest.raises(Killed):
        trained(dataset, tmp_path / "killed", "clswgan", "baseline", last=3)
    monkeypatch.setattr(torch, "__version__", "9.0")
    with pytest.warns(D3WrapWarning, match=r"begins anew, its checkpoint was made with torch 2.* then, 9.0 now"):
        assert_equal(trained(dataset, tmp_path / "killed", "clswgan", "baseline"), expected)


def test_nothing_is_warned_of_otherwise(dataset, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", D3WrapWarning)
        trained(dataset, tmp_path, "clswgan", "baseline")
    assert list((tmp_path / "checkpoints").iterdir())  # the caller clears them, once it has the weights
