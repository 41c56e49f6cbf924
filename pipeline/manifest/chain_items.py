"""What a chain needs to know of the jobs that it hangs on; nothing else of them is kept."""

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.jobs import JobKey, Json, MediaType, UpstreamOutput, axis_text
from pipeline.manifest.model import Chain, Combination, Item, Rule


class ChainInput(NamedTuple):
    """What a chain needs to know of a job: its key, and what its output is called and carries along.

    `common_id` is what all takes of the job share.
    """

    key: JobKey
    id: str
    common_id: str
    vars: Mapping[str, Json]
    gives: MediaType | None
    steps: Mapping[str, MediaType]

    def item(self, chain: Chain) -> Item:
        """The item that it gives to a chain."""
        return self._item(self.id, chain, ())

    def item_of_approved(self, chain: Chain, takes: tuple[JobKey, ...]) -> Item:
        """The one item that all `takes` of a job, of which this is the first, give to a chain."""
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
    """What one job, whose result is of the type `gives`, gives to those that hang on it."""
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
