"""The block within which shims are applied."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from d3wrap.compat.patches import Patches
from d3wrap.compat.shim import Shim
from d3wrap.compat.shims import SHIMS
from d3wrap.compat.target import choose_target, set_target, target
from d3wrap.errors import ConfigError, D3WrapWarning, did_you_mean


@dataclass
class _Active:
    """A shim that is applied, and the number of blocks that want it so."""

    patches: Patches
    blocks: int = 1


_active: dict[str, _Active] = {}
_lock = threading.RLock()


@contextmanager
def compatible(
    names: Iterable[str] | str | None = None, *, device: str | torch.device | None = None
) -> Iterator[tuple[str, ...]]:
    """Apply shims within the block, to the whole process, and undo them exactly at its end, also where it raises.

    ``names`` are keys of :data:`SHIMS` (a text is split at commas), ``None`` is all of them. ``device`` stands for
    CUDA; without it the shim ``cuda`` maps to the CPU where there is no CUDA, and changes nothing where there is. A
    shim whose package is not installed does nothing, with a warning where it was named. Blocks may be nested: a shim
    is undone with the last block that applied it. Gives the names of the shims in place.

    Raises :class:`~d3wrap.errors.ConfigError` for an unknown name or device.
    """
    chosen = choose(names)
    goal = choose_target(device)
    in_place = [shim for shim in chosen if usable(shim, goal, named=names is not None)]
    with ExitStack() as stack:
        for shim in in_place:
            enter(shim, goal)
            stack.callback(leave, shim)
        yield tuple(shim.name for shim in in_place)


def choose(names: Iterable[str] | str | None) -> list[Shim]:
    """Return the shims of these names, each once, in the order of :data:`SHIMS`."""
    if names is None:
        return list(SHIMS.values())
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for name in listed:
        if name not in SHIMS:
            raise ConfigError(f"compat: no shim is called {name!r}{did_you_mean(str(name), SHIMS)}")
    return [shim for name, shim in SHIMS.items() if name in listed]


def usable(shim: Shim, goal: torch.device | None, *, named: bool) -> bool:
    """Tell whether a shim has anything to do here; warn of a package that is missing where the shim was asked for."""
    if not shim.possible and named:
        warnings.warn(
            f"compat: the shim {shim.name!r} does nothing, {shim.package} is not installed: pip install {shim.package}",
            D3WrapWarning,
            stacklevel=4,
        )
    return shim.possible and (shim.name != "cuda" or goal is not None)


def enter(shim: Shim, goal: torch.device | None) -> None:
    """Apply a shim, or count one block more where it is applied already."""
    with _lock:
        if shim.name == "cuda" and shim.name in _active and target() != goal:
            raise ConfigError(f"device: CUDA is mapped to {target()} by a block around this one, not to {goal}")
        if shim.name in _active:
            _active[shim.name].blocks += 1
            return
        patches = Patches()
        try:
            shim.apply(patches)
        except BaseException:
            patches.undo()
            raise
        if shim.name == "cuda":
            set_target(goal)
        _active[shim.name] = _Active(patches)


def leave(shim: Shim) -> None:
    """Undo a shim with the last block that applied it."""
    with _lock:
        state = _active[shim.name]
        state.blocks -= 1
        if state.blocks == 0:
            del _active[shim.name]
            if shim.name == "cuda":
                set_target(None)
            state.patches.undo()
