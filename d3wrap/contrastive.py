"""Contrastive losses over the pairs of a batch, as pure functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def supervised_contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Pull rows of one label together and apart from all others (Khosla et al., NeurIPS 2020, eq. 2).

    A row i loses −1/|P(i)| Σ_{p ∈ P(i)} log(exp(s_ip) / Σ_{a ≠ i} exp(s_ia)), where s_ij = cos(z_i, z_j) / τ and P(i)
    are the other rows of its label. The result is the mean over the rows that have such a positive: a row without one
    adds nothing, neither to the loss nor to the count, and a batch without any gives 0.

    Shapes: embeddings ``[n, e]``, which are normalised here, labels ``[n]`` integers → scalar. ``temperature`` τ > 0.
    Memory is O(n²) numbers.
    """
    logits, positive = _pairs(embeddings, labels, temperature)
    count = positive.sum(1)
    attraction = (logits * positive).sum(1) / count.clamp(min=1)
    return _mean_where(logits.logsumexp(1) - attraction, count > 0)


def instance_contrastive(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Pull each row to a row of its label against those of other labels only (CE-GZSL, Han et al., CVPR 2021).

    A pair of an anchor i and a positive p ∈ P(i) loses −log(exp(s_ip) / (exp(s_ip) + Σ_{k: y_k ≠ y_i} exp(s_ik))). It
    differs from :func:`supervised_contrastive` in that a positive does not compete with the others. The paper draws
    one positive; this is the mean over all of an anchor, and then over the anchors that have one, as there.

    Shapes, temperature and memory are those of :func:`supervised_contrastive`.
    """
    logits, positive = _pairs(embeddings, labels, temperature)
    count = positive.sum(1)
    negatives = logits.masked_fill(positive, torch.finfo(logits.dtype).min).logsumexp(1, keepdim=True)
    # −log(e^s / (e^s + e^n)) = softplus(n − s), where n = log Σ e^{s_ik} over the negatives.
    losses = F.softplus(negatives - logits.masked_fill(~positive, 0.0)) * positive
    return _mean_where(losses.sum(1) / count.clamp(min=1), count > 0)


def class_contrastive(scores: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Tell the class a row belongs to from all others by its score (CE-GZSL, the class-level loss).

    A row loses −log(exp(F_iy / τ) / Σ_c exp(F_ic / τ)), where F_ic is its score with class c and y its own class; the
    result is the mean. Shapes: scores ``[n, C]``, targets ``[n]`` columns of scores → scalar. ``temperature`` τ > 0.
    """
    return F.cross_entropy(scores / temperature, targets)


def _pairs(embeddings: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return cos / τ of all pairs, lowest where a row meets itself, and which pairs are positive, both ``[n, n]``."""
    z = F.normalize(embeddings, dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    # The lowest finite number instead of −∞: a row with nobody else then has a gradient of 0, not NaN.
    logits = (z @ z.T / temperature).masked_fill(itself, torch.finfo(z.dtype).min)
    return logits, (labels[:, None] == labels[None, :]) & ~itself


def _mean_where(values: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp(min=1)
