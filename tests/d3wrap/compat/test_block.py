"""Shims are applied within a block, and undone exactly."""

from __future__ import annotations

import importlib
import threading
import warnings

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import dataloader

from d3wrap.compat import SHIMS, Shim, compatible
from d3wrap.compat import freia as freia_module
from d3wrap.compat.patches import Patches
from d3wrap.compat.scipy_names import OLD_NAMES
from d3wrap.errors import ConfigError, D3WrapWarning

no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="maps CUDA only where there is none")


def owners() -> list:
    """Everything a shim sets attributes of."""
    listed = [torch, torch.Tensor, torch.cuda, torch.autograd, torch.autograd.variable, torch.UntypedStorage, np, yaml]
    listed += [importlib.import_module(name) for name in OLD_NAMES]
    listed += [nn.Module, dataloader._BaseDataLoaderIter, torch.utils.data.RandomSampler]
    listed += [kind for kind in vars(lr_scheduler).values() if isinstance(kind, type)]
    try:
        import FrEIA.framework
    except ImportError:
        return listed
    return [*listed, FrEIA.framework]


def held() -> dict:
    """What those owners hold, by identity; modules imported meanwhile are not ours."""
    state = {}
    for number, owner in enumerate(owners()):
        for name, value in vars(owner).items():
            if not isinstance(value, type(np)) and name not in ("__annotations__", "__abstractmethods__"):
                state[number, name] = value
    return state


def same(before: dict, after: dict) -> bool:
    return before.keys() == after.keys() and all(before[key] is after[key] for key in before)


@pytest.fixture(scope="module", autouse=True)
def everything_loaded():
    """Let torch, numpy and FrEIA load now what they load when first asked."""
    train_a_gan()
    with compatible(device="cpu"):
        pass


@pytest.fixture(autouse=True)
def nothing_left(everything_loaded):
    """No test leaves anything behind."""
    before = held()
    yield
    assert same(before, held())


@pytest.mark.parametrize("name", SHIMS)
def test_each_shim_changes_something_and_undoes_it(name):
    before = held()
    with SHIMS[name].applied():
        if SHIMS[name].possible:
            assert not same(before, held())
    assert same(before, held())


def test_all_shims_are_undone_though_the_block_raises():
    before = held()
    with pytest.raises(ZeroDivisionError), compatible():  # noqa: PT012
        assert not same(before, held())
        1 / 0  # noqa: B018
    assert same(before, held())


def test_a_shim_that_fails_half_way_is_undone(monkeypatch):
    def apply(patches: Patches) -> None:
        patches.put(torch, "zeros", None)
        raise ZeroDivisionError

    zeros = torch.zeros
    broken = Shim("volatile", "", "", apply)
    monkeypatch.setattr("d3wrap.compat.block.SHIMS", {"item": SHIMS["item"], "volatile": broken})
    with pytest.raises(ZeroDivisionError), compatible():
        pytest.fail("not reached")
    assert torch.zeros is zeros
    assert "data" not in vars(torch.Tensor)


def test_no_two_shims_set_the_same_attribute():
    set_by = {}
    for name, shim in SHIMS.items():
        before = held()
        with shim.applied():
            for key, value in held().items():
                if before.get(key) is not value:
                    set_by.setdefault(key, []).append(name)
    assert {key: names for key, names in set_by.items() if len(names) > 1} == {}


def test_nothing_is_applied_by_importing():
    assert not hasattr(np, "int")
    with pytest.raises(IndexError):
        torch.tensor(1.0).data[0]


def test_only_the_named_shims_are_applied():
    with compatible(["item"]) as names:
        assert names == ("item",)
        assert torch.tensor(2.0).data[0] == 2
        assert not hasattr(np, "int")


@pytest.mark.parametrize("names", ["numpy-names, item", ("item", "numpy-names", "item")])
def test_names_come_as_text_or_list_and_are_put_in_order(names):
    with compatible(names) as applied:
        assert applied == ("item", "numpy-names")


def test_without_names_all_that_can_be_are_applied():
    expected = [name for name, shim in SHIMS.items() if shim.possible]
    with compatible(device="cpu") as applied:
        assert list(applied) == expected


