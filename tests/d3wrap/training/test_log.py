"""The loss log: means, intervals, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d3wrap.errors import TrainingError
from d3wrap.training.log import LossLog


def losses(**values: float) -> dict[str, torch.Tensor]:
    return {name.replace("__", "/"): torch.tensor(value) for name, value in values.items()}


@given(
    rows=st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1, 1, width=32)), min_size=1, max_size=20),
    interval=st.integers(1, 7),
)
def test_the_means_are_over_the_steps_since_the_last_look(rows, interval):
    log, start = LossLog(interval), 0
    for end, (a, b) in enumerate(rows, 1):
        log.add(losses(p__a=a, q__b=b))
        assert log.full == (end - start == interval)
        if log.full or end == len(rows):
            found = log.take()
            assert list(found) == ["p/a", "q/b"]
            for i, name in enumerate(found):
                assert found[name] == pytest.approx(math.fsum(row[i] for row in rows[start:end]) / (end - start))
            start = end


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_a_loss_that_is_not_finite_is_named_with_its_step(value, step):
    log = LossLog(3)
    for current in range(1, 4 if step < 4 else 7):
        if log.full:
            log.take()
        log.add(losses(clswgan__critic=1.0, o2dbd__relation=value if current >= step else 0.0))
    with pytest.raises(TrainingError) as caught:
        log.take()
    assert f"step {step}: term 'relation' of plugin 'o2dbd' is {value}" in str(caught.value)
    assert "smaller learning rate" in str(caught.value)


def test_number_formats_may_be_mixed():
    log = LossLog(1)
    log.add({"p/a": torch.tensor(60000.0, dtype=torch.float16), "p/b": torch.tensor(1e300, dtype=torch.float64)})
    assert log.take() == {"p/a": 60000.0, "p/b": 1e300}
    log.add({"p/a": torch.tensor(70000.0).half(), "p/b": torch.tensor(0.0)})
    with pytest.raises(TrainingError, match="step 2: term 'a' of plugin 'p' is inf"):
        log.take()


def test_other_terms_at_a_later_step_are_an_error():
    log = LossLog(2)
    for _ in range(2):
        log.add(losses(p__a=1.0, p__b=1.0))
    log.take()
    log.add(losses(p__a=1.0, p__b=1.0))
    for changed in (losses(p__a=1.0), losses(p__a=1.0, p__c=1.0), losses(p__a=1.0, p__b=1.0, p__c=1.0)):
        with pytest.raises(
            TrainingError, match=r"step 4: .*before they were \['p/a', 'p/b'\].*the same terms at every"
        ):
            log.add(changed)


def test_the_order_of_the_terms_may_change():
    log = LossLog(2)
    log.add(losses(p__a=1.0, p__b=2.0))
    log.add(losses(p__b=4.0, p__a=3.0))
    assert log.take() == {"p/a": 2.0, "p/b": 3.0}


def test_the_log_holds_no_graph():
    log = LossLog(2)
    weight = torch.ones(3, requires_grad=True)
    log.add({"p/a": weight.sum()})
    weight.data.fill_(5.0)
    assert log.take() == {"p/a": 3.0}
