"""How far runs are is read from their folders, and shown as bars or lines."""

from __future__ import annotations

import io
import json
import time

import pytest
from rich.console import Console

from d3wrap.comparison import runs_view
from d3wrap.comparison.job import Job
from d3wrap.comparison.run import Plan
from d3wrap.comparison.run_progress import RunProgress, run_progress
from d3wrap.comparison.runs_view import viewing


@pytest.fixture
def job(tmp_path):
    """Return a function that makes a job whose folder has these files."""

    def make(seed, **files):
        folder = tmp_path / f"seed-{seed}"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text)
        return Job(Plan("gan"), "baseline", seed, folder)

    return make


def line(step, total=300, **losses):
    return json.dumps({"step": step, "total": total, "seconds": 1.0, "losses": losses}) + "\n"


def test_a_run_is_as_far_as_its_last_whole_line(job):
    text = line(50, loss=2.0) + line(100, loss=1.0) + line(150)[:-5]
    assert run_progress(job(0, metrics_jsonl=text).folder) == RunProgress("training", 100, 300, {"loss": 1.0})


def test_of_a_long_file_the_end_is_read(job):
    text = "".join(line(step, loss=0.5) for step in range(2000))
    assert run_progress(job(0, metrics_jsonl=text).folder).step == 1999


@pytest.mark.parametrize("text", ["", "{", "[]\n", "garbage\n", line(1)[:-1]])
def test_a_run_that_says_nothing_readable_waits(job, text):
    assert run_progress(job(0, metrics_jsonl=text).folder) == RunProgress("waiting")


def test_files_tell_the_state(job):
    folder = job(0, metrics_jsonl=line(300), training_json="{}").folder
    assert run_progress(folder).state == "measuring"
    job(0, result_json="[]")
    assert run_progress(folder).state == "done"
    job(0, error_txt="Traceback")
    assert run_progress(folder).state == "failed"
    assert run_progress(folder / "absent").state == "waiting"


def choosing(folder, *texts):
    for number, text in enumerate(texts, 1):
        fold = folder / "choice" / f"fold-{number}"
        fold.mkdir(parents=True)
        (fold / "metrics.jsonl").write_text(text)


def test_a_choice_under_way_counts_the_steps_of_all_worlds(job):
    folder = job(0).folder
    choosing(folder, line(100, loss=2.0) + line(300, loss=1.0), line(50, loss=3.0), "")
    assert run_progress(folder) == RunProgress("choosing", 350, 900, {"loss": 3.0})
    job(0, error_txt="Traceback")
    assert run_progress(folder).state == "failed"


def test_training_comes_after_the_choice(job):
    folder = job(0, metrics_jsonl=line(50)).folder
    choosing(folder, line(300), line(300))
    assert run_progress(folder) == RunProgress("training", 50, 300)
    choosing(job(1).folder, "", "")
    assert run_progress(job(1).folder) == RunProgress("waiting")


def test_a_choice_is_shown(job):
    one = job(0)
    choosing(one.folder, line(300), line(50))
    assert "choosing 350/600" in watched([one], terminal=False, enough="350/600")
    assert "choosing" in watched([one], terminal=True, enough="350/600")


def watched(jobs, *, terminal, enough):
    """Show jobs until the text holds ``enough``, and return it."""
    text = io.StringIO()
    with viewing(jobs, console=Console(file=text, force_terminal=terminal, width=120), lines=0.01):
        deadline = time.monotonic() + 10
        while enough not in text.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    return text.getvalue()


@pytest.fixture
def four(job):
    return [
        job(0, metrics_jsonl=line(300), training_json="{}", result_json="[]"),
        job(1, metrics_jsonl=line(100, **{"gan/critic.penalty": 0.125})),
        job(2, metrics_jsonl=line(300), training_json="{}"),
        job(3),
    ]


def test_lines_where_nobody_looks(four):
    text = watched(four, terminal=False, enough="\n")
    assert text.splitlines()[0] == (
        "0 s: 1 of 4 runs ended; gan baseline, seed 1: 100/300; gan baseline, seed 2: measuring"
    )


def test_nothing_has_begun(job):
    assert "0 of 1 runs ended; none has begun" in watched([job(0)], terminal=False, enough="\n")


def test_a_bar_follows_its_run_from_the_choice_to_the_end(job):
    runs = [job(0), job(1)]
    bars = runs_view._Bars(runs, Console(file=io.StringIO(), force_terminal=True))
    every, one, other = bars.bars.tasks

    def seen():
        bars.look()
        assert not other.visible
        return one.visible, one.started, one.completed, one.total, one.fields["note"], every.completed

    assert every.total == 2
    assert seen() == (False, False, 0, None, "waiting", 0)
    choosing(runs[0].folder, line(30, total=50, loss=2.0), "")
    assert seen() == (True, True, 30, 100, "choosing", 0)
    job(
        0,
        metrics_jsonl=line(20, total=80, **{"gan/a.b": 1.0, "gan/c.d": 2.0, "gan/e.f": 0.25, "id2sd/labels": 123456.0}),
    )
    assert seen() == (True, True, 20, 80, "d 2  f 0.25  labels 1.23e+05", 0)
    job(0, training_json="{}")
    assert seen() == (True, True, 20, 80, "measuring", 0)
    job(0, error_txt="Traceback")
    assert seen() == (False, True, 20, 80, "failed", 1)
    (runs[0].folder / "error.txt").unlink()
    job(0, result_json="[]")
    assert seen() == (False, True, 20, 80, "done", 1)


def test_a_line_names_what_is_under_way_alone(job, monkeypatch):
    text, now = io.StringIO(), iter([100.0, 161.6, 222.4])
    monkeypatch.setattr(runs_view.time, "monotonic", lambda: next(now))
    runs = [job(0), job(1)]
    lines = runs_view._Lines(runs, Console(file=text, width=20))
    choosing(runs[0].folder, line(30, total=50))
    lines.look()
    job(0, metrics_jsonl=line(20), result_json="[]")
    job(1, error_txt="Traceback")
    lines.look()
    assert text.getvalue().splitlines() == [
        "62 s: 0 of 2 runs ended; gan baseline, seed 0: choosing 30/50",
        "122 s: 2 of 2 runs ended; none is under way",
    ]


def test_bars_on_a_terminal(four, monkeypatch):
    monkeypatch.setattr(runs_view, "REFRESH", 0.01)
    text = watched(four, terminal=True, enough="measuring")
    assert "all runs" in text
    assert "1/4" in text
    assert "gan baseline, seed 1" in text
    assert "100/300" in text
    assert "penalty 0.125" in text
    assert "seed 3" not in text
