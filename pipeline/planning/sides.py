"""Shows both sides of a change, old → new, as text: in plans, and in the comments that CI makes of them.

The latter are made where nothing is installed, so this needs Python's standard library only.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.errors import printable
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

# Letters that look like those of the Latin alphabet: Cyrillic ones, then Greek ones.
_LATIN = str.maketrans(
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443\u04bb\u0501\u051b\u051d"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425\u0423\u0406\u0405\u0408"
    "\u03bf\u03bd\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
    "aceijopsxyhdqwABEKMHOPCTXYISJovABEZHIKMNOPTYX",
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
        alike = _look_alike(each.old, each.new)
        yield f"{_spans(each.old, 'red', paint, alike)} → {_spans(each.new, 'green', paint, alike)}"


def _look_alike(one: Iterable[Span], other: Iterable[Span]) -> bool:
    """Whether two texts differ only in their Unicode form, as a composed and a decomposed é do, or in an alphabet."""
    texts = ("".join(span.text for span in each) for each in (one, other))
    composed = [unicodedata.normalize("NFC", text).translate(_LATIN) for text in texts]
    return composed[0] == composed[1]


def _spans(spans: Iterable[Span], colour: Colour, paint: Paint, alike: bool) -> str:
    parts = list(spans)
    shown = ((_visible(span.text, alike and span.changed), span.changed) for span in parts)
    painted = "".join(paint(text, colour) if changed else text for text, changed in shown)
    whole = "".join(span.text for span in parts)
    return f'"{painted}"' if whole != whole.strip(" ") or not whole else painted


def _visible(text: str, in_ascii: bool) -> str:
    """Escape characters in `text` that look like a space or are invisible, so that different texts look different.

    Where that is not enough, `in_ascii` escapes all but ASCII.
    """
    if in_ascii:
        return printable(text.encode("ascii", "backslashreplace").decode("ascii"), _LONGEST_SPAN)
    return _LOOKS_LIKE_NOTHING.sub(
        lambda found: found[0].encode("unicode_escape").decode("ascii"), printable(text, _LONGEST_SPAN)
    )


def _value(value: Any) -> str:
    text = "—" if value is None else printable(value if isinstance(value, str) else _as_json(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
