"""CUDA's calls mean the device there is; the same program without them is the oracle."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils._device import _device_constructors

from d3wrap.compat import compatible
from d3wrap.compat.cuda import FACTORIES
from d3wrap.errors import ConfigError

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture
def on_cpu():
    with compatible(["cuda"], device="cpu"):
        yield


DEVICES = ["cuda", "cuda:1", torch.device("cuda"), torch.device("cuda", 1), 0]
"""Every way to name a GPU."""

MAKERS: dict[str, Callable] = {
    "tensor": lambda device: torch.tensor([1.0], device=device),
    "zeros": lambda device: torch.zeros(2, 3, device=device),
    "randn": lambda device: torch.randn(2, device=device),
    "arange": lambda device: torch.arange(3, device=device),
    "ones_like": lambda device: torch.ones_like(torch.zeros(2), device=device),
    "new_zeros": lambda device: torch.zeros(1).new_zeros(2, device=device),
    "new_tensor": lambda device: torch.zeros(1).new_tensor([1, 2], device=device),
    "to": lambda device: torch.zeros(2).to(device),
    "to=": lambda device: torch.zeros(2).to(device=device, dtype=torch.float64),
    "to, dtype": lambda device: torch.zeros(2).to(device, torch.float64),
    "cuda": lambda device: torch.zeros(2).cuda(device),
    "Parameter": lambda device: nn.Parameter(torch.zeros(2).cuda(device)),
    "module.to": lambda device: nn.Linear(2, 3).to(device).weight,
    "module.to=": lambda device: nn.Linear(2, 3).to(device=device).weight,
    "module.cuda": lambda device: nn.Linear(2, 3).cuda(device).weight,
    "module(device)": lambda device: nn.Linear(2, 3, device=device).weight,
}


@pytest.mark.parametrize("goal", [CPU, META])
@pytest.mark.parametrize("device", DEVICES, ids=repr)
@pytest.mark.parametrize("maker", MAKERS)
def test_every_way_to_name_a_gpu_gives_the_device_there_is(maker, device, goal):
    with compatible(["cuda"], device=goal):
        assert MAKERS[maker](device).device == goal


def test_other_devices_and_arguments_stay_what_they_were(on_cpu):
    assert torch.zeros(2, device="meta").device == META
    assert torch.zeros(2).to(torch.float64).dtype == torch.float64
    assert torch.zeros(2).to(torch.ones(1, dtype=torch.int32)).dtype == torch.int32
    assert torch.zeros(2, device=None).device == CPU
    assert nn.Linear(1, 1).to(torch.float64).weight.dtype == torch.float64


def test_a_tensor_already_there_is_moved_nowhere(on_cpu):
    x, weight = torch.zeros(2), nn.Parameter(torch.zeros(2))
    computed = weight * 2
    assert x.cuda() is x.to("cuda") is x.to(device="cuda:0") is x
    assert weight.cuda() is weight.to("cuda") is weight
    assert computed.cuda() is computed.to(0) is computed


MOVES = [
    lambda x: x.cuda(),
    lambda x: x.to("cuda"),
    lambda x: x.to(device="cuda"),
    lambda x: x.to(0, torch.float32),
]


@pytest.mark.parametrize("move", MOVES)
def test_a_leaf_moved_is_no_leaf_and_may_be_changed_in_place(on_cpu, move):
    leaf = torch.zeros(2, requires_grad=True)
    total = move(leaf)
    assert not total.is_leaf
    total += 1.0
    (total * 3).sum().backward()
    assert leaf.grad.equal(torch.full((2,), 3.0))
    assert leaf.detach().equal(torch.zeros(2))


def test_a_leaf_moved_to_the_cpu_stays_one(on_cpu):
    leaf = torch.zeros(2, requires_grad=True)
    assert leaf.to("cpu") is leaf.cpu() is leaf.to(torch.float32) is leaf.to(leaf) is leaf


def test_every_factory_torch_knows_is_covered():
    known = {function.__name__ for function in _device_constructors()}
    untested = {"empty_quantized", "nested_tensor", "fft_fftfreq", "fft_rfftfreq"}
    assert known - untested - set(FACTORIES) == set()


@pytest.mark.parametrize("name", ["FloatTensor", "DoubleTensor", "LongTensor", "IntTensor", "ByteTensor", "BoolTensor"])
def test_typed_constructors_make_what_torchs_own_do(on_cpu, name):
    ours, plain = getattr(torch.cuda, name), getattr(torch, name)
    assert ours([0, 1]).equal(plain([0, 1]))
    assert ours(2, 3).shape == (2, 3)
    assert isinstance(plain([1]), ours)
    assert not isinstance(torch.HalfTensor([1]), ours)
    assert torch.tensor([1.0]).type(ours).equal(plain([1]))
    assert torch.tensor([1.0]).type(f"torch.cuda.{name}").equal(plain([1]))
    assert nn.Linear(1, 1).type(torch.cuda.DoubleTensor).weight.dtype == torch.float64


def test_typed_constructors_follow_the_device():
    with compatible(["cuda"], device="meta"):
        assert torch.cuda.FloatTensor(2).device == META
        assert torch.zeros(2).type(torch.cuda.LongTensor).device == META


def test_type_without_cuda_is_torchs_own(on_cpu):
    assert torch.zeros(1).type() == "torch.FloatTensor"
    assert torch.zeros(1).type(torch.DoubleTensor).dtype == torch.float64
    assert torch.zeros(1).type(torch.int64).dtype == torch.int64


def test_the_default_type_can_be_cudas(on_cpu):
    torch.set_default_tensor_type("torch.cuda.DoubleTensor")
    try:
        assert torch.zeros(1).dtype == torch.float64
    finally:
        torch.set_default_tensor_type(torch.cuda.FloatTensor)
    assert torch.zeros(1).dtype == torch.float32


def test_the_default_type_sets_another_device_too():
    with compatible(["cuda"], device="meta"):
        try:
            torch.set_default_tensor_type(torch.cuda.FloatTensor)
            assert torch.zeros(1).device == META
        finally:
            torch.set_default_device(None)


def test_calls_that_ask_for_a_gpu_answer(on_cpu):
    torch.cuda.set_device(0)
    torch.cuda.synchronize()
    torch.cuda.manual_seed(1)
    torch.cuda.manual_seed_all(1)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.set_rng_state(torch.cuda.get_rng_state())
    with torch.cuda.device(0):
        pass
    assert torch.cuda.current_device() == 0
    assert "no CUDA" in torch.cuda.get_device_name(0)
    assert torch.cuda.memory_summary() == ""
    assert torch.cuda.initial_seed() == torch.initial_seed()
    assert torch.zeros(2).pin_memory().equal(torch.zeros(2))


def test_seeding_the_gpu_leaves_the_cpus_random_numbers(on_cpu):
    torch.manual_seed(3)
    expected = torch.randn(4)
    torch.manual_seed(3)
    torch.cuda.manual_seed_all(5)
    assert torch.randn(4).equal(expected)


def test_generators_are_made_there_and_old_ones_are_instances_too(on_cpu):
    theirs = torch.Generator("cuda").manual_seed(1)
    assert theirs.device == CPU
    assert isinstance(torch.default_generator, torch.Generator)
    assert not isinstance(1, torch.Generator)
    assert torch.rand(2, generator=theirs).equal(torch.rand(2, generator=torch.Generator().manual_seed(1)))


def stored(value) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


LOCATIONS = {
    "none": None,
    "text": "cuda",
    "device": torch.device("cuda:0"),
    "function": lambda storage, location: storage,
    "function to the GPU": lambda storage, location: storage.cuda(0),
    "mapping": {"cuda:0": "cuda:1", "cpu": "cuda:0"},
}


@pytest.mark.parametrize("written_on", ["cpu", "cuda:0"])
@pytest.mark.parametrize("location", LOCATIONS)
def test_what_a_gpu_stored_is_loaded(on_cpu, monkeypatch, written_on, location):
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: written_on)
        file = stored({"weight": torch.arange(3.0)})
    assert torch.load(file, map_location=LOCATIONS[location])["weight"].equal(torch.arange(3.0))


def test_no_pickle_is_executed_by_loading(on_cpu, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("harm").touch, ())

    with pytest.raises(Exception, match="weights_only"):
        torch.load(stored(Harmful()))
    assert list(tmp_path.iterdir()) == []


def test_data_parallel_runs_the_module_itself(on_cpu):
    net = nn.Linear(2, 3)
    x = torch.ones(4, 2)
    assert nn.DataParallel(net.cuda(), device_ids=[0, 1]).cuda()(x.cuda()).equal(net(x))


def penalty_step(cuda: bool) -> list[torch.Tensor]:
    """A script's critic step with everything sent to the GPU, or as it reads without."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    real, one = torch.FloatTensor(5, 3).normal_(), torch.tensor(1.0)
    if cuda:
        net, real, one = net.cuda(), real.cuda(), one.cuda()
    optimizer = torch.optim.Adam(net.parameters())
    alpha = torch.rand(5, 1, **({"device": "cuda"} if cuda else {}))
    mixed = torch.autograd.Variable(alpha * real, requires_grad=True)
    ones = torch.ones(5, 1).cuda() if cuda else torch.ones(5, 1)
    (slope,) = torch.autograd.grad(net(mixed), mixed, grad_outputs=ones, create_graph=True, retain_graph=True)
    ((slope.norm(2, dim=1) - 1) ** 2).mean().backward(one)
    optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


