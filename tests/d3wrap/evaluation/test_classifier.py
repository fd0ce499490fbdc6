import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d3wrap.errors import ConfigError, ShapeError, TrainingError
from d3wrap.evaluation.classifier import ClassifierSettings, SoftmaxClassifier, fit_classifier, predict_scores


def clusters(n=300, classes=3, width=5):
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(classes, (n,), generator=draw)
    return torch.randn(classes, width, generator=draw)[labels] * 3 + torch.randn(n, width, generator=draw), labels


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_it_learns_separable_clusters():
    features, labels = clusters()
    model = SoftmaxClassifier(5, 3)
    fit_classifier(model, features, labels, rng=rng(), settings=ClassifierSettings(lr=0.03))
    assert (predict_scores(model, features).argmax(1) == labels).float().mean() > 0.95


def test_training_equals_a_plain_loop():
    features, labels = clusters(n=50)
    settings = ClassifierSettings(epochs=3, batch_size=16, lr=1e-2)
    model, plain = SoftmaxClassifier(5, 3), SoftmaxClassifier(5, 3)
    fit_classifier(model, features, labels, rng=rng(5), settings=settings)

    optimizer, draw = torch.optim.Adam(plain.parameters(), lr=1e-2, betas=(0.5, 0.999)), rng(5)
    for _ in range(3):
        order = torch.randperm(50, generator=draw).tolist()
        for start in range(0, 50, 16):
            rows = order[start : start + 16]
            optimizer.zero_grad()
            F.cross_entropy(plain.linear(features[rows]), labels[rows]).backward()
            optimizer.step()
    assert torch.allclose(model.linear.weight, plain.linear.weight, atol=1e-6)
    assert torch.allclose(model.linear.bias, plain.linear.bias, atol=1e-6)


def test_it_starts_undecided_and_draws_nothing():
    before = torch.random.get_rng_state()
    assert SoftmaxClassifier(4, 3)(torch.randn(5, 4, generator=rng())).eq(0).all()
    assert torch.equal(before, torch.random.get_rng_state())


def trained_with(step_loss):
    features, labels = clusters(n=40)
    model = SoftmaxClassifier(5, 3)
    settings = ClassifierSettings(epochs=2, batch_size=16)
    fit_classifier(model, features, labels, rng=rng(), settings=settings, step_loss=step_loss)
    return model.linear.weight


def test_the_step_loss_sees_each_batch_and_adds_its_gradient():
    seen = []

    def double(features, labels, logits):
        seen.append((tuple(features.shape), tuple(labels.shape), tuple(logits.shape)))
        return logits.square().sum()

    plain = trained_with(None)
    assert not torch.equal(plain, trained_with(double))
    assert seen == [((16, 5), (16,), (16, 3)), ((16, 5), (16,), (16, 3)), ((8, 5), (8,), (8, 3))] * 2
    assert torch.equal(plain, trained_with(lambda features, labels, logits: None))


def test_batches_are_cut_as_asked():
    features, labels = clusters(n=10)
    orders, batches = [], []

    def in_two(order, size):
        orders.append((sorted(order.tolist()), size))
        return order[:3], order[3:]

    fit_classifier(
        SoftmaxClassifier(5, 3),
        features,
        labels,
        rng=rng(),
        settings=ClassifierSettings(epochs=2, batch_size=4),
        step_loss=lambda features, labels, logits: batches.append(len(labels)),
        cut=in_two,
    )
    assert orders == [(list(range(10)), 4)] * 2
    assert batches == [3, 7, 3, 7]


def test_a_loss_that_is_not_finite_names_classifier_and_step():
    features, labels = clusters(n=64)
    calls = iter(range(100))

    def break_at_sixth(features, labels, logits):
        return logits.sum() * (float("nan") if next(calls) == 5 else 0.0)

    with pytest.raises(TrainingError, match=r"'embedding' .* step 6 \(epoch 2\)"):
        fit_classifier(
            SoftmaxClassifier(5, 3),
            features,
            labels,
            rng=rng(),
            settings=ClassifierSettings(batch_size=16),
            step_loss=break_at_sixth,
            name="embedding",
        )


def test_scores_do_not_depend_on_the_block_and_need_no_gradient():
    model = nn.Sequential(nn.Linear(5, 3), nn.Dropout(0.9))
    features, _ = clusters(n=10)
    scores = predict_scores(model, features, block=3)
    assert scores.shape == (10, 3)
    assert not scores.requires_grad
    assert torch.allclose(scores, model[0](features), atol=1e-6)
    assert model.training


def test_features_and_labels_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"'softmax' .* found \[3, 2\] and \[2\]"):
        fit_classifier(SoftmaxClassifier(2, 2), torch.zeros(3, 2), torch.zeros(2).long(), rng=rng())


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}, {"lr": 0.0}, {"lr": float("nan")}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="epochs ≥ 1"):
        ClassifierSettings(**wrong)


@pytest.mark.gpu
def test_training_on_cuda_equals_the_cpu():
    features, labels = clusters()
    weights = []
    for device in ("cpu", "cuda"):
        model = SoftmaxClassifier(5, 3).to(device)
        fit_classifier(model, features.to(device), labels.to(device), rng=rng(), settings=ClassifierSettings(epochs=3))
        weights.append(model.linear.weight.detach().cpu())
    assert torch.allclose(*weights, atol=1e-5)
