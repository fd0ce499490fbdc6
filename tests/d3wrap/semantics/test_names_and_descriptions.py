"""Names and descriptions of classes are read from the forms that people have them in."""

from __future__ import annotations

import json

import pytest

from d3wrap.errors import DataError
from d3wrap.semantics.descriptions import read_class_texts
from d3wrap.semantics.names_file import read_names


@pytest.fixture
def file_of(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(text, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rose\nwater lily\n\n", ["rose", "water lily"]),
        ("\ufeffrose\r\nlily\r\n", ["rose", "lily"]),
        ("pink_rose 1 pink_rose\nlily 2 lily\n", ["pink_rose", "lily"]),
        ("lily 2\npink_rose 1\n", ["pink_rose", "lily"]),
        (
            "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross",
            ["001.Black_footed_Albatross", "002.Laysan_Albatross"],
        ),
        ("     2\tgrizzly+bear\n     1\tantelope", ["antelope", "grizzly+bear"]),
        ("1 polar bear\n2 grizzly bear", ["polar bear", "grizzly bear"]),
        ("Boeing 747\nBoeing 737\nAirbus 320", ["Boeing 747", "Boeing 737", "Airbus 320"]),
        ("rose 1\nlily", ["rose 1", "lily"]),
        ("2", ["2"]),
    ],
)
def test_names_are_read_in_every_form(file_of, text, names):
    assert read_names(file_of(text)) == tuple(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rose\n\nlily", r"file.txt:2: is blank, expected the name"),
        ("rose\nlily\nrose", "class 3 has the name of class 1, 'rose'"),
        ("rose 1\nlily 1", "ids from 1 to 2 seem to stand beside the names, but 2 is missing"),
        ("rose 0\nlily 1\nviola 2", "but 3 is missing"),
        ("\n \n", "has no text in it"),
        ("", "is empty"),
        (b"rose\nl\xfcly", "file.txt:2: not UTF-8"),
    ],
)
def test_faults_of_names_are_named(file_of, text, message):
    with pytest.raises(DataError, match=message):
        read_names(file_of(text))


def test_lines_are_descriptions_of_the_classes_in_their_order(file_of):
    found = read_class_texts(["rose", "lily"], [file_of("Red.\nWhite.\n"), file_of("Thorny.\nTall.", "more.txt")])
    assert found.names == ("rose", "lily")
    assert found.descriptions == (("Red.", "Thorny."), ("White.", "Tall."))
    assert found.undescribed == ()


def test_without_names_lines_are_numbered(file_of):
    assert read_class_texts(None, [file_of("Red.\nWhite.")]).names == ("class 0", "class 1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "Water_Lily\tWhite.\n\nrose\tRed.\nWater_Lily\tFloating."),
        ("a.json", json.dumps({"Water_Lily": ["White.", "Floating."], "rose": "Red."})),
        ("a.yaml", "Water_Lily:\n  - White.\n  - 'Floating.'\nrose: Red.\n"),
        ("a.YML", "Water_Lily: [White., Floating.]\nrose: Red."),
    ],
)
def test_descriptions_by_name_are_read_in_every_form(file_of, name, text):
    path = file_of(text, name)
    own = read_class_texts(None, [path])
    assert own.names == ("Water_Lily", "rose")
    assert own.descriptions == (("White.", "Floating."), ("Red.",))
    given = read_class_texts(["rose", "violet", "water lily"], [path])
    assert given.names == ("rose", "violet", "water lily")
    assert given.descriptions == (("Red.",), (), ("White.", "Floating."))
    assert given.undescribed == ("violet",)


def test_files_by_name_and_by_line_add_up(file_of):
    paths = [file_of('{"lily": "White.", "rose": "Red."}', "a.json"), file_of("rose\tThorny.\nlily\tTall.", "b.tsv")]
    paths.append(file_of("Blooms.\nFloats.", "c.txt"))
    found = read_class_texts(["rose", "lily"], paths)
    assert found.descriptions == (("Red.", "Thorny.", "Blooms."), ("White.", "Tall.", "Floats."))


def test_a_list_in_json_is_one_description_per_class(file_of):
    path = file_of('["Red \\n and thorny.", "White."]', "a.json")
    assert read_class_texts(["rose", "lily"], [path]).descriptions == (("Red and thorny.",), ("White.",))


def test_what_says_nothing_is_no_description_and_what_comes_twice_counts_once(file_of):
    paths = [file_of("Red.\n.\nBlue."), file_of("Red.\n—\n  \nx".replace("  \nx", "Tall."), "b.txt")]
    found = read_class_texts(["rose", "lily", "iris"], paths)
    assert found.descriptions == (("Red.",), (), ("Blue.", "Tall."))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "Red.", "has 1 lines, expected one for each of 2 classes"),
        ("a.txt", "Red.\nWhite.\nBlue.", "has 3 lines, expected one for each of 2 classes"),
        ("a.txt", "rose\tRed.\nlily White.", r"a.txt:2: expected 'NAME<TAB>DESCRIPTION' as on other lines"),
        ("a.txt", "rose\tRed.\nviolet\tBlue.\noak\tBig.", "describes 'violet', 'oak', which are no class"),
        ("a.txt", "rose\tRed.\nRose\tPink.", "the class names 'rose' and 'Rose' are the same but for writing"),
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"rose": "a", "rose": "b"}', "'rose' comes twice"),
        ("a.json", '"rose"', "expected descriptions by class name, found str"),
        ("a.json", '{"rose": 3}', "rose: expected a description or a list of them, found 3"),
        ("a.json", '["a", ["b"]]', r"entry 2: expected a description or a list of them, found \['b'\]"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.yaml", "rose: a\nrose: b", "a.yaml:2: rose: already given on line 1"),
        ("a.yaml", "rose: !!python/object:os.system a", "tag .* is not allowed"),
        ("a.yaml", "# nothing", "expected descriptions by class name"),
    ],
)
def test_faults_of_descriptions_are_named(file_of, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        read_class_texts(["rose", "lily"], [file_of(text, name)])
    assert name in str(caught.value)
