"""The hooks of training and of runs as they are called: collected once, sorted, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

from d3wrap.errors import PluginError
from d3wrap.plugin_hooks import Implementation


class FrozenHook:
    """All implementations of one hook, in an order that does not depend on registration.

    They run by name, those marked ``tryfirst`` before and ``trylast`` after the others. A call costs no more than
    the functions themselves and a check of what they return that never waits for the device. Raises
    :class:`PluginError` naming plugin and hook where one raises or returns something else than the hook asks for.
    """

    def __init__(self, name: str, found: Iterable[Implementation]) -> None:
        self.name = name
        self._implementations = tuple(sorted(found, key=lambda one: one.order))
        for plugin in self.plugins:
            if self.plugins.count(plugin) > 1:
                raise PluginError(f"hook {name} is implemented by two plugins called {plugin!r}; rename one")

    @property
    def plugins(self) -> tuple[str, ...]:
        """Names of the plugins, in the order they are called."""
        return tuple(one.plugin for one in self._implementations)

    def __call__(self, **arguments: Any) -> list[tuple[str, Any]]:
        """Call every implementation; return ``(plugin, result)`` of those that returned something."""
        results = ((one.plugin, self._result(one, arguments)) for one in self._implementations)
        return [(plugin, result) for plugin, result in results if result is not None]

    def chain(self, features: Tensor, **arguments: Any) -> Tensor:
        """Call every implementation of ``on_generate`` with the features the one before returned."""
        for one in self._implementations:
            result = self._result(one, {"features": features, **arguments})
            if result is not None:
                features = result
        return features

    def _result(self, one: Implementation, arguments: Mapping[str, Any]) -> Any:
        result = one.call(arguments)
        if result is not None and (fault := RESULTS[self.name](result, arguments)):
            raise one.error(fault)
        return result


def _features(result: object, arguments: Mapping[str, Any]) -> str | None:
    features = arguments["features"]
    if not isinstance(result, Tensor):
        return f"must return a Tensor or None, returned {type(result).__name__}"
    if result.shape != features.shape or result.dtype != features.dtype:
        wanted, found = (f"{tuple(x.shape)} {x.dtype}" for x in (features, result))
        return f"must keep shape and dtype {wanted}, returned {found}"
    return None


def _losses(result: object, _: Mapping[str, Any]) -> str | None:
    if not isinstance(result, Mapping):
        return f"must return a mapping of names to scalar tensors or None, returned {type(result).__name__}"
    for name, value in result.items():
        if not isinstance(name, str):
            return f"must name its losses with text, found {name!r}"
        if not isinstance(value, Tensor) or value.ndim or not value.is_floating_point():
            found = f"shape {tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            return f"loss {name!r} must be a floating-point tensor of shape (), found {found}"
    return None


def _nothing(result: object, _: Mapping[str, Any]) -> str | None:
    return f"must return nothing, returned {type(result).__name__}"


RESULTS: Mapping[str, Callable[[object, Mapping[str, Any]], str | None]] = {
    "on_batch": _losses,
    "on_classifier_step": _losses,
    "on_generate": _features,
    "on_log": _nothing,
    "on_run_end": _nothing,
    "on_run_start": _nothing,
}
"""What is wrong with a result that is not ``None``, for each hook that is called after plugins are loaded."""
