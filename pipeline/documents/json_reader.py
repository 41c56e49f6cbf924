"""Reads JSON that may come from a stranger: refuses what is ambiguous or could not be written again."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline import record_limits
from pipeline.documents.json_locations import double_key, position, too_deep
from pipeline.documents.yaml_messages import quoted
from pipeline.errors import InvalidInput, Position, Problem

if TYPE_CHECKING:
    from pipeline.json_values import Json

# An escaped backslash begins no escape, and the two halves of a surrogate pair are one character.
_HIGH, _LOW = r"[dD][89abAB][0-9a-fA-F]{2}", r"[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES = re.compile(rf"\\(?:u{_HIGH}\\u{_LOW}|u([0-9a-fA-F]{{4}})|.)", re.DOTALL)
_WHOLE_NUMBERS = re.compile(r'"(?:[^"\\]|\\.)*"|\d+[.eE][\d.eE+-]*|(\d+)', re.DOTALL)
_CONSTANTS = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)', re.DOTALL)


class _KeyTwice(ValueError):
    """A key occurs twice in one object."""


def parse_json(text: str, name: str) -> Json:
    """The value of a JSON text; `name` is its name in messages.

    Raises:
        InvalidInput: it is not JSON, repeats a key, holds NaN or an infinity, or is nested too deep.
    """
    try:
        parsed: Json = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        _refuse(name, f"not JSON: {error.msg}", error.lineno, error.colno)
    except RecursionError:
        _refuse_deep(text, name)
    except _KeyTwice:
        if (double := double_key(text)) is None:
            _refuse(name, "not valid JSON: a key occurs twice in one object")
        line, column = position(text, double.first)
        message = f"the key {quoted(double.key)} is written twice, first at {Position(name, line, column)}"
        _refuse(name, message, *position(text, double.second))
    except ValueError as error:
        at, digits = _first_long_number(text)
        if digits:
            _refuse(name, f"a number of {digits:,} digits is larger than any record has", *position(text, at))
        _refuse(name, f"not valid JSON: {error}", *position(text, _first_constant(text)))
    # Only an escape can spell a code point that is not a character.
    may_hold_any = "\\u" in text
    level, depth = [parsed], 0
    while level:
        if depth > record_limits.DEEPEST:
            _refuse_deep(text, name)
        if may_hold_any and not all(map(_is_storable, level)):
            message = "an escape that stands for no character that can be written"
            _refuse(name, message, *position(text, _first_unstorable(text)))
        level = [inner for each in level for inner in _parts(each)]
        depth += 1
    return parsed


def _first_unstorable(text: str) -> int:
    """The offset of the first escape that is NUL or half of a surrogate pair; 0 if there is none."""
    for found in _ESCAPES.finditer(text):
        if found[1] is not None and not record_limits.is_storable(chr(int(found[1], 16))):
            return found.start()
    return 0


def _first_constant(text: str) -> int:
    """The offset of the first NaN or infinity; 0 if there is none."""
    return next((found.start() for found in _CONSTANTS.finditer(text) if found[1] is not None), 0)


def _first_long_number(text: str) -> tuple[int, int]:
    """The offset of the first whole number with more digits than Python reads, and their number; 0, 0 if none."""
    most = sys.get_int_max_str_digits()
    for found in _WHOLE_NUMBERS.finditer(text):
        if most and found[1] is not None and len(found[1]) > most:
            return found.start(1), len(found[1])
    return 0, 0


def _is_storable(value: Json) -> bool:
    if isinstance(value, dict):
        return all(map(record_limits.is_storable, value))
    return not isinstance(value, str) or record_limits.is_storable(value)


def _parts(value: Json) -> Iterable[Json]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _KeyTwice
    return made


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _refuse_deep(text: str, name: str) -> NoReturn:
    _refuse(name, f"nested more than {record_limits.DEEPEST} levels deep", *position(text, too_deep(text)))


def _refuse(name: str, message: str, line: int = 1, column: int = 1) -> NoReturn:
    raise InvalidInput(Problem(message, Position(name, line, column)))
