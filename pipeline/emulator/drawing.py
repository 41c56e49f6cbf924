"""Pictures: reads and crops them, and draws those that are missing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

if TYPE_CHECKING:
    from pipeline.emulator.settings import Size

Picture = Image.Image
Patch = tuple[Picture, tuple[int, int]]
"""A picture, and where in a frame its upper left corner belongs."""
Colour = tuple[int, int, int]

GRAY: Colour = (128, 128, 128)
PAPER: Colour = (246, 243, 236)
_NOISE = 8
_LARGEST_SIDE = 2048
_LARGEST_PIXELS = 50_000_000

# Sky above, sky below, sun, then hills from far to near.
_PALETTES: tuple[tuple[Colour, ...], ...] = (
    ((94, 129, 172), (236, 203, 174), (255, 236, 200), (126, 140, 171), (92, 108, 146), (61, 76, 112)),
    ((250, 177, 133), (253, 231, 200), (255, 247, 225), (222, 142, 118), (178, 102, 104), (116, 69, 86)),
    ((122, 193, 196), (232, 244, 226), (255, 252, 226), (119, 171, 158), (75, 131, 122), (43, 92, 90)),
    ((72, 73, 122), (204, 140, 160), (255, 214, 190), (96, 82, 133), (66, 59, 105), (41, 39, 74)),
    ((155, 193, 230), (240, 246, 250), (255, 255, 255), (176, 200, 222), (133, 166, 196), (88, 122, 156)),
    ((222, 196, 130), (249, 238, 207), (255, 250, 230), (190, 168, 106), (140, 132, 84), (92, 96, 66)),
)


class Unreadable(Exception):
    """An input that is not a usable image or video; the message says why."""


def seed_of(text: str) -> int:
    """A number derived from `text`, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:4], "big")


