"""Warns of numbers that a text spells differently than they were written: `19.90` silently becomes 19.9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.documents.scalars import Spelled, SpelledFloat, SpelledInt
from pipeline.errors import Problem
from pipeline.manifest.template_options import texts_in
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import ANY, Path

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.model import OptionTree, Rule, Template
    from pipeline.manifest.texts import Text


def respelled(rule: Rule, variables: Mapping[str, Json]) -> Iterator[Problem]:
    """Yield a warning for each number that a text of the rule spells differently than it was written."""
    for text in _texts(rule):
        for literal in text.template.respelled:
            error = TemplateError(_message(literal.spelling, literal.value), literal.line)
            yield replace(text.problem(error), severity="warning")
    values = _values(rule, variables)
    spelled = {name for name, each in values.items() if any(_spelled(value) for value in each)}
    if not spelled:
        return
    found: dict[int, Problem] = {}
    for text in _texts(rule):
        if not spelled & text.names:
            continue
        for name, *steps in text.template.shown:
            for value in values.get(str(name), ()):
                for number in _at(value, tuple(steps)):
                    found[id(number)] = _problem(number, str(name), steps)
    yield from found.values()


def _problem(number: Spelled, name: str, steps: list[str | int | None]) -> Problem:
    message = _message(number.spelling, number)
    if number.location is not None:
        return number.location.problem(message, "warning")
    # A value without a position in a file comes from the command line.
    flag = steps[0] if name == "vars" and steps else name
    return Problem(message, path=f"--var {flag}", severity="warning")


def _message(spelling: str, value: float) -> str:
    return f"the number {spelling} reads as {value} in a text; write it in quotes to keep it as it is"


def _values(rule: Rule, variables: Mapping[str, Json]) -> dict[str, list[Json]]:
    """The values behind the names that a text of the rule may show: vars, axes, images."""
    items = [item for image_set in rule.image_sets for item in image_set.items]
    return {
        **{name: [value] for name, value in variables.items()},
        "vars": [dict(variables)],
        "image": [{"vars": dict(item.vars)} for item in items if not _are_texts(item.vars)],
        **{name: list(values) for name, values in rule.matrix},
    }


def _are_texts(variables: Mapping[str, Json]) -> bool:
    """Whether all of them are texts, as in a table."""
    return all(isinstance(value, str) for value in variables.values())


def _spelled(value: Json | Mapping[str, Json]) -> list[Spelled]:
    """The numbers in a value that are spelled differently."""
    match value:
        case SpelledInt() | SpelledFloat():
            return [value]
        case Mapping():
            return [number for inner in value.values() for number in _spelled(inner)]
        case list():
            return [number for inner in value for number in _spelled(inner)]
        case _:
            return []


def _at(value: Json, steps: Path) -> list[Spelled]:
    """The numbers that are shown by following the steps into a value."""
    if not steps:
        return _spelled(value)
    step, *rest = steps
    match value:
        case dict() if step is ANY:
            inner = list(value.values())
        case dict():
            inner = [value[str(step)]] if str(step) in value else []
        case list() if step is ANY:
            inner = value
        case list():
            inner = [value[step]] if isinstance(step, int) and -len(value) <= step < len(value) else []
        case _:
            return []
    return [number for each in inner for number in _at(each, tuple(rest))]


def _texts(rule: Rule) -> Iterator[Text]:
    """The texts of a rule that are rendered as text."""
    yield from (prompt.text for prompt in rule.prompts)
    yield rule.path
    for template in rule.templates:
        yield from _texts_of(template)


def _texts_of(template: Template) -> Iterator[Text]:
    yield from (
        text for text in (template.title, template.description, template.event_id) if text is not None
    )
    trees: Iterable[OptionTree] = (entry.tree for entry in template.options.values())
    # An option that is a single expression keeps its value a number.
    yield from (text for tree in trees for text in texts_in(tree) if not text.template.is_expression)
