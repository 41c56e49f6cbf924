"""The combinations of a rule: the product of its axes, less what `exclude` names, plus what `include` adds."""

import itertools
from collections.abc import Iterator, Sequence

from pipeline.json_values import Json
from pipeline.manifest.model import Campaign, Combination, Item, Prompt, Row, Rule, Template

Typed = tuple[str, Json]


def typed(value: Json) -> Typed:
    """A value that is equal only to one of the same type: 5 is not "5", and true is not 1."""
    if isinstance(value, str):  # or a subclass, such as the ids of a table
        return "str", value
    kind = (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )
    return kind, value


def product(rule: Rule, items: Sequence[Item | None]) -> Iterator[Combination]:
    """Every combination of the axes; the last axis of the matrix moves fastest."""
    # Made once, so that all jobs share these tuples.
    matrix = [*itertools.product(*([(name, value) for value in values] for name, values in rule.matrix))]
    for template in rule.templates:
        for item in items or (None,):
            for prompt in rule.prompts or (None,):
                for axes in matrix:
                    yield Combination(template=template, item=item, prompt=prompt, axes=axes)


def bound(rule: Rule, items: int) -> int:
    """The largest number of jobs that a rule can make, without making any: `exclude` and `when` only remove some."""
    templates, prompts = len(rule.templates), max(1, len(rule.prompts))
    if not rule.image_sets:
        items = 1
    combinations = templates * items * prompts
    for _, values in rule.matrix:
        combinations *= len(values)
    for row in rule.include:
        combinations += (
            (1 if "template" in row.values else templates)
            * (1 if "image" in row.values else items)
            * (1 if "prompt" in row.values else prompts)
        )
    return combinations * rule.repeat


class Exclusion:
    """The `exclude` rows of a rule; the time of a lookup does not grow with their number.

    `keeps_any` says whether a combination was looked up that no row matches.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.keeps_any = False
        self._rows = len(rows)
        self._unused = {id(row): row for row in rows}
        # Rows that name the same keys share one dictionary, keyed by their values.
        self._by_keys: dict[tuple[str, ...], dict[tuple[Typed, ...], Row]] = {}
        for row in rows:
            keys = tuple(sorted(row.values))
            self._by_keys.setdefault(keys, {}).setdefault(tuple(typed(row.values[key]) for key in keys), row)

    def covers(self, combination: Combination) -> bool:
        """Whether some row matches the combination in every key that the row names."""
        if not self._by_keys:
            self.keeps_any = True
            return False
        values = _values(combination)
        covered = False
        for keys, rows in self._by_keys.items():
            row = (
                rows.get(tuple(typed(values.get(key)) for key in keys))
                if values.keys() >= set(keys)
                else None
            )
            if row is not None:
                covered = True
                self._unused.pop(id(row), None)
        self.keeps_any = self.keeps_any or not covered
        return covered

    @property
    def unused(self) -> list[Row]:
        """The rows that have excluded nothing so far."""
        return list(self._unused.values())

    @property
    def removes_all(self) -> bool:
        """Whether each combination that was looked up, and at least one, is excluded."""
        return len(self._unused) < self._rows and not self.keeps_any


def _values(combination: Combination) -> dict[str, Json]:
    values: dict[str, Json] = {"template": combination.template.name, **dict(combination.axes)}
    if combination.item is not None:
        values["image"] = combination.item.id
    if combination.prompt is not None:
        values["prompt"] = combination.prompt.name
    return values


def included(row: Row, rule: Rule, items: Sequence[Item], campaign: Campaign) -> Iterator[Combination]:
    """The combinations that an `include` row adds: for all templates and prompts of the rule if it names none."""
    template, prompt = row.values.get("template"), row.values.get("prompt")
    templates = rule.templates if template is None else _named(str(template), rule, campaign)
    prompts: Sequence[Prompt | None] = rule.prompts or (None,)
    if prompt is not None:
        # Where the list could not be read whole, it may be absent, and that is reported already.
        prompts = [each for each in campaign.prompts.values() if each.name == prompt]
    pictures: Sequence[Item | None] = items
    if not items and not rule.image_sets and "image" not in row.values:
        pictures = (None,)
    axes = tuple((axis, row.values[axis]) for axis, _ in rule.matrix)
    for combination in itertools.product(templates, pictures, prompts):
        yield Combination(*combination, axes)


def _named(name: str, rule: Rule, campaign: Campaign) -> Sequence[Template]:
    """The template of that name, with the rule's options if the rule uses it."""
    mine = [template for template in rule.templates if template.name == name]
    return mine or [template for template in campaign.templates.values() if template.name == name]
