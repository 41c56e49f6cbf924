"""Joins surrogate pairs: JSON spells a character beyond U+FFFF as two escapes, which YAML's parser refuses."""

import re
from collections.abc import Iterator

from pipeline.documents.shortened import Shorter

# An escaped backslash begins no escape.
_ESCAPES = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_HALF = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def without_halves(text: str) -> str:
    """`text` as YAML's parser accepts it: all else stays in its place."""
    return _HALF.sub(r"\\u0020", text)


def pairs_in(text: str, start: int, end: int) -> Iterator[Shorter]:
    """Each pair in the text in double quotes from `start` to `end`, as YAML's parser accepts it."""
    for found in _ESCAPES.finditer(text, start, end):
        if found[1] is not None:
            yield Shorter(found.start(), found.end(), joined_pair(found[1], found[2]))


def joined_pair(high: str, low: str) -> str:
    """YAML's single escape for the character with these halves."""
    return f"\\U{0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00:08x}"


def join_pairs(quoted: str) -> str:
    """A text in double quotes as YAML's parser accepts it."""
    return _ESCAPES.sub(lambda found: joined_pair(found[1], found[2]) if found[1] else found[0], quoted)
