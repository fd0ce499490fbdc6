"""``open_clip:NAME`` and ``open_clip:NAME/TAG``: the image half of the vision-language models of OpenCLIP."""

from __future__ import annotations

import difflib
import logging
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from d3wrap.errors import ConfigError, DataError
from d3wrap.files import sha256_of
from d3wrap.seeds import initialising
from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.importing import import_extra
from d3wrap.vision.preprocessing import Preprocessing, Wishes
from d3wrap.vision.weights_files import existing, find_on_hub, read_state, sha256_of_state

LIBRARIES = ("torch", "open_clip_torch", "torchvision", "pillow")
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def open_clip_model(
    name: str, wishes: Wishes, *, weights: Path | None, random_seed: int | None, device: torch.device
) -> ImageModel:
    """Return the image tower of OpenCLIP's model ``ViT-B-32`` or ``ViT-B-32/laion2b_s34b_b79k``, frozen.

    Features are what ``encode_image`` gives: in the space shared with text, not normalised. Weights, preprocessing and
    errors are as in :func:`~d3wrap.vision.timm_model.timm_model`; without ``weights`` and ``random_seed`` the tag
    behind the ``/`` says which weights.
    """
    label = f"open_clip:{name}"
    library = import_extra("open_clip", "open_clip_torch", "open_clip", f"the model {label}")
    architecture, _, tag = name.partition("/")
    _check(library, architecture, tag, needs_tag=weights is None and random_seed is None)
    tagged = library.get_pretrained_cfg(architecture, tag) if tag else {}
    file = None
    if random_seed is None:
        file = existing(weights, "a file of weights") if weights else find_on_hub(label, *_where(label, tagged))
    model: Any  # what attributes it has is open_clip's affair
    with initialising(random_seed or 0, "image model"):
        model = _create(library, label, architecture, tagged, wishes)
    if file is not None:
        _load(library, label, model, file)
    visual = model.visual.eval().requires_grad_(False).to(device)

    def features(images: Tensor) -> Tensor:
        found: Tensor = visual(images.to(device))
        return found

    return ImageModel(
        name=label,
        weights=Weights(
            file.name if file else f"random, seed {random_seed}", sha256_of(file) if file else sha256_of_state(visual)
        ),
        preprocessing=_preprocessing(library, model, tagged, wishes),
        features=features,
        versions={package: version(package) for package in LIBRARIES},
        device=str(device),
    )


def _check(library: Any, architecture: str, tag: str, *, needs_tag: bool) -> None:
    known = library.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"open_clip {library.__version__} has no model {architecture!r}{hint}")
    tags = library.list_pretrained_tags_by_model(architecture)
    if (tag and not library.get_pretrained_cfg(architecture, tag)) or (needs_tag and not tag):
        fault = f"has no weights {tag!r}" if tag else "has several sets of weights: say which behind a /"
        raise ConfigError(f"open_clip:{architecture} {fault}; there are {', '.join(tags) or 'none'}")


def _where(label: str, tagged: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    repository, _, file = tagged.get("hf_hub", "").rpartition("/")
    if not repository:
        raise ConfigError(
            f"{label}: its weights are not on the Hugging Face hub; download {tagged.get('url')} and add --weights FILE"
        )
    safe = [f"{file.rpartition('.')[0]}.safetensors"] if file.endswith((".bin", ".pt", ".pth")) else []
    return repository, (*safe, file) if file else _FILES


def _create(library: Any, label: str, architecture: str, tagged: dict[str, Any], wishes: Wishes) -> nn.Module:
    """Return the model without trained weights; those of its text tower are not looked for either."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # "initialized randomly", which is said elsewhere or not true for long
    try:
        model: nn.Module = library.create_model(
            architecture,
            pretrained=None,
            pretrained_text=False,
            force_quick_gelu=bool(tagged.get("quick_gelu")),
            force_image_size=wishes.size,
        )
    except ImportError as error:
        raise ConfigError(f"{label}: needs another library: {error}") from error
    except (OSError, RuntimeError) as error:  # a text tower whose configuration is on the hub
        raise DataError(f"{label}: cannot be made on this machine: {' '.join(str(error).split())[:400]}") from error
    finally:
        logging.disable(before)
    return model


def _load(library: Any, label: str, model: nn.Module, file: Path) -> None:
    if file.suffix not in (".npz", ".npy"):
        read_state(file)  # says what is wrong with a file; open_clip would not
    try:
        library.load_checkpoint(model, str(file), strict=True, weights_only=True)
    except (RuntimeError, KeyError, ValueError, AttributeError, AssertionError, OSError) as error:
        raise DataError(f"{file}: does not fit {label}: {' '.join(str(error).split())[:400]}") from error


def _preprocessing(library: Any, model: Any, tagged: dict[str, Any], wishes: Wishes) -> Preprocessing:
    transform = library.transform
    given = wishes.given()
    if "crop" in given:
        raise ConfigError("crop: open_clip cuts nothing off but what is not square; leave it out")
    if given.get("interpolation") not in (None, "bicubic", "bilinear"):
        raise ConfigError(f"interpolation is {given['interpolation']!r}, open_clip has bicubic and bilinear")
    merged = transform.merge_preprocess_dict(
        transform.merge_preprocess_dict(asdict(transform.PreprocessCfg()), tagged), given
    )
    merged["size"] = model.visual.image_size
    used = transform.PreprocessCfg(**merged)
    height, width = used.input_size[1:]
    settings = {
        "size": [height, width],
        "resize mode": used.resize_mode,
        "interpolation": used.interpolation,
        "mean": list(used.mean),
        "std": list(used.std),
    }
    return Preprocessing((height, width), transform.image_transform_v2(used, is_train=False), settings)
