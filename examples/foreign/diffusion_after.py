"""A denoising diffusion GAN of four steps in a class with optimizers of its own, as a research script has it."""

import argparse
import random

import d3wrap
import torch
import torch.autograd as autograd
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import util

parser = argparse.ArgumentParser()
parser.add_argument("--dataroot", default=util.DIGITS, help="an .npz file of features, labels, semantics and rows")
parser.add_argument("--batch_size", type=int, default=64)
parser.add_argument("--n_T", type=int, default=4, help="number of diffusion steps")
parser.add_argument("--ddpmbeta1", type=float, default=0.1)
parser.add_argument("--ddpmbeta2", type=float, default=20)
parser.add_argument("--noiseSize", type=int, default=16)
parser.add_argument("--hidden", type=int, default=256)
parser.add_argument("--nepoch", type=int, default=30)
parser.add_argument("--critic_iter", type=int, default=2)
parser.add_argument("--gamma_x0", type=float, default=10, help="weight of the reconstruction of clean features")
parser.add_argument("--lambda1", type=float, default=10, help="gradient penalty regularizer")
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--beta1", type=float, default=0.5)
parser.add_argument("--syn_num", type=int, default=300, help="features to generate per class")
parser.add_argument("--cls_nepoch", type=int, default=25, help="epochs of the softmax classifier")
parser.add_argument("--manualSeed", type=int, default=None)
parser.add_argument("--log", default="", help="file to write the losses of every step to")
parser.add_argument("--outf", default="", help="file to save the networks to")
opt = parser.parse_args()

if opt.manualSeed is None:
    opt.manualSeed = random.randint(1, 10000)
print("Random Seed: ", opt.manualSeed)
random.seed(opt.manualSeed)
torch.manual_seed(opt.manualSeed)

data = util.DATA_LOADER(opt)
print("# of training samples: ", data.ntrain)
logger = util.Logger(opt.log)


class Denoiser(nn.Module):
    def __init__(self, dim, att, opt):
        super().__init__()
        self.embed = nn.Embedding(opt.n_T, 16)
        self.fc1 = nn.Linear(opt.noiseSize + att + dim + 16, opt.hidden)
        self.bn = nn.BatchNorm1d(opt.hidden)
        self.fc2 = nn.Linear(opt.hidden, opt.hidden)
        self.fc3 = nn.Linear(opt.hidden, dim)

    def forward(self, z, att, x_t, t):
        h = torch.cat((z, att, x_t, self.embed(t)), 1)
        h = F.leaky_relu(self.bn(self.fc1(h)), 0.2)
        h = F.leaky_relu(self.fc2(h), 0.2)
        return torch.sigmoid(self.fc3(h))


class Critic(nn.Module):
    def __init__(self, dim, att, opt):
        super().__init__()
        self.embed = nn.Embedding(opt.n_T, 16)
        self.fc1 = nn.Linear(2 * dim + att + 16, opt.hidden)
        self.fc2 = nn.Linear(opt.hidden, 1)

    def forward(self, x_t, x_tp1, att, t):
        h = torch.cat((x_t, x_tp1, att, self.embed(t)), 1)
        return self.fc2(F.leaky_relu(self.fc1(h), 0.2))


