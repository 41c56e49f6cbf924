"""One line of text in any script: measures and draws it."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from PIL import ImageDraw, features

from pipeline.emulator.fonts import BUILT_IN, Face, face_for, spelling

_JOINERS = "\u200c\u200d"
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_RIGHT_TO_LEFT = {"R", "AL"}
# Raqm shapes and orders scripts such as Arabic; not every build of Pillow has it.
_SHAPES_TEXT = bool(features.check("raqm"))


@dataclass(frozen=True, slots=True)
class Run:
    """Characters that follow each other in one font."""

    face: Face
    text: str


def printable(text: str) -> str:
    """`text` in one line, without terminal or direction controls; accents are composed with their letters."""
    characters = (
        each if each.isprintable() or (each in _JOINERS and _SHAPES_TEXT) else _replacement(each)
        for each in unicodedata.normalize("NFC", text)
        if ord(each) not in _VARIATION_SELECTORS
    )
    return " ".join("".join(characters).split())


def width(text: str, size: int) -> float:
    """The width of a line of `text` in pixels."""
    return sum(run.face.at(size).getlength(run.text) for run in runs(text))


def draw_line(
    draw: ImageDraw.ImageDraw, position: tuple[float, float], text: str, size: int, fill: tuple[int, ...]
) -> None:
    """Draw a line of `text`; `position` is its upper left corner."""
    x, y = position
    # One baseline for all fonts, as their heights above it differ.
    base = y + BUILT_IN.at(size).getmetrics()[0]
    for run in runs(text):
        font = run.face.at(size)
        draw.text((x, base), run.text, font=font, fill=fill, anchor="ls")
        x += font.getlength(run.text)


def is_right_to_left(text: str) -> bool:
    """Whether its first letter belongs to a script that is written from right to left."""
    directions = (unicodedata.bidirectional(each) for each in text)
    return next((each for each in directions if each in {"L", *_RIGHT_TO_LEFT}), "L") != "L"


@lru_cache(maxsize=1024)
def runs(text: str) -> tuple[Run, ...]:
    """`text` in as few fonts as possible, from left to right."""
    face = _face_for_all(text)
    if face is not None:
        return (Run(face, _ordered(text)),)
    pieces = [
        Run(face, _ordered("".join(characters for _, characters in group)))
        for face, group in groupby(_drawn(text), key=lambda each: each[0])
    ]
    return tuple(reversed(pieces) if is_right_to_left(text) else pieces)


def _face_for_all(text: str) -> Face | None:
    # Letters of right-to-left scripts are joined, and mixed directions ordered, only within one run: a font that
    # has the whole line is worth looking for.
    characters = sorted(set(text))
    for face in dict.fromkeys(face_for(each) for each in characters):
        if face is not None and all(face.draws(each) for each in characters):
            return face
    return None


def _drawn(text: str) -> Iterator[tuple[Face, str]]:
    """Each character, or its replacement, with the font that draws it."""
    face: Face | None = BUILT_IN
    for character in text:
        if _is_combining(character):
            # It belongs to the preceding letter, and means nothing in another font or beside a replacement.
            if face is not None and face.draws(character):
                yield face, character
        else:
            face = face_for(character)
            yield face or BUILT_IN, character if face is not None else spelling(character)


def _is_combining(character: str) -> bool:
    return (
        character in _JOINERS
        or ord(character) in _SKIN_TONES
        or unicodedata.category(character) in {"Mn", "Mc", "Me"}
    )


def _ordered(text: str) -> str:
    # Without shaping, at least the order is right.
    return text if _SHAPES_TEXT or not is_right_to_left(text) else text[::-1]


def _replacement(character: str) -> str:
    # Direction marks and the like leave no gap; line breaks do.
    return "" if unicodedata.category(character) == "Cf" else " "
