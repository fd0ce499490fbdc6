"""Fixtures for tests of plugins."""

import sys

import pytest


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a plugin: a module and a distribution with entry points, on ``sys.path``."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    modules = []

    def install(name, source, *, distribution=None, version="1.0", module=None):
        distribution = distribution or f"{name}-dist"
        module = module or f"installed_{name}_{len(modules)}"
        modules.append(module)
        (site / f"{module}.py").write_text(source)
        metadata = site / f"{distribution}-{version}.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        with (metadata / "entry_points.txt").open("a") as stream:
            stream.write(f"[d3wrap]\n{name} = {module}\n")
        return module

    yield install
    for module in modules:
        sys.modules.pop(module, None)
