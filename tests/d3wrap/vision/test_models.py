"""Networks of all four kinds, randomly initialised and tiny; nothing is downloaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from d3wrap.errors import ConfigError, DataError, MissingExtraError
from d3wrap.vision import onnx_model, open_clip_model, timm_model
from d3wrap.vision.importing import import_extra
from d3wrap.vision.loading import ModelOptions, load_image_model
from d3wrap.vision.preprocessing import Wishes

HERE = Path(__file__).parent
RANDOM = ModelOptions(random_weights=0)


def noise(height=40, width=56, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def features_of(model, image=None):
    with torch.inference_mode():
        return model.features(model.preprocessing(image or noise())[None])


# --- what is typed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("resnet50", {}, "there are no networks 'resnet50'.*e.g. timm:resnet50"),
        ("tim:resnet50", {}, "did you mean 'timm'"),
        ("timm:", {}, "'timm:' names no network, expected timm:resnet50.a1_in1k"),
        ("onnx:x.onnx", {"weights": "w.pth"}, "--weights says nothing about onnx networks"),
        ("torchscript:x.ts", {"random_weights": 0}, "--random-weights says nothing about torchscript"),
        ("timm:x", {"trust": True}, "--trust says nothing about timm"),
        ("timm:x", {"output": "y"}, "--output says nothing about timm"),
        ("timm:x", {"weights": "w.pth", "random_weights": 0}, "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_refused(spec, options, message):
    with pytest.raises(ConfigError, match=message):
        load_image_model(spec, ModelOptions(**options))


# --- timm ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def timm():
    try:
        return import_extra("timm", "timm", "timm", "the test")
    except MissingExtraError as error:
        pytest.skip(str(error))


def timm_file(timm, path, seed=1, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = timm.create_model("test_resnet", **options).eval()
    state = network.state_dict()
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return network


def test_a_network_of_timm_gives_the_features_in_front_of_its_classifier(timm, tmp_path):
    network = timm_file(timm, tmp_path / "w.safetensors")
    model = load_image_model("timm:test_resnet", ModelOptions(weights=tmp_path / "w.safetensors"))
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=network), is_training=False)
    assert torch.equal(model.preprocessing(noise()), transform(noise()))
    with torch.inference_mode():
        images = transform(noise())[None]
        expected = network.forward_head(network.forward_features(images), pre_logits=True)
    assert torch.equal(features_of(model), expected)
    assert model.weights.described == "w.safetensors"
    assert model.name == "timm:test_resnet"
    assert set(model.versions) == {"torch", "timm", "torchvision", "pillow"}


def test_weights_with_another_or_no_classifier_give_the_same_features(timm, tmp_path):
    timm_file(timm, tmp_path / "w.pth")
    state = torch.load(tmp_path / "w.pth", weights_only=True)
    headless = {name: value for name, value in state.items() if not name.startswith("fc.")}
    torch.save(headless, tmp_path / "headless.pth")
    seven = {**headless, "fc.weight": torch.ones(7, 96), "fc.bias": torch.ones(7)}
    torch.save({"state_dict": seven}, tmp_path / "seven.pth")
    models = [
        load_image_model("timm:test_resnet", ModelOptions(weights=tmp_path / name))
        for name in ("w.pth", "headless.pth", "seven.pth")
    ]
    assert len({model.weights.sha256 for model in models}) == 3  # of the files
    for model in models[1:]:
        assert torch.equal(features_of(model), features_of(models[0]))


@pytest.mark.parametrize("lost", ["layer1.0.conv1.weight", "bn1.running_mean"])
@pytest.mark.parametrize("head", [True, False])
def test_weights_that_lack_one_are_refused_not_filled_at_random(timm, tmp_path, lost, head):
    timm_file(timm, tmp_path / "w.pth")
    state = torch.load(tmp_path / "w.pth", weights_only=True)
    kept = {name: value for name, value in state.items() if name != lost and (head or not name.startswith("fc."))}
    torch.save(kept, tmp_path / "w.pth")
    with pytest.raises(DataError, match=f"does not fit timm:test_resnet: .*Missing key.*{lost}"):
        load_image_model("timm:test_resnet", ModelOptions(weights=tmp_path / "w.pth"))


def test_weights_of_another_network_are_refused(timm, tmp_path):
    timm_file(timm, tmp_path / "w.pth")
    with pytest.raises(DataError, match="does not fit timm:test_vit"):
        load_image_model("timm:test_vit", ModelOptions(weights=tmp_path / "w.pth"))


def test_random_weights_depend_on_their_seed_alone_and_are_said(timm):
    state = torch.random.get_rng_state()
    one, same, other = (
        load_image_model("timm:test_resnet", ModelOptions(random_weights=seed)) for seed in (0, 0, 1)
    )  # fmt: skip
    assert torch.equal(torch.random.get_rng_state(), state)
    assert one.weights.described == "random, seed 0"
    assert one.weights == same.weights
    assert one.weights.sha256 != other.weights.sha256
    assert torch.equal(features_of(one), features_of(same))
    assert not torch.equal(features_of(one), features_of(other))


@pytest.mark.parametrize("name", ["test_resnet", "test_vit.r160_in1k"])
def test_wishes_change_the_preprocessing(timm, name):
    wishes = Wishes(size=64, crop=1.0, mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0), interpolation="bilinear")
    model = load_image_model(f"timm:{name}", replace(RANDOM, wishes=wishes))
    prepared = model.preprocessing(noise(64, 64))
    expected = np.asarray(noise(64, 64)).transpose(2, 0, 1) / 255 - np.array([0.1, 0.2, 0.3])[:, None, None]
    np.testing.assert_allclose(prepared.numpy(), expected, atol=1e-6)
    assert features_of(model).shape == (1, {"test_resnet": 96}.get(name, 64))
    assert model.preprocessing.settings["interpolation"] == "bilinear"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet5", "has no network 'resnet5'; did you mean resnet50"),
        ("qqqqqq", r"has no network 'qqqqqq'$"),
        ("test_resnet.nothing", "timm:test_resnet has no weights 'nothing'; it has r160_in1k"),
    ],
)
def test_names_that_timm_does_not_know_are_refused(timm, name, message):
    with pytest.raises(ConfigError, match=message):
        load_image_model(f"timm:{name}", RANDOM)


def test_the_weights_of_a_name_are_looked_for_on_the_hub(timm, tmp_path, monkeypatch):
    timm_file(timm, tmp_path / "model.safetensors")
    asked = []

    def find(*arguments):
        asked.append(arguments)
        return tmp_path / "model.safetensors"

    monkeypatch.setattr(timm_model, "find_on_hub", find)
    model = load_image_model("timm:test_resnet.r160_in1k")
    files = ("model.safetensors", "pytorch_model.bin")
    assert asked == [("timm:test_resnet.r160_in1k", "timm/test_resnet.r160_in1k", files)]
    assert torch.equal(
        features_of(model),
        features_of(load_image_model("timm:test_resnet", ModelOptions(weights=tmp_path / "model.safetensors"))),
    )


def test_weights_that_no_hub_has_are_said(timm, monkeypatch):
    settings = timm.get_pretrained_cfg("test_resnet")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda *_, **__: replace(settings, hf_hub_id=None, url="http://x"))
    with pytest.raises(ConfigError, match=r"they are http://x.*add --weights FILE"):
        load_image_model("timm:test_resnet")


def test_without_timm_the_line_to_type_is_given(monkeypatch):
    monkeypatch.setattr("d3wrap.vision.importing.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"timm:resnet50 needs timm.*pip install 'd3wrap\[timm\]'"):
        load_image_model("timm:resnet50")
    with pytest.raises(MissingExtraError, match=r"needs open_clip_torch.*pip install 'd3wrap\[open_clip\]'"):
        load_image_model("open_clip:ViT-B-32/openai")
    with pytest.raises(MissingExtraError, match=r"needs onnxruntime.*pip install 'd3wrap\[onnx\]'"):
        load_image_model(f"onnx:{HERE / 'small.onnx'}")


# --- open_clip -----------------------------------------------------------------------------------------------------

TINY = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 1, "layers": 1},
}


@pytest.fixture
def open_clip(tmp_path):
    try:
        library = import_extra("open_clip", "open_clip_torch", "open_clip", "the test")
    except MissingExtraError as error:
        pytest.skip(str(error))
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "d3wrap-tiny.json").write_text(json.dumps(TINY))
    library.add_model_config(tmp_path / "configs")
    return library


def tiny_clip(library, path):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = library.create_model("d3wrap-tiny", pretrained=None).eval()
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return model


def test_a_model_of_open_clip_encodes_images(open_clip, tmp_path):
    whole = tiny_clip(open_clip, tmp_path / "w.safetensors")
    model = load_image_model("open_clip:d3wrap-tiny", ModelOptions(weights=tmp_path / "w.safetensors"))
    transform = open_clip.image_transform(32, is_train=False)
    assert torch.equal(model.preprocessing(noise()), transform(noise()))
    with torch.inference_mode():
        assert torch.equal(features_of(model), whole.encode_image(transform(noise())[None]))
    assert features_of(model).shape == (1, 12)
    assert model.weights.described == "w.safetensors"


def test_random_models_and_wishes_of_open_clip(open_clip):
    wishes = Wishes(size=48, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear")
    one, same = (load_image_model("open_clip:d3wrap-tiny", replace(RANDOM, wishes=wishes)) for _ in range(2))
    assert one.weights == same.weights
    assert one.preprocessing(noise()).shape == (3, 48, 48)
    assert one.preprocessing.settings["interpolation"] == "bilinear"
    white = one.preprocessing(Image.new("RGB", (50, 50), "white"))
    assert (white == 1).all()
    assert torch.equal(features_of(one), features_of(same))
    for wish, message in (({"crop": 0.9}, "cuts nothing off"), ({"interpolation": "nearest"}, "bicubic and bilinear")):
        with pytest.raises(ConfigError, match=message):
            load_image_model("open_clip:d3wrap-tiny", replace(RANDOM, wishes=Wishes(**wish)))


def test_weights_that_do_not_fit_open_clip_are_refused(open_clip, tmp_path):
    tiny_clip(open_clip, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"w.safetensors: does not fit open_clip:ViT-S-32"):
        load_image_model("open_clip:ViT-S-32", ModelOptions(weights=tmp_path / "w.safetensors"))
    (tmp_path / "w.pth").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"w.pth: cannot be read as weights|could execute code"):
        load_image_model("open_clip:d3wrap-tiny", ModelOptions(weights=tmp_path / "w.pth"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ViT-B-33", "has no model 'ViT-B-33'; did you mean ViT-B-32"),
        ("ViT-B-32", "has several sets of weights: say which behind a /; there are openai"),
        ("ViT-B-32/nobody", "has no weights 'nobody'; there are openai"),
    ],
)
def test_names_that_open_clip_does_not_know_are_refused(open_clip, name, message):
    with pytest.raises(ConfigError, match=message):
        load_image_model(f"open_clip:{name}")


def test_the_weights_of_a_tag_are_looked_for_on_the_hub(open_clip, tmp_path, monkeypatch):
    tiny_clip(open_clip, tmp_path / "w.safetensors")
    tagged = {"hf_hub": "someone/tiny/", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "quick_gelu": False}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda architecture, tag: tagged if tag == "good" else {})
    asked = []

    def find(*arguments):
        asked.append(arguments)
        return tmp_path / "w.safetensors"

    monkeypatch.setattr(open_clip_model, "find_on_hub", find)
    model = load_image_model("open_clip:d3wrap-tiny/good")
    files = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    assert asked.pop() == ("open_clip:d3wrap-tiny/good", "someone/tiny", files)
    assert model.preprocessing.settings["mean"] == [0.0, 0.0, 0.0]
    tagged["hf_hub"] = "someone/tiny/weights.bin"
    load_image_model("open_clip:d3wrap-tiny/good")
    assert asked.pop()[1:] == ("someone/tiny", ("weights.safetensors", "weights.bin"))
    del tagged["hf_hub"]
    with pytest.raises(ConfigError, match="not on the Hugging Face hub; download None and add --weights FILE"):
        load_image_model("open_clip:d3wrap-tiny/good")


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (ImportError("transformers"), ConfigError, "needs another library: transformers"),
        (OSError("offline"), DataError, "cannot be made on this machine: offline"),
    ],
)
def test_models_that_need_more_say_so(open_clip, monkeypatch, fault, kind, message):
    def create_model(*_, **__):
        raise fault

    monkeypatch.setattr(open_clip, "create_model", create_model)
    with pytest.raises(kind, match=message):
        load_image_model("open_clip:d3wrap-tiny", RANDOM)


# --- torchscript ---------------------------------------------------------------------------------------------------


def test_a_torchscript_file_is_run_with_trust_and_size(torchscript):
    options = ModelOptions(trust=True, wishes=Wishes(size=8))
    model = load_image_model(f"torchscript:{torchscript}", options)
    network = torch.jit.load(str(torchscript))
    with torch.inference_mode():
        assert torch.equal(features_of(model), network(model.preprocessing(noise())[None]))
    assert features_of(model).shape == (1, 4)
    assert len(model.weights.sha256) == 64


def test_a_network_saved_while_it_was_trained_is_at_rest(tmp_path):
    """Its dropout would give other features each time."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5)).train()
    torch.jit.script(network).save(str(tmp_path / "n.ts"))
    model = load_image_model(f"torchscript:{tmp_path / 'n.ts'}", ModelOptions(trust=True, wishes=Wishes(size=8)))
    assert torch.equal(features_of(model), model.preprocessing(noise()).flatten()[None])


