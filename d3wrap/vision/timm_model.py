"""``timm:NAME``: the networks of PyTorch Image Models, with the features in front of their classifier."""

from __future__ import annotations

import difflib
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

LIBRARIES = ("torch", "timm", "torchvision", "pillow")
_FILES = ("model.safetensors", "pytorch_model.bin")


def timm_model(
    name: str, wishes: Wishes, *, weights: Path | None, random_seed: int | None, device: torch.device
) -> ImageModel:
    """Return timm's network ``name`` (perhaps with a tag, ``resnet50.a1_in1k``) without its classifier, frozen.

    Weights are those of the file ``weights``, drawn with ``random_seed``, or the ones timm names, from the Hugging Face
    cache or fetched. Preprocessing is what the network was trained with, but for ``wishes``. Raises
    :class:`~d3wrap.errors.ConfigError` for an unknown name or a wish it cannot fulfil, and
    :class:`~d3wrap.errors.DataError` for weights that cannot be had or are of another network.
    """
    label = f"timm:{name}"
    timm = import_extra("timm", "timm", "timm", f"the network {label}")
    settings = _settings(timm, name)
    if random_seed is not None:
        with initialising(random_seed, "image model"):
            network = timm.create_model(name, pretrained=False, num_classes=0)
        origin = Weights(f"random, seed {random_seed}", sha256_of_state(network))
    else:
        file = weights and existing(weights, "a file of weights")
        if file is None:
            file = find_on_hub(label, *_where(label, settings))
        network = _with_weights(timm, name, settings, read_state(file), file)
        origin = Weights(file.name, sha256_of(file))
    if wishes.size is not None and hasattr(network, "set_input_size"):
        network.set_input_size(img_size=(wishes.size, wishes.size))
    network = network.eval().requires_grad_(False).to(device)

    def features(images: Tensor) -> Tensor:
        found: Tensor = network(images.to(device))
        return found

    return ImageModel(
        name=label,
        weights=origin,
        preprocessing=_preprocessing(timm, network, wishes),
        features=features,
        versions={library: version(library) for library in LIBRARIES},
        device=str(device),
    )


def _settings(timm: Any, name: str) -> Any:
    """Return what timm knows of the weights and the preprocessing that belong to ``name``."""
    architecture, _, tag = name.partition(".")
    known = timm.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ConfigError(f"timm {timm.__version__} has no network {architecture!r}{hint}")
    tags = [one.partition(".")[2] for one in timm.list_pretrained(architecture)]
    if tag and tag not in tags:
        raise ConfigError(f"timm:{architecture} has no weights {tag!r}; it has {', '.join(tags) or 'none'}")
    return timm.get_pretrained_cfg(name, allow_unregistered=False)


def _where(label: str, settings: Any) -> tuple[str, tuple[str, ...]]:
    if not settings.hf_hub_id or settings.custom_load:
        where = settings.url or "nowhere"
        raise ConfigError(
            f"{label}: its weights are not on the Hugging Face hub in a form that can be read safely (they are "
            f"{where}); add --weights FILE with a state_dict of timm's, or --random-weights 0 for a trial"
        )
    return settings.hf_hub_id, (settings.hf_hub_filename,) if settings.hf_hub_filename else _FILES


def _with_weights(timm: Any, name: str, settings: Any, state: dict[str, Tensor], file: Path) -> nn.Module:
    """Return the network with these weights, every one of them, and then without its classifier.

    timm fills what it can, and says nothing about the rest, where the number of classes is not what it expects. So the
    number comes from the weights, with no classifier where they have none.
    """
    classifier = settings.classifier if isinstance(settings.classifier, str) else (settings.classifier or ("",))[0]
    head = state.get(f"{classifier}.weight")
    # weights as their authors published them name the classifier differently: then timm's own number is tried too
    counts = [len(head)] if head is not None else [0, settings.num_classes]
    fault: Exception | None = None
    for classes in counts:
        overlay = {"state_dict": dict(state), "num_classes": classes, "label_offset": 0, "source": ""}
        try:
            network = timm.create_model(
                name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes
            )  # fmt: skip
        except (RuntimeError, KeyError, ValueError, AttributeError, AssertionError) as error:
            fault = fault or error
            continue
        network.reset_classifier(0)
        assert isinstance(network, nn.Module)
        return network
    raise DataError(f"{file}: does not fit timm:{name}: {' '.join(str(fault).split())[:400]}")


def _preprocessing(timm: Any, network: nn.Module, wishes: Wishes) -> Preprocessing:
    given = wishes.given()
    if "size" in given:
        given["input_size"] = (3, given["size"], given["size"])
    if "crop" in given:
        given["crop_pct"] = given["crop"]
    used = timm.data.resolve_data_config(given, model=network)
    _, height, width = used["input_size"]
    settings = {
        "size": [height, width],
        "crop": used["crop_pct"],
        "crop mode": used["crop_mode"],
        "interpolation": used["interpolation"],
        "mean": list(used["mean"]),
        "std": list(used["std"]),
    }
    return Preprocessing((height, width), timm.data.create_transform(**used, is_training=False), settings)
