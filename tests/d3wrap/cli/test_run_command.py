"""``d3wrap run``, ``doctor`` and ``recipes`` as they are typed."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from d3wrap.cli import main
from d3wrap.compat import SHIMS
from d3wrap.recipes import load_recipes

CHECKOUT = Path(__file__).parents[1] / "running" / "checkout"


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Return a function that runs a d3wrap command line in a copy of a stranger's checkout."""
    folder = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)

    def typed(text):
        return CliRunner().invoke(main, text.split())

    yield typed
    sys.modules.pop("util", None)


def test_a_run_is_measured_and_written(typed):
    result = typed("run --plugin-config module.yaml --out runs/d3 module.py --steps 2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("weights")
    assert "percent" in result.stderr
    stored = json.loads(Path("runs/d3/results.json").read_text())
    assert stored["d3_steps"] == 2
    assert stored["script"]["arguments"] == ["--steps", "2"]
    assert json.loads(Path("runs/d3/run.json").read_text())["config"]["generator"] == "netG"


def test_options_of_the_run_change_the_plan(typed):
    result = typed(
        "run --plugin-config module.yaml --arm baseline --no-evaluate --seed 4 --set every=2 --set d3.alpha=3 "
        "--out r module.py --steps 2"
    )
    assert result.exit_code == 0, result.output
    assert "percent" not in result.stderr
    stored = json.loads(Path("r/results.json").read_text())
    assert (stored["arm"], stored["seed"], stored["metrics"]) == ("baseline", 4, None)
    assert stored["config"]["every"] == 2
    assert stored["config"]["d3"]["alpha"] == 3


def test_an_out_folder_in_use_is_refused_before_the_script_runs(typed):
    Path("r").mkdir()
    Path("r/mine.txt").write_text("")
    result = typed("run --plugin-config module.yaml --out r module.py")
    assert result.exit_code == 2
    assert "--out: r is not empty" in result.stderr
    assert result.stdout == ""


def test_options_after_the_script_are_the_scripts(typed):
    Path("show.py").write_text("import sys\nprint(sys.argv)\nsys.exit(6)\n")
    result = typed("run --plugin-config module.yaml show.py --compat --arm x -- --out y --help")
    assert result.exit_code == 6
    assert result.stdout == "['show.py', '--compat', '--arm', 'x', '--', '--out', 'y', '--help']\n"


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("", ()),
        ("--compat numpy-names", ("numpy-names",)),
        ("--compat=numpy-names,volatile", ("numpy-names", "volatile")),
        ("--compat numpy-names,volatile", ("numpy-names", "volatile")),
        ("--compat", tuple(SHIMS)),
        ("--compat all", tuple(SHIMS)),
        ("--compat --arm baseline", tuple(SHIMS)),
        ("--arm baseline --compat", tuple(SHIMS)),
        ("--no-evaluate --compat --", tuple(SHIMS)),
    ],
)
def test_shims_are_named_or_all(typed, option, expected):
    result = typed(f"run --plugin-config module.yaml --explain {option} module.py")
    assert result.exit_code == 0, result.output
    line = next((line for line in result.stdout.splitlines() if "these shims" in line), "")
    assert line.partition(": ")[2].rstrip(".") == ", ".join(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run module.py", "give --plugin-config d3.yaml or --recipe NAME"),
        ("run --plugin-config module.yaml", "Missing argument 'SCRIPT'"),
        ("run --plugin-config none.yaml module.py", "does not exist"),
        ("run --plugin-config module.yaml none.py", "does not exist"),
        ("run --plugin-config module.yaml --compat numpy-nams,volatile module.py", "no shim is called 'numpy-nams'"),
        ("run --recipe nothing module.py", "no recipe is called 'nothing'"),
        ("run --plugin-config module.yaml --set evry=2 module.py", "--set evry: unknown key; did you mean 'every'?"),
        ("run --plugin-config module.yaml --compat", "Missing argument 'SCRIPT'"),
    ],
)
def test_a_wrong_command_line_is_an_error_of_2(typed, text, message):
    result = typed(text)
    assert result.exit_code == 2
    assert message in result.stderr


def test_explain_says_what_happens_and_does_nothing(typed):
    Path("d3.yaml").write_text("sample: netG(noise(3), semantics)\nsemantics: table\ndata: data\nevery: 3\n")
    result = typed("run --plugin-config d3.yaml --explain --out r module.py --steps 2")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    for said in (
        "Runs `python module.py --steps 2` in this process",
        "data, table, netG",
        "netG(noise(3), semantics)",
        "one in 3 steps of",
        "results.json",
        "os._exit",
        "put back",
    ):
        assert said in text, said
    assert not Path("r").exists()
    plain = typed("run --plugin-config module.yaml --explain --arm baseline --no-evaluate module.py").stdout
    assert "the script's own, bit for bit" in plain
    assert "Evaluates nothing" in plain
    assert "Writes no file" in plain


