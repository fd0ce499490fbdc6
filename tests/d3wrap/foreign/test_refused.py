"""Data that is not understood, each with the message that says what to give."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from d3wrap.errors import ConfigError, DataError
from d3wrap.foreign import foreign_dataset


def without(*names):
    def change(data):
        for name in names:
            delattr(data, name)

    return change


def put(**values):
    """Set attributes; a callable gets the data."""

    def change(data):
        for name, value in values.items():
            setattr(data, name, value(data) if callable(value) else value)

    return change


def both(*changes):
    def change(data):
        for one in changes:
            one(data)

    return change


BROKEN = {
    "no training features": (
        "global_ids",
        without("train_feature"),
        r"SimpleNamespace has no training features under a known name \(train_feature, .* its arrays are: train_label "
        r"\[64\], .*Give a mapping instead",
    ),
    "no training labels": ("global_ids", without("train_label"), r"no train labels under a known name \(train_label,"),
    "no semantics": ("global_ids", without("attribute", "attribute_seen"), "no semantics of all classes under a known"),
    "semantics of seen classes alone": ("tables_alone", without("test_att"), "no semantics of all classes"),
    "semantics of one dimension": (
        "global_ids",
        put(attribute=torch.rand(12)),
        r"attribute has shape \(12,\), expected",
    ),
    "text": ("global_ids", put(train_feature=np.array([["a"]])), "train_feature holds <U1, expected real numbers"),
    "ragged": ("global_ids", put(train_feature=[[1.0], [1.0, 2.0]]), "train_feature is a list that is no array"),
    "complex": ("global_ids", put(train_feature=torch.rand(64, 9) * 1j), "torch.complex64, expected real numbers"),
    "three dimensions": (
        "global_ids",
        put(train_feature=torch.rand(64, 3, 3)),
        r"train_feature has shape \(64, 3, 3\), expected features \[n, d\]",
    ),
    "fewer features than labels": (
        "global_ids",
        put(train_feature=torch.rand(60, 9)),
        r"shape \(60, 9\) and there are 64 labels, expected one label per row",
    ),
    "splits of other width": (
        "global_ids",
        put(test_seen_feature=torch.rand(16, 8)),
        r"features of the splits are \[8, 9\] wide",
    ),
    "NaN": ("global_ids", put(train_feature=torch.full((64, 9), torch.nan)), "576 values that are NaN or infinite"),
    "labels with fractions": (
        "global_ids",
        put(train_label=lambda d: d.train_label + 0.5),
        "torch.float32 values that are no whole numbers",
    ),
    "labels as a table": ("global_ids", put(train_label=torch.rand(64, 4)), r"train_label has shape \(64, 4\)"),
    "labels of yes and no": ("global_ids", put(train_label=torch.ones(64).bool()), "torch.bool values"),
    "labels beyond the classes": (
        "global_ids",
        put(train_label=lambda d: d.train_label + 50),
        r"training labels are .* the labels are neither these ids nor places among them, 0 … 7\. Give the ids",
    ),
    "labels of seen test images": (
        "global_ids",
        put(test_seen_label=lambda d: d.test_seen_label + 50),
        "labels of test_seen are .*: give test_seen_labels as class ids",
    ),
    "labels of unseen test images": (
        "global_ids",
        put(test_unseen_label=lambda d: d.test_unseen_label + 50),
        "labels of test_unseen are .* are neither these ids nor places among them: give test_unseen_labels",
    ),
    "unseen labels of which too few are there": (
        "places_and_tables",
        put(unseenclasses=torch.tensor([1, 2, 20, 21]), seenclasses=torch.tensor([0, 3, 4, 5, 6, 7, 8, 9]),
            attribute=torch.rand(22, 5), test_unseen_label=torch.tensor([1, 2] * 20)),
        "may be places among the unseen classes or class ids: give test_unseen_labels as class ids",
    ),
    "unlisted unseen classes, and unseen labels that may be places": (
        "places_and_tables",
        both(without("unseenclasses", "train_att", "test_att"),
             put(seenclasses=torch.arange(5, 13), attribute=torch.rand(15, 5),
                 test_unseen_label=torch.tensor([0, 1, 2, 3] * 10),
                 attribute_seen=lambda d: d.attribute[d.seenclasses])),
        "labels of test_unseen are 0 … 3; .* may be places among the unseen classes or class ids",
    ),
    "a class listed twice": (
        "global_ids",
        put(seenclasses=torch.tensor([1, 1, 2])),
        "seenclasses lists a class more than once",
    ),
    "a class both seen and unseen": (
        "global_ids",
        put(unseenclasses=lambda d: torch.cat([d.unseenclasses, d.seenclasses[:1]])),
        "1 classes are both seen and unseen, e.g. ",
    ),
    "no class unseen": (
        "global_ids",
        both(without("unseenclasses"), put(seenclasses=torch.arange(12)),
             without("test_unseen_feature", "test_unseen_label")),
        "all 12 classes are seen, none is unseen",
    ),
    "places in classes out of order": (
        "places_and_tables",
        both(put(seenclasses=lambda d: d.seenclasses.flip(0), attribute_seen=lambda d: d.attribute[d.seenclasses]),
             without("train_att", "test_att")),
        "training labels are places .* in ascending order",
    ),
    "ids, and a table with the seen classes first": (
        "global_ids",
        put(attribute=lambda d: torch.cat([d.attribute[d.seenclasses], d.attribute[d.unseenclasses]])),
        "the rows of the semantics table are in another order",
    ),
    "a table with too few rows": (
        "global_ids",
        put(attribute=torch.rand(7, 5)),
        r"the table of semantics has 7 rows, and class ids go up to \d+ \(8 seen, 4 unseen\)",
    ),
    "a table that may be transposed": (
        "global_ids",
        put(attribute=torch.rand(20, 12)),
        "20 × 12 and there are 12 classes: it seems to have a column per class",
    ),
    "two tables of other sizes": (
        "tables_alone",
        put(train_att=np.ones((5, 5))),
        r"are \[5, 5\] \(seen\) and \[4, 5\] \(unseen\), and there are 8 seen and 4 unseen classes",
    ),
    "two tables and ids beyond them": (
        "ids_with_tables_alone",
        put(seenclasses=lambda d: d.seenclasses * 3, unseenclasses=lambda d: d.unseenclasses * 3,
            train_label=lambda d: d.train_label * 3, test_seen_label=lambda d: d.test_seen_label * 3,
            test_unseen_label=lambda d: d.test_unseen_label * 3),
        "training labels are class ids up to .* the two tables of semantics have 12 rows",
    ),
    "places and no lists": (
        "places_and_tables",
        without("seenclasses", "unseenclasses", "train_att", "test_att"),
        "which row is which class's is not known. Give the ids of the seen and the unseen classes",
    ),
    "no lists, and unseen places that go on": (
        "unseen_counted_on",
        without("seenclasses", "unseenclasses", "train_att", "test_att"),
        "class ids, or places among the seen classes.* or labels='global' if",
    ),
    "some training labels of either kind": (
        "global_ids",
        put(train_feature=lambda d: d.train_feature[d.train_label == 3],
            train_label=lambda d: d.train_label[d.train_label == 3]),
        "the labels may be these ids or places among them: say which with labels='global'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_data_is_refused(styles, world, name):
    style, change, message = BROKEN[name]
    data = styles.all[style](world)
    change(data)
    with pytest.raises(DataError, match=message):
        foreign_dataset(data)


def test_an_argument_settles_which_kind_some_labels_are(styles, world):
    data = styles.global_ids(world)
    kept = data.train_label == 3
    data.train_feature, data.train_label = data.train_feature[kept], data.train_label[kept]
    assert foreign_dataset(data, labels="global").dataset.seen.tolist() == [3]
    assert foreign_dataset(data, labels="seen").dataset.seen.tolist() == [int(world.seen[3])]


ROWS = {
    "beyond the images": (lambda d: {"train": d["train"] + 500}, "row numbers run from .*, expected rows 0 … 119"),
    "in two splits": (lambda d: {"test_seen": d["train"][:2]}, "2 rows are in a split twice or in two splits"),
    "none to train on": (lambda d: {"train": None}, "row numbers of test images and none of training images"),
    "no labels": (lambda d: {"labels": None}, "no training labels under a known name"),
}


@pytest.mark.parametrize("name", ROWS)
def test_broken_rows_are_refused(styles, world, name):
    change, message = ROWS[name]
    data = styles.rows(world)
    with pytest.raises(DataError, match=message):
        foreign_dataset({**data, **change(data)})


@pytest.mark.parametrize("data", [None, "data/CUB", b"CUB", torch.rand(3, 3), [1, 2]])
def test_what_is_no_loader_is_refused(data):
    with pytest.raises(DataError, match=r"expected the script's loader object, a mapping of arrays or a dataset"):
        foreign_dataset(data)


def test_an_empty_object_is_refused_with_what_it_has():
    with pytest.raises(DataError, match="its arrays are: none"):
        foreign_dataset(object())
    with pytest.raises(DataError, match=r"its arrays are: mine \[2\], yours \[3\]"):
        foreign_dataset(SimpleNamespace(mine=[1, 2], yours=torch.rand(3)))


def test_an_unknown_convention_is_refused(styles, world):
    with pytest.raises(ConfigError, match="labels='globl' is no label convention; did you mean 'global'"):
        foreign_dataset(styles.global_ids(world), labels="globl")


def test_text_under_a_name_of_semantics_is_something_else(styles, world):
    data = styles.global_ids(world)
    data.att = np.array(["att"])
    data.train_att = torch.rand(3)
    assert foreign_dataset(data).convention == "global"
