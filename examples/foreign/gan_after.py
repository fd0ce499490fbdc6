"""A Wasserstein GAN with gradient penalty and a classification loss (f-CLSWGAN), as a research script has it."""

import argparse
import random

import d3wrap
import torch
import torch.autograd as autograd
import torch.nn as nn
import torch.optim as optim
import util
from torch.autograd import Variable

parser = argparse.ArgumentParser()
parser.add_argument("--dataroot", default=util.DIGITS, help="an .npz file of features, labels, semantics and rows")
parser.add_argument("--batch_size", type=int, default=64)
parser.add_argument("--resSize", type=int, default=64, help="size of visual features")
parser.add_argument("--attSize", type=int, default=16, help="size of semantic features")
parser.add_argument("--nz", type=int, default=16, help="size of the latent z vector")
parser.add_argument("--ngh", type=int, default=256, help="size of the hidden units in generator")
parser.add_argument("--ndh", type=int, default=256, help="size of the hidden units in discriminator")
parser.add_argument("--nepoch", type=int, default=30)
parser.add_argument("--critic_iter", type=int, default=5)
parser.add_argument("--lambda1", type=float, default=10, help="gradient penalty regularizer")
parser.add_argument("--cls_weight", type=float, default=0.05, help="weight of the classification loss")
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


class MLP_G(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.attSize + opt.nz, opt.ngh)
        self.fc2 = nn.Linear(opt.ngh, opt.resSize)
        self.lrelu = nn.LeakyReLU(0.2, True)
        self.relu = nn.ReLU(True)

    def forward(self, x, y):
        h = torch.cat((x, y), 1)
        h = self.lrelu(self.fc1(h))
        h = self.relu(self.fc2(h))
        return h


class MLP_CRITIC(nn.Module):
    def __init__(self, opt):
        super().__init__()
        self.fc1 = nn.Linear(opt.resSize + opt.attSize, opt.ndh)
        self.fc2 = nn.Linear(opt.ndh, 1)
        self.lrelu = nn.LeakyReLU(0.2, True)

    def forward(self, x, y):
        h = torch.cat((x, y), 1)
        return self.fc2(self.lrelu(self.fc1(h)))


netG = MLP_G(opt)
netD = MLP_CRITIC(opt)
print(netG)
print(netD)

input_res = torch.FloatTensor(opt.batch_size, opt.resSize)
input_att = torch.FloatTensor(opt.batch_size, opt.attSize)
noise = torch.FloatTensor(opt.batch_size, opt.nz)
input_label = torch.LongTensor(opt.batch_size)
one = torch.tensor(1.0)
mone = one * -1


def sample():
    batch_feature, batch_label, batch_att = data.next_batch(opt.batch_size)
    input_res.copy_(batch_feature)
    input_att.copy_(batch_att)
    input_label.copy_(util.map_label(batch_label, data.seenclasses))


def generate_syn_feature(netG, classes, attribute, num):
    nclass = classes.size(0)
    syn_feature = torch.FloatTensor(nclass * num, opt.resSize)
    syn_label = torch.LongTensor(nclass * num)
    syn_att = torch.FloatTensor(num, opt.attSize)
    syn_noise = torch.FloatTensor(num, opt.nz)
    for i in range(nclass):
        iclass = classes[i]
        syn_att.copy_(attribute[iclass].repeat(num, 1))
        syn_noise.normal_(0, 1)
        with torch.no_grad():
            output = netG(Variable(syn_noise), Variable(syn_att))
        syn_feature.narrow(0, i * num, num).copy_(output.data.cpu())
        syn_label.narrow(0, i * num, num).fill_(iclass)
    return syn_feature, syn_label


optimizerD = optim.Adam(netD.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=opt.lr, betas=(opt.beta1, 0.999))
d3 = d3wrap.attach(netG, data, optimizer=optimizerG, real=lambda: (input_res, input_label), labels="seen")


def calc_gradient_penalty(netD, real_data, fake_data, input_att):
    alpha = torch.rand(opt.batch_size, 1)
    alpha = alpha.expand(real_data.size())
    interpolates = alpha * real_data + ((1 - alpha) * fake_data)
    interpolates = Variable(interpolates, requires_grad=True)
    disc_interpolates = netD(interpolates, Variable(input_att))
    gradients = autograd.grad(
        outputs=disc_interpolates,
        inputs=interpolates,
        grad_outputs=torch.ones(disc_interpolates.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * opt.lambda1


# classifier on the seen classes, which tells the generator what class its features are of
cls_criterion = nn.NLLLoss()
train_Y = util.map_label(data.train_label, data.seenclasses)
pretrain_cls = util.CLASSIFIER(data.train_feature, train_Y, data.ntrain_class, nepoch=opt.cls_nepoch)
for p in pretrain_cls.model.parameters():
    p.requires_grad = False

for epoch in range(opt.nepoch):
    for i in range(0, data.ntrain, opt.batch_size):
        ############################
        # (1) Update D network
        ############################
        for p in netD.parameters():  # reset requires_grad
            p.requires_grad = True  # they are set to False below in netG update

        for iter_d in range(opt.critic_iter):
            sample()
            netD.zero_grad()
            input_resv = Variable(input_res)
            input_attv = Variable(input_att)

            criticD_real = netD(input_resv, input_attv)
            criticD_real = criticD_real.mean()
            criticD_real.backward(mone)

            noise.normal_(0, 1)
            noisev = Variable(noise)
            fake = netG(noisev, input_attv)
            criticD_fake = netD(fake.detach(), input_attv)
            criticD_fake = criticD_fake.mean()
            criticD_fake.backward(one)

            gradient_penalty = calc_gradient_penalty(netD, input_res, fake.data, input_att)
            gradient_penalty.backward()

            Wasserstein_D = criticD_real - criticD_fake
            D_cost = criticD_fake - criticD_real + gradient_penalty
            optimizerD.step()

        ############################
        # (2) Update G network
        ############################
        for p in netD.parameters():
            p.requires_grad = False  # avoid computation

        netG.zero_grad()
        input_attv = Variable(input_att)
        noise.normal_(0, 1)
        noisev = Variable(noise)
        fake = netG(noisev, input_attv)
        criticG_fake = netD(fake, input_attv)
        G_cost = -criticG_fake.mean()
        c_errG = cls_criterion(pretrain_cls.model(fake), Variable(input_label))
        errG = G_cost + opt.cls_weight * c_errG
        errG.backward()
        optimizerG.step()
        logger.write(D_cost.data, G_cost.data, c_errG.data)

    print(
        "[%d/%d] Loss_D: %.4f Loss_G: %.4f, Wasserstein_dist: %.4f, c_errG:%.4f"
        % (epoch, opt.nepoch, D_cost.item(), G_cost.item(), Wasserstein_D.item(), c_errG.item())
    )

netG.eval()
syn_feature, syn_label = generate_syn_feature(netG, data.unseenclasses, data.attribute, opt.syn_num)
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
netG.train()
print(d3.evaluate())
if opt.outf:
    torch.save({"netG": netG.state_dict(), "netD": netD.state_dict()}, opt.outf)
