"""What a rule orders of one template: its options and event, rendered for each job and judged."""

from pipeline.errors import Problem
from pipeline.jobs import Option, axis_text
from pipeline.manifest.faults import Faults
from pipeline.manifest.inputs import wrong_inputs
from pipeline.manifest.model import Item, OptionEntry, Rule, Template
from pipeline.manifest.options import findings, plain, render
from pipeline.manifest.texts import Remembered, Scope

_Judged = tuple[Option, list[Problem]]


class TemplateOrder:
    """One template in one rule. `names` are those that its texts, or the output path, depend on."""

    def __init__(self, template: Template, rule: Rule) -> None:
        self._template = template
        self._rule = rule
        known = template.known
        self.joined = frozenset() if known is None else known.joined
        self._required = [name for name, spec in known.options.items() if spec.required] if known else []
        self._options = {name: self._judged(name, entry) for name, entry in template.options.items()}
        texts = (template.title, template.description, template.event_id, rule.path)
        names = [text.names for text in texts if text is not None]
        names += [entry.names for entry in template.options.values() if entry.names is not None]
        self.names = frozenset().union(*names)
        self._inputs: tuple[Item | None, list[Problem]] | None = None

    def wrong_inputs(self, item: Item | None) -> list[Problem]:
        """What is wrong with the item for this template."""
        if self._inputs is None or self._inputs[0] is not item:
            self._inputs = (item, list(wrong_inputs(item, self._template, self._rule.location)))
        return self._inputs[1]

    def options(self, scope: Scope, faults: Faults) -> dict[str, Option]:
        """The rendered options; nulls are left out."""
        values: dict[str, Option] = {}
        nothing: _Judged = (None, [])
        for name, judged in self._options.items():
            value, found = faults.catch(nothing, judged, scope)
            faults.problems.extend(found)
            if value is not None:
                values[name] = value
        for name in self._required:
            # One that is there and failed is told already.
            if name not in values and (name not in self._options or not faults.are_errors):
                message = f"missing option '{name}', which {self._template.template_id} needs"
                faults.problems.append(self._template.location.problem(message))
        return values

    def event_id(self, scope: Scope) -> str | None:
        """The event, if there is one.

        Raises:
            InvalidInput: it cannot be rendered.
        """
        if self._template.event_id is None:
            return None
        value = self._template.event_id.value(scope)
        return None if value is None or value == "" else axis_text(value)

    def _judged(self, name: str, entry: OptionEntry) -> Remembered[_Judged]:
        known = self._template.known
        spec = None if known is None else known.options.get(name)
        if entry.names is None:
            # Constant, and judged when it was read.
            constant: _Judged = (plain(entry.tree), [])
            return Remembered((), lambda _scope: constant)

        def judge(scope: Scope) -> _Judged:
            value = render(entry.tree, scope)
            return value, findings(spec, value, entry)

        return Remembered(entry.names, judge)
