from types import SimpleNamespace

import pytest
import torch
from torch import nn

from d3wrap.errors import ConfigError
from d3wrap.running.names import parse_name


def find(text, **roots):
    name = parse_name(text, "d3.yaml:1: generator")
    return name.of(roots[name.root])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", {"b": [1, 2]}),
        ("a['b']", [1, 2]),
        ('a["b"][1]', 2),
        ("a['b'][-1]", 2),
        (" a ", {"b": [1, 2]}),
    ],
)
def test_a_name_with_subscripts_is_followed(text, value):
    assert find(text, a={"b": [1, 2]}) == value


def test_attributes_and_modules_are_followed():
    net = nn.Sequential(nn.Linear(1, 1))
    holder = SimpleNamespace(nets={"G": net})
    assert find("self.nets['G'][0].bias", self=holder) is net[0].bias


@pytest.mark.parametrize(
    "text",
    ["", "1", "net()", "a + b", "a[b]", "a[1:2]", "a[True]", "a[1.5]", "import os", "a b", "'a'", "a.b()", "lambda: 1"],
)
def test_anything_but_a_name_is_refused_with_its_place(text):
    with pytest.raises(ConfigError, match=r"^d3\.yaml:1: generator: "):
        parse_name(text, "d3.yaml:1: generator")


@pytest.mark.parametrize("value", [None, 3, True, ["a"]])
def test_a_value_that_is_no_text_is_refused(value):
    with pytest.raises(ConfigError, match="expected the name of an object of the script"):
        parse_name(value, "d3.yaml:1: generator")


@pytest.mark.parametrize("text", ["_a", "a._b", "a.__class__", "__builtins__", "a.b.__globals__['x']"])
def test_underscore_names_are_refused(text):
    with pytest.raises(ConfigError, match="leading underscore"):
        parse_name(text, "d3.yaml:1: generator")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.netGG", "a is a SimpleNamespace without 'netGG'; did you mean 'netG'?"),
        ("a.netG.dec", "a.netG is a Linear without 'dec'"),
        ("a.nets['F']", "a.nets is a dict without ['F']"),
        ("a.netG[0]", "a.netG is a Linear without [0]"),
        ("a.torch", "a.torch is a Python module"),
    ],
)
def test_what_is_missing_is_said_with_what_is_like_it(text, message):
    with pytest.raises(LookupError) as caught:
        find(text, a=SimpleNamespace(netG=nn.Linear(1, 1), nets={"G": 1}, torch=torch))
    assert message in str(caught.value)
