"""Plugins with text encoders: found in a group of their own, loaded for texts alone, and checked."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from d3wrap import hookimpl
from d3wrap.cli import main
from d3wrap.errors import PluginError
from d3wrap.manager import PluginWarning, load_encoders, load_plugin, load_plugins
from d3wrap.plugin_discovery import ENCODERS
from d3wrap.specs import EncoderSettings, EncoderSpec
from d3wrap.testing import check_encoder

SOURCE = """
import d3wrap
from d3wrap.specs import EncoderSettings, EncoderSpec


class Encoder:
    def __init__(self, settings, device):
        self.provenance = {}


@d3wrap.hookimpl
def register_encoders(register):
    register(EncoderSpec("mine", "my own", "none", EncoderSettings, Encoder))
"""


class Lengths:
    """Gives the length of each text, and one more number."""

    provenance = {"version": "1"}  # noqa: RUF012

    def __init__(self, settings=None, device=None):
        pass

    def encode(self, texts):
        return torch.tensor([[float(len(text)), 1.0] for text in texts])


def spec(build=Lengths, settings=EncoderSettings, **more):
    return EncoderSpec(name="lengths", summary="lengths", reference="none", settings=settings, build=build, **more)


class Plugin:
    def __init__(self, *specs):
        self.specs = specs

    @hookimpl
    def register_encoders(self, register):
        for one in self.specs:
            register(one)


def test_they_are_found_in_their_group_and_no_run_loads_them(install, monkeypatch):
    install("mine", SOURCE, group=ENCODERS)
    monkeypatch.setenv("D3WRAP_PLUGINS", "clswgan")
    assert {"mine", "tfidf", "hf", "open_clip", "sentence-transformers"} <= set(load_encoders().encoders)
    assert load_encoders().encoder("mine").summary == "my own"
    loaded = load_plugins()
    assert loaded.encoders == {}
    assert loaded.names == ("clswgan",)
    listed = json.loads(CliRunner().invoke(main, ["plugins", "list", "--json"]).output)
    assert {one["status"] for one in listed if one["name"] in ("mine", "tfidf")} == {"with semantics build"}
    with pytest.raises(PluginError, match="no encoder is called 'tfdif'; did you mean 'tfidf'"):
        load_encoders().encoder("tfdif")


def test_a_broken_one_is_left_out_with_a_remedy(install):
    install("bad", "import not_a_module\n", group=ENCODERS, distribution="bad-dist")
    with pytest.warns(
        PluginWarning, match=r"'bad' cannot be imported.*\(from bad-dist; pip uninstall bad-dist removes it"
    ):
        assert "tfidf" in load_encoders().encoders


def test_encoders_and_hooks_of_runs_are_kept_apart(install):
    install("lost", SOURCE, group="d3wrap")
    install("mixed", SOURCE + "\n\n@d3wrap.hookimpl\ndef on_log(run):\n    pass\n", group=ENCODERS)
    for name, hook in (("lost", "register_encoders"), ("mixed", "on_log")):
        with pytest.raises(PluginError, match=f"plugin '{name}', hook {hook}: a plugin of the group d3wrap.encoders"):
            load_plugin(name)


def test_what_is_named_twice_is_refused(install):
    with pytest.raises(PluginError, match="'lengths' is registered by plugin 'a' and by plugin 'b'; uninstall one"):
        load_encoders({"a": Plugin(spec()), "b": Plugin(spec())})
    install("mine", SOURCE, group=ENCODERS, distribution="one")
    install("mine", SOURCE, group=ENCODERS, distribution="two")
    with pytest.raises(PluginError, match=r"'mine' comes from one and from two; uninstall or rename one$"):
        load_encoders()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("lengths", "takes a EncoderSpec, found str"),
        (spec(build=3), "build must be callable"),
        (spec(settings=dict), "settings must be a dataclass derived from EncoderSettings"),
        (spec(required=("model",)), "required has 'model', which EncoderSettings does not have"),
    ],
)
def test_a_faulty_spec_is_refused(wrong, message):
    with pytest.raises(PluginError, match=message):
        load_encoders({"mine": Plugin(wrong)})


def test_the_contract_is_checked():
    names = check_encoder(spec())
    assert len(names) == 4

    class Fails(Lengths):
        def __init__(self, settings, device):
            raise ValueError("no weights")

    class Numbers(Lengths):
        def encode(self, texts):
            return [len(text) for text in texts]

    class NotFinite(Lengths):
        def encode(self, texts):
            return super().encode(texts).log() * torch.inf

    class Gradients(Lengths):
        def encode(self, texts):
            return super().encode(texts).requires_grad_()

    class Draws(Lengths):
        def encode(self, texts):
            return super().encode(texts) + torch.rand(len(texts), 1)

    class Counts(Lengths):
        calls = 0

        def encode(self, texts):
            self.calls += 1
            return super().encode(texts) + self.calls

    class Ordered(Lengths):
        def encode(self, texts):
            rows = super().encode(texts)
            rows[0] *= -1
            return rows

    class Says(Lengths):
        provenance = {"version": 1}  # noqa: RUF012

    faults = {
        Fails: "builds: ValueError: no weights",
        Numbers: "encode.. gave list .. for 5 texts, expected a floating tensor .5, k.",
        NotFinite: "NaN or infinite",
        Gradients: "rows with gradients",
        Draws: "draws from torch's global stream",
        Counts: "gave other rows the second time",
        Ordered: "cosines between rows change by .* with the order",
        Says: "provenance is .'version': 1., expected texts",
    }
    for kind, fault in faults.items():
        with pytest.raises(PluginError, match=f"encoder 'lengths' breaks its contract\n(.*\n)*.*{fault}"):
            check_encoder(spec(build=kind))


def test_check_and_show_say_what_a_model_needs():
    shown = CliRunner().invoke(main, ["plugins", "show", "hf"])
    assert shown.exit_code == 0, shown.output
    assert "encoder hf: " in shown.output
    assert "    model: str (must be given)" in shown.output
    assert "    batch_size: int (32)" in shown.output
    checked = CliRunner().invoke(main, ["plugins", "check", "hf"])
    assert checked.exit_code == 0
    assert "- hf is not tried: it needs model" in checked.output
    checked = CliRunner().invoke(main, ["plugins", "check", "tfidf"])
    assert checked.exit_code == 0
    assert "✓ tfidf gives the same in another order" in checked.output
