"""The filters and tests that templates may use, on plain data; no others can be reached.

They behave as Jinja's do, except: a value that is not a number is an error, not 0, unless a default is given;
`tojson` writes plain JSON; `split` is ours. Each raises ValueError with a message for people, or LookupError
if there is no result, for which `default` can step in.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from pipeline.manifest.templating.values import (
    as_json,
    as_text,
    checked_number,
    kind,
)
from pipeline.record_limits import LONGEST_TEXT

# Filters that only the guard sets: a name that begins with an underscore cannot be written in a template.
ITEMS: Final = "_items"
MEASURED: Final = "_measured"

_UNSET: Final = object()
# An apostrophe is part of a word, so that "don't" does not become "Don'T".
_WORD: Final = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def _text(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return as_text(value)
    raise ValueError(f"expected a text, found {kind(value)}")


def _list(value: object) -> list[object]:
    if isinstance(value, list | tuple | Mapping):
        return list(value)
    raise ValueError(f"expected a list, found {kind(value)}")


def _count(value: object) -> int:
    number = checked_number(value)
    if not isinstance(number, int):
        raise ValueError("expected a whole number")
    return number


def _abs(value: object) -> int | float:
    return abs(checked_number(value))


def _capitalize(value: object) -> str:
    return _text(value).capitalize()


def _first(value: object) -> object:
    items = _text(value) if isinstance(value, str) else _list(value)
    if not items:
        raise LookupError("an empty list or text has no first item")
    return items[0]


def _last(value: object) -> object:
    items = _text(value) if isinstance(value, str) else _list(value)
    if not items:
        raise LookupError("an empty list or text has no last item")
    return items[-1]


def _float(value: object, default: object = _UNSET) -> object:
    try:
        return checked_number(float(_text(value)))
    except ValueError:
        return _default_number(value, default)


def _int(value: object, default: object = _UNSET, base: object = 10) -> object:
    try:
        if isinstance(value, str):
            return checked_number(int(value, _count(base)))
        return checked_number(int(checked_number(value)))
    except ValueError:
        pass
    try:
        return checked_number(int(float(_text(value))))
    except (ValueError, OverflowError):
        return _default_number(value, default)


def _default_number(value: object, default: object) -> object:
    if default is _UNSET:
        shown = f"'{value[:40]}'" if isinstance(value, str) else kind(value)
        raise ValueError(f"{shown} is not a number; give a default if that may be")
    return default


def _join(value: object, d: object = "") -> str:
    separator = _text(d)
    parts = [_text(item) for item in _list(value)]
    if sum(map(len, parts)) + len(separator) * len(parts) > 2 * LONGEST_TEXT:
        raise ValueError("the joined text becomes too long")
    return separator.join(parts)


def _length(value: object) -> int:
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise ValueError(f"expected a text or a list, found {kind(value)}")


def _lower(value: object) -> str:
    return _text(value).lower()


def _max(value: object) -> object:
    if not (items := _sort(value)):
        raise LookupError("an empty list has no largest item")
    return items[-1]


def _min(value: object) -> object:
    if not (items := _sort(value)):
        raise LookupError("an empty list has no smallest item")
    return items[0]


def _replace(value: object, old: object, new: object, count: object = -1) -> str:
    text, before, after, times = _text(value), _text(old), _text(new), _count(count)
    found = text.count(before) if times < 0 else min(times, text.count(before))
    if len(text) + found * (len(after) - len(before)) > LONGEST_TEXT:
        raise ValueError("'replace' makes the text too long")
    return text.replace(before, after, times)


def _round(value: object, precision: object = 0, method: object = "common") -> float:
    number, digits = checked_number(value), _count(precision)
    if not -18 <= digits <= 18:
        raise ValueError("the precision of 'round' lies between -18 and 18")
    if method == "common":
        return float(round(number, digits))
    rounding = {"ceil": math.ceil, "floor": math.floor}.get(_text(method))
    if rounding is None:
        raise ValueError("the method of 'round' is 'common', 'ceil' or 'floor'")
    return float(checked_number(rounding(number * 10.0**digits) / 10.0**digits))


def _sort(value: object, reverse: object = False, case_sensitive: object = False) -> list[object]:
    items = _list(value)
    if all(isinstance(item, str) for item in items):
        texts = [_text(item) for item in items]
        return [*sorted(texts, key=_text if case_sensitive else _lower, reverse=bool(reverse))]
    if all(isinstance(item, int | float) for item in items):
        return [*sorted((checked_number(item) for item in items), reverse=bool(reverse))]
    raise ValueError("only a list of texts, or of numbers, has an order")


def _split(value: object, separator: object = None) -> list[object]:
    if separator == "":
        raise ValueError("'split' needs a separator that is not empty")
    return list(_text(value).split(None if separator is None else _text(separator)))


def _string(value: object) -> str:
    return as_text(value)


def _title(value: object) -> str:
    return _WORD.sub(lambda word: word[0].capitalize(), _text(value))


def _tojson(value: object) -> str:
    return json.dumps(as_json(value), ensure_ascii=False)


def _trim(value: object, chars: object = None) -> str:
    return _text(value).strip(None if chars is None else _text(chars))


def _truncate(
    value: object, length: object = 255, killwords: object = False, end: object = "...", leeway: object = 5
) -> str:
    text, most, ending = _text(value), _count(length), _text(end)
    if most < len(ending):
        raise ValueError(f"'truncate' to {most} leaves no room for its end, '{ending[:20]}'")
    if len(text) <= most + _count(leeway):
        return text
    kept = text[: most - len(ending)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + ending


def _unique(value: object, case_sensitive: object = False) -> list[object]:
    seen: dict[str, object] = {}
    for item in _list(value):
        word = _tojson(item)
        seen.setdefault(word if case_sensitive else word.lower(), item)
    return list(seen.values())


def _upper(value: object) -> str:
    return _text(value).upper()


def _urlencode(value: object) -> str:
    if isinstance(value, Mapping):
        return urlencode({as_text(key): _text(inner) for key, inner in value.items()})
    return quote(_text(value), safe="/")


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "abs": _abs,
    "capitalize": _capitalize,
    "first": _first,
    "float": _float,
    "int": _int,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": _lower,
    "max": _max,
    "min": _min,
    "replace": _replace,
    "round": _round,
    "sort": _sort,
    "split": _split,
    "string": _string,
    "title": _title,
    "tojson": _tojson,
    "trim": _trim,
    "truncate": _truncate,
    "unique": _unique,
    "upper": _upper,
    "urlencode": _urlencode,
}


def _divisible(value: object, by: object) -> bool:
    return _count(value) % _count(by) == 0


def _is_in(value: object, container: object) -> bool:
    if isinstance(container, str):
        return _text(value) in container
    return value in _list(container)


TESTS: Final[Mapping[str, Callable[..., bool]]] = {
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "even": lambda value: _divisible(value, 2),
    "odd": lambda value: not _divisible(value, 2),
    "divisibleby": _divisible,
    "in": _is_in,
    "eq": lambda value, other: bool(value == other),
    "ne": lambda value, other: bool(value != other),
    "lt": lambda value, other: bool(value < other),
    "le": lambda value, other: bool(value <= other),
    "gt": lambda value, other: bool(value > other),
    "ge": lambda value, other: bool(value >= other),
}
