"""Renders texts with only names and dots in braces, such as `{{ image.vars.name }} in {{ season }}`, without Jinja.

Most texts of a manifest are of this kind. All others, and those that fail with the values at hand, are left to
Jinja: it gives the same result for every text rendered here (a property test checks this), and explains errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

from pipeline.record_limits import check_text

if TYPE_CHECKING:
    from pipeline.json_values import Json

# A name, then the steps from there to a value; `ANY` is any step, as a loop takes it.
Path = tuple[str | int | None, ...]
ANY: Final = None
# A literal text, or the names of a chain: `image.vars.name`.
Part = str | tuple[str, ...]

_DELIMITER: Final = re.compile(r"\{[{%#]")
_CHAIN: Final = re.compile(r"\{\{ *([A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*) *\}\}")
# Jinja takes these as names nowhere or not everywhere, and the guard refuses `self`.
_WORDS: Final = frozenset(
    {"and", "else", "false", "if", "in", "is", "none", "not", "or", "self", "true", "False", "None", "True"}
)
# A template with more than these may be too large, which the guard decides.
_MAX_PARTS: Final = 200
_MAX_DOTS: Final = 20


class Named(str):
    """A text with data: `{{ prompt }}` renders the text, and `{{ prompt.name }}` what `data` has under `name`."""

    __slots__ = ("data",)
    data: Mapping[str, object]

    def __new__(cls, text: str, data: Mapping[str, object]) -> Self:
        self = super().__new__(cls, text)
        self.data = data
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # It is pickled as part of a job's coordinates, which need only the text.
        return str, (str(self),)


class Declined(Exception):
    """Raised if only Jinja can render this, or say what is wrong."""


def parts_of(source: str) -> tuple[Part, ...] | None:
    """The parts of a template; None if it has more than literal texts and dotted names."""
    parts: list[Part] = []
    # As in Jinja, one line feed at the end is not part of the template. One with a carriage return is left to Jinja.
    text = source.removesuffix("\n")
    at = 0
    while delimiter := _DELIMITER.search(text, at):
        chain = _CHAIN.match(text, delimiter.start())
        names = () if chain is None else tuple(chain[1].split("."))
        if chain is None or len(names) > _MAX_DOTS or not _WORDS.isdisjoint(names):
            return None
        if at < chain.start():
            parts.append(text[at : chain.start()])
        parts.append(names)
        at = chain.end()
    if at < len(text):
        parts.append(text[at:])
    return None if len(parts) > _MAX_PARTS or "\r" in text else tuple(parts)


def text_of(parts: tuple[Part, ...], scope: Mapping[str, object]) -> str:
    """The text that the parts make with these values.

    Raises:
        Declined: something is missing, is not a plain value, or becomes too large.
    """
    try:
        text = "".join([part if type(part) is str else as_word(_found(part, scope)) for part in parts])
        check_text(text)
    except (LookupError, ValueError):
        raise Declined from None
    return text


def value_of(parts: tuple[Part, ...], scope: Mapping[str, object]) -> Json:
    """The value of the only part, a dotted name, with its type.

    Raises:
        Declined: as `text_of`.
    """
    try:
        value = _found(parts[0], scope)
        if value is None or isinstance(value, int | float):
            return value
        text = str(as_word(value))
        check_text(text)
    except (LookupError, ValueError):
        raise Declined from None
    return text


def as_word(value: object) -> str:
    """A plain value as it reads in a text: `true` and `false`, nothing for null, numbers as they are written.

    Raises:
        LookupError: it is not a plain value.
    """
    kind = type(value)
    if kind is str or kind is Named:
        return value  # type: ignore[return-value] # it is one of these
    if value is None:
        return ""
    if kind is bool:
        return "true" if value else "false"
    # Or a number that remembers how it was spelled.
    if isinstance(value, int | float):
        return str(value)
    raise LookupError


def _found(chain: Part, scope: Mapping[str, object]) -> object:
    value = scope[chain[0]]
    for name in chain[1:]:
        kind = type(value)
        if kind is dict or kind is MappingProxyType:
            value = value[name]  # type: ignore[index] # it is a mapping
        elif kind is Named:
            value = value.data[name]  # type: ignore[attr-defined] # it has some
        else:
            raise LookupError
    return value
