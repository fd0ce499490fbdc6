"""One made-up world, as the loaders of many training scripts would hold it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import d3wrap

SPLITS = ("train", "test_seen", "test_unseen")


def arrays(world):
    """Features and labels of each split, the labels being class ids."""
    return {split: (world.features[rows], world.labels[rows]) for split in SPLITS if len(rows := getattr(world, split))}


def place(labels, classes):
    """Each label's place in ``classes``, the slow way."""
    return torch.tensor([classes.tolist().index(label) for label in labels.tolist()])


def as_places(world, *, unseen_after_seen=False):
    """The labels of each split as places among the seen or the unseen classes."""
    shift = len(world.seen) if unseen_after_seen else 0
    return {
        "train": place(arrays(world)["train"][1], world.seen),
        "test_seen": place(arrays(world)["test_seen"][1], world.seen),
        "test_unseen": place(arrays(world)["test_unseen"][1], world.unseen) + shift,
    }


def flat(world, labels=None, feature="feature", label="label"):
    """One array per split under the usual names."""
    found = {}
    for split, (features, ids) in arrays(world).items():
        found[f"{split}_{feature}"] = features.clone()
        found[f"{split}_{label}"] = (ids if labels is None else labels[split]).clone()
    return found


def global_ids(world):
    """Class ids throughout, as in f-CLSWGAN's loader and most that came after it."""
    return SimpleNamespace(
        **flat(world),
        attribute=world.semantics.clone(),
        seenclasses=world.seen.clone(),
        unseenclasses=world.unseen.clone(),
        allclasses=torch.arange(world.num_classes),
        train_class=world.seen.clone(),
        train_mapped_label=place(arrays(world)["train"][1], world.seen),
        attribute_seen=world.semantics[world.seen],
        ntrain=len(world.train),
    )


def places_and_tables(world):
    """Labels as places, the table by ids, and separate tables that scripts index with the labels."""
    return SimpleNamespace(
        **flat(world, as_places(world)),
        attribute=world.semantics.clone(),
        train_att=world.semantics[world.seen].numpy(),
        test_att=world.semantics[world.unseen].numpy(),
        seenclasses=world.seen,
        unseenclasses=world.unseen,
    )


def block(world):
    """Labels as places and one numpy table with the seen classes first, while the lists hold the ids."""
    found = places_and_tables(world)
    found.attribute = np.concatenate([found.train_att, found.test_att])
    return found


def tables_alone(world):
    """Labels as places, and no table of all classes."""
    found = places_and_tables(world)
    del found.attribute
    return found


def tables_alone_no_lists(world):
    found = tables_alone(world)
    del found.seenclasses, found.unseenclasses
    return found


def ids_with_tables_alone(world):
    """Class ids, and no table of all classes."""
    found = tables_alone(world)
    return SimpleNamespace(**{**vars(found), **flat(world)})


def out_of_order(world):
    """Classes listed in another order, in which the two tables and the places are."""
    turned = SimpleNamespace(**{**vars(world), "seen": world.seen.flip(0), "unseen": world.unseen.roll(1)})
    split, labels = arrays(world), as_places(turned)
    return SimpleNamespace(
        pfc_feat_data_train=split["train"][0].numpy(),
        labels_train=labels["train"].numpy(),
        pfc_feat_data_test=split["test_unseen"][0].numpy(),
        labels_test=labels["test_unseen"].numpy(),
        test_seen_feature=split["test_seen"][0],
        test_seen_label=labels["test_seen"],
        train_text_feature=world.semantics[turned.seen].numpy(),
        test_text_feature=world.semantics[turned.unseen].numpy(),
        train_cid=turned.seen.numpy(),
        test_cid=turned.unseen.numpy(),
    )


def out_of_order_with_a_table(world):
    found = out_of_order(world)
    found.attribute = world.semantics
    return found


def ids_out_of_order(world):
    """Class ids, with lists and tables in another order."""
    found = out_of_order(world)
    split = arrays(world)
    found.labels_train, found.labels_test = split["train"][1], split["test_unseen"][1]
    found.test_seen_label = split["test_seen"][1]
    return found


def unseen_counted_on(world):
    """Labels of unseen classes go on where those of the seen ones end; the table is by ids."""
    found = places_and_tables(world)
    return SimpleNamespace(**{**vars(found), **flat(world, as_places(world, unseen_after_seen=True))})


def nested(world):
    """A dictionary per split, another name for the unseen classes and for the table."""
    data = {
        split if split != "train" else "train_seen": {"resnet_features": features, "labels": labels}
        for split, (features, labels) in arrays(world).items()
    }
    data["train_seen"]["attributes"] = world.semantics[data["train_seen"]["labels"]]
    data["train_unseen"] = {"resnet_features": None, "labels": None}
    return SimpleNamespace(
        data=data,
        aux_data=world.semantics,
        seenclasses=world.seen,
        novelclasses=world.unseen,
        seenclass_aux_data=world.semantics[world.seen],
        novelclass_aux_data=world.semantics[world.unseen],
    )


