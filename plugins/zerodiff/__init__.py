"""ZeroDiff (Ye et al.: *ZeroDiff: Solidified Visual-semantic Correlation in Zero-Shot Learning*, ICLR 2025).

======================  ==========================================================================
``representation.py``   r = R(v), learned by supervised contrast: the second view of an image
``denoiser.py``         a generator of x_0 from x_{t+1}, conditions and noise, and its chains
``critics.py``          several critics under one penalty weight
``drg.py``              the first stage: r̃_0 from a
``dfg.py``              the second stage: ṽ_0 from a and r_0, under three critics
``mutual.py``           L_mu, which ties the critics' estimates
``backbone.py``         which of it is trained when, and what is generated
``settings.py``         settings and presets
======================  ==========================================================================

Left out of the released code: classifiers on v or r alone and with the decoder's layers, its embeddings of r and t by
networks of their own, and a change of the semantic decoder by the generator's loss.
"""

from __future__ import annotations

from collections.abc import Callable

from d3wrap import GeneratorSpec, hookimpl
from d3wrap.plugins.zerodiff.backbone import ZeroDiffBackbone
from d3wrap.plugins.zerodiff.settings import PRESETS, ZeroDiffSettings


@hookimpl
def register_generators(register: Callable[[GeneratorSpec], None]) -> None:
    """Register the generator ``zerodiff``."""
    register(
        GeneratorSpec(
            name="zerodiff",
            family="diffusion",
            summary="ZeroDiff: diffusion GANs for a contrastive representation and, given it, for the feature",
            reference="Ye et al., ZeroDiff: Solidified Visual-semantic Correlation in Zero-Shot Learning, ICLR 2025",
            settings=ZeroDiffSettings,
            presets=PRESETS,
            build=ZeroDiffBackbone,
            search=("lr", "mutual_weight"),
        )
    )
