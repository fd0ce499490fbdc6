"""The three protocols of a run: what is chosen, where, and what test rows have to say in it."""

from __future__ import annotations

import dataclasses
import json
from statistics import fmean

import pytest
import torch

import d3wrap
from d3wrap.checkpoints.tensors import read_weights
from d3wrap.comparison.log_points import wanted
from d3wrap.comparison.results import METRICS
from d3wrap.comparison.run import Plan, measure, results, train
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.comparison.stored import load_trained
from d3wrap.errors import DataError, ProtocolError
from d3wrap.manager import load_plugins
from d3wrap.protocol.choice import Search
from d3wrap.settings import D3Settings

PLUGINS = load_plugins(environ={})


@pytest.fixture
def dataset():
    return d3wrap.synthetic(12, 4, 6, 4, 10)


def plan_of(protocol, **changes):
    return Plan(
        generator="clswgan",
        settings={"hidden": 8, "steps": 14, "synthetic_per_class": 4, **changes.pop("settings", {})},
        d3=D3Settings(teacher_epochs=1, embedding_dim=4),
        classifiers=("softmax", "student"),
        log_every=2,
        protocol=protocol,
        search=Search(points=2),
        **changes,
    )


def run(plan, dataset, folder, arm="enhanced", seed=1):
    trained = train(plan, dataset, arm, seed, PLUGINS, RunFolder(folder))
    return trained, results(plan, dataset, arm, seed, trained, measure(plan, seed, trained))


def test_honest_trains_and_measures_with_what_was_chosen(dataset, tmp_path):
    trained, found = run(plan_of("honest"), dataset, tmp_path)
    choice = json.loads((tmp_path / "choice.json").read_text())
    assert trained.steps == choice["steps"] in (7, 14)
    for one in found:
        assert (one.protocol, one.test_used_for_selection) == ("honest", False)
        assert (one.steps, one.synthetic_per_class) == (choice["steps"], choice["synthetic_per_class"])
        assert one.gamma == choice["gammas"][one.classifier]
        assert one.last_step is None
    with pytest.raises(ProtocolError, match="given out once already"):
        measure(plan_of("honest"), 1, trained)
    fewer = plan_of("fixed", settings={"steps": choice["steps"]})
    _, same = run(fewer, dataset, tmp_path / "fixed")
    for one, other in zip(found, same, strict=True):
        assert [getattr(one, name) for name in METRICS] == [getattr(other, name) for name in METRICS]
        assert other.gamma is None


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_test_rows_change_neither_a_choice_nor_a_weight(dataset, tmp_path, arm):
    """The canary: permuted test labels and other test images, and everything before the last look is the same."""
    labels, features = dataset.labels.clone(), dataset.features.clone()
    for rows in (dataset.test_seen, dataset.test_unseen):
        labels[rows] = labels[rows].roll(3)
        features[rows] = torch.rand_like(features[rows])
    other = dataclasses.replace(dataset, labels=labels, features=features)
    left = []
    for name, data in (("one", dataset), ("two", other)):
        trained, found = run(plan_of("honest"), data, tmp_path / name, arm)
        choice = json.loads((tmp_path / name / "choice.json").read_text())
        left.append((choice | {"seconds": 0}, trained.backbone.state_dict(), found))
    (choice_one, weights_one, found_one), (choice_two, weights_two, found_two) = left
    assert choice_one == choice_two
    assert all(torch.equal(weights_one[key], weights_two[key]) for key in weights_one)
    assert found_one[0].per_class != found_two[0].per_class


def test_the_papers_choose_on_the_test_set_and_the_gap_is_kept(dataset, tmp_path):
    plan = plan_of("paper")
    trained = train(plan, dataset, "enhanced", 1, PLUGINS, RunFolder(tmp_path))
    measured = measure(plan, 1, trained)
    points = {**measured.earlier, 14: measured.final}
    assert list(points) == [2, 4, 6, 8, 10, 12, 14]
    for one in results(plan, dataset, "enhanced", 1, trained, measured):
        assert (one.protocol, one.test_used_for_selection) == ("paper", True)
        assert max(point[one.classifier].H for point in points.values()) == one.H >= one.last_step["H"]
        assert points[one.steps][one.classifier].H == one.H
        assert one.last_step["H"] == measured.final[one.classifier].H
        assert one.gamma is None


def test_the_mean_of_the_last_five_is_of_shorter_runs(dataset, tmp_path):
    """Each log point on the way is measured as a run that ended there would be."""
    _, found = run(plan_of("fixed"), dataset, tmp_path / "whole")
    ends = []
    for steps in (6, 8, 10, 12, 14):
        _, shorter = run(plan_of("fixed", settings={"steps": steps}), dataset, tmp_path / str(steps))
        ends.append({one.classifier: one for one in shorter})
    for one in found:
        for name in METRICS:
            assert one.last5[name] == pytest.approx(fmean(getattr(end[one.classifier], name) for end in ends))


def test_after_the_last_look_the_networks_are_those_of_the_last_step(dataset, tmp_path):
    trained, _ = run(plan_of("fixed"), dataset, tmp_path)
    for name, network in (("generator", trained.backbone), ("enhancer", trained.enhancer)):
        stored = read_weights(tmp_path / f"{name}.safetensors")
        assert all(torch.equal(value, stored[key]) for key, value in network.state_dict().items())


def test_a_run_measured_later_gives_the_same(dataset, tmp_path):
    plan = plan_of("honest")
    _, found = run(plan, dataset, tmp_path)
    stored = load_trained(tmp_path, plan, dataset, "enhanced", 1, PLUGINS)
    again = results(plan, dataset, "enhanced", 1, stored, measure(plan, 1, stored))
    for one, other in zip(found, again, strict=True):
        for field in dataclasses.fields(one):
            if not field.name.endswith("_seconds"):
                assert getattr(one, field.name) == getattr(other, field.name), field.name


def test_a_damaged_choice_is_named(dataset, tmp_path):
    plan = plan_of("honest")
    train(plan, dataset, "baseline", 1, PLUGINS, RunFolder(tmp_path))
    (tmp_path / "choice.json").write_text('{"steps": 7}')
    with pytest.raises(DataError, match=r"choice\.json: not as d3wrap wrote it"):
        load_trained(tmp_path, plan, dataset, "baseline", 1, PLUGINS)


@pytest.mark.parametrize(
    ("steps", "every", "protocol", "kept"),
    [
        (4, 2, "fixed", {2}),
        (4, 50, "fixed", set()),
        (300, 50, "honest", {100, 150, 200, 250}),
        (301, 50, "fixed", {150, 200, 250, 300}),
        (1000, 100, "paper", set(range(100, 1000, 100))),
        (2000, 50, "paper", {50, 300, 550, 750, 1000, 1250, 1450, 1700, 1800, 1850, 1900, 1950}),
    ],
)
def test_which_log_points_are_kept(steps, every, protocol, kept):
    assert wanted(steps, every, protocol) == kept
