"""From texts to one vector per class: which texts are encoded, how they are averaged, and what is refused."""

from __future__ import annotations

import dataclasses
import math
import warnings

import pytest
import torch

from d3wrap.errors import ConfigError, D3WrapWarning, DataError, PluginError
from d3wrap.semantics.build import build_semantics
from d3wrap.semantics.descriptions import ClassTexts
from d3wrap.semantics.tfidf import SPEC as TFIDF

TWO = ClassTexts(("water_lily", "002.Rose"), (("White.",), ("Red.", "Thorny.")))
LILY, RED, THORNY = (f"a photo of a {text}" for text in ("water lily. White.", "Rose. Red.", "Rose. Thorny."))


@pytest.fixture(autouse=True)
def _no_other_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_class_is_the_mean_of_its_texts_each_of_norm_one(table_encoder):
    spec, built = table_encoder({LILY: [3.0, 4], RED: [0.0, 9], THORNY: [2.0, 0]})
    found = build_semantics(TWO, spec, settings={"scale": 7})
    assert built[0].asked == [LILY, RED, THORNY]
    torch.testing.assert_close(found.matrix, torch.tensor([[0.6, 0.8], [math.sqrt(0.5), math.sqrt(0.5)]]))
    assert found.matrix.dtype == torch.float32
    assert found.class_names == TWO.names
    assert (found.encoder, found.settings) == ("table", {"model": "", "scale": 7.0})
    assert found.templates == ("a photo of a {name}. {description}",)
    assert found.provenance["texts"] == "3"
    assert found.provenance["encoder: weights"] == "a table"


def test_templates_are_averaged_and_the_same_text_counts_once(table_encoder):
    table = {"water lily": [1.0, 0], "Rose": [0.0, 1], "White.": [1.0, 0], "Red.": [0.0, 1], "Thorny.": [1.0, 0]}
    spec, built = table_encoder(table)
    found = build_semantics(TWO, spec, templates=["{name}", "{description}", "{name}"])
    assert built[0].asked == ["water lily", "White.", "Rose", "Red.", "Thorny."]
    torch.testing.assert_close(found.matrix[1], torch.tensor([1.0, 2]) / math.sqrt(5))
    assert found.templates == ("{name}", "{description}")


def test_a_text_that_two_templates_give_counts_once(table_encoder):
    """A class without a description gets the same text from templates that differ in it alone."""
    table = {"Lily": [1.0, 0], "a Lily": [0.0, 1], "Rose": [1.0, 0], "Rose Red.": [1.0, 0], "a Rose": [1.0, 0]}
    spec, built = table_encoder(table)
    texts = ClassTexts(("Lily", "Rose"), ((), ("Red.",)))
    with pytest.warns(D3WrapWarning, match="no description of 'Lily'"):
        found = build_semantics(texts, spec, templates=["{name}", "{name} {description}", "a {name}"])
    assert built[0].asked == list(table)
    torch.testing.assert_close(found.matrix[0], torch.tensor([1.0, 1]) / math.sqrt(2))


def test_texts_are_encoded_template_by_template_in_order(table_encoder):
    order = ["Rose: Red.", "Rose: Thorny.", "Red., Rose", "Thorny., Rose", "Lily: White.", "White., Lily"]
    spec, built = table_encoder({text: [1.0, place] for place, text in enumerate(order)})
    texts = ClassTexts(("Rose", "Lily"), (("Red.", "Thorny."), ("White.",)))
    build_semantics(texts, spec, templates=["{name}: {description}", "{description}, {name}"])
    assert built[0].asked == order


def test_an_encoder_gets_the_device_and_what_is_known_of_the_texts_is_kept(table_encoder):
    spec, _ = table_encoder({LILY: [3.0, 4], RED: [0.0, 9], THORNY: [2.0, 0]})
    devices = []

    def build(settings, device):
        devices.append(device)
        return spec.build(settings, torch.device("cpu"))

    elsewhere = dataclasses.replace(spec, build=build)
    found = build_semantics(TWO, elsewhere, device="meta", provenance={"sha256.names.txt": "12"})
    assert devices == [torch.device("meta")]
    assert found.provenance["sha256.names.txt"] == "12"
    assert found.matrix.device == torch.device("cpu")


def test_a_text_of_which_nothing_is_known_does_not_count(table_encoder):
    spec, _ = table_encoder({LILY: [3.0, 4], RED: [0.0, 0], THORNY: [2.0, 0]})
    torch.testing.assert_close(build_semantics(TWO, spec).matrix[1], torch.tensor([1.0, 0]))


