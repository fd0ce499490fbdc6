"""Promises about the project as a whole: its metadata, its layout, and what its source never does."""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import d3wrap

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for folder in ("d3wrap", "plugins", "adapters") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FILE = 400
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def package_of(path: Path) -> str:
    """Return the package a source file is in once installed, where adapters and plugins are inside d3wrap."""
    package = ".".join(path.parent.relative_to(ROOT).parts)
    return package if package.startswith("d3wrap") else f"d3wrap.{package}"


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


# --- metadata -----------------------------------------------------------------------------------------


def test_every_place_that_states_the_version_agrees() -> None:
    stated = SETUP["metadata"]["version"]
    cited = re.search(r"^version: (\S+)$", read("CITATION.cff"), re.MULTILINE)
    assert cited
    assert cited[1] == stated
    assert importlib.metadata.version("d3wrap") == stated


ENTRY_POINTS = [
    importlib.metadata.EntryPoint(*(part.strip() for part in line.split("=")), group)
    for group, lines in SETUP["options.entry_points"].items()
    for line in lines.strip().split("\n")
]


@pytest.mark.parametrize("entry", ENTRY_POINTS, ids=lambda entry: entry.name)
def test_every_entry_point_can_be_imported(entry: importlib.metadata.EntryPoint) -> None:
    assert entry.load() is not None


def test_setup_cfg_lists_exactly_the_packages_that_exist() -> None:
    assert set(SETUP["options"]["packages"].split()) == {package_of(path) for path in SOURCES}


def test_every_package_has_an_init_file() -> None:
    assert [name_of(path) for path in SOURCES if not (path.parent / "__init__.py").is_file()] == []


@pytest.mark.parametrize("target", ["demo", "test"])
def test_readme_names_make_targets_that_exist(target: str) -> None:
    assert f"make {target}" in read("README.md")
    assert re.search(rf"^{target}:", read("Makefile"), re.MULTILINE)


# --- layout -------------------------------------------------------------------------------------------


def test_no_source_file_is_long() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the absolute name of everything imported, ``from a import b`` as ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def is_extension(name: str) -> bool:
    """Say whether a dotted name is that of a plugin or an adapter, or inside one."""
    return name.startswith(("d3wrap.plugins", "d3wrap.adapters"))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_core_imports_no_extension_and_extensions_only_public_names(path: Path) -> None:
    names = list(imported_names(parse(path), package_of(path)))
    if is_extension(package_of(path)):
        assert [name for name in names if re.match(r"d3wrap\..*\b_[a-z]", name)] == []
    else:
        assert [name for name in names if is_extension(name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import d3wrap.plugins.clswgan",
        "from d3wrap import adapters",
        "from d3wrap.plugins import clswgan",
        "from ..adapters.gan import GanAdapter",
        "def late():\n    from .. import plugins",
    ],
)
def test_an_import_of_an_extension_is_found(line: str) -> None:
    assert any(map(is_extension, imported_names(ast.parse(line), "d3wrap.training")))


@pytest.mark.parametrize("name", d3wrap.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(d3wrap, name) is not None


def test_importing_d3wrap_warns_of_nothing_and_loads_nothing_heavy() -> None:
    code = "import sys, d3wrap; print(*{'torch', 'scipy', 'matplotlib', 'h5py', 'rich'}.intersection(sys.modules))"
    command = [sys.executable, "-W", "error", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


# --- what the source never does -------------------------------------------------------------------------

SERIALIZERS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
UNSAFE_CALLS = {"eval", "exec", "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"}


def offences(tree: ast.AST) -> Iterator[str]:
    """Yield what in ``tree`` names CUDA or can execute what a file holds, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            top = {name.split(".")[0] for name in imported_names(node, "d3wrap")}
            yield from (f"line {node.lineno}: imports {name}" for name in top & SERIALIZERS)
        elif isinstance(node, ast.Call) and is_forbidden(node):
            yield f"line {node.lineno}: {ast.unparse(node)}"


def is_forbidden(call: ast.Call) -> bool:
    function = ast.unparse(call.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return (
        function in UNSAFE_CALLS
        or function.endswith(".cuda")
        or options.get("allow_pickle", "False") != "False"
        or (function == "torch.load" and options.get("weights_only") != "True")
    )


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_source_executes_nothing_it_reads_and_names_no_device(path: Path) -> None:
    assert list(offences(parse(path))) == []


@pytest.mark.parametrize(
    "line",
    [
        "net.cuda()",
        "import pickle",
        "from pickle import loads",
        "eval(text)",
        "yaml.load(stream, Loader=yaml.Loader)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=unsafe)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
    ],
)
def test_an_unsafe_line_is_found(line: str) -> None:
    assert list(offences(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "net.eval()",
        "yaml.safe_load(stream)",
        "np.load(path, allow_pickle=False)",
        "torch.load(path, weights_only=True)",
        "torch.cuda.is_available()",
    ],
)
def test_a_safe_line_is_left_alone(line: str) -> None:
    assert list(offences(ast.parse(line))) == []
