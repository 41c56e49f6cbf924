"""Makes the jobs of one rule: renders what depends on each combination, and judges it by the catalogue."""

from collections.abc import Callable
from functools import partial

from pipeline import files
from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Job, JobKey, MediaType, Option, Request, Wording, axis_text, constant
from pipeline.manifest.combinations import Combination
from pipeline.manifest.inputs import for_template, wrong_inputs
from pipeline.manifest.model import Campaign, Item, OptionEntry, Rule, Template
from pipeline.manifest.options import findings, plain, render
from pipeline.manifest.scope import RuleScope
from pipeline.manifest.texts import Remembered, Scope, Text

_UNBOUGHT = "…"

Report = Callable[[Problem, JobKey | None], None]


class Maker:
    """Makes a rule's jobs. Combinations come in the order of the loops, so what stays the same is kept.

    `report` is told what is wrong and with which job; that job is left out.
    """

    def __init__(self, campaign: Campaign, rule: Rule, report: Report) -> None:
        self._campaign = campaign
        self._rule = rule
        self._report = report
        self._scope = RuleScope(campaign, rule)
        self._templates: dict[str, _TemplateMaker] = {}
        when = rule.when
        self._when = Remembered(when.names, when.value) if isinstance(when, Text) else None

    def wanted(self, combination: Combination, take: int) -> bool:
        """What `when` says of it."""
        if not isinstance(self._rule.when, Text) or self._when is None:
            return bool(self._rule.when)
        key = key_of(self._rule, combination, take)
        try:
            answer = self._when(self._scope.enter(combination, take, self._rule.when.names))
        except InvalidInput as error:
            self._tell(error, key)
            return False
        return bool(answer.strip() if isinstance(answer, str) else answer)

    def gives(self, combination: Combination, take: int) -> MediaType | None:
        """The type of the job's result, None where that is not known or cannot be told."""
        known = combination.template.known
        entry = None if known is None else combination.template.options.get(known.mode_option or "")
        if known is None or known.mode_option is None or entry is None:
            return None if known is None else known.output
        try:
            mode = render(entry.tree, self._scope.enter(combination, take, entry.names or ()))
        except InvalidInput:  # told when the job itself is made
            return None
        return known.gives({known.mode_option: mode})

    def job(self, combination: Combination, take: int) -> Job | None:
        """The job; None where something of it is wrong."""
        key = key_of(self._rule, combination, take)
        template = self._templates.setdefault(
            combination.template.name, _TemplateMaker(combination.template, self._rule)
        )
        try:
            return self._made(template, combination, key)
        except InvalidInput as error:
            self._tell(error, key)
            return None

    def _made(self, maker: "_TemplateMaker", combination: Combination, key: JobKey) -> Job:
        template, item = combination.template, combination.item
        if wrong := maker.wrong_inputs(item):
            raise InvalidInput(wrong)
        scope = self._scope.enter(combination, key.take, maker.names)
        options, doubts = maker.options(scope)
        for problem in doubts:
            self._report(problem, key)
        request = Request(
            provider=self._campaign.provider.name,
            template_id=template.template_id,
            options=options,
            images=for_template(item, template),
            event_id=maker.event_id(scope),
            take=key.take,
            joined=maker.joined,
        )
        named = {**scope, "job": {"id": self._rule.id, "take": key.take, "key": str(key)}}
        return Job(
            key,
            request,
            path=self._path(scope, key),
            title=_wording(template.title, named) or partial(_default_title, f"{self._campaign.name}: {key}"),
            description=_wording(template.description, named) or constant(""),
            visibility=template.visibility,
            timeout=self._rule.timeout,
            retries=self._rule.retries,
            credits=self._campaign.catalog.price(template.template_id, options),
            steps=self._rule.steps,
            output_media=None if template.known is None else template.known.gives(options),
        )

    def _path(self, scope: Scope, key: JobKey) -> str:
        text = self._rule.path
        rendered = text.text({**scope, "job": {"id": self._rule.id, "take": key.take, "key": key.for_path}})
        path = files.safe_path(rendered)
        if not path:
            raise InvalidInput(text.place.problem("the path renders to nothing"))
        return path

    def _tell(self, error: InvalidInput, key: JobKey) -> None:
        for problem in error.problems:
            self._report(problem, key)


