"""Fonts for text in any script: Pillow's own, and the scalable fonts of this machine.

Pillow's own has plain Latin only, and machines differ in their fonts. Characters that no font can draw are
spelled out by `spelling`, so that a text never becomes a row of empty boxes.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path

from PIL import ImageFont

from pipeline.emulator.drawing import Unreadable

# Limits of the search: a designer's machine has thousands of fonts.
_MAX_FILES, _MAX_FONTS = 5_000, 60
# Families that cover much, or a script that others lack; these are tried first, in this order.
_PREFERRED = (
    "dejavusans",
    "notosans",
    "liberationsans",
    "arialunicode",
    "arial",
    "segoeui",
    "notosanscjk",
    "pingfang",
    "hiragino",
    "msyh",
    "yugothr",
    "malgun",
    "symbola",
    "seguisym",
)
_STYLES = (
    "bold",
    "italic",
    "oblique",
    "mono",
    "serif",
    "condensed",
    "light",
    "thin",
    "black",
    "medium",
    "narrow",
)
_PROBE_SIZE = 20
# No font has a glyph for it, so it shows what a font draws for a character that it lacks.
_UNASSIGNED = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Face:
    """A font in any size: of a file, or Pillow's own if `path` is None."""

    path: Path | None

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """The font in `size` pixels.

        Raises:
            Unreadable: this Pillow cannot write text at all.
            OSError: the file is not a scalable font.
        """
        return _font(self, size)

    def draws(self, character: str) -> bool:
        """Whether the font has a glyph for `character`."""
        return _draws(self, character)


BUILT_IN = Face(None)


@lru_cache(maxsize=4096)
def face_for(character: str) -> Face | None:
    """The first font that has a glyph for `character`; None if none has."""
    return next((face for face in (BUILT_IN, *_faces()) if face.draws(character)), None)


def spelling(character: str) -> str:
    """The replacement for a character that no font can draw."""
    plain = unicodedata.normalize("NFKD", character)
    letters = "".join(each for each in plain if not unicodedata.combining(each))
    if letters != character and letters.isascii() and letters.isprintable():
        return letters
    name = unicodedata.name(character, "").lower()
    if name and unicodedata.category(character).startswith("S"):
        return f"[{name}]"
    return f"[{ord(character):X}]"


@lru_cache(maxsize=256)
def _font(face: Face, size: int) -> ImageFont.FreeTypeFont:
    if face.path is not None:
        return ImageFont.truetype(face.path, size)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise Unreadable("this Pillow was built without FreeType and cannot write text")
    return font


@lru_cache(maxsize=16384)
def _draws(face: Face, character: str) -> bool:
    try:
        return _glyph(face, character) != _missing_glyph(face)
    except OSError:
        # A font of fixed sizes, such as colour emoji, or a file that only looks like a font.
        return False


def _glyph(face: Face, character: str) -> tuple[tuple[int, int], bytes]:
    mask = _probe(face).getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=_MAX_FONTS)
def _probe(face: Face) -> ImageFont.FreeTypeFont:
    # Without shaping, which would put an isolated mark onto a dotted circle.
    return face.at(_PROBE_SIZE).font_variant(layout_engine=ImageFont.Layout.BASIC)


@cache
def _missing_glyph(face: Face) -> tuple[tuple[int, int], bytes]:
    return _glyph(face, _UNASSIGNED)


@cache
def _faces() -> tuple[Face, ...]:
    return tuple(Face(path) for path in islice(sorted(_font_files(), key=_rank), _MAX_FONTS))


def _font_files() -> Iterator[Path]:
    seen = 0
    for folder in _font_folders():
        for parent, _, names in os.walk(folder):
            for name in names:
                seen += 1
                if seen > _MAX_FILES:
                    return
                if name.lower().endswith((".ttf", ".otf", ".ttc")):
                    yield Path(parent, name)


def _font_folders() -> tuple[Path, ...]:
    folders = {
        "win32": ("C:/Windows/Fonts",),
        "darwin": ("/System/Library/Fonts", "/Library/Fonts"),
    }
    return tuple(map(Path, folders.get(sys.platform, ("/usr/share/fonts", "/usr/local/share/fonts"))))


def _rank(path: Path) -> tuple[bool, int, str]:
    # Upright sans serif first, and among these the families that cover much; then by name, so that every run on
    # a machine chooses the same.
    name = path.stem.lower().replace("-", "").replace("_", "").replace(" ", "")
    family = name.removesuffix("regular").removesuffix("vf")
    preferred = _PREFERRED.index(family) if family in _PREFERRED else len(_PREFERRED)
    return any(style in name.replace("sans", "") for style in _STYLES), preferred, str(path)
