"""Warns of numbers that a text spells differently than they were written: `19.90` silently becomes 19.9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.documents.scalars import Spelled, SpelledFloat, SpelledInt
from pipeline.errors import Problem
from pipeline.manifest.chains import chains_of, upstreams_first
from pipeline.manifest.template_options import texts_in
from pipeline.manifest.templating import TemplateError
from pipeline.manifest.templating.dotted import ANY, Path

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.model import OptionTree, Rule, Template
    from pipeline.manifest.texts import Text


def respelled(rules: Iterable[Rule], variables: Mapping[str, Json]) -> Iterator[Problem]:
    """Yield a warning for each number that a text of a rule spells differently than it was written."""
    # What the items of each rule's jobs pass on to the rules that are made from them.
    passed_on: dict[str, list[Json]] = {}
    for rule in upstreams_first(rules):
        axes, items = _axes(rule), _items(rule, passed_on)
        passed_on[rule.id] = [*items, *({name: value} for name, each in axes.items() for value in each)]
        values: dict[str, list[Json]] = {
            **{name: [value] for name, value in variables.items()},
            "vars": [dict(variables)],
            "image": [{"vars": item} for item in items],
            **axes,
        }
        yield from _respelled_in(rule, values)


def _respelled_in(rule: Rule, values: Mapping[str, list[Json]]) -> Iterator[Problem]:
    for text in _texts(rule):
        for literal in text.template.respelled:
            error = TemplateError(_message(literal.spelling, literal.value), literal.line)
            yield replace(text.problem(error), severity="warning")
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


def _axes(rule: Rule) -> dict[str, list[Json]]:
    """The values of each axis that are spelled differently, also those that only an `include` row has."""
    return {
        name: [
            value
            for value in (*values, *(row.values[name] for row in rule.include if name in row.values))
            if _spelled(value)
        ]
        for name, values in rule.matrix
    }


def _items(rule: Rule, passed_on: Mapping[str, list[Json]]) -> list[Json]:
    """The vars of each item that are spelled differently, also those that come along a chain."""
    items = [item for image_set in rule.image_sets for item in image_set.items]
    # Each once, however many ways lead to this rule.
    chained = {id(each): each for chain in chains_of(rule) for each in passed_on[chain.rule]}
    return [*(dict(item.vars) for item in items if _spelled(item.vars)), *chained.values()]


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
