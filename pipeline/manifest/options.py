"""Options of a template: rendered for each job, judged by the catalogue."""

from collections.abc import Callable, Iterator
from typing import cast

from pipeline.errors import Problem
from pipeline.jobs import Option
from pipeline.manifest.model import OptionEntry, OptionTree
from pipeline.manifest.option_specs import OptionSpec
from pipeline.manifest.texts import Scope, Text


def findings(spec: OptionSpec | None, value: Option, entry: OptionEntry) -> list[Problem]:
    """What the catalogue says of a value; null is left out, so nothing is said of it."""
    if spec is None or value is None:
        return []
    return [entry.location.problem(found.message, found.severity) for found in spec.check(value)]


def render(tree: OptionTree, scope: Scope) -> Option:
    """The value of an option for one job.

    Raises:
        InvalidInput: a text in it cannot be rendered.
    """
    return _mapped(tree, lambda text: cast("Option", text.value(scope)))  # JSON is one kind of it


def plain(tree: OptionTree) -> Option:
    """The value of an option that has no text in it."""
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
