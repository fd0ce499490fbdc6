"""The benchmark of the generators runs, and tells a missed target."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_small_run_prints_and_writes_every_number(tmp_path):
    command = [sys.executable, FOLDER / "generators.py", "clswgan", "--small", "--no-fail", "--repeats", "1"]
    command += ["--preset", "small", "--json", tmp_path / "numbers.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "clswgan" in result.stdout
    (row,) = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert (row["generator"], row["family"], row["batch_size"]) == ("clswgan", "GAN", 64)
    assert row["ratio"] == pytest.approx(row["enhanced"] / row["baseline"])


def test_the_target_is_of_gans_alone(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from generators import Row

    try:
        assert Row("a", "GAN", 1, 1.0, 1.36).missed
        assert not Row("a", "GAN", 1, 1.0, 1.34).missed
        assert Row("a", "VAE-GAN", 1, 1.0, 1.36).missed
        assert not Row("a", "flow", 1, 1.0, 9.0).missed
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] in ("generators", "parts")]:
            del sys.modules[name]
