"""Text on a picture: the request in words, and as a strip of colours; and the number that varies a picture."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PIL import Image, ImageDraw

from pipeline.emulator.drawing import Colour, Patch, Picture, seed_of
from pipeline.emulator.lettering import draw_line, is_right_to_left, printable, width

if TYPE_CHECKING:
    from pipeline.emulator.settings import Size
    from pipeline.emulator.workflow import Workflow
    from pipeline.json_values import Json

# Text in smaller frames is unreadable, and tests with tiny frames should be fast.
_MIN_SIDE_FOR_TEXT = 100
# A prompt may be 64 KiB of anything; a long one is cut in the middle.
_MAX_HEAD, _MAX_TAIL = 300, 120
_MAX_WORD = 14

_INK = (18, 20, 34)
_LINE_HEIGHT = 1.32
_STRIP_CELLS = 16
_STRIP_COLOURS: tuple[Colour, ...] = ((238, 64, 74), (255, 205, 66), (46, 196, 132), (56, 118, 236))


@dataclass(frozen=True, slots=True)
class Caption:
    """Small pictures to be laid over a frame, each at its position: cheaper than one as large as the frame."""

    patches: tuple[Patch, ...] = ()

    def __add__(self, other: Caption) -> Caption:
        return Caption((*self.patches, *other.patches))

    def draw_on(self, frame: Picture) -> Picture:
        """Draw it on `frame`, which is changed and returned."""
        for patch, position in self.patches:
            frame.paste(patch, position, patch if patch.mode == "RGBA" else None)
        return frame


def badges(size: Size, left: Sequence[str], right: str, colour: Colour) -> Caption:
    """`left` in the upper left corner, one below the other, and `right`, in `colour`, in the upper right one."""
    if min(size.width, size.height) < _MIN_SIDE_FOR_TEXT:
        return Caption()
    unit = _unit(size)
    margin = int(4 * unit)
    top = margin + _strip_height(size)
    tag = _badge(right, int(4.6 * unit), size.width // 2, colour)
    patches = [(tag, (size.width - margin - tag.width, top))]
    # Only the first one on the left has the tag beside it.
    room, bottom = size.width - 3 * margin - tag.width, top + tag.height
    for text in left:
        badge = _badge(text, int(3.6 * unit), room, _INK)
        patches.append((badge, (margin, top)))
        top = bottom = max(top + badge.height, bottom) + int(1.2 * unit)
        room = size.width - 2 * margin
    return Caption(tuple(patches))


def title(size: Size, text: str) -> Caption:
    """`text` in the upper half, where badges and a foot leave room."""
    if min(size.width, size.height) < _MIN_SIDE_FOR_TEXT:
        return Caption()
    badge = _badge(text, int(4 * _unit(size)), size.width * 4 // 5, _INK)
    return Caption(((badge, ((size.width - badge.width) // 2, size.height * 3 // 8)),))


def foot(size: Size, text: str, note: str) -> Caption:
    """`text`, large, and `note` below it, at the foot: in as many rows as they need, up to a limit."""
    if min(size.width, size.height) < _MIN_SIDE_FOR_TEXT:
        return Caption()
    unit = _unit(size)
    large, small = int(5 * unit), int(3.7 * unit)
    margin, padding = int(4 * unit), int(2.4 * unit)
    room = size.width - 2 * margin - 2 * padding
    # A frame that is not wide has more room below the subject.
    most, most_small = (4, 3) if size.height >= size.width else (3, 2)
    rows = [(row, large) for row in _wrapped(text, large, room, most=most)]
    rows += [(row, small) for row in _wrapped(note, small, room, most=most_small)]
    if not rows:
        return Caption()
    # Some fonts have a single character that is wider than a row.
    widest = min(room, math.ceil(max(width(row, font_size) for row, font_size in rows)))
    height = int(sum(font_size * _LINE_HEIGHT for _, font_size in rows)) + 2 * padding
    box = _rounded((widest + 2 * padding, height), padding, (*_INK, 200))
    draw = ImageDraw.Draw(box)
    y = float(padding)
    for row, font_size in rows:
        x = padding + (widest - width(row, font_size) if is_right_to_left(row) else 0)
        draw_line(draw, (x, y), row, font_size, (255, 255, 255, 255 if font_size == large else 214))
        y += font_size * _LINE_HEIGHT
    return Caption(((box, (margin, size.height - margin - height - _strip_height(size))),))


def strip(size: Size, seed: int, *, at_top: bool = False) -> Caption:
    """A strip of colours along an edge. It makes seeds easy to distinguish, even in frames too small for text."""
    height = _strip_height(size)
    strip = Image.new("RGB", (size.width, height))
    draw = ImageDraw.Draw(strip)
    for cell in range(_STRIP_CELLS):
        colour = _STRIP_COLOURS[seed >> 2 * cell & 3]
        start, end = (size.width * number // _STRIP_CELLS for number in (cell, cell + 1))
        draw.rectangle((start, 0, end, height), fill=colour)
    return Caption(((strip, (0, 0 if at_top else size.height - height)),))


def strip_colour(seed: int) -> Colour:
    """The single colour for `seed`, for a place with room for only one; dark enough for white text on it."""
    red, green, blue = _STRIP_COLOURS[seed & 3]
    return red // 2, green // 2, blue // 2


def _unit(size: Size) -> float:
    return min(size.width, size.height) / 100


def _strip_height(size: Size) -> int:
    return max(4, min(size.width, size.height) // 60)


def _badge(text: str, font_size: int, room: int, colour: Colour) -> Picture:
    padding = int(font_size * 0.6)
    [row] = _wrapped(text, font_size, room - 2 * padding, most=1) or [""]
    height = int(font_size * 1.7)
    badge = _rounded((int(width(row, font_size)) + 2 * padding, height), height // 2, (*colour, 220))
    draw_line(ImageDraw.Draw(badge), (padding, font_size * 0.2), row, font_size, (255, 255, 255, 244))
    return badge


def _rounded(size: tuple[int, int], radius: int, fill: tuple[int, ...]) -> Picture:
    # Drawn larger, for smooth corners.
    mask = Image.new("L", (size[0] * 3, size[1] * 3))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, mask.width - 1, mask.height - 1), radius * 3, fill=fill[3])
    box = Image.new("RGBA", size, fill[:3])
    box.putalpha(mask.resize(size, Image.Resampling.BOX))
    return box


def _wrapped(text: str, font_size: int, room: float, *, most: int) -> list[str]:
    """`text` in at most `most` rows of `room` pixels. A longer text loses its middle, as both ends may matter."""
    whole = text if len(text) <= _MAX_HEAD + _MAX_TAIL else f"{text[:_MAX_HEAD]} … {text[-_MAX_TAIL:]}"
    words = [part for word in printable(whole).split() for part in _parts(word, font_size, room)]
    rows: list[str] = []
    while words:
        if len(rows) == most - 1:
            return [*rows, _shortened(" ".join(words), font_size, room)]
        row, words = _first_row(words, font_size, room)
        rows.append(row)
    return rows


def _first_row(words: list[str], font_size: int, room: float) -> tuple[str, list[str]]:
    """As many words as fit in one row, and the rest."""
    row, *others = words
    while others and width(f"{row} {others[0]}", font_size) <= room:
        row = f"{row} {others.pop(0)}"
    return row, others


def _parts(word: str, font_size: int, room: float) -> Iterator[str]:
    """`word` in pieces no wider than a row, for scripts without spaces and long urls."""
    while word:
        end = _row_length(word, font_size, room)
        yield word[:end]
        word = word[end:]


def _row_length(word: str, font_size: int, room: float) -> int:
    """How many characters of `word` fit in one row: at least one, and no letter without its marks."""
    end = _most(len(word), lambda length: width(word[:length], font_size) <= room)
    while 1 < end < len(word) and unicodedata.combining(word[end]):
        end -= 1
    return max(end, 1)


def _shortened(text: str, font_size: int, room: float) -> str:
    if width(text, font_size) <= room:
        return text

    def cut(kept: int) -> str:
        head, tail = text[: kept - kept // 2], text[len(text) - kept // 2 :]
        # Cut at whole words, unless that removes too much.
        before, after = head.rpartition(" ")[0], tail.partition(" ")[2]
        head = before if len(head) - len(before) <= _MAX_WORD else head
        tail = after if len(tail) - len(after) <= _MAX_WORD else tail
        return f"{head}…{tail}"

    return cut(_most(len(text), lambda kept: width(cut(kept), font_size) <= room))


def _most(limit: int, has_room: Callable[[int], bool]) -> int:
    """The largest number up to `limit` that fits, by bisection; 0 if none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if has_room(middle) else (low, middle - 1)
    return low


