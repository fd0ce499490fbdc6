"""Generated pictures as PNG data inside the page."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from d3wrap.comparison.artefacts_reading import Pictures
from d3wrap.report.class_figures import class_info
from d3wrap.report.collect import ARMS, Comparison

GAP = 1
"""White pixels between pictures."""


class Strip(NamedTuple):
    """Pictures of one class side by side: ``kind`` is real, baseline or enhanced, ``data`` a ``data:`` URI."""

    kind: str
    data: str
    width: int
    height: int
    alt: str


class PictureRow(NamedTuple):
    """The strips of one class."""

    name: str
    strips: Sequence[Strip]


def picture_rows(comparison: Comparison) -> tuple[int | None, list[PictureRow]]:
    """Return the pictures of the first seed that has them in both arms, and that seed; ``(None, [])`` without."""
    found = [comparison.artefacts(arm) for arm in ARMS]
    for seed in found[0]:
        pair = [arm[seed].pictures for arm in found if seed in arm]
        kept = [one for one in pair if one is not None]
        if len(kept) == len(ARMS) and len({(one.height, one.width) for one in kept}) == 1:
            info = class_info(comparison)
            names = {c: info[c].name if c in info else f"class {c}" for c in kept[0].real}
            return seed, [_row(c, names[c], *kept) for c in kept[0].real if c in kept[1].real]
    return None, []


def _row(label: int, name: str, baseline: Pictures, enhanced: Pictures) -> PictureRow:
    groups = {"real": baseline.real, "baseline": baseline.generated, "enhanced": enhanced.generated}
    strips = [_strip(kind, name, group[label], baseline.height, baseline.width) for kind, group in groups.items()]
    return PictureRow(name, strips)


def _strip(kind: str, name: str, pictures: Sequence[bytes], height: int, width: int) -> Strip:
    lines = bytearray()
    for y in range(height):
        row = [picture[y * width : (y + 1) * width] for picture in pictures]
        # Stored is ink, PNG wants light.
        lines += bytes(GAP).join(row).translate(bytes(255 - level for level in range(256)))
    whole = len(pictures) * (width + GAP) - GAP
    made = "real" if kind == "real" else f"generated ({kind})"
    return Strip(
        kind, data_uri(whole, height, bytes(lines)), whole, height, f"{len(pictures)} {made} pictures of {name}"
    )


def data_uri(width: int, height: int, levels: bytes) -> str:
    """Return a grey picture (``height · width`` bytes, 255 white) as PNG in a ``data:`` URI."""
    rows = b"".join(b"\0" + levels[y * width : (y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
