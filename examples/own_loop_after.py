"""A conditional VAE's own training loop, with D³."""

import torch
import torch.nn.functional as F
from torch import nn

import d3wrap

torch.manual_seed(0)
dataset = d3wrap.load_dataset("digits")
features, labels, semantics = dataset.train_features, dataset.train_labels, dataset.semantics

encoder = nn.Sequential(nn.Linear(64 + 16, 128), nn.ReLU(), nn.Linear(128, 2 * 16))
decoder = nn.Sequential(nn.Linear(16 + 16, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)


class Decoder:  # how d3wrap draws features of a class from this model
    def generate(self, semantics, *, rng=None):
        z = torch.randn(len(semantics), 16, generator=rng)
        return decoder(torch.cat([z, semantics], 1))

    def parameters(self):
        return decoder.parameters()


d3 = d3wrap.enhance(Decoder(), dataset)

for _step in range(400):
    rows = torch.randint(len(features), (64,))
    x, a = features[rows], semantics[labels[rows]]
    mean, log_variance = encoder(torch.cat([x, a], 1)).chunk(2, 1)
    z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
    loss = F.mse_loss(decoder(torch.cat([z, a], 1)), x, reduction="none").sum(1).mean()
    loss = loss + (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean() / 20
    loss = loss + 0.1 * d3.on_batch(x, labels[rows]).total
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(f"last loss {float(loss.detach()):.3f}")
print(d3.evaluate())
