"""TF-VAEGAN (Narayan et al., ECCV 2020), and f-VAEGAN-D2 (Xian et al., CVPR 2019) for classes without any image."""

from __future__ import annotations

from collections.abc import Callable

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.errors import ConfigError
from d3wrap.plugins.tfvaegan.backbone import TFVAEGANBackbone
from d3wrap.plugins.tfvaegan.settings import PLAIN_PRESETS, PRESETS, TFVAEGANSettings, VAEGANSettings
from d3wrap.plugins.tfvaegan.vaegan import VAEGANBackbone


def build(dataset: GZSLDataset, settings: TFVAEGANSettings) -> VAEGANBackbone:
    """Build an untrained TF-VAEGAN for a dataset; without decoder it is an f-VAEGAN-D2."""
    if settings.decoder:
        return TFVAEGANBackbone("tfvaegan", dataset, settings)
    if settings.feedback:
        raise ConfigError("feedback: expected false where decoder is false: the decoder is what feeds back")
    return VAEGANBackbone("tfvaegan", dataset, settings)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generators ``tfvaegan`` and ``fvaegan``."""
    register(
        GeneratorSpec(
            name="tfvaegan",
            family="VAE-GAN",
            summary="TF-VAEGAN: a VAE-GAN with a semantic decoder that feeds back and adds to the features",
            reference="Narayan et al., Latent Embedding Feedback and Discriminative Features for Zero-Shot "
            "Classification, ECCV 2020",
            settings=TFVAEGANSettings,
            presets=PRESETS,
            build=build,
            search=("lr", "semantic_weight"),
        )
    )
    register(
        GeneratorSpec(
            name="fvaegan",
            family="VAE-GAN",
            summary="f-VAEGAN-D2, inductive: a VAE and a WGAN-GP with one generator",
            reference="Xian et al., f-VAEGAN-D2: A Feature Generating Framework for Any-Shot Learning, CVPR 2019",
            settings=VAEGANSettings,
            presets=PLAIN_PRESETS,
            build=lambda dataset, settings: VAEGANBackbone("fvaegan", dataset, settings),
            search=("lr",),
        )
    )
