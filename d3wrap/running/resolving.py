"""Find everything a plan names in a script's scope, or say what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.optim import Optimizer

from d3wrap.running.names import Name
from d3wrap.running.plan import Plan
from d3wrap.running.scope import Missing, Scope


@dataclass(frozen=True)
class Objects:
    """What a plan's names stand for: the objects by first word, and the optimizers that D³ goes to."""

    roots: Mapping[str, Any]
    optimizers: tuple[Optimizer, ...]

    def of(self, name: Name) -> Any:
        """Return the object that a name means."""
        return name.of(self.roots[name.root])


def resolve(plan: Plan, scope: Scope, stepping: Optimizer) -> Objects | list[Missing]:
    """Return what the plan's names stand for where the script is now, or the names that are not there.

    ``stepping`` is the optimizer whose step is about to be made; it is taken where the plan names none and it holds
    parameters of what generates. Where an inner function happens to use the same names for other things (its own
    ``optimizer``), callers are tried in turn.
    """
    first: list[Missing] | None = None
    for here in scope.outward():
        roots, missing = here.resolve(plan.names)
        if not missing:
            objects = Objects(roots, ())
            found = _optimizers(plan, objects, stepping)
            if not isinstance(found, Missing):
                return Objects(roots, found)
            missing = [found]
        first = missing if first is None else first
    return first or []


def _optimizers(plan: Plan, objects: Objects, stepping: Optimizer) -> tuple[Optimizer, ...] | Missing:
    """Return the optimizers that D³ goes to, or what is wrong with those that are here."""
    networks = list(_networks(plan, objects))
    if not plan.optimizer:
        if not networks or holds(stepping, networks):
            return (stepping,)
        first = next(iter(_generating(plan)))
        return Missing(first, "no optimizer that made a step holds parameters of it: give optimizer: NAME")
    optimizers: list[Optimizer] = []
    for name in plan.optimizer:
        value = objects.of(name)
        for one in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(one, Optimizer):
                return Missing(name, f"it is a {type(one).__name__}, and not an optimizer of torch")
            optimizers.append(one)
    if networks and not any(holds(one, networks) for one in optimizers):
        return Missing(plan.optimizer[0], "it holds no parameter of what generates")
    return tuple(optimizers)


def holds(optimizer: Optimizer, networks: Iterable[nn.Module]) -> bool:
    """Say whether an optimizer holds a parameter of any of the networks."""
    own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return any(id(parameter) in own for network in networks for parameter in network.parameters())


def _networks(plan: Plan, objects: Objects) -> Iterator[nn.Module]:
    """Yield the networks with parameters that the generator's name leads through, e.g. that of ``model.decode``.

    Where no generator is named, those of the sample's lines. Networks that keep their parameters out of torch's sight
    (in a plain dict) are left out: their optimizer cannot be told by them.
    """
    for name in _generating(plan):
        for length in range(len(name.steps) + 1):
            value = Name(name.text, name.root, name.steps[:length], name.where).of(objects.roots[name.root])
            if isinstance(value, nn.Module) and next(value.parameters(), None) is not None:
                yield value


def _generating(plan: Plan) -> Sequence[Name]:
    return [plan.generator] if plan.generator else plan.sample.names if plan.sample else ()
