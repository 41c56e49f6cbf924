"""Shows both sides of a change, old → new, as text: in plans, and in the comments that CI makes of them.

The latter are made where nothing is installed, so this needs Python's standard library only.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.errors import printable
from pipeline.lookalikes import in_ascii, look_alike
from pipeline.planning.paint import Colour, Paint, unpainted
from pipeline.planning.word_diff import Span, text_changes

_LONGEST_VALUE = 120
# Unprintable characters are escaped, which takes up to ten times the length.
_LONGEST_SPAN = 4000
# Spaces other than U+0020, variation selectors, joiners, and Hangul fillers.
_LOOKS_LIKE_NOTHING = re.compile(
    "[\u00a0\u034f\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200a\u202f\u205f"
    "\u2800\u3000\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def shown_sides(old: Any, new: Any, paint: Paint = unpainted) -> Iterator[str]:
    """A line for each change from `old` to `new` (JSON values), with the changed words in colour."""
    if old is None or new is None:
        yield f"{paint(_value(old), 'red')} → {paint(_value(new), 'green')}"
        return
    if not (isinstance(old, str) and isinstance(new, str)):
        # The text "5" and the number 5 are different requests, so they must look different.
        old, new = _as_json(old), _as_json(new)
    for each in text_changes(old, new):
        alike = _are_alike(each.old, each.new)
        yield f"{_spans(each.old, 'red', paint, alike)} → {_spans(each.new, 'green', paint, alike)}"


def _are_alike(one: Iterable[Span], other: Iterable[Span]) -> bool:
    return look_alike("".join(span.text for span in one), "".join(span.text for span in other))


def _spans(spans: Iterable[Span], colour: Colour, paint: Paint, alike: bool) -> str:
    parts = list(spans)
    shown = ((_visible(span.text, alike and span.changed), span.changed) for span in parts)
    painted = "".join(paint(text, colour) if changed else text for text, changed in shown)
    whole = "".join(span.text for span in parts)
    return f'"{painted}"' if whole != whole.strip(" ") or not whole else painted


def _visible(text: str, escapes_all: bool) -> str:
    """Escape characters in `text` that look like a space or are invisible, so that different texts look different.

    Where that is not enough, `escapes_all` leaves only ASCII.
    """
    if escapes_all:
        return printable(in_ascii(text), _LONGEST_SPAN)
    return _LOOKS_LIKE_NOTHING.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"), printable(text, _LONGEST_SPAN)
    )


def _value(value: Any) -> str:
    text = "—" if value is None else printable(value if isinstance(value, str) else _as_json(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
