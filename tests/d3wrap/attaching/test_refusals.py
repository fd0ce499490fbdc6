"""What cannot work is refused at the first step, with what was seen and what to type."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from d3wrap.errors import ConfigError, D3WrapError, DataError, ShapeError, TrainingError

NOISE = 4


def draw(semantics):
    return torch.randn(len(semantics), NOISE, dtype=semantics.dtype)


def no_grad(net):
    @torch.no_grad()
    def sample(semantics):
        return net(draw(semantics), semantics)

    return sample


SAMPLES = {
    "under no_grad": (no_grad, ConfigError, "without a gradient: it runs under torch.no_grad()"),
    "detached": (lambda net: lambda s: net(draw(s), s).detach(), ConfigError, "without a gradient"),
    "through .data": (lambda net: lambda s: net(draw(s), s).data, ConfigError, "without a gradient"),
    "too narrow": (lambda net: lambda s: net(draw(s), s)[:, :5], ShapeError, "width 5, the real ones have 7"),
    "fewer rows": (lambda net: lambda s: net(draw(s), s)[:3], ShapeError, "gave [3, 7] for 4 rows"),
    "a list": (lambda net: lambda s: 3, ShapeError, "gave int for 4 rows"),
    "NaN": (lambda net: lambda s: net(draw(s), s) * float("nan"), TrainingError, "NaN or infinity in 4 of 4 rows"),
    "noise of fixed size": (lambda net: lambda s: net(torch.randn(64, 4).double(), s), ConfigError,
                            "noise must have as many rows (a noise buffer of fixed batch size does not)"),
    "arguments swapped": (lambda net: lambda s: net(s, draw(s)), ConfigError,
                          "semantics are its argument 'y', not 'x'. Swap them in sample="),
    "a failing function": (lambda net: lambda s: s.nothing, ConfigError, "failed with AttributeError"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_that_cannot_be_used(world, attach, name):
    make, kind, words = SAMPLES[name]
    one = world()
    before = [p.detach().clone() for p in one.network.parameters()]
    attach(make(one.network), one.data, optimizer=one.optimizer)
    with pytest.raises(kind) as error:
        one.step()
    assert words in str(error.value)
    assert all(torch.equal(p, b) for p, b in zip(one.network.parameters(), before, strict=True))


def test_an_optimizer_that_does_not_train_it(world, attach, sampling):
    one = world()
    critic = nn.Linear(7, 1).double()
    other = torch.optim.Adam(critic.parameters())
    attach(sampling(one.network), one.data, optimizer=other)
    critic(one.batch()[0]).sum().backward()
    with pytest.raises(ConfigError, match=r"reaches 0 of 2 parameters .* depend on 4 other parameters"):
        other.step()


def test_a_part_of_the_parameters_is_said(world, attach, sampling):
    one = world()
    extra = nn.Linear(7, 1).double()
    one.optimizer.add_param_group({"params": [*extra.parameters(), *nn.Linear(2, 3).double().parameters()]})
    more = nn.Linear(2, 3).double()
    one.optimizer.add_param_group({"params": list(more.parameters())})
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer)
    one.step()
    assert (d3.report.reached, d3.report.parameters) == (4, 10)
    assert "less than half" in str(d3.report)


ARGUMENTS = {
    "nothing to sample": ((None,), {}, "found nothing; sample=lambda semantics: ... always works"),
    "a string": (("netG",), {}, "found a str"),
    "a class": ((nn.Linear,), {}, "found a type"),
    "an unknown order": ((nn.Linear(1, 1),), {"order": "semantics first"}, "order: expected"),
    "an unknown noise": ((nn.Linear(1, 1),), {"noise": "gauss"}, "noise: expected"),
    "noise of no width": ((nn.Linear(1, 1),), {"noise_dim": 0}, "noise_dim: expected 1 or more"),
    "call without width": ((nn.Linear(1, 1),), {"call": print}, "call= needs noise_dim="),
    "call of no function": ((nn.Linear(1, 1),), {"call": 3, "noise_dim": 1}, "call: expected"),
    "a convention beside sample": ((), {"sample": print, "noise_dim": 3}, "leave order=, noise_dim="),
    "encode of no function": ((nn.Linear(1, 1),), {"encode": 3}, "encode: expected a function"),
    "a negative start": ((nn.Linear(1, 1),), {"start_step": -1}, "start_step: expected an integer of 0 or more"),
    "never": ((nn.Linear(1, 1),), {"every": 0}, "every: expected an integer of 1 or more"),
    "half a step": ((nn.Linear(1, 1),), {"inner_steps": 1.5}, "inner_steps: expected an integer"),
    "an empty batch": ((nn.Linear(1, 1),), {"batch_size": 0}, "batch_size: expected an integer of 1"),
    "a negative scale": ((nn.Linear(1, 1),), {"scale": -1.0}, "scale: expected 0 or more"),
    "no function for real": ((nn.Linear(1, 1),), {"real": (1, 2)}, "real: expected real=lambda"),
    "an unknown setting": ((nn.Linear(1, 1),), {"formulatoin": "released"}, "no setting 'formulatoin'"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_checked_at_once(attach, data, name):
    args, options, words = ARGUMENTS[name]
    with pytest.raises(ConfigError) as error:
        attach(*args, data=data, **options)
    assert words in str(error.value)


def test_data_are_needed(attach, foreign):
    with pytest.raises(ConfigError, match="data is missing"):
        attach(foreign())


def test_an_optimizer_of_no_known_kind(attach, foreign, data):
    with pytest.raises(ConfigError, match="found a str: give the torch optimizer inside it"):
        attach(foreign(), data, optimizer=["adam"])


def test_an_optimizer_that_has_one_already(world, attach):
    one = world()
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    with pytest.raises(ConfigError, match=r"already: call detach\(\)"):
        attach(one.network, one.data, optimizer=one.optimizer)
    d3.detach()
    assert not nn.modules.module._global_forward_hooks
    attach(one.network, one.data, optimizer=one.optimizer)


def test_on_batch_beside_an_optimizer(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data, optimizer=one.optimizer)
    with pytest.raises(ConfigError, match="would do so twice; give the batch with real="):
        d3.on_batch(*one.batch())


def test_real_features_of_another_width(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data)
    with pytest.raises(ShapeError, match=r"real features are \[3, 5\], expected \[b, 7\]"):
        d3.on_batch(torch.rand(3, 5), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConfigError, match="give the labels"):
        d3.on_batch(torch.rand(3, 7))


def test_real_that_gives_something_else(world, attach, sampling):
    one = world()
    attach(sampling(one.network), one.data, optimizer=one.optimizer, real=lambda: 3)
    with pytest.raises(ConfigError, match=r"real= must give \(features, labels\), found a int"):
        one.step()


def test_semantics_for_too_few_classes(world, attach, sampling):
    one = world()
    attach(sampling(one.network), one.data, optimizer=one.optimizer, semantics=lambda: one.data.semantics[:3])
    with pytest.raises(D3WrapError, match=r"semantics: gave \[3, 4\], expected one row for each of 6 classes"):
        one.step()


def test_no_test_images_no_evaluation(world, attach, sampling):
    one = world()
    arrays = {
        "features": one.data.train_features, "labels": one.data.train_labels, "semantics": one.data.semantics,
        "seen": one.data.seen, "unseen": one.data.unseen,
    }  # fmt: skip
    d3 = attach(sampling(one.network), arrays)
    assert d3.on_batch().total.requires_grad
    with pytest.raises(DataError, match="evaluate\\(\\) is impossible"):
        d3.evaluate()


def test_a_foreign_state(world, attach, sampling):
    one = world()
    d3 = attach(sampling(one.network), one.data)
    with pytest.raises(ConfigError, match="there are no 'steps' in it"):
        d3.load_state_dict({})
    d3.load_state_dict({"steps": torch.tensor([1, 1]), "strange": torch.zeros(1)})
    with pytest.raises(ShapeError, match="other settings"):
        d3.on_batch()


def test_a_table_in_double_precision_fits_single_networks(world, attach, sampling):
    """numpy makes float64 of everything; a script's networks are float32."""
    one = world()
    one.network.float()
    d3 = attach(sampling(one.network), one.data)
    assert d3.on_batch().total.dtype == torch.float32
    assert d3.dataset.features.dtype == d3.dataset.semantics.dtype == torch.float32
