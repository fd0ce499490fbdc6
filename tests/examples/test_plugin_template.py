"""The plugin template, copied and installed into a fresh environment, does what its README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import subprocess
import venv
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "examples" / "plugin_template"
README = (TEMPLATE / "README.md").read_text(encoding="utf-8")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("D3WRAP_", "PYTEST_", "COV_"))}


class Environment:
    """A virtual environment that sees what this one has, d3wrap and torch included, and the installed template."""

    def __init__(self, folder: Path) -> None:
        self.source, self.work = folder / "my-generator", folder / "work"
        self.work.mkdir()
        shutil.copytree(TEMPLATE, self.source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
        venv.create(folder / "env", with_pip=False)
        self.python = folder / "env" / "bin" / "python"
        # addsitedir, unlike a path in a .pth file, reads the .pth files there: d3wrap may be installed by one.
        lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
        self.site = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.site / "dependencies.pth").write_text("\n".join(lines) + "\n")
        options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        self.run("-m", "pip", "install", *options, str(self.source))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.python, *arguments], cwd=self.work, env=CLEAN, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def d3wrap(self, *arguments: str) -> str:
        """Run the command as its script does; the script itself is in the environment d3wrap was installed in."""
        return self.run("-c", "from d3wrap.cli import main; main(prog_name='d3wrap')", *arguments)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("template"))


def test_it_is_listed_from_its_own_distribution(environment):
    plugins = {plugin["name"]: plugin for plugin in json.loads(environment.d3wrap("plugins", "list", "--json"))}
    found = plugins["lsgan"]
    assert (found["distribution"], found["target"], found["status"]) == ("d3wrap-lsgan", "d3wrap_lsgan", "enabled")
    assert "clswgan" in plugins
    module = environment.run("-c", "import d3wrap_lsgan; print(d3wrap_lsgan.__file__)").strip()
    assert Path(module).parent == environment.site


def test_it_keeps_the_contract_and_its_own_tests_pass(environment):
    checked = environment.d3wrap("plugins", "check", "lsgan")
    assert "✓ registers lsgan" in checked
    assert "✗" not in checked
    assert re.search(r"^\d+ passed in", environment.run("-m", "pytest", "-q", str(environment.source)), re.MULTILINE)


def test_it_can_be_compared(environment):
    small = ["--data", "synthetic:classes=6,unseen=2", "--set", "steps=2", "--set", "synthetic_per_class=3"]
    small += ["--d3", "teacher_epochs=1", "--d3", "embedding_dim=8", "--classifier", "softmax"]
    output = environment.d3wrap("compare", "--generator", "lsgan", "--seeds", "1", "--out", "out", *small)
    assert "lsgan enhanced seed 0" in output
    assert (environment.work / "out" / "results.json").is_file()


def test_readme_shows_these_commands_and_every_file():
    for words in ("plugins list", "plugins check lsgan", "compare --generator lsgan", "examples/plugin_template"):
        assert words in README
    files = {path.name for path in TEMPLATE.rglob("*.*") if path.suffix in (".py", ".cfg", ".toml")}
    assert [name for name in files if f"{name}`" not in README] == []
