"""Limited data: stratified, nested, seeded, and nothing but training rows is touched."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import d3wrap
from d3wrap.data import GZSLDataset, MinMaxScaler, keep_fraction, load_dataset
from d3wrap.data.checks import check_dataset
from d3wrap.data.converted import write_converted
from d3wrap.errors import ConfigError, DataError

FRACTIONS = st.floats(0, 1, exclude_min=True)
SEEDS = st.integers(0, 5)


def small_world(counts: list[int], rng: np.random.Generator) -> GZSLDataset:
    """Classes of these many training rows, with two test rows each, and an unseen class; rows in random order."""
    labels = np.concatenate([np.repeat(np.arange(len(counts)), np.array(counts) + 2), [len(counts)] * 2])
    labels = torch.from_numpy(rng.permutation(labels))
    rows = [(labels == index).nonzero().squeeze(1) for index in range(len(counts) + 1)]
    train = torch.cat([own[2:] for own in rows[:-1]])
    train = train[torch.from_numpy(rng.permutation(len(train)))]
    return GZSLDataset(
        name="small",
        features=torch.from_numpy(rng.normal(size=(len(labels), 3))),
        labels=labels,
        semantics=torch.from_numpy(rng.normal(size=(len(rows), 2))),
        seen=torch.arange(len(counts)),
        unseen=torch.tensor([len(counts)]),
        train=train,
        test_seen=torch.cat([own[:2] for own in rows[:-1]]),
        test_unseen=rows[-1],
        class_names=tuple(map(str, range(len(rows)))),
        provenance={"features": "normal"},
        official_train=train[: len(train) // 2],
        official_val=train[len(train) // 2 :],
    )


worlds = st.builds(
    small_world,
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(0, 99).map(np.random.default_rng),
)


@given(world=worlds, fraction=FRACTIONS, seed=SEEDS)
def test_every_class_keeps_its_share_and_at_least_one_row(world, fraction, seed):
    before, after = world.train_labels.tolist(), keep_fraction(world, fraction, seed).train_labels.tolist()
    for index in world.seen.tolist():
        assert after.count(index) == max(1, round(fraction * before.count(index)))


@given(world=worlds, fractions=st.tuples(FRACTIONS, FRACTIONS), seed=SEEDS)
def test_a_smaller_fraction_is_part_of_a_larger_one(world, fractions, seed):
    smaller, larger = (set(keep_fraction(world, f, seed).train.tolist()) for f in sorted(fractions))
    assert smaller <= larger <= set(world.train.tolist())


@given(world=worlds, fraction=FRACTIONS, seed=SEEDS)
def test_only_training_rows_are_dropped_and_the_order_stays(world, fraction, seed):
    kept = keep_fraction(world, fraction, seed)
    check_dataset(kept)
    assert not set(kept.train.tolist()) & {*world.test_seen.tolist(), *world.test_unseen.tolist()}
    assert kept.train.tolist() == [row for row in world.train.tolist() if row in set(kept.train.tolist())]
    assert kept.official_train.tolist() == [r for r in world.official_train.tolist() if r in set(kept.train.tolist())]
    assert kept.official_val.tolist() == [r for r in world.official_val.tolist() if r in set(kept.train.tolist())]
    changed = {"train", "train_fraction", "official_train", "official_val", "provenance"}
    assert all(getattr(kept, name) is getattr(world, name) for name in vars(world) if name not in changed)


@given(world=worlds, fraction=FRACTIONS, seed=SEEDS)
def test_the_rows_depend_on_the_seed_alone(world, fraction, seed):
    state = torch.get_rng_state()
    first = keep_fraction(world, fraction, seed)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(first.train, keep_fraction(world, fraction, seed).train)


def test_another_seed_keeps_other_rows_and_no_place_in_the_file_is_preferred():
    world = small_world([20, 20], np.random.default_rng(0))
    draws = [frozenset(keep_fraction(world, 0.5, seed).train.tolist()) for seed in range(60)]
    assert len(set(draws)) == 60
    times = [sum(row in draw for draw in draws) for row in world.train.tolist()]
    assert 10 < min(times) <= max(times) < 50  # binomial, mean 30, standard deviation 4


def test_all_of_it_is_the_dataset_itself():
    world = small_world([3], np.random.default_rng(0))
    assert keep_fraction(world, 1.0) is world
    assert load_dataset("digits").train_fraction == 1
    assert "train_fraction" not in load_dataset("digits").provenance


def test_what_was_kept_is_recorded():
    world = small_world([30], np.random.default_rng(0))
    kept = keep_fraction(world, 1 / 3, 7)
    assert kept.train_fraction == 1 / 3
    assert kept.provenance == {"features": "normal", "train_fraction": f"{1 / 3}, seed 7"}
    assert world.provenance == {"features": "normal"}


def sources(tmp_path, make):
    write_converted(load_dataset("digits", scale="none"), tmp_path / "c.safetensors")
    return {
        "digits": "digits",
        "synthetic": "synthetic:samples=9",
        "npz": make.npz(tmp_path / "a.npz"),
        "converted": tmp_path / "c.safetensors",
        "folder": make.mat(tmp_path / "data"),
    }


@pytest.mark.parametrize("kind", ["digits", "synthetic", "npz", "converted", "folder"])
def test_every_source_can_be_limited_and_is_scaled_by_what_is_kept(kind, tmp_path, make):
    source = sources(tmp_path, make)[kind]
    with make.parsing_here():
        plain = load_dataset(source, scale="none")
        for fraction, seed in ((0.3, 0), (0.3, 4), (0.001, 0)):
            found = load_dataset(source, train_fraction=fraction, fraction_seed=seed)
            expected = keep_fraction(plain, fraction, seed)
            assert torch.equal(found.train, expected.train)
            assert len(found.train) < len(plain.train)
            scaler = MinMaxScaler.fit(expected.train_features, jointly=plain.image_shape is not None)
            assert torch.equal(found.scaler.minimum, scaler.minimum)
            assert torch.equal(found.features, scaler.transform(plain.features))
            assert torch.equal(found.seen, plain.seen)
            for name in ("test_seen", "test_unseen", "labels", "semantics"):
                assert torch.equal(getattr(found, name), getattr(plain, name))
    assert len(found.train) == len(found.seen)  # one row of each class


@pytest.mark.parametrize("fraction", [0, 0.0, -0.1, 1.01, 10, float("nan"), float("inf"), True, "0.1", None])
def test_a_fraction_out_of_range_is_refused_before_anything_is_read(fraction):
    with pytest.raises(ConfigError, match="train_fraction: expected a number above 0 and at most 1, found"):
        load_dataset("no/such/file.npz", train_fraction=fraction)
    with pytest.raises(ConfigError, match="train_fraction: expected"):
        keep_fraction(d3wrap.synthetic(4, 1), fraction)


def test_a_fraction_is_taken_once_and_before_scaling():
    for dataset in (load_dataset("digits"), load_dataset("digits", scale="none", train_fraction=0.5)):
        with pytest.raises(ConfigError, match="is scaled or a fraction already; take the fraction of its source"):
            keep_fraction(dataset, 0.5)


def test_a_fraction_is_not_written_as_if_it_were_the_source(tmp_path):
    with pytest.raises(DataError, match="a fraction of a dataset cannot be written; load it with train_fraction=1"):
        write_converted(load_dataset("digits", scale="none", train_fraction=0.5), tmp_path / "a.safetensors")
    assert not list(tmp_path.iterdir())


def test_another_device_or_number_format_keeps_the_record():
    kept = load_dataset("digits", train_fraction=0.5)
    moved = kept.to("cpu", torch.float64)
    assert (moved.train_fraction, moved.provenance) == (0.5, kept.provenance)
    assert dataclasses.replace(kept, name="x").train_fraction == 0.5
