"""``d3wrap plugins``."""

import json
import sys

import pytest
from click.testing import CliRunner

from d3wrap.cli import main

BACKBONE = '''
import torch
from torch import nn

import d3wrap
from d3wrap.generator import Phase
from d3wrap.specs import BackboneSettings


class Linear(d3wrap.Backbone):
    name = "linear"

    def __init__(self, dataset, settings):
        super().__init__()
        self.feature_dim, self.semantic_dim = dataset.feature_dim, dataset.semantic_dim
        self.map = nn.Linear(self.semantic_dim, self.feature_dim)

    def phases(self):
        return (Phase("fit", tuple(self.parameters()), lr=1e-3, enhanced=True),)

    def losses(self, phase, batch, rng):
        return {"error": (self.map(batch.semantics) - batch.features).square().mean()}

    def generate(self, semantics, *, rng=None):
        return self.map(semantics)FAULT


@d3wrap.hookimpl
def register_generators(register):
    """Register the linear one.

    It is linear.
    """
    register(
        d3wrap.GeneratorSpec(
            "linear", "regression", "a linear map", "nobody", BackboneSettings,
            {"small": BackboneSettings(steps=7), "paper": BackboneSettings()}, Linear, ("steps", "batch_size"),
        )
    )
'''


def run(*arguments, code=0):
    result = CliRunner().invoke(main, ["plugins", *arguments], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def test_list_shows_a_table_of_what_is_installed_without_importing_it(install, monkeypatch):
    module = install("zeta", "1 / 0", version="3.2")
    monkeypatch.setenv("D3WRAP_PLUGINS", "-gan")
    lines = run("list").splitlines()
    assert lines[0].split() == ["name", "distribution", "version", "target", "status"]
    assert ["zeta", "zeta-dist", "3.2", module, "enabled"] in [line.split() for line in lines]
    assert next(line for line in lines if line.startswith("gan ")).endswith("  blocked by D3WRAP_PLUGINS")
    assert len({line.index(word) for line, word in zip(lines, ["version", *["0.1.0"] * 2], strict=False)}) == 1
    assert module not in sys.modules


def test_list_as_json_holds_the_same(install):
    module = install("zeta", "1 / 0", version="3.2")
    found = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert found["zeta"] == {
        "name": "zeta",
        "distribution": "zeta-dist",
        "version": "3.2",
        "target": module,
        "status": "enabled",
    }


def test_list_refuses_a_misspelt_name_in_the_environment(monkeypatch):
    monkeypatch.setenv("D3WRAP_PLUGINS", "-id2d")
    result = CliRunner().invoke(main, ["plugins", "list"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: D3WRAP_PLUGINS: no plugin is called 'id2d'; did you mean 'id2sd'?")


def test_show_tells_what_a_plugin_registers_and_where(install):
    module = install("linear", BACKBONE.replace("FAULT", ""))
    broken = install("other", "1 / 0")
    text = run("show", "linear")
    for expected in (
        "generator linear: a linear map",
        "family: regression",
        "reference: nobody",
        "search: steps, batch_size",
        "steps: int (small 7, paper 4000)",
        "register_generators(register)",
        f"{module}.py:",
        "    Register the linear one.\n    \n    It is linear.",
    ):
        assert expected in text
    assert broken not in sys.modules


@pytest.mark.parametrize(("name", "text"), [("id2sd", "terms: embedding, labels"), ("gan", "adapter gan: ")])
def test_show_tells_of_objectives_and_adapters(name, text):
    assert text in run("show", name)


def test_check_prints_every_check_that_passes(install):
    install("linear", BACKBONE.replace("FAULT", ""))
    lines = run("check", "linear").splitlines()
    assert len(lines) == 15
    assert all(line.startswith("✓ ") for line in lines)


def test_check_marks_what_fails_and_goes_on(install):
    install("linear", BACKBONE.replace("FAULT", ".detach()"))
    lines = run("check", "linear", code=1).splitlines()
    (failed,) = (line for line in lines if line.startswith("✗"))
    assert failed.startswith("✗ linear passes gradients to every parameter of the enhanced phase: generated features")
    assert len(lines) == 15


def test_check_says_why_a_plugin_does_not_load(install):
    install("linear", "1 / 0")
    assert (
        run("check", "linear", code=1)
        == "✗ loads: plugin 'linear' cannot be imported: ZeroDivisionError: division by zero\n"
    )


@pytest.mark.parametrize("name", ["classify", "clswgan", "gan", "id2sd", "o2dbd"])
def test_our_own_plugins_keep_the_contract(name):
    assert "✗" not in run("check", name)


def test_check_of_an_unknown_plugin_suggests_one():
    assert "did you mean 'clswgan'" in run("check", "clsgan", code=1)


def test_a_choice_is_shown_by_its_values():
    said = CliRunner().invoke(main, ["plugins", "show", "hf"]).output
    assert "    pooling: auto|mean|first|last ('auto')\n" in said
    assert "    model: str (must be given)\n" in said
