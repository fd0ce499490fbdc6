"""A conditional flow of affine couplings with a semantic module (GSMFlow), as a research script has it."""

import argparse
import math
import random

import d3wrap
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
import util

parser = argparse.ArgumentParser()
parser.add_argument("--dataroot", default=util.DIGITS, help="an .npz file of features, labels, semantics and rows")
parser.add_argument("--batchsize", type=int, default=128)
parser.add_argument("--niter", type=int, default=600, help="number of iterations to train for")
parser.add_argument("--disp_interval", type=int, default=100)
parser.add_argument("--num_coupling_layers", type=int, default=4)
parser.add_argument("--hidden", type=int, default=128, help="hidden units of a coupling")
parser.add_argument("--input_dim", type=int, default=64, help="dimension of the global semantic vectors")
parser.add_argument("--prototype", type=float, default=10, help="weight of the prototype loss")
parser.add_argument("--pi", type=float, default=0.1, help="degree of the perturbation")
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--weight_decay", type=float, default=1e-5)
parser.add_argument("--gamma", type=float, default=0.7, help="decay of the learning rate")
parser.add_argument("--nSample", type=int, default=300, help="number of features to generate per class")
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


class FeatDataLayer:
    def __init__(self, label, feat_data, opt):
        self._opt = opt
        self._feat_data = feat_data
        self._label = label
        self._epoch = 0
        self._shuffle()

    def _shuffle(self):
        self._perm = np.random.permutation(np.arange(len(self._label)))
        self._cur = 0

    def forward(self):
        if self._cur + self._opt.batchsize > len(self._label):
            self._shuffle()
            self._epoch += 1
        inds = self._perm[self._cur : self._cur + self._opt.batchsize]
        self._cur += self._opt.batchsize
        return {"data": self._feat_data[inds], "labels": self._label[inds]}


class Coupling(nn.Module):
    def __init__(self, dim, cond, hidden, clamp=1.0):
        super().__init__()
        self.d1 = dim // 2
        self.d2 = dim - dim // 2
        self.clamp = clamp
        self.s = nn.Sequential(nn.Linear(self.d1 + cond, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, 2 * self.d2))
        self.register_buffer("perm", torch.randperm(dim))
        self.register_buffer("perm_inv", torch.argsort(self.perm))

    def params(self, x1, c):
        s, t = self.s(torch.cat((x1, c), 1)).chunk(2, 1)
        return self.clamp * 0.636 * torch.atan(s), t

    def forward(self, x, c):
        x = x[:, self.perm]
        x1, x2 = x[:, : self.d1], x[:, self.d1 :]
        s, t = self.params(x1, c)
        return torch.cat((x1, x2 * torch.exp(s) + t), 1), s.sum(1)

    def reverse(self, z, c):
        z1, z2 = z[:, : self.d1], z[:, self.d1 :]
        s, t = self.params(z1, c)
        return torch.cat((z1, (z2 - t) * torch.exp(-s)), 1)[:, self.perm_inv]


class cINN(nn.Module):
    def __init__(self, dim, opt):
        super().__init__()
        self.cinn = nn.ModuleList([Coupling(dim, opt.input_dim, opt.hidden) for _ in range(opt.num_coupling_layers)])
        for p in self.parameters():
            p.data = 0.05 * torch.randn_like(p)

    def forward(self, x, c):
        jac = torch.zeros(x.size(0))
        for layer in self.cinn:
            x, log_jac = layer(x, c)
            jac = jac + log_jac
        return x, jac

    def reverse_sample(self, z, c):
        for layer in reversed(self.cinn):
            z = layer.reverse(z, c)
        return z


class GSModule(nn.Module):
    """Where a class lies relative to three classes: the two extreme ones and the one in the middle."""

    def __init__(self, anchors, output_dim):
        super().__init__()
        self.register_buffer("anchors", anchors)
        self.fc = nn.ModuleList([nn.Linear(anchors.size(1), output_dim) for _ in range(anchors.size(0))])

    def forward(self, att):
        relative = 0
        for anchor, fc in zip(self.anchors, self.fc):
            relative = relative + F.relu(fc(att - anchor))
        return relative


