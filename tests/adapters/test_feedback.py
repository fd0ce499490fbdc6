"""A foreign generator with a feedback loop: its two passes, its losses on each, and what cannot be adapted."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.critic import autograd_penalty
from d3wrap.adapters.feedback import FeedbackBackbone, trained
from d3wrap.errors import ConfigError, ShapeError
from d3wrap.generator import RealBatch
from d3wrap.seeds import initialising, stream
from d3wrap.training.loop import fit

NOISE, SEMANTICS, FEATURES, HIDDEN = 3, 4, 7, 8


class Net(nn.Module):
    """Called as TF-VAEGAN's generator: semantics by name, the feedback added to the hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(NOISE + SEMANTICS, HIDDEN), nn.Linear(HIDDEN, FEATURES)

    def forward(
        self, z: Tensor, a1: float | None = None, c: Tensor | None = None, feedback_layers: Tensor | None = None
    ) -> Tensor:
        assert c is not None
        hidden = F.leaky_relu(self.inner(torch.cat([z, c], 1)), 0.2)
        if feedback_layers is not None:
            hidden = hidden + a1 * feedback_layers
        return F.relu(self.outer(hidden))


class Decoder(nn.Module):
    """Keeps its hidden layer between calls, as TF-VAEGAN's does."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(FEATURES, HIDDEN), nn.Linear(HIDDEN, SEMANTICS)

    def forward(self, x: Tensor) -> Tensor:
        self.last = torch.relu(self.inner(x))
        return self.outer(self.last)


class Parts:
    """The networks of a script, and how it calls them."""

    def __init__(self, strength: float = 0.5) -> None:
        with initialising(0, "generator"):
            self.network, self.decoder, self.feedback = Net(), Decoder(), nn.Linear(HIDDEN, HIDDEN)
        self.strength = strength

    def call(self, network: nn.Module, noise: Tensor, semantics: Tensor) -> Tensor:
        return network(noise, c=semantics)

    def refine(self, network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
        self.decoder(first)
        again = self.feedback(self.decoder.last.detach())
        return network(noise, a1=self.strength, c=semantics, feedback_layers=again)

    def bind(self, dataset: d3wrap.GZSLDataset, **options: object) -> FeedbackBackbone:
        given = {
            "noise_dim": NOISE, "call": self.call, "refine": self.refine,
            "feedback": self.feedback, "decoder": self.decoder, "critic_hidden": 8,
        } | options  # fmt: skip
        with initialising(0, "generator"):
            backbone = d3wrap.adapt(self.network, adapter="feedback", **given).bind(dataset)
        assert isinstance(backbone, FeedbackBackbone)
        return backbone.to(dataset.features)


@pytest.fixture
def dataset():
    return d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20).to("cpu", torch.float64)


@pytest.fixture
def parts(dataset):
    parts = Parts()
    for module in (parts.network, parts.decoder, parts.feedback):
        module.double()
    return parts


def batch_of(dataset: d3wrap.GZSLDataset, rows: int = 6) -> RealBatch:
    labels = dataset.train_labels[:rows]
    return RealBatch(dataset.train_features[:rows], labels, dataset.semantics[labels])


def passes(parts: Parts, semantics: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return both passes, row by row, from the layers' weights."""
    noise = torch.randn(len(semantics), NOISE, dtype=torch.float64, generator=rng)
    first, second = [], []
    for z, a in zip(noise, semantics, strict=True):
        h = F.leaky_relu(parts.network.inner(torch.cat([z, a])), 0.2)
        x = F.relu(parts.network.outer(h))
        again = parts.feedback(torch.relu(parts.decoder.inner(x)).detach())
        first.append(x)
        second.append(F.relu(parts.network.outer(h + parts.strength * again)))
    return torch.stack(first), torch.stack(second)


