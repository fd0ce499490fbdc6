import pytest
import torch
from torch import nn

from d3wrap.errors import ConfigError, ShapeError, TrainingError
from d3wrap.evaluation.modes import evaluating
from d3wrap.evaluation.synthesis import synthesise
from d3wrap.generator import Generator

SEMANTICS = torch.arange(12.0).reshape(4, 3)


class Plain:
    """No nn.Module: a feature is its class's semantics plus noise."""

    def __init__(self, noise=0.0):
        self.noise, self.blocks = noise, []

    def generate(self, semantics, *, rng=None):
        self.blocks.append(len(semantics))
        return semantics + self.noise * torch.randn(semantics.shape, generator=rng)

    def parameters(self):
        return []


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.9)
        self.frozen = nn.BatchNorm1d(3).eval()
        self.scale = nn.Parameter(torch.ones(()))

    def generate(self, semantics, *, rng=None):
        return self.frozen(self.drop(semantics)) * self.scale


def test_each_class_gets_its_features_in_order_and_in_blocks():
    generator = Plain()
    assert isinstance(generator, Generator)
    features, labels = synthesise(generator, SEMANTICS, torch.tensor([3, 1]), 5, None, block=4)
    assert labels.tolist() == [3] * 5 + [1] * 5
    assert torch.equal(features, SEMANTICS[labels])
    assert generator.blocks == [4, 4, 2]


def test_random_numbers_come_from_the_stream_given():
    def draw(seed):
        return synthesise(Plain(1.0), SEMANTICS, torch.tensor([0, 2]), 6, torch.Generator().manual_seed(seed))[0]

    before = torch.random.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_module_is_in_eval_mode_meanwhile_and_as_before_after():
    generator = Dropping()
    features, labels = synthesise(generator, SEMANTICS, torch.tensor([1]), 2, None)
    assert torch.allclose(features, SEMANTICS[labels], rtol=1e-4)
    assert not features.requires_grad
    assert generator.training
    assert generator.drop.training
    assert not generator.frozen.training


def test_modes_and_gradients_come_back_after_an_error():
    generator = Dropping()
    with pytest.raises(RuntimeError, match="stop"), evaluating(generator):
        raise RuntimeError("stop")
    assert generator.drop.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda s: (s, s), "one tensor of features, found tuple"),
        (lambda s: s[:, 0], r"shape \[6, d\] .* found \[6\]"),
        (lambda s: s[1:], r"shape \[6, d\] .* found \[5, 3\]"),
    ],
)
def test_a_wrong_output_is_named(output, message):
    generator = Plain()
    generator.generate = lambda semantics, rng=None: output(semantics)
    with pytest.raises(ShapeError, match=message):
        synthesise(generator, SEMANTICS, torch.tensor([0, 1]), 3, None)


def test_a_width_that_changes_between_blocks_is_named():
    generator, widths = Plain(), iter([3, 2])
    generator.generate = lambda semantics, rng=None: semantics[:, : next(widths)]
    with pytest.raises(ShapeError, match=r"shape \[2, 3\] .* found \[2, 2\]"):
        synthesise(generator, SEMANTICS, torch.tensor([0, 1]), 3, None, block=4)


def test_features_that_are_not_finite_are_refused():
    semantics = SEMANTICS.clone()
    semantics[2, 0] = float("nan")
    with pytest.raises(TrainingError, match=r"classes \[2\] are NaN"):
        synthesise(Plain(), semantics, torch.tensor([1, 2]), 3, None)


@pytest.mark.parametrize("classes", [[4], [-1]])
def test_classes_without_semantics_are_refused(classes):
    with pytest.raises(ShapeError, match="semantics have rows 0 to 3"):
        synthesise(Plain(), SEMANTICS, torch.tensor(classes), 1, None)


def test_empty_requests_are_refused():
    with pytest.raises(ShapeError, match="non-empty"):
        synthesise(Plain(), SEMANTICS, torch.tensor([], dtype=torch.int64), 1, None)
    with pytest.raises(ConfigError, match="per_class"):
        synthesise(Plain(), SEMANTICS, torch.tensor([1]), 0, None)
