"""Names are found where a script calls its optimizer, and outwards from there."""

import re
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import nn

from d3wrap.config import ConfigDocument
from d3wrap.running.inventory import Inventory, looks_like_data, near_names, objects_in
from d3wrap.running.names import parse_name
from d3wrap.running.own_code import OwnCode, libraries
from d3wrap.running.plan import read_plan
from d3wrap.running.resolving import Objects, resolve
from d3wrap.running.scope import Namespace, Scope, scope_of

OWN = OwnCode(Path(__file__))


def names(*texts):
    return [parse_name(text, f"d3.yaml:{line}: key") for line, text in enumerate(texts, 1)]


def scope(**places):
    return Scope(tuple(Namespace(place, values) for place, values in places.items()))


def test_the_nearest_place_counts():
    found, missing = scope(inner={"a": 1}, outer={"a": 2, "b": 3}).resolve(names("a", "b"))
    assert (found, missing) == ({"a": 1, "b": 3}, [])


def test_names_with_the_same_first_word_come_from_one_place():
    """A classifier's ``self`` has an optimizer too, but no generator."""
    inner, outer = types.SimpleNamespace(optimizer=1), types.SimpleNamespace(optimizer=2, netG=3)
    found, _ = scope(inner={"self": inner}, outer={"self": outer}).resolve(names("self.optimizer", "self.netG"))
    assert found == {"self": outer}


def test_what_is_missing_is_said_with_its_place():
    here = scope(train={"opt": types.SimpleNamespace(nz=3)})
    _, missing = here.resolve(names("netG", "opt.nzz"))
    assert [(one.name.text, one.reason) for one in missing] == [
        ("netG", ""),
        ("opt.nzz", "opt is a SimpleNamespace without 'nzz'; did you mean 'nz'? (known: nz), in train"),
    ]


def test_outward_leaves_the_nearest_places_out_one_by_one():
    assert [len(one.namespaces) for one in scope(a={}, b={}, c={}).outward()] == [3, 2, 1]


def test_items_are_what_a_lookup_gives():
    here = scope(inner={"a": 1, "_b": 2, "torch": torch}, outer={"a": 3, "c": 4})
    assert dict(here.items()) == {"a": 1, "c": 4}


def test_a_running_function_sees_its_locals_its_callers_and_its_globals():
    main = {"__name__": "__main__", "everywhere": 1}
    other = {"__name__": "other", "beside": 2}
    source = "def call(look):\n    near = 3\n    return look()\n"
    exec(compile(source, str(Path(__file__).with_name("other.py")), "exec"), other)
    exec(
        compile("def train(call, look):\n    far = 4\n    return call(look)\n", __file__, "exec"),
        main | {"unused": 0},
        main,
    )
    seen = main["train"](other["call"], lambda: scope_of(sys._getframe(1), OWN, main))
    found, missing = seen.resolve(names("near", "far", "beside", "everywhere"))
    assert found == {"near": 3, "far": 4, "beside": 2, "everywhere": 1}
    assert not missing
    assert [one.place for one in seen.namespaces][:2] == ["call (other.py:3)", "train (test_scope.py:3)"]


def test_frames_of_libraries_are_passed_over():
    seen = []

    class Watching(list):
        pass

    hidden = "in this frame"
    list(map(lambda _: seen.append(scope_of(sys._getframe(1), OWN, {})), [0]))  # noqa: C417
    nn.Identity().register_forward_hook(lambda *_: None)
    module = nn.Identity()
    module.register_forward_pre_hook(lambda *_: seen.append(scope_of(sys._getframe(1), OWN, {})))
    module(torch.zeros(1))
    for one in seen:
        assert dict(one.items())["hidden"] == hidden
        assert not any("_call_impl" in place.place for place in one.namespaces)


# --- whose code it is


def test_own_code_is_beside_the_script_and_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = OwnCode(Path("code/train.py"))
    assert own.is_own(str(tmp_path / "code" / "train.py"))
    assert own.is_own(str(tmp_path / "code" / "models" / "net.py"))
    assert own.is_own(str(tmp_path / "util.py"))
    assert not own.is_own(str(tmp_path.parent / "util.py"))
    assert not own.is_own("<string>")
    assert own.is_library("<string>")
    assert own.is_library(torch.__file__)
    assert own.is_library(types.__file__)
    assert own.is_library(str(Path(sys.modules["d3wrap"].__file__).parent / "wrap.py"))
    assert not own.is_library(str(tmp_path.parent / "util.py"))


