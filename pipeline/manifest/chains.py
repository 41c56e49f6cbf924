"""Chains of rules by `outputs_of`: checks that each leads to a rule and none in a circle; makes their items."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import there_are
from pipeline.jobs import JobKey, MediaType, UpstreamOutput, axis_text
from pipeline.manifest.model import Chain, Combination, ImageSet, Item, Rule

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.manifest.build_context import Context


def sound_chains(
    rules: list[Rule], written: Collection[str], sets: Iterable[ImageSet], context: Context
) -> tuple[Rule, ...]:
    """The rules that can be expanded: those that depend on no circle and no wrong rule.

    `written` are the ids of all rules, including wrong ones, which are reported elsewhere.
    """
    by_id = {rule.id: rule for rule in rules}
    for image_set in sets:
        chain = image_set.chain
        if chain is None:
            continue
        if chain.rule not in written:
            context.report(chain.location, context.suggestions.unknown("job rule", chain.rule, written))
        elif chain.step is not None and chain.rule in by_id:
            _check_step(chain.step, chain, by_id[chain.rule], context)
    verdicts: dict[str, bool] = {}
    return tuple(rule for rule in rules if _leads_somewhere(rule, by_id, verdicts, context))


def chains_of(rule: Rule) -> list[Chain]:
    """The chains that provide a rule's items."""
    return [image_set.chain for image_set in rule.image_sets if image_set.chain is not None]


def upstreams_first(rules: Iterable[Rule]) -> list[Rule]:
    """Order rules so that each comes after those it depends on. There must be no circle."""
    rules = list(rules)
    by_id = {rule.id: rule for rule in rules}
    ordered: dict[str, Rule] = {}
    pending = rules[::-1]
    while pending:
        rule = pending[-1]
        before = [by_id[chain.rule] for chain in chains_of(rule) if chain.rule not in ordered]
        pending += before
        if not before:
            ordered[rule.id] = rule
            pending.pop()
    return list(ordered.values())


def _check_step(step: str, chain: Chain, upstream: Rule, context: Context) -> None:
    for template in upstream.templates:
        steps = template.known.steps if template.known is not None else {}
        if steps and step not in steps:
            near = context.suggestions.did_you_mean(step, steps) or there_are(steps)
            context.report(chain.step_location, f"{template.template_id} has no step '{step}'{near}")


def _leads_somewhere(rule: Rule, by_id: dict[str, Rule], verdicts: dict[str, bool], context: Context) -> bool:
    """Walk what a rule depends on, depth first and without recursion, since chains may be long."""
    path = [rule.id]
    pending = {rule.id: chains_of(rule)}
    while path:
        current = path[-1]
        if current in verdicts or not pending[current]:
            verdicts.setdefault(current, True)
            path.pop()
            if path and not verdicts[current]:
                verdicts[path[-1]] = False
            continue
        chain = pending[current].pop()
        if chain.rule in path:
            circle = " → ".join((*path[path.index(chain.rule) :], chain.rule))
            context.report(chain.location, f"the rules depend on each other in a circle: {circle}")
            verdicts[current] = False
        elif chain.rule not in by_id or verdicts.get(chain.rule) is False:
            verdicts[current] = False
        elif chain.rule not in verdicts:
            path.append(chain.rule)
            pending[chain.rule] = chains_of(by_id[chain.rule])
    return verdicts[rule.id]


@dataclass(frozen=True, slots=True)
class ChainInput:
    """A job as input of a chain: its key, and the name and vars that its output passes on.

    `common_id` is what all takes of the job share.
    """

    key: JobKey
    id: str
    common_id: str
    vars: Mapping[str, Json]
    gives: MediaType | None
    steps: Mapping[str, MediaType]

    def item(self, chain: Chain) -> Item:
        """The item that it provides to a chain."""
        return self._item(self.id, chain, ())

    def item_of_approved(self, chain: Chain, takes: tuple[JobKey, ...]) -> Item:
        """The one item that all `takes` of a job, of which this is the first, provide to a chain."""
        return self._item(self.common_id, chain, takes)

    def _item(self, item_id: str, chain: Chain, takes: tuple[JobKey, ...]) -> Item:
        return Item(
            id=item_id,
            images=(UpstreamOutput(job=self.key, output=chain.step or "result", takes=takes),),
            vars=self.vars,
            location=chain.location,
            gives=self.gives if chain.step is None else self.steps.get(chain.step),
        )


def upstream(rule: Rule, combination: Combination, take: int, gives: MediaType | None) -> ChainInput:
    """The input that a job with a result of type `gives` provides to the rules that depend on it."""
    template, item, prompt = combination.template, combination.item, combination.prompt
    axes = sorted(combination.axes)
    parts = [
        template.name if len(rule.templates) > 1 else None,
        None if item is None else item.id,
        None if prompt is None else prompt.name,
        *(axis_text(value) for _, value in axes),
    ]
    common = "-".join(part for part in parts if part is not None) or template.name
    return ChainInput(
        key=combination.coordinates(rule, take).key,
        id=f"{common}-take{take}" if take > 1 else common,
        common_id=common,
        vars={**({} if item is None else item.vars), **dict(axes)},
        gives=gives,
        steps={} if template.known is None else template.known.steps,
    )
