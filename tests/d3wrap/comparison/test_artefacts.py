import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

import d3wrap
from d3wrap.comparison.artefacts import CLASSES, POINTS, ROWS, thin, write_artefacts
from d3wrap.comparison.artefacts_reading import read_artefacts
from d3wrap.comparison.run_folder import RunFolder
from d3wrap.data import load_dataset
from d3wrap.errors import DataError
from d3wrap.evaluation.curve import Curve
from d3wrap.evaluation.metrics import evaluate_scores


class Copying(nn.Module):
    """Generates the semantics' first columns and a little noise."""

    def __init__(self, width):
        super().__init__()
        self.width = width
        self.dropout = nn.Dropout(0.5)

    def generate(self, semantics, *, rng=None):
        noise = torch.randn(len(semantics), self.width, generator=rng, device=semantics.device)
        return self.dropout(semantics[:, :1] + noise)


@pytest.fixture
def dataset():
    return d3wrap.synthetic(20, 8, 12, 4, 15)


def evaluation_of(dataset):
    scores = torch.randn(len(dataset.labels), dataset.num_classes, generator=torch.Generator().manual_seed(0))
    rows = (dataset.test_seen, dataset.test_unseen)
    parts = [part for row in rows for part in (scores[row], dataset.labels[row])]
    return {"softmax": evaluate_scores(*parts, seen=dataset.seen, unseen=dataset.unseen)}


@pytest.fixture
def written(tmp_path, dataset):
    write_artefacts(tmp_path, dataset, Copying(12), evaluation_of(dataset), 3)
    return read_artefacts(tmp_path)


def test_classes_are_those_of_the_dataset(written, dataset):
    assert [info.name for info in written.classes.values()] == list(dataset.class_names)
    assert {c for c, info in written.classes.items() if info.unseen} == set(dataset.unseen.tolist())
    tested = [*dataset.test_seen.tolist(), *dataset.test_unseen.tolist()]
    counts = torch.bincount(dataset.labels[tested], minlength=20).tolist()
    assert [info.test_images for info in written.classes.values()] == counts


def test_the_curve_is_the_measured_one(written, dataset):
    curve = evaluation_of(dataset)["softmax"].curve
    assert written.curves["softmax"] == [
        (pytest.approx(u, abs=1e-6), pytest.approx(s, abs=1e-6))
        for u, s in zip(curve.unseen.tolist(), curve.seen.tolist(), strict=True)
    ]


def test_which_images_were_right_is_kept(written, dataset):
    kept, measured = written.outcomes["softmax"], evaluation_of(dataset)["softmax"].outcomes
    for field in dataclasses.fields(measured):
        assert np.array_equal(getattr(kept, field.name), getattr(measured, field.name))
        assert getattr(kept, field.name).dtype == getattr(measured, field.name).dtype


def test_a_long_curve_keeps_ends_and_area():
    draw = np.random.default_rng(0)
    unseen = np.concatenate([[0.0], np.sort(draw.uniform(0, 0.8, 5000))])
    seen = np.concatenate([np.sort(draw.uniform(0, 0.9, 5000))[::-1], [0.0]])
    curve = Curve(np.arange(5000.0), unseen, seen)
    kept = thin(curve)
    assert len(kept["unseen"]) <= POINTS
    assert (kept["unseen"][0], kept["seen"][-1]) == (0.0, 0.0)
    assert kept["seen"][0] == pytest.approx(seen[0], abs=1e-6)
    assert kept["unseen"][-1] == pytest.approx(unseen[-1], abs=1e-6)
    area = Curve(np.empty(0), np.array(kept["unseen"]), np.array(kept["seen"])).area
    assert area == pytest.approx(curve.area, abs=1e-3)


def test_the_projection_shows_a_few_unseen_classes(written, dataset):
    found = written.projection
    assert list(found.real) == list(found.generated)
    assert len(found.real) == CLASSES
    assert set(found.real) <= set(dataset.unseen.tolist())
    for c, points in found.real.items():
        rows = int((dataset.labels[dataset.test_unseen] == c).sum())
        assert len(points) == min(rows, ROWS)
        assert len(found.generated[c]) == ROWS
    assert written.pictures is None


def test_both_arms_see_the_same_plane_and_noise_and_nothing_else_moves(tmp_path, dataset):
    generator, evaluation = Copying(12), evaluation_of(dataset)
    before = torch.random.get_rng_state()
    paths = [write_artefacts(tmp_path / arm, dataset, generator, evaluation, 3) for arm in ("baseline", "enhanced")]
    other = write_artefacts(tmp_path / "other", dataset, generator, evaluation, 4)
    assert torch.equal(before, torch.random.get_rng_state())
    assert generator.dropout.training
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert read_artefacts(paths[0].parent).projection.real == read_artefacts(other.parent).projection.real
    assert read_artefacts(paths[0].parent).projection.generated != read_artefacts(other.parent).projection.generated


def test_a_run_folder_will_do(tmp_path, dataset):
    folder = RunFolder(tmp_path / "run")
    assert write_artefacts(folder, dataset, Copying(12), evaluation_of(dataset), 0) == folder.path / "artefacts.json"


