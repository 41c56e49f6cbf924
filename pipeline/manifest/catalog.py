"""The catalogue of the vendor's templates: options, inputs, outputs, steps and prices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.jobs import LocalFile, MediaType, Option
from pipeline.manifest.urls import are_several, if_it_is_one, is_url

if TYPE_CHECKING:
    from pipeline.errors import Problem, Severity, Suggestions

_DEFAULT_MODE = "video"
_MOST_CHOICES_NAMED = 40


class OptionType(StrEnum):
    """The type of an option's value."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    URL = "url"
    LIST = "list"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class OptionProblem:
    """A finding about a value: an error that the vendor would refuse, or a warning that it might."""

    message: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """One option of a template. `of` is the type of a list's items; a `joined` list is sent as one text."""

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
        """Whether it may hold a local image, which is uploaded and replaced by its url."""
        return OptionType.URL in (self.type, self.of) or OptionType.ANY in (self.type, self.of)

    def check(self, value: Option, suggestions: Suggestions) -> Iterator[OptionProblem]:
        """Check a value: a wrong type is an error, a value not known to work a warning."""
        if self.type is not OptionType.LIST:
            yield from self._check_one(value, self.type, suggestions)
        elif not isinstance(value, list):
            yield OptionProblem(f"expected a list, found {_kind(value)}; write it as [{_example(self.of)}]")
        else:
            for item in value:
                yield from self._check_one(item, self.of, suggestions)
                # Of two urls that are separated by a comma, it was said already that there are two.
                if self.joined and isinstance(item, str) and "," in item and not are_several(item):
                    yield OptionProblem(
                        f"it is sent as one text, joined by commas, so no item may hold one: {_shown(item)}"
                    )

    def _check_one(
        self, value: Option, wanted: OptionType, suggestions: Suggestions
    ) -> Iterator[OptionProblem]:
        if not _is_of(value, wanted):
            yield OptionProblem(
                f"expected {_EXPECTED[wanted]}, found {_kind(value)}{_number_hint(value, wanted)}"
            )
            return
        if wanted is OptionType.URL and isinstance(value, str) and are_several(value):
            instead = f"{self._instead_of_several}{if_it_is_one(value)}"
            yield OptionProblem(f"two urls in one text, {_shown(value)}; {instead}")
        if self.choices and not any(_same(value, choice) for choice in self.choices):
            near = suggestions.did_you_mean(str(value), map(str, self.choices))
            yield OptionProblem(
                f"{_shown(value)} is not one of the known values ({self._known}){near}", "warning"
            )
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                yield OptionProblem(
                    f"{value} is less than {self.minimum:g}, the least known to work", "warning"
                )
            if self.maximum is not None and value > self.maximum:
                yield OptionProblem(
                    f"{value} is more than {self.maximum:g}, the most known to work", "warning"
                )
        if isinstance(value, str) and self.max_length is not None and len(value) > self.max_length:
            yield OptionProblem(
                f"{len(value):,} characters; at most {self.max_length:,} are known to work", "warning"
            )

    @property
    def _instead_of_several(self) -> str:
        """How to write several urls."""
        is_list = self.type is OptionType.LIST
        return f"several are a list: [{_example(self.of)}, …]" if is_list else "this option takes one"

    @property
    def _known(self) -> str:
        """The choices, in a message; of very many, the first."""
        named = ", ".join(map(str, self.choices[:_MOST_CHOICES_NAMED]))
        more = len(self.choices) - _MOST_CHOICES_NAMED
        return named if more <= 0 else f"{named} and {more:,} more"


_NUMBER = re.compile(r"\s*-?[0-9]+(?:\.[0-9]+)?\s*")
_EXPECTED = {
    OptionType.STRING: "a text",
    OptionType.NUMBER: "a number",
    OptionType.INTEGER: "a whole number",
    OptionType.BOOLEAN: "true or false",
    OptionType.URL: "a url (http:// or https://) or {file: path}",
    OptionType.LIST: "a list",
    OptionType.ANY: "a value",
}


