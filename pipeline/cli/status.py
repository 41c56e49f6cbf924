"""`pipeline status`: counts, and every job that is not done."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import open_workspace
from pipeline.cli.options import (
    INPUT,
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    selection_options,
    verbosity,
)
from pipeline.cli.selection import selected
from pipeline.cli.terminal import paint_for, say, say_json, untrusted_block
from pipeline.errors import printable
from pipeline.jobs import JobKey, Json
from pipeline.manifest.discover import find
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.purchases import Purchase, Status, bought_nothing
from pipeline.results.build import Standing, standing

_PAUSE = 2.0


@click.command("status")
@click.argument("manifests", nargs=-1, required=True, type=INPUT, metavar="MANIFEST...")
@format_option("text", "json")
@flag("--watch", is_flag=True, help="Look again every two seconds, until interrupted.")
@selection_options
@campaign_options
def command(manifests: tuple[Path, ...], form: str, watch: bool, **given: Any) -> None:
    """How the jobs of MANIFEST stand, and every one that is not done. Needs no key and no network."""
    while True:
        if watch and form == "text":
            click.clear()
        _show(manifests, form, given)
        if not watch:
            return
        time.sleep(_PAUSE)


def _show(manifests: tuple[Path, ...], form: str, given: dict[str, Any]) -> None:
    documents: list[Json] = []
    for path in find(manifests):
        workspace = open_workspace(path, CampaignFlags.of(given))
        with open_campaign(workspace, writable=False) as state:
            keys = selected(state, given["chosen"], given["excluded"])
            if form == "json":
                documents.append({"campaign": workspace.campaign.name, **_as_json(state, keys)})
            else:
                _print(state, keys)
    if form == "json":
        say_json(documents[0] if len(documents) == 1 else {"campaigns": documents})


def _standings(state: CampaignState, keys: frozenset[JobKey] | None) -> dict[JobKey, Standing]:
    chosen = (job for job in state.jobs if keys is None or job.key in keys)
    return {job.key: standing(job, state.assignment, {}) for job in chosen}


def _needing_attention(state: CampaignState) -> list[Purchase]:
    """Purchases that serve no job and whose outcome is unknown: they count like any other."""
    others = (*state.assignment.earlier, *state.assignment.orphans)
    return [purchase for purchase in others if purchase.status is Status.ATTENTION]


def _spent(purchases: Iterable[Purchase]) -> int:
    return sum(purchase.cost for purchase in purchases)


def _cost(purchases: Collection[Purchase]) -> str:
    """What was spent, as far as prices are known: an unknown one is not nothing."""
    unpriced = sum(each.credits is None and not bought_nothing(each) for each in purchases)
    known = f"{_spent(purchases):,} credits"
    return f"{known} + {unpriced:,} purchase(s) with no known price" if unpriced else known


def _as_json(state: CampaignState, keys: frozenset[JobKey] | None) -> dict[str, Json]:
    stands = _standings(state, keys)
    counts = Counter(stand.status for stand in stands.values())
    return {
        "jobs": [_job_json(key, stand) for key, stand in stands.items()],
        "summary": {
            "jobs": {status: counts[status] for status in sorted(counts)},
            "credits": _spent(state.records.purchases.values()),
            "earlier": len(state.assignment.earlier),
            "orphans": len(state.assignment.orphans),
        },
    }


def _job_json(key: JobKey, stand: Standing) -> dict[str, Json]:
    purchase = stand.purchase
    written: dict[str, Json] = {
        "key": key,
        "status": stand.status,
        "reason": stand.reason,
        "purchase": purchase.id if purchase else None,
        "workflow_id": purchase.workflow_id if purchase else None,
        "error": purchase.error if purchase else None,
    }
    return {name: value for name, value in written.items() if value is not None}


def _print(state: CampaignState, keys: frozenset[JobKey] | None) -> None:
    paint = paint_for(sys.stdout, no_color=verbosity().no_color)
    stands = _standings(state, keys)
    counts = Counter(stand.status for stand in stands.values())
    with untrusted_block():
        for key, stand in stands.items():
            if stand.status != Status.DONE.value:
                error = stand.purchase.error if stand.purchase and stand.purchase.error else ""
                say(f"  {printable(key)}: {stand.status}{f': {printable(error)}' if error else ''}")
        idle = _needing_attention(state)
        for purchase in idle:
            say(paint(f"  {printable(purchase.key)} ({purchase.id}): attention, serves no job now", "red"))
        shown = ", ".join(f"{number:,} {status}" for status, number in sorted(counts.items()))
        say(
            f"{state.workspace.campaign.name}: {shown}; {_cost(state.records.purchases.values())} spent in all."
        )
        if idle or counts[Status.ATTENTION.value]:
            say("Nobody can tell whether what needs attention was bought: `pipeline resolve` settles it.")
        if state.assignment.orphans:
            say(f"{len(state.assignment.orphans):,} orphan(s): bought for jobs that have left the manifest.")
