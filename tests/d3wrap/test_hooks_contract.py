"""Every hook is registered here as a stranger would, and called as d3wrap calls it."""

import pytest
import torch

from d3wrap.batch import ClassifierStep
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins
from d3wrap.plugin_hooks import HOOKS
from d3wrap.specs import AdapterSpec, BackboneSettings, EncoderSettings, EncoderSpec, GeneratorSpec, ObjectiveSpec

ENVIRONMENT = {"D3WRAP_PLUGINS": "gan"}


class Stranger:
    """Implements every hook with every argument and keeps what it was given."""

    generator = GeneratorSpec("g", "", "", "", BackboneSettings, {"small": BackboneSettings()}, dict)
    adapter = AdapterSpec("a", "", bool, dict)
    objective = ObjectiveSpec("o", "", dict)
    encoder = EncoderSpec("e", "", "", EncoderSettings, dict)

    def __init__(self):
        self.given = {}

    @hookimpl
    def register_generators(self, register):
        register(self.generator)

    @hookimpl
    def register_adapters(self, register):
        register(self.adapter)

    @hookimpl
    def register_objectives(self, register):
        register(self.objective)

    @hookimpl
    def register_encoders(self, register):
        register(self.encoder)

    @hookimpl
    def on_generate(self, features, labels, semantics):
        self.given.update(features=features, labels=labels, semantics=semantics)
        return features + 1

    @hookimpl
    def on_batch(self, batch):
        self.given.update(batch=batch)
        return {"loss": torch.tensor(1.0)}

    @hookimpl
    def on_classifier_step(self, step):
        self.given.update(step=step)
        return {"loss": torch.tensor(2.0)}

    @hookimpl
    def on_run_start(self, run):
        self.given.update(run=run)

    @hookimpl
    def on_log(self, run, record):
        self.given.update(run=run, record=record)

    @hookimpl
    def on_run_end(self, run, results):
        self.given.update(run=run, results=results)


def registered(kind):
    plugins = load_plugins(environ=ENVIRONMENT, extra={"stranger": Stranger()})
    assert getattr(plugins, kind)(getattr(Stranger, kind).name) is getattr(Stranger, kind)


def called_in_the_loop(hook, **arguments):
    stranger = Stranger()
    (found,) = load_plugins(environ=ENVIRONMENT, extra={"stranger": stranger}).freeze(hook)(**arguments)
    assert stranger.given.keys() == arguments.keys()
    assert all(stranger.given[name] is value for name, value in arguments.items())
    assert found[0] == "stranger"
    return found[1]


def on_generate():
    arguments = {"features": torch.zeros(2, 3), "labels": torch.arange(2), "semantics": torch.rand(2, 4)}
    assert torch.equal(called_in_the_loop("on_generate", **arguments), torch.ones(2, 3))


def on_batch():
    assert called_in_the_loop("on_batch", batch=object()) == {"loss": 1.0}


def on_classifier_step():
    step = ClassifierStep("softmax", torch.rand(1, 2), torch.arange(1), torch.rand(1, 3))
    assert called_in_the_loop("on_classifier_step", step=step) == {"loss": 2.0}


def told(hook, **arguments):
    stranger = Stranger()
    load_plugins(environ=ENVIRONMENT, extra={"stranger": stranger}).freeze(hook)(**arguments)
    assert stranger.given == arguments


EXERCISED = {
    "register_generators": lambda: registered("generator"),
    "register_adapters": lambda: registered("adapter"),
    "register_objectives": lambda: registered("objective"),
    "register_encoders": lambda: registered("encoder"),
    "on_generate": on_generate,
    "on_batch": on_batch,
    "on_classifier_step": on_classifier_step,
    "on_run_start": lambda: told("on_run_start", run=object()),
    "on_log": lambda: told("on_log", run=object(), record=object()),
    "on_run_end": lambda: told("on_run_end", run=object(), results=()),
}


def test_every_hook_is_exercised():
    assert EXERCISED.keys() == HOOKS.keys()


@pytest.mark.parametrize("hook", EXERCISED)
def test_a_stranger_s_hook_is_called(hook):
    EXERCISED[hook]()