def read_picture(path: Path) -> Picture:
    """An image as RGBA, upright, at most 2048 pixels on a side.

    Raises:
        Unreadable: it is not an image, is damaged, or far too large.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > _LARGEST_PIXELS:
                raise Unreadable(f"the image is too large: {image.width}x{image.height} pixels")
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unreadable(f"the image cannot be read: {error}") from error
    upright.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    return upright


def crop_to_content(picture: Picture) -> Picture:
    """`picture` without its empty border, which is transparent or of one colour."""
    alpha = picture.getchannel("A")
    if alpha.getextrema()[0] == 0:
        box = alpha.point(lambda value: 255 if value > 8 else 0).getbbox()
    else:
        plain = Image.new("RGB", picture.size, picture.convert("RGB").getpixel((0, 0)))
        difference = ImageChops.difference(picture.convert("RGB"), plain).convert("L")
        box = difference.point(lambda value: 255 if value > 12 else 0).getbbox()
    return picture.crop(box) if box else picture


def replace_alpha(picture: Picture, colour: Colour = GRAY) -> Picture:
    """`picture` as RGB, with `colour` where it was transparent."""
    ground = Image.new("RGBA", picture.size, (*colour, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def without_gray(frame: Picture) -> Picture:
    """The subject of a video frame, cut out of its gray background; the whole frame if it has no such background."""
    difference = ImageChops.difference(frame, Image.new("RGB", frame.size, GRAY))
    red, green, blue = difference.split()
    distance = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    cut = frame.convert("RGBA")
    if distance.getpixel((0, 0)) in range(_NOISE):
        # A soft edge: traces of gray that compression left are made partly transparent.
        cut.putalpha(distance.point(lambda value: max(0, min(255, (value - _NOISE) * 12))))
    return cut


def upscale(picture: Picture) -> Picture:
    """`picture` twice as large, up to the limit."""
    factor = min(2.0, _LARGEST_SIDE / max(picture.size))
    return picture.resize(_scaled(picture, max(factor, 1.0)), Image.Resampling.LANCZOS)


def sketched(picture: Picture) -> Picture:
    """`picture` as if drawn with a pencil on paper; transparent where it was."""
    gray = ImageOps.grayscale(replace_alpha(picture, (255, 255, 255)))
    lines = ImageChops.invert(gray).filter(ImageFilter.GaussianBlur(max(picture.size) / 90))
    # A colour dodge: bright except where the picture is darker than its surroundings.
    drawn = ImageChops.add(gray, lines).point(lambda value: max(0, 255 - int((255 - value) * 3.2)))
    shaded = Image.blend(drawn, gray, 0.18)
    coloured = ImageOps.colorize(shaded, (48, 46, 52), PAPER).convert("RGBA")
    coloured.putalpha(picture.getchannel("A"))
    return coloured


def layer(picture: Picture, size: Size, share: float = 0.86) -> Picture:
    """`picture` in the middle of an empty frame, filling `share` of it; a photo gets rounded corners."""
    factor = min(size.width * share / picture.width, size.height * share / picture.height)
    fitted = picture.resize(_scaled(picture, factor), Image.Resampling.LANCZOS)
    if fitted.getchannel("A").getextrema()[0] == 255:
        fitted.putalpha(_round_corners(fitted.size))
    frame = Image.new("RGBA", (size.width, size.height))
    frame.paste(fitted, ((size.width - fitted.width) // 2, (size.height - fitted.height) // 2))
    return frame


def with_shadow(frame: Picture) -> Picture:
    """`frame` with a soft shadow below its content."""
    reach = max(frame.height // 40, 1)
    shade = ImageChops.offset(frame.getchannel("A"), 0, reach).filter(ImageFilter.GaussianBlur(reach * 1.5))
    shadow = Image.new("RGBA", frame.size, (10, 12, 24, 0))
    shadow.putalpha(shade.point(lambda value: value * 2 // 5))
    return Image.alpha_composite(shadow, frame)


def covering(picture: Picture, size: Size) -> Picture:
    """`picture` as RGB, cut so that it fills the frame."""
    return ImageOps.fit(replace_alpha(picture, PAPER), (size.width, size.height), Image.Resampling.LANCZOS)


def landscape(size: Size, palette: int, seed: int) -> Picture:
    """A quiet landscape: a sky, a sun and hills. `palette` chooses its colours, `seed` its layout."""
    high, low, sun, *hills = _PALETTES[palette % len(_PALETTES)]
    # Drawn twice as large, for smooth edges.
    width, height = size.width * 2, size.height * 2
    gradient = Image.linear_gradient("L").resize((width, height))
    image = ImageOps.colorize(gradient, high, low)
    draw = ImageDraw.Draw(image)
    radius = min(width, height) // 9
    centre = width * (25 + seed // 7 % 50) // 100
    draw.ellipse((centre - radius, height // 3 - radius, centre + radius, height // 3 + radius), fill=sun)
    for number, colour in enumerate(hills):
        base = height * (58 + 13 * number) // 100
        for bump in range(-1, 4):
            middle = width * (bump * 34 + (seed >> (number * 4)) % 34) // 100
            half, rise = width * 30 // 100, height * (9 + (seed >> bump + 4) % 7) // 100
            draw.ellipse((middle - half, base - rise, middle + half, base + height), fill=colour)
        draw.rectangle((0, min(base + height // 6, height - 1), width, height), fill=colour)
    return image.resize((size.width, size.height), Image.Resampling.LANCZOS)


def plain(size: Size, colour: Colour) -> Picture:
    """A frame of one colour."""
    return Image.new("RGB", (size.width, size.height), colour)


def _round_corners(size: tuple[int, int]) -> Picture:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *mask.size), radius=min(size) // 12, fill=255)
    return mask.resize(size, Image.Resampling.LANCZOS)


def _scaled(picture: Picture, factor: float) -> tuple[int, int]:
    return max(round(picture.width * factor), 1), max(round(picture.height * factor), 1)