def test_an_unknown_name_is_refused_and_the_nearest_named():
    with pytest.raises(ConfigError, match=r"'numpy-name'; did you mean 'numpy-names'\?"), compatible(["numpy-name"]):
        pytest.fail("not reached")


def test_nested_blocks_undo_with_the_last():
    before = held()
    with compatible(["item", "masks"]):
        outer = held()
        with compatible():
            pass
        assert same(outer, held())
        with pytest.raises(ZeroDivisionError), compatible(["item"]):
            1 / 0  # noqa: B018
        assert torch.tensor(2.0).data[0] == 2
    assert same(before, held())


def test_blocks_that_end_in_another_order_undo_with_the_last():
    first, second = compatible(["item", "masks"]), compatible(["item", "numpy-names"])
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert torch.tensor(2.0).data[0] == 2
    assert vars(np)["int"] is int
    second.__exit__(None, None, None)
    with pytest.raises(IndexError):
        torch.tensor(2.0).data[0]


def test_what_a_script_set_or_deleted_itself_is_undone_too():
    with compatible(["numpy-names", "item"]):
        setattr(np, "int", float)  # noqa: B010  what scripts write who met the removal before
        delattr(np, "float")
        del torch.Tensor.data


def test_where_cuda_is_its_shim_is_left_out_unless_a_device_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = held()
    with compatible(["cuda", "item"]) as applied:
        assert applied == ("item",)
        assert torch.zeros is before[0, "zeros"]
    with compatible(["cuda"], device="cpu") as applied:
        assert applied == ("cuda",)
        assert torch.zeros(1, device="cuda").device.type == "cpu"


@no_cuda
def test_other_threads_see_the_shims():
    seen = []
    with compatible():
        thread = threading.Thread(target=lambda: seen.append(torch.zeros(1, device="cuda").cuda()))
        thread.start()
        thread.join()
    assert seen[0].device.type == "cpu"


def test_a_missing_package_is_told_of_where_the_shim_was_named(monkeypatch):
    monkeypatch.setattr(
        "d3wrap.compat.block.SHIMS", {"freia": Shim("freia", "", "", freia_module.apply, package="no_such_package")}
    )
    block = compatible(["freia"])
    with pytest.warns(D3WrapWarning, match="'freia' does nothing, no_such_package is not installed: pip install"):
        assert block.__enter__() == ()
    block.__exit__(None, None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with compatible() as applied:
            assert applied == ()


# --- bits of programs that need none of it ---------------------------------------------------------------


def train_a_gan() -> list[torch.Tensor]:
    """Twenty steps of a small WGAN with gradient penalty: indexing, masks, in-place operations, double backward."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 5), nn.ReLU())
    critic = nn.Sequential(nn.Linear(5, 8), nn.LeakyReLU(0.2), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))
    real = torch.rand(32, 5)
    optimizers = [torch.optim.Adam(net.parameters(), 1e-2, betas=(0.5, 0.999)) for net in (critic, generator)]
    schedule = lr_scheduler.StepLR(optimizers[0], 5)
    losses = []
    for step in range(20):
        rows = torch.tensor(np.nonzero(np.arange(32) % 4 == step % 4)[0])
        batch = real[rows]
        for optimizer in optimizers:
            optimizer.zero_grad()
        fake = generator(torch.randn(len(rows), 4))
        mixed = (batch + torch.rand(len(rows), 1) * (fake.detach() - batch)).requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        loss = critic(fake.detach()).mean() - critic(batch).mean() + ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss.backward()
        optimizers[0].step()
        schedule.step()
        gain = -critic(fake).mean() + fake.masked_fill(fake > 0.5, 0).sum() - fake[0, :2].sum()
        optimizers[1].zero_grad()
        gain.backward()
        optimizers[1].step()
        losses += [loss.detach(), gain.detach()]
    return [*losses, *generator.state_dict().values(), *critic.state_dict().values()]


def test_training_gives_the_same_bits_inside_and_outside():
    outside = train_a_gan()
    with compatible(device="cpu"):
        inside = train_a_gan()
    assert all(a.equal(b) for a, b in zip(outside, inside, strict=True))
    assert all(a.equal(b) for a, b in zip(outside, train_a_gan(), strict=True))
