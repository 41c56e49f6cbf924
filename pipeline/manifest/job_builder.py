"""Makes the jobs of one rule: renders what depends on each combination, and checks it against the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import InvalidInput, Problem, Suggestions
from pipeline.jobs import (
    Coordinates,
    Job,
    MediaType,
    Option,
    PurchaseId,
    PurchaseText,
    Request,
    Source,
    axis_text,
    constant,
)
from pipeline.manifest.conditions import holds, misread
from pipeline.manifest.job_checks import (
    ProblemCollector,
    empty_options,
    for_template,
    unrecordable,
    unrendered_options,
    wrong_inputs,
)
from pipeline.manifest.scope import RuleScope
from pipeline.manifest.template_options import findings, plain, render
from pipeline.manifest.texts import Remembered, Scope, Text
from pipeline.safe_names import safe_path

if TYPE_CHECKING:
    from pipeline.manifest.model import Campaign, Combination, Item, OptionEntry, Rule, Template

# As long as a real id, so that a text that is too long with one is found before anything is bought.
_SOME_ID = PurchaseId("0" * 16)

Report = Callable[[Problem, Coordinates | None], None]


class JobBuilder:
    """Makes a rule's jobs. Combinations come in the order of the loops, so what stays the same is cached.

    `report` receives each error or warning with its job; a wrong job is left out.
    """

    def __init__(self, campaign: Campaign, rule: Rule, report: Report, suggestions: Suggestions) -> None:
        self._campaign = campaign
        self._rule = rule
        self._report = report
        self._suggestions = suggestions
        self._scope = RuleScope(campaign, rule)
        self._templates: dict[str, _TemplateBuilder] = {}
        when = rule.when
        self._when = Remembered(when.names, when.value) if isinstance(when, Text) else None

    def wanted(self, combination: Combination, take: int) -> bool:
        """Whether `when` keeps the combination."""
        if not isinstance(self._rule.when, Text) or self._when is None:
            return bool(self._rule.when)
        scope = self._scope.enter(combination, take, self._rule.when.names)
        collector = ProblemCollector([*self._scope.problems])
        answer = collector.catch(False, self._when, scope)
        if (warning := misread(answer, self._rule.when, scope)) is not None:
            collector.problems.append(warning)
        if collector.problems:
            self._tell(collector, combination.coordinates(self._rule, take))
        return not collector.has_errors and holds(answer)

    def gives(self, combination: Combination, take: int) -> MediaType | None:
        """The type of the job's result; None if it is not known or cannot be computed."""
        known = combination.template.known
        entry = None if known is None else combination.template.options.get(known.mode_option or "")
        if known is None or known.mode_option is None or entry is None:
            return None if known is None else known.output
        scope = self._scope.enter(combination, take, entry.names or ())
        # Its problems are reported when the job itself is made.
        return known.gives({known.mode_option: ProblemCollector([]).catch(None, render, entry.tree, scope)})

    def job(self, combination: Combination, take: int) -> Job | None:
        """The job; None if any part of it is wrong."""
        template, item = combination.template, combination.item
        if template.name not in self._templates:
            provider = self._campaign.provider.name
            self._templates[template.name] = _TemplateBuilder(
                template, provider, self._rule, self._suggestions
            )
        builder = self._templates[template.name]
        coordinates = combination.coordinates(self._rule, take)
        scope = self._scope.enter(combination, take, builder.names)
        collector = ProblemCollector([*builder.inputs(item).problems, *self._scope.problems])
        job = self._job(coordinates, builder, builder.request(item, take, scope, collector), collector)
        collector.problems.extend(unrecordable(job, combination, self._rule, self._campaign.output.dir))
        if not collector.has_errors:
            collector.problems.extend(empty_options(job, combination))
            collector.problems.extend(unrendered_options(job, combination))
        if collector.problems:
            self._tell(collector, coordinates)
        return None if collector.has_errors else job

    def _job(
        self,
        coordinates: Coordinates,
        builder: _TemplateBuilder,
        request: Request,
        collector: ProblemCollector,
    ) -> Job:
        rule, template, key = self._rule, builder.template, coordinates.key
        path = collector.catch("", _path, rule.path, self._scope.with_key(coordinates.for_path))
        scope = self._scope.with_key(key)
        title = _worded(builder.title, scope, collector)
        return Job(
            coordinates=coordinates,
            request=request,
            # Usually it equals the key; then both share one text in memory.
            path=key if path == key else path,
            title=title or _DefaultTitle(self._campaign.name, key),
            description=_worded(builder.description, scope, collector)
            or _description(title, self._campaign.name),
            visibility=template.visibility,
            timeout=rule.timeout,
            retries=rule.retries,
            credits=self._campaign.catalog.price(template.template_id, request.options),
            steps=rule.steps,
            output_media=None if template.known is None else template.known.gives(request.options),
        )

    def _tell(self, collector: ProblemCollector, job: Coordinates) -> None:
        for problem in collector.problems:
            self._report(problem, job)


def _path(text: Text, scope: Scope) -> str:
    path = safe_path(text.text(scope))
    if not path:
        raise InvalidInput(text.location.problem("the path renders to nothing"))
    return path