def test_a_generator_of_another_space_has_no_projection(tmp_path, dataset):
    write_artefacts(tmp_path, dataset, Copying(7), evaluation_of(dataset), 0)
    found = read_artefacts(tmp_path)
    assert found.projection is None
    assert "gives no visual features to compare with real ones" in found.reasons["projection"]
    assert found.curves


def test_digits_keep_pictures(tmp_path):
    digits = load_dataset("digits")
    write_artefacts(tmp_path, digits, Copying(64), evaluation_of(digits), 0)
    found = read_artefacts(tmp_path).pictures
    assert (found.height, found.width) == (8, 8)
    assert list(found.real) == digits.unseen.tolist()
    assert {len(pictures) for pictures in [*found.real.values(), *found.generated.values()]} == {12}
    first = digits.test_unseen[digits.labels[digits.test_unseen] == found_class(found)][0]
    levels = digits.scaler.inverse(digits.features[first]) if digits.scaler else digits.features[first]
    ink = np.frombuffer(found.real[found_class(found)][0], np.uint8)
    assert ink.tolist() == (levels / 16 * 255).round().to(torch.uint8).tolist()


def found_class(pictures):
    return next(iter(pictures.real))


def test_pictures_of_a_dataset_without_scaling(tmp_path):
    digits = load_dataset("digits", scale="none")
    write_artefacts(tmp_path, digits, Copying(64), evaluation_of(digits), 0)
    assert max(max(one) for one in read_artefacts(tmp_path).pictures.real[0]) == 255


def test_classes_without_test_images_are_not_projected(tmp_path, dataset):
    only = dataset.test_unseen[dataset.labels[dataset.test_unseen] == dataset.unseen[0]]
    write_artefacts(tmp_path, dataclasses.replace(dataset, test_unseen=only), Copying(12), evaluation_of(dataset), 0)
    assert list(read_artefacts(tmp_path).projection.real) == [int(dataset.unseen[0])]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(schema="x"), "schema: expected"),
        (lambda s: s.update(classes=[]), "classes: expected a mapping, found list"),
        (lambda s: s.update(classes={"a": {}}), "expected class ids as keys"),
        (lambda s: s.update(classes={"-1": {}}), "expected class ids as keys"),
        (lambda s: s.update(classes={"1": {"name": "a", "unseen": 1, "test_images": 2}}), "unseen true or false"),
        (lambda s: s.update(classes={"1": {"name": 1, "unseen": True, "test_images": 2}}), "expected text, found 1"),
        (lambda s: s.update(curves={"softmax": {"unseen": [0.5, 0.1], "seen": [1, 1]}}), "ascending"),
        (lambda s: s.update(curves={"softmax": {"unseen": [0.5], "seen": [2]}}), "fractions"),
        (lambda s: s.update(curves={"softmax": {"unseen": [], "seen": []}}), "fractions"),
        (lambda s: s.update(curves={"softmax": {"unseen": ["a"], "seen": [1]}}), "finite numbers"),
        (lambda s: s.update(projection={"explained": [1], "real": {}, "generated": {}}), "two shares"),
        (lambda s: s.update(projection={"explained": [1, 0], "real": {"1": 3}, "generated": {}}), "lists of points"),
        (
            lambda s: s.update(projection={"explained": [1, 0], "real": {"1": [[1]]}, "generated": {}}),
            "two coordinates",
        ),
        (lambda s: s.update(pictures={"shape": [0, 8]}), "1 to 256, found"),
        (lambda s: s.update(pictures={"shape": [2, 2], "real": {"1": "é"}}), "not base64"),
        (lambda s: s.update(pictures={"shape": [2, 2], "real": {"1": "AAAA"}}), "3 bytes are no whole number"),
        (lambda s: s.update(pictures={"shape": [1, 3], "real": {"1": "AAAA"}, "generated": {}}), "of the same classes"),
        (lambda s: s["outcomes"]["seen"].update(labels="AAAA"), "3 bytes are no labels"),
        (lambda s: s["outcomes"]["seen"].update(labels="AAAAAA=="), "a bit for each of 1 seen images"),
        (lambda s: s["outcomes"]["unseen"].update(right={}), "the same classifiers"),
        (lambda s: s.pop("outcomes"), "outcomes: expected a mapping"),
        (lambda s: s.update(reasons=None), "reasons: expected a mapping"),
    ],
)
def test_what_was_not_written_so_is_refused(tmp_path, dataset, change, message):
    path = write_artefacts(tmp_path, dataset, Copying(12), evaluation_of(dataset), 3)
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    with pytest.raises(DataError, match=message) as caught:
        read_artefacts(tmp_path)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="no such file; the run was made by an earlier version"):
        read_artefacts(tmp_path)
    for content in ("{", "3"):
        (tmp_path / "artefacts.json").write_text(content)
        with pytest.raises(DataError, match=r"cannot be read as JSON|expected a mapping"):
            read_artefacts(tmp_path)
