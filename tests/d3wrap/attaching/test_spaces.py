"""Scripts that classify elsewhere than on features, whose semantics change, or that sample by class."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d3wrap.errors import ConfigError, ShapeError


def encoder(width):
    torch.manual_seed(1)
    return nn.Linear(7, width).double()


def test_generated_features_are_encoded_like_real_ones(world, attach, sampling):
    one = world()
    encode = encoder(5)
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer, encode=encode)
    one.step()
    assert d3.report.width == 5
    one.network.eval()
    evaluation = d3.evaluate(synthetic_per_class=3)
    assert set(evaluation) == {"softmax", "student", "embedding"}
    labels = torch.tensor([4, 5])
    raw = attach(sampling(one.network), one.data)
    raw.on_batch()
    rng = [torch.Generator().manual_seed(2) for _ in range(2)]
    coded = d3._open.sampler.generate_for(labels, rng=rng[0])
    torch.testing.assert_close(coded, encode(raw._open.sampler.generate_for(labels, rng=rng[1])))


def test_samples_may_be_in_the_space_already(world, attach):
    one = world()
    latent = nn.Linear(4, 5).double()
    optimizer = torch.optim.Adam(latent.parameters())
    d3 = attach(lambda s: latent(s) + torch.randn(len(s), 5).to(s), one.data, optimizer=optimizer, encode=encoder(5))
    latent(one.data.semantics).sum().backward()
    optimizer.step()
    assert d3.steps == 1
    assert d3.report.width == 5


def test_a_space_as_wide_as_the_features_is_asked_for(world, attach, sampling):
    one = world()
    with pytest.raises(ConfigError, match="encode_generated=True where they are features"):
        attach(sampling(one.network), one.data, encode=encoder(7)).on_batch()
    for answer in (True, False):
        attach(sampling(one.network), one.data, encode=encoder(7), encode_generated=answer).on_batch()


def test_a_width_of_neither_space(world, attach, foreign):
    one = world()
    network = foreign(features=6).double()
    with pytest.raises(ShapeError, match="width 6: neither that of the real features, 7, nor that of encode=, 5"):
        attach(lambda s: network(torch.randn_like(s), s), one.data, encode=encoder(5)).on_batch()


def test_an_encode_that_gives_no_vectors(world, attach, sampling):
    one = world()
    with pytest.raises(ShapeError, match="encode gave"):
        attach(sampling(one.network), one.data, encode=lambda x: x.sum(1)).on_batch()


def test_semantics_that_are_learned(world, attach):
    """A semantic module is trained with the flow behind it: the table is asked for anew, and D³ reaches its weights."""
    one = world()
    module = nn.Linear(4, 4).double()
    optimizer = torch.optim.SGD([*one.network.parameters(), *module.parameters()], lr=0.1)
    d3 = attach(
        lambda s: one.network(torch.randn_like(s), s), one.data, optimizer=optimizer,
        semantics=lambda: module(one.data.semantics), gradient_share=0.0,
    )  # fmt: skip
    before = module.weight.detach().clone()
    optimizer.step()
    assert d3.report.reached == 6
    assert not torch.equal(module.weight, before)


def test_semantics_of_a_module_may_be_found_in_calls(world, attach):
    """The script gives its network what a module makes of semantics: rows of the table that ``semantics=`` gives."""
    one = world()
    torch.manual_seed(0)
    module = nn.Linear(4, 4).double()
    one.call = lambda net, z, a: net(z, module(a) * 5)
    d3 = attach(one.network, one.data, optimizer=one.optimizer, semantics=lambda: module(one.data.semantics) * 5)
    one.step()
    assert d3.steps == 1


def test_a_sample_may_ask_for_classes(world, attach):
    one = world()
    given = []

    def sample(semantics, classes):
        given.append((semantics, classes))
        return one.network(torch.randn_like(semantics), semantics)

    attach(sample, one.data).on_batch()
    for semantics, classes in given:
        assert torch.equal(semantics, one.data.semantics[classes])
        assert set(classes.tolist()) == set(one.data.unseen.tolist())


def test_a_method_and_two_networks(world, attach):
    class Model:
        def __init__(self):
            self.first, self.last = nn.Linear(8, 6).double(), nn.Linear(6, 7).double()
            self.optimizer = torch.optim.Adam([*self.first.parameters(), *self.last.parameters()])

        def decode(self, semantics):
            return self.last(self.first(torch.cat([torch.randn_like(semantics), semantics], 1)).relu())

    one, model = world(), Model()
    d3 = attach(model.decode, one.data, optimizer=model.optimizer)
    model.optimizer.step()
    assert (d3.report.reached, d3.report.parameters) == (4, 4)
    assert "decode of Linear, Linear" in d3.report.generator


def test_state_comes_back(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer)
    for _ in range(3):
        one.step()
    state = d3.state_dict()
    again = attach(sampling(one.network), one.data)
    again.load_state_dict(state)
    assert again.steps == 3
    for name, value in again.state_dict().items():
        assert torch.equal(value, state[name]), name
    loaded = attach(sampling(one.network), one.data)
    loaded.on_batch()
    loaded.load_state_dict(state)
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())


def test_hooks_by_hand(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data)
    features = torch.rand(2, 7, dtype=torch.float64)
    assert d3.on_generate(features, torch.tensor([4, 5])) is features
