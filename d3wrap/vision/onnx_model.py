"""``onnx:FILE``: a network in the exchange format ONNX, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from d3wrap.errors import ConfigError, DataError
from d3wrap.vision.image_model import ImageModel, Weights
from d3wrap.vision.importing import import_extra
from d3wrap.vision.preprocessing import Wishes, plain_preprocessing
from d3wrap.vision.weights_files import existing


def onnx_model(path: Path, wishes: Wishes, *, output: str | None, device: torch.device) -> ImageModel:
    """Return the network in an ONNX file with one input of images ``[n, 3, height, width]``.

    The file is data, a graph of known operators: no library of others is loaded, and no file beside it is read, so its
    hash covers all of its weights (ONNX allows such a file up to 2 GB). ``output`` names what to take where it has
    several. Where the graph fixes height and width they are the size, else ``wishes`` must have it. Raises
    :class:`~d3wrap.errors.ConfigError` for a missing wish or a device that this ONNX Runtime has not, and
    :class:`~d3wrap.errors.DataError` for what is no such network.
    """
    file = existing(path, "an ONNX file")
    runtime = import_extra("onnxruntime", "onnxruntime", "onnx", f"the network onnx:{file}")
    content = file.read_bytes()
    session = _session(runtime, file, content, device)
    given = session.get_inputs()
    shape = given[0].shape
    if len(given) != 1 or len(shape) != 4 or shape[1] not in (3, None) or given[0].type != "tensor(float)":
        found = "; ".join(f"{one.name}: {one.type} of {one.shape}" for one in given)
        raise DataError(f"{file}: takes {found}, expected one float input of shape [n, 3, height, width]")
    chosen = _output(file, [one.name for one in session.get_outputs()], output)

    def features(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run([chosen], {given[0].name: images.numpy()})[0])

    return ImageModel(
        name=f"onnx:{file.name}",
        weights=Weights(file.name, hashlib.sha256(content).hexdigest()),
        preprocessing=plain_preprocessing(wishes, _size(file, shape[2:], wishes)),
        features=features,
        versions={"onnxruntime": runtime.__version__, **_installed("torch", "pillow")},
        device=str(device),
        batch_size=shape[0] if isinstance(shape[0], int) else None,
        precisions=("exact",),
    )


def _session(runtime: Any, file: Path, content: bytes, device: torch.device) -> Any:
    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in runtime.get_available_providers():
        raise ConfigError(
            f"device: this ONNX Runtime has no {provider}: use --device cpu, or install onnxruntime-gpu instead of "
            "onnxruntime"
        )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors, which are raised as well
    chosen = (provider, {"device_id": device.index or 0}) if device.type == "cuda" else provider
    try:
        return runtime.InferenceSession(content, options, providers=[chosen])
    except Exception as error:  # ONNX Runtime has a dozen kinds, none with a common base
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{file}: cannot be read as ONNX ({reason}); a model whose weights are in a file of their own must be "
            "saved as one file"
        ) from error


def _output(file: Path, names: list[str], wanted: str | None) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        fault = f"has no output {wanted!r}" if wanted else "has several outputs: say which with --output"
        raise ConfigError(f"{file}: {fault}; there are {', '.join(names)}")
    return wanted


def _size(file: Path, fixed: list[Any], wishes: Wishes) -> tuple[int, int]:
    """Return height and width: the graph's where it fixes them, else those wished for."""
    height, width = (side if isinstance(side, int) else wishes.size for side in fixed)
    if height is None or width is None:
        raise ConfigError(f"{file} takes images of any size: add --size, e.g. --size 224")
    if wishes.size not in (None, height) or wishes.size not in (None, width):
        raise ConfigError(f"--size is {wishes.size}, but {file} takes {height} × {width} pixels alone")
    return height, width


def _installed(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a build that has another name
            continue
    return found