def test_a_torchscript_file_is_not_run_without_trust_and_size(torchscript, tmp_path):
    with pytest.raises(ConfigError, match="is a program, and using it runs it: if you trust it, add --trust"):
        load_image_model(f"torchscript:{torchscript}", ModelOptions(wishes=Wishes(size=8)))
    with pytest.raises(ConfigError, match="does not say what it takes: add --size"):
        load_image_model(f"torchscript:{torchscript}", ModelOptions(trust=True))
    (tmp_path / "x.ts").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"x.ts: cannot be read as TorchScript"):
        load_image_model(f"torchscript:{tmp_path / 'x.ts'}", ModelOptions(trust=True, wishes=Wishes(size=8)))


# --- onnx ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def onnx(tmp_path):
    """small.onnx: four channel means of a 1 × 1 convolution; made as docs/features.md says such files are."""
    pytest.importorskip("onnxruntime")
    return HERE / "small.onnx"


def small_features(images):
    weight = torch.arange(12.0).view(4, 3) / 10
    return torch.einsum("oc,nchw->nohw", weight, images).relu().mean((2, 3))


def test_an_onnx_file_is_run(onnx):
    model = load_image_model(f"onnx:{onnx}", ModelOptions(wishes=Wishes(size=8, mean=(0,) * 3, std=(1,) * 3)))
    torch.testing.assert_close(features_of(model), small_features(model.preprocessing(noise())[None]))
    assert model.preprocessing.settings["mean"] == [0, 0, 0]
    assert model.preprocessing.settings["std"] == [1, 1, 1]
    assert model.batch_size is None
    assert model.precisions == ("exact",)
    assert model.versions["onnxruntime"]


