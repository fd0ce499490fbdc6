"""However a script holds its data, the same dataset comes out."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import d3wrap
from d3wrap.data.checks import CHECKS, check_dataset
from d3wrap.errors import D3WrapError, DataError
from d3wrap.foreign import class_ids, foreign_dataset
from d3wrap.foreign.recognise import NOT_FOR_TRAINING

SPLITS = ("train", "test_seen", "test_unseen")
STYLES = (
    "global_ids",
    "places_and_tables",
    "block",
    "tables_alone",
    "tables_alone_no_lists",
    "ids_with_tables_alone",
    "out_of_order",
    "out_of_order_with_a_table",
    "ids_out_of_order",
    "unseen_counted_on",
    "nested",
    "nested_mapping",
    "four_dimensional",
    "numpy_one_hot",
    "rows",
    "matlab",
    "from_one",
    "written_by_hand",
    "no_seen_list",
    "no_unseen_list",
    "no_lists",
)
CONVENTION = {
    "places_and_tables": "seen",
    "block": "block",
    "tables_alone": "block",
    "tables_alone_no_lists": "global",
    "unseen_counted_on": "block",
    "out_of_order": "block",
    "out_of_order_with_a_table": "block",
}
"""Where it is another than ``global``; without lists the places are the only ids there are."""

OPEN_WHERE_CONTIGUOUS = {
    "no_lists": "global",
    "out_of_order": "block",
    "out_of_order_with_a_table": "block",
    "ids_out_of_order": "global",
}


def assert_same_world(dataset, world):
    """Features in their order, and each image's semantics: whatever the numbers of the classes are."""
    assert torch.equal(dataset.seen, dataset.labels[dataset.train].unique())
    for split in SPLITS:
        mine, theirs = getattr(dataset, split), getattr(world, split)
        assert torch.equal(dataset.features[mine], world.features[theirs])
        semantics, expected = dataset.semantics[dataset.labels[mine]], world.semantics[world.labels[theirs]]
        assert torch.equal(semantics, expected)
    for classes in ("seen", "unseen"):
        mine, theirs = (one.semantics[getattr(one, classes)] for one in (dataset, world))
        assert sorted(mine.tolist()) == sorted(theirs.tolist())
        assert torch.equal(getattr(dataset, classes), getattr(dataset, classes).unique())


def test_every_style_has_a_case(styles):
    assert set(STYLES) == set(styles.all)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_gives_the_same_dataset(styles, world, style):
    data = styles.all[style](world)
    got = foreign_dataset(data)
    assert_same_world(got.dataset, world)
    check_dataset(got.dataset)
    assert got.has_test
    got.require_test()
    assert got.convention == CONVENTION.get(style, "global")
    in_own_order = CONVENTION.get(style, "global") == "global" and style != "tables_alone_no_lists"
    if in_own_order or style in ("places_and_tables", "unseen_counted_on"):  # other tables number the classes anew
        assert torch.equal(got.dataset.semantics, world.semantics)
        assert torch.equal(got.dataset.train_labels, world.train_labels)


@pytest.mark.parametrize("style", ["global_ids", "places_and_tables", "block", "tables_alone", "unseen_counted_on"])
def test_the_scripts_own_labels_give_the_class_ids(styles, world, style):
    data = styles.all[style](world)
    got = foreign_dataset(data)
    assert torch.equal(class_ids(data.train_label, got.convention, got.dataset), got.dataset.train_labels)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(7)), unseen=st.integers(1, 5), seed=st.integers(0, 99))
def test_any_numbering_and_any_split(styles, order, unseen, seed):
    world = styles.relabelled(d3wrap.synthetic(7, unseen, 4, 3, 4, seed=seed), order)
    contiguous = torch.equal(world.seen, torch.arange(len(world.seen)))
    for name, style in styles.all.items():
        # ids 0 … S−1 may be places just as well where the script does not list them, or lists them in another order
        asked = OPEN_WHERE_CONTIGUOUS.get(name)
        if contiguous and asked and len(world.seen) > 1:
            with pytest.raises(DataError, match="labels='global'"):
                foreign_dataset(style(world))
        assert_same_world(foreign_dataset(style(world), labels=asked).dataset, world)


@pytest.mark.parametrize("labels", ["seen", "block"])
def test_an_argument_settles_the_order_of_a_lone_table(styles, world, labels):
    data = styles.places_and_tables(world) if labels == "seen" else styles.block(world)
    del data.train_att, data.test_att
    with pytest.raises(DataError, match=r"labels='seen' if row i .* labels='block' if the rows"):
        foreign_dataset(data)
    got = foreign_dataset(data, labels=labels)
    assert_same_world(got.dataset, world)
    assert got.convention == labels


