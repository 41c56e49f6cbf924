"""What is known of the vendor's templates: their options, inputs, outputs, steps and prices."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from pipeline.jobs import MediaType, Option
from pipeline.manifest.option_specs import OptionSpec

_DEFAULT_MODE = "video"


class Inputs(NamedTuple):
    """What a template is made from: how many of which type."""

    type: MediaType
    least: int = 1
    most: int = 1


Price = int | Mapping[MediaType, int]


class Template(NamedTuple):
    """One of the vendor's templates. What is None or empty is not known.

    `output` is the type of its result, unless `mode_option` names the option whose value is the type. With `webhook`
    the vendor calls the url that a create names when its workflow ends. `as_of` is the day (ISO 8601) on which the
    vendor asked this price, where the catalogue tells it.
    """

    id: str
    title: str = ""
    description: str = ""
    recommended: bool = False
    inputs: Inputs | None = None
    options: Mapping[str, OptionSpec] = MappingProxyType({})
    other_options: bool = False
    webhook: bool = False
    output: MediaType | None = None
    mode_option: str | None = None
    steps: Mapping[str, MediaType] = MappingProxyType({})
    credits: Price | None = None
    as_of: str | None = None

    @property
    def joined(self) -> frozenset[str]:
        """The options whose list is sent as one text."""
        return frozenset(name for name, option in self.options.items() if option.joined)

    def gives(self, options: Mapping[str, Option]) -> MediaType | None:
        """The type of its result under these options."""
        if self.mode_option is None:
            return self.output
        asked = options.get(self.mode_option)
        if asked is None:
            return self.output
        return MediaType(asked) if isinstance(asked, str) and asked in set(MediaType) else None

    def price(self, options: Mapping[str, Option]) -> int | None:
        """Credits of one create under these options; None where that is not known."""
        if self.credits is None or isinstance(self.credits, int):
            return self.credits
        output = self.gives(options)
        return None if output is None else self.credits.get(output)


class Catalog(NamedTuple):
    """The templates that are known, by id. `prices` are those of ids that are known by their price only."""

    templates: Mapping[str, Template]
    prices: Mapping[str, Price] = MappingProxyType({})
    strict: bool = False

    def get(self, template_id: str) -> Template | None:
        """What is known of a template, None where its id is unknown."""
        return self.templates.get(template_id)

    def price(self, template_id: str, options: Mapping[str, Option]) -> int | None:
        """Credits of one create; None where that is not known."""
        template = self.templates.get(template_id)
        if template is not None:
            return template.price(options)
        price = self.prices.get(template_id)
        if price is None or isinstance(price, int):
            return price
        # Where nothing else is known of a template, it is taken to work as the vendor's scenes do.
        mode = options.get("pipeline_mode", _DEFAULT_MODE)
        return price.get(MediaType(mode)) if isinstance(mode, str) and mode in set(MediaType) else None

    def price_date(self, template_id: str) -> str | None:
        """The day (ISO 8601) on which the vendor asked the price of a template; None where nobody noted it."""
        return template.as_of if (template := self.templates.get(template_id)) is not None else None

    def with_prices(self, prices: Mapping[str, Price]) -> "Catalog":
        """The same with other prices, for templates that are known and for others."""
        templates = {
            name: template._replace(credits=prices[name], as_of=None) if name in prices else template
            for name, template in self.templates.items()
        }
        others = {name: price for name, price in prices.items() if name not in templates}
        return self._replace(templates=MappingProxyType(templates), prices=MappingProxyType(others))
