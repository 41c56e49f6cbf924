"""What is known of a template's options, and whether a value is one that the vendor takes."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal, NamedTuple

from pipeline.errors import did_you_mean
from pipeline.jobs import LocalFile, Option
from pipeline.manifest.urls import is_url


class OptionType(StrEnum):
    """What kind of value an option takes."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    URL = "url"
    LIST = "list"
    ANY = "any"


class Finding(NamedTuple):
    """Something about a value: an error the vendor would refuse, or a warning that it might."""

    message: str
    severity: Literal["error", "warning"] = "error"


class OptionSpec(NamedTuple):
    """One option of a template. `of` is the type of a list's items; `joined` lists go as one text."""

    type: OptionType
    of: OptionType = OptionType.ANY
    joined: bool = False
    required: bool = False
    choices: tuple[str | int | float, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    description: str = ""

    @property
    def takes_file(self) -> bool:
        """Whether a local image may stand in it, to be uploaded and replaced by its url."""
        return OptionType.URL in (self.type, self.of) or OptionType.ANY in (self.type, self.of)

    def check(self, value: Option) -> Iterator[Finding]:
        """What is wrong with a value: a wrong type is an error, one that is not known to work a warning."""
        if self.type is not OptionType.LIST:
            yield from self._check_one(value, self.type)
        elif not isinstance(value, list):
            yield Finding(f"expected a list, found {_kind(value)}; write it as [{_example(self.of)}]")
        else:
            for item in value:
                yield from self._check_one(item, self.of)
                if self.joined and isinstance(item, str) and "," in item:
                    yield Finding(
                        f"it is sent as one text, joined by commas, so no item may hold one: {_shown(item)}"
                    )

    def _check_one(self, value: Option, wanted: OptionType) -> Iterator[Finding]:
        if not _is_of(value, wanted):
            yield Finding(f"expected {_EXPECTED[wanted]}, found {_kind(value)}")
            return
        if self.choices and not any(_same(value, choice) for choice in self.choices):
            known = ", ".join(str(choice) for choice in self.choices)
            near = did_you_mean(str(value), map(str, self.choices))
            yield Finding(f"{_shown(value)} is not one of the known values ({known}){near}", "warning")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                yield Finding(f"{value} is less than {self.minimum:g}, the least known to work", "warning")
            if self.maximum is not None and value > self.maximum:
                yield Finding(f"{value} is more than {self.maximum:g}, the most known to work", "warning")
        if isinstance(value, str) and self.max_length is not None and len(value) > self.max_length:
            yield Finding(
                f"{len(value):,} characters; at most {self.max_length:,} are known to work", "warning"
            )


_EXPECTED = {
    OptionType.STRING: "a text",
    OptionType.NUMBER: "a number",
    OptionType.INTEGER: "a whole number",
    OptionType.BOOLEAN: "true or false",
    OptionType.URL: "a url (http:// or https://) or {file: path}",
    OptionType.LIST: "a list",
    OptionType.ANY: "a value",
}


def _is_of(value: Option, wanted: OptionType) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match wanted:
        case OptionType.STRING:
            return isinstance(value, str)
        case OptionType.NUMBER:
            return is_number
        case OptionType.INTEGER:
            return is_number and float(value).is_integer()  # type: ignore[arg-type] # is_number says so
        case OptionType.BOOLEAN:
            return isinstance(value, bool)
        case OptionType.URL:
            return isinstance(value, LocalFile) or (isinstance(value, str) and is_url(value))
        case OptionType.LIST:
            return isinstance(value, list)
        case OptionType.ANY:
            return True


def _kind(value: Option) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {_shown(value)}"
        case LocalFile():
            return "a file"
        case list():
            return "a list"
        case _:
            return "a mapping"


def _shown(value: Option) -> str:
    text = str(value)
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"


def _example(of: OptionType) -> str:
    return '"https://…"' if of is OptionType.URL else "…"


def _same(value: Option, choice: str | float) -> bool:
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)
