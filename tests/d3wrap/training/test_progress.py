"""The progress bar is for people at a terminal alone."""

from __future__ import annotations

import pytest

from d3wrap.training.log import Record
from d3wrap.training.progress import watching

LOSSES = {
    "clswgan/critic.penalty": 1.0,
    "clswgan/generator.adversarial": -0.123456,
    "id2sd/labels": 2.0,
    "o2dbd/relation": 3e-5,
}


@pytest.fixture
def shown(monkeypatch, capsys):
    """Return what a bar writes to standard error, on a terminal and off it."""

    def show(terminal):
        monkeypatch.setenv("COLUMNS", "200")
        if terminal:
            monkeypatch.setenv("FORCE_COLOR", "1")
        else:
            monkeypatch.delenv("FORCE_COLOR", raising=False)
        monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
        monkeypatch.delenv("NO_COLOR", raising=False)
        with watching("clswgan with D³") as update:
            update(Record(2, LOSSES, 0.1, 4))
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err

    return show


def test_a_terminal_sees_steps_and_the_last_losses(shown):
    text = shown(terminal=True)
    for part in ("clswgan with D³", "2/4", "adversarial -0.123", "labels 2", "relation 3e-05"):
        assert part in text
    assert "penalty" not in text


def test_a_pipe_gets_nothing(shown):
    assert shown(terminal=False) == ""
