"""Old calls of torch give what they meant."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from d3wrap.compat import compatible

# --- volatile ---------------------------------------------------------------------------------------------


@pytest.fixture
def volatile():
    with compatible(["volatile"]):
        yield torch.autograd.Variable


def test_what_is_computed_from_a_volatile_variable_records_nothing(volatile, recwarn):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    result = net(volatile(x, volatile=True))
    assert not result.requires_grad
    assert result.grad_fn is None
    assert torch.equal(result.data, net(x).detach())
    assert torch.equal((result * 2 + torch.ones(2, requires_grad=True)).data, net(x).detach() * 2 + 1)
    assert not list(recwarn)


def test_volatile_wins_over_variables_that_need_gradients(volatile):
    with pytest.raises(RuntimeError, match="does not require grad"):
        (volatile(torch.ones(2), volatile=True) * torch.ones(2, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("way_out", [lambda x: x.data, lambda x: x.detach(), lambda x: torch.autograd.Variable(x)])
def test_what_leaves_a_volatile_variable_can_be_trained_on(volatile, way_out):
    net = nn.Linear(3, 2)
    made = way_out(net(volatile(torch.randn(5, 3), volatile=True)))
    assert type(made) is torch.Tensor
    (made * net.bias).sum().backward()
    assert net.bias.grad is not None


def test_a_tensor_filled_with_volatile_results_is_plain(volatile):
    table = torch.zeros(2, 3)
    table.narrow(0, 0, 1).copy_(volatile(torch.ones(1, 3), volatile=True).data)
    table[1:] = volatile(torch.full((1, 3), 2.0), volatile=True)
    assert type(table) is torch.Tensor
    assert table.equal(torch.tensor([[1.0] * 3, [2.0] * 3]))


def test_the_largest_of_volatile_results_is_found(volatile):
    values, places = torch.max(volatile(torch.tensor([[1.0, 3.0]]), volatile=True).data, 1)
    assert (values.item(), places.item()) == (3.0, 1)


def test_other_variables_are_as_ever(volatile):
    x = volatile(torch.ones(2), requires_grad=True)
    assert isinstance(x, volatile)
    assert type(x) is torch.Tensor
    assert x.requires_grad
    assert not volatile(torch.ones(2)).requires_grad
    assert not volatile(torch.ones(2), volatile=False).requires_grad
    assert volatile().numel() == 0
    x.sum().backward()
    assert x.grad.equal(torch.ones(2))


def test_a_volatile_tensor_is_stored_as_a_plain_one(volatile):
    file = io.BytesIO()
    torch.save(volatile(torch.ones(2), volatile=True), file)
    file.seek(0)
    assert type(torch.load(file, weights_only=True)) is torch.Tensor


# --- item -------------------------------------------------------------------------------------------------


@pytest.fixture
def item():
    with compatible(["item"]):
        yield


def test_the_only_element_is_taken(item):
    loss = nn.Parameter(torch.tensor(2.0)) * 3
    assert loss.data[0].item() == loss.data[-1].item() == 6.0
    assert f"{loss.data[0]:.2f}" == "%.2f" % loss.data[0] == "6.00"  # noqa: UP031  as scripts write it
    total = 0
    total += loss.data[0]
    assert total == 6


def test_the_element_shares_memory_and_data_is_data(item):
    number = torch.tensor(1.0, requires_grad=True)
    number.data[0].add_(1)
    assert number == 2
    number.data = number.data * 3
    assert number == 6
    number.data = number.data
    assert type(number.data * 2) is type(number.data[0]) is torch.Tensor
    assert not number.data.requires_grad
    assert torch.equal(number.data, number.detach())
    assert type(torch.ones(2).data) is torch.Tensor


@pytest.mark.parametrize("index", [1, -2, True, slice(None), (0,), (0, 0)])
def test_other_indices_of_it_are_treated_as_ever(item, index):
    def outcome(tensor):
        try:
            return tensor[index].tolist()
        except IndexError as error:
            return str(error)

    assert outcome(torch.tensor(2.0).data) == outcome(torch.tensor(2.0))


def test_tensors_are_no_sequences_inside_or_after():
    """To set ``Tensor.__getitem__`` would make them such, in this process for good."""
    code = (
        "import torch\nfrom d3wrap.compat import compatible\n"
        "x = torch.tensor(2.0)\n"
        "with compatible(device='cpu'):\n    assert torch.tensor([x, x]).tolist() == [2.0, 2.0]\n"
        "assert torch.tensor([x, x]).tolist() == [2.0, 2.0]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tensors_with_dimensions_are_indexed_as_ever(item):
    x = torch.arange(6).reshape(2, 3)
    assert x[0].tolist() == [0, 1, 2]
    assert x[x > 3].tolist() == [4, 5]
    with pytest.raises(IndexError):
        x[2]
    with pytest.raises(IndexError):
        torch.zeros(0)[0]


# --- scalar-gradient --------------------------------------------------------------------------------------


def gradient_of(loss_of, *gradients) -> list[float]:
    leaf = torch.tensor([2.0, 3.0], requires_grad=True)
    loss_of(leaf).backward(*gradients)
    return leaf.grad.tolist()


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("loss_of", [lambda x: (x**2).mean(), lambda x: (x**2).mean().view(1)])
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_a_gradient_of_one_element_fits_a_loss_of_one_element(sign, loss_of, shape):
    with compatible(["scalar-gradient"]):
        found = gradient_of(loss_of, torch.full(shape, sign))
    assert found == [2.0 * sign, 3.0 * sign]


def test_other_gradients_are_as_ever():
    with compatible(["scalar-gradient"]):
        assert gradient_of(lambda x: x.sum()) == [1.0, 1.0]
        assert gradient_of(lambda x: x * 2, torch.tensor([1.0, 2.0])) == [2.0, 4.0]
        with pytest.raises(RuntimeError, match="Mismatch in shape"):  # torch's own words
            gradient_of(lambda x: x * 2, torch.tensor([1.0]))
        x = torch.ones(1, requires_grad=True)
        x.sum().backward(retain_graph=True)


# --- masks ------------------------------------------------------------------------------------------------


@pytest.fixture
def masks():
    with compatible(["masks"]):
        yield


def test_masks_are_subtracted_as_numbers(masks):
    mask = torch.tensor([1.0, 2.0]) < 1.5
    other = torch.tensor([True, True])
    assert (1 - mask).tolist() == [0, 1]
    assert (1 - mask).dtype == torch.uint8
    assert (other - mask).tolist() == [0, 1]
    assert (mask - 1).tolist() == [0, 255]
    assert torch.tensor([5.0, 7.0])[1 - mask].tolist() == [7.0]
    assert (1.0 - mask).tolist() == [0.0, 1.0]


def test_masks_of_numbers_select(masks):
    x, mask = torch.tensor([5.0, 7.0]), torch.tensor([0, 1], dtype=torch.uint8)
    assert x.masked_select(mask).tolist() == torch.masked_select(x, mask).tolist() == [7.0]
    assert x.masked_fill(mask, 0).tolist() == torch.masked_fill(x, mask, 0).tolist() == [5.0, 0.0]
    assert x.masked_fill(mask=mask.bool(), value=0).tolist() == [5.0, 0.0]
    assert x.masked_scatter(mask, torch.tensor([9.0])).tolist() == [5.0, 9.0]
    assert x.clone().masked_fill_(mask, 1).tolist() == [5.0, 1.0]


def test_other_subtractions_are_as_ever(masks):
    x = torch.tensor([5.0, 7.0])
    assert (x - 1).tolist() == [4.0, 6.0]
    assert (1 - x).tolist() == [-4.0, -6.0]
    assert (x - x).tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match="size"):
        x - torch.zeros(3)
    with pytest.raises(TypeError):
        x - "1"


# --- torch-names ------------------------------------------------------------------------------------------


@pytest.fixture
def torch_names():
    with compatible(["torch-names"]):
        yield


def test_six_is_a_module_for_the_while(torch_names):
    from torch._six import container_abcs, inf, int_classes, string_classes

    assert inf == float("inf")
    assert isinstance("a", string_classes)
    assert isinstance(1, int_classes)
    assert isinstance([], container_abcs.Sequence)


def test_six_is_gone_afterwards():
    with compatible(["torch-names"]):
        import torch._six
    assert "torch._six" not in sys.modules
    assert not hasattr(torch, "_six")


# --- loader -----------------------------------------------------------------------------------------------


@pytest.fixture
def loader():
    with compatible(["loader"]):
        yield torch.utils.data.DataLoader


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loaders_iterator_has_next(loader, workers):
    iterator = iter(loader(torch.arange(4), batch_size=2, num_workers=workers))
    assert iterator.next().tolist() == [0, 1]
    assert iterator.next().tolist() == [2, 3]
    with pytest.raises(StopIteration):
        iterator.next()


def test_a_loader_asks_for_a_length_when_it_is_iterated_over(loader):
    made = loader(object(), batch_size=2, shuffle=True, drop_last=True)
    with pytest.raises(TypeError, match="no len"):
        next(iter(made))


def test_a_shuffling_loader_draws_the_same_rows():
    def rows():
        generator = torch.Generator().manual_seed(0)
        return torch.cat(list(torch.utils.data.DataLoader(torch.arange(9), shuffle=True, generator=generator)))

    outside = rows()
    with compatible(["loader"]):
        assert rows().equal(outside)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (lr_scheduler.StepLR, {"step_size": 1, "gamma": 0.5}),
        (lr_scheduler.LambdaLR, {"lr_lambda": lambda epoch: 0.5**epoch}),
        (lr_scheduler.ReduceLROnPlateau, {"patience": 0, "factor": 0.5}),
        (lr_scheduler.CosineAnnealingWarmRestarts, {"T_0": 3}),
    ],
)
def test_schedulers_take_verbose_and_do_the_same(torch_names, kind, options):
    def rates(**extra):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
        schedule = kind(optimizer, **options, **extra)
        found = []
        for _ in range(3):
            optimizer.step()
            schedule.step(*([1.0] if kind is lr_scheduler.ReduceLROnPlateau else []))
            found.append(optimizer.param_groups[0]["lr"])
        return found

    assert rates(verbose=True) == rates(verbose=False) == rates()
