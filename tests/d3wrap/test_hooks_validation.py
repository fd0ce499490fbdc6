"""What is marked with ``@hookimpl`` but would be skipped or called wrongly is refused."""

import pytest
import torch

from d3wrap.errors import PluginError
from d3wrap.hookspecs import hookimpl
from d3wrap.plugin_hooks import HOOKS, implementations


def plugin(**methods):
    return type("Plugin", (), methods)()


def test_hooks_and_their_arguments_are_known():
    assert HOOKS == {
        "register_generators": ("register",),
        "register_adapters": ("register",),
        "register_objectives": ("register",),
        "register_encoders": ("register",),
        "on_generate": ("features", "labels", "semantics"),
        "on_batch": ("batch",),
        "on_classifier_step": ("step",),
        "on_run_start": ("run",),
        "on_log": ("run", "record"),
        "on_run_end": ("run", "results"),
    }


def test_methods_static_methods_modules_and_networks_can_be_plugins():
    class Objective(torch.nn.Module):
        @hookimpl
        def on_batch(self, batch):
            return self

        @staticmethod
        @hookimpl(tryfirst=True)
        def on_generate(labels):
            return None

    objective = Objective()
    on_batch, on_generate = implementations("mine", objective)
    assert (on_batch.hook, on_batch.arguments, on_batch.rank) == ("on_batch", ("batch",), 0)
    assert (on_generate.hook, on_generate.arguments, on_generate.rank) == ("on_generate", ("labels",), -1)
    assert on_batch.call({"batch": 3}) is objective


def test_a_hook_may_ignore_its_arguments_and_have_another_function_name():
    @hookimpl(specname="on_batch")
    def mine(self):
        return {}

    (found,) = implementations("mine", plugin(mine=mine))
    assert (found.hook, found.arguments, found.call({"batch": 1})) == ("on_batch", (), {})


def test_a_wrapped_function_keeps_its_arguments():
    @hookimpl
    @torch.no_grad()
    def on_batch(self, batch):
        return {}

    (found,) = implementations("mine", plugin(on_batch=on_batch))
    assert found.arguments == ("batch",)


def wrapper(self, batch):
    yield


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (
            ("on_bacth", lambda self, batch: None),
            "plugin 'mine': there is no hook 'on_bacth'; did you mean 'on_batch'? (known: on_batch, "
            "on_classifier_step, on_generate, on_log, on_run_end, on_run_start, register_adapters, register_encoders, "
            "register_generators, register_objectives)",
        ),
        (
            ("on_batch", lambda self, btach: None),
            "plugin 'mine', hook on_batch: unknown argument 'btach'; did you mean 'batch'? (known: batch); "
            "write def on_batch(batch)",
        ),
        (
            ("on_generate", lambda self, features, lables: None),
            "plugin 'mine', hook on_generate: unknown argument 'lables'; did you mean 'labels'? "
            "(known: features, labels, semantics); write def on_generate(features, labels, semantics)",
        ),
        (
            ("on_batch", lambda self, batch=None: None),
            "plugin 'mine', hook on_batch: argument 'batch' has a default, so it would not be passed; "
            "write def on_batch(batch)",
        ),
        (
            ("on_batch", lambda self, batch, scale=1.0: None),
            "plugin 'mine', hook on_batch: unknown argument 'scale' (known: batch); write def on_batch(batch)",
        ),
        (
            ("on_batch", lambda self, *, batch: None),
            "plugin 'mine', hook on_batch: argument 'batch' must be a plain one; write def on_batch(batch)",
        ),
        (
            ("on_batch", lambda self, *args: None),
            "plugin 'mine', hook on_batch: unknown argument 'args' (known: batch); write def on_batch(batch)",
        ),
        (
            ("on_batch", lambda self, **batch: None),
            "plugin 'mine', hook on_batch: argument 'batch' must be a plain one; write def on_batch(batch)",
        ),
    ],
)
def test_a_hook_that_would_be_called_wrongly_is_refused(method, message):
    name, function = method
    with pytest.raises(PluginError) as caught:
        implementations("mine", plugin(**{name: hookimpl(function)}))
    assert str(caught.value) == message


@pytest.mark.parametrize("mark", [hookimpl(wrapper=True), hookimpl(hookwrapper=True)])
def test_wrappers_are_refused(mark):
    with pytest.raises(PluginError, match="plugin 'mine', hook on_batch: hook wrappers are not supported"):
        implementations("mine", plugin(on_batch=mark(wrapper)))


def test_one_hook_twice_in_one_plugin_is_refused():
    marked = hookimpl(specname="on_batch")
    both = {"one": marked(lambda self, batch: None), "two": marked(lambda self, batch: None)}
    with pytest.raises(PluginError, match="plugin 'mine' implements hook on_batch twice"):
        implementations("mine", plugin(**both))


def test_a_forgotten_mark_is_named():
    with pytest.raises(PluginError, match=r"implements no hook; put @d3wrap\.hookimpl above on_generate, on_batch$"):
        implementations("mine", plugin(on_batch=lambda self, batch: None, on_generate=lambda self: None))
    with pytest.raises(PluginError, match=r"implements no hook; put @d3wrap\.hookimpl above one$"):
        implementations("mine", object())
