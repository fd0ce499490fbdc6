"""The same training inside a method."""

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


class Trainer:
    def train(self):

        self.data = util.DATA_LOADER(opt)
        self.netG = util.MLP_G(opt)
        self.netD = util.MLP_CRITIC(opt)
        self.optimizerD = optim.Adam(self.netD.parameters(), lr=1e-3)
        self.optimizerG = optim.Adam(self.netG.parameters(), lr=1e-3)
        for _ in range(opt.steps):
            feature, _, att = self.data.next_batch(8)
            fake = self.netG(torch.randn(8, opt.nz), att)
            self.optimizerD.zero_grad()
            (self.netD(fake.detach(), att).mean() - self.netD(feature, att).mean()).backward()
            self.optimizerD.step()
            self.optimizerG.zero_grad()
            (-self.netD(self.netG(torch.randn(8, opt.nz), att), att).mean()).backward()
            self.optimizerG.step()
        fingerprint(self.netG, self.netD)


Trainer().train()
