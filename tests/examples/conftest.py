"""Run the pairs of ``examples/foreign`` in this process, and see what they leave behind."""

from __future__ import annotations

import contextlib
import io
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

import d3wrap

FOREIGN = Path(__file__).parents[2] / "examples" / "foreign"
SIXTY_STEPS = {
    "gan": "--nepoch 4 --critic_iter 2 --ngh 32 --ndh 32 --syn_num 5 --cls_nepoch 2",
    "vaegan_feedback": "--nepoch 4 --feedback_from 2 --critic_iter 1 --ngh 32 --syn_num 5 --cls_nepoch 2",
    "flow": "--niter 60 --hidden 16 --input_dim 8 --nSample 5 --cls_nepoch 2",
    "diffusion": "--nepoch 4 --critic_iter 1 --hidden 32 --syn_num 5 --cls_nepoch 2",
}
QUICK = {"teacher_epochs": 1, "embedding_dim": 16}

Attach = Callable[..., Any]
Look = Callable[["Ran"], None]


@dataclass
class Ran:
    """What a run of a script left behind."""

    losses: list[str] = field(default_factory=list)
    output: str = ""
    saved: Any = None
    """What the script saves at its end, copied; with it, at the same moment:"""
    randoms: Any = None
    """the states of all global random streams,"""
    objects: dict[str, nn.Module | Optimizer] = field(default_factory=dict)
    """and the networks and optimizers by name."""
    first_gradients: dict[tuple[torch.Size, ...], Any] = field(default_factory=dict)
    """``grad`` after an optimizer's first step, when every hook has run, by the shapes of its parameters."""
    first_parameters: dict[tuple[torch.Size, ...], Any] = field(default_factory=dict)
    steps: dict[Optimizer, int] = field(default_factory=dict)
    """Steps of each optimizer."""
    handle: Any = None
    optimizer: Any = None
    """The optimizer that D³ was attached to."""
    attach_again: Any = None
    """Attaches once more as the script did."""
    found: dict[str, Any] = field(default_factory=dict)
    """What a test looked at when the script saved."""


