"""Random streams are independent by purpose and leave the global one alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.seeds import derive, initialising, stream

PURPOSES = ("noise", "batches", "prepare", "teacher", "student", "d3/noise", "d3/classes", "synthesis")


def draw(seed: int, purpose: str) -> list[float]:
    return torch.rand(4, generator=stream(seed, purpose)).tolist()


@given(seed=st.integers(0, 2**40))
def test_every_purpose_and_every_seed_has_a_stream_of_its_own(seed):
    drawn = {tuple(draw(s, purpose)) for s in (seed, seed + 1) for purpose in PURPOSES}
    assert len(drawn) == 2 * len(PURPOSES)


@given(seed=st.integers(-5, 2**70), purpose=st.text())
def test_a_derived_seed_is_one_torch_takes(seed, purpose):
    assert 0 <= derive(seed, purpose) < 2**63
    stream(seed, purpose)


def test_a_stream_does_not_depend_on_what_others_drew():
    expected = draw(3, "noise")
    other, own = stream(3, "batches"), stream(3, "noise")
    torch.rand(100, generator=other)
    assert torch.rand(4, generator=own).tolist() == expected


def test_streams_are_the_same_in_every_process():
    code = "from d3wrap.seeds import derive; print(derive(7, 'noise'))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) == derive(7, "noise")


def test_initialising_seeds_the_global_stream_and_restores_it():
    torch.rand(3)
    before = torch.get_rng_state()
    with initialising(1, "student"):
        first = torch.rand(4)
    torch.rand(3)
    torch.set_rng_state(before)
    with initialising(1, "student"):
        again = torch.rand(4)
    with initialising(2, "student"):
        other = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_initialising_restores_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), initialising(1, "student"):
        torch.rand(1).div_(1 / 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_initialising_leaves_other_devices_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with initialising(1, "student"):
        torch.rand(1)
    assert not seeded
