"""The host loop: phases, gradients, records and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.optim import Adam

from d3wrap.errors import PluginError
from d3wrap.seeds import stream
from d3wrap.training.batches import RealBatches


def test_phases_run_in_order_each_as_often_as_it_says(spy, train):
    backbone = train(spy(repeats=(3, 2)), steps=4)
    assert [phase for phase, *_ in backbone.seen] == ["inner"] * 3 + ["outer"] * 2 + (["inner"] * 3 + ["outer"] * 2) * 3


@pytest.mark.parametrize("seed", [0, 5])
def test_every_step_has_a_fresh_batch_in_an_order_of_the_seed(spy, train, dataset, seed):
    backbone = train(spy(), steps=4, batch_size=8, seed=seed)
    batches = RealBatches(dataset.train_features, dataset.train_labels, dataset.semantics, 8, stream(seed, "batches"))
    for _, features, labels, _ in backbone.seen:
        expected = batches.draw()
        assert torch.equal(features, expected.features)
        assert torch.equal(labels, expected.labels)


def test_the_update_is_a_plain_loops(spy, train, dataset, assert_same_state):
    trained = train(spy(), steps=5, batch_size=8)
    plain = spy()
    optimizers = {
        phase.name: Adam(phase.parameters, lr=phase.lr, betas=phase.betas, fused=True) for phase in plain.phases()
    }
    batches = RealBatches(dataset.train_features, dataset.train_labels, dataset.semantics, 8, stream(0, "batches"))
    noise = stream(0, "noise")
    for _ in range(5):
        for phase in plain.phases():
            for _ in range(phase.repeats):
                for parameter in phase.parameters:
                    parameter.grad = torch.zeros_like(parameter)
                sum(plain.losses(phase.name, batches.draw(), noise).values()).backward()
                optimizers[phase.name].step()
    assert_same_state(trained, plain)


def test_a_parameter_that_no_loss_reaches_stays(spy, train):
    backbone = train(spy())
    assert torch.equal(backbone.unused, torch.ones(2))


def test_a_parameter_that_no_loss_reaches_decays_like_the_others(spy, train):
    backbone = spy()
    decaying = tuple(replace(phase, weight_decay=0.5) for phase in backbone.phases())
    backbone.phases = lambda: decaying
    train(backbone)
    assert (backbone.unused < 1).all()  # it has a gradient of zeros, not none


def test_the_mode_while_training_is_train(spy, train):
    backbone, modes = spy().eval(), []
    losses = backbone.losses
    backbone.losses = lambda *arguments: (modes.append(backbone.training), losses(*arguments))[1]
    train(backbone, steps=2)
    assert all(modes)


def test_after_training_no_gradient_is_left_and_the_mode_is_eval(spy, train):
    backbone = train(spy())
    assert not backbone.training
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_the_records_hold_means_over_steps_and_repeats(spy, train):
    shown, each = [], []
    train(spy(), steps=7, log_every=3, on_log=shown.append)
    train(spy(), steps=7, log_every=1, on_log=each.append)
    assert [record.step for record in shown] == [3, 6, 7]
    assert [record.step for record in each] == list(range(1, 8))
    assert list(shown[0].losses) == ["spy/inner.score", "spy/outer.error", "spy/outer.size"]
    for record, steps in zip(shown, ([0, 1, 2], [3, 4, 5], [6]), strict=True):
        for name, value in record.losses.items():
            assert value == pytest.approx(sum(each[i].losses[name] for i in steps) / len(steps))
    seconds = [record.seconds for record in each]
    assert seconds == sorted(seconds)


def test_a_record_is_the_mean_over_the_repeats_of_a_phase(spy, train):
    kept = []
    backbone = spy(repeats=(3, 1))
    losses = backbone.losses

    def keep(*arguments):
        terms = losses(*arguments)
        kept.append({name: value.item() for name, value in terms.items()})
        return terms

    backbone.losses = keep
    shown = []
    train(backbone, steps=1, on_log=shown.append)
    expected = sum(terms["score"] for terms in kept[:3]) / 3
    assert shown[0].losses["spy/inner.score"] == pytest.approx(expected)


def test_terms_of_d3_too_are_means_over_the_repeats(spy, train, enhancer_of):
    kept, shown = [], []
    backbone = spy(repeats=(1, 3))
    enhancer = enhancer_of(backbone)
    on_batch = enhancer.on_batch

    def keep(*arguments):
        kept.append(on_batch(*arguments))
        return kept[-1]

    enhancer.on_batch = keep
    train(backbone, enhancer, steps=1, on_log=shown.append)
    for name in kept[0].terms:
        assert shown[0].losses[name] == pytest.approx(sum(float(one.terms[name]) for one in kept) / 3)


@pytest.mark.parametrize(
    ("enhanced", "found"), [((), r"inner \(plain\), outer \(plain\)$"), (("inner", "outer"), r"inner \(enhanced\), o")]
)
def test_exactly_one_phase_must_be_enhanced(spy, train, enhanced, found):
    with pytest.raises(PluginError, match=rf"'spy' must have exactly one enhanced phase, found {found}"):
        train(spy(enhanced=enhanced))


def test_bf16_trains_on_the_cpu_as_the_exact_run_does(spy, train, enhancer_of, assert_same_state):
    """Autocast keeps its copies of weights while it is on; were they kept over steps, no loss would ever move."""

    def run(precision):
        backbone, records = spy(), []
        enhancer = enhancer_of(backbone, student_lr=1e-2)
        train(backbone, enhancer, steps=30, batch_size=1000, log_every=1, precision=precision, on_log=records.append)
        assert {value.dtype for value in backbone.state_dict().values()} == {torch.float32}
        return backbone, [record.losses for record in records]

    (exact, expected), (half, found) = run("exact"), run("bf16")
    assert_same_state(exact, half, same=False)
    for name in ("spy/inner.score", "spy/outer.error", "classify/nll", "id2sd/embedding", "id2sd/labels"):
        moved = expected[-1][name] - expected[0][name]
        assert abs(found[-1][name] - expected[-1][name]) < 0.3 * abs(moved), name
