"""The benchmark runs, and the reference in it computes what d3wrap computes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_small_run_prints_and_writes_every_number(tmp_path):
    command = [sys.executable, FOLDER / "d3_step.py", "--small", "--no-fail", "--threads", "1", "--repeats", "1"]
    command += ["--json", tmp_path / "numbers.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for line in ("expanding pairs", "d3wrap, released", "d3wrap, corrected", "baseline", "enhanced", "closed form"):
        assert line in result.stdout
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["disagreements"] == []
    assert 0 < numbers["step"]["gradient_difference"] < 1e-5
    times = [*numbers["step"]["seconds"].values(), *numbers["hooks"].values()]
    times += [pair[side] for pair in (numbers["iteration"], numbers["critic"]["pair"]) for side in ("first", "second")]
    assert len(times) == 11
    assert min(times) > 0


@pytest.fixture
def parts(monkeypatch):
    """Make the benchmark's own modules importable, as they are where it runs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("d3_step", "parts")]:
        del sys.modules[name]


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    ("arguments", "message"), [(["--device", "cuda:99"], "this machine has"), (["--repeats", "0"], "must be 1 or more")]
)
def test_what_cannot_be_done_is_refused_at_once(arguments, message, capsys):
    from d3_step import main

    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("parts")
def test_the_reference_agrees_term_by_term():
    from parts.problem import Problem, Terms
    from parts.sizes import SMALL

    problem = Problem(SMALL, "released", torch.device("cpu"), torch.float64)
    with torch.no_grad():  # away from where w and b start, so that mixing them up shows
        problem.objectives["o2dbd"].weight.fill_(0.7)
        problem.objectives["o2dbd"].offset.fill_(0.4)
    ours, theirs = problem.d3wrap(), problem.reference()
    assert set(ours.losses) == set(theirs.losses)
    assert len(ours.losses) == 4
    for name in ours.losses:
        found, expected = (gradients_of(terms, name) for terms in (ours, theirs))
        torch.testing.assert_close(ours.losses[name], theirs.losses[name], rtol=1e-10, atol=0)
        for input_name in expected:
            torch.testing.assert_close(found[input_name], expected[input_name], rtol=1e-8, atol=1e-12)
    total = {name: sum(gradients_of(ours, term)[name] for term in ours.losses) for name in ours.inputs}
    torch.testing.assert_close(Terms.gradients(ours), total)


def gradients_of(terms, name):
    inputs = list(terms.inputs.values())
    gradients = torch.autograd.grad(
        terms.losses[name], inputs, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return dict(zip(terms.inputs, gradients, strict=True))


@pytest.mark.usefixtures("parts")
def test_the_reference_is_of_the_released_formulation_alone():
    from parts.problem import Problem
    from parts.sizes import SMALL

    with pytest.raises(ValueError, match="released"):
        Problem(SMALL, "corrected", torch.device("cpu")).reference()


@pytest.mark.usefixtures("parts")
def test_both_penalties_have_one_gradient():
    from parts.sizes import SMALL
    from parts.training import by_autograd, closed_form, clswgan

    from d3wrap.generator import RealBatch
    from d3wrap.seeds import stream

    dataset = SMALL.dataset().to("cpu", torch.float64)
    backbone = clswgan(SMALL, dataset)
    labels = dataset.train_labels[: SMALL.batch_size]
    batch = RealBatch(dataset.train_features[: SMALL.batch_size], labels, dataset.semantics[labels])
    parameters = list(backbone.critic.parameters())
    found, expected = (
        torch.autograd.grad(
            loss(backbone, batch, stream(0, "noise")), parameters, allow_unused=True, materialize_grads=True
        )
        for loss in (closed_form, by_autograd)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.usefixtures("parts")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured on Linux")
def test_peak_memory_sees_what_is_freed_again():
    from parts.clock import peak_bytes

    held = torch.ones(2**22)  # 16 MiB that were there before do not count

    def call():
        return float((torch.ones(2**23) + held.sum()).sum())  # twice 32 MiB

    for _ in range(2):
        assert peak_bytes(call, torch.device("cpu")) == pytest.approx(2**26, rel=0.15)


@pytest.mark.usefixtures("parts")
def test_a_missed_target_and_a_disagreement_are_told():
    from dataclasses import replace

    from parts.report import Results
    from parts.sizes import SMALL
    from parts.step import StepResult
    from parts.training import CriticResult, Pair

    step = StepResult(
        {"reference": 15.0, "released": 1.0, "corrected": 1.0},
        {"reference": 800, "released": 100, "corrected": 100},
        1e-7,
        1e-6,
    )
    pair = Pair(1.0, 2.0)
    good = Results(SMALL, "machine", step, pair, CriticResult(pair, 0.0), {})
    assert good.misses == []
    assert good.disagreements == []
    slow = replace(step, seconds={**step.seconds, "released": 1.1}, peak_bytes={**step.peak_bytes, "released": 101})
    assert len(replace(good, step=slow).misses) == 2
    assert replace(good, step=replace(step, peak_bytes={**step.peak_bytes, "released": None})).misses == []
    for wrong in (2e-4, float("nan")):
        assert len(replace(good, step=replace(step, gradient_difference=wrong)).disagreements) == 1
