"""Turn names and descriptions of classes into one vector per class."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from d3wrap.config import Override, apply_overrides
from d3wrap.data.class_matching import listed, spoken
from d3wrap.data.semantics_file import ClassSemantics
from d3wrap.errors import ConfigError, D3WrapWarning, DataError, PluginError
from d3wrap.semantics.descriptions import ClassTexts
from d3wrap.semantics.templates import WITH_DESCRIPTION, WITHOUT_DESCRIPTION, Template, parse_template
from d3wrap.specs import EncoderSettings, EncoderSpec

_SAME = 1 - 1e-6
"""Cosine from which on two classes count as described alike."""


def build_semantics(
    texts: ClassTexts,
    encoder: EncoderSpec,
    *,
    templates: Sequence[str] = (),
    settings: Mapping[str, Any] | Sequence[Override] = (),
    centre: bool = False,
    device: torch.device | str = "cpu",
    provenance: Mapping[str, str] | None = None,
) -> ClassSemantics:
    """Encode every class's texts and average them: rows of norm 1, ``[C, k]``.

    The texts of a class are its descriptions in every template (by default ``a photo of a {name}. {description}``).
    Each is encoded and scaled to norm 1; a class's vector is the mean of its texts', scaled to norm 1. ``centre`` takes
    the mean over all classes from it before the last scaling. ``settings`` change the encoder's; ``provenance`` is
    added to what the result says of itself.

    Warns (:class:`~d3wrap.errors.D3WrapWarning`) of classes without a description, whose texts are made of their names
    alone, and of classes that nothing tells apart. Raises :class:`~d3wrap.errors.ConfigError` for a template or a
    setting that is wrong or missing, :class:`~d3wrap.errors.DataError` for a class of which nothing is known, and
    :class:`~d3wrap.errors.PluginError` where the encoder gives anything but a finite row for each text.
    """
    chosen = encoder_settings(encoder, settings)
    parsed = _templates(templates, texts)
    sentences = [_sentences(name, some, parsed) for name, some in zip(texts.names, texts.descriptions, strict=True)]
    _check_sentences(texts, sentences, parsed)
    built = encoder.build(chosen, torch.device(device))
    flat = [sentence for some in sentences for sentence in some]
    matrix = _per_class(_encoded(encoder.name, built, flat), sentences, texts.names)
    if centre:
        matrix = matrix - matrix.mean(0)
    matrix = _unit(matrix, texts.names)
    _warn_of_equals(matrix, texts.names)
    said = {
        **(provenance or {}),
        "texts": str(len(flat)),
        "centred": "yes" if centre else "no",
        **({"without description": ", ".join(texts.undescribed)} if _describe(parsed) and texts.undescribed else {}),
        **{f"encoder: {name}": text for name, text in built.provenance.items()},
        "d3wrap": version("d3wrap"),
    }
    return ClassSemantics(
        matrix=matrix.to(torch.float32),
        class_names=texts.names,
        encoder=encoder.name,
        settings=dataclasses.asdict(chosen),
        templates=tuple(template.text for template in parsed),
        provenance=said,
    )


def encoder_settings(encoder: EncoderSpec, settings: Mapping[str, Any] | Sequence[Override]) -> EncoderSettings:
    """Return an encoder's settings with some fields changed; raises ``ConfigError`` for one that must be given."""
    chosen = apply_overrides(encoder.settings(), settings)
    for name in encoder.required:
        if getattr(chosen, name) in ("", None):
            raise ConfigError(f"encoder {encoder.name} needs --set {name}=…; docs/semantics.md says what it takes")
    return chosen


def _templates(given: Sequence[str], texts: ClassTexts) -> list[Template]:
    if not given:
        given = [WITH_DESCRIPTION if any(texts.descriptions) else WITHOUT_DESCRIPTION]
    parsed = [parse_template(text) for text in dict.fromkeys(given)]
    if _describe(parsed) and not any(texts.descriptions):
        raise ConfigError(f"--template {given[0]!r} has a {{description}}, and there are none: add --descriptions FILE")
    return parsed


def _describe(templates: Sequence[Template]) -> bool:
    return any(template.describes for template in templates)


def _sentences(name: str, descriptions: Sequence[str], templates: Sequence[Template]) -> list[str]:
    """Return the different texts of a class in a fixed order."""
    filled = [
        template.fill(spoken(name), description)
        for template in templates
        for description in ((descriptions or (None,)) if template.describes else (None,))
    ]
    return list(dict.fromkeys(filled))


def _check_sentences(texts: ClassTexts, sentences: Sequence[Sequence[str]], templates: Sequence[Template]) -> None:
    without = texts.undescribed if _describe(templates) else ()
    empty = [
        name
        for name, some in zip(texts.names, sentences, strict=True)
        if not any(letter.isalnum() for text in some for letter in text)
    ]
    if empty:
        raise DataError(
            f"{listed(empty)}: no description, and the template has no {{name}}; describe it or add {{name}}"
        )
    if without:
        warnings.warn(D3WrapWarning(f"no description of {listed(without)}: the name alone stands for it"), stacklevel=3)


def _encoded(name: str, encoder: Any, texts: Sequence[str]) -> Tensor:
    rows = encoder.encode(texts)
    if not isinstance(rows, Tensor) or rows.ndim != 2 or len(rows) != len(texts) or not rows.is_floating_point():
        found = f"{type(rows).__name__} {list(getattr(rows, 'shape', []))}"
        raise PluginError(f"encoder {name} gave {found} for {len(texts)} texts, expected a floating [{len(texts)}, k]")
    if not rows.isfinite().all():
        raise PluginError(f"encoder {name} gave values that are NaN or infinite")
    return rows.detach().to("cpu", torch.float64)


def _per_class(rows: Tensor, sentences: Sequence[Sequence[str]], names: Sequence[str]) -> Tensor:
    """Return the mean of each class's rows, each of norm 1 before; a row of zeros says nothing and counts no more."""
    norms = rows.norm(dim=1, keepdim=True)
    unit = rows / norms.where(norms > 0, 1)
    owner = torch.repeat_interleave(torch.tensor([len(some) for some in sentences]))
    means = torch.zeros(len(sentences), rows.shape[1], dtype=rows.dtype).index_add_(0, owner, unit)
    return _unit(means, names)


def _unit(rows: Tensor, names: Sequence[str]) -> Tensor:
    norms = rows.norm(dim=1, keepdim=True)
    empty = [name for name, norm in zip(names, norms.squeeze(1).tolist(), strict=True) if norm < 1e-9]
    if empty:
        raise DataError(
            f"{listed(empty)}: the encoder finds nothing there that tells it from other classes; describe it, use "
            "{name} in the template, or keep more dimensions (tfidf: --set dims=0)"
        )
    return rows / norms


def _warn_of_equals(matrix: Tensor, names: Sequence[str]) -> None:
    same = (matrix @ matrix.T).triu(diagonal=1) > _SAME
    pairs = [f"{names[i]!r} and {names[j]!r}" for i, j in same.nonzero()[:3].tolist()]
    if pairs:
        more = f" and {int(same.sum()) - 3} more pairs" if int(same.sum()) > 3 else ""
        warnings.warn(
            D3WrapWarning(f"{', '.join(pairs)}{more} have the same semantics: no generator can tell them apart"),
            stacklevel=3,
        )