def test_what_an_onnx_file_does_not_say_must_be_said(onnx):
    with pytest.raises(ConfigError, match=r"takes images of any size: add --size"):
        load_image_model(f"onnx:{onnx}")
    with pytest.raises(ConfigError, match=r"has no output 'y'; there are features"):
        load_image_model(f"onnx:{onnx}", ModelOptions(output="y", wishes=Wishes(size=8)))


def test_several_outputs_and_fixed_sizes():
    with pytest.raises(ConfigError, match="has several outputs: say which with --output; there are a, b"):
        onnx_model._output(Path("m.onnx"), ["a", "b"], None)
    assert onnx_model._output(Path("m.onnx"), ["a", "b"], "b") == "b"
    assert onnx_model._size(Path("m.onnx"), [12, 16], Wishes()) == (12, 16)
    assert onnx_model._size(Path("m.onnx"), ["height", None], Wishes(size=9)) == (9, 9)
    with pytest.raises(ConfigError, match=r"--size is 9, but m.onnx takes 12 × 12 pixels alone"):
        onnx_model._size(Path("m.onnx"), [12, 12], Wishes(size=9))


@pytest.mark.parametrize(("images", "expected"), [(4, 4), ("n", None), (None, None)])
def test_a_number_of_images_that_an_onnx_file_fixes_is_said(onnx, monkeypatch, images, expected):
    import onnxruntime

    given = type("Given", (), {"name": "x", "type": "tensor(float)", "shape": [images, 3, 8, 8]})
    named = type("Named", (), {"name": "y"})
    own = {"get_inputs": lambda self: [given], "get_outputs": lambda self: [named]}
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: type("Session", (), own)())
    assert load_image_model(f"onnx:{onnx}").batch_size == expected
    given.shape = [images, 1, 8, 8]
    with pytest.raises(DataError, match="expected one float input of shape"):
        load_image_model(f"onnx:{onnx}")


def test_what_is_no_network_of_images_is_refused(onnx, tmp_path, monkeypatch):
    (tmp_path / "x.onnx").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"x.onnx: cannot be read as ONNX"):
        load_image_model(f"onnx:{tmp_path / 'x.onnx'}", ModelOptions(wishes=Wishes(size=8)))
    import onnxruntime

    given = type("Given", (), {"name": "ids", "type": "tensor(int64)", "shape": [1, "n"]})
    session = type("Session", (), {"get_inputs": lambda self: [given]})
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: session())
    with pytest.raises(DataError, match=r"takes ids: tensor\(int64\) of \[1, 'n'\], expected one float input"):
        load_image_model(f"onnx:{onnx}", ModelOptions(wishes=Wishes(size=8)))


def test_an_onnx_file_runs_on_no_device_that_its_runtime_lacks(onnx, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match="has no CUDAExecutionProvider: use --device cpu, or install onnxruntime-gpu"):
        load_image_model(f"onnx:{onnx}", ModelOptions(wishes=Wishes(size=8)), torch.device("cuda", 0))
