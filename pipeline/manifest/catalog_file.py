"""Reads catalogues. The built-in one has the same format as a user's own, which is merged over it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pipeline.documents import schema
from pipeline.documents.node import Document, Node, SourceFile, merge
from pipeline.documents.text_file import MANIFEST_LIMIT
from pipeline.documents.value import Value
from pipeline.documents.yaml_reader import parse_yaml, read_yaml
from pipeline.errors import InvalidInput
from pipeline.jobs import MediaType
from pipeline.manifest.catalog import Catalog, CatalogTemplate, Inputs, OptionSpec, OptionType, Price

_BUILT_IN = Path(__file__).with_name("catalog.yaml")


@cache
def built_in() -> Catalog:
    """The catalogue that comes with the tool."""
    root = _built_in_root()
    return _catalog(root, {}, Value(root).text_of("as_of"))


def read_catalog(path: Path, name: str) -> Catalog:
    """Read a catalogue file, merged over the built-in one.

    Raises:
        InvalidInput: it cannot be read or is not a catalogue; with every problem found.
    """
    document = read_yaml(path, name)
    return replace(_merged(document.root), warnings=document.warnings)


def parse_catalog(content: bytes, path: Path, name: str) -> Catalog:
    """The catalogue that `read_catalog` would read from a file with this content.

    Raises:
        InvalidInput: as that.
    """
    if len(content) > MANIFEST_LIMIT:
        raise InvalidInput(f"{name}: larger than {MANIFEST_LIMIT:,} bytes")
    return _merged(parse_yaml(content, SourceFile(path, name, "")))


def _merged(own: Node) -> Catalog:
    document = Document(merge(_built_in_root(), own))
    if problems := schema.check(document, "catalog"):
        raise InvalidInput(problems)
    value = Value(own)
    templates, as_of = value.get("templates"), value.text_of("as_of")
    entries = () if templates is None else templates.items()
    dates = {key: each.text_of("as_of") or as_of for key, each in entries if each.get("credits")}
    return _catalog(document.root, dates, Value(_built_in_root()).text_of("as_of"))


@cache
def _built_in_root() -> Node:
    return read_yaml(_BUILT_IN, _BUILT_IN.name).root


def _catalog(root: Node, own: Mapping[str, str | None], as_of: str | None) -> Catalog:
    """The catalogue of a tree; `own` are the price dates of a user's file, `as_of` the date of all other prices."""
    templates = Value(root).get("templates")
    values = {} if templates is None else dict(templates.items())
    return Catalog(_Templates(values, own, as_of))


class _Templates(Mapping[str, CatalogTemplate]):
    """Builds each entry on first access, as a campaign uses few of the known templates."""

    def __init__(self, values: Mapping[str, Value], own: Mapping[str, str | None], as_of: str | None) -> None:
        self._values = values
        self._own = own
        self._as_of = as_of
        self._built: dict[str, CatalogTemplate] = {}

    def __getitem__(self, template_id: str) -> CatalogTemplate:
        if template_id not in self._built:
            built = _template(template_id, self._values[template_id])
            if built.credits is not None:
                built = replace(built, as_of=self._own.get(template_id, self._as_of))
            self._built[template_id] = built
        return self._built[template_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _template(name: str, entry: Value) -> CatalogTemplate:
    gives = entry.get("gives")
    steps, options, inputs = entry.get("steps"), entry.get("options"), entry.get("inputs")
    known = {} if options is None else {key: _option(each) for key, each in options.items()}
    return CatalogTemplate(
        id=name,
        title=entry.text_of("title") or "",
        description=entry.text_of("description") or "",
        recommended=entry.flag_of("recommended"),
        inputs=None if inputs is None else _inputs(inputs),
        options=MappingProxyType(known),
        other_options=entry.flag_of("other_options"),
        webhook=entry.flag_of("webhook"),
        output=None if gives is None else _media(gives.text or gives.text_of("default")),
        mode_option=None if gives is None else gives.text_of("option"),
        steps=MappingProxyType({} if steps is None else dict(_steps(steps))),
        credits=price_of(entry.get("credits")),
    )


def _inputs(inputs: Value) -> Inputs | None:
    media = _media(inputs.text_of("type"))
    if media is None:
        return None
    return Inputs(type=media, least=inputs.integer_of("min", 1), most=inputs.integer_of("max", 1))


def _media(text: str | None) -> MediaType | None:
    return MediaType(text) if text is not None and text in set(MediaType) else None


def _steps(steps: Value) -> Iterator[tuple[str, MediaType]]:
    for name, gives in steps.items():
        if (media := _media(gives.text)) is not None:
            yield name, media


def _option(option: Value) -> OptionSpec:
    choices = option.get("choices")
    return OptionSpec(
        type=OptionType(option.text_of("type") or OptionType.ANY),
        of=OptionType(option.text_of("of") or OptionType.ANY),
        joined=option.flag_of("joined"),
        required=option.flag_of("required"),
        choices=() if choices is None else tuple(_choices(choices)),
        minimum=_bound(option, "minimum"),
        maximum=_bound(option, "maximum"),
        max_length=None if (longest := option.get("max_length")) is None else longest.integer,
        description=option.text_of("description") or "",
    )


def _choices(choices: Value) -> Iterator[str | int | float]:
    for each in choices.elements():
        if isinstance(each.node.value, str | int | float):
            yield each.node.value


def _bound(option: Value, key: str) -> float | None:
    found = option.get(key)
    return None if found is None else found.number


def price_of(value: Value | None) -> Price | None:
    """A price as a catalogue or a manifest writes it: a number, or one for each type of output."""
    if value is None or not value.is_mapping:
        return None if value is None else value.integer
    prices = ((_media(name), each.integer) for name, each in value.items())
    return MappingProxyType(
        {media: price for media, price in prices if media is not None and price is not None}
    )