def test_a_step_on_the_gpu_gives_what_it_gives_without(on_cpu):
    assert all(a.equal(b) for a, b in zip(penalty_step(True), penalty_step(False), strict=True))


class MovedInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return grad.cuda() * torch.cuda.FloatTensor([2])


def test_moving_within_a_backward_pass(on_cpu):
    x = torch.ones(2, requires_grad=True)
    MovedInBackward.apply(x).sum().backward()
    assert x.grad.equal(torch.full((2,), 2.0))


class Moving(torch.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return torch.tensor([float(index)]).cuda()


def test_worker_processes_of_a_loader_see_it(on_cpu):
    loader = torch.utils.data.DataLoader(Moving(), batch_size=2, num_workers=1, multiprocessing_context="fork")
    assert next(iter(loader)).equal(torch.tensor([[0.0], [1.0]]))


def test_functions_a_script_took_along_are_torchs_own_again_afterwards():
    with compatible(["cuda"], device="meta"):
        from torch import zeros
        from torch.cuda import FloatTensor

        assert zeros(1, device="cuda").device == META
    assert zeros(2).device == CPU
    assert FloatTensor([1.0]).equal(torch.tensor([1.0]))
    if not torch.cuda.is_available():
        with pytest.raises((AssertionError, RuntimeError)):
            zeros(1, device="cuda")


def test_default_devices_work_afterwards(on_cpu):
    with torch.device("meta"):
        assert torch.zeros(1).device == META


def test_a_copied_module_stays_there(on_cpu):
    assert copy.deepcopy(nn.Linear(1, 1).cuda()).weight.device == CPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_where_cuda_is_nothing_is_changed():
    with compatible(["cuda"]) as applied:
        assert applied == ()
        assert torch.zeros(1).cuda().is_cuda


@pytest.mark.parametrize("device", ["no such device", "cuda", "cuda:1"])
def test_a_device_that_cannot_stand_for_cuda_is_refused(device):
    with pytest.raises(ConfigError, match="device: "), compatible(["cuda"], device=device):
        pytest.fail("not reached")


def test_two_devices_at_once_are_refused():
    with (
        compatible(["cuda"], device="cpu"),
        pytest.raises(ConfigError, match="CUDA is mapped to cpu"),
        compatible(device="meta"),
    ):
        pytest.fail("not reached")
