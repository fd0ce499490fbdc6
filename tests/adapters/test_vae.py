"""A foreign decoder as a conditional VAE: its losses against row-by-row oracles, and what cannot be adapted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import d3wrap
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.adapters.vae import VAEBackbone
from d3wrap.errors import ConfigError, PluginError, ShapeError
from d3wrap.generator import RealBatch
from d3wrap.seeds import initialising, stream
from d3wrap.training.loop import fit

NOISE, SEMANTICS, FEATURES = 3, 4, 7


class Decoder(nn.Module):
    """A decoder as one finds them, with a frozen part; tells by the names of its arguments how it is called."""

    def __init__(self, features: int = FEATURES) -> None:
        super().__init__()
        self.frozen = nn.Linear(SEMANTICS, SEMANTICS).requires_grad_(False)
        self.net = nn.Sequential(nn.Linear(NOISE + SEMANTICS, 8), nn.Tanh(), nn.Linear(8, features), nn.Sigmoid())

    def forward(self, z: Tensor, att: Tensor) -> Tensor:
        return self.net(torch.cat([z, self.frozen(att)], 1))


class Swapped(Decoder):
    def forward(self, att: Tensor, z: Tensor) -> Tensor:
        return super().forward(z, att)


class Posterior(nn.Module):
    """An encoder as one finds them."""

    def __init__(self, latent: int = NOISE, features: int = FEATURES) -> None:
        super().__init__()
        self.mean, self.log_variance = (nn.Linear(features + SEMANTICS, latent) for _ in range(2))

    def forward(self, x: Tensor, att: Tensor) -> object:
        h = torch.cat([x, att], 1)
        return self.mean(h), self.log_variance(h)


class Triple(Posterior):
    def forward(self, x: Tensor, att: Tensor) -> object:
        mean, log_variance = super().forward(x, att)
        return mean, log_variance, mean


class Joined(Posterior):
    """Returns one tensor, of features alone."""

    def forward(self, x: Tensor) -> object:
        return torch.cat(super().forward(x, torch.zeros(len(x), SEMANTICS, dtype=x.dtype)), 1)


class Named(Posterior):
    def forward(self, x: Tensor, att: Tensor) -> object:
        return dict(zip(("mean", "log_variance"), super().forward(x, att), strict=True))


class Drawing(Posterior):
    """Has BatchNorm, and draws from torch's global stream."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(FEATURES)

    def forward(self, x: Tensor, att: Tensor) -> object:
        return super().forward(self.norm(x) + torch.rand_like(x), att)


@pytest.fixture(scope="module")
def dataset():
    """Features in [0, 1] but for one test row."""
    data = d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20).to("cpu", torch.float64)
    low, high = data.train_features.aminmax()
    data.features.sub_(low).div_(high - low)
    return data


def bind(network: nn.Module, data: d3wrap.GZSLDataset, **options: object) -> VAEBackbone:
    with initialising(0, "generator"):
        adapted = d3wrap.adapt(network, adapter="vae", **{"noise_dim": NOISE, "encoder_hidden": (5,), **options})
        backbone = adapted.bind(data).to(data.features)
    assert isinstance(backbone, VAEBackbone)
    return backbone


def batch_of(data: d3wrap.GZSLDataset, rows: int = 6) -> RealBatch:
    labels = data.train_labels[::5][:rows]
    return RealBatch(data.train_features[::5][:rows], labels, data.semantics[labels])


def rebuilt_of(decoder: Decoder, z: Tensor, a: Tensor) -> list[float]:
    """Return the decoder's output on one row from its layers' weights."""
    inner, outer = decoder.net[0], decoder.net[2]
    hidden = torch.tanh(inner.weight @ torch.cat([z, decoder.frozen.weight @ a + decoder.frozen.bias]) + inner.bias)
    return (1 / (1 + torch.exp(-(outer.weight @ hidden + outer.bias)))).tolist()


LOSSES = {
    "squared": lambda r, x: sum((p - q) ** 2 for p, q in zip(r, x, strict=True)),
    "mean-squared": lambda r, x: sum((p - q) ** 2 for p, q in zip(r, x, strict=True)) / len(x),
    "binary": lambda r, x: -sum(q * math.log(p) + (1 - q) * math.log(1 - p) for p, q in zip(r, x, strict=True)),
}


