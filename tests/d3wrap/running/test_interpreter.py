"""What lines give, and what they may not reach: nothing in a configuration runs code that the script did not bring."""

import os
import subprocess
import types
from functools import partial
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest
import torch
from torch import nn

from d3wrap.errors import ConfigError, ShapeError
from d3wrap.running.attaching import encoder, sampler
from d3wrap.running.expression import ENCODE_INPUTS, SAMPLE_INPUTS, parse_lines
from d3wrap.running.interpreter import run_lines
from d3wrap.running.own_code import OwnCode

OWN = OwnCode(Path(__file__))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = None

    def forward(self, z, c=None, extra=0.0):
        self.last = z
        return torch.cat([z, c], 1) + extra, z

    def layers(self):
        return self.last * 2

    def save_everything(self):
        return self.last


class Helper:
    size = 3
    os = os

    def __call__(self, x):
        return x + 1

    def double(self, x):
        return 2 * x


def twice(x):
    return 2 * x


def where(*keys):
    return "d3.yaml:2: sample" + "".join(f"[{key}]" for key in keys)


def sample(value, classes=None, **objects):
    semantics = torch.arange(6.0).reshape(2, 3)
    lines = parse_lines(value, where, SAMPLE_INPUTS)
    made = sampler(lines, objects, OWN)
    return made(semantics, torch.tensor([4, 5]))


