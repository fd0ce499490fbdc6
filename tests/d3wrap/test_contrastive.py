"""Contrastive losses against loops over hand-listed pairs, and what they must not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from d3wrap.contrastive import class_contrastive, instance_contrastive, supervised_contrastive
from d3wrap.seeds import stream

LABELS = [0, 1, 0, 2, 1, 0]
"""Rows 0, 2, 5 are of one class, 1 and 4 of another, 3 alone in a third."""
POSITIVES = {0: [2, 5], 1: [4], 2: [0, 5], 4: [1], 5: [0, 2]}
OTHERS = {0: [1, 2, 3, 4, 5], 1: [0, 2, 3, 4, 5], 2: [0, 1, 3, 4, 5], 4: [0, 1, 2, 3, 5], 5: [0, 1, 2, 3, 4]}


NEGATIVES = {0: [1, 3, 4], 1: [0, 2, 3, 5], 2: [1, 3, 4], 4: [0, 2, 3, 5], 5: [1, 3, 4]}
LOSSES = [supervised_contrastive, instance_contrastive]


def rows(n: int, width: int = 4, name: str = "rows") -> Tensor:
    return torch.randn(n, width, dtype=torch.float64, generator=stream(0, name))


def cosine(a: Tensor, b: Tensor) -> float:
    a_, b_ = a.tolist(), b.tolist()
    dot = sum(x * y for x, y in zip(a_, b_, strict=True))
    return dot / math.sqrt(sum(x * x for x in a_)) / math.sqrt(sum(y * y for y in b_))


def test_supervised_is_the_formula_over_listed_pairs():
    z, temperature = rows(6), 0.3
    expected = 0.0
    for i, positives in POSITIVES.items():
        below = sum(math.exp(cosine(z[i], z[a]) / temperature) for a in OTHERS[i])
        row = [-math.log(math.exp(cosine(z[i], z[p]) / temperature) / below) for p in positives]
        expected += sum(row) / len(row) / len(POSITIVES)
    assert supervised_contrastive(z, torch.tensor(LABELS), temperature).item() == pytest.approx(expected, rel=1e-12)


def test_instance_is_the_formula_over_listed_pairs():
    z, temperature = rows(6), 0.3
    expected = 0.0
    for i, positives in POSITIVES.items():
        below = sum(math.exp(cosine(z[i], z[k]) / temperature) for k in NEGATIVES[i])
        above = [math.exp(cosine(z[i], z[p]) / temperature) for p in positives]
        expected += sum(-math.log(a / (a + below)) for a in above) / len(above) / len(POSITIVES)
    assert instance_contrastive(z, torch.tensor(LABELS), temperature).item() == pytest.approx(expected, rel=1e-12)


def test_both_agree_where_no_row_has_two_positives():
    z, labels = rows(7), torch.tensor([0, 0, 1, 2, 2, 3, 1])
    torch.testing.assert_close(instance_contrastive(z, labels, 0.2), supervised_contrastive(z, labels, 0.2))


def test_instance_has_nothing_to_tell_apart_in_one_class():
    assert instance_contrastive(rows(5), torch.zeros(5, dtype=torch.long), 0.1).item() == 0.0


def test_class_is_the_formula_row_by_row():
    scores, targets = rows(6, 4, "scores"), [0, 3, 1, 1, 2, 0]
    expected = 0.0
    for i, target in enumerate(targets):
        above = [math.exp(score / 0.2) for score in scores[i].tolist()]
        expected -= math.log(above[target] / sum(above)) / 6
    found = class_contrastive(scores, torch.tensor(targets), 0.2)
    assert found.item() == pytest.approx(expected, rel=1e-12)
    assert class_contrastive(scores[:, :1], torch.zeros(6, dtype=torch.long), 0.2).item() == 0.0


def test_rows_of_one_class_all_alike_lose_the_logarithm_of_the_others():
    z = torch.ones(5, 3, dtype=torch.float64)
    found = supervised_contrastive(z, torch.zeros(5, dtype=torch.long), 0.1)
    assert found.item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients(loss):
    z = rows(6).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, torch.tensor(LABELS), 0.5), (z,))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("labels", [[0], [0, 1], [2, 0, 1]])
def test_without_any_positive_loss_and_gradient_are_zero(loss, labels):
    z = rows(len(labels)).float().requires_grad_()
    value = loss(z, torch.tensor(labels), 0.1)
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(z.grad, torch.zeros_like(z))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("temperature", [1e-4, 0.1, 1e3])
@pytest.mark.parametrize("labels", [LABELS, [0] * 6, [0, 0, 1, 2, 3, 4]])
def test_it_is_finite_also_for_extreme_temperatures_scales_and_rows_of_zero(loss, temperature, labels):
    z = rows(6).float() * 1e6
    z[2] = 0
    z = z.requires_grad_()
    value = loss(z, torch.tensor(labels), temperature)
    value.backward()
    assert value.isfinite()
    assert z.grad.isfinite().all()


labelled = st.lists(st.integers(0, 3), min_size=1, max_size=9)


@pytest.mark.parametrize("loss", LOSSES)
@given(labels=labelled, scale=st.floats(0.1, 10.0), temperature=st.floats(0.05, 2.0), seed=st.integers(0, 99))
def test_order_names_of_classes_and_lengths_of_rows_do_not_matter(loss, labels, scale, temperature, seed):
    labels = torch.tensor(labels)
    z = rows(len(labels))
    before = loss(z, labels, temperature)
    assert before >= 0
    order = torch.randperm(len(labels), generator=stream(seed, "order"))
    names = torch.randperm(10, generator=stream(seed, "names"))
    torch.testing.assert_close(loss(scale * z[order], names[labels[order]], temperature), before)


@given(labels=labelled, seed=st.integers(0, 99))
def test_a_row_alone_in_its_class_only_repels(labels, seed):
    """With a stranger added, every row with a positive has one more term in its denominator."""
    labels = torch.tensor(labels)
    z = rows(len(labels) + 1, name=f"rows {seed}")
    apart = supervised_contrastive(z[:-1], labels, 0.2)
    joined = supervised_contrastive(z, torch.cat([labels, torch.tensor([9])]), 0.2)
    has_positive = bool((labels.bincount() > 1).any())
    assert joined > apart if has_positive else joined == apart == 0
