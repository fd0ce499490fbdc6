"""Enhancers as a whole: made, prepared, saved and put back."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import d3wrap
from d3wrap.errors import ConfigError, PluginError, ShapeError
from d3wrap.specs import ObjectiveSpec


def real(tiny, rows=9):
    return tiny.train_features[:rows], tiny.train_labels[:rows]


@pytest.mark.parametrize("settings", [{}, {"formulation": "released"}, {"relation": "gram", "student_code": "head"}])
def test_a_state_put_back_goes_on_as_the_one_it_was_taken_from(tiny, enhancer_of_tiny, settings):
    first = enhancer_of_tiny(**settings)
    for _ in range(2):
        first.on_batch(*real(tiny))
    second = enhancer_of_tiny(**settings)
    second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
    assert not any(parameter.requires_grad for parameter in second.teacher.parameters())
    assert first.state_dict().keys() == second.state_dict().keys()
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert {
        "teacher.embed.weight",
        "student.classify.bias",
        "objective:o2dbd.offset",
        "objective:o2dbd.mean",
    } <= first.state_dict().keys()
    batch = [e.observe(*real(tiny), tiny.features[:4], tiny.unseen[[0, 0, 1, 1]]) for e in (first, second)]
    terms = [e._on_batch(batch=b) for e, b in zip((first, second), batch, strict=True)]
    for (name, one), (_, other) in zip(*terms, strict=True):
        for term, value in one.items():
            assert torch.equal(value, other[term]), (name, term)


def test_putting_a_state_back_trains_no_teacher(enhancer_of_tiny, monkeypatch):
    state = enhancer_of_tiny().state_dict()

    def refuse(*arguments):
        raise AssertionError("a teacher was trained")

    monkeypatch.setattr("d3wrap.enhancer.train_teacher", refuse)
    enhancer_of_tiny().load_state_dict(state)


@pytest.mark.parametrize("other", [{"embedding_dim": 6}, {"student_code": "head"}, {"block": ["o2dbd"]}])
def test_a_state_of_something_else_is_refused(enhancer_of_tiny, other):
    state = enhancer_of_tiny().state_dict()
    with pytest.raises(ShapeError, match="this enhancer state is of other settings, data or objectives: "):
        enhancer_of_tiny(**other).load_state_dict(state)


def test_preparing_happens_once_and_by_itself(tiny, enhancer_of_tiny):
    enhancer = enhancer_of_tiny()
    enhancer.on_batch(*real(tiny))
    teacher, student = enhancer.teacher, enhancer.student
    enhancer.prepare()
    assert (enhancer.teacher, enhancer.student) == (teacher, student)


def test_preparing_depends_on_the_seed_alone(enhancer_of_tiny):
    before = torch.get_rng_state()
    first = enhancer_of_tiny(seed=1, formulation="released").state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    again = enhancer_of_tiny(seed=1, formulation="released").state_dict()
    other = enhancer_of_tiny(seed=2, formulation="released").state_dict()
    for name, value in first.items():
        assert torch.equal(value, again[name]), name
    for name in ("teacher.embed.weight", "student.embed.weight", "objective:o2dbd.head.weight"):
        assert not torch.equal(first[name], other[name]), name


def test_everything_is_of_the_datasets_number_format(enhancer_of_tiny):
    for formulation in ("corrected", "released"):
        state = enhancer_of_tiny(formulation=formulation).state_dict()
        assert {value.dtype for value in state.values()} == {torch.float64}


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"formulaton": "released"}, "no setting 'formulaton'; did you mean 'formulation'"),
        ({"formulation": "relesed"}, "enhance formulation: expected .*'released'.*found"),
        ({"alpha": "ten"}, "enhance alpha: expected a number, found"),
        ({"alpha": -1.0}, "enhance alpha: alpha: expected a number above 0, found -1.0"),
        (
            {"generator_weights": {"id2sd": -1.0}},
            "generator_weights: expected weights of 0 or more, found -1.0 for 'id2sd",
        ),
    ],
)
def test_settings_are_checked_by_name_type_and_range(tiny, settings, fragment):
    with pytest.raises(ConfigError, match=fragment):
        d3wrap.enhance(d3wrap.build_generator("clswgan", tiny), tiny, **settings)


def test_a_bare_network_is_refused_with_what_to_do(tiny):
    with pytest.raises(ConfigError, match=r"a Linear does not generate features .* d3wrap.adapt\(network, noise_dim="):
        d3wrap.enhance(nn.Linear(3, 7), tiny)


def test_an_adapted_network_is_bound_with_weights_of_the_seed_alone(tiny):
    def critic(seed):
        network = nn.Bilinear(3, 4, 7)
        adapted = d3wrap.adapt(network, noise_dim=3, order="noise, semantics", critic_hidden=6)
        enhancer = d3wrap.enhance(adapted, tiny, seed=seed)
        assert {p.dtype for p in enhancer.generator.parameters()} == {torch.float64}
        assert enhancer.generator.generator.network is network
        return enhancer.generator.critic.from_features.weight

    assert torch.equal(critic(1), critic(1))
    assert not torch.equal(critic(1), critic(2))


def test_a_network_that_does_not_fit_the_dataset_is_refused(tiny):
    adapted = d3wrap.adapt(nn.Bilinear(3, 4, 8), noise_dim=3, order="noise, semantics")
    with pytest.raises(ShapeError, match="Bilinear gives features of width 8, dataset 'synthetic' has width 7"):
        d3wrap.enhance(adapted, tiny)


def test_a_generator_that_cannot_train_itself_says_what_to_do(enhancer_of_tiny):
    with pytest.raises(
        PluginError, match=r"TinyGenerator cannot train itself: .*d3wrap.adapt\(...\), or call on_batch"
    ):
        enhancer_of_tiny().fit(steps=1)


def test_three_lines_train_and_evaluate():
    dataset = d3wrap.synthetic(6, 2, 7, 4, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network = nn.Bilinear(3, 4, 7)
        adapted = d3wrap.adapt(network, noise_dim=3, order="noise, semantics", critic_hidden=8)
        d3 = d3wrap.enhance(adapted, dataset, teacher_epochs=1, embedding_dim=8)
        before = network.weight.detach().clone()
        evaluation = d3.fit(steps=3, batch_size=8).evaluate(synthetic_per_class=5)
    assert not torch.equal(network.weight, before)
    assert set(evaluation) == {"softmax", "student", "embedding"}


def test_records_go_to_the_callers_function():
    dataset, records = d3wrap.synthetic(6, 2, 7, 4, 10), []
    backbone = d3wrap.build_generator("clswgan", dataset, settings={"hidden": 8, "critic_steps": 1})
    enhancer = d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8)
    enhancer.fit(steps=5, batch_size=8, log_every=2, on_log=records.append)
    assert [record.step for record in records] == [2, 4, 5]


def test_steps_and_batch_size_are_the_generators_own_unless_given():
    dataset = d3wrap.synthetic(6, 2, 7, 4, 10)
    seen = []
    settings = {"steps": 4, "batch_size": 6, "hidden": 8, "critic_steps": 1}
    for given in ({}, {"steps": 2}, {"batch_size": 5}):
        backbone = d3wrap.build_generator("clswgan", dataset, settings=settings)
        losses, sizes = backbone.losses, []
        backbone.losses = lambda phase, batch, rng, f=losses, s=sizes: (
            s.append(len(batch.labels)),
            f(phase, batch, rng),
        )[1]
        d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8).fit(**given)
        seen.append((len(sizes) // 2, set(sizes)))
    assert seen == [(4, {6}), (2, {6}), (4, {5})]


@pytest.mark.parametrize("name", ["student", "update", "a.b"])
def test_an_objective_may_have_any_name(enhancer_of_tiny, name):
    class Learned(torch.nn.Module):
        def __init__(self, context):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones((), dtype=torch.float64))

        @d3wrap.hookimpl
        def on_batch(self, batch):
            return {"norm": self.scale * batch.student.embedding.square().mean()}

    class Plugin:
        @d3wrap.hookimpl
        def register_objectives(self, register):
            register(ObjectiveSpec(name, "a name of its own", Learned, ("norm",)))

    enhancer = enhancer_of_tiny(extra={"mine": Plugin()})
    labels = enhancer.dataset.train_labels[:4]
    assert f"{name}/norm" in enhancer.on_batch(enhancer.dataset.train_features[:4], labels).terms
    again = enhancer_of_tiny(extra={"mine": Plugin()})
    again.load_state_dict(enhancer.state_dict())
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in enhancer.state_dict().items())
