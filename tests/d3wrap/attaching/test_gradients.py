"""What the hook on an optimizer adds equals the explicit loss in the script's own, whatever the script does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

PLAIN = {"gradient_share": 0.0, "generator_weights": {"id2sd": 1.0, "o2dbd": 1.0, "classify": 1.0}}
STEPS = 4
OPTIMIZERS = {
    "SGD": (torch.optim.SGD, {"lr": 0.1}),
    "SGD with momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "Adam": (torch.optim.Adam, {}),
    "fused Adam": (torch.optim.Adam, {"fused": True}),
    "AdamW": (torch.optim.AdamW, {"weight_decay": 0.1}),
}


def clip(optimizer):
    """Clip as scripts do, before the step."""
    nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 0.01)


@pytest.fixture
def both(world, attach, sampling):
    """Train with the hook and with the explicit loss; return the weights of both, and those without D³."""

    def run(train, kind="Adam", **options):
        optimizer, settings = OPTIMIZERS[kind]
        found = []
        for way in ("hook", "explicit", "none"):
            one = world(None, optimizer, **settings)
            if options.get("float32"):
                one.network.float()
                one.data = one.data.to("cpu", torch.float32)
            d3 = None
            if way != "none":
                given = {"optimizer": one.optimizer} if way == "hook" else {}
                d3 = attach(sampling(one.network), one.data, **given, **PLAIN)
            for _ in range(STEPS):
                train(one, (lambda d3=d3: d3.on_batch().total) if way == "explicit" else None)
            if d3 is not None:
                assert d3.steps == STEPS
            found.append([p.detach().clone() for p in one.network.parameters()])
        hook, explicit, none = found
        assert not all(torch.equal(a, b) for a, b in zip(hook, none, strict=True)), "D³ did nothing"
        for a, b in zip(hook, explicit, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6 if options.get("float32") else 1e-10)

    return run


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_plain_step(both, kind):
    def train(one, extra):
        loss = one.loss()
        if extra:
            loss = loss + extra()
        one.optimizer.zero_grad()
        loss.backward()
        one.optimizer.step()

    both(train, kind)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_gradients_accumulated_over_several_losses_get_it_once(both, kind):
    def train(one, extra):
        one.optimizer.zero_grad()
        for part in range(3):
            loss = one.loss() / 3
            if extra and part == 2:
                loss = loss + extra()
            loss.backward()
        one.optimizer.step()

    both(train, kind)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_clipping_before_the_step_leaves_it_unclipped(both, kind):
    def train(one, extra):
        parameters = list(one.network.parameters())
        loss = one.loss()
        one.optimizer.zero_grad()
        loss.backward()
        clip(one.optimizer)
        if extra:
            for p, gradient in zip(parameters, torch.autograd.grad(extra(), parameters), strict=True):
                p.grad += gradient
        one.optimizer.step()

    both(train, kind)


def test_clipping_by_a_later_hook_sees_both(both):
    def train(one, extra):
        if not hasattr(one, "clipped"):
            one.clipped = one.optimizer.register_step_pre_hook(lambda optimizer, args, kwargs: clip(optimizer))
        loss = one.loss()
        if extra:
            loss = loss + extra()
        one.optimizer.zero_grad()
        loss.backward()
        one.optimizer.step()

    both(train)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_a_script_under_autocast(both, kind):
    def train(one, extra):
        with torch.autocast("cpu", torch.bfloat16):
            loss = one.loss()
            if extra:
                loss = loss + extra()
        one.optimizer.zero_grad()
        loss.backward()
        one.optimizer.step()

    both(train, kind, float32=True)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "fused Adam"])
def test_a_script_with_a_gradient_scaler(both, kind):
    def train(one, extra):
        if not hasattr(one, "scaler"):
            one.scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
        with torch.autocast("cpu", torch.bfloat16):
            loss = one.loss()
            if extra:
                loss = loss + extra()
        one.optimizer.zero_grad()
        one.scaler.scale(loss).backward()
        one.scaler.step(one.optimizer)
        one.scaler.update()

    both(train, kind, float32=True)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("named", [True, False])
def test_a_closure(both, kind, named):
    def train(one, extra):
        def closure():
            one.optimizer.zero_grad()
            loss = one.loss()
            if extra:
                loss = loss + extra()
            loss.backward()
            return loss

        one.optimizer.step(closure=closure) if named else one.optimizer.step(closure)

    both(train, kind)


@pytest.mark.parametrize("share", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_two_optimizers_share_one_d3_step(world, attach, sampling, kind, share):
    """Each gets the gradient of its own parameters once; by ``share`` in proportion to its own."""
    optimizer, settings = OPTIMIZERS[kind]
    found = []
    for way in ("hook", "explicit"):
        one = world()
        first, last = one.network.net[0], one.network.net[2]
        two = [optimizer(part.parameters(), **{"lr": 0.01} | settings) for part in (first, last)]
        given = {"optimizer": two} if way == "hook" else {}
        d3 = attach(sampling(one.network), one.data, **given, **PLAIN | {"gradient_share": share})
        for _ in range(STEPS):
            own = one.loss()
            for each in two:
                each.zero_grad()
            own.backward()
            if way == "explicit":
                parts = [list(first.parameters()), list(last.parameters())]
                extra = d3.on_batch().total
                for part in parts:
                    gradients = torch.autograd.grad(extra, part, retain_graph=True)
                    factor = 1.0
                    if share:
                        sizes = [torch.cat([g.flatten() for g in group]).norm() for group in
                                 ([p.grad for p in part], gradients)]  # fmt: skip
                        factor = share * sizes[0] / sizes[1]
                    for p, gradient in zip(part, gradients, strict=True):
                        p.grad = p.grad + factor * gradient
            for each in two:
                each.step()
        assert d3.steps == STEPS
        found.append([p.detach().clone() for p in one.network.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-10)


def test_two_optimizers_count_the_steps_together(world, attach, sampling):
    one = world()
    two = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (one.network.net[0], one.network.net[2])]
    d3 = attach(sampling(one.network), one.data, optimizer=two, every=2, start_step=1)
    took = []
    for _ in range(6):
        one.loss().backward()
        before = d3.steps
        for each in two:
            each.step()
        took.append(d3.steps - before)
    assert took == [0, 1, 0, 1, 0, 1]


def test_the_scripts_own_gradients_are_put_back(world, attach, sampling):
    one = world()
    attach(sampling(one.network), one.data, optimizer=one.optimizer)
    own = torch.autograd.grad(one.loss(), list(one.network.parameters()))
    for _ in range(2):  # steps twice without zeroing, as some scripts do
        for p, gradient in zip(one.network.parameters(), own, strict=True):
            p.grad = gradient
        one.optimizer.step()
        for p, gradient in zip(one.network.parameters(), own, strict=True):
            assert p.grad is gradient


def test_parameters_without_a_gradient_of_their_own_have_none_after(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer, **PLAIN)
    before = [p.detach().clone() for p in one.network.parameters()]
    one.optimizer.step()
    assert d3.steps == 1
    assert all(p.grad is None for p in one.network.parameters())
    assert not any(torch.equal(p, b) for p, b in zip(one.network.parameters(), before, strict=True))


def test_lbfgs_gets_one_gradient_in_all_its_calls(world, attach, sampling):
    one = world(None, torch.optim.LBFGS, lr=0.1, max_iter=5)
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer, **PLAIN)
    features, labels = one.batch()
    noise = torch.randn(len(labels), 4, dtype=features.dtype)
    calls, seen = [], []

    def closure():
        one.optimizer.zero_grad(set_to_none=len(calls) % 2 == 0)
        loss = (one.network(noise, one.data.semantics[labels]) - features).square().mean()
        loss.backward()
        calls.append(1)
        seen.append([p.grad.clone() for p in one.network.parameters()])
        own = torch.autograd.grad(
            (one.network(noise, one.data.semantics[labels]) - features).square().mean(), list(one.network.parameters())
        )
        for a, b in zip(seen[-1], own, strict=True):
            torch.testing.assert_close(a, b)
        return loss

    one.optimizer.step(closure)
    assert len(calls) > 2
    assert d3.steps == 1
    for p, last in zip(one.network.parameters(), seen[-1], strict=True):
        torch.testing.assert_close(p.grad, last)


def test_scale_multiplies_it(world, attach, sampling):
    found = {}
    for scale in (0.5, 1.0, 3.0):
        one = world(None, torch.optim.SGD, lr=1.0)
        attach(sampling(one.network), one.data, optimizer=one.optimizer, scale=scale, **PLAIN)
        before = [p.detach().clone() for p in one.network.parameters()]
        one.optimizer.step()
        found[scale] = [p.detach() - b for p, b in zip(one.network.parameters(), before, strict=True)]
    for scale in (0.5, 3.0):
        for a, b in zip(found[scale], found[1.0], strict=True):
            torch.testing.assert_close(a, scale * b)


def test_the_share_is_of_the_gradient_under_a_scaler_too(world, attach, sampling):
    """A fused optimizer under GradScaler steps with scaled gradients: a share of them needs no unscaling."""
    found = []
    for scaled in (False, True):
        one = world(None, torch.optim.Adam, fused=True)
        one.network.float()
        one.data = one.data.to("cpu", torch.float32)
        attach(sampling(one.network), one.data, optimizer=one.optimizer, gradient_share=0.5)
        scaler = torch.amp.GradScaler("cpu", init_scale=128.0, enabled=scaled)
        for _ in range(STEPS):
            one.optimizer.zero_grad()
            scaler.scale(one.loss()).backward()
            scaler.step(one.optimizer)
            scaler.update()
        found.append([p.detach().clone() for p in one.network.parameters()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_more_student_steps_change_the_student_alone(world, attach, sampling):
    students = []
    for inner in (1, 3):
        one = world()
        d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer, inner_steps=inner)
        one.step()
        assert d3.steps == 1
        students.append(d3.state_dict())
    assert any(not torch.equal(students[0][key], students[1][key]) for key in students[0] if "student" in key)
