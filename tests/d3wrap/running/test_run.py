"""Scripts in the styles that strangers write, run as they are, with D³ and without."""

import json
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.modules import module as torch_module
from torch.optim import optimizer as torch_optimizer

import d3wrap
from d3wrap.config import Override, load_yaml
from d3wrap.files import sha256_of
from d3wrap.running.against import read_record
from d3wrap.running.plan import read_plan
from d3wrap.running.run import RunOptions, run
from d3wrap.running.script import as_main, execute

STYLES = ("module", "function", "object")


def options(script, config=None, overrides=(), **changes):
    config = config or Path(script).with_suffix(".yaml").name
    plan = read_plan([load_yaml(config)], overrides)
    return replace(RunOptions(Path(script), ("--steps", "3"), plan, evaluate=False), **changes)


def alone(script, capsys):
    """Run a script in this process without D³, and return what it prints."""
    capsys.readouterr()
    with as_main(Path(script), ["--steps", "3"]) as module:
        assert execute(Path(script), module, sys.stderr, lambda outcome: outcome).code == 0
    return capsys.readouterr().out


def hooks():
    return (
        dict(torch_optimizer._global_optimizer_pre_hooks),
        dict(torch_module._global_forward_hooks),
        dict(torch_module._global_forward_pre_hooks),
    )


@pytest.mark.parametrize("style", STYLES)
def test_the_baseline_is_the_plain_script_bit_for_bit_and_d3_is_not(repository, capsys, style, by_python):
    before = hooks()
    assert run(options(f"{style}.py", arm="baseline")) == 0
    assert capsys.readouterr().out == by_python
    assert run(options(f"{style}.py")) == 0
    enhanced = capsys.readouterr()
    assert enhanced.out.split()[1] != by_python.split()[1]
    assert enhanced.out.split()[3] == by_python.split()[3]  # the script's random numbers stay what they were
    assert "D³ goes to" in enhanced.err
    assert hooks() == before


def test_a_weight_of_nothing_changes_nothing(repository, capsys, by_python):
    assert run(options("module.py", overrides=[Override("scale", 0, "--set scale")])) == 0
    assert capsys.readouterr().out == by_python


@pytest.mark.parametrize("arm", ["baseline", "enhanced"])
def test_it_is_measured_at_the_end_and_recorded(repository, capsys, arm):
    out = repository / "runs"
    out.mkdir()
    code = run(
        options(
            "module.py", arm=arm, evaluate=True, out=out, command=["d3wrap", "run"], recipe="mine", compat=("cuda",)
        )
    )
    shown = capsys.readouterr()
    assert code == 0
    assert "percent" in shown.err
    assert f"arm {arm}" in shown.err
    assert shown.out.startswith("weights")
    stored = json.loads((out / "results.json").read_text())
    assert stored["schema"] == "d3wrap.script/1"
    assert stored["arm"] == arm
    assert stored["d3_steps"] == (3 if arm == "enhanced" else 0)
    assert stored["test_used_for_selection"] is False
    assert stored["command"] == ["d3wrap", "run"]
    assert stored["recipe"] == "mine"
    assert stored["compat"] == ["cuda"]
    assert stored["seed"] == 0
    assert stored["script"] == {
        "path": str(repository / "module.py"),
        "sha256": sha256_of(repository / "module.py"),
        "arguments": ["--steps", "3"],
    }
    assert stored["config"]["generator"] == "netG"
    assert stored["config"]["d3"] == {"teacher_epochs": 1, "embedding_dim": 8}
    assert set(stored["metrics"]) == {"softmax"}
    assert 0 <= stored["metrics"]["softmax"]["H"] <= 1
    assert stored["seconds"]["script"] > 0
    assert stored["versions"]["torch"] == torch.__version__
    assert list(out.iterdir()) == [out / "results.json"]


def test_a_run_is_set_beside_an_earlier_one(repository, capsys, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    assert run(options("module.py", arm="baseline", evaluate=True, out=plain)) == 0
    capsys.readouterr()
    assert run(options("module.py", evaluate=True, against=plain)) == 0
    shown = capsys.readouterr().err
    assert re.search(r"\n  baseline \(earlier\) +[\d.]+", shown)
    assert re.search(r"\n  enhanced +[\d.]+", shown)
    assert re.search(r"\n  change +[+-][\d.]+", shown)
    assert "NOT PAIRED" not in shown
    run(options("module.py", evaluate=True, against=plain, overrides=[Override("seed", 3, "--seed")]))
    assert "NOT PAIRED: seed: 0 and 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read: No such file or directory; give a folder that d3wrap run --out wrote"),
        ("{", "not JSON as d3wrap writes it"),
        ("[]", "schema: expected 'd3wrap.script/1', found None"),
        ('{"schema": "d3wrap.results/1"}', "schema: expected 'd3wrap.script/1', found 'd3wrap.results/1'"),
        ('{"schema": "d3wrap.script/1", "metrics": null}', "that run was not evaluated"),
    ],
)
def test_only_what_a_run_wrote_is_read(tmp_path, text, message):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    with pytest.raises(d3wrap.errors.DataError, match=re.escape(message)):
        read_record(tmp_path)


