"""Small pictures as text: tags, scales and axes of SVG, with nothing that a style sheet could say better."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from markupsafe import Markup, escape

FONT = 11
"""Height of letters; a figure 340 wide is shown about that wide on a phone."""
LETTER = 6.6
"""Width a letter takes on average in a wide font."""
MINUS = "−"


def tag(name: str, *children: str, **attributes: object) -> Markup:
    """Return an element; ``class_`` means ``class``, ``a_b`` means ``a-b``, and every text is escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def _number(value: object) -> str:
    """Write coordinates with one decimal, which is a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def shorten(text: str, letters: int) -> str:
    """Return ``text`` without its middle where it is longer than ``letters``: names often differ in their ends."""
    if len(text) <= letters:
        return text
    end = (letters - 1) // 3
    return f"{text[: letters - 1 - end]}…{text[len(text) - end :]}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers (1, 2 or 5 times a power of ten apart) from ``low`` to ``high``."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def label(value: float, step: float) -> str:
    """Write a tick ``step`` apart from the next, with as many decimals as that takes and a true minus sign."""
    if abs(value) < step / 1000:
        return "0"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value:.{decimals}f}".replace("-", MINUS)


class Scale(NamedTuple):
    """A straight map from values ``low`` … ``high`` to places ``start`` … ``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def span(values: Iterable[float], *, zero: bool = False, margin: float = 0.05) -> tuple[float, float]:
    """Return the range of ``values`` and a little more, never empty; ``zero`` puts 0 into it."""
    known = [*values, 0.0] if zero else list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    wide = (high - low) * margin or abs(high) * margin or 1.0
    return low - wide, high + wide


@dataclass
class Plot:
    """A picture ``width × height`` with two axes; things are drawn in the order they are added."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 40
    right: float = 10
    top: float = 10
    bottom: float = 36
    parts: list[Markup] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.across = Scale(*self.x, self.left, self.width - self.right)
        self.up = Scale(*self.y, self.height - self.bottom, self.top)

    def add(self, name: str, *children: str, **attributes: object) -> None:
        """Add an element at places of the picture."""
        self.parts.append(tag(name, *children, **attributes))

    def text(self, x: float, y: float, text: str, css: str = "", anchor: str = "start") -> None:
        """Write ``text`` at a place of the picture."""
        self.add("text", text, x=float(x), y=float(y), class_=css or None, text_anchor=anchor)

    def x_axis(self, title: str, count: int = 5, *, grid: bool = True) -> None:
        """Draw ticks along the bottom, lines above them, and the axis's title."""
        found, end = ticks(*self.x, count), self.height - self.bottom
        step = found[1] - found[0] if len(found) > 1 else 1.0
        for value in found:
            place = self.across(value)
            if grid:
                self.add("line", x1=place, x2=place, y1=float(self.top), y2=float(end), class_="grid")
            self.text(place, end + 14, label(value, step), anchor="middle")
        self.text((self.left + self.width - self.right) / 2, end + 32, title, "axis", "middle")

    def y_axis(self, title: str, count: int = 5) -> None:
        """Draw ticks along the left, lines beside them, and the axis's title, if any, turned."""
        found = ticks(*self.y, count)
        step = found[1] - found[0] if len(found) > 1 else 1.0
        for value in found:
            place = self.up(value)
            self.add("line", x1=float(self.left), x2=self.width - self.right, y1=place, y2=place, class_="grid")
            self.text(self.left - 5, place + 4, label(value, step), anchor="end")
        if not title:
            return
        middle = (self.top + self.height - self.bottom) / 2
        turned = f"rotate(-90 11 {middle:.1f})"
        self.add("text", title, x=11, y=middle, class_="axis", text_anchor="middle", transform=turned)

    def line(self, points: Sequence[tuple[float, float]], css: str) -> None:
        """Join ``points``, given as values."""
        places = " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)
        self.add("polyline", points=places, class_=css)

    def dot(
        self, x: float, y: float, css: str, title: str | None = None, size: float = 4, square: bool = False
    ) -> None:
        """Mark a value; ``title`` is shown where a pointer rests on it."""
        inside = [] if title is None else [tag("title", title)]
        a, b = self.across(x), self.up(y)
        if square:
            self.add("rect", *inside, x=a - size, y=b - size, width=2 * size, height=2 * size, class_=css)
        else:
            self.add("circle", *inside, cx=a, cy=b, r=size, class_=css)

    def cross(self, x: float, y: float, css: str, size: float = 2.5) -> None:
        """Mark a value with a cross."""
        a, b = self.across(x), self.up(y)
        path = f"M{a - size:.1f} {b - size:.1f}l{2 * size} {2 * size}m0 {-2 * size}l{-2 * size} {2 * size}"
        self.add("path", d=path, class_=css)

    def render(self, alt: str) -> Markup:
        """Return the picture; ``alt`` says in words what it shows."""
        box = f"0 0 {self.width:g} {self.height:g}"
        return tag("svg", *self.parts, role="img", aria_label=alt, viewBox=box, font_size=FONT)