def test_the_doctor_gives_0_where_the_script_fits_and_1_where_not(typed):
    result = typed("doctor --plugin-config module.yaml module.py")
    assert result.exit_code == 0
    assert result.stdout.startswith("versions: python ")
    assert "D³ attached" in result.stdout
    Path("wrong.yaml").write_text("generator: netGG\ndata: data\n")
    assert typed("doctor --plugin-config wrong.yaml module.py --steps 1").exit_code == 1


def test_the_doctor_proposes_a_configuration_to_copy(typed):
    result = typed("doctor module.py")
    assert result.exit_code == 0
    text = result.stdout.partition("Proposed d3.yaml")[2]
    assert "generator: netG\noptimizer: optimizerG\ndata: data\n" in text
    assert "Save it as d3.yaml, and type: d3wrap run --plugin-config d3.yaml module.py" in text


def test_recipes_are_listed_and_shown(typed):
    listed = typed("recipes list")
    assert listed.exit_code == 0
    for recipe in load_recipes():
        assert f"{recipe.name}: {recipe.title}" in listed.stdout
        assert recipe.script in listed.stdout
        shown = typed(f"recipes show {recipe.name}")
        assert shown.exit_code == 0
        assert f"d3wrap run --recipe {recipe.name}" in shown.stdout
        assert "generator: " in shown.stdout or "sample:" in shown.stdout
        for line in recipe.lines.splitlines():
            assert line in shown.stdout
    assert typed("recipes show nothing").exit_code == 2


def test_a_recipe_can_be_changed_by_a_file(typed):
    name = load_recipes()[0].name
    Path("more.yaml").write_text("every: 7\n")
    result = typed(f"run --recipe {name} --plugin-config more.yaml --explain module.py")
    assert result.exit_code == 0, result.output
    assert "one in 7 steps of" in result.stdout


def test_the_doctor_says_what_old_calls_there_are_and_which_shims_supply_them(typed):
    source = Path("module.py").read_text()
    Path("module.py").write_text(source.replace("torch.manual_seed(1)", "import numpy\n\nprint(numpy.int(3))"))
    result = typed("doctor module.py --steps 2")
    assert result.exit_code == 1
    assert "  module.py:1" in result.stdout
    assert "Shims for these, where the script fails without: --compat numpy-names" in result.stdout
    assert "Try with the shims: d3wrap doctor --compat numpy-names module.py --steps 2" in result.stdout
    assert "Proposed" not in result.stdout
    result = typed("doctor --compat numpy-names module.py --steps 2")
    assert result.exit_code == 0, result.output
    assert "type: d3wrap run --plugin-config d3.yaml --compat numpy-names module.py --steps 2" in result.stdout
    assert "Shims for these" not in result.stdout


def test_the_doctor_says_what_to_type_next(typed):
    result = typed("doctor --plugin-config module.yaml module.py")
    assert "D³ can be attached. Type: d3wrap run --plugin-config module.yaml module.py" in result.stdout
    Path("util.py").write_text(Path("util.py").read_text().replace("torch.relu(", "torch.nan * torch.relu("))
    sys.modules.pop("util", None)
    result = typed("doctor module.py")
    assert result.exit_code == 1
    assert "Correct it, save it as d3.yaml, and type: d3wrap doctor --plugin-config d3.yaml module.py" in result.stdout


def test_an_earlier_run_that_is_none_is_refused_before_the_script_runs(typed):
    Path("empty").mkdir()
    result = typed("run --plugin-config module.yaml --against empty module.py")
    assert result.exit_code == 1
    assert "give a folder that d3wrap run --out wrote" in result.stderr
    assert result.stdout == ""


def test_explain_says_with_what_it_is_compared(typed):
    Path("plain").mkdir()
    Path("plain/results.json").write_text('{"schema": "d3wrap.script/1", "metrics": {"softmax": {}}}')
    result = typed("run --plugin-config module.yaml --against plain --explain module.py")
    assert "Prints the change from the earlier run in" in result.stdout


def test_a_package_that_is_not_there_has_no_version():
    from d3wrap.running.environment import environment, installed

    assert installed("no-such-package-as-this") is None
    assert installed("torch")
    assert set(environment()) == {"python", "d3wrap", "torch", "numpy", "scipy", "FrEIA"}