def test_without_evaluation_the_record_has_no_metrics(repository, tmp_path):
    assert run(options("module.py", out=tmp_path)) == 0
    assert json.loads((tmp_path / "results.json").read_text())["metrics"] is None


def test_the_result_is_that_of_lines_added_by_hand(repository, capsys):
    """The issue of the whole: no line changed equals three lines added."""
    source = (repository / "module.py").read_text()
    by_hand = source.replace(
        "for _ in range",
        "import d3wrap\n"
        "d3 = d3wrap.attach(netG, data, optimizer=optimizerG, report=False, teacher_epochs=1, embedding_dim=8)\n"
        "for _ in range",
    )
    (repository / "by_hand.py").write_text(by_hand)
    run(options("module.py"))
    assert capsys.readouterr().out == alone("by_hand.py", capsys)


LINES = {
    "sample lines": "sample:\n  - z = noise(opt.nz)\n  - netG(z, semantics)\noptimizer: optimizerG\ndata: data\n",
    "a function": "generator: draw\noptimizer: optimizerG\ndata: data\n",
    "no optimizer named": "generator: netG\ndata: data\n",
    "a mapping of arrays": (
        "generator: netG\noptimizer: [optimizerG]\ndata: {train_features: data.train_feature, "
        "train_labels: data.train_label, semantics: data.attribute, seen: data.seenclasses, "
        "unseen: data.unseenclasses}\n"
    ),
    "everything": (
        "generator: netG\nsample: netG(noise(opt.nz), semantics)\noptimizer: optimizerG\ndata: data\n"
        "semantics: data.attribute\nreal: {features: feature, labels: label}\nencode: doubled(features)\n"
        "encode_generated: true\n"
    ),
}


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_a_generator_may_be_named_in_several_ways(repository, capsys, text):
    source = (repository / "module.py").read_text()
    helpers = (
        "def draw(att):\n    return netG(torch.randn(len(att), opt.nz), att)\n\n\n"
        "def doubled(x):\n    return 2 * x\n\n\nfor _ in range"
    )
    (repository / "train.py").write_text(source.replace("for _ in range", helpers))
    (repository / "train.yaml").write_text(text + "d3: {teacher_epochs: 1, embedding_dim: 8}\n")
    assert run(options("train.py")) == 0
    assert "D³ attached" in capsys.readouterr().err


# --- how it ends

ENDINGS = {
    "sys.exit(0)": (0, True),
    "sys.exit()": (0, True),
    "sys.exit(3)": (3, False),
    "raise ValueError('mine')": (1, False),
    "raise KeyboardInterrupt": (130, False),
    "sys.exit('no data')": (1, False),
}


@pytest.mark.parametrize(("ending", "expected"), ENDINGS.items(), ids=ENDINGS)
def test_the_scripts_own_exit_code_is_kept(repository, capsys, ending, expected):
    with (repository / "module.py").open("a") as stream:
        stream.write(f"import sys\n{ending}\n")
    code = run(options("module.py", evaluate=True))
    assert (code, "percent" in capsys.readouterr().err) == expected


def test_a_traceback_points_into_the_script_alone(repository, capsys):
    with (repository / "module.py").open("a") as stream:
        stream.write("def fail():\n    raise ValueError('mine')\n\nfail()\n")
    run(options("module.py"))
    shown = capsys.readouterr().err
    files = {line.split('"')[1] for line in shown.splitlines() if line.strip().startswith("File ")}
    assert files == {str(repository / "module.py")}
    assert "nothing was evaluated" in shown


def test_names_that_are_not_found_are_listed_with_what_there_is(repository, capsys, by_python):
    Path("wrong.yaml").write_text("generator: netGG\noptimizer: optimizerG\ndata: data.train_feat\n")
    assert run(options("function.py", "wrong.yaml")) == 1
    shown = capsys.readouterr()
    assert shown.out == by_python
    assert "netGG   (wrong.yaml:1: generator): no such name; near it: netG" in shown.err
    assert "data is a DATA_LOADER without 'train_feat'; did you mean 'train_feature'?" in shown.err
    assert "networks:   netG  MLP_G, 35 parameters" in shown.err
    assert "optimizerG  Adam of netG" in shown.err
    assert "data  DATA_LOADER" in shown.err


