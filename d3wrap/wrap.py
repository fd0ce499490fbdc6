"""Get a generator: adapt a foreign network, or build a registered one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from torch import nn

from d3wrap.config import Override, apply_overrides
from d3wrap.data.dataset import GZSLDataset
from d3wrap.errors import ConfigError, PluginError, did_you_mean
from d3wrap.generator import Backbone
from d3wrap.manager import Plugins, load_plugins
from d3wrap.seeds import initialising
from d3wrap.specs import BackboneSettings


class Adapted(Protocol):
    """A foreign network that becomes a backbone once it knows the dataset."""

    def bind(self, dataset: GZSLDataset) -> Backbone:
        """Return the backbone for a dataset; raises ``ShapeError`` where network and dataset do not fit."""
        ...


def adapt(network: nn.Module, *, adapter: str | None = None, plugins: Plugins | None = None, **options: Any) -> Adapted:
    """Present a foreign generator network as one that d3wrap can train.

    ``adapter`` names the adapter (see ``d3wrap plugins list``); by default the only one that accepts the network.
    ``options`` are the adapter's, e.g. ``noise_dim=312`` for ``gan``. Raises ``PluginError`` where no adapter or more
    than one accepts it, ``ConfigError`` for an option it does not have or cannot do without.
    """
    plugins = plugins if plugins is not None else load_plugins()
    if adapter is None:
        fitting = [name for name, spec in plugins.adapters.items() if spec.accepts(network)]
        if len(fitting) != 1:
            raise PluginError(
                f"{len(fitting)} adapters accept a {type(network).__name__} ({', '.join(fitting) or 'none'} of "
                f"{', '.join(plugins.adapters) or 'none installed'}): name one with adapter=..."
            )
        adapter = fitting[0]
    build = plugins.adapter(adapter).build
    _require_options(adapter, build, options)
    try:
        adapted: Adapted = build(network, **options)
    except TypeError as error:
        raise ConfigError(f"adapter {adapter!r}: {error}") from error
    return adapted


def _require_options(adapter: str, build: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Raise :class:`~d3wrap.errors.ConfigError` for an option that the adapter cannot do without."""
    taken = list(inspect.signature(build).parameters.values())[1:]  # the first is the network
    for one in taken:
        if one.kind is one.KEYWORD_ONLY and one.default is one.empty and one.name not in options:
            given = [name for name in options if all(name != other.name for other in taken)]
            found = f", found {', '.join(given)}" if given else ""
            raise ConfigError(f"adapter {adapter!r} needs {one.name}: adapt(network, {one.name}=…){found}")


def resolve_settings(
    name: str,
    preset: str,
    settings: Mapping[str, Any] | Sequence[Override],
    plugins: Plugins,
    dataset: GZSLDataset | None = None,
) -> BackboneSettings:
    """Return the settings of a registered generator: its preset with some fields changed.

    Of a preset ``paper`` and one ``paper/CUB`` the second is taken for a dataset named CUB (in any case of letters).
    """
    presets = plugins.generator(name).presets
    if preset not in presets:
        raise ConfigError(f"generator {name!r} has no preset {preset!r}{did_you_mean(preset, presets)}")
    wanted = "" if dataset is None else f"{preset}/{dataset.name}".lower()
    chosen = next((one for one in presets if one.lower() == wanted), preset)
    return apply_overrides(presets[chosen], settings)


def build_generator(
    name: str,
    dataset: GZSLDataset,
    *,
    preset: str = "small",
    settings: Mapping[str, Any] | Sequence[Override] = (),
    seed: int = 0,
    plugins: Plugins | None = None,
) -> Backbone:
    """Build a registered generator for ``dataset``, on its device and in its dtype.

    ``settings`` change fields of the preset, which may have a form of its own for the dataset; see
    :func:`resolve_settings`. Initial weights depend on ``seed`` alone. Raises ``PluginError`` for an unknown generator,
    ``ConfigError`` for an unknown preset or setting.
    """
    plugins = plugins if plugins is not None else load_plugins()
    chosen = resolve_settings(name, preset, settings, plugins, dataset)
    with initialising(seed, "generator"):
        backbone = plugins.generator(name).build(dataset, chosen)
    backbone.settings = chosen
    return backbone.to(dataset.features)
