"""CE-GZSL (Han, Fu, Chen, Yang: *Contrastive Embedding for Generalized Zero-Shot Learning*, CVPR 2021)."""

from __future__ import annotations

from collections.abc import Callable

from d3wrap import GeneratorSpec, GZSLDataset, hookimpl
from d3wrap.adapters.networks import ConditionalNetwork
from d3wrap.plugins.cegzsl.backbone import CEGZSLBackbone
from d3wrap.plugins.cegzsl.settings import PRESETS, CEGZSLSettings


def build(dataset: GZSLDataset, settings: CEGZSLSettings) -> CEGZSLBackbone:
    """Build an untrained CE-GZSL for a dataset; its generator network is that of f-CLSWGAN."""
    noise_dim = settings.noise_dim or dataset.semantic_dim
    network = ConditionalNetwork((noise_dim, dataset.semantic_dim), (settings.hidden,), dataset.feature_dim, "relu")
    return CEGZSLBackbone(network, noise_dim, dataset, settings)


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``cegzsl``."""
    register(
        GeneratorSpec(
            name="cegzsl",
            family="GAN",
            summary="CE-GZSL: a WGAN-GP whose features are classified in a contrastive embedding",
            reference="Han et al., Contrastive Embedding for Generalized Zero-Shot Learning, CVPR 2021",
            settings=CEGZSLSettings,
            presets=PRESETS,
            build=build,
            search=("lr", "instance_weight", "class_weight"),
        )
    )
