"""ZeroDiff: its contract, its presets, its spaces, and what is trained when."""

from __future__ import annotations

import pytest
import torch

import d3wrap
from d3wrap.errors import ConfigError
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.seeds import stream
from d3wrap.testing import check_generator

SPEC = load_plugins(environ={}).generator("zerodiff")
TINY = {
    "hidden": 16, "critic_hidden": 12, "noise_dim": 3, "representation_dim": 10, "head_dim": 5, "time_dim": 4,
    "output": "relu",
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset():
    return d3wrap.synthetic(6, 2, 7, 4, 10).to("cpu", torch.float64)


def build(dataset, **changes):
    backbone = d3wrap.build_generator("zerodiff", dataset, preset="paper", settings={**TINY, **changes})
    backbone.prepare(dataset, stream(0, "prepare"))
    return backbone


def batch_of(dataset, n: int = 9) -> RealBatch:
    labels = dataset.train_labels[:n]
    return RealBatch(dataset.train_features[:n], labels, dataset.semantics[labels])


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


def test_the_paper_presets_are_the_papers_and_its_release():
    paper = SPEC.presets["paper"]
    found = (paper.diffusion_steps, paper.beta_min, paper.beta_max, paper.mutual, paper.mutual_weight, paper.gamma)
    assert found == (4, 0.1, 20.0, "paper", 5.0, 1.5)
    assert (paper.penalty_weight, paper.adaptive_penalty, paper.lr, paper.critic_steps) == (10.0, True, 5e-4, 5)
    rows = {"AWA2": (300, 23_527), "CUB": (300, 7_057), "SUN": (400, 10_320)}
    for name, (epochs, train) in rows.items():
        preset = SPEC.presets[f"paper/{name}"]
        assert preset.steps == preset.representation_generator_steps == epochs * -(-train // preset.batch_size)
        assert (preset.mutual, preset.reconstruction_weight) == ("released", 1.0)
    assert [SPEC.presets[f"paper/{name}"].mutual_weight for name in rows] == [5.0, 2.0, 1.0]
    assert [SPEC.presets[f"paper/{name}"].lr for name in rows] == [5e-4, 1e-4, 1e-4]


@pytest.mark.parametrize("preset", sorted(SPEC.presets))
def test_every_preset_builds_what_it_says(dataset, preset):
    settings = SPEC.presets[preset]
    backbone = d3wrap.build_generator("zerodiff", dataset, preset=preset, settings=TINY)
    contrast, first = backbone.stages()
    phases = backbone.phases()
    assert (contrast.steps, contrast.batch_size) == (settings.representation_steps, settings.representation_batch)
    assert (first.steps, first.batch_size) == (settings.representation_generator_steps, None)
    assert [phase.name for phase in first.phases] == ["drg_critic", "drg_generator"]
    assert first.phases[0].repeats == phases[0].repeats == settings.critic_steps
    assert {phase.lr for phase in (*first.phases, phases[0], phases[-1])} == {settings.lr}
    decoder = ["decoder"] if settings.semantic_weight else []
    assert [phase.name for phase in phases] == ["critic", *decoder, "generator"]
    assert [phase.enhanced for phase in phases] == [*(False for _ in phases[1:]), True]
    terms = backbone.losses("generator", batch_of(dataset), stream(0, "noise"))
    assert ("reconstruction" in terms, "kl" in terms) == (settings.reconstruction_weight > 0,) * 2
    assert ("semantic" in terms) == (settings.semantic_weight > 0)
    assert ("mutual" in backbone.losses("critic", batch_of(dataset), stream(0, "noise"))) == (settings.mutual != "none")


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"mutual": "papers"}, "mutual"),
        ({"sampling": "once"}, "sampling"),
        ({"chain_gradient": 0}, "chain_gradient: expected 1 or more"),
        ({"chain_gradient": 5}, "chain_gradient: expected 1 to 4"),
        ({"critic_steps": 0}, "critic_steps: expected 1 or more, found 0"),
        ({"temperature": 0.0}, "temperature: expected a number above 0"),
    ],
)
def test_settings_out_of_range_are_refused(dataset, settings, fragment):
    with pytest.raises(ConfigError, match=fragment):
        build(dataset, **settings)


def test_real_and_generated_samples_have_one_layout(dataset):
    backbone = build(dataset)
    d, semantics = dataset.feature_dim, dataset.semantics[dataset.unseen]
    real, generated = backbone.encode(dataset.train_features), backbone.generate(semantics, rng=stream(0, "z"))
    assert real.shape[1] == generated.shape[1] == d + TINY["representation_dim"]
    torch.testing.assert_close(real[:, :d], dataset.train_features)
    torch.testing.assert_close(real[:, d:], backbone.representation(dataset.train_features))
    rng = stream(0, "z")
    representation = backbone.drg.generate(semantics, rng)
    torch.testing.assert_close(generated[:, d:], representation)
    torch.testing.assert_close(generated[:, :d], backbone.dfg.generate(semantics, representation, rng))
    torch.testing.assert_close(backbone.generate_features(semantics, rng=stream(0, "z")), generated[:, :d])


def test_representations_are_rectified_and_as_long_as_features(dataset):
    backbone = build(dataset)
    features = dataset.train_features
    length = sum(float(v.square().sum()) ** 0.5 for v in features) / len(features)
    hidden = backbone.representation.hidden
    found = backbone.representation(features)
    for v, r in zip(features, found, strict=True):
        h = (hidden.weight @ v + hidden.bias).clamp(min=0)
        torch.testing.assert_close(r, length * h / h.square().sum().sqrt())
    generated = backbone.drg.generate(dataset.semantics, stream(0, "z"))
    assert bool((generated >= 0).all())
    torch.testing.assert_close(generated.norm(dim=1), torch.full((len(generated),), length, dtype=torch.float64))


def test_gradients_of_generated_samples_reach_the_feature_generator_alone(dataset):
    backbone = build(dataset)
    generated = backbone.generate(dataset.semantics, rng=stream(0, "z"))
    found = torch.autograd.grad(generated.square().sum(), tuple(backbone.parameters()), allow_unused=True)
    reached = {n for (n, _), g in zip(backbone.named_parameters(), found, strict=True) if g is not None}
    assert reached == {n for n, _ in backbone.named_parameters() if n.startswith("dfg.denoiser.")}


def test_stages_leave_the_space_of_the_classifier_and_the_first_generator_as_they_are(dataset):
    """The iterations change neither encode nor DRG: D³'s teacher was trained in that space."""
    backbone = build(dataset, representation_steps=2, representation_generator_steps=2, reconstruction_weight=1.0)
    ours = {phase.name: set(phase.parameters) for phase in backbone.phases()}
    fixed = {*backbone.representation.parameters(), *backbone.drg.parameters()}
    assert not fixed & set.union(*ours.values())
    staged = [set(phase.parameters) for stage in backbone.stages() for phase in stage.phases]
    assert set.union(*staged) == fixed


def test_every_parameter_is_trained_in_one_phase(dataset):
    backbone = build(dataset, reconstruction_weight=1.0, semantic_weight=1.0)
    phases = [*(phase for stage in backbone.stages() for phase in stage.phases), *backbone.phases()]
    trained = [parameter for phase in phases for parameter in phase.parameters]
    assert len(trained) == len(set(trained))
    assert set(trained) == set(backbone.parameters())
