"""The contract of every generator, the equations, and that it learns something."""

import torch

import d3wrap
from d3wrap.evaluation.arms import evaluate_generator
from d3wrap.generator import RealBatch
from d3wrap.manager import load_plugins
from d3wrap.seeds import stream
from d3wrap.testing import check_generator
from d3wrap.training.loop import fit

SPEC = load_plugins().generator("lsgan")


def test_it_keeps_the_contract():
    assert check_generator(SPEC)


@torch.no_grad()
def test_its_losses_are_those_of_the_paper():
    dataset = d3wrap.synthetic(4, 1, 6, 3, 10).to("cpu", torch.float64)
    lsgan = d3wrap.build_generator("lsgan", dataset)
    features, labels = dataset.train_features[:5], dataset.train_labels[:5]
    batch = RealBatch(features, labels, dataset.semantics[labels])
    found = {phase: lsgan.losses(phase, batch, stream(0, "noise")) for phase in ("critic", "generator")}
    generated = lsgan.generate(batch.semantics, rng=stream(0, "noise"))
    real = fake = fooled = 0.0
    for x, made, a in zip(features, generated, batch.semantics, strict=True):
        on_real, on_made = float(lsgan.critic(torch.cat([x, a]))), float(lsgan.critic(torch.cat([made, a])))
        real += (on_real - 1) ** 2 / 2 / len(labels)
        fake += on_made**2 / 2 / len(labels)
        fooled += (on_made - 1) ** 2 / 2 / len(labels)
    torch.testing.assert_close(float(found["critic"]["real"]), real)
    torch.testing.assert_close(float(found["critic"]["generated"]), fake)
    torch.testing.assert_close(float(found["generator"]["adversarial"]), fooled)


def test_unseen_digits_are_told_apart_above_chance():
    dataset = d3wrap.load_dataset("digits")
    lsgan = d3wrap.build_generator("lsgan", dataset)
    fit(lsgan, dataset, steps=1000, batch_size=64, seed=0)
    evaluation = evaluate_generator(lsgan, dataset, seed=0, classifiers=["softmax"], synthetic_per_class=50)
    assert evaluation["softmax"].T1 > 0.5  # by chance 1/3
