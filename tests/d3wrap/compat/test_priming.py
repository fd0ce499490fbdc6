"""Shims in a fresh process, where torch has yet to learn about its own functions."""

from __future__ import annotations

import subprocess
import sys
import textwrap

TRAIN = """
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(net.parameters())
    optimizer.zero_grad()
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
"""

LATER = """
import copy
with torch.device("meta"):
    assert torch.zeros(1).device.type == "meta"

@torch.jit.script
def scripted(x: torch.Tensor):
    return torch.zeros([2]) + x[0] - x

assert scripted(torch.ones(2)).tolist() == [0, 0]
compiled = torch.compile(lambda x: torch.zeros(2) + x[0] - x, backend="eager")
assert compiled(torch.ones(2)).tolist() == [0, 0]
"""


def test_the_first_optimizer_of_a_process_may_be_made_within_the_block(tmp_path):
    script = tmp_path / "script.py"
    block = f"with compatible(device='cpu'):\n{textwrap.indent(textwrap.dedent(TRAIN), '    ')}"
    script.write_text(f"import torch\nfrom d3wrap.compat import compatible\n{block}\n{LATER}")
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
