"""One D³ step against the weighted losses put together by hand, in float64."""

from __future__ import annotations

import copy

import pytest
import torch

import d3wrap
from d3wrap.batch import D3Batch
from d3wrap.errors import ShapeError
from d3wrap.seeds import stream

FORMULATIONS = pytest.mark.parametrize(
    "settings",
    [
        {"formulation": "corrected"},
        {"formulation": "released"},
        {"relation": "gram", "generator_weights": {"classify": 0.7, "id2sd": 2.0, "id2sd/labels": 0.0}},
        {"formulation": "released", "student_weights": {"o2dbd": 3.0}, "generator_weights": {"o2dbd": 1.0}},
    ],
    ids=["corrected", "released", "gram", "released weighted"],
)


class Naive:
    """What on_batch computes, in one graph from the generator's weights to the losses."""

    def __init__(self, enhancer, features, labels):
        dataset, settings = enhancer.dataset, enhancer.settings
        unseen = dataset.unseen.repeat_interleave(settings.generated_per_class)
        generated = enhancer.generator.generate(dataset.semantics[unseen], rng=stream(enhancer.seed, "d3/noise"))
        everything = torch.cat([features, generated])
        batch = D3Batch(
            everything, torch.cat([labels, unseen]), len(features), enhancer.teacher(everything),
            enhancer.student(everything), dataset.seen, dataset.unseen,
        )  # fmt: skip
        self.terms = {
            f"{name}/{term}": value
            for name, hook in objectives(enhancer).items()
            for term, value in hook.on_batch(batch).items()
        }
        self.student = sum(settings.student_weight(name) * value for name, value in self.terms.items())
        self.generator = sum(settings.generator_weight(name) * value for name, value in self.terms.items())


def objectives(enhancer):
    """The enhancer's own objectives, by name."""
    return {one.plugin: one.function.__self__ for one in enhancer._on_batch._implementations}


def learned(enhancer):
    networks = [enhancer.student, *(o for o in objectives(enhancer).values() if isinstance(o, torch.nn.Module))]
    return [parameter for network in networks for parameter in network.parameters() if parameter.requires_grad]


def real(tiny, rows=9):
    return tiny.train_features[:rows].clone(), tiny.train_labels[:rows]


def gradients(value, parameters):
    return torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)


@FORMULATIONS
def test_terms_and_total_and_its_gradient_are_the_naive_ones(tiny, enhancer_of_tiny, settings):
    enhancer = enhancer_of_tiny(**settings)
    enhancer.prepare()
    naive = Naive(enhancer, *real(tiny))
    parameters = list(enhancer.generator.parameters())
    expected = gradients(naive.generator, parameters)
    found = enhancer.on_batch(*real(tiny))
    assert list(found.terms) == list(naive.terms)
    assert list(found.terms) == ["classify/nll", "id2sd/embedding", "id2sd/labels", "o2dbd/relation"]
    for name, value in found.terms.items():
        torch.testing.assert_close(value, naive.terms[name].detach())
        assert not value.requires_grad
    torch.testing.assert_close(found.total, naive.generator)
    for one, other in zip(gradients(found.total, parameters), expected, strict=True):
        assert other.any()
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-15)


@FORMULATIONS
def test_the_student_takes_a_plain_adam_step(tiny, enhancer_of_tiny, settings):
    enhancer = enhancer_of_tiny(**settings)
    enhancer.prepare()
    expected = copy.deepcopy([p.detach() for p in learned(enhancer)])
    optimizer = torch.optim.Adam(expected, lr=1e-2, betas=(0.5, 0.999))
    for _ in range(3):
        naive = Naive(at_step(enhancer, expected), *real(tiny))
        for parameter, gradient in zip(expected, gradients(naive.student, learned(enhancer)), strict=True):
            parameter.grad = gradient
        optimizer.step()
        enhancer._noise = stream(0, "d3/noise")  # the naive step starts there too
        enhancer.on_batch(*real(tiny))
        for found, other in zip(learned(enhancer), expected, strict=True):
            torch.testing.assert_close(found.detach(), other, rtol=1e-9, atol=1e-12)


def at_step(enhancer, weights):
    for parameter, weight in zip(learned(enhancer), weights, strict=True):
        torch.testing.assert_close(parameter.detach(), weight, rtol=1e-9, atol=1e-12)
    return enhancer


