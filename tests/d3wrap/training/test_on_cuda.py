"""A short run on a CUDA device goes the way it goes on the CPU."""

from __future__ import annotations

import pytest
import torch

import d3wrap
from d3wrap.training.loop import fit

pytestmark = pytest.mark.gpu


class SameNoise(torch.nn.Module):
    """A network whose output does not depend on the noise: devices draw different numbers from one seed."""

    def __init__(self):
        super().__init__()
        self.map = torch.nn.Linear(4, 7)

    def forward(self, noise, att):
        return self.map(att).relu() + 0 * noise.sum()


def compared(losses):
    """All but the score itself: the critic's last bias has a gradient of nothing but rounding, which Adam scales up."""
    return {name: value for name, value in losses.items() if name != "gan/generator.adversarial"}


def losses_on(device, enhanced, **options):
    dataset = d3wrap.synthetic(6, 2, 7, 4, 10).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SameNoise()
    # A batch of every row is the same whatever its order, and no penalty is drawn between real and generated ones.
    adapted = d3wrap.adapt(
        network, noise_dim=3, critic_hidden=8, penalty_weight=0.0, classification_weight=0.0, lr=1e-2
    )
    settings = {"teacher_epochs": 5, "teacher_batch_size": 1000, "embedding_dim": 8, "student_lr": 1e-2}
    enhancer = d3wrap.enhance(adapted, dataset, **settings)
    seen = []
    fit(
        enhancer.generator, dataset, steps=20, batch_size=1000, seed=0, enhancer=enhancer if enhanced else None,
        log_every=1, on_log=lambda record: seen.append(compared(record.losses)), **options,
    )  # fmt: skip
    assert all(parameter.device.type == device for parameter in enhancer.generator.parameters())
    return seen


@pytest.mark.parametrize("enhanced", [False, True])
def test_losses_are_those_of_the_cpu(enhanced):
    for on_cpu, on_cuda in zip(losses_on("cpu", enhanced), losses_on("cuda", enhanced), strict=True):
        assert on_cuda == pytest.approx(on_cpu, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_coarser_numbers_give_losses_nearby(precision):
    exact, coarse = losses_on("cuda", True), losses_on("cuda", True, precision=precision)
    for name in ("gan/critic.wasserstein", "classify/nll", "id2sd/embedding", "id2sd/labels"):
        moved = exact[-1][name] - exact[0][name]
        assert abs(coarse[-1][name] - exact[-1][name]) < 0.3 * abs(moved), name


def test_a_run_repeats_and_leaves_the_devices_stream_alone():
    before = torch.cuda.get_rng_state()
    first = losses_on("cuda", True)
    torch.rand(3, device="cuda")
    torch.cuda.set_rng_state(before)
    assert losses_on("cuda", True) == first
    assert torch.equal(torch.cuda.get_rng_state(), before)
