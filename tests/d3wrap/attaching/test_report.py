"""The report of the first use: once, on stderr, with what is worth a look."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import d3wrap


def test_it_is_printed_once_to_stderr(world, capsys):
    one = world()
    d3 = d3wrap.attach(one.network, one.data, optimizer=one.optimizer, teacher_epochs=1, embedding_dim=5)
    for _ in range(3):
        one.step()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("d3wrap: D³ attached") == 1
    assert err.strip() == str(d3.report)
    lines = {line.split()[0]: line for line in err.splitlines()[1:] if not line.startswith("   ")}
    assert lines["generator"].endswith("Foreign")
    assert lines["optimizer"].endswith("Adam over 4 parameters")
    assert "as the script calls it" in lines["sampling"]
    assert lines["gradient"].endswith("reaches 4 of 4 parameters")
    assert "drawn by d3wrap" in lines["real"]
    assert "4 seen and 2 unseen classes" in err
    assert d3.report.step_seconds > 0
    assert f"{d3.report.step_seconds:.3g} s a step" in lines["cost"]
    d3.detach()


def test_a_function_gets_it(world, attach):
    one, got = world(), []
    d3 = attach(one.network, one.data, optimizer=one.optimizer, report=got.append)
    one.step()
    assert got == [d3.report]
    assert isinstance(got[0], d3wrap.AttachReport)


def test_an_evaluation_without_d3_makes_it_without_a_cost(world, attach):
    one, got = world(), []
    d3 = attach(one.network, one.data, optimizer=one.optimizer, report=got.append)
    d3.pause()
    one.step()
    d3.evaluate(synthetic_per_class=2)
    assert math.isnan(got[0].step_seconds)
    assert " cost " not in str(got[0])


SCALES = {
    "a sigmoid against unscaled features": (nn.Sigmoid(), 100.0, "nearly constant beside the data"),
    "unscaled output against scaled features": (nn.Hardtanh(-90, 90), 1.0, "samples leave the range of the data"),
    "a ReLU against scaled features": (nn.ReLU(), 1.0, None),
}


@pytest.mark.parametrize("name", SCALES)
def test_output_and_data_of_other_ranges_are_noted(world, attach, foreign, name):
    last, scale, words = SCALES[name]
    one = world(lambda: foreign(last=last))
    features = scale * one.data.features / one.data.features.max()  # scaled by the maximum, as some loaders do
    with torch.no_grad():
        one.network.net[2].weight.mul_(1000 if isinstance(last, nn.Hardtanh) else 1)
    arrays = {
        "train_feature": features[one.data.train], "train_label": one.data.train_labels,
        "attribute": one.data.semantics, "seenclasses": one.data.seen, "unseenclasses": one.data.unseen,
        "test_seen_feature": features[one.data.test_seen], "test_seen_label": one.data.labels[one.data.test_seen],
        "test_unseen_feature": features[one.data.test_unseen],
        "test_unseen_label": one.data.labels[one.data.test_unseen],
    }  # fmt: skip
    d3 = attach(one.network, arrays, optimizer=one.optimizer)
    for _ in range(2):
        one.step()
    assert d3.report.data_high == pytest.approx(float(features[one.data.train].max()))
    if words is None:
        assert not any("range" in note or "constant" in note for note in d3.report.notes)
    else:
        assert words in str(d3.report)


def test_samples_without_noise_are_noted(world, attach):
    one = world()
    d3 = attach(lambda s: one.network(torch.ones_like(s), s), one.data, optimizer=one.optimizer)
    one.step()
    assert "samples do not vary" in str(d3.report)
    other = world()
    fine = attach(lambda s: other.network(torch.randn_like(s), s), other.data, optimizer=other.optimizer)
    other.step()
    assert "do not vary" not in str(fine.report)


def test_public_names():
    assert {"attach", "Handle", "AttachReport"} <= set(dir(d3wrap))
