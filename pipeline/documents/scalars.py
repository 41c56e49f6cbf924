"""The meaning of unquoted YAML words: the core rules of YAML 1.2, narrowed to what JSON holds and people mean.

`no`, `on`, `12:30` and `2026-02-31` are text. A word whose value would not be what it looks like (`007`, a
number of thirty digits, `.nan`) is refused, with advice on how to write what is meant.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from pipeline.record_limits import LARGEST_INTEGER

if TYPE_CHECKING:
    from pipeline.documents.node import Location, Scalar

_MAX_DIGITS = len(str(LARGEST_INTEGER - 1))

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Every word that is not text begins with one of these, so the first character decides for most words.
_FIRST = frozenset("-+.0123456789~ntfNTF")


class SpelledInt(int):
    """A whole number that a text spells differently than it was written: `+5` as 5. Otherwise like any other.

    `location` is where it was written; None if that is not a file.
    """

    spelling: str = ""
    location: Location | None = None

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        # Only the reader's own copy needs its location.
        return int, (int(self),)


class SpelledFloat(float):
    """A number with a fraction that a text spells differently than it was written: `19.90` as 19.9."""

    spelling: str = ""
    location: Location | None = None

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


Spelled = SpelledInt | SpelledFloat


def resolve(word: str) -> Scalar:
    """The value of an unquoted word.

    Raises:
        ValueError: it is a number that cannot be kept as it is written; the message says what to do.
    """
    if word in _WORDS:
        return _WORDS[word]
    if word[0] not in _FIRST:
        return word
    if _INTEGER.fullmatch(word):
        return _spelled_as(word, _integer(word))
    if _OTHER_BASE.fullmatch(word):
        return _spelled_as(word, _of_other_base(word))
    if _NOT_FINITE.fullmatch(word):
        raise ValueError(f"{word} is not a number that can be sent; quote it if it is text")
    if _FLOAT.fullmatch(word):
        return _spelled_as(word, _float(word))
    return word


def _spelled_as(word: str, number: float) -> float:
    if str(number) == word:
        return number
    spelled: Spelled = SpelledInt(number) if isinstance(number, int) else SpelledFloat(number)
    spelled.spelling = word
    return spelled


def _integer(word: str) -> int:
    digits = word.lstrip("+-")
    if len(digits) > _MAX_DIGITS:
        raise ValueError(
            f"a number of {len(digits):,} digits; at most {_MAX_DIGITS} are kept; quote it if it is text"
        )
    if len(digits) > 1 and digits.startswith("0"):
        raise ValueError(
            f"a number with a leading zero; write '{word}' in quotes if it is text, else drop the zero"
        )
    return int(word)


def _of_other_base(word: str) -> int:
    if len(word) > _MAX_DIGITS:
        raise ValueError("a number of too many digits; quote it if it is text")
    number = int(word, 0)
    if number >= LARGEST_INTEGER:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits; quote it if it is text")
    return number


def _float(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError("a number that is too large; quote it if it is text")
    return number