def test_each_split_counts_in_its_own_way(styles, world):
    data = styles.places_and_tables(world)
    data.test_seen_label = styles.arrays(world)["test_seen"][1]
    assert_same_world(foreign_dataset(data).dataset, world)
    data.test_unseen_label = styles.arrays(world)["test_unseen"][1]
    assert_same_world(foreign_dataset(data).dataset, world)
    data = styles.global_ids(world)
    data.test_seen_label = styles.as_places(world)["test_seen"]
    data.test_unseen_label = styles.as_places(world)["test_unseen"]
    assert_same_world(foreign_dataset(data).dataset, world)


def test_some_unseen_labels_are_ids_where_the_training_labels_are(styles, world):
    data = styles.global_ids(world)
    data.seenclasses, data.unseenclasses = torch.arange(4, 12), torch.tensor([0, 2, 3, 1])
    data.train_label, data.test_seen_label = data.train_mapped_label + 4, styles.as_places(world)["test_seen"] + 4
    data.test_unseen_label = torch.tensor([1, 2] * 20)
    dataset = foreign_dataset(data).dataset
    assert torch.equal(dataset.labels[dataset.test_unseen], data.test_unseen_label)


def test_unlisted_unseen_classes_are_those_of_the_test_images(styles, world):
    """The table may have rows of more classes, as in validation."""
    data = styles.no_unseen_list(world)
    data["semantics"] = torch.cat([world.semantics, torch.rand(3, 5)])
    assert torch.equal(foreign_dataset(data).dataset.unseen, world.unseen)


def test_ids_from_one_without_test_images(styles, world):
    data = styles.from_one(world)
    for split in SPLITS[1:]:
        delattr(data, f"{split}_feature")
    assert torch.equal(foreign_dataset(data).dataset.train_labels, world.train_labels)


def test_a_given_table_may_have_as_many_columns_as_there_are_classes(styles, world):
    table = torch.rand(world.num_classes + 8, world.num_classes)
    assert torch.equal(foreign_dataset(styles.global_ids(world), semantics=table).dataset.semantics, table)


@pytest.mark.filterwarnings("error")
def test_arrays_that_cannot_be_written_to(styles, world):
    data = styles.rows(world)
    for value in data.values():
        value.flags.writeable = False
    assert_same_world(foreign_dataset(data).dataset, world)


@pytest.mark.parametrize("change", [lambda a: a[::-1], lambda a: a.astype(">f4"), np.asfortranarray])
def test_arrays_in_every_layout(styles, world, change):
    data = styles.rows(world)
    data["features"] = change(data["features"])
    dataset = foreign_dataset(data).dataset
    assert torch.equal(dataset.train_features, torch.tensor(data["features"].astype("f4").copy())[world.train])


def test_semantics_of_each_training_image_settle_the_order(styles, world):
    data = styles.places_and_tables(world)
    del data.test_att
    data.train_att = world.semantics[world.train_labels]
    assert foreign_dataset(data).convention == "seen"


def test_two_tables_settle_it_where_the_full_one_says_nothing(styles, world):
    data = styles.places_and_tables(world)
    data.attribute = torch.rand(world.num_classes, 3)  # a table of something else
    got = foreign_dataset(data)
    assert_same_world(got.dataset, world)
    assert got.convention == "block"


def test_normalised_tables_are_compared_too(styles, world):
    data = styles.block(world)
    data.train_att = data.train_att / np.linalg.norm(data.train_att, axis=1, keepdims=True)
    assert foreign_dataset(data).convention == "block"


def test_a_table_with_too_few_rows_for_the_ids_has_the_seen_classes_first(styles, world):
    data = styles.block(world)
    del data.train_att, data.test_att
    data.seenclasses, data.unseenclasses = data.seenclasses * 3, data.unseenclasses * 3
    assert_same_world(foreign_dataset(data).dataset, world)


def test_a_table_with_more_rows_than_classes_is_by_ids(styles, world):
    data = styles.places_and_tables(world)
    del data.train_att, data.test_att
    data.attribute = torch.cat([data.attribute, torch.rand(2, 5)])
    got = foreign_dataset(data)
    assert got.convention == "seen"
    assert any("2 rows of semantics are of classes neither seen nor unseen" in line for line in got.lines)


def test_labels_about_the_batches_do_not_contradict_the_loader(styles, world):
    got = foreign_dataset(styles.global_ids(world), labels="seen")
    assert got.convention == "global"
    assert any("labels='seen' is about the batches" in line for line in got.lines)


