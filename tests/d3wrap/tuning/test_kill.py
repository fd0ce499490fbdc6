"""A search that is killed with ``kill -9``, wherever it is, ends as one that was not."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import random
import time

import pytest

from d3wrap.executors.local import LocalExecutor
from d3wrap.tuning.search import search

pytest.importorskip("optuna")


@pytest.fixture(scope="module")
def start():
    """Return a function that searches in a process of its own, forked from one that has torch loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["d3wrap.tuning.search", "d3wrap.plugins.clswgan", "torch._dynamo", "optuna"])
    context.Process(target=int).start()  # the server starts once

    def start(tuning, folder):
        process = context.Process(target=search, args=(tuning, folder, LocalExecutor(1)))
        process.start()
        return process

    return start


def left_in(folder):
    """All that a search leaves, but for seconds."""
    trials = [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]
    choices = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("choice.json")}
    for one in [*trials, *choices.values()]:
        del one["seconds"]
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    lines = len((folder / "journal.jsonl").read_text().splitlines())
    return {"trials": trials, "choices": choices, "files": files, "journal": lines}


def test_killed_anywhere_it_ends_as_if_it_had_not_been(start, tuning_of, tmp_path):
    tuning = tuning_of(trials=2, seeds=(0,))
    tuning = dataclasses.replace(tuning, job={**tuning.job, "checkpoint_every": 0})
    whole = start(tuning, tmp_path / "whole")
    began = time.monotonic()
    whole.join()
    longest = time.monotonic() - began
    assert whole.exitcode == 0
    draw, wanted, kills, folder = random.Random(0), 4, 0, tmp_path / "from-0"
    while True:
        process = start(tuning, folder)
        process.join(draw.uniform(0, longest) if kills < wanted else None)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
            continue
        assert process.exitcode == 0
        assert left_in(folder) == left_in(tmp_path / "whole")
        if kills >= wanted:
            break
        folder = tmp_path / f"from-{kills}-{time.monotonic_ns()}"
    assert left_in(folder)["journal"] == 2 + 4  # two studies, four trials