def test_features_are_those_of_the_second_pass(dataset, parts):
    backbone = parts.bind(dataset)
    found = backbone.generate(dataset.semantics, rng=stream(0, "noise"))
    torch.testing.assert_close(found, passes(parts, dataset.semantics, stream(0, "noise"))[1])
    assert not torch.equal(found, backbone.generator.generate(dataset.semantics, rng=stream(0, "noise")))


def test_without_strength_the_second_pass_is_the_first(dataset, parts):
    parts.strength = 0.0
    backbone = parts.bind(dataset)
    first = backbone.generator.generate(dataset.semantics, rng=stream(0, "noise"))
    assert torch.equal(backbone.generate(dataset.semantics, rng=stream(0, "noise")), first)


@pytest.mark.parametrize(("phase", "which"), [("critic", 0), ("feedback_critic", 1)])
def test_the_critic_learns_on_the_pass_of_its_phase(dataset, parts, phase, which):
    backbone, batch = parts.bind(dataset, penalty_weight=3.0), batch_of(dataset)
    found = backbone.losses(phase, batch, stream(0, "noise"))
    rng = stream(0, "noise")
    generated = passes(parts, batch.semantics, rng)[which].detach()
    share = torch.rand(6, 1, dtype=torch.float64, generator=rng)
    critic = backbone.critic
    expected = {
        "wasserstein": critic(generated, batch.semantics).mean() - critic(batch.features, batch.semantics).mean(),
        "penalty": 3 * autograd_penalty(critic, share * batch.features + (1 - share) * generated, batch.semantics),
    }
    torch.testing.assert_close(dict(found), expected)


@pytest.mark.parametrize(("phase", "which"), [("generator", 0), ("feedback", 1)])
def test_the_generator_learns_on_the_pass_of_its_phase(dataset, parts, phase, which):
    backbone, batch = parts.bind(dataset, classification_weight=0.5), batch_of(dataset)
    backbone.prepare(dataset, stream(0, "prepare"))
    found = backbone.losses(phase, batch, stream(0, "noise"))
    generated = passes(parts, batch.semantics, stream(0, "noise"))[which]
    expected = {
        "adversarial": -backbone.critic(generated, batch.semantics).mean(),
        "classification": 0.5 * F.cross_entropy(backbone.seen_classifier(generated), batch.labels),
    }
    torch.testing.assert_close(dict(found), expected)


def test_the_decoder_learns_beforehand_and_then_stays_as_it_is(dataset, parts):
    backbone = parts.bind(dataset, decoder_steps=30, lr=1e-2)
    (stage,) = backbone.stages()
    assert (stage.name, stage.steps) == ("decoder", 30)
    assert set(stage.phases[0].parameters) == set(parts.decoder.parameters())
    batch = batch_of(dataset)

    def distance() -> float:
        total = 0.0
        for x, a in zip(batch.features, batch.semantics, strict=True):
            error = parts.decoder(x).detach() - a
            total += float((error.abs() ** 3).sum() / error.square().sum().sqrt())
        return total / len(batch.features)

    before = distance()
    torch.testing.assert_close(backbone.losses("decoder", batch, stream(0, "n"))["semantic"].item(), before)
    assert not set(parts.decoder.parameters()) & {p for phase in backbone.phases() for p in phase.parameters}
    fit(backbone, dataset, steps=1, batch_size=8, seed=0)
    assert distance() < 0.7 * before


def test_a_decoder_is_kept_as_it_was_given(dataset, parts):
    assert parts.bind(dataset).stages() == ()
    assert parts.bind(dataset, decoder=None, decoder_steps=5).stages() == ()


