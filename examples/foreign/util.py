"""Data and classifier of the four scripts: the kind of file that lies beside research code. It knows nothing of D3."""

import os

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.autograd import Variable

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits.npz")


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Linear") != -1:
        m.weight.data.normal_(0.0, 0.02)
        m.bias.data.fill_(0)
    elif classname.find("BatchNorm") != -1:
        m.weight.data.normal_(1.0, 0.02)
        m.bias.data.fill_(0)


def map_label(label, classes):
    mapped_label = torch.LongTensor(label.size())
    for i in range(classes.size(0)):
        mapped_label[label == classes[i]] = i
    return mapped_label


class Logger:
    """Writes one line per step, with every digit, if a file was asked for."""

    def __init__(self, filename):
        self.f = open(filename, "w") if filename else None

    def write(self, *losses):
        if self.f:
            self.f.write(" ".join(repr(float(loss)) for loss in losses) + "\n")
            self.f.flush()


class DATA_LOADER:
    def __init__(self, opt):
        content = np.load(opt.dataroot)
        feature, label = content["features"], content["labels"].astype(int)
        trainval_loc, test_seen_loc, test_unseen_loc = content["train"], content["test_seen"], content["test_unseen"]

        self.attribute = torch.from_numpy(content["semantics"]).float()
        self.train_feature = torch.from_numpy(feature[trainval_loc]).float()
        self.test_seen_feature = torch.from_numpy(feature[test_seen_loc]).float()
        self.test_unseen_feature = torch.from_numpy(feature[test_unseen_loc]).float()
        mx = self.train_feature.max()
        self.train_feature.mul_(1 / mx)
        self.test_seen_feature.mul_(1 / mx)
        self.test_unseen_feature.mul_(1 / mx)
        self.train_label = torch.from_numpy(label[trainval_loc]).long()
        self.test_seen_label = torch.from_numpy(label[test_seen_loc]).long()
        self.test_unseen_label = torch.from_numpy(label[test_unseen_loc]).long()

        self.seenclasses = torch.from_numpy(np.unique(self.train_label.numpy()))
        self.unseenclasses = torch.from_numpy(np.unique(self.test_unseen_label.numpy()))
        self.ntrain = self.train_feature.size(0)
        self.ntrain_class = self.seenclasses.size(0)
        self.ntest_class = self.unseenclasses.size(0)

    def next_batch(self, batch_size):
        idx = torch.randperm(self.ntrain)[0:batch_size]
        batch_feature = self.train_feature[idx]
        batch_label = self.train_label[idx]
        batch_att = self.attribute[batch_label]
        return batch_feature, batch_label, batch_att

    def next_seen_batch(self, batch_size):
        # classes first, then a picture of each, so that rare classes come as often as others
        batch_label = torch.from_numpy(np.random.choice(self.seenclasses.numpy(), batch_size))
        idx = [np.random.choice(np.flatnonzero(self.train_label.numpy() == c)) for c in batch_label.numpy()]
        return self.train_feature[idx], self.attribute[batch_label]


class BLOCK_LOADER(DATA_LOADER):
    """The same with labels in blocks: seen classes are 0, 1, ..., and unseen ones begin at 0 again."""

    def __init__(self, opt):
        super().__init__(opt)
        self.train_label = map_label(self.train_label, self.seenclasses)
        self.test_seen_label = map_label(self.test_seen_label, self.seenclasses)
        self.test_unseen_label = map_label(self.test_unseen_label, self.unseenclasses)
        self.train_att = self.attribute[self.seenclasses].numpy()
        self.test_att = self.attribute[self.unseenclasses].numpy()
        self.attribute = np.concatenate((self.train_att, self.test_att))


class CLASSIFIER:
    """A softmax over all classes, trained on real features of seen and generated ones of unseen classes."""

    def __init__(self, train_X, train_Y, nclass, lr=0.005, beta1=0.5, nepoch=25, batch_size=100):
        self.train_X, self.train_Y = train_X, train_Y
        self.nepoch, self.batch_size = nepoch, batch_size
        self.model = nn.Sequential(nn.Linear(train_X.size(1), nclass), nn.LogSoftmax(dim=1))
        self.model.apply(weights_init)
        self.criterion = nn.NLLLoss()
        self.optimizer = optim.Adam(self.model.parameters(), lr=lr, betas=(beta1, 0.999))
        self.fit()

    def fit(self):
        ntrain = self.train_X.size(0)
        for epoch in range(self.nepoch):
            perm = torch.randperm(ntrain)
            for i in range(0, ntrain, self.batch_size):
                idx = perm[i : i + self.batch_size]
                self.model.zero_grad()
                output = self.model(Variable(self.train_X[idx]))
                loss = self.criterion(output, Variable(self.train_Y[idx]))
                loss.backward()
                self.optimizer.step()

    def val(self, test_X, test_label, classes=None):
        """Mean accuracy per class; with classes, only these compete."""
        with torch.no_grad():
            output = self.model(test_X)
        if classes is None:
            predicted_label = output.argmax(1)
        else:
            predicted_label = classes[output[:, classes].argmax(1)]
        acc_per_class = []
        for c in np.unique(test_label.numpy()):
            idx = test_label == int(c)
            acc_per_class.append((predicted_label[idx] == test_label[idx]).float().mean().item())
        return sum(acc_per_class) / len(acc_per_class)

    def report(self, test_seen, test_seen_label, test_unseen, test_unseen_label, unseenclasses):
        acc_seen = self.val(test_seen, test_seen_label)
        acc_unseen = self.val(test_unseen, test_unseen_label)
        acc_zsl = self.val(test_unseen, test_unseen_label, unseenclasses)
        H = 2 * acc_seen * acc_unseen / (acc_seen + acc_unseen + 1e-12)
        print("ZSL: unseen accuracy=%.4f" % acc_zsl)
        print("GZSL: seen=%.4f, unseen=%.4f, h=%.4f" % (acc_seen, acc_unseen, H))