SEMANTICS = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("semantics", SEMANTICS),
        ("semantics + classes[:, None] * 1.0", SEMANTICS + torch.tensor([[4.0], [5.0]])),
        ("zeros(4) + n", torch.full((2, 4), 2.0)),
        ("twice(semantics) / 2 - semantics", torch.zeros(2, 3)),
        ("-semantics", -SEMANTICS),
        ("semantics @ semantics.t()", SEMANTICS @ SEMANTICS.T),
        ("net(semantics, c=semantics, extra=helper.size)[0]", torch.cat([SEMANTICS, SEMANTICS], 1) + 3),
        (["f, _ = net(semantics, semantics)", "net.layers()"], 2 * SEMANTICS),
        (["f = net(semantics, semantics)", "f[0][:, 1:3]"], torch.cat([SEMANTICS, SEMANTICS], 1)[:, 1:3]),
        ("cat([semantics, helper.double(semantics)], 1)", torch.cat([SEMANTICS, 2 * SEMANTICS], 1)),
        ("helper(semantics)", SEMANTICS + 1),
        ("nets['G'](semantics, semantics)[-1]", SEMANTICS),
        ("relu(-semantics)", torch.zeros(2, 3)),
        ("semantics.unsqueeze(2).squeeze(2)", SEMANTICS),
        ("semantics.split(2, 1)[0]", SEMANTICS[:, :2]),
        ("square(semantics)", SEMANTICS**2),
    ],
)
def test_lines_give_what_python_would(value, expected):
    net = Net()
    objects = {"net": net, "helper": Helper(), "twice": twice, "nets": {"G": net}, "square": lambda x: x * x}
    assert torch.equal(sample(value, **objects), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_is_torchs_own_on_the_semantics_device_and_dtype(dtype):
    lines = parse_lines("cat([noise(3), uniform(2)], 1)", where, SAMPLE_INPUTS)
    torch.manual_seed(5)
    found = sampler(lines, {}, OWN)(torch.zeros(4, 7, dtype=dtype), torch.zeros(4))
    torch.manual_seed(5)
    expected = torch.cat([torch.randn(4, 3, dtype=dtype), torch.rand(4, 2, dtype=dtype)], 1)
    assert torch.equal(found, expected)
    assert found.dtype == dtype


def test_ours_goes_before_what_the_script_calls_the_same():
    assert sample("noise(2)", noise=torch.zeros(9)).shape == (2, 2)


def test_gradients_flow_through_lines():
    net = nn.Linear(3, 2)
    sample("relu(net(semantics))", net=net).sum().backward()
    assert net.weight.grad is not None


def test_encode_lines_are_given_features():
    net = nn.Linear(3, 2)
    lines = parse_lines("net(features) * n", where, ENCODE_INPUTS)
    assert torch.equal(encoder(lines, {"net": net}, OWN)(SEMANTICS), net(SEMANTICS) * 2)


def test_attributes_are_read_anew_each_time_and_names_are_not():
    options = types.SimpleNamespace(scale=1.0)
    objects = {"opt": options}
    made = sampler(parse_lines("semantics * opt.scale", where, SAMPLE_INPUTS), objects, OWN)
    options.scale = 3.0
    assert torch.equal(made(SEMANTICS, None), 3 * SEMANTICS)
    objects["opt"] = types.SimpleNamespace(scale=9.0)
    assert torch.equal(made(SEMANTICS, None), 3 * SEMANTICS)


# --- what may not be reached


class Decorated(nn.Linear):
    pass


FORBIDDEN = {
    "a module's function": ("os.system('true')", {"os": os}, "os is a Python module"),
    "a module through an object": ("helper.os.getcwd()", {"helper": Helper()}, "os is a Python module"),
    "a function of a library": ("run('true')", {"run": subprocess.run}, "subprocess.run is not written in the script"),
    "a builtin": ("open('x')", {"open": open}, "not written in the script's folder"),
    "a builtin that is eval": ("e('1')", {"e": eval}, "eval is not written in the script's folder"),
    "a builtin by name": ("len(semantics)", {"len": len}, "not written in the script's folder"),
    "a class": ("Path('x')", {"Path": Path}, "Path is a class"),
    "a class of the script": ("Net()", {"Net": Net}, "Net is a class"),
    "a method of a library's object": ("p.unlink()", {"p": Path("x")}, "not written in the script's folder"),
    "a method of text": ("'{0}'.format(semantics)", {}, "not written in the script's folder"),
    "a method of a list": ("xs.append(semantics)", {"xs": []}, "not written in the script's folder"),
    "a partial": ("f('true')", {"f": partial(os.system)}, "not written in the script's folder"),
    "a callable object of a library": ("f(1)", {"f": types.MethodType(os.system, 1)}, "not written in the script"),
    "a torch function by value": ("load('x')", {"load": torch.load}, "not written in the script's folder"),
    "saving a network": ("net.save('x')", {"net": torch.jit.script(nn.Linear(1, 1))}, "only decode, encode"),
    "a hook on a network": ("net.register_forward_hook(f)", {"net": Net(), "f": twice}, "only decode, encode"),
    "loading weights": ("net.load_state_dict(d)", {"net": Net(), "d": {}}, "only decode, encode"),
    "functions on a network": ("net.apply(f)", {"net": Net(), "f": twice}, "only decode, encode"),
    "a change in place": ("semantics.zero_()", {}, "the tensor method 'zero_' is not among those allowed"),
    "a hook on a tensor": ("semantics.register_hook(f)", {"f": twice}, "'register_hook' is not among those allowed"),
    "a backward pass": ("semantics.backward()", {}, "'backward' is not among those allowed"),
    "a function on a tensor": ("semantics.apply_(f)", {"f": twice}, "'apply_' is not among those allowed"),
    "a file of a tensor": ("semantics.numpy().tofile('x')", {}, "'numpy' is not among those allowed"),
}


@pytest.mark.parametrize(("text", "objects", "message"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_configuration_cannot_reach(text, objects, message):
    with pytest.raises(ConfigError) as caught:
        sample(text, **objects)
    assert message in str(caught.value)
    assert str(caught.value).startswith("d3.yaml:2: sample: ")


def test_code_outside_the_scripts_folder_may_not_be_called(tmp_path):
    elsewhere = OwnCode(tmp_path / "train.py")
    lines = parse_lines("twice(semantics)", where, SAMPLE_INPUTS)
    with pytest.raises(ConfigError, match="twice is not written in the script's folder"):
        run_lines(lines, {"semantics": SEMANTICS}, {"twice": twice}, elsewhere)


def test_a_librarys_network_may_be_called_and_draws_taken():
    normal = torch.distributions.Normal(torch.zeros(2, 3), torch.ones(2, 3))
    assert sample("net(semantics)", net=nn.Linear(3, 4)).shape == (2, 4)
    assert sample("net.forward(semantics)", net=nn.Linear(3, 4)).shape == (2, 4)
    assert sample("normal.rsample()", normal=normal).shape == (2, 3)
    with pytest.raises(ConfigError, match="not written"):
        sample("normal.expand(semantics)", normal=normal)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("net(semantics)", ConfigError, "failed: TypeError"),
        ("semantics.shape[7]", ConfigError, "failed: IndexError"),
        ("semantics.nothing", ConfigError, "failed: AttributeError"),
        ("broken(semantics)", ConfigError, "failed: ZeroDivisionError"),
        ("gone", ConfigError, "the script has no 'gone' here"),
        (["a, b, c = net(semantics, semantics)", "a"], ShapeError, "2 values for 3 names"),
        ("net(semantics, semantics)", ShapeError, "gives a tuple; expected a tensor of features"),
    ],
)
def test_what_fails_is_named_with_its_line(value, error, message):
    def broken(x):
        return x / (1 // 0)

    lines = parse_lines(value, where, SAMPLE_INPUTS)
    made = sampler(lines, {"net": Net(), "broken": broken, "gone": None}, OWN)
    if value == "gone":
        with pytest.raises(ConfigError, match=message):
            run_lines(lines, {}, {}, OWN)
        return
    with pytest.raises(error, match=message) as caught:
        made(SEMANTICS, None)
    assert str(caught.value).startswith("d3.yaml:2: sample")


NUMBERS = st.floats(-9, 9, allow_nan=False).map(lambda value: round(value, 3))
EXPRESSIONS = st.recursive(
    NUMBERS.map(str) | st.sampled_from(["x", "y"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda part: f"({part[0]} {part[1]} -{part[2]})"),
    max_leaves=12,
)


@hypothesis.given(EXPRESSIONS, NUMBERS, NUMBERS)
@hypothesis.settings(max_examples=60)
def test_arithmetic_is_pythons_own(text, x, y):
    expected = eval(text, {"x": x, "y": y})
    assert run_lines(parse_lines(text, where, SAMPLE_INPUTS), {}, {"x": x, "y": y}, OWN) == expected
