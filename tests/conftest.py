"""What all tests share: determinism, the folders outside the repository, and the gpu mark."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
import torch

# The same examples in every run; to look for new ones: pytest --hypothesis-profile=default
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.load_profile("ci")

# Sums over several threads may differ in their last bit from run to run.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder D3WRAP_DATA names, with ``FLO/`` and ``splits/``: real datasets we may not redistribute."""
    return _folder_named_by("D3WRAP_DATA")


@pytest.fixture(scope="session")
def fixtures_folder() -> Path:
    """The folder D3WRAP_FIXTURES names: golden numbers made by running the authors' released code."""
    return _folder_named_by("D3WRAP_FIXTURES")


def _folder_named_by(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set; see CONTRIBUTING.md")
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f"{variable} names {folder}, which is not a folder; see CONTRIBUTING.md")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked gpu where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device, and torch.cuda.is_available() is false")
