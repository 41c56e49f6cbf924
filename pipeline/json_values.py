"""Values of JSON, and the one spelling by which they are compared."""

import json
import math
from collections.abc import Callable, Mapping

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def canonical_json(value: object) -> str:
    """JSON with one spelling per value: keys sorted, no white space, unicode as it is, and 5.0 as 5.

    Raises:
        ValueError: a NaN or an infinity, which JSON does not have.
        TypeError: something that is not JSON.
    """
    return _encode(with_plain_numbers(value))


def canonical_encoder(default: Callable[[object], Json] | None = None) -> Callable[[object], str]:
    """An encoder with that spelling, for a value `with_plain_numbers`; `default` turns what is not JSON into it."""
    return json.JSONEncoder(
        sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=default
    ).encode


_encode = canonical_encoder()


def with_plain_numbers(value: object) -> object:
    """The value with 5.0 as 5: numbers compare as JSON knows them, which has one kind only."""
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
