"""Where generated features come from: a script's network, or a function around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor, nn

from d3wrap.attaching.calling import Given, find_calling, unknown
from d3wrap.attaching.modules import modules_in, unwrapped
from d3wrap.attaching.sampling import Sample
from d3wrap.attaching.watching import Watch
from d3wrap.errors import ConfigError
from d3wrap.outputs import Output


@dataclass(frozen=True)
class Source:
    """A bare ``network`` whose convention is ``given`` or to be found out, or a function ``sample``, or both.

    ``table`` gives the semantics that both are called with, as they are at the time.
    """

    network: nn.Module | None
    sample: Sample | None
    table: Callable[[], Tensor]
    given: Given = field(default_factory=Given)
    output: Output | None = None
    encode: Callable[[Tensor], object] | None = None
    encode_generated: bool | None = None
    move_buffers: bool = False

    def __post_init__(self) -> None:
        for name in ("sample", "encode"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigError(f"{name}: expected a function, found a {type(value).__name__}")
        if self.sample is not None and self.given != Given():
            raise ConfigError("sample= calls the network by itself: leave order=, noise_dim=, noise= and call= out")

    @property
    def networks(self) -> list[nn.Module]:
        """The networks that are known to be used, without calling anything."""
        own = [] if self.network is None else [self.network]
        return list(dict.fromkeys([*own, *modules_in(self.sample), *modules_in(self.encode)]))

    @property
    def name(self) -> str:
        """What is sampled, in words."""
        if self.network is not None:
            return type(unwrapped(self.network)).__name__
        networks = ", ".join(type(unwrapped(network)).__name__ for network in modules_in(self.sample))
        return f"{_name(self.sample)}{f' of {networks}' if networks else ''}"

    def find(self, watch: Watch, *, last_call: bool) -> tuple[Sample, str] | None:
        """Return the function to sample with and how it is known; ``None`` where a call of the script may still tell.

        On the ``last_call`` that is an error, as is a convention that cannot be known.
        """
        if self.sample is not None:
            return self.sample, f"{_name(self.sample)}(semantics), as given"
        assert self.network is not None
        calling = find_calling(self.network, self.given, watch)
        if calling is None and last_call:
            raise unknown(self.network, self.given, watch)
        return None if calling is None else (calling, str(calling))


def _name(function: object) -> str:
    name = getattr(function, "__qualname__", type(function).__name__)
    return "sample" if "<lambda>" in name else name.rpartition("<locals>.")[2]
