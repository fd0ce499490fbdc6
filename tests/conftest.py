"""What all tests share: determinism, the real datasets, and the gpu mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

# The same examples in every run; to look for new ones: pytest --hypothesis-profile=default
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.load_profile("ci")

# Sums over several threads may differ in their last bit from run to run.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Go back to one thread after a test that runs a command with ``--threads``."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder D3WRAP_DATA names, with ``FLO/`` and ``splits/``: real datasets we may not redistribute."""
    value = os.environ.get("D3WRAP_DATA")
    if not value:
        pytest.skip("D3WRAP_DATA is not set; see CONTRIBUTING.md")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"D3WRAP_DATA names {folder}, which is not a folder; see CONTRIBUTING.md")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked gpu where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and torch.cuda.is_available() is false")