def synthesize_feature(sample, dataset, opt):
    gen_feat = []
    gen_label = np.zeros([0])
    with torch.no_grad():
        for i in range(dataset.ntest_class):
            text_feat = torch.from_numpy(np.tile(dataset.test_att[i].astype("float32"), (opt.nSample, 1)))
            gen_feat.append(sample(text_feat))
            gen_label = np.hstack((gen_label, np.ones([opt.nSample]) * i))
    return torch.cat(gen_feat), torch.from_numpy(gen_label.astype(int))


def train():
    dataset = util.BLOCK_LOADER(opt)
    logger = util.Logger(opt.log)
    dim = dataset.train_feature.size(1)
    data_layer = FeatDataLayer(dataset.train_label.numpy(), dataset.train_feature.numpy(), opt)
    centroid = [dataset.train_feature[dataset.train_label == i].mean(0) for i in range(dataset.ntrain_class)]
    x_mean = torch.stack(centroid)

    train_att = torch.from_numpy(dataset.train_att)
    similarity = F.cosine_similarity(train_att[:, None], train_att[None], dim=2).sum(1)
    order = torch.argsort(similarity)
    anchors = train_att[order[[0, -1, len(order) // 2]]]

    flow = cINN(dim, opt)
    sm = GSModule(anchors, opt.input_dim)
    print(flow)
    mse = nn.MSELoss()
    optimizer = optim.Adam(list(flow.parameters()) + list(sm.parameters()), lr=opt.lr, weight_decay=opt.weight_decay)
    iters = math.ceil(dataset.ntrain / opt.batchsize)
    lr_scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=opt.gamma)

    def sample(att):
        return flow.reverse_sample(torch.randn(att.size(0), dim), sm(att))

    d3 = d3wrap.attach(sample, dataset, optimizer=optimizer, gradient_share=0.005)
    for it in range(1, opt.niter + 1):
        flow.zero_grad()
        sm.zero_grad()

        blobs = data_layer.forward()
        X = torch.from_numpy(blobs["data"])
        C = np.array([dataset.train_att[i, :] for i in blobs["labels"]])
        C = torch.from_numpy(C.astype("float32"))

        sr = sm(C)
        X = X + opt.pi * torch.randn(opt.batchsize, dim)
        z_, log_jac_det = flow(X, sr)
        loss = torch.mean(z_**2) / 2 - torch.mean(log_jac_det) / dim
        loss.backward()

        with torch.no_grad():
            sr = sm(train_att)
        x_ = flow.reverse_sample(torch.zeros(dataset.ntrain_class, dim), sr)
        prototype_loss = opt.prototype * mse(x_, x_mean)
        prototype_loss.backward()

        optimizer.step()
        if it % iters == 0:
            lr_scheduler.step()
        logger.write(loss.data, prototype_loss.data)
        if it % opt.disp_interval == 0:
            print(
                "Iter-[%d/%d]; loss: %.3f; prototype_loss: %.5f" % (it, opt.niter, loss.item(), prototype_loss.item())
            )

    flow.eval()
    sm.eval()
    gen_feat, gen_label = synthesize_feature(sample, dataset, opt)
    train_X = torch.cat((dataset.train_feature, gen_feat), 0)
    train_Y = torch.cat((dataset.train_label, gen_label + dataset.ntrain_class), 0)
    cls = util.CLASSIFIER(train_X, train_Y, dataset.ntrain_class + dataset.ntest_class, nepoch=opt.cls_nepoch)
    cls.report(
        dataset.test_seen_feature,
        dataset.test_seen_label,
        dataset.test_unseen_feature,
        dataset.test_unseen_label + dataset.ntrain_class,
        torch.arange(dataset.ntest_class) + dataset.ntrain_class,
    )
    flow.train()
    sm.train()
    print(d3.evaluate())
    if opt.outf:
        torch.save({"flow": flow.state_dict(), "sm": sm.state_dict()}, opt.outf)


if __name__ == "__main__":
    train()
