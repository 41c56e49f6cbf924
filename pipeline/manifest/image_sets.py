"""Image sets: lists of paths and urls, globs and CSV files become items; chains are told by their rule."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pipeline.documents.location import Location, Value
from pipeline.jobs import Json
from pipeline.manifest import globs, urls
from pipeline.manifest.context import Context
from pipeline.manifest.model import Chain, ImageSet, Item
from pipeline.manifest.tables import read_table

_NO_VARS: Mapping[str, Json] = {}


def build_set(name: str, value: Value, context: Context) -> ImageSet:
    """One image set; without items where it was reported as wrong."""
    if (upstream := value.get("outputs_of")) is not None and upstream.text is not None:
        step = value.get("step")
        step_place = upstream.location if step is None else step.location
        approved = value.text_of("only") == "approved"
        chain = Chain(upstream.text, value.text_of("step"), approved, upstream.location, step_place)
        return ImageSet(name, chain=chain)
    return ImageSet(name, tuple(_items(value, context)))


def _items(value: Value, context: Context) -> Iterator[Item]:
    if (glob := value.get("glob")) is not None:
        yield from _globbed(glob, context)
    elif (csv := value.get("csv")) is not None:
        yield from _tabled(csv, context)
    else:
        for element in value.elements():
            item = _listed(element, context)
            if item is not None:
                yield item


def _listed(value: Value, context: Context) -> Item | None:
    images, version = value.get("images"), value.text_of("version")
    single = value if value.text is not None else value.get("path") or value.get("url")
    named = list(images.elements()) if images is not None else [single] if single is not None else []
    texts = [(each.text, each.location) for each in named if each.text is not None]
    base = value.node.source.path.parent
    variables = value.get("vars")
    plain = variables.node.plain() if variables is not None and variables.is_mapping else None
    return _item(
        texts,
        base,
        value.text_of("id"),
        version,
        plain if isinstance(plain, dict) else _NO_VARS,
        value.location,
        context,
    )


def _globbed(value: Value, context: Context) -> Iterator[Item]:
    if value.text is None:
        return
    base = value.node.source.path.parent
    try:
        paths = globs.matching(value.text, base, context.root)
    except ValueError as error:
        context.report(value.location, str(error))
        return
    if not paths:
        hint = globs.braces_hint(value.text, "write two sets") or _nearest(value.text, base)
        context.report(value.location, f"'{value.text}' matches no file{hint}")
    for path in paths:
        item = _item([(path, value.location)], base, None, None, _NO_VARS, value.location, context)
        if item is not None:
            yield item


def _nearest(pattern: str, base: Path) -> str:
    """How far down the pattern's folders exist."""
    folder = base
    for part in PurePosixPath(pattern).parts[:-1]:
        if globs.has_magic(part):
            break
        if not (folder / part).is_dir():
            return f"; there is no folder '{part}' in '{folder.name}'"
        folder /= part
    return ""


def _tabled(value: Value, context: Context) -> Iterator[Item]:
    found = context.path(value)
    if found is None:
        return
    # The rows' paths are written in the manifest's name: relative to the file that names the table.
    base = value.node.source.path.parent
    rows, problems = read_table(*found)
    context.problems += problems
    for row in rows:
        texts = [(image, row.location) for image in row.images]
        item = _item(texts, base, row.id, row.version, row.vars, row.location, context)
        if item is not None:
            yield item


def _item(
    texts: list[tuple[str, Location]],
    base: Path,
    name: str | None,
    version: str | None,
    variables: Mapping[str, Json],
    location: Location,
    context: Context,
) -> Item | None:
    if not texts:
        return None
    images = tuple(context.image(text, base, at, version) for text, at in texts)
    name = name or _default_id(texts[0][0])
    if not name:
        context.report(location, "the url's path ends in no name; give the item an 'id'")
        return None
    return Item(name, images, variables, location)


def _default_id(text: str) -> str:
    stem = urls.stem(text) if urls.is_url(text) else PurePosixPath(text).stem
    return unicodedata.normalize("NFC", stem)
