"""Image sets: turns paths, urls, globs and tables into items; chains name their rule."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipeline.manifest import globs, urls
from pipeline.manifest.model import Chain, ImageSet, Item
from pipeline.manifest.tables import IMAGES, TableRow, read_table, two_with_one_id

if TYPE_CHECKING:
    from pipeline.documents.node import Location
    from pipeline.documents.value import Value
    from pipeline.json_values import Json
    from pipeline.manifest.build_context import Context, Written

_NO_VARS: Mapping[str, Json] = {}


def build_set(name: str, value: Value, context: Context) -> ImageSet:
    """Build an image set; it has no items if it was reported as wrong."""
    if (upstream := value.get("outputs_of")) is not None and upstream.text is not None:
        step = value.get("step")
        chain = Chain(
            rule=upstream.text,
            step=value.text_of("step"),
            approved=value.text_of("only") == "approved",
            location=upstream.location,
            step_location=upstream.location if step is None else step.location,
        )
        return ImageSet(name=name, chain=chain)
    return ImageSet(name=name, items=tuple(_items(value, context)))


def _items(value: Value, context: Context) -> Iterator[Item]:
    if (glob := value.get("glob")) is not None:
        yield from _globbed(glob, context)
    elif (csv := value.get("csv")) is not None:
        # Paths in rows are relative to the file that names the table, as the manifest's own are.
        yield from _tabled(value, csv.node.source.path.parent, context)
    else:
        for element in value.elements():
            item = _listed(element, context)
            if item is not None:
                yield item


def _listed(value: Value, context: Context) -> Item | None:
    images, version = value.get("images"), value.text_of("version")
    single = value if value.text is not None else value.get("path") or value.get("url")
    named = list(images.elements()) if images is not None else [single] if single is not None else []
    variables = value.get("vars")
    plain = variables.node.plain() if variables is not None and variables.is_mapping else None
    return _item(
        [(each.text, each) for each in named if each.text is not None],
        value.node.source.path.parent,
        context,
        name=value.text_of("id"),
        version=version,
        variables=plain if isinstance(plain, dict) else _NO_VARS,
        location=value.location,
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
        if "\\" in path:
            context.report(
                value.location,
                f"the name of '{path}' has a backslash, which not every system can read; rename it",
            )
            continue
        item = _item([(path, value)], base, context, location=value.location)
        if item is not None:
            yield item


def _nearest(pattern: str, base: Path) -> str:
    """The deepest of the pattern's folders that exists."""
    folder = base
    for part in PurePosixPath(pattern).parts[:-1]:
        if globs.has_magic(part):
            break
        if not (folder / part).is_dir():
            return f"; there is no folder '{part}' in '{folder.name}'"
        folder /= part
    return ""


def _tabled(value: Value, base: Path, context: Context) -> Iterator[Item]:
    first: dict[str, Item] = {}
    for row in read_table(value, IMAGES, context):
        # As names of the header, a cell may have blanks around it: `id, url`.
        item = _item(
            [(row.own[name].strip(), row.cell(name)) for name in _images_of(row, context)],
            base,
            context,
            name=row.id,
            version=row.own.get("version"),
            variables=row.vars,
            location=row.location,
        )
        if item is None:
            continue
        other = first.setdefault(item.id, item)
        if other is item:
            yield item
        elif other != item:
            context.report(item.location, two_with_one_id(item.id, other.location))


def _images_of(row: TableRow, context: Context) -> list[str]:
    """The names of the row's images in order: `path` or `url`, then the numbered ones; none if one is wrong."""
    numbered: dict[int, str] = {}
    for name in row.own:
        kind, _, number = name.partition("_")
        if kind not in ("path", "url"):
            continue
        other = numbered.setdefault(int(number or 1), name)
        if other != name:
            both = f"both '{row.names[other]}' and '{row.names[name]}' are filled"
            context.report(row.cell(name).location, f"{both}; one image needs one of them")
            return []
        text = row.own[name].strip()
        is_list = text.startswith("[") and text.endswith("]")
        if is_list or urls.are_several(text):
            several = f"{'a list' if is_list else 'two urls'} in one cell, '{row.names[name]}'"
            advice = f"each needs a column of its own: {kind}_2, {kind}_3"
            if is_list and len(elements := text[1:-1].split(",")) == 1:
                alone = elements[0].strip(" \"'")
                advice = f"write it without brackets: {alone}" if alone else "leave the cell empty"
            hint = "" if is_list else urls.if_it_is_one(text)
            context.report(row.cell(name).location, f"{several}; {advice}{hint}")
            return []
    if 1 not in numbered:
        either = [f"'{row.names[name]}'" for name in ("path", "url") if name in row.names]
        nothing = (
            f"neither {either[0]} nor {either[1]} is filled" if len(either) > 1 else f"{either[0]} is empty"
        )
        context.report(row.location, nothing)
        return []
    return [numbered[number] for number in sorted(numbered)]


def _item(
    texts: list[tuple[str, Written]],
    base: Path,
    context: Context,
    *,
    location: Location,
    name: str | None = None,
    version: str | None = None,
    variables: Mapping[str, Json] = _NO_VARS,
) -> Item | None:
    """The item with these images, each with where it is written, as a file in the folder `base` names them."""
    if not texts:
        return None
    images = tuple(context.image(text, base, at, version) for text, at in texts)
    name = name or _default_id(texts[0][0])
    if not name:
        context.report(location, "the url's path has no file name; give the item an 'id'")
        return None
    return Item(id=name, images=images, vars=variables, location=location)


def _default_id(text: str) -> str:
    stem = urls.stem(text) if urls.is_url(text) else PurePosixPath(text).stem
    return unicodedata.normalize("NFC", stem)
