"""Data and networks of the scripts beside this file."""

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
