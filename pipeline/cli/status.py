"""`pipeline status`: counts, and every job that is not done."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from pipeline.cli.context import open_workspaces
from pipeline.cli.options import (
    INPUT,
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    selection_options,
    verbosity,
)
from pipeline.cli.terminal import paint_for, say, say_json, untrusted_block
from pipeline.errors import printable
from pipeline.jobs import JobKey, Json
from pipeline.manifest.discover import find
from pipeline.operations.campaign_state import open_campaign
from pipeline.operations.selection import selected_keys
from pipeline.operations.status import CampaignStatus, status
from pipeline.planning.show import resolve_command
from pipeline.purchases import Status
from pipeline.results.standing import ELSEWHERE, Standing
from pipeline.results.summary import Summary

_PAUSE = 2.0


@click.command("status")
@click.argument("manifests", nargs=-1, required=True, type=INPUT, metavar="MANIFEST...")
@format_option("text", "json")
@flag("--watch", is_flag=True, help="Look again every two seconds, until interrupted.")
@selection_options
@campaign_options
def command(manifests: tuple[Path, ...], output_format: str, watch: bool, **given: Any) -> None:
    """How the jobs of MANIFEST stand, and every one that is not done. Needs no key and no network."""
    while True:
        if watch and output_format == "text":
            click.clear()
        _show(manifests, output_format, given)
        if not watch:
            return
        time.sleep(_PAUSE)


def _show(manifests: tuple[Path, ...], output_format: str, given: dict[str, Any]) -> None:
    documents: list[Json] = []
    for workspace in open_workspaces(find(manifests), CampaignFlags.of(given)):
        with open_campaign(workspace, writable=False) as state:
            current = status(state, selected_keys(state, given["select"], given["exclude"]))
        if output_format == "json":
            documents.append(_as_json(current))
        else:
            _print(current)
    if output_format == "json":
        say_json(documents[0] if len(documents) == 1 else {"campaigns": documents})


def _as_json(current: CampaignStatus) -> dict[str, Json]:
    return {
        "campaign": current.campaign,
        "jobs": [_job_json(key, stand) for key, stand in current.jobs.items()],
        "summary": {
            **current.summary.as_json(),
            "earlier": current.earlier,
            "orphans": current.orphans,
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


def _print(current: CampaignStatus) -> None:
    paint = paint_for(sys.stdout, no_color=verbosity().no_color)
    with untrusted_block():
        for key, stand in current.jobs.items():
            if stand.status != Status.DONE.value:
                error = stand.purchase.error if stand.purchase and stand.purchase.error else ""
                status = "under way elsewhere" if stand.reason == ELSEWHERE else stand.status
                say(f"  {printable(key)}: {status}{f': {printable(error)}' if error else ''}")
        for purchase in current.unsettled:
            say(paint(f"  {printable(purchase.key)} ({purchase.id}): attention, serves no job now", "red"))
        counts = current.summary.jobs
        shown = ", ".join(f"{number:,} {status}" for status, number in counts.items())
        say(f"{current.campaign}: {shown}; {_cost(current.summary)} spent in all.")
        unknown: list[str] = [
            key
            for key, stand in current.jobs.items()
            if stand.status == Status.ATTENTION.value and stand.reason != ELSEWHERE
        ]
        unknown += [purchase.id for purchase in current.unsettled]
        if unknown:
            command = resolve_command(current.manifest, unknown[0])
            say(f"Nobody can tell whether what needs attention was bought; a person settles it: {command}")
        if current.orphans:
            say(f"{current.orphans:,} orphan(s): bought for jobs that have left the manifest.")


def _cost(summary: Summary) -> str:
    """What was spent, as far as prices are known: an unknown one is not nothing."""
    known = f"{summary.credits:,} credits"
    return f"{known} + {summary.unpriced:,} purchase(s) with no known price" if summary.unpriced else known
