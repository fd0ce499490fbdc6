"""Several datasets and training shares in one comparison, as typed and from a file."""

from __future__ import annotations

import csv
import functools
import json

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.cli import sweep as sweeping
from d3wrap.comparison import job as jobs
from d3wrap.comparison.aggregate import aggregate
from d3wrap.comparison.storage import read_results
from d3wrap.errors import DataError, MissingExtraError, TrainingError

SOURCE = "synthetic:classes=6,unseen=2,dim=8,samples=50"
OTHER = "synthetic:classes=6,unseen=2,dim=8,samples=50,seed=3"
SHORT = ["--set", "steps=2", "--set", "hidden=8", "--set", "synthetic_per_class=3", "--protocol", "fixed"]
SHORT += ["--d3", "embedding_dim=4", "--d3", "teacher_epochs=0", "--device", "cpu", "--classifier", "softmax"]
FILE = f"""
datasets:
  - "{SOURCE}"
  - data: "{OTHER}"
    train_fraction: 0.5
    set: {{steps: 3}}
train_fraction: [0.3, 1.0]
generator: [clswgan]
seeds: 1
set: {{steps: 2, hidden: 8, synthetic_per_class: 3}}
d3: {{embedding_dim: 4, teacher_epochs: 0}}
protocol: fixed
device: cpu
classifier: [softmax]
out: out
"""


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Spare the tests most of a bootstrap."""
    monkeypatch.setattr("d3wrap.comparison.overview.aggregate", functools.partial(aggregate, resamples=20))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output

    return call


@pytest.fixture
def trained(monkeypatch):
    """Folders that are trained in; those with a word of ``failing`` in them raise."""

    class Trained(list):
        failing = ()

    found, train = Trained(), jobs.train

    def spy(plan, dataset, arm, seed, plugins, folder, *arguments, **options):
        found.append(folder.path.as_posix())
        if any(word in folder.path.as_posix() for word in found.failing):
            raise TrainingError("the loss is nan")
        return train(plan, dataset, arm, seed, plugins, folder, *arguments, **options)

    monkeypatch.setattr(jobs, "train", spy)
    return found


def test_a_file_with_datasets_and_shares(run, trained, tmp_path):
    (tmp_path / "sweep.yaml").write_text(FILE)
    output = run("compare", "--config", "sweep.yaml")
    folders = {path.parent.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("result.json")}
    assert folders == {
        f"{part}/clswgan/seed-0/{arm}"
        for part in ("synthetic/train-0.3", "synthetic/train-1", "synthetic-2")
        for arm in ("baseline", "enhanced")
    }
    stored = read_results(tmp_path / "out")
    assert {(r.features, r.train_fraction, r.steps) for r in stored.runs} == {
        ("synthetic, seed 0, shift 0", 0.3, 2),
        ("synthetic, seed 0, shift 0", 1.0, 2),
        ("synthetic, seed 3, shift 0", 0.5, 3),  # what an entry says goes before the rest
    }
    assert {(row.train_fraction, row.difference.n) for row in stored.summary} == {(0.3, 1), (1.0, 1), (0.5, 1)}
    assert {row["train_fraction"] for row in csv.DictReader((tmp_path / "out" / "results.csv").open())} == {
        "0.3", "1.0", "0.5",
    }  # fmt: skip
    assert "3 datasets and shares × 1 generator × 1 seed × 2 arms = 6 runs. Results go to out/" in output
    assert "synthetic 30%: synthetic: 48 training features (30% of each class's)" in output
    assert "synthetic 30%  clswgan baseline seed 0" in output
    assert "3 comparisons   H of softmax" in output
    assert "Over datasets and shares" in output

    trained.clear()
    again = run("compare", "--config", "sweep.yaml")
    assert trained == []
    assert again.count("(done before)") == 6
    assert read_results(tmp_path / "out").runs == stored.runs


def test_a_run_is_that_of_the_comparison_by_itself(run, tmp_path):
    """A sweep gives, bit for bit, what each of its comparisons gives alone."""
    run("compare", "--datasets", SOURCE, "--datasets", OTHER, "--train-fraction", "0.3,1", *SHORT, "--seeds", "1",
        "--out", "sweep")  # fmt: skip
    run("compare", "--data", OTHER, "--train-fraction", "0.3", *SHORT, "--seeds", "1", "--out", "alone")
    for arm in ("baseline", "enhanced"):
        own = tmp_path / "sweep" / "synthetic-2" / "train-0.3" / "clswgan" / "seed-0" / arm
        alone = tmp_path / "alone" / "clswgan" / "seed-0" / arm
        assert (own / "generator.safetensors").read_bytes() == (alone / "generator.safetensors").read_bytes()
        found = [json.loads((folder / "result.json").read_text()) for folder in (own, alone)]
        for (one,) in found:
            del one["training_seconds"], one["evaluation_seconds"]
        assert found[0] == found[1]


def test_one_dataset_stays_where_it_was(run, tmp_path):
    """Folders and ``run.json`` of a comparison without a sweep are as they were before there were any."""
    run("compare", "--data", SOURCE, *SHORT, "--seeds", "1", "--out", "out")
    assert (tmp_path / "out" / "clswgan" / "seed-0" / "baseline" / "result.json").is_file()
    config = json.loads((tmp_path / "out" / "run.json").read_text())["config"]
    assert (config["source"], config["train_fraction"]) == (SOURCE, 1.0)
    assert "datasets" not in config
    manifest = json.loads((tmp_path / "out/clswgan/seed-0/baseline/manifest.json").read_text())
    assert manifest["config"]["data"] == {
        "source": SOURCE, "features": None, "split": None, "semantics": "att", "scale": "minmax",
        "train_fraction": 1.0, "fraction_seed": 0,
    }  # fmt: skip


def test_several_shares_of_one_dataset(run, tmp_path):
    run("compare", "--data", SOURCE, "--train-fraction", "0.5,1", *SHORT, "--seeds", "1", "--out", "out")
    found = sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert found == ["train-0.5", "train-1"]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["config"]["train_fraction"] == [0.5, 1.0]


def test_what_fails_is_told_with_its_key_and_stops_no_other(run, trained, tmp_path):
    (tmp_path / "sweep.yaml").write_text(FILE)
    trained.failing = ("synthetic-2/clswgan/seed-0/enhanced",)
    output = " ".join(run("compare", "--config", "sweep.yaml", code=1).split())
    label = "clswgan enhanced, synthetic-2, seed 0 (sweep.yaml:4: datasets[1])"
    assert f"Error: 1 of 6 runs failed: {label}: TrainingError: the loss is nan" in output
    assert len(read_results(tmp_path / "out").runs) == 4


FAULTS = {
    "- digits\n  - {data: digit}": "sweep.yaml:3: datasets[1]: digit: no such file or directory",
    "- digits\n  - {data: digits, preset: smal}": "sweep.yaml:3: datasets[1]: generator 'clswgan' has no preset 'smal'",
    "- {data: digits, set: {steps: x}}": "sweep.yaml:2: datasets[0].set.steps: expected an i",
    "- {data: digits, feature: res101}": "datasets[0].feature: unknown key of a dataset; did you mean 'features'?",
    "- {features: res101}": "sweep.yaml:2: datasets[0]: expected the key 'data'",
    "- {data: digits, train_fraction: 2}": "datasets[0]: train_fraction: expected a number above 0 and at most 1",
    "- {data: digits, train_fraction: [0.1, x]}": "datasets[0].train_fraction: expected a number or a list of numbers",
    "- {data: digits, train-fraction: 0.1, train_fraction: 1}": "already given as 'train_fraction'",
    "- {data: digits, features: res101}": "datasets[0]: features='res101' chooses within a directory",
    "- 3": "datasets[0]: expected a dataset, as text or {data: …}, found the integer 3",
    "- digits\n  - {data: digits, fraction_seed: 1}": "datasets[1]: nothing in the results would tell it from "
    "sweep.yaml:2: datasets[0]: both are digits",
}


@pytest.mark.parametrize(("entries", "message"), FAULTS.items(), ids=lambda text: text[:40])
def test_what_is_wrong_with_a_dataset_is_told_with_its_key_before_anything_trains(
    run, trained, entries, message, tmp_path
):
    (tmp_path / "sweep.yaml").write_text(f"datasets:\n  {entries}\nset: {{hidden: 8, steps: 1}}\nseeds: 1\nout: out\n")
    result = CliRunner().invoke(main, ["compare", "--config", "sweep.yaml"])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.output.split())
    assert trained == []
    assert not (tmp_path / "out").exists()


def test_a_share_that_is_wrong_is_told(run):
    short = ["--data", SOURCE, *SHORT, "--out", "out"]
    assert "train_fraction 1.5: train_fraction: expected" in run("compare", *short, "--train-fraction", "1,1.5", code=2)
    assert "expected a number, or numbers with commas" in run("compare", *short, "--train-fraction", "x", code=2)
    assert "expected a number, or numbers with commas" in run("compare", *short, "--train-fraction", ",", code=2)


def test_data_and_datasets_are_one_too_many(run):
    said = run("compare", "--data", SOURCE, "--datasets", "digits", "--out", "out", code=2)
    assert f"--data {SOURCE} and --datasets digits: give one dataset, or several, not both" in " ".join(said.split())


def test_a_mapping_may_be_typed(run, tmp_path):
    entry = f"{{data: '{SOURCE}', set: {{steps: 3}}}}"
    run("compare", "--datasets", entry, *SHORT, "--seeds", "1", "--out", "out")
    assert {r.steps for r in read_results(tmp_path / "out").runs} == {3}
    assert (tmp_path / "out" / "synthetic" / "clswgan").is_dir()
    assert "--datasets {preset: small}: expected the key 'data'" in run(
        "compare", "--datasets", "{preset: small}", *SHORT, code=2
    )


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        ([{"source": "data/FLO"}, {"source": "digits"}], ["FLO", "digits"]),
        ([{"source": "a/FLO/"}, {"source": "b/FLO.npz"}], ["FLO", "FLO-2"]),
        ([{"source": "FLO"}, {"source": "flo"}, {"source": "FLO-2"}], ["FLO", "flo-2", "FLO-2-2"]),
        (
            [{"source": "FLO", "features": "mbv2"}, {"source": "FLO", "features": "a/res 101"}, {"source": "FLO"}],
            ["FLO-mbv2", "FLO-a_res_101", "FLO"],
        ),
        (
            [{"source": "FLO", "features": "x", "preset": "p"}, {"source": "FLO", "features": "x", "preset": "q"}],
            ["FLO-p", "FLO-q"],
        ),
        ([{"source": ".."}, {"source": "/"}], ["data", "data-2"]),
    ],
)
def test_names_of_folders(entries, names):
    assert sweeping._names([sweeping.DatasetEntry(values) for values in entries]) == names


def test_few_datasets_are_in_memory_at_once():
    loaded = []

    def load(source):
        loaded.append(source["source"])
        return object()

    datasets = sweeping.Datasets(load)
    first = datasets({"source": "a"})
    assert datasets({"source": "a"}) is first
    datasets({"source": "b"})
    assert datasets({"source": "a"}) is first
    datasets({"source": "c"})
    assert datasets({"source": "a"}) is first  # used last, so b had to go
    datasets({"source": "b"})
    assert loaded == ["a", "b", "c", "b"]


def test_what_is_raised_names_the_key():
    with pytest.raises(DataError, match=r"^s\.yaml:3: datasets\[1\]: broken$"), sweeping.named("s.yaml:3: datasets[1]"):
        raise DataError("broken")
    with pytest.raises(DataError, match=r"^broken$"), sweeping.named(""):
        raise DataError("broken")
    with (
        pytest.raises(DataError, match=r"^key: MATLAB files needs h5py.*pip install 'd3wrap\[hdf5\]'"),
        sweeping.named("key"),
    ):
        raise MissingExtraError("h5py", "hdf5", "MATLAB files")
    with pytest.raises(MissingExtraError), sweeping.named(""):
        raise MissingExtraError("h5py", "hdf5", "MATLAB files")
