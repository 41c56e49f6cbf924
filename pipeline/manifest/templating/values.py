"""The values that templates see, how they read as text, and what handling them costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, UndefinedError
from jinja2.utils import missing

from pipeline.manifest.templating import UnknownName
from pipeline.manifest.templating.dotted import Named, as_word
from pipeline.record_limits import LARGEST_INTEGER, check_text

if TYPE_CHECKING:
    from pipeline.json_values import Json

_MAX_STEPS: Final = 500_000
_CHARACTERS_PER_STEP: Final = 8


class Missing(StrictUndefined):
    """A missing value: any use is an error that names it and similar names; only `default` and `is defined` take it.

    `known` are the names that exist. They are compared only when the error is reported, as `default` replaces
    most missing values.
    """

    __slots__ = ("_known",)

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,  # the library's own signature
        name: str | None = None,
        exc: type[UndefinedError] = UndefinedError,
        known: Iterable[str] = (),
    ) -> None:
        super().__init__(hint, obj, name, exc)
        self._known = known

    @property
    def _undefined_message(self) -> str:
        name = self._undefined_name or ""
        return (
            self._undefined_hint
            or _in_vars(name, self._known)
            or UnknownName(f"'{name[:60]}' is undefined", name, self._known)
        )

    @property
    def error(self) -> UndefinedError:
        """The error to raise when it is used."""
        return UndefinedError(self._undefined_message)


def _in_vars(name: str, known: Iterable[str]) -> str | None:
    """The message for a name that is not `known`, but that the vars there, or of a value there, have."""
    if not isinstance(known, Mapping):
        return None
    if name in vars_of(known):
        return f"'{name[:60]}' is undefined, but its vars have it: write '.vars.{name[:60]}'"
    holder = next((each for each, value in known.items() if name in vars_of(value)), None)
    return holder and f"'{name[:60]}' is undefined; did you mean '{holder}.vars.{name[:60]}'?"


def vars_of(value: object) -> Mapping[object, object]:
    """The vars that an image, a prompt or a value from a table has; none for all else."""
    data = value.data if isinstance(value, Named) else value
    found = data.get("vars") if isinstance(data, Mapping) else None
    return found if isinstance(found, Mapping) else {}


class Budget:
    """The work that a render may still do, in steps of about half a microsecond."""

    def __init__(self) -> None:
        self._left = _MAX_STEPS

    def spend(self, steps: int) -> None:
        """Deduct `steps`.

        Raises:
            ValueError: fewer are left.
        """
        self._left -= steps
        if self._left < 0:
            raise ValueError("this does too much work for a template; loop over less")

    def measure(self, value: object) -> int:
        """Spend what it costs to look at all of `value`; returns the number of steps."""
        match value:
            case str():
                steps = 1 + len(value) // _CHARACTERS_PER_STEP
            case Mapping():
                self.spend(1 + len(value))
                return 1 + len(value) + sum(self.measure(inner) for inner in value.values())
            case list() | tuple():
                self.spend(1)
                return 1 + sum(self.measure(inner) for inner in value)
            case _:
                steps = 1
        self.spend(steps)
        return steps


def checked_text(text: str) -> str:
    """`text`, if it can be sent.

    Raises:
        ValueError: it is longer than 64 KiB, or has code points that are not characters, from escapes.
    """
    check_text(text)
    return text


def checked_number(number: object) -> int | float:
    """`number`, if JSON can hold it.

    Raises:
        ValueError: it is not a number, not finite, or an integer of more than 18 digits.
    """
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"expected a number, found {kind(number)}")
    if isinstance(number, int) and abs(number) >= LARGEST_INTEGER:
        raise ValueError("the number becomes too large: more than 18 digits")
    if not math.isfinite(number):
        raise ValueError("the number becomes too large")
    return number


def as_text(value: object) -> str:
    """A value as it reads in a text: `true` and `false`, nothing for null, numbers as they are written.

    Raises:
        ValueError: it is a list or a mapping, which has no single spelling.
    """
    match value:
        case str():
            return value
        case None | bool() | int() | float():
            return as_word(value)
        case Missing():
            raise value.error
        case _:
            raise ValueError(f"{kind(value)} cannot be part of a text; use 'join' or 'tojson'")


def as_json(value: object) -> Json:
    """A copy of a value as plain JSON.

    Raises:
        ValueError: it is not data.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return checked_text(str(value))
        case Mapping():
            return {checked_text(str(as_text(key))): as_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [as_json(inner) for inner in value]
        case Missing():
            raise value.error
        case _:
            raise ValueError(f"{kind(value)} is not a value that can be used here")


def kind(value: object) -> str:
    """A value's type in plain words: `a text`, `a list`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"