# The options in which people write what they want to see; the first one present is shown large.
_TEXT_OPTIONS = ("prompt", "image_description", "product_name", "song_theme", "job_description", "user_name")
# Their urls have their own badges.
_SHOWN_ELSEWHERE = {"background_urls"}


def text_of(workflow: Workflow) -> str:
    """The prompt, or the option most like one; empty if there is none."""
    name = _text_option(workflow)
    return "" if name is None else str(workflow.options[name])


def note_of(workflow: Workflow, *more: str) -> str:
    """The template, `more`, and all options except the text."""
    hidden = {*_SHOWN_ELSEWHERE, _text_option(workflow)}
    options = [f"{name} {_readable(value)}" for name, value in workflow.options.items() if name not in hidden]
    return " · ".join((workflow.template_id.replace("_", " "), *more, *options))


def request_seed(workflow: Workflow) -> int:
    """A number that depends on the template, the options and the take, and on nothing else."""
    asked = [workflow.template_id, workflow.options, workflow.take]
    return seed_of(json.dumps(asked, sort_keys=True))


def short_url(url: str) -> str:
    """A url without its secret or long parts."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable url"
    return f"{host}{parts.path}" if host else url


def _text_option(workflow: Workflow) -> str | None:
    options = workflow.options
    return next(
        (name for name in _TEXT_OPTIONS if options.get(name) and isinstance(options[name], str)), None
    )


def _readable(value: Json) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return short_url(text) if "://" in text else text
