"""A VAE-GAN whose semantic decoder feeds back to the generator (TF-VAEGAN), as a research script has it."""

import argparse
import itertools
import random

import numpy as np
import torch
import torch.autograd as autograd
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import util
from torch.autograd import Variable

parser = argparse.ArgumentParser()
parser.add_argument("--dataroot", default=util.DIGITS, help="an .npz file of features, labels, semantics and rows")
parser.add_argument("--batch_size", type=int, default=64)
parser.add_argument("--resSize", type=int, default=64, help="size of visual features")
parser.add_argument("--attSize", type=int, default=16, help="size of semantic features")
parser.add_argument("--nz", type=int, default=16, help="size of the latent z vector")
parser.add_argument("--ngh", type=int, default=256, help="size of the hidden units")
parser.add_argument("--nepoch", type=int, default=30)
parser.add_argument("--feedback_from", type=int, default=15, help="epoch from which the second pass is trained")
parser.add_argument("--a1", type=float, default=1.0, help="weight of the feedback in training")
parser.add_argument("--a2", type=float, default=1.0, help="weight of the feedback in synthesis")
parser.add_argument("--critic_iter", type=int, default=2)
parser.add_argument("--lambda1", type=float, default=10, help="gradient penalty regularizer")
parser.add_argument("--gammaG", type=float, default=1.0, help="weight of the critic in the generator's loss")
parser.add_argument("--recons_weight", type=float, default=1.0, help="weight of the decoder's reconstruction")
parser.add_argument("--dropout", type=float, default=0.1, help="dropout in the decoder's hidden layer")
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--feed_lr", type=float, default=0.0001)
parser.add_argument("--dec_lr", type=float, default=0.001)
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
np.random.seed(opt.manualSeed)
torch.manual_seed(opt.manualSeed)

data = util.DATA_LOADER(opt)
print("# of training samples: ", data.ntrain)
logger = util.Logger(opt.log)


class Encoder(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.resSize + opt.attSize, opt.ngh)
        self.linear_means = nn.Linear(opt.ngh, opt.nz)
        self.linear_log_var = nn.Linear(opt.ngh, opt.nz)

    def forward(self, x, c):
        h = F.leaky_relu(self.fc1(torch.cat((x, c), dim=-1)), 0.2)
        return self.linear_means(h), self.linear_log_var(h)


class Generator(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.nz + opt.attSize, opt.ngh)
        self.fc3 = nn.Linear(opt.ngh, opt.resSize)
        self.lrelu = nn.LeakyReLU(0.2, True)
        self.sigmoid = nn.Sigmoid()

    def forward(self, z, a1=None, c=None, feedback_layers=None):
        h = self.lrelu(self.fc1(torch.cat((z, c), dim=-1)))
        if feedback_layers is not None:
            h = h + a1 * feedback_layers
        return self.sigmoid(self.fc3(h))


class Discriminator(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.resSize + opt.attSize, opt.ngh)
        self.fc2 = nn.Linear(opt.ngh, 1)

    def forward(self, x, att):
        return self.fc2(F.leaky_relu(self.fc1(torch.cat((x, att), 1)), 0.2))


class Feedback(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.ngh, opt.ngh)
        self.fc2 = nn.Linear(opt.ngh, opt.ngh)

    def forward(self, x):
        self.x1 = F.leaky_relu(self.fc1(x), 0.2)
        return F.leaky_relu(self.fc2(self.x1), 0.2)


class AttDec(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.resSize, opt.ngh)
        self.dropout = nn.Dropout(opt.dropout)
        self.fc3 = nn.Linear(opt.ngh, opt.attSize)
        self.hidden = None

    def forward(self, feat):
        self.hidden = self.dropout(F.leaky_relu(self.fc1(feat), 0.2))
        return torch.sigmoid(self.fc3(self.hidden))

    def getLayersOutDet(self):
        return self.hidden.detach()


netE = Encoder(opt)
netG = Generator(opt)
netD = Discriminator(opt)
netF = Feedback(opt)
netDec = AttDec(opt)
print(netE, netG, netD, netF, netDec, sep="\n")

input_res = torch.FloatTensor(opt.batch_size, opt.resSize)
input_att = torch.FloatTensor(opt.batch_size, opt.attSize)
noise = torch.FloatTensor(opt.batch_size, opt.nz)
one = torch.tensor(1.0)
mone = one * -1

optimizerG = optim.Adam(itertools.chain(netE.parameters(), netG.parameters()), lr=opt.lr, betas=(opt.beta1, 0.999))
optimizerD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
optimizerF = optim.Adam(netF.parameters(), lr=opt.feed_lr, betas=(opt.beta1, 0.999))
optimizerDec = optim.Adam(netDec.parameters(), lr=opt.dec_lr, betas=(opt.beta1, 0.999))


def loss_fn(recon_x, x, mean, log_var):
    BCE = F.binary_cross_entropy(recon_x + 1e-12, x.detach(), reduction="sum") / x.size(0)
    KLD = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp()) / x.size(0)
    return BCE + KLD


def WeightedL1(pred, gt):
    wt = (pred - gt).pow(2)
    wt = wt / wt.sum(1).sqrt().unsqueeze(1).expand(wt.size(0), wt.size(1))
    return (wt * (pred - gt).abs()).sum() / pred.size(0)


def sample():
    batch_feature, batch_att = data.next_seen_batch(opt.batch_size)
    input_res.copy_(batch_feature)
    input_att.copy_(batch_att)