@pytest.mark.parametrize("own_encoder", [True, False])
@pytest.mark.parametrize("network", [Decoder, Swapped])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_it_minimises_reconstruction_and_weighted_kl(dataset, loss, network, own_encoder):
    given = {"encoder": Posterior()} if own_encoder else {}
    backbone = bind(network(), dataset, reconstruction=loss, kl_weight=0.3, **given)
    batch, rng = batch_of(dataset), stream(0, "noise")
    found = {name: float(value.detach()) for name, value in backbone.losses("vae", batch, stream(0, "noise")).items()}
    noise = torch.randn(6, NOISE, generator=rng, dtype=torch.float64)
    expected = {"reconstruction": 0.0, "kl": 0.0}
    for x, a, epsilon in zip(batch.features, batch.semantics, noise, strict=True):
        mean, log_variance = (row[0] for row in backbone.encoder(x[None], a[None]))
        rebuilt = rebuilt_of(backbone.generator.network, mean + torch.exp(log_variance / 2) * epsilon, a)
        expected["reconstruction"] += LOSSES[loss](rebuilt, x.tolist()) / 6
        for m, v in zip(mean.tolist(), log_variance.tolist(), strict=True):
            expected["kl"] += 0.3 * (m**2 + math.exp(v) - 1 - v) / 2 / 6
    assert found == pytest.approx(expected)


def test_features_are_decoded_from_the_prior(dataset):
    backbone = bind(Decoder(), dataset)
    found = backbone.generate(dataset.semantics, rng=stream(0, "noise"))
    noise = torch.randn(6, NOISE, generator=stream(0, "noise"), dtype=torch.float64)
    for row, z, a in zip(found, noise, dataset.semantics, strict=True):
        assert row.tolist() == pytest.approx(rebuilt_of(backbone.generator.network, z, a))


def test_one_enhanced_phase_trains_both_networks_but_what_is_frozen(dataset):
    decoder, encoder = Decoder(), Posterior()
    encoder.mean.bias.requires_grad_(False)
    (phase,) = bind(decoder, dataset, encoder=encoder, lr=0.02, betas=(0.5, 0.9)).phases()
    expected = {*decoder.net.parameters(), *encoder.parameters()} - {encoder.mean.bias}
    assert set(phase.parameters) == expected
    assert len(phase.parameters) == len(expected)
    assert (phase.enhanced, phase.repeats, phase.lr, phase.betas) == (True, 1, 0.02, (0.5, 0.9))


def test_parameters_that_the_networks_share_are_trained_once(dataset):
    decoder, encoder = Decoder(), Posterior()
    encoder.shared = decoder.net[0]
    (phase,) = bind(decoder, dataset, encoder=encoder).phases()
    assert len(phase.parameters) == len(set(phase.parameters)) == 4 + 4


class Several(Decoder):
    def forward(self, z: Tensor, att: Tensor) -> object:
        return {"code": z, "features": super().forward(z, att)}


def test_features_are_found_among_several_outputs(dataset):
    backbone = bind(Several(), dataset, output="features")
    found = backbone.generate(dataset.semantics, rng=stream(0, "noise"))
    noise = torch.randn(6, NOISE, generator=stream(0, "noise"), dtype=torch.float64)
    assert torch.equal(found, backbone.generator.network(noise, dataset.semantics)["features"])


def test_networks_of_other_conventions_are_called_as_they_say(dataset):
    encoder, decoder = Joined().double(), Decoder().double()
    backbone = bind(
        decoder,
        dataset,
        call=lambda network, noise, semantics: network(2 * noise, att=semantics),
        encoder=encoder,
        encoder_call=lambda network, x, a: network(x + a.sum(1, keepdim=True)).chunk(2, 1),
    )
    batch = batch_of(dataset)
    shifted = batch.features + batch.semantics.sum(1, keepdim=True)
    torch.testing.assert_close(torch.cat(backbone.posterior(batch.features, batch.semantics), 1), encoder(shifted))
    noise = torch.randn(6, NOISE, generator=stream(0, "noise"), dtype=torch.float64)
    found = backbone.generate(batch.semantics, rng=stream(0, "noise"))
    torch.testing.assert_close(found, decoder(2 * noise, batch.semantics))


WIDE = (
    r"^encoder Posterior gave a tuple of 0: \(2, 5\), 1: \(2, 5\) for 2 rows; expected mean and log-variance \(2, 3\), "
)


