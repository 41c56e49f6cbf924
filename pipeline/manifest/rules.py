"""Builds rules: resolves every reference and checks every row."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from pipeline.documents.value import Value
from pipeline.errors import there_are
from pipeline.jobs import axis_text
from pipeline.json_values import Json
from pipeline.manifest.conditions import condition
from pipeline.manifest.globs import braces_hint, has_magic
from pipeline.manifest.model import ImageSet, Prompt, Row, Rule, Template
from pipeline.manifest.tables import AXIS, distinct, read_table
from pipeline.manifest.template_options import build_options
from pipeline.manifest.templating.dotted import Named

if TYPE_CHECKING:
    from pipeline.manifest.build_context import Context
    from pipeline.manifest.texts import Text

T = TypeVar("T")

# The names that templates see besides vars and axes; no var or axis may have one of them.
RESERVED = ("campaign", "image", "job", "prompt", "purchase", "template", "vars")
EXTENSION = re.compile(r"\.\{\{-?\s*ext\s*-?\}\}$")
DEFAULT_TIMEOUT = 3600.0
_ROW_KEYS = ("template", "image", "prompt")
Matrix = tuple[tuple[str, tuple[Json, ...]], ...]
_WHEN_EXAMPLE = "\"{{ locale == 'en' }}\""
_TIMEOUT = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that rules refer to, by name; None for a part that was reported as wrong."""

    templates: Mapping[str, Template | None]
    options: Mapping[str, Value | None]
    image_sets: Mapping[str, ImageSet | None]
    prompts: Mapping[str, Prompt]
    vars: Mapping[str, Json]
    path: Text
    steps: bool


def build_rule(value: Value, parts: Parts, context: Context) -> Rule | None:
    """Build a rule; None if it has no id, no template, or an axis that could not be read."""
    rule_id = value.text_of("id")
    errors = context.errors
    matrix = _matrix(value.get("matrix"), parts, context)
    is_whole = context.errors == errors
    templates = tuple(
        _with_options(template, value.get("options"), parts, context)
        for template in chosen(value.get("templates"), parts.templates, "template", context)
    )
    output = value.get("output")
    rule = Rule(
        id=rule_id or "",
        templates=templates,
        image_sets=chosen(value.get("image_sets"), parts.image_sets, "image set", context),
        prompts=chosen(value.get("prompts"), parts.prompts, "prompt", context),
        matrix=matrix,
        when=_when(value.get("when"), context),
        exclude=_rows(value.get("exclude"), matrix, parts, context),
        include=_rows(value.get("include"), matrix, parts, context, complete=True),
        repeat=value.integer_of("repeat", 1),
        path=output_path(None if output is None else output.get("path"), context) or parts.path,
        steps=parts.steps if output is None else output.flag_of("steps", parts.steps),
        timeout=_timeout(value.get("timeout")),
        retries=value.integer_of("retries", 0),
        location=value.location,
    )
    return rule if rule_id and templates and is_whole else None


def _with_options(template: Template, over: Value | None, parts: Parts, context: Context) -> Template:
    if over is None:
        return template
    return replace(
        template, options=build_options(parts.options[template.name], over, template.known, context)
    )


def output_path(value: Value | None, context: Context) -> Text | None:
    """The output path without its suffix, which depends on the vendor's answer."""
    if value is None or value.text is None or not EXTENSION.search(value.text):
        return None
    return context.compiled(EXTENSION.sub("", value.text), value)


def _matrix(value: Value | None, parts: Parts, context: Context) -> Matrix:
    matrix = []
    for name, axis in () if value is None else value.items():
        if name in RESERVED:
            context.report(
                axis.key_location,
                f"an axis cannot be called '{name}': templates use that name for something else",
            )
        elif name in parts.vars:
            context.report(
                axis.key_location, f"'{name}' is an axis here and a var too; one of them needs another name"
            )
        errors = context.errors
        values = tuple(_axis_values(axis, context))
        # An axis without values counts as absent, but for one that could not be read.
        if values or context.errors > errors:
            matrix.append((name, values))
    return tuple(matrix)


