"""The same training inside a function."""

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


def train():

    data = util.DATA_LOADER(opt)
    netG = util.MLP_G(opt)
    netD = util.MLP_CRITIC(opt)
    optimizerD = optim.Adam(netD.parameters(), lr=1e-3)
    optimizerG = optim.Adam(netG.parameters(), lr=1e-3)
    for _ in range(opt.steps):
        feature, _, att = data.next_batch(8)
        fake = netG(torch.randn(8, opt.nz), att)
        optimizerD.zero_grad()
        (netD(fake.detach(), att).mean() - netD(feature, att).mean()).backward()
        optimizerD.step()
        optimizerG.zero_grad()
        (-netD(netG(torch.randn(8, opt.nz), att), att).mean()).backward()
        optimizerG.step()
    fingerprint(netG, netD)


train()