@pytest.mark.parametrize(
    ("network", "options", "error", "fragment"),
    [
        (Decoder(), {"encoder": Posterior(5)}, ShapeError, WIDE),
        (Decoder(), {"encoder": Posterior(5)}, ShapeError, "give the noise_dim that encoder and decoder were"),
        (Decoder(), {"encoder": Triple()}, ShapeError, r"a tuple of .* 2: \(2, 3\) for .* an encoder_call= that"),
        (Decoder(), {"encoder": Named()}, ShapeError, "Named gave a dict of 'mean': .* for 2 rows; expected mean"),
        (Decoder(), {"encoder": Posterior(features=9)}, ShapeError, "Posterior cannot be called .* widths 7 and 4: "),
        (Decoder(), {"encoder": Joined()}, ShapeError, "Joined cannot be called .* TypeError.* or encoder_call=lambda"),
        (Decoder(), {"encoder": Posterior(), "encoder_call": lambda e, x, a: e(x, a)[2]}, ShapeError, "IndexError: tu"),
        (Decoder(), {"noise_dim": 5}, ShapeError, "Decoder cannot be called with .* noise 5 and semantics 4"),
        (Decoder(9), {}, ShapeError, "Decoder gives features of width 9, dataset 'synthetic' has width 7"),
        (Decoder(), {"critic_hidden": 3}, ConfigError, "adapter 'vae' has no option 'critic_hidden'.*kl_weight"),
        (Decoder(), {"feature_dim": 3}, ConfigError, "adapter 'vae' has no option 'feature_dim'"),
        (Decoder(), {"order": "noise"}, ConfigError, "order: expected 'noise, semantics'"),
    ],
)
def test_what_cannot_be_adapted_says_why_and_what_to_do(dataset, network, options, error, fragment):
    with pytest.raises(error, match=fragment):
        bind(network, dataset, **options)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"reconstruction": "bce"}, "reconstruction: no such loss: 'bce'.*known: binary, calibrated, mean-squared, sq"),
        ({"kl_weight": -1.0}, "kl_weight: expected 0 or more, found -1.0"),
        ({"kl_weight": math.nan}, "kl_weight: expected 0 or more, found nan"),
    ],
)
def test_what_needs_no_dataset_is_refused_before_there_is_one(options, fragment):
    with pytest.raises(ConfigError, match=fragment):
        d3wrap.adapt(Decoder(), adapter="vae", noise_dim=NOISE, **options)
    with pytest.raises(ConfigError, match=fragment):
        VAEBackbone(Decoder(), noise_dim=NOISE, feature_dim=FEATURES, semantic_dim=SEMANTICS, **options)


def test_binary_cross_entropy_is_for_features_between_zero_and_one(dataset):
    beyond = d3wrap.synthetic(6, 2, FEATURES, SEMANTICS, 20)
    with pytest.raises(
        ConfigError, match=r"'binary' is for features in \[0, 1\], those of 'synthetic' lie in \[0, [1-9]"
    ):
        bind(Decoder(), beyond, reconstruction="binary")
    with pytest.raises(ConfigError, match=r"lie in \[-0.5, 0.5\]: load the dataset with scale='minmax'"):
        bind(Decoder(), replace(dataset, features=dataset.features - 0.5), reconstruction="binary")
    bind(Decoder(), dataset, reconstruction="binary")


def test_it_is_taken_only_where_it_is_named():
    with pytest.raises(PluginError, match="no adapter is called 'vea'"):
        d3wrap.adapt(Decoder(), adapter="vea", noise_dim=NOISE)
    assert type(d3wrap.adapt(Decoder(), noise_dim=NOISE)).__name__ == "GANAdapter"


def test_the_trial_call_leaves_no_trace(dataset):
    encoder, decoder = Drawing(), Decoder()
    encoder.norm.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    modes = [module.training for module in (*encoder.modules(), *decoder.modules())]
    adapted = d3wrap.adapt(decoder, adapter="vae", noise_dim=NOISE, encoder=encoder)
    state = torch.get_rng_state()
    adapted.bind(dataset)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in (*encoder.modules(), *decoder.modules())] == modes
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_networks_with_frozen_parts_train_with_d3(dataset):
    backbone = bind(Decoder(), dataset, encoder=Posterior())
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    d3wrap.enhance(backbone, dataset, teacher_epochs=1, embedding_dim=8).fit(steps=2, batch_size=8)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[name]) == ("frozen" in name), name


def test_a_linear_one_with_the_calibrated_loss_is_probabilistic_pca():
    """Then σ² is the mean of the eigenvalues left out, and the decoder adds λ − σ² along the others.

    Source: Tipping and Bishop 1999, eqs. 7 and 8; Lucas et al. (NeurIPS 2019) show that a linear VAE gets there.
    """
    data = d3wrap.synthetic(4, 1, 5, 2, 400)
    mixing = torch.tensor([[2.0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0]]) @ orthogonal(5)
    latent, noise = (torch.randn(1600, n, generator=stream(0, str(n))) for n in (2, 5))
    data = replace(data, features=latent @ mixing + 0.3 * noise, semantics=torch.eye(4)[:, :2])
    with initialising(0, "linear"):
        decoder = ConditionalNetwork((2, 2), (), 5)
        backbone = bind(decoder, data, noise_dim=2, order="noise, semantics", encoder_hidden=(), lr=0.02)
    fit(backbone, data, steps=1000, batch_size=256, seed=0)
    values, vectors = torch.linalg.eigh(data.train_features.T.cov())
    expected = (vectors[:, 3:] * (values[3:] - values[:3].mean())) @ vectors[:, 3:].T
    weight = decoder.out.weight[:, :2].detach()
    torch.testing.assert_close(weight @ weight.T, expected, atol=0.15, rtol=0)


def orthogonal(width: int) -> Tensor:
    return torch.linalg.qr(torch.randn(width, width, generator=stream(0, "directions")))[0]
