"""What README shows works exactly as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def host():
    """Run the blocks of the three-line host use, in order, in one namespace."""
    namespace: dict[str, object] = {}
    defining, wrapping = (
        block for block in BLOCKS if "netG" in block and "errG" not in block and "attach" not in block
    )
    exec(compile(defining, "README.md", "exec"), namespace)
    exec(compile(wrapping, "README.md", "exec"), namespace)
    return namespace


def test_the_three_lines_are_three():
    (block,) = (b for b in BLOCKS if "d3wrap.enhance(" in b)
    assert len([line for line in block.splitlines() if line.strip()]) == 3


def test_the_three_lines_train_and_measure(host, capsys):
    evaluation = host["d3"].evaluate(classifiers=("softmax",))
    assert evaluation["softmax"].T1 > 1 / 3  # better than chance among three unseen digits


def test_the_attached_lines_train_and_measure(host, capsys):
    (block,) = (b for b in BLOCKS if "attach" in b)
    attached, _, measured = block.partition("...")
    netG, data = host["netG"], host["d3"].dataset
    optimizerG = torch.optim.Adam(netG.parameters())
    namespace = {"netG": netG, "data": data, "optimizerG": optimizerG}
    exec(compile(attached, "README.md", "exec"), namespace)
    for _ in range(2):
        rows = torch.randint(len(data.train), (8,))
        fake = netG(torch.randn(8, 16), data.semantics[data.train_labels[rows]])
        (fake - data.train_features[rows]).square().mean().backward()
        optimizerG.step()
    assert namespace["d3"].steps == 2
    exec(compile(measured.partition("\n")[2], "README.md", "exec"), namespace)
    assert "softmax" in capsys.readouterr().out
    namespace["d3"].detach()


def test_the_guest_lines_reach_the_generator(host):
    (block,) = (b for b in BLOCKS if "errG" in b)
    d3, netG = host["d3"], host["netG"]
    dataset = d3.dataset
    netG.zero_grad()
    namespace = {
        "d3": d3,
        "features": dataset.train_features[:8],
        "labels": dataset.train_labels[:8],
        "errG": torch.zeros((), requires_grad=True),
    }
    exec(compile(block, "README.md", "exec"), namespace)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in netG.parameters())
    assert any(p.grad.abs().sum() > 0 for p in netG.parameters())


def test_the_plugin_is_one(host):
    from d3wrap.manager import load_plugins

    (block,) = (b for b in BLOCKS if "hookimpl" in b)
    namespace: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), namespace)
    plugin = type("Plugin", (), {"on_batch": staticmethod(namespace["on_batch"])})
    assert load_plugins(extra={"norm": plugin}).freeze("on_batch").plugins == ("norm",)