def test_given_semantics_replace_the_loaders(styles, world):
    other = torch.rand(world.num_classes, 3, dtype=torch.float64)
    dataset = foreign_dataset(styles.global_ids(world), semantics=other).dataset
    assert torch.equal(dataset.semantics, other.float())
    data = styles.global_ids(world)
    del data.attribute
    assert torch.equal(foreign_dataset(data, semantics=other.numpy()).dataset.semantics, other.float())


def test_a_transposed_table_is_turned_where_it_can_be_nothing_else(styles, world):
    data = styles.global_ids(world)
    data.attribute = data.attribute.T
    got = foreign_dataset(data)
    assert_same_world(got.dataset, world)
    assert any("transposed" in line for line in got.lines)


def test_transposed_features_are_turned(styles, world):
    data = styles.global_ids(world)
    data.train_feature = data.train_feature.T
    assert_same_world(foreign_dataset(data).dataset, world)


def test_validation_mode_trains_and_says_that_it_cannot_be_evaluated(styles, world):
    data = styles.global_ids(world)
    del data.test_seen_feature, data.test_seen_label
    got = foreign_dataset(data)
    assert got.missing == ("test_seen",)
    assert not got.has_test
    assert "evaluate() is impossible: the data has no test_seen images" in got.lines[-1]
    with pytest.raises(DataError, match="give test_seen_features and test_seen_labels"):
        got.require_test()
    assert torch.equal(got.dataset.train_labels, world.train_labels)


def test_arrays_alone_have_the_other_rows_as_unseen_classes(styles, world):
    data = {"features": world.train_features, "labels": world.train_labels, "semantics": world.semantics}
    got = foreign_dataset(data)
    assert torch.equal(got.dataset.unseen, world.unseen)
    assert got.missing == ("test_seen", "test_unseen")
    assert got.dataset.name == "arrays"
    assert foreign_dataset(data, name="mine").dataset.name == "mine"


def test_training_places_that_are_ids_of_unseen_classes_are_not_all_images(styles, world):
    # labels 0 … 7 hold the ids of some unseen classes by chance; the table has 12 rows, so these are places
    data = {"features": world.train_features, "labels": styles.as_places(world)["train"], "semantics": world.semantics}
    got = foreign_dataset({**data, "seen": world.seen, "unseen": world.unseen}, labels="seen")
    assert torch.equal(got.dataset.train_labels, world.train_labels)


def test_all_images_without_rows_are_split_as_an_npz_file_is(world, tmp_path):
    data = {"features": world.features, "labels": world.labels, "semantics": world.semantics, "unseen": world.unseen}
    np.savez(tmp_path / "mine.npz", **{name: value.numpy() for name, value in data.items()})
    theirs = d3wrap.load_dataset(tmp_path / "mine.npz", scale="none")
    assert_same_world(foreign_dataset(data).dataset, theirs)
    with np.load(tmp_path / "mine.npz") as file:
        assert_same_world(foreign_dataset(file).dataset, theirs)


def test_a_module_of_variables_is_an_object_too(styles, world):
    module = ModuleType("script")
    vars(module).update(vars(styles.global_ids(world)))
    assert_same_world(foreign_dataset(module).dataset, world)


def test_a_dataset_is_passed_through(world):
    got = foreign_dataset(world)
    assert got.dataset is world
    assert got.convention == "global"
    other = torch.rand(world.num_classes, 2)
    dataset = foreign_dataset(world, semantics=other).dataset
    assert torch.equal(dataset.semantics, other)
    assert dataset.features is world.features
    with pytest.raises(DataError, match="semantics has 3 rows, expected one for each of the 12 classes"):
        foreign_dataset(world, semantics=other[:3])


def test_some_classes_without_images_are_said(styles, world):
    data = styles.global_ids(world)
    kept = data.train_label != world.seen[0]
    data.train_feature, data.train_label = data.train_feature[kept], data.train_label[kept]
    kept = data.test_seen_label != world.seen[0]
    data.test_seen_feature, data.test_seen_label = data.test_seen_feature[kept], data.test_seen_label[kept]
    kept = data.test_unseen_label != world.unseen[-1]
    data.test_unseen_feature, data.test_unseen_label = data.test_unseen_feature[kept], data.test_unseen_label[kept]
    got = foreign_dataset(data)
    assert torch.equal(got.dataset.seen, world.seen[1:])
    assert torch.equal(got.dataset.unseen, world.unseen)
    text = "\n".join(got.lines)
    assert "1 of the script's seen classes have no training images" in text
    assert "1 unseen classes have no test images" in text


