"""What a figure is, and how the two arms are drawn in all of them."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

WIDTH = 340.0
"""Width of a figure in its own units, near the pixels it gets on a phone."""


class Figure(NamedTuple):
    """A picture with its heading, and what it shows in words; ``caption`` says how to read it."""

    title: str
    picture: Markup
    caption: str
    arm: str = ""
    """The arm it is hidden with; empty where it shows both."""


def arm_css(arm: str, css: str) -> str:
    """Return the classes of something that belongs to one arm: its colour, and what hides it."""
    return f"arm-{arm} {css}"
