"""The losses of vision-language distillation as pure functions.

Paper: *Distilling Large Vision-Language Model with Out-of-Distribution Generalizability*, ICCV 2023, arXiv 2307.03135.

Everywhere S(x) ``[n, d]`` are the student's features of n images, T(x) ``[n, d]`` the frozen teacher's features of the
same images, t ``[C, d]`` the text features of C classes and y ``[n]`` the images' classes, as rows of t. Features are
brought to unit length here, so that a product of two is their cosine; a row of zeros stays one. Logits are cosines
divided by the temperature τ > 0. Results are scalars, on the device and in the dtype of the inputs, and gradients reach
the student alone if teacher and text need none.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

TEMPERATURE = 0.07
"""τ of the paper's experiments."""
NEAREST = 256
"""k of L_vl-prox in the paper's experiments."""


def cosines(left: Tensor, right: Tensor) -> Tensor:
    """Return the cosine of every row of left ``[n, d]`` with every row of right ``[m, d]``, ``[n, m]``."""
    return F.normalize(left, dim=1) @ F.normalize(right, dim=1).T


def classification(student: Tensor, text: Tensor, labels: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """L_cls: cross-entropy of the student's features against text features, −log softmax(S(x)·t / τ)_y, mean."""
    return F.cross_entropy(cosines(student, text) / temperature, labels)


def feature_match(student: Tensor, teacher: Tensor) -> Tensor:
    """L_mse: ‖S(x) − T(x)‖² of unit features, mean over images; in [0, 4]."""
    return (F.normalize(student, dim=1) - F.normalize(teacher, dim=1)).square().sum(1).mean()


def image_contrastive(
    student: Tensor, teacher: Tensor, *, temperature: float = TEMPERATURE, symmetric: bool = True
) -> Tensor:
    """L_im-cst: InfoNCE that tells an image's own teacher feature from those of the batch's other images.

    With s_ij = S(x_i)·T(x_j) / τ it is the mean of −log softmax_j(s_ij)_i; ``symmetric`` averages this with the same
    over columns, which tells an image's own student feature from the others'. One image alone loses 0.
    """
    logits = cosines(student, teacher) / temperature
    own = torch.arange(len(logits), device=logits.device)
    over_teachers = F.cross_entropy(logits, own)
    return (over_teachers + F.cross_entropy(logits.T, own)) / 2 if symmetric else over_teachers


def text_proximity(
    student: Tensor,
    teacher: Tensor,
    text: Tensor,
    labels: Tensor,
    *,
    k: int = NEAREST,
    temperature: float = TEMPERATURE,
    only_right: bool = True,
) -> Tensor:
    """L_vl-prox: KL(teacher ‖ student) of the softmax over the k text features nearest to the teacher's feature.

    The mean over images; with ``only_right`` over those whose nearest text feature, in the teacher's view, is that of
    their class, and 0, with a gradient of 0, where there are none. ``k`` of C or more takes all classes, which makes
    it the plain KL divergence. Which classes are nearest is the teacher's choice for each image; both distributions
    are over these alone.
    """
    return proximity(
        cosines(student, text) / temperature,
        cosines(teacher, text) / temperature,
        labels,
        k=k,
        only_right=only_right,
    )


def proximity(student: Tensor, teacher: Tensor, labels: Tensor, *, k: int = NEAREST, only_right: bool = True) -> Tensor:
    """:func:`text_proximity` of logits ``[n, C]`` that are there already, cosines with text features over τ.

    Labels are columns of the logits.
    """
    nearest = teacher.topk(min(k, teacher.shape[1]), dim=1)
    theirs = F.log_softmax(nearest.values, 1)
    ours = F.log_softmax(student.gather(1, nearest.indices), 1)
    divergence = (theirs.exp() * (theirs - ours)).sum(1)
    if not only_right:
        return divergence.mean()
    # A mask instead of an index: the number of right predictions would have to come to the host.
    right = teacher.argmax(1) == labels
    return torch.where(right, divergence, 0.0).sum() / right.sum().clamp(min=1)


def caption_contrastive(
    student: Tensor, captions: Tensor, labels: Tensor, *, temperature: float = TEMPERATURE
) -> Tensor:
    """L_cap: InfoNCE that tells an image's own caption from those of images of other classes.

    Captions ``[n, d]`` are their text features, one for each image; those of other images of the same class may be as
    true of it, and do not count. The mean over images of −log(e^{s_ii} / (e^{s_ii} + Σ_{j: y_j ≠ y_i} e^{s_ij})) with
    s_ij = S(x_i)·caption_j / τ: 0 where all images are of one class. The authors' code leaves out τ: ``temperature=1``.
    """
    logits = cosines(student, captions) / temperature
    own = torch.arange(len(logits), device=logits.device)
    same_class = (labels[:, None] == labels[None, :]) & (own[:, None] != own)
    return F.cross_entropy(logits.masked_fill(same_class, torch.finfo(logits.dtype).min), own)
