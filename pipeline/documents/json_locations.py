"""Where in a JSON text a value stands. Its reader keeps no positions, so this reads again once one is wrong."""

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline import record_limits
from pipeline.documents.node import Finding, dotted
from pipeline.errors import Position, Problem

Path = tuple[str | int, ...]

_BLANK = re.compile(r"[ \t\n\r]*")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)
# Records are lists of rows: values are read key by key down to this depth, and whole below it, which is fast, and
# holds only one row of a million in memory at a time.
_ROWS = 2


@dataclass(frozen=True, slots=True)
class DoubleKey:
    """A key that occurs twice in one object, with the offsets of both."""

    key: str
    first: int
    second: int


class _Twice(Exception):
    """A key occurs twice."""


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _Twice


_PLAIN = json.JSONDecoder()
_STRICT = json.JSONDecoder(object_pairs_hook=_each_once)


def located(findings: Iterable[Finding], text: str, name: str) -> list[Problem]:
    """`findings` about a JSON text, each with its position: that of the value, or of the nearest one around it.

    `name` is that of the file for messages. The text was read before: it is JSON.
    """
    found = list(findings)
    offsets = _offsets(text, {each.path[:length] for each in found for length in range(len(each.path) + 1)})
    problems = []
    for each in found:
        nearest = next(
            each.path[:length]
            for length in range(len(each.path), -1, -1)
            if length == 0 or each.path[:length] in offsets
        )
        key_at, value_at = offsets[nearest]
        line, column = position(text, key_at if each.at_key else value_at)
        problems.append(Problem(each.message, Position(name, line, column), dotted(each.path)))
    return problems


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def double_key(text: str) -> DoubleKey | None:
    """The first key that occurs twice in one object; None where none does before the text ends or is no JSON."""
    try:
        _refuse_double(text, _after_blank(text, 0), 0)
    except _Twice as found:
        double: DoubleKey = found.args[0]
        return double
    except (ValueError, IndexError):
        return None
    return None


def too_deep(text: str) -> int:
    """The offset of the first bracket that is nested deeper than records may be; 0 where none is."""
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += (found[1] is not None) - (found[2] is not None)
        if depth > record_limits.DEEPEST:
            return found.start()
    return 0


def _offsets(text: str, wanted: Collection[Path]) -> dict[Path, tuple[int, int]]:
    """By path: the offsets of its key and its value, for those that are wanted and there."""
    start = _after_blank(text, 0)
    offsets: dict[Path, tuple[int, int]] = {(): (start, start)}

    def end_of(path: Path, key_at: int, value_at: int) -> int:
        is_wanted = path in wanted
        if is_wanted:
            offsets[path] = key_at, value_at
        if text[value_at] not in "{[" or not (is_wanted or len(path) < _ROWS):
            return _PLAIN.raw_decode(text, value_at)[1]
        return _walk(text, value_at, lambda step, *offsets: end_of((*path, step), *offsets))

    end_of((), start, start)
    return offsets


def _refuse_double(text: str, at: int, depth: int) -> int:
    """The end of the value at `at`, in which no key occurs twice; `depth` is how many are around it.

    Raises:
        _Twice: one does.
    """
    if text[at] not in "{[":
        return _PLAIN.raw_decode(text, at)[1]
    if depth >= _ROWS:
        try:
            return _STRICT.raw_decode(text, at)[1]
        except _Twice:
            pass  # now it is read key by key, to find where
    seen: dict[str, int] = {}

    def end_of(step: str | int, key_at: int, value_at: int) -> int:
        if isinstance(step, str):
            first = seen.setdefault(step, key_at)
            if first != key_at:
                raise _Twice(DoubleKey(step, first, key_at))
        return _refuse_double(text, value_at, depth + 1)

    return _walk(text, at, end_of)


def _walk(text: str, at: int, end_of: Callable[[str | int, int, int], int]) -> int:
    """The end of the object or list at `at`; `end_of` gets the key or index, its offset, and that of the value."""
    is_object = text[at] == "{"
    at, number = _after_blank(text, at + 1), 0
    while text[at] not in "}]":
        key_at, step = at, number
        if is_object:
            step, at = _PLAIN.raw_decode(text, at)
            at = _after_blank(text, _after_blank(text, at) + 1)  # past the colon
        at = _after_blank(text, end_of(step, key_at, at))
        number += 1
        if text[at] == ",":
            at = _after_blank(text, at + 1)
    return at + 1


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()