def feedback_pass(z, att, weight):
    fake = netG(z, c=att)
    netDec(fake)  # only to fill its hidden layer
    feedback_out = netF(netDec.getLayersOutDet())
    return netG(z, a1=weight, c=att, feedback_layers=feedback_out)


def calc_gradient_penalty(netD, real_data, fake_data, input_att):
    alpha = torch.rand(opt.batch_size, 1).expand(real_data.size())
    interpolates = Variable(alpha * real_data + ((1 - alpha) * fake_data), requires_grad=True)
    disc_interpolates = netD(interpolates, Variable(input_att))
    ones = torch.ones(disc_interpolates.size())
    gradients = autograd.grad(disc_interpolates, interpolates, ones, create_graph=True, retain_graph=True)[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * opt.lambda1


def generate_syn_feature(classes, attribute, num):
    syn_feature = torch.FloatTensor(classes.size(0) * num, opt.resSize)
    syn_label = torch.LongTensor(classes.size(0) * num)
    syn_noise = torch.FloatTensor(num, opt.nz)
    for i in range(classes.size(0)):
        syn_att = attribute[classes[i]].repeat(num, 1)
        syn_noise.normal_(0, 1)
        with torch.no_grad():
            output = feedback_pass(Variable(syn_noise), Variable(syn_att), opt.a2)
        syn_feature.narrow(0, i * num, num).copy_(output.data.cpu())
        syn_label.narrow(0, i * num, num).fill_(classes[i])
    return syn_feature, syn_label


def with_semantics(feature):
    # the classifier sees a feature together with the decoder's hidden layer and its reconstruction
    with torch.no_grad():
        recons = netDec(feature)
    return torch.cat((feature, netDec.getLayersOutDet(), recons), 1)


for epoch in range(opt.nepoch):
    feedback = epoch >= opt.feedback_from
    for i in range(0, data.ntrain, opt.batch_size):
        ######### Discriminator and decoder #########
        for p in netD.parameters():
            p.requires_grad = True
        for p in netDec.parameters():
            p.requires_grad = True

        for iter_d in range(opt.critic_iter):
            sample()
            input_resv = Variable(input_res)
            input_attv = Variable(input_att)

            netDec.zero_grad()
            R_cost = opt.recons_weight * WeightedL1(netDec(input_resv), input_attv)
            R_cost.backward()
            optimizerDec.step()

            netD.zero_grad()
            criticD_real = netD(input_resv, input_attv).mean()
            criticD_real.backward(mone)
            noise.normal_(0, 1)
            z = Variable(noise)
            if feedback:
                fake = feedback_pass(z, input_attv, opt.a1)
            else:
                fake = netG(z, c=input_attv)
            criticD_fake = netD(fake.detach(), input_attv).mean()
            criticD_fake.backward(one)
            gradient_penalty = calc_gradient_penalty(netD, input_res, fake.data, input_att)
            gradient_penalty.backward()
            D_cost = criticD_fake - criticD_real + gradient_penalty
            optimizerD.step()

        ######### Encoder, generator and feedback #########
        for p in netD.parameters():
            p.requires_grad = False
        for p in netDec.parameters():
            p.requires_grad = False

        netE.zero_grad()
        netG.zero_grad()
        netF.zero_grad()
        input_resv = Variable(input_res)
        input_attv = Variable(input_att)
        means, log_var = netE(input_resv, input_attv)
        z = means + torch.exp(0.5 * log_var) * torch.randn(means.size())
        noise.normal_(0, 1)
        noisev = Variable(noise)
        if feedback:
            recon_x = feedback_pass(z, input_attv, opt.a1)
            fake = feedback_pass(noisev, input_attv, opt.a1)
        else:
            recon_x = netG(z, c=input_attv)
            fake = netG(noisev, c=input_attv)
        vae_loss_seen = loss_fn(recon_x, input_resv, means, log_var)
        G_cost = -netD(fake, input_attv).mean()
        R_cost = WeightedL1(netDec(fake), input_attv)
        errG = vae_loss_seen + opt.gammaG * G_cost + opt.recons_weight * R_cost
        errG.backward()
        optimizerG.step()
        if feedback:
            optimizerF.step()
        logger.write(D_cost.data, vae_loss_seen.data, G_cost.data, R_cost.data)

    print(
        "[%d/%d]  Loss_D: %.4f Loss_G: %.4f, vae_loss_seen:%.4f, R_cost:%.4f"
        % (epoch, opt.nepoch, D_cost.item(), G_cost.item(), vae_loss_seen.item(), R_cost.item())
    )

netG.eval()
netDec.eval()
netF.eval()
syn_feature, syn_label = generate_syn_feature(data.unseenclasses, data.attribute, opt.syn_num)
train_X = torch.cat((data.train_feature, syn_feature), 0)
train_Y = torch.cat((data.train_label, syn_label), 0)
cls = util.CLASSIFIER(with_semantics(train_X), train_Y, data.ntrain_class + data.ntest_class, nepoch=opt.cls_nepoch)
cls.report(
    with_semantics(data.test_seen_feature),
    data.test_seen_label,
    with_semantics(data.test_unseen_feature),
    data.test_unseen_label,
    data.unseenclasses,
)
netG.train()
netDec.train()
netF.train()
if opt.outf:
    networks = {"netE": netE, "netG": netG, "netD": netD, "netF": netF, "netDec": netDec}
    torch.save({name: net.state_dict() for name, net in networks.items()}, opt.outf)