def nested_mapping(world):
    found = nested(world)
    return {**found.data, "attributes": found.aux_data, "seen": found.seenclasses, "unseen": found.novelclasses}


def four_dimensional(world):
    """Features with two more dimensions, labels in a column, semantics in double precision."""
    found = global_ids(world)
    for split in SPLITS:
        features, labels = getattr(found, f"{split}_feature"), getattr(found, f"{split}_label")
        setattr(found, f"{split}_feature", features[:, :, None, None])
        setattr(found, f"{split}_label", labels[:, None])
    found.attribute = found.attribute.double()
    return found


def numpy_one_hot(world):
    """numpy throughout: labels one-hot or as floats, as MATLAB files hold them."""
    found = {name: value.numpy() for name, value in flat(world, feature="features", label="labels").items()}
    found["train_labels"] = np.eye(world.num_classes)[found["train_labels"]]
    found["test_seen_labels"] = found["test_seen_labels"].astype(float)
    return {
        **found,
        "semantics": world.semantics.numpy(),
        "seen": world.seen.tolist(),
        "unseen": tuple(world.unseen.tolist()),
    }


def rows(world):
    """Our own ``.npz`` layout."""
    return {
        "features": world.features.numpy(),
        "labels": world.labels.numpy(),
        "semantics": world.semantics.numpy(),
        **{split: getattr(world, split).numpy() for split in SPLITS},
        "seen": world.seen.numpy(),
        "unseen": world.unseen.numpy(),
    }


def matlab(world):
    """Everything from 1 and in columns, with the splits in a dictionary of their own."""
    return SimpleNamespace(
        features=world.features.numpy().astype(np.float32),
        labels=world.labels.numpy() + 1,
        attributes=world.semantics.numpy(),
        attribute_dict={
            "att": world.semantics.numpy().T,
            "trainval_loc": world.train.numpy()[:, None] + 1,
            "test_seen_loc": world.test_seen.numpy()[:, None] + 1,
            "test_unseen_loc": world.test_unseen.numpy()[:, None] + 1,
        },
        train=True,
    )


def from_one(world):
    """Ids in lists and labels count from 1."""
    found = global_ids(world)
    found.seenclasses, found.unseenclasses = world.seen + 1, world.unseen + 1
    for split in SPLITS:
        setattr(found, f"{split}_label", getattr(found, f"{split}_label") + 1)
    return found


def written_by_hand(world):
    """The mapping that the documentation tells people to give."""
    split = arrays(world)
    return {
        "features": split["train"][0],
        "labels": split["train"][1],
        "semantics": world.semantics,
        "seen": world.seen,
        "unseen": world.unseen,
        "test_seen_features": split["test_seen"][0],
        "test_seen_labels": split["test_seen"][1],
        "test_unseen_features": split["test_unseen"][0],
        "test_unseen_labels": split["test_unseen"][1],
    }


def no_seen_list(world):
    found = written_by_hand(world)
    del found["seen"]
    return found


def no_unseen_list(world):
    found = written_by_hand(world)
    del found["unseen"]
    return found


def no_lists(world):
    found = no_seen_list(world)
    del found["unseen"]
    return found


STYLES = {
    style.__name__: style
    for style in (
        global_ids,
        places_and_tables,
        block,
        tables_alone,
        tables_alone_no_lists,
        ids_with_tables_alone,
        out_of_order,
        out_of_order_with_a_table,
        ids_out_of_order,
        unseen_counted_on,
        nested,
        nested_mapping,
        four_dimensional,
        numpy_one_hot,
        rows,
        matlab,
        from_one,
        written_by_hand,
        no_seen_list,
        no_unseen_list,
        no_lists,
    )
}


def relabelled(world, order):
    """The same world with class ids permuted: class ``i`` becomes ``order[i]``."""
    order = torch.as_tensor(order)
    semantics = torch.empty_like(world.semantics)
    semantics[order] = world.semantics
    return d3wrap.data.GZSLDataset(
        **{
            **vars(world),
            "labels": order[world.labels],
            "semantics": semantics,
            "seen": order[world.seen].sort().values,
            "unseen": order[world.unseen].sort().values,
        }
    )


@pytest.fixture(scope="session")
def styles():
    """Makers of foreign data by name, and helpers."""
    return SimpleNamespace(all=STYLES, arrays=arrays, place=place, as_places=as_places, relabelled=relabelled, **STYLES)


@pytest.fixture(scope="session")
def world():
    """Twelve classes, four unseen, whose seen ids are not the first ones."""
    return d3wrap.synthetic(12, 4, 9, 5, 10, seed=3)