@dataclass(frozen=True, slots=True)
class _DefaultTitle:
    """A default title: names the campaign, the job and the purchase."""

    campaign: str
    key: str

    def __call__(self, purchase_id: PurchaseId) -> str:
        return f"{self.campaign}: {self.key} ({purchase_id})"


@dataclass(frozen=True, slots=True)
class _DefaultDescription:
    """A default description: names the purchase if the title does not.

    The id in either of them finds the workflow of a lost create, and proves that it belongs to the purchase.
    """

    campaign: str
    title: PurchaseText

    def __call__(self, purchase_id: PurchaseId) -> str:
        return "" if purchase_id in self.title(purchase_id) else f"{self.campaign} {purchase_id}"


def _description(title: PurchaseText | None, campaign: str) -> PurchaseText:
    """The default description of a workflow; `title` is None if it is the default too."""
    return _NOTHING if title is None else _DefaultDescription(campaign, title)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A text that is rendered for each purchase; it keeps only the part of the scope that it needs."""

    text: Text
    scope: Scope

    def __call__(self, purchase_id: PurchaseId) -> str:
        return self.text.text({**self.scope, "purchase": purchase_id})


_NOTHING = constant("")


def _wording(text: Text | None) -> Remembered[PurchaseText] | None:
    if text is None:
        return None

    def word(scope: Scope) -> PurchaseText:
        if "purchase" not in text.names:
            return constant(text.text(scope))
        # Rendered once, so that an error shows before other jobs are bought.
        text.text({**scope, "purchase": _SOME_ID})
        return _Rendered(text, {name: scope[name] for name in text.names if name in scope})

    return Remembered(text.names, word)


def _worded(
    wording: Remembered[PurchaseText] | None, scope: Scope, collector: ProblemCollector
) -> PurchaseText | None:
    return None if wording is None else collector.catch(_NOTHING, wording, scope)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """The images that an item gives to a template, and their problems."""

    item: Item | None
    images: tuple[Source, ...]
    problems: list[Problem]


_Judged = tuple[Option, list[Problem]]


class _TemplateBuilder:
    """Builds requests for one template of a rule. `names` are those on which its texts or the output path depend."""

    def __init__(self, template: Template, provider: str, rule: Rule, suggestions: Suggestions) -> None:
        self.template = template
        self.title = _wording(template.title)
        self.description = _wording(template.description)
        self._provider = provider
        self._rule = rule
        self._suggestions = suggestions
        known = template.known
        self._joined = frozenset() if known is None else known.joined
        self._required = [name for name, spec in known.options.items() if spec.required] if known else []
        self._options = {name: self._judged(name, entry) for name, entry in template.options.items()}
        texts = (template.title, template.description, template.event_id, rule.path)
        names = [text.names for text in texts if text is not None]
        names += [entry.names for entry in template.options.values() if entry.names is not None]
        self.names = frozenset().union(*names)
        self._inputs: _Inputs | None = None

    def inputs(self, item: Item | None) -> _Inputs:
        """The inputs from the item, cached while the item stays the same."""
        if self._inputs is None or self._inputs.item is not item:
            problems = list(wrong_inputs(item, self.template, self._rule.location))
            self._inputs = _Inputs(item, for_template(item, self.template), problems)
        return self._inputs

    def request(self, item: Item | None, take: int, scope: Scope, collector: ProblemCollector) -> Request:
        """The request to the vendor."""
        return Request(
            provider=self._provider,
            template_id=self.template.template_id,
            options=self._rendered(scope, collector),
            images=self.inputs(item).images,
            event_id=None if self.template.event_id is None else collector.catch(None, self._event_id, scope),
            take=take,
            joined=self._joined,
        )

    def _rendered(self, scope: Scope, collector: ProblemCollector) -> dict[str, Option]:
        """The options; nulls are left out."""
        values: dict[str, Option] = {}
        nothing: _Judged = (None, [])
        for name, judged in self._options.items():
            value, found = collector.catch(nothing, judged, scope)
            collector.problems.extend(found)
            if value is not None:
                values[name] = value
        for name in self._required:
            # An option that is present but failed is reported already.
            if name not in values and (name not in self._options or not collector.has_errors):
                message = f"missing option '{name}', which {self.template.template_id} needs"
                collector.problems.append(self.template.location.problem(message))
        return values

    def _event_id(self, scope: Scope) -> str | None:
        assert self.template.event_id is not None  # noqa: S101 - the caller has checked
        value = self.template.event_id.value(scope)
        return None if value is None or value == "" else axis_text(value)

    def _judged(self, name: str, entry: OptionEntry) -> Remembered[_Judged]:
        known = self.template.known
        spec = None if known is None else known.options.get(name)
        if entry.names is None:
            # Constant, and checked when it was read.
            judged: _Judged = (plain(entry.tree), [])
            return Remembered((), lambda _scope: judged)

        def judge(scope: Scope) -> _Judged:
            value = render(entry.tree, scope)
            return value, findings(spec, value, entry, self._suggestions)

        return Remembered(entry.names, judge)
