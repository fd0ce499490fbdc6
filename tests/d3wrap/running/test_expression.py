"""What the lines of a configuration may hold, as they are read."""

import pytest

from d3wrap.errors import ConfigError
from d3wrap.running.expression import LONGEST_LINE, SAMPLE_INPUTS, parse_lines


def read(value):
    return parse_lines(value, lambda *keys: "d3.yaml:4: sample" + "".join(f"[{key}]" for key in keys), SAMPLE_INPUTS)


def test_the_names_taken_from_the_script_are_those_that_nothing_else_sets():
    lines = read(["z = noise(opt.nz)", "f = netG(z, c=semantics)", "netDec(f)", "self.out(f, netF.layers.last())[0]"])
    assert [name.text for name in lines.names] == ["opt.nz", "netG", "netDec", "self.out", "netF.layers.last"]
    assert [name.where for name in lines.names][:2] == ["d3.yaml:4: sample[0]", "d3.yaml:4: sample[1]"]


def test_a_name_is_the_scripts_until_a_line_sets_it():
    assert [name.text for name in read(["z = z + noise(3)", "net(z)"]).names] == ["z", "net"]


def test_one_line_may_stand_alone():
    assert [line.text for line in read("netG(noise(3), semantics)").lines] == ["netG(noise(3), semantics)"]


ALLOWED = [
    "netG(semantics[:, 0:3], flag=True, mode='x', scale=-1.5, none=None)",
    "(net(semantics) + 1) * 2 / 3 - bias @ weight",
    "net(semantics)[0][:, None]",
    "cat([noise(3), semantics], 1)",
    "net((semantics, classes))",
    "net(semantics)['x']",
    "net(semantics)[-1]",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_the_language_holds(text):
    assert read(text).lines[-1].text == text


REFUSED = [
    "lambda: 1",
    "[x for x in semantics]",
    "{1: 2}",
    "{1, 2}",
    "net(*semantics)",
    "net(**options)",
    "a if b else c",
    "a and b",
    "not a",
    "a == b",
    "a ** b",
    "a // b",
    "a % b",
    "a << b",
    "~a",
    "+a",
    "f'{a}'",
    "b'bytes'",
    "1j",
    "(a := 3)",
    "await a",
    "import os",
    "del a",
    "a += 1",
    "a: int = 3",
    "a = b = 3",
    "for a in b: pass",
    "def f(): pass",
    "class A: pass",
    "assert a",
    "raise a",
    "return a",
    "yield a",
    "pass",
    "global a",
    "a; b",
    "a\nb",
    "...",
    "net(semantics)[classes]",
    "net(semantics)[len(classes)]",
    "net(semantics)[a:b]",
]


@pytest.mark.parametrize("text", REFUSED)
def test_the_rest_of_python_is_refused_with_its_place(text):
    with pytest.raises(ConfigError, match=r"^d3\.yaml:4: sample\[1\]: "):
        read(["z = noise(3)", text])


@pytest.mark.parametrize(
    "text", ["_x", "a._x", "a.__class__", "__import__('os')", "a.__class__.__bases__", "net(_=_x)"]
)
def test_underscore_names_are_refused(text):
    with pytest.raises(ConfigError, match="leading underscore"):
        read(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected one line or more"),
        (["net(semantics)", 3], r"sample\[1\]: expected a line of text"),
        ([{"x": 1}], "quote it"),
        ([""], "expected a line of text"),
        (["x = net(semantics)"], "the last line gives the result: write only 'x'"),
        (["noise = net(semantics)", "noise"], "'noise' has a meaning here already"),
        (["cat = net(semantics)", "cat"], "'cat' has a meaning here already"),
        (["self.x = net(semantics)", "self.x"], "only names can be set"),
        (["x[0] = net(semantics)", "x"], "only names can be set"),
        (["_x = net(semantics)", "_x"], "leading underscore"),
        (["net(semantics"], "is not an expression"),
        (["a + " * LONGEST_LINE + "a"], "longer than"),
        (["net(" + "-" * (LONGEST_LINE - 20) + "a)"], None),
    ],
)
def test_what_is_wrong_with_lines_is_said(value, message):
    if message is None:  # deeply nested, and still read
        assert read(value).lines
        return
    with pytest.raises(ConfigError, match=message):
        read(value)


def test_results_can_be_taken_apart():
    line = read(["mu, _ = net(semantics)", "mu"]).lines[0]
    assert line.unpacks
    assert line.targets == ("mu", "_")
