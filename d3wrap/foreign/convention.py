"""The ways in which training scripts number classes."""

from __future__ import annotations

from typing import Literal, get_args

Convention = Literal["global", "seen", "block"]
"""What a label of a training image says.

``"global"``: the row of the semantics table. ``"seen"``: the place among the seen classes, in the order of their ids.
``"block"``: the place among all classes, the seen ones first and then the unseen ones. Of a seen class the last two are
the same number.
"""

CONVENTIONS: tuple[Convention, ...] = get_args(Convention)
