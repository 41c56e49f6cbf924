"""Makes the jobs of one rule: renders what depends on each combination, and judges it by the catalogue."""

from collections.abc import Callable

from pipeline import files
from pipeline.errors import InvalidInput, Problem
from pipeline.jobs import Coordinates, Job, MediaType, Request, Wording, constant
from pipeline.manifest.combinations import Combination
from pipeline.manifest.faults import Faults
from pipeline.manifest.inputs import for_template
from pipeline.manifest.model import Campaign, Rule
from pipeline.manifest.options import render
from pipeline.manifest.ordering import TemplateOrder
from pipeline.manifest.scope import RuleScope
from pipeline.manifest.texts import Remembered, Scope, Text, is_true

_UNBOUGHT = "…"

Report = Callable[[Problem, Coordinates | None], None]


class Maker:
    """Makes a rule's jobs. Combinations come in the order of the loops, so what stays the same is kept.

    `report` is told what is wrong or doubtful, and with which job; one that is wrong is left out.
    """

    def __init__(self, campaign: Campaign, rule: Rule, report: Report) -> None:
        self._campaign = campaign
        self._rule = rule
        self._report = report
        self._scope = RuleScope(campaign, rule)
        self._orders: dict[str, TemplateOrder] = {}
        when = rule.when
        self._when = Remembered(when.names, when.value) if isinstance(when, Text) else None

    def wanted(self, combination: Combination, take: int) -> bool:
        """What `when` says of it."""
        if not isinstance(self._rule.when, Text) or self._when is None:
            return bool(self._rule.when)
        scope = self._scope.enter(combination, take, self._rule.when.names)
        faults = Faults([*self._scope.problems])
        answer = faults.catch(False, self._when, scope)
        if faults.problems:
            self._tell(faults, key_of(self._rule, combination, take))
            return False
        return is_true(answer)

    def gives(self, combination: Combination, take: int) -> MediaType | None:
        """The type of the job's result, None where that is not known or cannot be told."""
        known = combination.template.known
        entry = None if known is None else combination.template.options.get(known.mode_option or "")
        if known is None or known.mode_option is None or entry is None:
            return None if known is None else known.output
        scope = self._scope.enter(combination, take, entry.names or ())
        # What is wrong with it is told when that job itself is made.
        return known.gives({known.mode_option: Faults([]).catch(None, render, entry.tree, scope)})

    def job(self, combination: Combination, take: int) -> Job | None:
        """The job; None where something of it is wrong."""
        template = combination.template
        if template.name not in self._orders:
            self._orders[template.name] = TemplateOrder(template, self._rule)
        order = self._orders[template.name]
        scope = self._scope.enter(combination, take, order.names)
        faults = Faults([*order.wrong_inputs(combination.item), *self._scope.problems])
        job = self._made(key_of(self._rule, combination, take), combination, order, scope, faults)
        if faults.problems:
            self._tell(faults, job.coordinates)
        return None if faults.are_errors else job

    def _made(
        self, key: Coordinates, combination: Combination, order: TemplateOrder, scope: Scope, faults: Faults
    ) -> Job:
        template, rule, name = combination.template, self._rule, str(key)
        options = order.options(scope, faults)
        job = {"id": rule.id, "take": key.take, "key": name}
        named = {**scope, "job": job}
        return Job(
            key,
            Request(
                provider=self._campaign.provider.name,
                template_id=template.template_id,
                options=options,
                images=for_template(combination.item, template),
                event_id=faults.catch(None, order.event_id, scope),
                take=key.take,
                joined=order.joined,
            ),
            path=faults.catch(
                "",
                _path,
                rule.path,
                # A key reads differently in a path only where it names a take.
                named if key.take == 1 else {**scope, "job": {**job, "key": key.for_path}},
            ),
            title=_wording(template.title, named, faults) or _default_title(self._campaign.name, name),
            description=_wording(template.description, named, faults) or constant(""),
            visibility=template.visibility,
            timeout=rule.timeout,
            retries=rule.retries,
            credits=self._campaign.catalog.price(template.template_id, options),
            steps=rule.steps,
            output_media=None if template.known is None else template.known.gives(options),
        )

    def _tell(self, faults: Faults, key: Coordinates) -> None:
        for problem in faults.problems:
            self._report(problem, key)


def _path(text: Text, scope: Scope) -> str:
    path = files.safe_path(text.text(scope))
    if not path:
        raise InvalidInput(text.location.problem("the path renders to nothing"))
    return path


def _default_title(campaign: str, key: str) -> Wording:
    return lambda purchase: f"{campaign}: {key} ({purchase})"


def _wording(text: Text | None, scope: Scope, faults: Faults) -> Wording | None:
    if text is None:
        return None
    if "purchase" not in text.names:
        return constant(faults.catch("", text.text, scope))
    # It is rendered for each purchase, from what it needs; a fault is to show now.
    faults.catch("", text.text, {**scope, "purchase": _UNBOUGHT})
    own = {name: scope[name] for name in text.names if name in scope}
    return lambda purchase: text.text({**own, "purchase": purchase})


def key_of(rule: Rule, combination: Combination, take: int) -> Coordinates:
    """The key of one job."""
    item, prompt = combination.item, combination.prompt
    return Coordinates(
        rule.id,
        combination.template.name,
        None if item is None else item.id,
        None if prompt is None else prompt.name,
        combination.axes,
        take,
    )