def test_centring_takes_away_what_all_classes_share(table_encoder):
    spec, _ = table_encoder({LILY: [10.0, 1], RED: [10.0, -1], THORNY: [10.0, -1]})
    plain, centred = (build_semantics(TWO, spec, centre=centre) for centre in (False, True))
    assert float(plain.matrix[0] @ plain.matrix[1]) > 0.9
    assert float(centred.matrix[0] @ centred.matrix[1]) == pytest.approx(-1)
    assert (plain.provenance["centred"], centred.provenance["centred"]) == ("no", "yes")


def test_names_alone_will_do(table_encoder):
    spec, built = table_encoder({"a photo of a water lily.": [1.0, 0], "a photo of a Rose.": [0.0, 1]})
    build_semantics(ClassTexts(TWO.names, ((), ())), spec)
    assert built[0].asked == ["a photo of a water lily.", "a photo of a Rose."]


def test_a_class_without_a_description_goes_by_its_name_and_is_said(table_encoder):
    spec, built = table_encoder({"a photo of a water lily.": [1.0, 0], RED: [0.0, 1], THORNY: [0.0, 1]})
    with pytest.warns(D3WrapWarning, match="no description of 'water_lily': the name alone stands for it"):
        found = build_semantics(ClassTexts(TWO.names, ((), TWO.descriptions[1])), spec)
    assert built[0].asked[0] == "a photo of a water lily."
    assert found.provenance["without description"] == "water_lily"


def test_classes_that_nothing_tells_apart_are_said(table_encoder):
    spec, _ = table_encoder({name: [1.0, 2] for name in "abcd"})
    texts = ClassTexts(tuple("abcd"), ((),) * 4)
    with pytest.warns(D3WrapWarning, match="'a' and 'b', 'a' and 'c', 'a' and 'd' and 3 more pairs have the same"):
        build_semantics(texts, spec, templates=["{name}"])


def test_of_what_nothing_is_known_is_refused(table_encoder):
    spec, _ = table_encoder({LILY: [0.0, 0], RED: [0.0, 1], THORNY: [0.0, 1]})
    with pytest.raises(
        DataError, match="'water_lily': the encoder finds nothing there that tells it from other classes"
    ):
        build_semantics(TWO, spec)
    with pytest.raises(DataError, match=r"'water_lily': no description, and the template has no \{name\}"):
        build_semantics(ClassTexts(TWO.names, ((), ("Red.",))), spec, templates=["{description}"])


def test_settings_that_are_wrong_or_missing_are_named(table_encoder):
    spec, built = table_encoder({}, required=("model",))
    with pytest.raises(ConfigError, match="encoder table needs --set model=…"):
        build_semantics(TWO, spec)
    with pytest.raises(ConfigError, match="TableSettings has no setting 'modle'; did you mean 'model'"):
        build_semantics(TWO, spec, settings={"modle": "x"})
    with pytest.raises(ConfigError, match=r"has a \{description\}, and there are none: add --descriptions"):
        build_semantics(ClassTexts(TWO.names, ((), ())), table_encoder({})[0], templates=["{description}"])
    assert built == []


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (torch.rand(2, 4), r"gave Tensor \[2, 4\] for 3 texts, expected a floating \[3, k\]"),
        (torch.rand(3), r"gave Tensor \[3\] for 3 texts"),
        (torch.ones(3, 2, dtype=torch.int64), r"gave Tensor \[3, 2\] for 3 texts"),
        ([[1.0]] * 3, r"gave list \[\] for 3 texts"),
        (torch.tensor([[1.0], [2], [torch.nan]]), "gave values that are NaN or infinite"),
    ],
)
def test_an_encoder_that_gives_something_else_is_named(table_encoder, gives, message):
    spec, _ = table_encoder({})

    class Wrong:
        def encode(self, texts):
            return gives

    with pytest.raises(PluginError, match=f"encoder table {message}"):
        build_semantics(TWO, dataclasses.replace(spec, build=lambda settings, device: Wrong()))


def test_classes_in_another_order_get_the_same_cosines():
    names = ("rose", "lily", "iris", "oak")
    descriptions = (("red flower with thorns",), ("white flower",), ("blue flower", "tall"), ("tall tree",))
    order = [2, 0, 3, 1]
    found = build_semantics(ClassTexts(names, descriptions), TFIDF).matrix
    moved = ClassTexts(tuple(names[i] for i in order), tuple(descriptions[i] for i in order))
    other = build_semantics(moved, TFIDF).matrix
    torch.testing.assert_close((found @ found.T)[order][:, order], other @ other.T)
    assert torch.equal(found, build_semantics(ClassTexts(names, descriptions), TFIDF).matrix)
