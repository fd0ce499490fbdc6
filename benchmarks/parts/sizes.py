"""The sizes measured at."""

from __future__ import annotations

from dataclasses import dataclass

import d3wrap
from d3wrap.data import GZSLDataset
from d3wrap.manager import Plugins, load_plugins


@dataclass(frozen=True)
class Sizes:
    """How large everything is; the defaults are those of the papers."""

    feature_dim: int = 2048
    semantic_dim: int = 312
    num_classes: int = 200
    num_unseen: int = 50
    embedding_dim: int = 2048
    """Width of teacher and student in the single D³ step."""
    real: int = 256
    per_class: int = 5
    """Real features, and generated ones per unseen class, in the single D³ step."""
    hidden: int = 4096
    batch_size: int = 64
    critic_steps: int = 5
    """f-CLSWGAN in training."""
    hook_calls: int = 20_000

    def dataset(self) -> GZSLDataset:
        """Return a made-up dataset of these sizes, with enough training rows for the D³ step."""
        seen = self.num_classes - self.num_unseen
        return d3wrap.synthetic(
            num_classes=self.num_classes,
            num_unseen=self.num_unseen,
            feature_dim=self.feature_dim,
            semantic_dim=self.semantic_dim,
            samples_per_class=-(-self.real // seen) + 1,  # at least one row of a class is held out
        )


PAPER = Sizes()
SMALL = Sizes(24, 6, 8, 3, 16, 10, 2, hidden=32, batch_size=8, critic_steps=2, hook_calls=500)


def own_plugins() -> Plugins:
    """Load D³'s objectives and the generator of :class:`Sizes`, whatever else is installed."""
    return load_plugins(environ={"D3WRAP_PLUGINS": "classify,id2sd,o2dbd,clswgan"})
