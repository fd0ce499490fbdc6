"""The released formulation gives the released code's numbers: losses and every gradient."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from d3wrap.batch import D3Batch
from d3wrap.data import GZSLDataset
from d3wrap.networks import Student, Teacher
from d3wrap.objectives.classify import Classify
from d3wrap.objectives.id2sd import ID2SD
from d3wrap.objectives.o2dbd import O2DBD
from d3wrap.settings import D3Settings
from d3wrap.specs import ObjectiveContext

FOLDER = Path(os.environ.get("D3WRAP_FIXTURES") or Path(__file__).parents[1] / "data")
FILES = sorted(FOLDER.glob("d3_released*.npz"))
TOLERANCE = 1e-5


def test_there_are_golden_numbers():
    assert FILES, f"no d3_released*.npz in {FOLDER}"


def linear(golden: dict[str, Tensor], name: str) -> nn.Linear:
    weight, bias = golden[f"{name}.weight"], golden[f"{name}.bias"]
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.detach().double() - expected.double()).norm() / expected.double().norm())


class Released:
    """The golden batch, run through our objectives."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            golden = {name: torch.from_numpy(file[name]) for name in file.files}
        self.golden = golden
        features, semantics = golden["x"], golden["semantics"]
        self.teacher = Teacher(features.shape[1], golden["teacher_embed.fc1.weight"].shape[0], len(golden["seen"]))
        self.teacher.embed = linear(golden, "teacher_embed.fc1")
        self.teacher.classify = linear(golden, "teacher_classifier.fc2")
        self.teacher.requires_grad_(False)
        self.student = Student(features.shape[1], golden["student_embed.fc1.weight"].shape[0], len(semantics))
        self.student.embed = linear(golden, "student_embed.fc1")
        self.student.classify = linear(golden, "student_head.fc1")
        self.hidden, self.out = linear(golden, "generator.fc1"), linear(golden, "generator.fc2")
        labels = golden["unseen"].repeat_interleave(int(golden["per_class"]))
        inputs = torch.cat([golden["noise"], semantics[labels]], 1)
        self.generated = F.relu(self.out(F.leaky_relu(self.hidden(inputs), 0.2)))
        nothing = torch.empty(0, dtype=torch.long)
        dataset = GZSLDataset(
            "golden", features, golden["y"], semantics, golden["seen"], golden["unseen"],
            torch.arange(len(features)), nothing, nothing, tuple(map(str, range(len(semantics)))),
        )  # fmt: skip
        settings = D3Settings(formulation="released").resolved()
        context = ObjectiveContext(settings, dataset, self.teacher, self.student, self.teacher(features).logits)
        self.o2dbd = O2DBD(context)
        self.o2dbd.head = linear(golden, "student_head.fc2")
        with torch.no_grad():
            self.o2dbd.weight.copy_(golden["sigmoid_weight"])
            self.o2dbd.offset.copy_(golden["sigmoid_offset"])
        everything = torch.cat([features, self.generated])
        batch = D3Batch(
            everything,
            torch.cat([golden["y"], labels]),
            len(features),
            self.teacher(everything),
            self.student(everything),
            golden["seen"],
            golden["unseen"],
        )
        id2sd = ID2SD(settings).on_batch(batch)
        self.losses = {
            "cls": Classify().on_batch(batch)["nll"],
            "be": id2sd["embedding"],
            "kl": id2sd["labels"],
            "od": self.o2dbd.on_batch(batch)["relation"],
        }

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        layers = {
            "generator.fc1": self.hidden,
            "generator.fc2": self.out,
            "student_embed.fc1": self.student.embed,
            "student_head.fc1": self.student.classify,
            "student_head.fc2": self.o2dbd.head,
        }
        named = {f"grad.{name}.{p}": value for name, layer in layers.items() for p, value in layer.named_parameters()}
        return named | {"grad_sigmoid_weight": self.o2dbd.weight, "grad_sigmoid_offset": self.o2dbd.offset}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_losses_match(path):
    released = Released(path)
    assert relative(released.generated, released.golden["synthetic"]) < TOLERANCE
    for name, loss in released.losses.items():
        assert relative(loss, released.golden[f"loss_{name}"]) < TOLERANCE, name


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_gradient_matches(path):
    released = Released(path)
    parameters = released.parameters
    expected = {name for name in released.golden if name.startswith("grad")}
    assert set(parameters) == expected
    gradients = torch.autograd.grad(sum(released.losses.values()), list(parameters.values()))
    for name, gradient in zip(parameters, gradients, strict=True):
        assert relative(gradient, released.golden[name]) < TOLERANCE, name
