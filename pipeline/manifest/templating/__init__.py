"""Templates that may come from a stranger: they compute on data, and reach nothing else.

They may use an allow-list of constructs, filters and tests (`guard`, `filters`); their cost is counted while
they render (`values.Budget`). Every failure is a `TemplateError` with its line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pipeline.errors import Suggestions


class UnknownName(str):
    """A message about a name that is not among the `known` ones; the nearest is looked for when it is reported."""

    __slots__ = ("known", "name")
    name: str
    # A mapping that is written in a template may also have numbers as names.
    known: Iterable[object]

    def __new__(cls, message: str, name: str, known: Iterable[object]) -> Self:
        told = super().__new__(cls, message)
        told.name, told.known = name, known
        return told


class TemplateError(Exception):
    """A template is wrong, or failed on the values given to it. `line` counts from 1 within the template."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self._message = message
        self.line = line

    def __str__(self) -> str:
        return self.message

    @property
    def message(self) -> str:
        """What is wrong, with the nearest name."""
        return self.message_with(Suggestions())

    def message_with(self, suggestions: Suggestions) -> str:
        """As `message`, but with the nearest name only if there are `suggestions` left, or if it was told before."""
        if not isinstance(self._message, UnknownName):
            return self._message
        if not suggestions.left:
            return f"{self._message}{suggestions.did_you_mean(self._message.name, ())}"
        name, known = self._message.name, [each for each in self._message.known if isinstance(each, str)]
        # A template reads `image.vars.my-size` as a subtraction.
        longer = (f"{name}-", f"{name}.")
        meant = next((each for each in known if each.startswith(longer)), None)
        if meant is not None:
            return f"{self._message}; write '{meant}' in brackets: …['{meant}']"
        return f"{self._message}{suggestions.did_you_mean(name, known)}"
