"""How much of the teacher's space a student keeps: M_rel, M_neigh and M_vlalign.

Paper: *Distilling Large Vision-Language Model with Out-of-Distribution Generalizability*, ICCV 2023, arXiv 2307.03135.
Features need not be of unit length; what counts is their cosine. Rows are looked at in blocks, so that memory is
O(n·block) numbers; nothing here has a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from d3wrap.distilling.inversions import inversions
from d3wrap.errors import ConfigError, ShapeError

BLOCK = 1024
"""Rows whose cosines with all others are held at once."""


@torch.no_grad()
def relation(student: Tensor, teacher: Tensor, *, block: int = BLOCK) -> float:
    """M_rel: the share of images whose student feature's nearest teacher feature is their own; in [0, 1], high is good.

    Shapes: student and teacher ``[n, d]``, in one space, rows of the same images. A tie for nearest counts as its own.
    """
    _require_pairs(student, teacher)
    if student.shape != teacher.shape:
        raise ShapeError(f"M_rel: expected one width, found {list(student.shape)} and {list(teacher.shape)}")
    ours, theirs = F.normalize(student, dim=1), F.normalize(teacher, dim=1)
    right = torch.zeros((), dtype=torch.long, device=student.device)
    for rows in _blocks(len(ours), block):
        found = ours[rows] @ theirs.T
        own = found.diagonal(int(rows[0]))
        right += (own >= found.amax(1)).sum()
    return int(right) / len(ours)


@torch.no_grad()
def neighbourhood(student: Tensor, teacher: Tensor, k: int = 10, *, block: int = BLOCK) -> float:
    """M_neigh(k): the share of an image's k nearest others in the teacher's space that are so in the student's.

    The mean over images; in [0, 1], high is good. Shapes: student ``[n, d]`` and teacher ``[n, e]``, rows of the same
    images; the spaces may differ. An image is not its own neighbour. Raises :class:`~d3wrap.errors.ConfigError` unless
    1 ≤ k < n.
    """
    _require_pairs(student, teacher)
    if not 1 <= k < len(student):
        raise ConfigError(f"M_neigh: k is {k}, expected 1 … {len(student) - 1} for {len(student)} images")
    shared = torch.zeros((), dtype=torch.long, device=student.device)
    for rows in _blocks(len(student), block):
        near = torch.zeros(len(rows), len(student), dtype=torch.bool, device=student.device)
        near.scatter_(1, nearest(teacher, k, rows), True)
        shared += near.gather(1, nearest(student, k, rows)).sum()
    return int(shared) / (k * len(student))


@torch.no_grad()
def nearest(features: Tensor, k: int, rows: Tensor) -> Tensor:
    """Return the k rows of features ``[n, d]`` nearest to each of ``rows`` ``[m]``, itself left out, ``[m, k]``."""
    unit = F.normalize(features, dim=1)
    found = unit[rows] @ unit.T
    found[torch.arange(len(rows), device=found.device), rows] = -torch.inf
    return found.topk(k, dim=1).indices


@torch.no_grad()
def text_alignment(student: Tensor, teacher: Tensor, text: Tensor, *, block: int = BLOCK) -> float:
    """M_vlalign: how often the student turns round what the teacher says of which of two texts is nearer to an image.

    The share, of all images and pairs of text features, of pairs that student and teacher put in opposite orders; in
    [0, 1], low is good, and ½ is what a student that knows nothing has. A tie on either side is no inversion. Shapes:
    student and teacher ``[n, d]``, rows of the same images, text ``[C, d]``. One text alone gives 0. Time is
    O(n·C·(d + log C)).
    """
    _require_pairs(student, teacher)
    unit = F.normalize(text, dim=1)
    turned = torch.zeros((), dtype=torch.long, device=student.device)
    for rows in _blocks(len(student), block):
        ours, theirs = (F.normalize(one[rows], dim=1) @ unit.T for one in (student, teacher))
        turned += inversions(theirs, ours).sum()
    pairs = len(text) * (len(text) - 1) // 2
    return int(turned) / (len(student) * pairs) if pairs else 0.0


def _blocks(count: int, block: int) -> Iterator[Tensor]:
    return iter(torch.arange(count).split(block))


def _require_pairs(student: Tensor, teacher: Tensor) -> None:
    if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher) or not len(student):
        raise ShapeError(
            "expected features [n, d] of student and teacher for the same n images, found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
