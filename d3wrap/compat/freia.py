"""FrEIA's graph of reversible nodes as it was until February 2021."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import torch
from torch import Tensor

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim

SCALED_CLAMP = ("GINCouplingBlock", "GLOWCouplingBlock")
"""Blocks whose clamping was κ·0.636·atan(s/κ), and is κ·0.636·atan(s) now; the same for κ = 1."""
OLD_CLAMP = 5.0
"""κ where a node named none; 2 now."""


class OldClamp:
    """The activation 0.636·atan(u/κ); a class, so that networks holding it can be copied and stored."""

    def __init__(self, clamp: float) -> None:
        self.clamp = clamp

    def __call__(self, u: Tensor) -> Tensor:
        """Return the activation."""
        return 0.636 * torch.atan(u / self.clamp)


def restore_clamp(node: Any) -> None:
    """Give a coupling block the clamping it had, where its node says nothing that only newer versions understand."""
    block, stated = node.module, getattr(node, "module_args", {})
    if not hasattr(block, "f_clamp") or "clamp_activation" in stated:
        return
    if "clamp" not in stated:
        block.clamp = OLD_CLAMP
    if type(block).__name__ in SCALED_CLAMP:
        block.f_clamp = OldClamp(block.clamp)


def by_node(outputs: dict[tuple[Any, int], Tensor]) -> dict[str, list[Tensor]]:
    """Return the outputs of each node that has a module, by its name."""
    listed: dict[str, list[Tensor]] = {}
    for (node, _), value in outputs.items():
        if node.module is not None:
            listed.setdefault(node.name, []).append(value)
    return listed


@cache
def old_graph(graph: type[Any]) -> type[Any]:
    """Return the old ``ReversibleGraphNet`` made of today's ``GraphINN``.

    Its call gives the output alone, and the logarithm of the Jacobian's determinant is asked for afterwards. Called
    with ``jac=``, as only newer versions were, it gives both.
    """

    class ReversibleGraphNet(graph):
        """An invertible network whose call returns the output only."""

        def __init__(self, node_list: Any, ind_in: Any = None, ind_out: Any = None, verbose: bool = True) -> None:
            super().__init__(node_list, verbose=verbose)
            self.last_jacobian: Tensor | None = None
            for node in node_list:
                restore_clamp(node)

        def forward(
            self, x: Any, c: Any = None, rev: bool = False, intermediate_outputs: bool = False, jac: bool | None = None
        ) -> Any:
            """Return the output of the forward or reverse pass."""
            if jac is not None:
                return super().forward(x, c, rev, jac, intermediate_outputs)
            if intermediate_outputs:
                outputs, _ = super().forward(x, c, rev, True, True)
                return by_node(outputs)
            output, self.last_jacobian = super().forward(x, c, rev, True)
            return list(output) if isinstance(output, tuple) else output

        def log_jacobian(self, x: Any = None, c: Any = None, rev: bool = False, run_forward: bool = True) -> Tensor:
            """Return log|det J| ``[n]`` of the last call, or of one made here on ``x``."""
            if run_forward:
                if x is None:
                    raise RuntimeError("log_jacobian needs an input x, or run_forward=False after a forward pass")
                self(x, c, rev=rev)
            if self.last_jacobian is None:
                raise RuntimeError("log_jacobian(run_forward=False) needs a forward pass first")
            return self.last_jacobian

        def __getstate__(self) -> dict[str, Any]:
            """Leave out the last result, which is part of a graph and cannot be copied."""
            return {**self.__dict__, "last_jacobian": None}

    return ReversibleGraphNet


def apply(patches: Patches) -> None:
    """Put the old graph where scripts look for it."""
    framework = importlib.import_module("FrEIA.framework")
    patches.put(framework, "ReversibleGraphNet", old_graph(framework.GraphINN))


SHIM = Shim(
    name="freia",
    summary="FrEIA's `Ff.ReversibleGraphNet`, whose call returns the output alone, with "
    "`.log_jacobian(run_forward=False)`, and the clamping its coupling blocks had; not for scripts that write "
    "`z, jac = net(x)`",
    gone="FrEIA of February 2021",
    apply=apply,
    package="FrEIA",
)
