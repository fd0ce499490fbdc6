"""A checkout of a stranger's training scripts, to run and to attach to."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent / "checkout"
"""The same training at module level, in a function and in an object, each with the d3.yaml that fits."""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the checkout, which is the working directory."""
    folder = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    yield folder
    sys.modules.pop("util", None)


@pytest.fixture(scope="session")
def by_python():
    """What Python itself prints for the script with ``--steps 3``; it is the same in every style."""
    command = [sys.executable, "-B", CHECKOUT / "module.py", "--steps", "3"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
