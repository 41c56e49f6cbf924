"""Options of a template: read from the manifest, rendered for each job, checked against the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from pipeline.documents.node import Node, merge
from pipeline.documents.value import Value
from pipeline.errors import InvalidInput, Problem, Suggestions
from pipeline.jobs import LocalFile, Option
from pipeline.manifest.build_context import Context, warn_of_braces, warn_of_empty_options
from pipeline.manifest.model import OptionEntry, OptionTree
from pipeline.manifest.texts import Scope, Text
from pipeline.manifest.urls import is_url

if TYPE_CHECKING:
    from pipeline.manifest import catalog
    from pipeline.manifest.catalog import OptionSpec


def merged(base: Value | None, over: Value | None) -> Value | None:
    """Merge a rule's options over its template's; each keeps the path where it is written."""
    if base is None or over is None:
        return base if over is None else over
    return Value(merge(base.node, over.node), base.path)


def build_options(
    base: Value | None, over: Value | None, known: catalog.CatalogTemplate | None, context: Context
) -> Mapping[str, OptionEntry]:
    """Build the options as written: those of the rule (`over`) override those of the template (`base`)."""
    entries = {}
    warn_of_empty_options(base if over is None else over, context)
    together = merged(base, over)
    for name, value in () if together is None else together.items():
        if over is not None and _stands_in(over.node, name, value.node):
            value = Value(value.node, (*over.path, name))
        spec = None if known is None else known.options.get(name)
        if known is not None and spec is None and not known.other_options:
            near = context.suggestions.did_you_mean(name, known.options)
            context.report(value.key_location, f"unknown option of {known.id}{near}")
            continue
        try:
            tree = _tree(value, spec, context)
        except InvalidInput as error:
            context.problems += error.problems
            continue
        texts = list(texts_in(tree))
        names = frozenset().union(*(text.names for text in texts)) if texts else None
        entries[name] = OptionEntry(tree=tree, names=names, location=value.location)
        if names is None:
            context.problems += findings(spec, plain(tree), entries[name], context.suggestions)
        if name.endswith("prompt"):
            for text in texts:
                warn_of_braces(text, context)
    return entries


def _stands_in(over: Node, name: str, node: Node) -> bool:
    child = over.child(name)
    return child is not None and child.position == node.position


def _tree(value: Value, spec: OptionSpec | None, context: Context) -> OptionTree:
    if value.text is not None:
        # Most texts contain no template and need not be compiled.
        return context.text(value) if "{" in value.text else value.text
    if value.is_list:
        return [_tree(inner, spec, context) for inner in value.elements()]
    if value.is_mapping:
        file = value.get("file")
        if file is not None and file.text is not None and len(list(value.items())) == 1:
            return _file(file, file.text, spec, context)
        return {name: _tree(inner, spec, context) for name, inner in value.items()}
    return value.node.value  # type: ignore[return-value] # neither list nor mapping, so a scalar


def _file(value: Value, path: str, spec: OptionSpec | None, context: Context) -> str | LocalFile:
    if is_url(path):
        return path
    if spec is not None and not spec.takes_file:
        raise InvalidInput(value.location.problem("this option takes no file, because it takes no url"))
    image = context.image(path, value.node.source.path.parent, value)
    return image if isinstance(image, LocalFile) else path


def findings(
    spec: OptionSpec | None, value: Option, entry: OptionEntry, suggestions: Suggestions
) -> list[Problem]:
    """Check a value against the catalogue; null is not sent, so it is not checked."""
    if spec is None or value is None:
        return []
    return [entry.location.problem(found.message, found.severity) for found in spec.check(value, suggestions)]


def render(tree: OptionTree, scope: Scope) -> Option:
    """The value of an option for one job.

    Raises:
        InvalidInput: a text in it cannot be rendered.
    """
    return _mapped(tree, lambda text: cast("Option", text.value(scope)))  # JSON values are options too


def plain(tree: OptionTree) -> Option:
    """The value of an option that contains no text to be rendered."""
    return _mapped(tree, lambda text: text.location.path)


def _mapped(tree: OptionTree, of_text: Callable[[Text], Option]) -> Option:
    match tree:
        case Text():
            return of_text(tree)
        case list():
            return [_mapped(inner, of_text) for inner in tree]
        case dict():
            return {name: _mapped(inner, of_text) for name, inner in tree.items()}
        case _:
            return tree


def texts_in(tree: OptionTree) -> Iterator[Text]:
    """The texts in an option that are yet to be rendered."""
    match tree:
        case Text():
            yield tree
        case list():
            for inner in tree:
                yield from texts_in(inner)
        case dict():
            for inner in tree.values():
                yield from texts_in(inner)
