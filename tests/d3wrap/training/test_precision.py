"""Devices and number formats."""

from __future__ import annotations

import pytest
import torch

from d3wrap.errors import ConfigError
from d3wrap.training.precision import computing, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def cuda_devices(monkeypatch):
    """Make torch say that this machine has so many CUDA devices."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)

    return pretend


@pytest.mark.parametrize(
    ("name", "count", "device"),
    [
        ("auto", 0, "cpu"),
        ("auto", 2, "cuda:0"),
        ("cpu", 0, "cpu"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_device_by_name(cuda_devices, name, count, device):
    cuda_devices(count)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(("name", "count"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2), ("cuda:99", 1)])
def test_a_device_this_machine_lacks(cuda_devices, name, count):
    cuda_devices(count)
    with pytest.raises(ConfigError, match=rf"'{name}' asked for, but this machine has {count} CUDA .*'cpu' or 'auto'"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "Auto", "mps", "meta", "cuda 0"])
def test_what_is_no_device(cuda_devices, name):
    cuda_devices(1)
    with pytest.raises(ConfigError, match=rf"device: expected auto, cpu or cuda\[:n\], found '{name}'"):
        resolve_device(name)


@pytest.mark.parametrize("before", ["highest", "high", "medium"])
@pytest.mark.parametrize(("precision", "inside"), [("exact", "highest"), ("tf32", "high"), ("bf16", "highest")])
def test_the_process_wide_setting_holds_inside_alone(before, precision, inside):
    torch.set_float32_matmul_precision(before)
    try:
        with computing(precision, CPU):
            assert torch.get_float32_matmul_precision() == inside
            assert torch.is_autocast_enabled("cpu") == (precision == "bf16")
        assert torch.get_float32_matmul_precision() == before
        with pytest.raises(ZeroDivisionError), computing(precision, CPU):
            raise ZeroDivisionError
        assert torch.get_float32_matmul_precision() == before
        assert not torch.is_autocast_enabled("cpu")
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(("precision", "dtype"), [("exact", torch.float32), ("bf16", torch.bfloat16)])
def test_the_number_format_of_a_product(precision, dtype):
    with computing(precision, CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
