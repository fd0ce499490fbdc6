"""An objective of one's own: it is registered, weighted and blocked like ID²SD and O²DBD."""

from collections.abc import Callable, Mapping

from torch import Tensor

import d3wrap
from d3wrap.batch import D3Batch
from d3wrap.manager import load_plugins
from d3wrap.specs import ObjectiveContext, ObjectiveSpec


class Spread:
    """Term ``variance``: generated features of a batch should vary as much as real ones."""

    @d3wrap.hookimpl
    def on_batch(self, batch: D3Batch) -> Mapping[str, Tensor]:
        """Return ``variance``."""
        real, generated = batch.features[: batch.num_real], batch.features[batch.num_real :]
        return {"variance": (generated.var(0) - real.var(0)).square().mean()}


class SpreadPlugin:
    """What an entry point ``spread = my_package.spread`` would name: a module or an object like this one."""

    @d3wrap.hookimpl
    def register_objectives(self, register: Callable[[ObjectiveSpec], None]) -> None:
        """Register the objective ``spread``."""
        register(ObjectiveSpec("spread", "generated features vary as real ones do", self.build, ("variance",)))

    def build(self, context: ObjectiveContext) -> Spread:
        """Build the objective."""
        return Spread()


if __name__ == "__main__":
    dataset = d3wrap.load_dataset("digits")
    plugins = load_plugins(extra={"spread": SpreadPlugin()})
    generator = d3wrap.build_generator("clswgan", dataset, plugins=plugins)
    d3 = d3wrap.enhance(generator, dataset, plugins=plugins)
    print(d3.fit(steps=200, on_log=lambda record: print(record.step, record.losses["spread/variance"])).evaluate())
