"""JSON from outside: only what can be kept in a file and sent back again."""

import json
import math
from typing import cast

from pipeline.jobs import Json

# Reading it, and writing it into a workflow's file, keeps every other call waiting.
_MAX_LENGTH = 4 << 20
# Python's own limit depends on how deep the caller stands already.
_MAX_DEPTH = 100


def parse_json(text: str | bytes) -> Json:
    """Read JSON.

    Raises:
        ValueError: it is none, too long or too deep, or has a number or a text that cannot be written again.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError("too long")
    try:
        value = cast("Json", json.loads(text, parse_constant=_refuse_constant, parse_float=_finite))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check(value)
    return value


def is_unicode(text: str) -> bool:
    """Whether `text` can be encoded: JSON can spell half a surrogate pair, which is no character."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _check(value: Json) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        deeper: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                deeper.extend(each)
                deeper.extend(each.values())
            elif isinstance(each, list):
                deeper.extend(each)
            elif isinstance(each, str) and not is_unicode(each):
                raise ValueError("not Unicode")
        level = deeper


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number