@FORMULATIONS
def test_the_backward_pass_of_the_total_reaches_the_generator_alone(tiny, enhancer_of_tiny, settings):
    enhancer = enhancer_of_tiny(**settings)
    features, labels = real(tiny)
    features.requires_grad_()
    losses = enhancer.on_batch(features, labels)
    before = {name: value.clone() for name, value in enhancer.state_dict().items()}
    losses.total.backward()
    assert features.grad is None
    assert all(parameter.grad is None for parameter in enhancer._networks.parameters())
    assert all(parameter.grad.any() for parameter in enhancer.generator.parameters())
    for name, value in enhancer.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_teacher_stays_and_the_student_moves_with_each_batch(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny()
    before = {name: value.clone() for name, value in enhancer.state_dict().items()}
    enhancer.on_batch(*real(tiny))
    for name, value in enhancer.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("student."), name


def test_without_weight_for_the_student_it_stays(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(student_weights=dict.fromkeys(("classify", "id2sd", "o2dbd"), 0.0))
    before = {name: value.clone() for name, value in enhancer.state_dict().items()}
    assert enhancer.on_batch(*real(tiny)).total.requires_grad
    for name, value in enhancer.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_without_weight_for_the_generator_the_total_is_zero_and_the_terms_are_there(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(generator_weights=dict.fromkeys(("id2sd", "o2dbd"), 0.0))
    losses = enhancer.on_batch(*real(tiny))
    assert len(losses.terms) == 4
    assert float(losses.total) == 0
    assert not losses.total.requires_grad


def test_with_every_objective_blocked_there_is_nothing_and_nothing_is_generated(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(block=("classify", "id2sd", "o2dbd"))
    losses = enhancer.on_batch(*real(tiny))
    assert losses.terms == {}
    assert not losses.total.requires_grad
    assert float(losses.total) == 0
    assert enhancer.generator.given == []


def test_features_of_another_width_are_refused(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(feature_dim=8)
    with pytest.raises(ShapeError, match=r"real features have shape \(9, 7\), generated ones \(10, 8\)"):
        enhancer.on_batch(*real(tiny))


@pytest.mark.parametrize("per_class", [1, 4])
def test_every_unseen_class_is_generated_as_often_as_asked(tiny, enhancer_of_tiny, per_class):
    enhancer = enhancer_of_tiny(generated_per_class=per_class)
    enhancer.on_batch(*real(tiny))
    (given,) = enhancer.generator.given
    assert torch.equal(given, tiny.semantics[tiny.unseen].repeat_interleave(per_class, 0))


def test_of_many_unseen_classes_a_fresh_choice_is_drawn_each_step(enhancer_of_tiny):
    dataset = d3wrap.synthetic(40, 30, 7, 4, 4).to("cpu", torch.float64)

    def choices(seed):
        enhancer = enhancer_of_tiny(dataset=dataset, max_unseen_classes=6, generated_per_class=2, seed=seed)
        for _ in range(8):
            enhancer.on_batch(*real(dataset))
        rows = [(given[:, None] == dataset.semantics).all(2).int().argmax(1) for given in enhancer.generator.given]
        return [row.tolist() for row in rows]

    drawn = choices(0)
    for row in drawn:
        assert row[::2] == row[1::2]
        assert len(set(row)) == 6
        assert set(row) <= set(dataset.unseen.tolist())
    assert len({tuple(row) for row in drawn}) == 8
    assert len({index for row in drawn for index in row}) > 20
    assert drawn == choices(0)
    assert drawn != choices(1)


def own_gradients(enhancer):
    rows = torch.randn(4, 7, dtype=torch.float64, generator=stream(0, "own"))
    return [torch.ones_like(p) * rows[0, 0] for p in enhancer.generator.parameters()]


@pytest.mark.parametrize("share", [0.3, 2.0])
def test_the_added_part_has_a_fixed_share_of_the_own_norm(tiny, enhancer_of_tiny, share):
    for weight in (1.0, 1000.0):
        enhancer = enhancer_of_tiny(gradient_share=share, generator_weights={"o2dbd": weight, "id2sd": weight})
        parameters, own = list(enhancer.generator.parameters()), own_gradients(enhancer)
        losses = enhancer.on_batch(*real(tiny))
        plain = torch.cat([g.flatten() for g in torch.autograd.grad(losses.total, parameters, retain_graph=True)])
        both = enhancer.add_gradients(own, losses, parameters)
        added = torch.cat([(b - a).flatten() for a, b in zip(own, both, strict=True)])
        norm = torch.cat([g.flatten() for g in own]).norm()
        torch.testing.assert_close(added.norm(), share * norm)
        torch.testing.assert_close(added / added.norm(), plain / plain.norm())


def test_a_share_of_zero_is_the_plain_sum(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(gradient_share=0.0)
    parameters, own = list(enhancer.generator.parameters()), own_gradients(enhancer)
    losses = enhancer.on_batch(*real(tiny))
    extra = torch.autograd.grad(losses.total, parameters, retain_graph=True)
    for a, b, both in zip(own, extra, enhancer.add_gradients(own, losses, parameters), strict=True):
        torch.testing.assert_close(both, a + b)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_parameter_the_features_do_not_depend_on_keeps_its_own_gradient(tiny, enhancer_of_tiny, share):
    enhancer = enhancer_of_tiny(gradient_share=share)
    other = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    parameters = [*enhancer.generator.parameters(), other]
    own = [*own_gradients(enhancer), torch.tensor([3.0, 4.0], dtype=torch.float64)]
    both = enhancer.add_gradients(own, enhancer.on_batch(*real(tiny)), parameters)
    assert torch.equal(both[-1], own[-1])


def test_where_the_gradients_vanish_nothing_becomes_nan(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(gradient_share=0.3)
    parameters = list(enhancer.generator.parameters())
    own = [torch.zeros_like(p) for p in parameters]
    for gradient in enhancer.add_gradients(own, enhancer.on_batch(*real(tiny)), parameters):
        assert not gradient.any()
    losses = enhancer.on_batch(*real(tiny))
    nothing = type(losses)(losses.terms, losses.total * 0)
    for a, b in zip(
        own_gradients(enhancer), enhancer.add_gradients(own_gradients(enhancer), nothing, parameters), strict=True
    ):
        assert torch.equal(a, b)


def test_nothing_to_add_leaves_the_own_gradients(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny(generator_weights=dict.fromkeys(("id2sd", "o2dbd"), 0.0))
    own = own_gradients(enhancer)
    found = enhancer.add_gradients(own, enhancer.on_batch(*real(tiny)), list(enhancer.generator.parameters()))
    assert all(a is b for a, b in zip(own, found, strict=True))


def test_there_is_a_label_for_each_row(tiny, enhancer_of_tiny):
    features, labels = real(tiny)
    for wrong in (labels[1:], labels[:, None], labels[:0]):
        with pytest.raises(ShapeError, match=r"on_batch: features have shape .*: expected a class id for each row"):
            enhancer_of_tiny().on_batch(features, wrong)
