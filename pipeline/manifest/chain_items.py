"""What a chain needs to know of the jobs that it hangs on; nothing else of them is kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.jobs import JobKey, Json, MediaType, UpstreamOutput, axis_text
from pipeline.manifest.combinations import Combination
from pipeline.manifest.job_builder import Maker, key_of
from pipeline.manifest.model import Chain, Item, Rule


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a chain needs to know of a job: its key, and what its output is called and carries along.

    `common_id` is what all takes of the job share.
    """

    key: JobKey
    id: str
    common_id: str
    vars: Mapping[str, Json]
    template_id: str
    gives: MediaType | None
    steps: Mapping[str, MediaType]

    def item(self, chain: Chain) -> Item:
        """The item that it gives to a chain."""
        output = UpstreamOutput(self.key, chain.step or "result")
        return Item(self.id, (output,), self.vars, chain.location, self._gives(chain))

    def item_of_approved(self, chain: Chain, takes: tuple[JobKey, ...]) -> Item:
        """The one item that all `takes` of a job, of which this is the first, give to a chain."""
        output = UpstreamOutput(self.key, chain.step or "result", takes=takes)
        return Item(self.common_id, (output,), self.vars, chain.location, self._gives(chain))

    def _gives(self, chain: Chain) -> MediaType | None:
        return self.gives if chain.step is None else self.steps.get(chain.step)


def upstream(rule: Rule, combination: Combination, take: int, maker: Maker) -> Upstream:
    """What one job gives to those that hang on it."""
    template, item, prompt = combination.template, combination.item, combination.prompt
    axes = sorted(combination.axes)
    parts = [
        template.name if len(rule.templates) > 1 else None,
        None if item is None else item.id,
        None if prompt is None else prompt.name,
        *(axis_text(value) for _, value in axes),
    ]
    common = "-".join(part for part in parts if part is not None) or template.name
    return Upstream(
        JobKey(str(key_of(rule, combination, take))),
        f"{common}-take{take}" if take > 1 else common,
        common,
        {**({} if item is None else item.vars), **dict(axes)},
        template.template_id,
        maker.gives(combination, take),
        {} if template.known is None else template.known.steps,
    )
