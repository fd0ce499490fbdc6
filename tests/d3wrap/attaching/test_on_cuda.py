"""On a GPU: data follow the script's networks there, under autocast and a scaler too."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("scaled", [False, True])
def test_data_on_the_cpu_and_a_network_on_the_gpu(world, attach, scaled):
    one = world()
    one.network.float().cuda()
    one.optimizer = torch.optim.Adam(one.network.parameters(), fused=scaled)
    one.data = one.data.to("cpu", torch.float32)
    on_gpu = one.data.to("cuda")
    d3 = attach(one.network, one.data, optimizer=one.optimizer)
    scaler = torch.amp.GradScaler("cuda", enabled=scaled)
    for _ in range(3):
        rows = torch.randint(len(on_gpu.train), (8,), device="cuda")
        labels = on_gpu.train_labels[rows]
        before = torch.cuda.get_rng_state()
        with torch.autocast("cuda", torch.float16, enabled=scaled):
            made = one.network(torch.randn(8, 4, device="cuda"), on_gpu.semantics[labels])
            loss = (made - on_gpu.train_features[rows]).square().mean()
        state = torch.cuda.get_rng_state()
        assert not torch.equal(before, state)
        one.optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(one.optimizer)
        scaler.update()
        assert torch.equal(torch.cuda.get_rng_state(), state), "D³ drew from the script's stream"
    assert d3.steps == 3
    assert d3.dataset.features.device.type == "cuda"
    assert set(d3.evaluate(synthetic_per_class=3)) == {"softmax", "student", "embedding"}