def _axis_values(axis: Value, context: Context) -> Iterator[Json]:
    if axis.is_mapping:
        for name, row in distinct(read_table(axis, AXIS, context), context):
            yield Named(name, {"id": name, "vars": row.vars})
    else:
        yield from (each.node.plain() for each in axis.elements())


def _when(value: Value | None, context: Context) -> Text | bool:
    if value is None:
        return True
    if value.flag is not None:
        return value.flag
    text = condition(value, _WHEN_EXAMPLE, context)
    return True if text is None else text


def _rows(
    value: Value | None, matrix: Matrix, parts: Parts, context: Context, *, complete: bool = False
) -> tuple[Row, ...]:
    axes = [name for name, _ in matrix]
    rows = []
    for row in () if value is None else value.elements():
        values = row.node.plain()
        if not isinstance(values, dict):
            continue
        known = list(dict.fromkeys((*_ROW_KEYS, *axes)))
        for key in values:
            if key not in known:
                location = Value(row.node.child(key) or row.node, (*row.path, key)).key_location
                near = context.suggestions.did_you_mean(key, known) or f"; expected one of {', '.join(known)}"
                context.report(location, f"unknown key{near}")
        _check_names(row, parts, context)
        missing = [axis for axis in axes if axis not in values]
        if complete and missing:
            context.report(row.location, f"the row must name every axis; missing: {', '.join(missing)}")
        if complete:
            values |= _of_tables(row, matrix, context)
        rows.append(Row(values=values, location=row.location))
    return tuple(rows)


def _of_tables(row: Value, matrix: Matrix, context: Context) -> dict[str, Json]:
    """The values of axes that come from tables: not only the id, but all columns of its row."""
    found: dict[str, Json] = {}
    for axis, values in matrix:
        known = {str(value): value for value in values if isinstance(value, Named)}
        named = row.get(axis)
        if not known or named is None:
            continue
        if named.text in known:
            found[axis] = known[named.text]
        else:
            _report_unknown(named, f"row of '{axis}'", known, context)
    return found


def _check_names(row: Value, parts: Parts, context: Context) -> None:
    for key, known in (("template", parts.templates), ("prompt", parts.prompts)):
        named = row.get(key)
        if named is not None and named.text not in known and key not in context.cut_short:
            _report_unknown(named, key, known, context)


def _report_unknown(named: Value, what: str, known: Collection[str], context: Context) -> None:
    """Report a name that is not in `known`, where it may only lack its quotes."""
    name = axis_text(named.node.plain())
    if name in known:
        message = f'expected the name of a {what}, which is a text; write "{name}"'
    else:
        message = context.suggestions.unknown(what, name, known)
    context.report(named.location, message)


def _timeout(value: Value | None) -> float:
    if value is None:
        return DEFAULT_TIMEOUT
    if value.number is not None:
        return float(value.number)
    found = _TIMEOUT.fullmatch(value.text or "")
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (1, 0, 0)
    return float(hours * 3600 + minutes * 60 + seconds)


def chosen(value: Value | None, known: Mapping[str, T | None], what: str, context: Context) -> tuple[T, ...]:
    """Resolve a list of names or globs, each once; everything if there is no list.

    `known` has None for a part that is written but wrong: it is reported elsewhere and left out here.
    """
    if value is None:
        names: Iterable[str] = known
    else:
        names = dict.fromkeys(
            name for each in value.elements() for name in _named(each, known, what, context)
        )
    return tuple(found for name in names if (found := known[name]) is not None)


def _named(value: Value, known: Mapping[str, object], what: str, context: Context) -> list[str]:
    name = value.text
    if name is None:
        return []
    if name in known:
        return [name]
    if what in context.cut_short:
        return [each for each in known if fnmatchcase(each, name)]
    if not has_magic(name):
        braces = braces_hint(name, "list both")
        message = (
            f"there is no {what} '{name}'{braces}"
            if braces
            else context.suggestions.unknown(what, name, known)
        )
        context.report(value.location, message)
        return []
    found = [each for each in known if fnmatchcase(each, name)]
    if not found:
        hint = braces_hint(name, "list both") or there_are(known)
        context.report(value.location, f"no {what} matches '{name}'{hint}")
    return found
