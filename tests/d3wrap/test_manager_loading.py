"""Loading: one by one, isolated, in an order that does not depend on the installation."""

import warnings

import pytest

from d3wrap.errors import ConfigError, PluginError
from d3wrap.hookspecs import hookimpl
from d3wrap.manager import PluginWarning, load_plugin, load_plugins
from d3wrap.specs import AdapterSpec, BackboneSettings, GeneratorSpec, ObjectiveSpec

ADAPTER = """
from d3wrap import hookimpl
from d3wrap.specs import AdapterSpec

@hookimpl
def register_adapters(register):
    register(AdapterSpec(name={name!r}, summary="", accepts=bool, build=dict))
"""

MARKED = "from d3wrap import hookimpl\n@hookimpl\n"


def generator(name="g", **changes):
    values = {
        "name": name,
        "family": "GAN",
        "summary": "",
        "reference": "",
        "settings": BackboneSettings,
        "presets": {"small": BackboneSettings()},
        "build": lambda dataset, settings: None,
    }
    return GeneratorSpec(**(values | changes))


class Registers:
    """A plugin that registers what it is given."""

    def __init__(self, *specs):
        self.specs = specs

    def _give(self, register, kind):
        for spec in self.specs:
            if isinstance(spec, kind):
                register(spec)

    @hookimpl
    def register_generators(self, register):
        self._give(register, GeneratorSpec)

    @hookimpl
    def register_adapters(self, register):
        self._give(register, AdapterSpec)

    @hookimpl
    def register_objectives(self, register):
        self._give(register, ObjectiveSpec)


def only(*names):
    return {"D3WRAP_PLUGINS": ",".join(names)}


def test_what_plugins_register_is_there_by_name_and_sorted():
    adapter, objective = AdapterSpec("ad", "", bool, dict), ObjectiveSpec("ob", "", dict)
    extra = {"two": Registers(generator("b"), adapter), "one": Registers(generator("c"), generator("a"), objective)}
    plugins = load_plugins(environ=only("gan"), extra=extra)
    assert plugins.names == ("gan", "one", "two")
    assert list(plugins.generators) == ["a", "b", "c"]
    assert list(plugins.adapters) == ["ad", "gan"]
    assert list(plugins.objectives) == ["ob"]
    assert plugins.generator("b").name == "b"
    assert plugins.adapter("ad") is adapter
    assert plugins.objective("ob") is objective
    assert plugins.plugin("one").plugin is extra["one"]
    with pytest.raises(TypeError):
        plugins.generators["x"] = generator("x")


def test_an_unknown_name_is_answered_with_the_nearest():
    plugins = load_plugins(environ=only("gan"), extra={"mine": Registers(generator("clswgan"))})
    with pytest.raises(PluginError, match=r"no generator is called 'clsgan'; did you mean 'clswgan'\?"):
        plugins.generator("clsgan")
    with pytest.raises(PluginError, match=r"no objective is called 'x' \(known: none\)"):
        plugins.objective("x")


def test_blocking_an_objective_is_the_ablation():
    everything, ablated = load_plugins(), load_plugins(block=["id2sd"])
    assert set(everything.objectives) - set(ablated.objectives) == {"id2sd"}
    assert set(load_plugins(environ={"D3WRAP_PLUGINS": "-o2dbd"}).objectives) == set(everything.objectives) - {"o2dbd"}
    with pytest.raises(PluginError, match="no objective 'id2sd': plugin 'id2sd' is blocked"):
        ablated.objective("id2sd")
    with pytest.raises(ConfigError, match="block: no plugin is called 'id2d'; did you mean 'id2sd'"):
        load_plugins(block=["id2d"])


def test_extra_plugins_can_be_blocked_too():
    extra = {"mine": Registers(generator())}
    assert load_plugins(environ=only("gan"), extra=extra, block=["mine"]).names == ("gan",)
    assert "mine" not in load_plugins(environ={"D3WRAP_PLUGINS": "-mine"}, extra=extra).names


