"""Present a script's own way to generate features as a generator."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from d3wrap.attaching.isolation import isolated
from d3wrap.errors import ShapeError
from d3wrap.outputs import Output, features_in
from d3wrap.seeds import derive

Sample = Callable[..., object]
"""``sample(semantics [n, k])`` or ``sample(semantics, classes=[n])`` gives features ``[n, d]``, with gradients."""


class Sampler:
    """A :class:`~d3wrap.generator.Generator` whose ``generate`` is a function of a script.

    ``table`` gives the semantics of all classes ``[C, k]``, each time as they are then. ``networks`` are those known to
    be used; whatever the function calls is added. ``like`` is a tensor on the device and of the type that features are
    to have. No call leaves a trace in random streams or buffers.
    """

    def __init__(
        self,
        sample: Sample,
        table: Callable[[], Tensor],
        like: Tensor,
        *,
        networks: Iterable[nn.Module] = (),
        output: Output | None = None,
        encode: Callable[[Tensor], object] | None = None,
        seed: int = 0,
        move_buffers: bool = False,
    ) -> None:
        self._sample, self._table, self._like, self._output, self._seed = sample, table, like, output, seed
        self._networks = dict.fromkeys(networks)
        self._move_buffers = move_buffers
        self._gives_classes = _takes_classes(sample)
        self._encoder, self._encoded = encode, 0
        self.encodes_generated = False
        """Whether what the function gives is taken to the space of the classifier by ``encode``, as real features."""
        if encode is not None:
            self.encode = self._encode

    def modules(self) -> Iterator[nn.Module]:
        """Return the networks that the function uses, and all inside them."""
        return iter({module: None for network in self._networks for module in network.modules()})

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return their parameters."""
        return iter({p: None for network in self._networks for p in network.parameters()})

    def generate(self, semantics: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one sample for each row: ``[n, k]`` → ``[n, e]``, in the space of the classifier."""
        return self._generate(semantics, None, rng)

    def generate_for(self, labels: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Generate one sample for each class id: ``[n]`` → ``[n, e]``."""
        return self._generate(self._rows(labels), labels, rng)

    def sampled(self, labels: Tensor, seed: int) -> Tensor:
        """Generate one sample for each class id, of whatever type and size the function gives: ``[n]`` → ``[n, d]``.

        Raises :class:`~d3wrap.errors.ShapeError` where it does not give one vector for each row.
        """
        with self._isolated(seed):
            return self._features(self._rows(labels), labels)

    def _rows(self, labels: Tensor) -> Tensor:
        return self._table().to(self._like)[labels]

    def _generate(self, semantics: Tensor, labels: Tensor | None, rng: torch.Generator | None) -> Tensor:
        with self._isolated(_seed(rng)):
            features = self._features(semantics, labels)
            if self.encodes_generated and self._encoder is not None:
                features = _vectors(self._encoder(features), "encode", len(features))
        return features.to(self._like)

    def _features(self, semantics: Tensor, labels: Tensor | None) -> Tensor:
        more = {"classes": labels} if self._gives_classes else {}
        features = features_in(self._sample(semantics, **more), self._output, "sample")
        if isinstance(features, Tensor) and features.ndim > 2 and set(features.shape[2:]) == {1}:
            features = features.flatten(1)
        return _vectors(features, "sample", len(semantics))

    def _encode(self, features: Tensor) -> Tensor:
        """Take real features to the space of the classifier."""
        assert self._encoder is not None
        self._encoded += 1
        with self._isolated(derive(self._seed, f"encode/{self._encoded}")):
            return _vectors(self._encoder(features), "encode", len(features)).to(self._like)

    @contextlib.contextmanager
    def _isolated(self, seed: int) -> Iterator[None]:
        with isolated(seed, "sample", self._like.device, move_buffers=self._move_buffers) as called:
            yield
        known = set(self.modules())
        self._networks |= {module: None for module in called if module not in known}


def _seed(rng: torch.Generator | None) -> int:
    """Return a seed off ``rng``, which moves; without waiting for a GPU."""
    if rng is not None and rng.device.type == "cuda":
        offset = rng.get_offset()
        rng.set_offset(offset + 4)
        return derive(rng.initial_seed(), str(offset))
    return int(torch.empty((), dtype=torch.int64).random_(generator=rng))


def _takes_classes(sample: Sample) -> bool:
    try:
        return "classes" in inspect.signature(sample).parameters
    except (TypeError, ValueError):
        return False


def _vectors(found: object, name: str, rows: int) -> Tensor:
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != rows:
        size = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ShapeError(f"{name} gave {size} for {rows} rows; expected a tensor [{rows}, d], one row each")
    return found