class DDGAN(nn.Module):
    def __init__(self, data, opt):
        super().__init__()
        self.n_T = opt.n_T
        self.dim = data.train_feature.size(1)
        self.dim_noise = opt.noiseSize
        self.batch_size = opt.batch_size
        self.data = data

        s = torch.arange(opt.n_T + 1) / opt.n_T
        log_mean = -0.25 * s**2 * (opt.ddpmbeta2 - opt.ddpmbeta1) - 0.5 * s * opt.ddpmbeta1
        self.alphas_bar = torch.exp(2 * log_mean)
        self.alphas = self.alphas_bar[1:] / self.alphas_bar[:-1]  # from step t to step t + 1

        self.netG = Denoiser(self.dim, data.attribute.size(1), opt)
        self.netD = Critic(self.dim, data.attribute.size(1), opt)
        self.optimizerG = optim.Adam(self.netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
        self.optimizerD = optim.Adam(self.netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))

    def next_batch(self):
        idx = random.sample(range(self.data.ntrain), self.batch_size)
        return self.data.train_feature[idx], self.data.attribute[self.data.train_label[idx]]

    def q_sample_pairs(self, x_0, t):
        alphas_bar = self.alphas_bar[t][:, None]
        x_t = alphas_bar.sqrt() * x_0 + (1 - alphas_bar).sqrt() * torch.randn_like(x_0)
        alphas = self.alphas[t][:, None]
        x_tp1 = alphas.sqrt() * x_t + (1 - alphas).sqrt() * torch.randn_like(x_0)
        return x_t, x_tp1

    def sample_posterior(self, x_0, x_tp1, t):
        a, a_bar, a_bar_next = self.alphas[t][:, None], self.alphas_bar[t][:, None], self.alphas_bar[t + 1][:, None]
        mean = (a_bar.sqrt() * (1 - a) * x_0 + a.sqrt() * (1 - a_bar) * x_tp1) / (1 - a_bar_next)
        var = (1 - a) * (1 - a_bar) / (1 - a_bar_next)
        return mean + var.sqrt() * torch.randn_like(x_0)

    def sample_from_model(self, att):
        x = torch.randn(att.size(0), self.dim)
        for step in reversed(range(self.n_T)):
            t = torch.full((att.size(0),), step, dtype=torch.int64)
            z = torch.randn(att.size(0), self.dim_noise)
            x = self.sample_posterior(self.netG(z, att, x, t), x, t)
        return x

    def gradient_penalty(self, real, fake, x_tp1, att, t):
        alpha = torch.rand(self.batch_size, 1)
        x = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
        out = self.netD(x, x_tp1, att, t)
        grad = autograd.grad(out.sum(), x, create_graph=True)[0]
        return ((grad.norm(2, dim=1) - 1) ** 2).mean() * opt.lambda1

    def update_D(self, x_0, att):
        for p in self.netD.parameters():
            p.requires_grad = True
        for p in self.netG.parameters():
            p.requires_grad = False
        self.netD.zero_grad()
        t = torch.randint(0, self.n_T, (self.batch_size,))
        x_t, x_tp1 = self.q_sample_pairs(x_0, t)
        z = torch.randn(self.batch_size, self.dim_noise)
        x_t_fake = self.sample_posterior(self.netG(z, att, x_tp1, t), x_tp1, t)
        D_real = self.netD(x_t, x_tp1, att, t).mean()
        D_fake = self.netD(x_t_fake.detach(), x_tp1, att, t).mean()
        D_cost = D_fake - D_real + self.gradient_penalty(x_t, x_t_fake.data, x_tp1, att, t)
        D_cost.backward()
        self.optimizerD.step()
        return D_cost

    def update_G(self, x_0, att):
        for p in self.netG.parameters():
            p.requires_grad = True
        for p in self.netD.parameters():
            p.requires_grad = False
        self.netG.zero_grad()
        t = torch.randint(0, self.n_T, (self.batch_size,))
        x_t, x_tp1 = self.q_sample_pairs(x_0, t)
        z = torch.randn(self.batch_size, self.dim_noise)
        x_0_fake = self.netG(z, att, x_tp1, t)
        x_t_fake = self.sample_posterior(x_0_fake, x_tp1, t)
        G_cost = -self.netD(x_t_fake, x_tp1, att, t).mean()
        loss_x0 = F.mse_loss(x_0_fake, x_0)
        errG = G_cost + opt.gamma_x0 * loss_x0
        errG.backward()
        self.optimizerG.step()
        return G_cost, loss_x0

    def forward(self):
        for iter_d in range(opt.critic_iter):
            x_0, att = self.next_batch()
            D_cost = self.update_D(x_0, att)
        G_cost, loss_x0 = self.update_G(x_0, att)
        return D_cost, G_cost, loss_x0


def generate_syn_feature(model, classes, attribute, num):
    syn_feature, syn_label = [], []
    for iclass in classes:
        with torch.no_grad():
            syn_feature.append(model.sample_from_model(attribute[iclass].repeat(num, 1)))
        syn_label.append(iclass.repeat(num))
    return torch.cat(syn_feature), torch.cat(syn_label)


ddgan = DDGAN(data, opt)
print(ddgan)
d3 = d3wrap.attach(ddgan.sample_from_model, data, optimizer=ddgan.optimizerG)

for epoch in range(opt.nepoch):
    for i in range(0, data.ntrain, opt.batch_size):
        D_cost, G_cost, loss_x0 = ddgan()
        logger.write(D_cost.data, G_cost.data, loss_x0.data)
    print(
        "[%d/%d] D_cost:%.4f, G_cost:%.4f, loss_x0:%.4f"
        % (epoch, opt.nepoch, D_cost.item(), G_cost.item(), loss_x0.item())
    )

ddgan.eval()
syn_feature, syn_label = generate_syn_feature(ddgan, data.unseenclasses, data.attribute, opt.syn_num)
train_X = torch.cat((data.train_feature, syn_feature), 0)
train_Y = torch.cat((data.train_label, syn_label), 0)
cls = util.CLASSIFIER(train_X, train_Y, data.ntrain_class + data.ntest_class, nepoch=opt.cls_nepoch)
cls.report(
    data.test_seen_feature,
    data.test_seen_label,
    data.test_unseen_feature,
    data.test_unseen_label,
    data.unseenclasses,
)
ddgan.train()
print(d3.evaluate())
if opt.outf:
    torch.save(ddgan.state_dict(), opt.outf)
