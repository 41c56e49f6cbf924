"""Downloads all files of one purchase beside where they will go. May be repeated; plain data in and out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.engine.prepare import outputs_of
from pipeline.providers.base import DownloadFailed, Fetched, Media, Provider, VendorError, Workflow
from pipeline.purchases import Output, Purchase, WorkflowId
from pipeline.state.transitions import Fetched as Done


@dataclass(frozen=True, slots=True)
class Target:
    """One file to fetch: `slot` says which of the purchase's it is, `path` where it will lie at last."""

    slot: str
    path: str
    fresh: Path


@dataclass(frozen=True, slots=True)
class Landed:
    """One file that was fetched whole to `target.fresh`."""

    target: Target
    fetched: Fetched


def fetch(
    provider: Provider, workflow_id: WorkflowId, targets: tuple[Target, ...], latest: Workflow | None
) -> tuple[Landed, ...]:
    """Fetch every target by the urls of `latest` or of a fresh answer; an expired one is asked for anew once.

    Raises:
        VendorError, AccountError: a file did not come whole; what came is resumed next time.
    """
    workflow = latest or provider.get(workflow_id)
    landed = []
    for target in targets:
        try:
            landed.append(Landed(target, provider.download(_media(workflow, target.slot), target.fresh)))
        except DownloadFailed as failure:
            if not failure.expired:
                raise
            workflow = provider.get(workflow_id)
            landed.append(Landed(target, provider.download(_media(workflow, target.slot), target.fresh)))
    return tuple(landed)


def _media(workflow: Workflow, slot: str) -> Media:
    family, *place = slot.split("/")
    index = int(place[-1])
    media = outputs_of(workflow, "result") if family == "result" else _step(workflow, int(place[0]))
    if index >= len(media):
        raise VendorError("the vendor does not list this file any more")
    return media[index]


def _step(workflow: Workflow, number: int) -> tuple[Media, ...]:
    return workflow.steps[number][1] if number < len(workflow.steps) else ()


def fetched_event(purchase: Purchase, landed: tuple[Landed, ...]) -> Done:
    """The event for a purchase whose files came: its outputs with what was found when they were fetched."""
    found = {each.target.slot: each.fetched for each in landed}
    steps = tuple(
        replace(step, outputs=_hashed(step.outputs, f"steps/{number}", found))
        for number, step in enumerate(purchase.steps)
    )
    return Done(_hashed(purchase.outputs, "result", found), steps)


def _hashed(outputs: tuple[Output, ...], family: str, found: Mapping[str, Fetched]) -> tuple[Output, ...]:
    return tuple(
        replace(output, sha256=got.sha256, bytes=got.bytes)
        if (got := found.get(f"{family}/{index}")) is not None
        else output
        for index, output in enumerate(outputs)
    )
