"""Attach D³ to a running script, at the first optimizer step where everything the plan names is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Literal
from weakref import WeakSet

from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

import d3wrap
from d3wrap.errors import D3WrapError
from d3wrap.running.attaching import attach_arguments
from d3wrap.running.inventory import Inventory, near_names
from d3wrap.running.own_code import OwnCode
from d3wrap.running.plan import Plan
from d3wrap.running.resolving import Objects, resolve
from d3wrap.running.scope import Missing, Scope, scope_of

Arm = Literal["baseline", "enhanced"]
SEVERAL = 4
"""Scopes of different optimizers' steps that are kept in words, to say what was there when names were not found."""


class Session:
    """Watches every torch optimizer of the process until it has attached D³; use as a context manager.

    ``main`` are the script's globals. ``tell`` takes one line of text for the user. ``report`` is handed to
    :func:`d3wrap.attach`. With ``arm="baseline"`` the handle is paused at once, so that the script trains as it would
    alone. ``handle`` is what ``attach`` gave, or None.
    """

    def __init__(
        self,
        plan: Plan,
        own: OwnCode,
        main: Mapping[str, Any],
        *,
        arm: Arm = "enhanced",
        tell: Callable[[str], None],
        report: Callable[[Any], None],
    ) -> None:
        self.plan, self.own, self.main, self.arm, self.tell, self.report = plan, own, main, arm, tell, report
        self.handle: d3wrap.Handle | None = None
        self.fault: D3WrapError | None = None
        self.steps = 0
        self._missing: list[Missing] = []
        self._seen: dict[int, Inventory] = {}
        self._busy = False
        self._known: WeakSet[Optimizer] = WeakSet()
        self._trained: set[int] = set()

    def __enter__(self) -> Session:
        self._hook = register_optimizer_step_pre_hook(self._before_step)
        return self

    def __exit__(self, *_: object) -> None:
        """Take the hooks away, and leave the script's objects as attach found them."""
        self._hook.remove()
        if self.handle is not None:
            self.handle.detach()

    def begin(self, optimizer: Optimizer, frame: FrameType) -> None:
        """Try to attach at a step that is being made already, of which the hook was not told."""
        self._before_step(optimizer, frame=frame)

    def _before_step(
        self, optimizer: Optimizer, args: Any = (), kwargs: Any = None, frame: FrameType | None = None
    ) -> None:
        if self._busy:  # a step of a network of ours, while D³ is being attached
            return
        if self.handle is not None:
            self._look_for_another(optimizer)
            return
        if self.fault is not None:  # the script caught it and went on: its training is not what was asked for
            raise self.fault
        self._busy = True
        try:
            self._try(optimizer, frame or sys._getframe(1))
        except D3WrapError as error:
            self.fault = error
            raise
        finally:
            self._busy = False

    def _look_for_another(self, optimizer: Optimizer) -> None:
        """Say, once for each, that an optimizer without D³ trains parameters of one with it."""
        if optimizer not in self._known:
            self._known.add(optimizer)
            if not self._trained.isdisjoint(id(p) for group in optimizer.param_groups for p in group["params"]):
                self.tell(
                    f"at {self.own.place(sys._getframe(2))} another {type(optimizer).__name__} trains parameters that "
                    "D³ is attached to, and its steps are without D³; was the optimizer made anew? See docs/attach.md"
                )

    def _try(self, optimizer: Optimizer, frame: FrameType) -> None:
        self.steps += 1
        scope = scope_of(frame, self.own, self.main)
        found = resolve(self.plan, scope, optimizer)
        if isinstance(found, Objects):
            arguments = attach_arguments(self.plan, found, self.own, self.main)
            self.handle = d3wrap.attach(**arguments, report=self.report)
            if self.arm == "baseline":
                self.handle.pause()
            self._known.update(found.optimizers)
            self._trained = {id(p) for one in found.optimizers for group in one.param_groups for p in group["params"]}
            self.tell(self._attached(found, frame))
            self._seen.clear()
            return
        self._missing = found
        if id(optimizer) not in self._seen and len(self._seen) < SEVERAL:
            self._seen[id(optimizer)] = Inventory.of(scope, optimizer, self.own.place(frame))

    def _attached(self, found: Objects, frame: FrameType) -> str:
        names = ", ".join(name.text for name in self.plan.optimizer)
        kinds = ", ".join(type(one).__name__ for one in found.optimizers)
        goes = f"{names} ({kinds})" if names else kinds
        what = f"D³ goes to {goes}" if self.arm == "enhanced" else f"paused: the script alone trains with {goes}"
        return f"attached at {self.own.place(frame)}; {what}"

    def not_attached(self) -> str:
        """Say why nothing was attached: the names that were not found, what is like them, and what there is."""
        if not self.steps:
            return (
                "D³ was not attached: no optimizer of torch made a step in this process. Did the script train at all "
                "(look at its options), or does it train in other processes?"
            )
        last = Inventory.of(Scope(()), None, "the end")
        seen = [*self._seen.values()] or [last]
        lines = ["D³ was not attached, because these names were not found:"]
        known = {name for inventory in seen for name in inventory.names} | set(self.main)
        for missing in self._missing:
            reason = missing.reason or f"no such name{near_names(missing.name.root, known)}"
            lines.append(f"  {missing.name.text}   ({missing.name.where}): {reason}")
        for place, inventory in enumerate(seen):
            if not any(inventory.same(one) for one in seen[:place]):
                lines += ["", *inventory.lines()]
        lines += ["", "Names are looked up where an optimizer steps; `d3wrap doctor script.py …` proposes a d3.yaml."]
        return "\n".join(lines)
