"""The vendor's live catalogue: read leniently, compared with the known one, and saved as a catalogue file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.documents.comments import with_comments_of
from pipeline.documents.node import SourceFile
from pipeline.documents.yaml_reader import dump_yaml, parse_yaml, read_yaml
from pipeline.engine.calls import NoCredit
from pipeline.errors import BuyingStopped, InvalidInput, Unfinished
from pipeline.files import assert_replaces, write_atomically
from pipeline.jobs import MediaType
from pipeline.manifest.catalog_file import built_in, parse_catalog, read_catalog
from pipeline.operations.provider import provider_settings
from pipeline.providers.api_settings import REQUEST_TIMEOUT
from pipeline.providers.base import VendorError
from pipeline.providers.responses import whole_number
from pipeline.providers.vimmerse import Vimmerse

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.catalog import Catalog, CatalogTemplate, Price
    from pipeline.operations.environment import Environment

_HEADER = (
    "# Written by `pipeline templates --refresh --write`: the vendor's templates and prices of that day.\n"
)
# As in the schema of catalogue files.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_FIELDS = frozenset({"id", "template_id", "label", "title", "description", "credits", "options"})
_NOT_IDS = frozenset({"error", "errors"})
# The fields of a template that a refresh writes; a person added the others.
_WRITTEN = frozenset({"title", "description", "options", "other_options", "credits", "as_of"})
_UNDESCRIBED: Json = {"type": "any"}
_MAX_TEMPLATES = 10_000
_MAX_CREDITS = 1_000_000_000
_LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTemplate:
    """The vendor's data on one template; a field is empty or None if it is missing or not in a known form."""

    id: str
    title: str = ""
    description: str = ""
    credits: Price | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueChange:
    """One difference: a template that is `new` or `gone`, or whose `price` has changed."""

    kind: str
    id: str
    title: str = ""
    old: Price | None = None
    new: Price | None = None


def fetch_live(environment: Environment, request_timeout: float = REQUEST_TIMEOUT) -> list[LiveTemplate]:
    """The templates that the vendor lists now, sorted by id.

    Raises:
        AccountError: there is no key, or it was refused.
        VendorError: the vendor does not answer, or not with a list of templates.
    """
    vendor = Vimmerse(provider_settings(environment, "v2", request_timeout))
    try:
        return read_live(dict(vendor.templates()))
    except BuyingStopped as error:
        raise NoCredit(str(error)) from None  # the list is free, so this ends no buying


def known_catalogue(path: Path | None) -> Catalog:
    """The catalogue without calling the vendor: the built-in one, merged with the file at `path` if there is one.

    Raises:
        InvalidInput: the file is not a catalogue.
    """
    return built_in() if path is None or not path.is_file() else read_catalog(path, str(path))


def read_live(document: Json) -> list[LiveTemplate]:
    """The templates in the vendor's answer, by id. Its format is undocumented: what cannot be read is left out.

    Raises:
        VendorError: it is no list of templates, or none of them can be read.
    """
    if isinstance(document, dict):
        document = document.get("templates", document.get("data"))
    if isinstance(document, dict):
        # By id; an error report or another mapping that is no template has none of these fields.
        entries: list[Json] = [
            {"id": name, **each}
            for name, each in document.items()
            if isinstance(each, dict) and not _FIELDS.isdisjoint(each) and name not in _NOT_IDS
        ]
    else:
        entries = list(document) if isinstance(document, list) else []
    templates = (_template(each) for each in entries[:_MAX_TEMPLATES] if isinstance(each, dict))
    found = {each.id: each for each in templates if each is not None}
    if not found and document not in ([], {}):
        raise VendorError("the answer contains no template that can be read")
    return sorted(found.values(), key=lambda each: each.id)


def _template(entry: Mapping[str, Json]) -> LiveTemplate | None:
    template_id = entry.get("id") or entry.get("template_id")
    if not isinstance(template_id, str) or not _ID.fullmatch(template_id):
        return None
    return LiveTemplate(
        id=template_id,
        title=_text(entry.get("label") or entry.get("title")),
        description=_text(entry.get("description")),
        credits=_price(entry.get("credits")),
        options=_names(entry.get("options")),
    )


def _text(value: Json) -> str:
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _price(value: Json) -> Price | None:
    if isinstance(value, dict):
        prices = {
            MediaType(kind): number
            for kind, each in value.items()
            if kind in set(MediaType) and (number := _credits(each)) is not None
        }
        return prices or None
    return _credits(value)


def _credits(value: Json) -> int | None:
    number = whole_number(value)
    return number if number is not None and number <= _MAX_CREDITS else None


def _names(value: Json) -> tuple[str, ...]:
    """The names of options, whether they come as a list, a list of objects, or a mapping."""
    if isinstance(value, dict):
        return tuple(value)
    if not isinstance(value, list):
        return ()
    names = (each.get("name") or each.get("key") if isinstance(each, dict) else each for each in value)
    return tuple(name for name in names if isinstance(name, str))


def changes(live: Sequence[LiveTemplate], known: Catalog) -> Iterator[CatalogueChange]:
    """Differences between the live catalogue and `known`, sorted by id."""
    listed = {each.id: each for each in live}
    for template_id in sorted({*listed, *known.templates}):
        now, before = listed.get(template_id), known.get(template_id)
        if now is None:
            yield CatalogueChange(kind="gone", id=template_id, title=before.title if before else "")
        elif before is None:
            yield CatalogueChange(kind="new", id=template_id, title=now.title, new=now.credits)
        elif now.credits is not None and not _is_same_price(now.credits, before):
            yield CatalogueChange(
                kind="price",
                id=template_id,
                title=now.title or before.title,
                old=before.credits,
                new=now.credits,
            )


