"""The semantics of the digits: sixteen attributes of the ten glyphs as people write them.

Written down from the shapes of the glyphs, not from the pictures. Eleven say where on a 3 × 5 grid the pen leaves
ink (1 always, ½ in part or in some hands, 0 not), five how the line runs. ``docs/data.md`` says how the unseen digits
follow from this table.
"""

from __future__ import annotations

from torch import Tensor, tensor

# digit                      0    1    2    3    4    5    6    7    8    9
ATTRIBUTES: dict[str, tuple[float, ...]] = {
    "top bar":               (0.5, 0.0, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0, 0.5, 0.5),
    "upper left side":       (1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0),
    "upper centre line":     (0.0, 1.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0),
    "upper right side":      (1.0, 0.0, 1.0, 1.0, 0.5, 0.0, 0.0, 1.0, 1.0, 1.0),
    "middle left":           (1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.5, 0.5),
    "middle centre":         (0.0, 1.0, 0.5, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 0.5),
    "middle right":          (1.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 1.0),
    "lower left side":       (1.0, 0.0, 0.5, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0),
    "lower centre line":     (0.0, 1.0, 0.5, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0),
    "lower right side":      (1.0, 0.0, 0.0, 1.0, 0.5, 1.0, 1.0, 0.0, 1.0, 1.0),
    "bottom bar":            (0.5, 0.0, 1.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.5, 0.5),
    "closed loops (of two)": (0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 1.0, 0.5),
    "open to upper left":    (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    "open to lower left":    (0.0, 0.0, 0.0, 1.0, 0.5, 1.0, 0.0, 0.5, 0.0, 1.0),
    "open to upper right":   (0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0),
    "open to lower right":   (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0),
}  # fmt: skip


def digit_semantics() -> Tensor:
    """Return the table as semantics ``[10, 16]`` in [0, 1], a row per digit."""
    return tensor(list(ATTRIBUTES.values())).T.contiguous()
