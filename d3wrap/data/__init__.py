"""Datasets: read, checked, scaled and split."""

from __future__ import annotations

from d3wrap.data.dataset import GZSLDataset
from d3wrap.data.fraction import keep_fraction
from d3wrap.data.limits import Limits
from d3wrap.data.load import load_dataset
from d3wrap.data.scaling import MinMaxScaler
from d3wrap.data.synthetic import SyntheticWorld, synthetic, synthetic_world

__all__ = [
    "GZSLDataset",
    "Limits",
    "MinMaxScaler",
    "SyntheticWorld",
    "keep_fraction",
    "load_dataset",
    "synthetic",
    "synthetic_world",
]
