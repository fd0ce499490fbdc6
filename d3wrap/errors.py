"""The errors d3wrap raises on purpose: every one says what was found, what was expected and what to do."""

import difflib
from collections.abc import Iterable


class D3WrapError(Exception):
    """Base of every error d3wrap raises on purpose; catching it catches them all."""


class DataError(D3WrapError):
    """A dataset file or array is missing, malformed or contradicts itself."""


class ConfigError(D3WrapError):
    """A setting is unknown, of the wrong type or out of range."""


class PluginError(D3WrapError):
    """A plugin is missing, broken, registered twice, or raised inside a hook."""


class ShapeError(D3WrapError):
    """A network's input or output does not have the size it must have."""


class ProtocolError(D3WrapError):
    """Test data were asked for before everything was chosen, or a second time."""


class TrainingError(D3WrapError):
    """Training cannot go on, e.g. a loss is no longer finite."""


class MissingExtraError(D3WrapError, ImportError):
    """An optional dependency is not installed; the message holds the line to type."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'd3wrap[{extra}]'")


class D3WrapWarning(UserWarning):
    """Something was left out and the work goes on; the message says what and why."""


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest known one, and all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(found, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(names) or 'none'})"
