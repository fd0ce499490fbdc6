"""Training scripts as strangers write them, to run and to attach to."""

import sys
import textwrap

import pytest

UTIL = '''
import torch


class DATA_LOADER:
    """Six classes, the last two unseen; a feature is its class's attributes through a fixed map, and noise."""

    def __init__(self, opt):
        g = torch.Generator().manual_seed(3)
        self.attribute = torch.rand(6, opt.attSize, generator=g)
        mix = torch.rand(opt.attSize, opt.resSize, generator=g)
        label = torch.arange(6).repeat_interleave(12)
        feature = (self.attribute[label] @ mix + 0.1 * torch.rand(72, opt.resSize, generator=g)) / 5
        seen, held = label < 4, torch.arange(72) % 12 < 4
        self.seenclasses, self.unseenclasses = torch.arange(4), torch.tensor([4, 5])
        self.train_feature, self.train_label = feature[seen & ~held], label[seen & ~held]
        self.test_seen_feature, self.test_seen_label = feature[seen & held], label[seen & held]
        self.test_unseen_feature, self.test_unseen_label = feature[~seen], label[~seen]

    def next_batch(self, n):
        idx = torch.randperm(len(self.train_feature))[:n]
        label = self.train_label[idx]
        return self.train_feature[idx], label, self.attribute[label]


class MLP_G(torch.nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc = torch.nn.Linear(opt.nz + opt.attSize, opt.resSize)

    def forward(self, noise, att):
        return torch.relu(self.fc(torch.cat((noise, att), 1)))


class MLP_CRITIC(torch.nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc = torch.nn.Linear(opt.resSize + opt.attSize, 1)

    def forward(self, x, att):
        return self.fc(torch.cat((x, att), 1))
'''

HEAD = """
import argparse
import hashlib

import torch
import torch.optim as optim

import util

parser = argparse.ArgumentParser()
parser.add_argument("--nz", type=int, default=3)
parser.add_argument("--attSize", type=int, default=3)
parser.add_argument("--resSize", type=int, default=5)
parser.add_argument("--steps", type=int, default=4)
opt = parser.parse_args()
torch.manual_seed(1)


def fingerprint(*networks):
    bits = b"".join(p.detach().numpy().tobytes() for net in networks for p in net.parameters())
    print("weights", hashlib.sha256(bits).hexdigest()[:16], "random", torch.rand(1).item())
"""

LOOP = """
{data} = util.DATA_LOADER(opt)
{netG} = util.MLP_G(opt)
{netD} = util.MLP_CRITIC(opt)
{optimizerD} = optim.Adam({netD}.parameters(), lr=1e-3)
{optimizerG} = optim.Adam({netG}.parameters(), lr=1e-3)
for i in range(opt.steps):
    feature, label, att = {data}.next_batch(8)
    fake = {netG}(torch.randn(8, opt.nz), att)
    {optimizerD}.zero_grad()
    ({netD}(fake.detach(), att).mean() - {netD}(feature, att).mean()).backward()
    {optimizerD}.step()
    {optimizerG}.zero_grad()
    (-{netD}({netG}(torch.randn(8, opt.nz), att), att).mean()).backward()
    {optimizerG}.step()
fingerprint({netG}, {netD})
"""
NAMES = ("data", "netG", "netD", "optimizerD", "optimizerG")
PLAIN = {name: name for name in NAMES}
IN_OBJECT = {name: f"self.{name}" for name in NAMES}

SCRIPTS = {
    "module": HEAD + LOOP.format(**PLAIN),
    "function": HEAD + "\n\ndef train():\n" + textwrap.indent(LOOP.format(**PLAIN), "    ") + "\n\ntrain()\n",
    "object": HEAD
    + "\n\nclass Trainer:\n    def train(self):\n"
    + textwrap.indent(LOOP.format(**IN_OBJECT), "        ")
    + "\n\nTrainer().train()\n",
}
YAML = "generator: netG\noptimizer: optimizerG\ndata: data\n"
SMALL = "d3: {teacher_epochs: 1, embedding_dim: 8}\nevaluate: {synthetic_per_class: 4, classifiers: [softmax]}\n"
CONFIGS = {"module": YAML, "function": YAML, "object": YAML.replace(": ", ": self.").replace("self.self.", "self.")}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A checkout in the working directory: ``train.py`` in each style, ``util.py``, and a ``d3.yaml`` for each."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "util.py").write_text(UTIL)
    for style, source in SCRIPTS.items():
        (folder / f"{style}.py").write_text(source)
        (folder / f"{style}.yaml").write_text(CONFIGS[style] + SMALL)
    monkeypatch.chdir(folder)
    yield folder
    sys.modules.pop("util", None)
