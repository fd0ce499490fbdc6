"""Encoders whose vectors are known."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from d3wrap.specs import EncoderSettings, EncoderSpec


@dataclass(frozen=True)
class TableSettings(EncoderSettings):
    model: str = ""
    scale: float = 1.0


class TableEncoder:
    """Gives each text the vector that stands in a table, and remembers the texts."""

    def __init__(self, table, scale):
        self.table, self.scale, self.asked = table, scale, []
        self.provenance = {"weights": "a table"}

    def encode(self, texts):
        self.asked += texts
        return self.scale * torch.tensor([self.table[text] for text in texts])


@pytest.fixture
def table_encoder():
    """Return a function that makes an encoder of a table, and the list where its encoders are put."""

    def make(table, required=()):
        built = []

        def build(settings, device):
            assert device == torch.device("cpu")
            built.append(TableEncoder(table, settings.scale))
            return built[-1]

        spec = EncoderSpec(
            name="table", summary="a table", reference="none", settings=TableSettings, build=build, required=required
        )
        return spec, built

    return make
