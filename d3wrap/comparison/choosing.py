"""What a run is trained and measured with: fixed beforehand, or chosen in the validation world, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from d3wrap.comparison.run_folder import RunFolder
from d3wrap.data.dataset import GZSLDataset
from d3wrap.enhancer import Enhancer
from d3wrap.errors import DataError
from d3wrap.files import write_json
from d3wrap.generator import Backbone
from d3wrap.protocol.choice import Choice, Search, choose
from d3wrap.training.precision import Precision

Protocol = Literal["honest", "fixed", "paper"]
"""``honest``: steps, samples and γ are chosen in a validation world; ``fixed``: they are the preset's, and nothing is
chosen; ``paper``: the best step is chosen on the test set, as the papers did."""

FILE = "choice.json"
FOLDER = "choice"
"""What the choice is made from, while it is under way."""


def made_choice(
    folder: RunFolder,
    build: Callable[[GZSLDataset], tuple[Backbone, Enhancer | None]],
    dataset: GZSLDataset,
    *,
    seed: int,
    search: Search,
    classifiers: list[str],
    embedding_dim: int,
    precision: Precision,
    checkpoint_every: float,
) -> Choice:
    """Return the choice that ``folder`` holds, or make it, or go on making it, and store it there.

    Raises :class:`~d3wrap.errors.DataError` for a file that d3wrap would not have written.
    """
    path, under_way = folder.path / FILE, folder.path / FOLDER
    if path.exists():
        return read_choice(path)
    choice = choose(
        build,
        dataset,
        seed=seed,
        search=search,
        classifiers=classifiers,
        embedding_dim=embedding_dim,
        precision=precision,
        folder=under_way,
        checkpoint_every=checkpoint_every,
        made_with=folder.made_with,
    )
    write_json(path, choice.as_dict())
    shutil.rmtree(under_way)
    return choice


def read_choice(path: Path) -> Choice:
    """Read what :func:`made_choice` stored."""
    try:
        return Choice.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: not as d3wrap wrote it ({error}); remove it, and it is chosen again") from error
