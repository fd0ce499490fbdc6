"""Turn the bytes of one image file into RGB pixels, whatever the file holds."""

from __future__ import annotations

import importlib.util
import io
from typing import TYPE_CHECKING

from d3wrap.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is tried; Pillow knows more, some of which start other programs (EPS runs Ghostscript)."""
MAX_PIXELS = 2**26
"""An image of more pixels is refused before it is decoded: 8,192 × 8,192, 200 MB as RGB."""


class BrokenImageError(DataError):
    """An image cannot be decoded; ``name`` is the image's and ``reason`` says what is wrong with it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def need_pillow() -> None:
    """Raise :class:`~d3wrap.errors.MissingExtraError` where Pillow is not installed."""
    if importlib.util.find_spec("PIL") is None:
        raise MissingExtraError("Pillow", "vision", "reading images")


def decode(content: bytes, name: str) -> Image:
    """Return an image file's content as an RGB image, upright.

    Turned as its EXIF orientation says; of several frames the first; what is transparent shows white; 16-bit grey is
    reduced to 8 bits. Raises :class:`BrokenImageError` for what is empty, of no format in ``FORMATS``, cut short, over
    ``MAX_PIXELS``, or has pixels that are not brightness or colour (floating point).
    """
    if not content:
        raise BrokenImageError(name, "is empty (0 bytes)")
    need_pillow()
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        Image.init()
        known = tuple(name for name in FORMATS if name in Image.OPEN)  # Pillow may be built without WebP
        with Image.open(io.BytesIO(content), formats=known) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BrokenImageError(
                    name, f"has {image.width:,} × {image.height:,} pixels, more than the limit of {MAX_PIXELS:,}"
                )
            image.load()
            return _rgb(ImageOps.exif_transpose(image), name)
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        raise BrokenImageError(name, f"is none of {', '.join(FORMATS)}, or its header is damaged") from None
    except Exception as error:  # decoders raise all sorts of things for damaged files
        raise BrokenImageError(name, f"cannot be decoded ({error or type(error).__name__})") from error


def _rgb(image: Image, name: str) -> Image:
    from PIL import Image

    if image.mode.startswith("I"):
        low, high = image.getextrema()
        if not 0 <= float(low) <= float(high) <= 65535:  # type: ignore[arg-type]
            raise BrokenImageError(name, f"has grey values {low} … {high}, expected 0 … 65535; save it with 8 bits")
        # Pillow would clip everything above 255 to white
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    if image.mode == "F":
        raise BrokenImageError(name, "has floating-point pixels, which have no range; save it with 8 bits")
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        white = Image.new("RGBA", shown.size, "white")
        return Image.alpha_composite(white, shown).convert("RGB")
    return image.convert("RGB")
