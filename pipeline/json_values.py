"""JSON values, and their canonical form, by which they are compared."""

import json
import math
import sys
from collections.abc import Callable, Mapping

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def canonical_json(value: object) -> str:
    """The canonical JSON of a value: keys sorted, no white space, Unicode unescaped, and 5.0 as 5.

    Raises:
        ValueError: it contains a NaN or an infinity, which JSON does not have.
        TypeError: it contains something that is not JSON.
    """
    return _encode(with_plain_numbers(value))


def canonical_encoder(default: Callable[[object], Json] | None = None) -> Callable[[object], str]:
    """An encoder for the canonical form of a value `with_plain_numbers`; `default` converts what is not JSON."""
    return json.JSONEncoder(
        sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=default
    ).encode


_encode = canonical_encoder()


def with_plain_numbers(value: object) -> object:
    """The value with 5.0 as 5, because JSON has only one type of number."""
    match value:
        case str() | int() | None:
            return value
        case float() if math.isfinite(value) and value.is_integer():
            return int(value)
        case dict() | Mapping():
            return {key: with_plain_numbers(inner) for key, inner in value.items()}
        case list() | tuple():
            return [with_plain_numbers(inner) for inner in value]
        case _:
            return value


def integer_of(digits: str) -> int | None:
    """An integer as JSON writes it, for readers of other people's JSON; None if it has more digits than Python reads.

    One such number would otherwise make the whole document unreadable.
    """
    return int(digits) if len(digits) <= sys.int_info.str_digits_check_threshold else None