def _is_same_price(price: Price, known: CatalogTemplate) -> bool:
    old = known.credits
    if old is None:
        return False
    # One price for all types of output equals the same price for each.
    ours = {old} if isinstance(old, int) else set(old.values())
    if isinstance(price, int) or isinstance(old, int):
        return ours == ({price} if isinstance(price, int) else set(price.values()))
    return dict(price) == dict(old)


def price_json(price: Price | None) -> Json:
    """A price as a catalogue writes it: a number, or one for each type of output."""
    return {kind.value: number for kind, number in price.items()} if isinstance(price, Mapping) else price


def write_catalogue(path: Path, live: Sequence[LiveTemplate], known: Catalog, as_of: str) -> None:
    """Write a catalogue file of the live templates, as of the day `as_of`; of those in `known`, only the prices.

    A template whose price cannot be read keeps the one that the file has, with its day. What a person added to the
    file, such as what a template gives, stays, as do comments.

    Raises:
        UsageError: another file is there, which may have been written by hand.
        InvalidInput: the file that is there is not a catalogue.
        Unfinished: there is nothing to write, it cannot be written, or it could not be read again.
    """
    if not live:
        raise Unfinished(f"{path}: nothing is written: the vendor lists no template at all")
    own = _own_prices(path, known)
    if own and all(each.credits is None for each in live):
        raise Unfinished(f"{path}: nothing is written: the vendor lists no price in a known form")
    known_prices = {name: price for name, (price, _) in own.items()}
    current = {each.id for each in live if each.credits is not None}
    live = [
        replace(each, credits=known_prices.get(each.id)) if each.credits is None else each for each in live
    ]
    entries = _with_additions(path, {each.id: _entry(each, known.get(each.id)) for each in live})
    for template_id, (_, day) in own.items():
        if template_id in entries and template_id not in current and day not in {None, as_of}:
            entries[template_id]["as_of"] = day
    templates: dict[str, Json] = {**entries}
    document: Json = {"version": 1, "as_of": as_of, "templates": templates}
    text = _HEADER + dump_yaml(document)
    try:
        if path.is_file():
            text = with_comments_of(
                read_yaml(path, str(path)).root, parse_yaml(text, SourceFile(path, str(path), ""))
            )
        content = text.encode()
        parse_catalog(content, path, str(path))
    except InvalidInput as error:
        raise Unfinished(
            f"{path}: nothing is written, as it could not be read again: {error.problems[0]}"
        ) from None
    try:
        assert_replaces(
            path, lambda head: head.startswith(_HEADER.encode()), "written by `pipeline templates --write`"
        )
        write_atomically(path, content)
    except OSError as error:
        raise Unfinished(f"{path}: cannot be written: {error.strerror or error}") from error


def _own_prices(path: Path, known: Catalog) -> dict[str, tuple[Price, str | None]]:
    """The prices that the catalogue file at `path` has, and `known` does not, with their day; none without a file."""
    prices = {}
    for template in known_catalogue(path).templates.values():
        before = known.get(template.id)
        is_own = before is None or (template.credits, template.as_of) != (before.credits, before.as_of)
        if is_own and template.credits is not None:
            prices[template.id] = (template.credits, template.as_of)
    return prices


def _with_additions(path: Path, entries: Mapping[str, dict[str, Json]]) -> dict[str, dict[str, Json]]:
    """The entries, without empty ones, with what a person added to those in the file at `path`, if there is one."""
    document = read_yaml(path, str(path)).root.plain() if path.is_file() else {}
    templates = document.get("templates") if isinstance(document, dict) else {}
    joined = {name: dict(entry) for name, entry in entries.items()}
    for name, before in templates.items() if isinstance(templates, dict) else ():
        if isinstance(before, dict) and (added := _additions(before)):
            entry = joined.setdefault(name, before)
            options = entry.get("options")
            if isinstance(options, dict) and isinstance(added.get("options"), dict):
                added["options"] = {**options, **added["options"]}
            entry.update(added)
    return {name: entry for name, entry in joined.items() if entry}


def _additions(entry: Mapping[str, Json]) -> dict[str, Any]:
    """The part of a template's entry that no refresh has written."""
    added: dict[str, Any] = {name: value for name, value in entry.items() if name not in _WRITTEN}
    options = entry.get("options")
    if isinstance(options, dict):
        described = {name: each for name, each in options.items() if each != _UNDESCRIBED}
        added |= {"options": described} if described else {}
    return added


def _entry(live: LiveTemplate, built_in: CatalogTemplate | None) -> dict[str, Json]:
    """The file's entry for one template; for a built-in one only its price."""
    credits_now = price_json(live.credits)
    if isinstance(credits_now, dict) and built_in is not None and isinstance(built_in.credits, Mapping):
        # The file is merged over the built-in catalogue: a price that is only there has to be removed.
        credits_now = {**dict.fromkeys(kind.value for kind in built_in.credits), **credits_now}
    written: dict[str, Json] = {"credits": credits_now}
    if built_in is None:
        options: dict[str, Json] = dict.fromkeys(live.options, _UNDESCRIBED)
        written = {
            "title": live.title or None,
            "description": live.description or None,
            "options": options or None,
            "other_options": True,
            **written,
        }
    return {name: value for name, value in written.items() if value is not None}
