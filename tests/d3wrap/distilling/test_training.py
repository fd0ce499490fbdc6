"""Training goes on with the same bits where it was killed, pairs recipes by seed, and learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from d3wrap.checkpoints import Checkpoints
from d3wrap.distilling.measuring import MEASURES, accuracy, measure, measure_teacher, student_features
from d3wrap.distilling.metrics import neighbourhood, relation, text_alignment
from d3wrap.distilling.training import _Order, make_student
from d3wrap.distilling.tuning import draw_shots, few_shot_accuracy, tuning_stage
from d3wrap.errors import DataError, PluginError, TrainingError
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.specs import ObjectiveSpec


class Killed(Exception):
    pass


def weights(distillation):
    return {name: value.clone() for name, value in distillation.student.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def checkpoints(folder):
    return Checkpoints(folder / "checkpoints", 0.0, {}, folder / "metrics.jsonl")


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_killed_run_ends_with_the_same_bits(distil, stage, settings, tmp_path, at, optimizer):
    settings = replace(settings, optimizer=optimizer, lr=0.01)
    whole = distil(settings=settings)
    logged = []
    epochs = whole.fit(
        stage, on_log=logged.append, measure=lambda: measure(whole.student, whole.data, whole.text, settings)
    )

    first = distil(settings=settings)
    step, taken = first._step, []

    def dying(*arguments):
        if len(taken) == at:
            raise Killed
        taken.append(1)
        return step(*arguments)

    first._step = dying
    measuring = lambda: measure(first.student, first.data, first.text, settings)  # noqa: E731
    with pytest.raises(Killed):
        first.fit(stage, checkpoints=checkpoints(tmp_path), measure=measuring)
    second, again = distil(settings=settings, seed=0), []
    found = second.fit(
        stage,
        checkpoints=checkpoints(tmp_path),
        on_log=again.append,
        measure=lambda: measure(second.student, second.data, second.text, settings),
    )
    assert same(weights(whole), weights(second))
    assert found == epochs
    assert again[-1].losses == logged[-1].losses
    assert [record.step for record in logged] == [2, 4, 6]


def test_recipes_of_one_seed_share_weights_rows_and_crops(distil, stage):
    one, other = distil("cls"), distil("mse+contrastive")
    assert same(weights(one), weights(other))
    assert not same(weights(one), weights(distil("cls", seed=1)))
    seen = []
    for distillation in (one, other):
        observe = distillation.observe
        distillation.observe = lambda *given, observe=observe: seen.append(given[1:3]) or observe(*given)
        distillation.fit(stage)
    half = len(seen) // 2
    for (rows, inputs), (other_rows, other_inputs) in zip(seen[:half], seen[half:], strict=True):
        assert torch.equal(rows, other_rows)
        assert torch.equal(inputs, other_inputs)


def test_global_streams_are_left_alone_and_do_not_matter(distil, stage):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = distil()
    one.fit(stage)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    other = distil()
    other.fit(stage)
    assert same(weights(one), weights(other))


def test_an_image_student_comes_near_its_teacher(distil, settings, stage):
    settings = replace(settings, least_area=0.9, flip=False, crop=12, averaged=1)
    trained = distil(settings=settings)
    before = measure(trained.student, trained.data, trained.text, settings)
    (found,) = trained.fit(
        replace(stage, epochs=8, lr=0.05),
        measure=lambda: measure(trained.student, trained.data, trained.text, settings),
    )
    assert found["in_distribution"] > max(0.6, before["in_distribution"] + 0.2)
    assert found["M_neigh_seen"] > before["M_neigh_seen"]


def test_a_student_recognises_classes_it_was_never_trained_on(data, distil, settings, stage):
    features = replace(data, inputs=data.dataset.features)
    settings = replace(settings, student="mlp", hidden=32, averaged=1, lr=0.05)
    trained = distil("mse+contrastive", data=features, settings=settings)
    before = measure(trained.student, features, trained.text, settings)
    (found,) = trained.fit(
        replace(stage, epochs=20, lr=0.05), measure=lambda: measure(trained.student, features, trained.text, settings)
    )
    assert found["zero_shot"] > max(0.8, before["zero_shot"])
    assert found["M_rel_unseen"] > before["M_rel_unseen"]


def test_measures_are_those_of_the_test_rows(distil, settings):
    distillation = distil()
    student, data, text = distillation.student, distillation.data, distillation.text
    found = measure(student, data, text, settings)
    assert tuple(found) == MEASURES
    rows = data.dataset.test_unseen
    ours, theirs = student_features(student, data, rows, settings), data.teacher.features(rows)
    assert found["zero_shot"] == accuracy(ours, text, data.dataset.labels[rows], data.dataset.unseen)
    assert found["M_rel_unseen"] == relation(ours, theirs)
    assert found["M_neigh_unseen"] == neighbourhood(ours, theirs, 3)
    assert found["M_vlalign_unseen"] == text_alignment(ours, theirs, text[data.dataset.unseen])
    torch.testing.assert_close(ours.norm(dim=1), torch.ones(len(rows)))


def test_accuracy_is_the_mean_over_classes_of_those_to_choose_from():
    text = torch.eye(3)
    features = torch.tensor([[1.0, 0.1, 0.9], [0.0, 1.0, 0.9], [0.2, 0.1, 1.0], [1.0, 0.0, 0.5]])
    labels = torch.tensor([0, 0, 2, 2])
    assert accuracy(features, text, labels, torch.tensor([0, 2])) == pytest.approx(0.5)
    assert accuracy(features, text, labels, torch.tensor([0, 1, 2])) == pytest.approx(0.5)
    assert accuracy(features[:3], text, labels[:3], torch.tensor([0, 2])) == pytest.approx((0.5 + 1) / 2)


def test_the_teacher_is_measured_with_the_same_texts(data, settings):
    found = measure_teacher(data, data.texts["own"], settings)
    assert found["in_distribution"] > 0.9
    assert found["zero_shot"] > 0.9


def test_steps_go_through_all_rows_once_a_pass(stage, settings):
    order = _Order(stage, settings, 0, torch.device("cpu"))
    assert (order.epoch, order.steps) == (2, 6)
    first = torch.cat([order.rows(0), order.rows(1)])
    assert len(first.unique()) == 32
    assert set(first.tolist()) <= set(stage.rows.tolist())
    assert torch.equal(order.rows(5), _Order(stage, settings, 0, torch.device("cpu")).rows(5))
    assert not torch.equal(order.rows(0), order.rows(2))
    assert _Order(stage, replace(settings, repeats=3), 0, torch.device("cpu")).epoch == 6
    assert len(_Order(stage, replace(settings, batch_size=1000), 0, torch.device("cpu")).rows(0)) == 40


def test_half_of_a_fine_tuning_batch_is_shots(data, distil, settings):
    distillation = distil()
    shots = draw_shots(data, 2, seed=0)
    stage = tuning_stage(data, distillation, shots)
    order = _Order(stage, settings, 0, torch.device("cpu"))
    rows = order.rows(0)
    assert len(rows) == 16
    # there are four shots in all, fewer than half a batch
    assert set(rows[:4].tolist()) == set(shots.shown.tolist())
    assert set(rows[4:].tolist()) <= set(data.dataset.train.tolist())
    assert stage.classes.tolist() == list(range(6))


def test_shots_are_of_each_unseen_class_and_are_not_measured(data):
    shots = draw_shots(data, 2, seed=0)
    assert data.dataset.labels[shots.shown].tolist() == [2, 2, 5, 5]
    assert not set(shots.shown.tolist()) & set(shots.left.tolist())
    assert len(shots.left) == len(data.dataset.test_unseen) - 4
    assert torch.equal(shots.shown, draw_shots(data, 2, seed=0).shown)
    assert not torch.equal(shots.shown, draw_shots(data, 2, seed=1).shown)
    with pytest.raises(DataError, match=r"class 2 \(c\) has 14 images, too few to show 14"):
        draw_shots(data, 14, seed=0)


def test_fine_tuning_sees_texts_of_all_classes_and_is_measured_on_the_rest(data, distil):
    distillation = distil()
    shots = draw_shots(data, 2, seed=0)
    stage = tuning_stage(data, distillation, shots)
    shown = []
    observe = distillation.observe

    def watch(*given):
        batch = observe(*given)
        shown.append(batch)
        return batch

    distillation.observe = watch
    found = distillation.fit(stage, measure=lambda: {"few_shot": few_shot_accuracy(distillation, shots)})
    assert len(found) == 2
    assert 0 <= found[-1]["few_shot"] <= 1
    assert shown[0].teacher.logits.shape == (16, 6)
    assert {2, 5} <= set(shown[0].labels.tolist())


def test_weights_scale_a_loss_and_zero_takes_it_out(distil, stage):
    def total(recipe, weights):
        distillation = distil(recipe, weights=weights)
        logged = []
        distillation.fit(replace(stage, epochs=2), on_log=logged.append)
        return logged[0].losses

    one = total("cls+mse", {"vl-mse": 0.5, "cls": 2.0})
    assert set(one) == {"vl-cls/nll", "vl-mse/distance", "distill/total"}
    assert one["distill/total"] == pytest.approx(2 * one["vl-cls/nll"] + 0.5 * one["vl-mse/distance"])
    assert same(
        weights(trained(distil("cls+mse", weights={"mse": 0.0}), stage)), weights(trained(distil("cls"), stage))
    )


def trained(distillation, stage):
    distillation.fit(stage)
    return distillation


def test_mixed_precision_trains_and_losses_stay_exact(distil, stage):
    distillation = distil(precision="bf16")
    seen = []
    observe = distillation.observe
    distillation.observe = lambda *given: seen.append(given[3].dtype) or observe(*given)
    distillation.fit(replace(stage, epochs=1) if stage.epochs == 1 else stage)
    assert set(seen) == {torch.float32}
    assert not same(weights(distillation), weights(trained(distil(), stage)))


def test_a_loss_that_is_not_finite_is_named(distil, stage):
    with pytest.raises(TrainingError, match="of plugin 'vl-cls' is"):
        distil("cls").fit(replace(stage, lr=1e30))


class Silent:
    @hookimpl
    def on_batch(self, batch):
        return None


class Elsewhere:
    @hookimpl
    def on_generate(self, features, labels, semantics):
        return None


@pytest.mark.parametrize(("built", "message"), [(Silent, "gave no loss"), (Elsewhere, "has no hook on_batch")])
def test_an_objective_that_cannot_train_a_student_is_refused(data, settings, stage, built, message):
    from d3wrap.distilling.recipe import parse_recipe
    from d3wrap.distilling.training import Distillation

    class Plugin:
        @hookimpl
        def register_objectives(self, register):
            register(ObjectiveSpec("mine", "", lambda context: built(), ("loss",)))

    plugins = load_plugins(environ={}, extra={"stranger": Plugin()})
    recipe = parse_recipe("mine", ["own"], {}, plugins)
    with pytest.raises(PluginError, match=message):
        Distillation(data, recipe, settings, seed=0, plugins=plugins).fit(stage)


def test_a_feature_student_is_trained_too(data, settings, distil, stage):
    features = replace(data, inputs=data.dataset.features)
    settings = replace(settings, student="mlp", hidden=8)
    found = distil("mse", data=features, settings=settings)
    losses = []
    found.fit(replace(stage, lr=0.05), on_log=lambda record: losses.append(record.losses["vl-mse/distance"]))
    assert losses[-1] < losses[0]
    assert make_student(features, settings, 0).mean.shape == (1, 5)
