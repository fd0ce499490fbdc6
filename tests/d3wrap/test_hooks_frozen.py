"""Batch hooks as the loop calls them."""

import itertools

import pytest
import torch

from d3wrap.errors import PluginError, TrainingError
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import load_plugins


def returning(result, *, mark=hookimpl, hook="on_batch"):
    """Return a plugin whose ``hook`` returns ``result`` or raises it."""

    def function(self):
        if isinstance(result, Exception):
            raise result
        return result

    return type("Plugin", (), {hook: mark(function)})()


@pytest.fixture(scope="module")
def plugins():
    return load_plugins(environ={"D3WRAP_PLUGINS": "gan"})


def loss(value):
    return {"loss": torch.tensor(value)}


def test_results_come_by_name_without_the_empty_ones(plugins):
    hook = plugins.freeze("on_batch", {"b": returning(loss(2.0)), "c": returning(None), "a": returning(loss(1.0))})
    assert [(name, float(result["loss"])) for name, result in hook(batch=None)] == [("a", 1.0), ("b", 2.0)]
    assert hook.plugins == ("a", "b", "c")


def test_the_order_does_not_depend_on_registration(plugins):
    marks = {"a": hookimpl(trylast=True), "b": hookimpl, "c": hookimpl, "d": hookimpl(tryfirst=True)}
    for order in itertools.permutations(marks):
        extra = {name: returning(loss(0.0), mark=marks[name]) for name in order}
        assert plugins.freeze("on_batch", extra).plugins == ("d", "b", "c", "a")


def test_loaded_plugins_and_extra_ones_are_called_together():
    loaded = load_plugins(environ={"D3WRAP_PLUGINS": "gan"}, extra={"m": returning(loss(1.0))})
    assert loaded.freeze("on_batch", {"z": returning(loss(2.0)), "a": returning(loss(3.0))}).plugins == ("a", "m", "z")
    assert loaded.freeze("on_classifier_step").plugins == ()
    assert loaded.freeze("on_batch").plugins == ("m",)


def test_a_frozen_hook_does_not_see_later_plugins(plugins):
    extra = {"a": returning(loss(1.0))}
    hook = plugins.freeze("on_batch", extra)
    extra["b"] = returning(loss(2.0))
    assert hook.plugins == ("a",)


def test_two_plugins_of_one_name_on_one_hook_are_refused():
    loaded = load_plugins(environ={"D3WRAP_PLUGINS": "gan"}, extra={"m": returning(loss(1.0))})
    with pytest.raises(PluginError, match="hook on_batch is implemented by two plugins called 'm'"):
        loaded.freeze("on_batch", {"m": returning(loss(2.0))})
    first = returning(loss(2.0), mark=hookimpl(tryfirst=True))
    with pytest.raises(PluginError, match="two plugins called 'm'"):
        loaded.freeze("on_batch", {"m": first, "z": returning(loss(0.0), mark=hookimpl(tryfirst=True))})


@pytest.mark.parametrize("hook", ["on_bach", "register_generators"])
def test_other_hooks_cannot_be_frozen(plugins, hook):
    with pytest.raises(PluginError, match=f"'{hook}' is not a hook of the training loop"):
        plugins.freeze(hook)


def test_extra_plugins_are_validated(plugins):
    with pytest.raises(PluginError, match="plugin 'mine': there is no hook 'on_btch'; did you mean 'on_batch'"):
        plugins.freeze("on_batch", {"mine": returning(None, hook="on_btch")})
    with pytest.raises(PluginError, match="plugin 'mine' implements no hook"):
        plugins.freeze("on_batch", {"mine": object()})


def test_an_error_names_plugin_and_hook_and_keeps_its_cause(plugins):
    cause = ValueError("odd value")
    with pytest.raises(PluginError, match=r"^plugin 'mine', hook on_batch: ValueError: odd value$") as caught:
        plugins.freeze("on_batch", {"mine": returning(cause)})(batch=None)
    assert caught.value.__cause__ is cause
    with pytest.raises(PluginError, match=r"^plugin 'mine', hook on_batch: not finite$") as caught:
        plugins.freeze("on_batch", {"mine": returning(TrainingError("not finite"))})(batch=None)
    assert isinstance(caught.value.__cause__, TrainingError)


@pytest.mark.parametrize("hook", ["on_batch", "on_classifier_step"])
@pytest.mark.parametrize(
    ("result", "message"),
    [
        (torch.tensor(1.0), "must return a mapping of names to scalar tensors or None, returned Tensor"),
        ({"l": 1.0}, "loss 'l' must be a floating-point tensor of shape (), found float"),
        ({"l": torch.ones(2)}, "loss 'l' must be a floating-point tensor of shape (), found shape (2,) torch.float32"),
        ({"l": torch.tensor(1)}, "loss 'l' must be a floating-point tensor of shape (), found shape () torch.int64"),
        ({3: torch.tensor(1.0)}, "must name its losses with text, found 3"),
    ],
)
def test_losses_of_another_kind_are_refused(plugins, hook, result, message):
    frozen = plugins.freeze(hook, {"mine": returning(result, hook=hook)})
    with pytest.raises(PluginError) as caught:
        frozen(batch=None, step=None)
    assert str(caught.value) == f"plugin 'mine', hook {hook}: {message}"


def test_generated_features_pass_from_one_plugin_to_the_next(plugins):
    class Times:
        def __init__(self, factor):
            self.factor = factor

        @hookimpl
        def on_generate(self, labels, features):
            return features * self.factor + labels[:, None]

    extra = {"a": Times(2), "b": returning(None, hook="on_generate"), "c": Times(3)}
    hook = plugins.freeze("on_generate", extra)
    features, labels = torch.randn(4, 2), torch.arange(4)
    changed = hook.chain(features, labels=labels, semantics=None)
    assert torch.equal(changed, (features * 2 + labels[:, None]) * 3 + labels[:, None])


def test_without_plugins_features_stay_the_same_object(plugins):
    features = torch.randn(2, 2)
    assert plugins.freeze("on_generate").chain(features, labels=None, semantics=None) is features


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (3, "must return a Tensor or None, returned int"),
        (torch.ones(1, 2), r"must keep shape and dtype \(2, 2\) torch.float32, returned \(1, 2\) torch.float32"),
        (torch.ones(2, 2).double(), r"must keep .*, returned \(2, 2\) torch.float64"),
    ],
)
def test_features_of_another_kind_are_refused(plugins, result, message):
    hook = plugins.freeze("on_generate", {"mine": returning(result, hook="on_generate")})
    with pytest.raises(PluginError, match=f"plugin 'mine', hook on_generate: {message}"):
        hook.chain(torch.ones(2, 2), labels=None, semantics=None)