def test_names_of_classes_are_taken_where_they_are_by_ids(styles, world):
    data = styles.global_ids(world)
    names = [f"bird {index}" for index in range(world.num_classes)]
    cells = np.empty(world.num_classes, dtype=object)
    cells[:] = [np.array([name]) for name in names]  # as scipy reads a cell array
    data.allclasses_names = cells
    assert foreign_dataset(data).dataset.class_names == tuple(names)
    data.allclasses_names = names[:-1]
    assert foreign_dataset(data).dataset.class_names == world.class_names
    tables = styles.block(world)
    tables.allclasses_names = names
    assert foreign_dataset(tables).dataset.class_names == world.class_names


def test_another_table_of_the_script_is_mentioned(styles, world):
    data = styles.global_ids(world)
    data.aux_data = data.attribute * 2
    data.att = data.attribute.clone()
    assert any(line.startswith("not used: aux_data;") for line in foreign_dataset(data).lines)
    assert not any("not used" in line for line in foreign_dataset(styles.matlab(world)).lines)


def test_the_lines_say_what_became_what(styles, world):
    text = "\n".join(foreign_dataset(styles.places_and_tables(world)).lines)
    for said in (
        "train_feature → train features [64, 9], from 0 to",
        "attribute → semantics [12, 5], in [0, 1]",
        "semantics: a row per class id (compared with the script's semantics of the seen classes)",
        "labels of train: places among the seen classes",
        "labels of test_unseen: places among the unseen classes",
        "8 seen and 4 unseen classes; images: 64 to train on, 16 test_seen, 40 test_unseen",
        "not rescaled",
    ):
        assert said in text


def test_nothing_is_called_changed_or_shared(styles, world):
    class Loader:
        def __init__(self):
            vars(self).update(vars(styles.global_ids(world)))

        def next_batch(self, size):
            raise AssertionError("called")

        @property
        def semantics(self):
            raise RuntimeError("not loaded yet")

    loader = Loader()
    before = {name: value.clone() for name, value in vars(loader).items() if isinstance(value, torch.Tensor)}
    dataset = foreign_dataset(loader).dataset
    for name, value in before.items():
        assert torch.equal(value, getattr(loader, name))
    for name in before:
        getattr(loader, name).mul_(0)
    assert_same_world(dataset, world)


@pytest.mark.parametrize("style", ["rows", "numpy_one_hot", "tables_alone", "written_by_hand"])
def test_arrays_are_not_shared_in_any_style(styles, world, style):
    data = styles.all[style](world)
    own = {name: value.clone() if isinstance(value, torch.Tensor) else np.array(value)
           for name, value in (data if isinstance(data, dict) else vars(data)).items()}  # fmt: skip
    data = own if isinstance(data, dict) else SimpleNamespace(**own)
    dataset = foreign_dataset(data).dataset
    for value in own.values():
        value *= 0
    assert_same_world(dataset, world)


def test_training_images_alone_are_copied(world):
    features = world.train_features
    data = {"features": features, "labels": world.train_labels, "semantics": world.semantics}
    dataset = foreign_dataset(data).dataset
    features.mul_(0)
    assert torch.equal(dataset.features, world.train_features)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_only_double_precision_stays_what_it_is(styles, world, given, expected):
    data = styles.global_ids(world)
    data.train_feature = data.train_feature.to(given)
    dataset = foreign_dataset(data).dataset
    assert dataset.features.dtype == dataset.semantics.dtype == expected
    assert torch.equal(dataset.train_features, data.train_feature.to(expected))


def test_the_checks_that_are_left_out_exist():
    assert set(NOT_FOR_TRAINING) <= {check.holds for check in CHECKS}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tensors_on_a_device(styles, world):
    data = styles.global_ids(world)
    for name, value in vars(data).items():
        if isinstance(value, torch.Tensor):
            setattr(data, name, value.cuda())
    dataset = foreign_dataset(data).dataset
    assert dataset.features.device.type == "cpu"
    assert_same_world(dataset, world)
    moved = dataset.to("cuda")
    ids = class_ids(data.train_label.cpu(), "global", moved)
    assert ids.device.type == "cuda"


def test_errors_are_all_of_our_own(styles, world):
    """Whatever single array is broken, the error is one of ours."""
    for break_it in (lambda a: a[:0], lambda a: a.float() * 0.5 - 7, lambda a: a[..., None, None].expand(-1, *([2] * (a.ndim + 1)))[:, :2] if a.ndim == 1 else a[0], lambda a: a * torch.nan):  # fmt: skip  # noqa: E501
        for name, value in vars(styles.places_and_tables(world)).items():
            data = styles.places_and_tables(world)
            setattr(data, name, break_it(torch.as_tensor(value)))
            try:
                foreign_dataset(data)
            except D3WrapError:
                continue