class _TemplateMaker:
    """What is the same for all jobs of one template of a rule, and what of it is rendered for each."""

    def __init__(self, template: Template, rule: Rule) -> None:
        self._template = template
        self._rule = rule
        known = template.known
        self.joined = frozenset() if known is None else known.joined
        self._required = [name for name, spec in known.options.items() if spec.required] if known else []
        self._options = {name: self._remembered(name, entry) for name, entry in template.options.items()}
        texts = (template.title, template.description, template.event_id, rule.path)
        names = [text.names for text in texts if text is not None]
        names += [entry.names for entry in template.options.values() if entry.names is not None]
        self.names = frozenset().union(*names)
        self._inputs: tuple[Item | None, list[Problem]] | None = None

    def _remembered(self, name: str, entry: OptionEntry) -> Remembered[tuple[Option, list[Problem]]]:
        known = self._template.known
        spec = None if known is None else known.options.get(name)
        if entry.names is None:
            # Constant, and judged when it was read.
            outcome: tuple[Option, list[Problem]] = (plain(entry.tree), [])
            return Remembered((), lambda _scope: outcome)

        def compute(scope: Scope) -> tuple[Option, list[Problem]]:
            value = render(entry.tree, scope)
            return value, findings(spec, value, entry)

        return Remembered(entry.names, compute)

    def wrong_inputs(self, item: Item | None) -> list[Problem]:
        """What is wrong with the item for this template."""
        if self._inputs is None or self._inputs[0] is not item:
            self._inputs = (item, list(wrong_inputs(item, self._template, self._rule.place)))
        return self._inputs[1]

    def options(self, scope: Scope) -> tuple[dict[str, Option], list[Problem]]:
        """The rendered options without nulls, and what is doubtful about them.

        Raises:
            InvalidInput: something cannot be rendered, or is wrong; with every problem.
        """
        values: dict[str, Option] = {}
        problems: list[Problem] = []
        for name, remembered in self._options.items():
            try:
                value, found = remembered(scope)
            except InvalidInput as error:
                problems += error.problems
                continue
            problems += found
            if value is not None:
                values[name] = value
        for name in self._required:
            if name not in self._template.options or (name not in values and not problems):
                problems.append(
                    self._template.place.problem(
                        f"missing option '{name}', which {self._template.template_id} needs"
                    )
                )
        if any(problem.severity == "error" for problem in problems):
            raise InvalidInput(problems)
        return values, problems

    def event_id(self, scope: Scope) -> str | None:
        """The event, if there is one.

        Raises:
            InvalidInput: it cannot be rendered.
        """
        if self._template.event_id is None:
            return None
        value = self._template.event_id.value(scope)
        return None if value is None or value == "" else axis_text(value)


def _default_title(beginning: str, purchase: str) -> str:
    return f"{beginning} ({purchase})"


def _wording(text: Text | None, scope: Scope) -> Wording | None:
    if text is None:
        return None
    if "purchase" not in text.names:
        return constant(text.text(scope))
    # Rendered for each purchase from what it needs; a fault is to show now.
    own = {name: scope[name] for name in text.names if name in scope}
    text.text({**scope, "purchase": _UNBOUGHT})
    return lambda purchase: text.text({**own, "purchase": purchase})


def key_of(rule: Rule, combination: Combination, take: int) -> JobKey:
    """The key of one job."""
    item, prompt = combination.item, combination.prompt
    return JobKey(
        rule.id,
        combination.template.name,
        None if item is None else item.id,
        None if prompt is None else prompt.name,
        combination.axes,
        take,
    )
