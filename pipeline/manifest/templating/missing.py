"""What stands where a template names something that is not there."""

from collections.abc import Iterable
from typing import Any

from jinja2 import StrictUndefined, UndefinedError
from jinja2.utils import missing

from pipeline.errors import did_you_mean


class Missing(StrictUndefined):
    """Any use of it is an error that names it and what is near; only `default` and `is defined` take it.

    `known` are the names that would have been there. They are compared only when the error is told, as most
    of what is missing is mended by a default.
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
        return self._undefined_hint or f"'{name[:60]}' is undefined{did_you_mean(name, self._known)}"

    @property
    def error(self) -> UndefinedError:
        """What to raise where it is used."""
        return UndefinedError(self._undefined_message)
