"""``d3wrap semantics`` from the command line, as a stranger would type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import d3wrap
from d3wrap.cli import main
from d3wrap.data.semantics_file import read_semantics
from d3wrap.files import sha256_of

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "semantics"


def run(*words):
    return CliRunner().invoke(main, ["semantics", *map(str, words)])


@pytest.fixture
def flowers(tmp_path):
    """A folder with names and descriptions as FLO has them."""
    (tmp_path / "class_names.txt").write_text("pink_primrose 1 pink_primrose\nwater_lily 2 water_lily\niris 3 iris\n")
    (tmp_path / "descriptions.txt").write_text("Pink petals around a yellow centre.\nWhite and floating.\n.\n")
    return tmp_path


def test_build_writes_what_it_says(flowers):
    out = flowers / "flowers.safetensors"
    names, descriptions = flowers / "class_names.txt", flowers / "descriptions.txt"
    words = ["build", "--names", names, "--descriptions", descriptions, "--out", out]
    done = run(*words, "--set", "dims=3", "--centre")
    assert done.exit_code == 0, done.output
    assert "Warning: no description of 'iris': the name alone stands for it" in done.output
    assert f"{out}: 3 classes × 3, 3 texts\nmean cosine" in done.output
    found = read_semantics(out)
    assert found.class_names == ("pink_primrose", "water_lily", "iris")
    assert (found.encoder, found.settings) == ("tfidf", {"dims": 3, "ngrams": 1})
    assert found.provenance["names"] == f"class_names.txt, sha256 {sha256_of(names)}"
    assert found.provenance["descriptions"] == f"descriptions.txt, sha256 {sha256_of(descriptions)}"
    assert found.provenance["centred"] == "yes"
    before = out.read_bytes()
    assert run(*words, "--set", "dims=3", "--centre").exit_code == 0
    assert out.read_bytes() == before


def test_templates_come_from_the_command_line_from_a_file_and_from_a_configuration(flowers):
    (flowers / "templates.txt").write_text("a {name}\n\na picture of a {name}: {description}\n")
    (flowers / "build.yaml").write_text(
        f"names: {flowers / 'class_names.txt'}\ndescriptions: [{flowers / 'descriptions.txt'}]\n"
        f"template: ['the {{name}}']\ntemplates: {flowers / 'templates.txt'}\nset: {{ngrams: 2}}\n"
        f"out: {flowers / 'flowers.safetensors'}\n"
    )
    done = run("build", "--config", flowers / "build.yaml")
    assert done.exit_code == 0, done.output
    found = read_semantics(flowers / "flowers.safetensors")
    assert found.templates == ("the {name}", "a {name}", "a picture of a {name}: {description}")
    assert found.settings["ngrams"] == 2
    assert found.provenance["texts"] == "9"


def test_names_alone_and_descriptions_alone_will_do(flowers):
    out = flowers / "one.safetensors"
    assert run("build", "--names", flowers / "class_names.txt", "--out", out).exit_code == 0
    assert read_semantics(out).templates == ("a photo of a {name}.",)
    assert run("build", "--descriptions", EXAMPLES / "digits.tsv", "--out", out).exit_code == 0
    assert read_semantics(out).class_names[:2] == ("zero", "one")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--out", "a.npz"], 2, "a.npz must end in .safetensors"),
        (["--out", "a.safetensors"], 2, "nothing to encode: give --names FILE, --descriptions FILE or both"),
        (["--encoder", "tfdif"], 1, "no encoder is called 'tfdif'; did you mean 'tfidf'?"),
        (["--template", "a {colour}"], 2, "unknown field {colour}"),
        (["--set", "dim=3"], 2, "TfidfSettings has no setting 'dim'; did you mean 'dims'?"),
        (["--set", "dims=-1"], 2, "--set dims: dims is -1, expected 0 or more"),
        (["--encoder", "hf"], 2, "encoder hf needs --set model=…"),
        (["--device", "tpu"], 2, "device: expected auto, cpu or cuda[:n], found 'tpu'"),
    ],
)
def test_faults_are_named_and_nothing_is_written(flowers, monkeypatch, words, code, message):
    monkeypatch.chdir(flowers)
    given = [] if words[0] == "--out" else ["--descriptions", EXAMPLES / "digits.tsv", "--out", "a.safetensors"]
    done = run("build", *given, *words)
    assert done.exit_code == code
    assert message in " ".join(done.output.split())
    assert not list(flowers.glob("*.safetensors"))


def test_show_prints_the_numbers_and_says_how_many_classes_it_leaves_out():
    done = run("show", "digits", "--classes", 3, "--neighbours", 2)
    assert done.exit_code == 0, done.output
    assert "digits (16 attributes of the glyphs): 10 classes × 16" in done.output
    assert "cosine between classes: mean 0.500, sd 0.220, from 0.000 to 0.873" in done.output
    assert "effective rank 7.5 of at most 9" in done.output
    assert "zero" in done.output
    assert "eight 0.87, nine 0.81" in done.output
    assert "and 7 classes with nearest ones further away" in done.output
    assert "further away" not in run("show", "digits", "--classes", 0).output


def test_show_against_another(tmp_path):
    out = tmp_path / "digits.safetensors"
    assert run("build", "--descriptions", EXAMPLES / "digits.tsv", "--out", out).exit_code == 0
    plain = run("show", out, "--against", "digits")
    assert plain.exit_code == 0, plain.output
    assert "against digits (16 attributes of the glyphs): mean cosine 0.500" in plain.output
    done = run("show", out, "--against", "digits", "--neighbours", 3, "--json")
    found = json.loads(done.output)
    assert found["semantics"] == "digits (tfidf)"
    assert found["classes"] == 10
    assert len(found["neighbours"]["zero"]) == 3
    assert found["agreement"]["neighbour_overlap_by_chance"] == pytest.approx(3 / 9)
    shared = found["agreement"]["shared_neighbours"]["zero"]
    for side in (found, found["against"]):
        assert set(shared) <= {near["class"] for near in side["neighbours"]["zero"]}
    assert run("show", out, "--against", "synthetic:classes=9").exit_code == 1


def test_show_draws_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    done = run("show", "digits", "--picture", tmp_path / "digits.png")
    assert done.exit_code == 0, done.output
    assert done.output.endswith(f"wrote {tmp_path / 'digits.png'}\n")
    assert (tmp_path / "digits.png").stat().st_size > 10_000


def test_the_examples_describe_the_classes_that_they_say(tmp_path):
    digits, animals = tmp_path / "digits.safetensors", tmp_path / "animals.safetensors"
    for path in (digits, animals):
        source = EXAMPLES / f"{path.stem}.tsv"
        assert run("build", "--descriptions", source, "--out", path).exit_code == 0
    assert torch.equal(d3wrap.load_dataset("digits", semantics=digits).semantics, read_semantics(digits).matrix)
    assert len(set(read_semantics(animals).class_names)) == 50
    # whales are near whales
    near = json.loads(run("show", animals, "--neighbours", 2, "--json").output)["neighbours"]["blue whale"]
    assert {one["class"] for one in near} == {"humpback whale", "killer whale"}


def test_a_run_takes_them_and_is_another_run_with_others(tmp_path):
    def train(*more):
        words = ["train", "--data", "digits", "--generator", "cvae", "--set", "steps=2", "--protocol", "fixed"]
        return CliRunner().invoke(main, [*words, "--d3", "teacher_epochs=1", "--out", str(tmp_path / "run"), *more])

    out = tmp_path / "digits.safetensors"
    assert run("build", "--descriptions", EXAMPLES / "digits.tsv", "--out", out).exit_code == 0
    done = train("--semantics", str(out))
    assert done.exit_code == 0, done.output
    manifest = json.loads(next((tmp_path / "run").rglob("manifest.json")).read_text())
    provenance = manifest["dataset"]["provenance"]
    assert provenance["sha256.digits.safetensors"] == sha256_of(out)
    assert provenance["semantics"] == f"digits.safetensors (tfidf, {sha256_of(out)[:8]})"
    assert manifest["dataset"]["semantic_dim"] == 20


def test_flo_takes_its_own_descriptions(data_folder, tmp_path):
    flo = data_folder / "FLO"
    out = tmp_path / "flo.safetensors"
    names, descriptions = flo / "class_names.txt", flo / "descriptions.txt"
    done = run("build", "--names", names, "--descriptions", descriptions, "--out", out)
    assert "no description of 'bolero_deep_blue'" in done.output
    shown = json.loads(run("show", out, "--against", flo / "att_splits.mat", "--json").output)
    assert shown["neighbours"]["yellow_iris"][0]["class"] == "bearded_iris"
    assert -0.2 < shown["agreement"]["spearman"] < 0.4
    dataset = d3wrap.load_dataset(flo, semantics=out, cache=tmp_path)
    assert torch.equal(dataset.semantics, read_semantics(out).matrix)
    assert ", by number" not in dataset.provenance["semantics"]