def _number_hint(value: Option, wanted: OptionType) -> str:
    """How to make a number of a text; cells of tables are texts."""
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    if not is_number or wanted not in (OptionType.INTEGER, OptionType.NUMBER):
        return ""
    to_number = "int" if wanted is OptionType.INTEGER else "float"
    # It may come from a template, and its quotes be elsewhere.
    return (
        f"; write {str(value).strip()} without quotes where it is given, or a template with '| {to_number}'"
    )


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


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a template: how many, of which type."""

    type: MediaType
    least: int = 1
    most: int = 1


Price = int | Mapping[MediaType, int]


@dataclass(frozen=True, slots=True)
class CatalogTemplate:
    """One of the vendor's templates. A field that is None or empty is not known.

    `output` is the type of its result, unless `mode_option` names the option whose value is the type. With `webhook`,
    the vendor calls the url given in a create when the workflow ends. `as_of` is the day (ISO 8601) for which the
    price is recorded, if the catalogue has it.
    """

    id: str
    title: str = ""
    description: str = ""
    recommended: bool = False
    inputs: Inputs | None = None
    options: Mapping[str, OptionSpec] = field(default_factory=dict)
    other_options: bool = False
    webhook: bool = False
    output: MediaType | None = None
    mode_option: str | None = None
    steps: Mapping[str, MediaType] = field(default_factory=dict)
    credits: Price | None = None
    as_of: str | None = None

    @property
    def joined(self) -> frozenset[str]:
        """The options whose list is sent as one text."""
        return frozenset(name for name, option in self.options.items() if option.joined)

    def gives(self, options: Mapping[str, Option]) -> MediaType | None:
        """The type of its result with these options."""
        if self.mode_option is None:
            return self.output
        asked = options.get(self.mode_option)
        if asked is None:
            return self.output
        return MediaType(asked) if isinstance(asked, str) and asked in set(MediaType) else None

    def price(self, options: Mapping[str, Option]) -> int | None:
        """Credits of one create with these options; None if not known."""
        if self.credits is None or isinstance(self.credits, int):
            return self.credits
        if self.output is None and self.mode_option is None:
            return _price_of_unknown(self.credits, options)
        output = self.gives(options)
        return None if output is None else self.credits.get(output)


def _price_of_unknown(prices: Mapping[MediaType, int], options: Mapping[str, Option]) -> int | None:
    """The price of a create for which it is not known what it gives: assumed to work as the vendor's scenes do."""
    mode = options.get("pipeline_mode")
    if mode is None:
        # What has a price for one type of output only gives that one.
        return next(iter(prices.values())) if len(prices) == 1 else prices.get(MediaType(_DEFAULT_MODE))
    return prices.get(MediaType(mode)) if isinstance(mode, str) and mode in set(MediaType) else None


@dataclass(frozen=True, slots=True)
class Catalog:
    """The known templates, by id. `prices` has the ids of which only the price is known.

    `warnings` are about how one's own file is written.
    """

    templates: Mapping[str, CatalogTemplate]
    prices: Mapping[str, Price] = field(default_factory=dict)
    strict: bool = False
    warnings: tuple[Problem, ...] = ()

    def get(self, template_id: str) -> CatalogTemplate | None:
        """The entry of a template; None if its id is unknown."""
        return self.templates.get(template_id)

    def price(self, template_id: str, options: Mapping[str, Option]) -> int | None:
        """Credits of one create; None if not known."""
        template = self.templates.get(template_id)
        if template is not None:
            return template.price(options)
        price = self.prices.get(template_id)
        if price is None or isinstance(price, int):
            return price
        return _price_of_unknown(price, options)

    def price_date(self, template_id: str) -> str | None:
        """The day (ISO 8601) for which a template's price is recorded; None if it has none."""
        return template.as_of if (template := self.templates.get(template_id)) is not None else None

    def with_prices(self, prices: Mapping[str, Price]) -> Catalog:
        """A copy with other prices, for templates that are known and for others."""
        templates = {
            name: replace(template, credits=prices[name], as_of=None) if name in prices else template
            for name, template in self.templates.items()
        }
        others = {name: price for name, price in prices.items() if name not in templates}
        return replace(self, templates=MappingProxyType(templates), prices=MappingProxyType(others))