def test_features_of_the_last_phase_reach_generator_and_feedback(dataset, parts):
    backbone = parts.bind(dataset)
    critic, generator, feedback_critic, feedback = backbone.phases()
    assert [p.enhanced for p in backbone.phases()] == [False, False, False, True]
    assert [p.repeats for p in backbone.phases()] == [5, 1, 5, 1]
    assert set(critic.parameters) == set(feedback_critic.parameters) == set(backbone.critic.parameters())
    assert set(generator.parameters) == set(parts.network.parameters())
    assert set(feedback.parameters) == set(parts.network.parameters()) | set(parts.feedback.parameters())
    features = backbone.generate(dataset.semantics, rng=stream(0, "noise"))
    assert all(bool(g.any()) for g in torch.autograd.grad(features.sum(), feedback.parameters))


def test_a_parameter_of_two_networks_is_trained_once():
    shared, frozen = nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)
    assert trained(nn.Sequential(shared, frozen), shared) == (shared.weight, shared.bias)


def test_training_moves_the_feedback_and_nothing_frozen(dataset, parts):
    parts.network.inner.requires_grad_(False)
    backbone = parts.bind(dataset)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8).fit(steps=2, batch_size=8)
    same = {name for name, value in backbone.state_dict().items() if torch.equal(value, before[name])}
    assert {"feedback.weight", "generator.network.outer.weight", "critic.out.weight"}.isdisjoint(same)
    assert {"decoder.inner.weight", "generator.network.inner.weight"} <= same


def detached(network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
    return first.detach()


def unused(network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
    return first


def mismatched(network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
    return network(noise, a1=1.0, c=semantics, feedback_layers=first)


def narrow(network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
    return first[:, 1:]


def pooled(network: nn.Module, noise: Tensor, semantics: Tensor, first: Tensor) -> Tensor:
    return first.mean(0, keepdim=True)


@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"refine": mismatched}, ShapeError, ["refine= fails on features [2, 7] and semantics [2, 4]", "widths"]),
        ({"refine": narrow}, ShapeError, ["refine= gives features of width 6, dataset 'synthetic' has width 7"]),
        ({"refine": pooled}, ShapeError, ["Net gave (1, 7) for 2 rows of semantics"]),
        ({"refine": unused}, ConfigError, ["no trainable parameter of feedback=Linear takes part in refine="]),
        ({"refine": detached}, ConfigError, ["no trainable parameter of feedback=Linear takes part in refine="]),
        ({"feedback": nn.ReLU()}, ConfigError, ["no trainable parameter of feedback=ReLU takes part in refine="]),
        ({"noise_dim": 4}, ShapeError, ["Net cannot be called", "noise 4 and semantics 4", "(or call)"]),
        ({"critic_hiden": 4}, ConfigError, ["adapter 'feedback' has no option 'critic_hiden'", "'critic_hidden'"]),
        ({"call": None}, ConfigError, ["cannot tell noise from semantics in Net.forward(z, a1)"]),
    ],
)  # fmt: skip
def test_what_cannot_be_adapted_says_why_and_what_to_do(dataset, parts, options, error, fragments):
    with pytest.raises(error) as caught:
        parts.bind(dataset, **options)
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_a_feedback_module_may_have_parts_that_take_no_part(dataset, parts):
    feedback = nn.ModuleDict({"used": parts.feedback, "unused": nn.Linear(2, 2)}).double()
    assert len(parts.bind(dataset, feedback=feedback).phases()[-1].parameters) == 8


def test_what_it_cannot_do_without_must_be_given():
    with pytest.raises(ConfigError, match=r"adapter 'feedback'.*refine"):
        d3wrap.adapt(Net(), adapter="feedback", noise_dim=3, feedback=nn.Linear(2, 2))


def test_the_trial_calls_leave_no_trace(dataset, parts):
    parts.network.eval()
    state = {name: value.clone() for name, value in parts.network.state_dict().items()}
    with torch.random.fork_rng(devices=[]):
        parts.bind(dataset)
        assert not parts.network.training
        assert parts.decoder.training
        assert all(p.grad is None for module in (parts.network, parts.feedback) for p in module.parameters())
        assert all(torch.equal(value, state[name]) for name, value in parts.network.state_dict().items())
