"""The terms of D³ as pure functions (*Data Distribution Distilled Generative Model …*, AAAI 2024, arXiv 2402.11424).

Each takes tensors and returns a scalar or a code, on the tensors' device and in their dtype. The defaults are the
corrected formulation; the arguments named ``released`` in a docstring give the authors' released one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.pairs import BLOCK, pair_bce

RELEASED_SIMILARITY = (0.5, 0.5)
"""(scale, shift) of the released logit (cos + 1) / 2."""


def similarity(alpha: float, beta: float) -> tuple[float, float]:
    """Return (scale, shift) of the corrected logit α(cos − β)."""
    return alpha, -alpha * beta


def classification(logits: Tensor, labels: Tensor) -> Tensor:
    """L_cls: negative log-likelihood of the labels; logits ``[N, C]``, labels ``[N]`` class ids."""
    return F.cross_entropy(logits, labels)


def id2sd_embedding(
    teacher: Tensor,
    student: Tensor,
    labels: Tensor,
    *,
    logit: tuple[float, float] = similarity(10.0, 0.5),
    balanced: bool = True,
    block: int = BLOCK,
) -> Tensor:
    """L_be: relation of teacher and student embeddings ``[N, e]`` of real features against equality of labels.

    Released: ``logit=RELEASED_SIMILARITY, balanced=False``, i.e. the mean BCE-with-logits of
    R_ij = (cos(z̃_i, ẑ_j) + 1) / 2 against 1[y_i = y_j].
    """
    return pair_bce(teacher, student, labels, scale=logit[0], shift=logit[1], balanced=balanced, block=block)


def id2sd_labels(teacher: Tensor, student: Tensor, *, temperature: float = 2.0, double_softmax: bool = False) -> Tensor:
    """L_kl: KL divergence of the student's from the teacher's distribution over seen classes, mean over the batch.

    Shapes: teacher and student logits ``[N, |Y_s|]``, over the same classes in the same order. Corrected:
    τ² KL(softmax(ṽ/τ) ‖ softmax(v̂/τ)). Released: ``double_softmax=True``, which takes the softmax of the softmax
    on both sides and has no temperature.
    """
    if double_softmax:
        teacher, student, temperature = F.softmax(teacher, 1), F.softmax(student, 1), 1.0
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, 1), F.softmax(teacher / temperature, 1), reduction="batchmean"
    )


def ood_score(teacher_logits: Tensor) -> Tensor:
    """s̃: the teacher's largest log-probability, ``[N, |Y_s|]`` → ``[N]``; low where the teacher finds no class."""
    return F.log_softmax(teacher_logits, 1).amax(1)


def teacher_code(in_distribution: Tensor, *, double_softmax: bool = False) -> Tensor:
    """h̃: the 2-D code [κ, 1−κ] of κ = P(in distribution), ``[N]`` → ``[N, 2]``.

    Released: ``double_softmax=True``, softmax([κ, 1−κ]), which stays within [0.27, 0.73].
    """
    code = torch.stack([in_distribution, 1 - in_distribution], 1)
    return F.softmax(code, 1) if double_softmax else code


def student_code(student_logits: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
    """ĥ, corrected: the student's own probability mass on seen and on unseen classes, ``[N, C]`` → ``[N, 2]``."""
    logits = torch.stack([student_logits[:, ids].logsumexp(1) for ids in (seen, unseen)], 1)
    return F.softmax(logits, 1)


def o2dbd(
    student: Tensor,
    teacher: Tensor,
    groups: Tensor,
    *,
    logit: tuple[float, float] = similarity(10.0, 0.5),
    balanced: bool = True,
    block: int = BLOCK,
) -> Tensor:
    """L_od: relation of the student's and the teacher's 2-D codes ``[N, 2]`` against equality of groups ``[N]``.

    Corrected: a group is seen or unseen. Released: a group is a class, with ``logit=RELEASED_SIMILARITY,
    balanced=False``.
    """
    return pair_bce(teacher, student, groups, scale=logit[0], shift=logit[1], balanced=balanced, block=block)


def o2dbd_gram(student: Tensor, teacher: Tensor) -> Tensor:
    """L_od as the match of two Gram matrices: mean over pairs of (ĥ_i·ĥ_j − h̃_i·h̃_j)², codes of unit length.

    Shapes: ``[N, 2]`` both. ‖AAᵀ − BBᵀ‖² = ‖AᵀA‖² + ‖BᵀB‖² − 2‖AᵀB‖² makes it O(N) instead of O(N²).
    """
    a, b = F.normalize(student, dim=1), F.normalize(teacher, dim=1)
    squares = (a.T @ a).square().sum() + (b.T @ b).square().sum() - 2 * (a.T @ b).square().sum()
    return squares / a.shape[0] ** 2