@dataclass
class Pair:
    """A script before and after; both run as ``python FILE ARGUMENTS`` would, in this process."""

    name: str
    arguments: list[str]
    folder: Path
    """For what the scripts write."""
    kept: dict[str, Ran] = field(repr=False)

    def before(self) -> Ran:
        """Run the plain script, once for all tests."""

        def look(ran: Ran) -> None:
            ran.found["anatomy"] = self.anatomy(ran)

        return self._once("before", lambda: self.run(FOREIGN / f"{self.name}_before.py", look=look))

    def after(
        self, kind: str, attach: Attach | None = None, look: Look | None = None, measure: bool = False, **settings: Any
    ) -> Ran:
        """Run the script with the three lines and ``settings`` in the second of them, once for all tests of a kind.

        Without ``measure`` the third line costs nothing. ``attach(real, *args, **kwargs)`` stands in for
        ``d3wrap.attach``; ``look(ran)`` is called where the script saves its networks, last of all.
        """

        def attached(real: Attach, ran: Ran, /, *args: Any, **kwargs: Any) -> Any:
            kwargs |= {"report": False, **QUICK, **settings}
            ran.optimizer, ran.attach_again = kwargs["optimizer"], lambda: real(*args, **kwargs)
            ran.handle = attach(real, *args, **kwargs) if attach else real(*args, **kwargs)
            if not measure:
                ran.handle.evaluate = lambda: "not measured"
            return ran.handle

        return self._once(kind, lambda: self.run(FOREIGN / f"{self.name}_after.py", attached, look))

    def enhanced(self) -> Ran:
        """Train with D³, and at the end look at the script's objects before, while and after it is detached."""

        def look(ran: Ran) -> None:
            ran.found["attached"] = self.anatomy(ran)
            ran.handle.detach()
            ran.found["detached"] = self.anatomy(ran)
            ran.found["bits"] = [self.bits(ran)]
            with ran.attach_again():
                ran.found["bits"].append(self.bits(ran))
            ran.found["bits"].append(self.bits(ran))
            ran.found["detached again"] = self.anatomy(ran)

        return self.after("enhanced", look=look, measure=True)

    def _once(self, kind: str, make: Callable[[], Ran]) -> Ran:
        key = f"{self.name} {kind}"
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def run(self, path: Path, attach: Attach | None = None, look: Look | None = None) -> Ran:
        ran, log, output = Ran(), self.folder / "losses", io.StringIO()
        real = d3wrap.attach

        def save(saved: Any, _: str) -> None:
            frame = sys._getframe(1)
            ran.objects = trained_objects({**frame.f_globals, **frame.f_locals})
            ran.saved, ran.randoms = copied(saved), random_states()
            if look is not None:
                look(ran)

        def stepped(optimizer: Optimizer, *_: Any) -> None:
            ran.steps[optimizer] = ran.steps.get(optimizer, 0) + 1
            key = shapes_of(optimizer)
            if key not in ran.first_gradients:
                ran.first_gradients[key] = copied([p.grad for p in parameters_of(optimizer)])
                ran.first_parameters[key] = copied(parameters_of(optimizer))

        argv = [str(path), *self.arguments, "--manualSeed", "5", "--log", str(log), "--outf", "networks.pt"]
        random.seed(0), np.random.seed(0)  # noqa: NPY002 - not every script seeds them
        hook = register_optimizer_step_post_hook(stepped)
        try:
            with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
                patch.setattr(sys, "argv", argv)
                patch.setattr(sys, "path", [str(FOREIGN), *sys.path])
                patch.setattr(d3wrap, "attach", lambda *a, **k: attach(real, ran, *a, **k) if attach else None)
                patch.setattr(torch, "save", save)
                exec(compile(path.read_text(), str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
        finally:
            hook.remove()
            sys.modules.pop("util", None)
        ran.output, ran.losses = output.getvalue(), log.read_text().splitlines()
        return ran

    # --- what is looked at

    @staticmethod
    def same(a: Any, b: Any) -> bool:
        return same(a, b)

    @staticmethod
    def bits(ran: Ran) -> Any:
        """Return every number that belongs to the script's objects, and the random streams."""
        states = [copied(one.state_dict()) for one in ran.objects.values()]
        gradients = [copied(p.grad) for one in ran.objects.values() for p in parameters_of(one)]
        return [states, gradients, *random_states()]

    @staticmethod
    def anatomy(ran: Ran) -> Any:
        """Return what the script's objects are made of, but for the numbers in them."""
        everywhere = {
            n: len(v) for n, v in vars(nn.modules.module).items() if n.startswith("_global_") and "hooks" in n
        }
        optimizers = {n: optimizer_build(one) for n, one in ran.objects.items() if isinstance(one, Optimizer)}
        networks = {n: network_build(one) for n, one in ran.objects.items() if isinstance(one, nn.Module)}
        return {"networks": networks, "optimizers": optimizers, "everywhere": everywhere}


def trained_objects(names: Mapping[str, Any]) -> dict[str, nn.Module | Optimizer]:
    """Return the networks and optimizers among named objects and among the attributes of these networks."""
    found = {}
    for name, one in sorted(names.items()):
        if isinstance(one, nn.Module | Optimizer):
            found[name] = one
            found |= {f"{name}.{n}": v for n, v in sorted(vars(one).items()) if isinstance(v, Optimizer)}
    return found


def optimizer_build(one: Optimizer) -> Any:
    groups = [{k: v for k, v in group.items() if k != "params"} for group in one.param_groups]
    return [names_of(type(one)), hooks_of(one), sorted(vars(one)), groups, shapes_of(one)]


def network_build(one: nn.Module) -> Any:
    modules = [
        [name, names_of(type(m)), m.forward == type(m).forward.__get__(m), sorted(vars(m)), hooks_of(m), m.training]
        for name, m in one.named_modules()
    ]
    flags = {name: (p.requires_grad, type(p).__name__) for name, p in one.named_parameters()}
    return [modules, flags, list(one.state_dict())]


def names_of(kind: type) -> list[str]:
    return [base.__qualname__ for base in kind.__mro__]


def hooks_of(one: object) -> dict[str, int]:
    return {name: len(value) for name, value in vars(one).items() if "hooks" in name and isinstance(value, dict)}


def parameters_of(one: nn.Module | Optimizer) -> list[nn.Parameter]:
    if isinstance(one, Optimizer):
        return [p for group in one.param_groups for p in group["params"]]
    return list(one.parameters())


def shapes_of(optimizer: Optimizer) -> tuple[torch.Size, ...]:
    return tuple(p.shape for p in parameters_of(optimizer))


def random_states() -> tuple[Any, ...]:
    return torch.get_rng_state(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


def copied(value: Any) -> Any:
    """Return a copy of nested dictionaries and lists of tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value


def same(a: Any, b: Any) -> bool:
    """Tell whether nested dictionaries and lists of tensors are equal in every bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.fixture(scope="session")
def foreign() -> Path:
    return FOREIGN


@pytest.fixture(scope="session")
def kept() -> dict[str, Ran]:
    return {}


@pytest.fixture(params=SIXTY_STEPS)
def pair(request, tmp_path, kept) -> Pair:
    """Give each of the four pairs of scripts, with arguments for 60 steps of small networks."""
    name = request.param
    return Pair(name, SIXTY_STEPS[name].split(), tmp_path, kept)
