"""What the labels of a batch mean, in every convention."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import d3wrap
from d3wrap.data import GZSLDataset
from d3wrap.errors import ConfigError, DataError
from d3wrap.foreign import CONVENTIONS, LabelReader, class_ids, find_convention


def written(ids, convention, dataset):
    """Class ids as a script with this convention writes them, the slow way."""
    order = {"global": range(dataset.num_classes), "seen": dataset.seen.tolist()}
    order["block"] = [*dataset.seen.tolist(), *dataset.unseen.tolist()]
    return torch.tensor([list(order[convention]).index(one) for one in ids.tolist()])


def batch(world, size=16, seed=0):
    rows = world.train[torch.randperm(len(world.train), generator=torch.Generator().manual_seed(seed))[:size]]
    return world.features[rows], world.labels[rows]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    "form", [torch.Tensor.int, lambda t: t[:, None], torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.short]
)
def test_class_ids_in_every_convention_and_form(world, convention, form):
    _, ids = batch(world)
    got = class_ids(form(written(ids, convention, world)), convention, world)
    assert torch.equal(got, ids)
    assert got.dtype == torch.int64


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)), unseen=st.integers(1, 5), convention=st.sampled_from(CONVENTIONS))
def test_class_ids_for_any_numbering(styles, order, unseen, convention):
    world = styles.relabelled(d3wrap.synthetic(8, unseen, 4, 3, 5), order)
    ids = world.train_labels
    labels = written(ids, convention, world)
    assert torch.equal(class_ids(labels, convention, world), ids)
    found = find_convention(world.train_features, labels, world)
    assert torch.equal(class_ids(labels, found, world), ids)
    assert torch.equal(LabelReader(world)(world.train_features, labels), ids)


@pytest.mark.parametrize("convention", ["global", "seen"])
@pytest.mark.parametrize("change", [
    lambda x: x,
    lambda x: x + 0.02 * torch.randn_like(x),
    lambda x: x.half(),
    lambda x: x.bfloat16(),
    lambda x: x.double()[:, :, None, None],
    lambda x: x.clone().requires_grad_(),
])  # fmt: skip
def test_the_convention_is_found_from_the_features(world, convention, change):
    torch.manual_seed(0)
    features, ids = batch(world)
    assert find_convention(change(features), written(ids, convention, world), world) == convention


def test_a_common_offset_of_the_features_does_no_harm(world):
    moved = GZSLDataset(**{**vars(world), "features": world.features + 1e4})
    features, ids = batch(moved)
    assert find_convention(features, written(ids, "seen", moved), moved) == "seen"


def test_training_rows_anywhere_in_the_dataset(world):
    """The synthetic world has its training rows scattered, a foreign dataset has them first."""
    order = torch.cat([world.train, world.test_seen, world.test_unseen])
    lengths = torch.tensor([len(world.train), len(world.test_seen), len(world.test_unseen)]).cumsum(0).tolist()
    first = GZSLDataset(
        **{
            **vars(world),
            "features": world.features[order],
            "labels": world.labels[order],
            "train": torch.arange(lengths[0]),
            "test_seen": torch.arange(lengths[0], lengths[1]),
            "test_unseen": torch.arange(lengths[1], lengths[2]),
        }
    )
    features, ids = batch(world)
    labels = written(ids, "seen", world)
    assert find_convention(features, labels, world) == find_convention(features, labels, first) == "seen"


def test_a_single_row_can_tell_conventions_apart(world):
    """Among many rows whose class has the same number in both, the one that differs is looked up."""
    same = world.train[world.labels[world.train] == written(world.train_labels, "seen", world)]
    other = world.train[world.labels[world.train] == world.seen[-2]][:1]
    rows = torch.cat([same.repeat(200 // len(same)), other])
    labels = written(world.labels[rows], "seen", world)
    assert int(labels[-1]) in world.seen  # so that it could be a class id
    assert find_convention(world.features[rows], labels, world) == "seen"


def test_labels_that_are_partly_wrong_are_refused(world):
    features, ids = batch(world)
    wrong = torch.where(torch.arange(len(ids)) < 5, ids.roll(3), ids)
    with pytest.raises(DataError, match=r"do not fit the features: of 16 rows .* the classes agree for .*%"):
        find_convention(features, wrong, world)


def test_conventions_that_cannot_be_valid_are_left_out_without_features(world):
    _, ids = batch(world)
    assert int(ids.max()) >= len(world.seen)
    assert find_convention(torch.rand(len(ids), 3), ids, world) == "global"


def test_a_reader_waits_until_the_conventions_differ(world):
    reader = LabelReader(world)
    same = world.train[world.labels[world.train] == written(world.train_labels, "seen", world)]
    assert len(same)  # classes before the first unseen one have the same number in both
    features, ids = world.features[same], world.labels[same]
    assert torch.equal(reader(features, ids), ids)
    assert reader.convention is None
    features, ids = batch(world)
    assert torch.equal(reader(features, written(ids, "seen", world)), ids)
    assert reader.convention == "seen"
    # now it is settled: nobody looks at features any more, and labels are still checked
    assert torch.equal(reader(torch.zeros(1, 1), torch.tensor([7])), world.seen[7:])
    with pytest.raises(DataError, match=r"labels run from 8 to 8, and as 'seen' they must lie in 0 … 7"):
        reader(torch.zeros(1, 1), torch.tensor([8]))


def test_a_reader_that_was_told(world):
    reader = LabelReader(world, "block")
    assert reader.convention == "block"
    assert torch.equal(reader(torch.zeros(2, 1), torch.tensor([0, 7])), world.seen[[0, 7]])
    with pytest.raises(ConfigError, match="labels='blocks' is no label convention; did you mean 'block'"):
        LabelReader(world, "blocks")


def test_seen_classes_that_come_first_settle_it_at_once(styles):
    world = styles.relabelled(d3wrap.synthetic(4, 1, 3, 3, 4), range(4))
    world = styles.relabelled(world, torch.cat([world.seen, world.unseen]).argsort())
    assert world.seen.tolist() == [0, 1, 2]
    reader = LabelReader(world)
    reader(world.train_features, world.train_labels)
    assert reader.convention == "global"


REFUSED = {
    "floats": (lambda ids: ids.float(), "torch.float32, expected integers: pass labels.long()"),
    "bools": (lambda ids: ids > 3, "torch.bool, expected integers"),
    "one-hot": (lambda ids: torch.eye(12)[ids], "look one-hot, shape .* pass one number per row, labels.argmax"),
    "a table": (lambda ids: torch.rand(len(ids), 5), "are a table, shape .* labels.argmax"),
    "nothing": (lambda ids: ids[:0], r"have shape \(0,\), expected \[n\]"),
    "a number": (lambda ids: ids[0], r"have shape \(\), expected \[n\]"),
    "out of range": (lambda ids: ids + 20, "must lie in 0 … 11: say which with labels='global'"),
    "below zero": (lambda ids: ids - 20, "must lie in 0 … 11"),
    "one more": (
        lambda ids: torch.arange(1, 13),
        "labels run from 1 to 12, .*if they count from 1, pass labels - 1",
    ),
    "unseen classes": (lambda ids: torch.arange(12), "4 classes that are not seen, e.g. class .* real images of seen"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_are_refused(world, name):
    change, message = REFUSED[name]
    features, ids = batch(world)
    with pytest.raises(DataError, match=message):
        class_ids(change(ids), "global", world)
    with pytest.raises(DataError):
        find_convention(features, change(ids), world)


def test_an_unknown_convention_is_refused(world):
    with pytest.raises(ConfigError, match="labels='locl' is no label convention"):
        class_ids(world.train_labels, "locl", world)


def test_labels_that_fit_no_convention_are_refused_with_all_reasons(world):
    with pytest.raises(DataError, match=r"follow no known convention. global: .* \| seen: .* \| block: "):
        find_convention(world.train_features[:1], torch.tensor([99]), world)


def test_unknown_features_and_open_labels_are_refused(world):
    _, ids = batch(world)
    labels = written(ids, "seen", world)
    labels = labels[torch.isin(labels, world.seen)]  # these could be class ids too
    with pytest.raises(DataError, match=r"can be read as global or seen or block, and none of .* say which with"):
        find_convention(torch.rand(len(labels), world.feature_dim) - 5, labels, world)
    with pytest.raises(DataError, match="none of"):
        find_convention(torch.rand(len(labels), 3), labels, world)


def test_labels_of_other_images_are_refused(world):
    features, ids = batch(world)
    with pytest.raises(DataError, match=r"do not fit the features: .* Pass features and labels of the same images"):
        find_convention(features, ids.roll(3), world)


def test_numpy_scalars_and_the_labels_of_a_loader(world):
    assert class_ids(np.array([0, 1], dtype=np.uint8), "seen", world).tolist() == world.seen[:2].tolist()


def test_the_lookup_is_fast_at_paper_size():
    """20,000 × 2,048 training features, a batch of 2,048: well below a second even on one busy core."""
    num_seen, num_classes, n = 150, 200, 20_000
    rng = torch.Generator().manual_seed(0)
    seen = torch.randperm(num_classes, generator=rng)[:num_seen].sort().values
    labels = seen[torch.randint(num_seen, (n,), generator=rng)]
    everything = torch.arange(num_classes)
    empty = torch.empty(0, dtype=torch.int64)
    world = GZSLDataset("big", torch.rand(n, 2048, generator=rng), labels, torch.rand(num_classes, 1024, generator=rng),
        seen, everything[~torch.isin(everything, seen)], torch.arange(n), empty, empty,
        tuple(map(str, everything)))  # fmt: skip
    start = time.perf_counter()
    assert find_convention(world.features[:2048], torch.searchsorted(seen, labels[:2048]), world) == "seen"
    assert time.perf_counter() - start < 3