def test_the_scripts_own_failure_goes_before_names_that_are_missing(repository, capsys):
    Path("wrong.yaml").write_text("generator: netGG\ndata: data\n")
    with (repository / "module.py").open("a") as stream:
        stream.write("import sys\nsys.exit(7)\n")
    assert run(options("module.py", "wrong.yaml")) == 7


def test_a_script_without_a_step_is_said_to_be_one(repository, capsys):
    Path("idle.py").write_text("print('nothing')\n")
    assert run(options("idle.py", "module.yaml")) == 1
    assert "no optimizer of torch made a step in this process" in capsys.readouterr().err


def test_an_error_of_d3wrap_is_one_line_and_the_place_in_the_script(repository, capsys):
    Path("wrong.yaml").write_text("generator: opt.nz\ndata: data\n")
    assert run(options("module.py", "wrong.yaml")) == 1
    shown = capsys.readouterr().err
    assert "Error: wrong.yaml:1: generator: 'opt.nz' is a int; expected a network or a function" in shown
    assert f"at {repository / 'module.py'}:" in shown
    assert "Traceback" not in shown
    run(options("module.py", "wrong.yaml", debug=True))
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generator: torch.randn", "torch is a Python module"),
        ("generator: hashlib.sha256", "hashlib is a Python module"),
        ("generator: util.MLP_G", "util is a Python module"),
        ("generator: parser.parse_args", "not written in the script's folder"),
        ("generator: netG\nnoise_dim: opt.lr", "'opt.lr' is 0.5; expected a whole number"),
        ("sample: parser.parse_args(semantics)", "parser.parse_args may not be called"),
        ("sample: fingerprint(semantics)", "failed: AttributeError"),
        ("sample: opt.nz", "expected a tensor of features"),
    ],
)
def test_a_configuration_cannot_make_the_run_call_what_it_may_not(repository, capsys, text, message):
    source = (
        (repository / "module.py").read_text().replace("torch.manual_seed(1)", "torch.manual_seed(1)\nopt.lr = 0.5")
    )
    (repository / "module.py").write_text(source)
    Path("wrong.yaml").write_text(f"{text}\noptimizer: optimizerG\ndata: data\n")
    assert run(options("module.py", "wrong.yaml")) == 1
    assert message in capsys.readouterr().err


def test_a_script_that_catches_everything_cannot_go_on_without_d3(repository, capsys):
    source = (repository / "module.py").read_text()
    careless = source.replace(
        "    optimizerD.step()", "    try:\n        optimizerD.step()\n    except Exception:\n        pass"
    )
    (repository / "module.py").write_text(careless.replace("    optimizerG.step()", "    pass"))
    Path("wrong.yaml").write_text("generator: opt.nz\noptimizer: optimizerD\ndata: data\n")
    assert run(options("module.py", "wrong.yaml")) == 1
    assert "Error: wrong.yaml:1: generator" in capsys.readouterr().err


def test_an_evaluation_that_fails_gives_1(repository, capsys, monkeypatch):
    def broken(self, **_):
        raise d3wrap.D3WrapError("no test images")

    monkeypatch.setattr(d3wrap.Handle, "evaluate", broken)
    assert run(options("module.py", evaluate=True)) == 1
    assert "Error: no test images" in capsys.readouterr().err


def test_d3_that_never_took_part_is_said(repository, capsys):
    assert run(options("module.py", overrides=[Override("start_step", 99, "--set start_step")])) == 0
    assert "D³ made no step" in capsys.readouterr().err


def test_an_optimizer_made_anew_is_said_once_and_others_are_not(repository, capsys):
    with (repository / "module.py").open("a") as stream:
        stream.write(
            "again = optim.SGD(netG.parameters(), lr=0.1)\nother = optim.SGD(netD.parameters(), lr=0.1)\n"
            "for one in (again, again, other):\n    one.step()\n"
        )
    assert run(options("module.py")) == 0
    shown = capsys.readouterr().err
    assert shown.count("another SGD trains parameters that D³ is attached to") == 1
    assert re.search(r"at module\.py:\d+ another SGD", shown)


def test_what_d3wrap_says_goes_to_the_first_stderr(repository, capsys):
    source = (repository / "module.py").read_text()
    (repository / "module.py").write_text("import sys, io\nsys.stderr = io.StringIO()\n" + source)
    assert run(options("module.py")) == 0
    assert "attached at module.py:" in capsys.readouterr().err


def test_shims_are_in_place_while_the_script_runs(repository, capsys):
    seen = []

    @contextmanager
    def shims():
        seen.append("on")
        yield ("mine",)
        seen.append("off")

    Path("idle.py").write_text("print('ran')\n")
    run(options("idle.py", "module.yaml", shims=shims))
    assert seen == ["on", "off"]
    assert "shims: mine" in capsys.readouterr().err
