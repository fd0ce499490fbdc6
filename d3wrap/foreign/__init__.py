"""Data as a foreign training script holds it, recognised and checked."""

from __future__ import annotations

from d3wrap.foreign.batch_labels import LabelReader, class_ids, find_convention
from d3wrap.foreign.convention import CONVENTIONS, Convention
from d3wrap.foreign.nearest import recover_labels
from d3wrap.foreign.recognise import foreign_dataset
from d3wrap.foreign.recognised import Recognised

__all__ = [
    "CONVENTIONS",
    "Convention",
    "LabelReader",
    "Recognised",
    "class_ids",
    "find_convention",
    "foreign_dataset",
    "recover_labels",
]