def test_the_working_directory_counts_only_where_the_script_is_below_it(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert not OwnCode(tmp_path / "code" / "train.py").is_own(str(tmp_path / "elsewhere" / "util.py"))


def test_packages_installed_in_the_folder_are_not_the_scripts(monkeypatch):
    folder = Path(sys.prefix).resolve().parent
    monkeypatch.chdir(folder)
    own = OwnCode(folder / "train.py")
    assert Path(torch.__file__).parents[1].resolve() in libraries()
    assert not own.is_own(torch.__file__)
    assert own.is_own(str(folder / "util.py"))


def test_a_place_is_a_line_of_the_script():
    assert OWN.place(sys._getframe()).startswith("test_scope.py:")
    assert OWN.place(None) == "a line of a library"


# --- what a plan's names mean


@pytest.fixture
def plan():
    def plan(**values):
        keys = {(key,): 1 for key in values} | {
            (key, index): 1 for key, value in values.items() if isinstance(value, list) for index in range(len(value))
        }
        return read_plan([ConfigDocument("d3.yaml", {"data": "data", **values}, {("data",): 1, **keys}, {})])

    return plan


def step(network):
    return torch.optim.SGD(network.parameters(), lr=0.1)


def test_the_optimizer_that_steps_is_taken_where_none_is_named(plan):
    net, critic = nn.Linear(1, 1), nn.Linear(1, 1)
    stepping, other = step(net), step(critic)
    here = scope(main={"netG": net, "data": 1})
    assert resolve(plan(generator="netG"), here, stepping) == Objects({"netG": net, "data": 1}, (stepping,))
    (missing,) = resolve(plan(generator="netG"), here, other)
    assert missing.name.text == "netG"
    assert "give optimizer: NAME" in missing.reason


def test_named_optimizers_may_be_lists(plan):
    net = nn.Linear(1, 1)
    one, two = step(net), step(net)
    here = scope(main={"netG": net, "data": 1, "both": [one, two], "opts": {"G": one}})
    assert resolve(plan(generator="netG", optimizer="both"), here, one).optimizers == (one, two)
    assert resolve(plan(generator="netG", optimizer=["opts['G']"]), here, two).optimizers == (one,)


def test_an_optimizer_of_something_else_is_not_taken(plan):
    net, classifier = nn.Linear(1, 1), nn.Linear(1, 1)
    inner, outer = step(classifier), step(net)
    inside = {"optimizer": inner}
    both = scope(fit=inside, main={"optimizer": outer, "netG": net, "data": 1})
    assert resolve(plan(generator="netG", optimizer="optimizer"), both, inner).optimizers == (outer,)
    only = scope(fit=inside, main={"netG": net, "data": 1})
    (missing,) = resolve(plan(generator="netG", optimizer="optimizer"), only, inner)
    assert "holds no parameter of what generates" in missing.reason


def test_something_that_is_no_optimizer_is_said(plan):
    net = nn.Linear(1, 1)
    here = scope(main={"netG": net, "data": 1, "scheduler": 3})
    (missing,) = resolve(plan(generator="netG", optimizer="scheduler"), here, step(net))
    assert missing.reason == "it is a int, and not an optimizer of torch"


def test_a_generator_that_is_a_method_is_known_by_its_network(plan):
    net = nn.Bilinear(1, 1, 1)
    here = scope(main={"model": net, "data": 1})
    assert isinstance(resolve(plan(generator="model.extra_repr"), here, step(net)), Objects)
    assert not isinstance(resolve(plan(generator="model.extra_repr"), here, step(nn.Linear(1, 1))), Objects)


def test_networks_that_hide_their_parameters_are_not_asked(plan):
    class Hiding(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = {"decoder": nn.Linear(1, 1)}

    here = scope(main={"model": Hiding(), "data": 1})
    assert isinstance(resolve(plan(sample="model(semantics)"), here, step(nn.Linear(1, 1))), Objects)


# --- what there is, in words


class Loader:
    def __init__(self):
        self.train_feature = self.attribute = self.seenclasses = 1


def test_an_inventory_names_networks_optimizers_and_data_also_those_inside_objects():
    net = nn.Linear(2, 3)
    holder = types.SimpleNamespace(netG=net, loader=Loader(), opts={"G": step(net)}, _private=nn.Linear(1, 1))
    here = scope(main={"self": holder, "opt": step(net), "number": 3, "nets": [nn.ReLU()]})
    text = "\n".join(Inventory.of(here, None, "train.py:3").lines())
    assert "At train.py:3 there are:" in text
    assert "self.netG  Linear, 9 parameters" in text
    assert re.search(r"opt +SGD of self\.netG\n", text)
    assert "self.opts['G']  SGD of self.netG" in text
    assert "self.loader  Loader" in text
    assert "nets[0]" in text
    assert "_private" not in text
    assert [name for name, _ in objects_in(here)] == ["self.netG", "self.loader", "self.opts['G']", "opt", "nets[0]"]


def test_an_empty_place_has_none_of_each():
    assert "\n".join(Inventory.of(scope(), None, "x").lines()).count("none") == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Loader(), True),
        (Loader, False),
        (nn.Linear(1, 1), False),
        ({"features": 1, "attribute": 2}, True),
        ({"features": 1, 3: 2}, False),
        (3, False),
    ],
)
def test_data_is_told_by_the_names_it_holds(value, expected):
    assert looks_like_data(value) is expected


def test_near_names():
    assert near_names("netg", ["netG", "netD", "_netg", "opt"]).startswith("; near it: netG")
    assert near_names("qqqq", ["netG"]) == ""
