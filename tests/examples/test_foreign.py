"""D³ comes to scripts that were never written for it and goes without a trace: the promise of ``d3wrap.attach``.

Each of the four pairs of ``examples/foreign`` runs for 60 steps; ``conftest.py`` has the machinery.
"""

from __future__ import annotations

STEPS = 60
OFF = {"generator_weights": {"id2sd": 0.0, "o2dbd": 0.0, "classify": 0.0}}


def paused(real, /, *args, **kwargs):
    handle = real(*args, **kwargs)
    handle.pause()
    return handle


def detached(real, /, *args, **kwargs):
    handle = real(*args, **kwargs)
    handle.detach()
    return handle


def assert_equal_to_the_last_bit(pair, after):
    before = pair.before()
    assert len(before.losses) == STEPS
    assert after.losses == before.losses
    assert pair.same(after.saved, before.saved)
    assert pair.same(after.randoms, before.randoms)


def test_paused_the_script_is_the_plain_one(pair):
    def measured(ran):
        del ran.handle.evaluate  # what the fixture put in its place
        before = pair.bits(ran)
        assert "softmax" in ran.handle.evaluate(synthetic_per_class=3, classifiers=["softmax"])
        assert pair.same(pair.bits(ran), before)

    after = pair.after("paused", paused, measured)
    assert_equal_to_the_last_bit(pair, after)
    assert after.handle.steps == 0


def test_with_every_weight_at_0_the_script_is_the_plain_one(pair):
    after = pair.after("off", **OFF)
    assert_equal_to_the_last_bit(pair, after)
    assert after.handle.steps == STEPS


def test_attached_and_detached_before_it_trains_the_script_is_the_plain_one(pair):
    assert_equal_to_the_last_bit(pair, pair.after("detached", detached))


def test_with_d3_the_script_learns_something_else(pair):
    before, after = pair.before(), pair.enhanced()
    assert after.handle.report.reached > 0
    assert after.losses[0] == before.losses[0]  # of before the first step with D³
    assert all(a != b for a, b in zip(after.losses[1:], before.losses[1:], strict=True))
    assert not pair.same(after.saved, before.saved)


def test_d3_takes_one_step_with_each_step_of_the_optimizer(pair):
    after = pair.enhanced()
    assert after.handle.steps == after.steps[after.optimizer] == STEPS


def test_the_gradients_that_the_script_finds_after_a_step_are_its_own(pair):
    before, after = pair.before(), pair.enhanced()
    shapes = tuple(p.shape for group in after.optimizer.param_groups for p in group["params"])
    assert pair.same(after.first_gradients[shapes], before.first_gradients[shapes])
    assert not pair.same(after.first_parameters[shapes], before.first_parameters[shapes])


def test_once_detached_everything_is_built_as_in_the_plain_script(pair):
    found = pair.enhanced().found
    assert found["detached"] == pair.before().found["anatomy"]


def test_the_networks_are_not_built_otherwise_while_d3_is_attached(pair):
    found = pair.enhanced().found
    assert found["detached"]["networks"]
    assert found["attached"]["networks"] == found["detached"]["networks"]
    assert found["attached"]["optimizers"] != found["detached"]["optimizers"]


def test_attached_and_detached_amid_training_every_bit_stays(pair):
    found = pair.enhanced().found
    first, attached, again = found["bits"]
    assert pair.same(attached, first)
    assert pair.same(again, first)
    assert found["detached again"] == found["detached"]