def test_the_order_of_installation_does_not_matter(install):
    for name in ("zz", "aa", "mm"):
        install(name, ADAPTER.format(name=f"of-{name}"))
    plugins = load_plugins(environ=only("mm", "zz", "aa"))
    assert plugins.names == ("aa", "mm", "zz")
    assert list(plugins.adapters) == ["of-aa", "of-mm", "of-zz"]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import nothing_of_this_name", "cannot be imported: ModuleNotFoundError: No module named"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (MARKED + "def on_bach(batch): ...", "there is no hook 'on_bach'; did you mean 'on_batch'?"),
        (MARKED + "def register_adapters(register): 1 / 0", "ZeroDivisionError"),
        ("", "implements no hook"),
    ],
)  # fmt: skip
def test_a_broken_plugin_is_left_out_with_the_remedy_and_the_others_go_on(install, source, fault):
    install("bad", source, distribution="bad-tools")
    install("good", ADAPTER.format(name="good"))
    with pytest.warns(PluginWarning) as caught:
        plugins = load_plugins(environ=only("bad", "good"))
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith("plugin 'bad'")
    assert fault in message
    assert "(from bad-tools; D3WRAP_PLUGINS=-bad blocks it, pip uninstall bad-tools removes it)" in message
    assert plugins.names == ("good",)
    with pytest.raises(PluginError, match="no generator 'bad': plugin 'bad' is broken"):
        plugins.generator("bad")
    with pytest.raises(PluginError, match=r"^plugin 'bad'"):
        load_plugin("bad")


def test_a_blocked_plugin_is_not_imported(install):
    install("bad", "1 / 0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "bad" not in load_plugins(environ={"D3WRAP_PLUGINS": "-bad"}).names
        assert "bad" not in load_plugins(block=["bad"]).names


def test_two_distributions_with_one_plugin_name_are_both_named(install):
    install("twin", ADAPTER.format(name="x"), distribution="first-tools")
    install("twin", ADAPTER.format(name="y"), distribution="second-tools")
    for load in (lambda: load_plugins(environ=only("twin")), lambda: load_plugin("twin")):
        with pytest.raises(PluginError, match="plugin 'twin' comes from first-tools and from second-tools; uninstall"):
            load()
    assert "twin" not in load_plugins(environ={"D3WRAP_PLUGINS": "-twin"}).names


def test_an_extra_plugin_may_not_take_an_installed_one_s_name():
    with pytest.raises(PluginError, match="plugin 'gan' comes from d3wrap and from extra"):
        load_plugins(environ=only("gan"), extra={"gan": Registers()})


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("generator", generator("same")),
        ("adapter", AdapterSpec("same", "", bool, dict)),
        ("objective", ObjectiveSpec("same", "", dict)),
    ],
)
def test_two_plugins_that_register_one_name_are_both_named(names, kind, spec):
    with pytest.raises(PluginError) as caught:
        load_plugins(environ=only("gan"), extra={name: Registers(spec) for name in names})
    assert str(caught.value) == (
        f"{kind} 'same' is registered by plugin 'a' and by plugin 'b'; block one, e.g. D3WRAP_PLUGINS=-b"
    )


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (generator("Has Space"), "the name 'Has Space' must be lower-case letters"),
        (generator(None), "the name None must be lower-case"),
        (generator(build=3), "g: build must be callable, found int"),
        (
            generator(settings=dict),
            "g: settings must be a dataclass derived from BackboneSettings, found <class 'dict'>",
        ),
        (generator(presets={}), "g: presets is empty; give at least {'small': BackboneSettings(...)}"),
        (
            generator(search=("step",)),
            "g: search names 'step', which BackboneSettings does not have; did you mean 'steps'",
        ),
        (generator(presets={"small": 3}), "g: preset 'small' must be a BackboneSettings, found int"),
    ],
)
def test_a_faulty_spec_is_refused_with_plugin_and_hook(spec, fault):
    with pytest.raises(PluginError) as caught:
        load_plugins(environ=only("gan"), extra={"mine": Registers(spec)})
    assert str(caught.value).startswith(f"plugin 'mine', hook register_generators: {fault}")


def test_a_spec_of_the_wrong_kind_is_refused():
    class Confused:
        @hookimpl
        def register_objectives(self, register):
            register(generator())

    with pytest.raises(PluginError, match=r"register\(\) takes a ObjectiveSpec, found GeneratorSpec"):
        load_plugins(environ=only("gan"), extra={"mine": Confused()})


def test_a_broken_extra_plugin_is_an_error_not_a_warning():
    with pytest.raises(PluginError, match="plugin 'mine' implements no hook"):
        load_plugins(environ=only("gan"), extra={"mine": object()})


def test_one_plugin_is_loaded_whatever_the_environment_says(monkeypatch):
    monkeypatch.setenv("D3WRAP_PLUGINS", "-gan")
    assert [spec.name for spec in load_plugin("gan").specs] == ["gan"]
    with pytest.raises(PluginError, match="no plugin is called 'gam'; did you mean 'gan'"):
        load_plugin("gam")
