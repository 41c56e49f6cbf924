"""`pipeline show`: all that is known of one job or one purchase."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.artifacts.file_names import named
from pipeline.cli.context import open_workspace
from pipeline.cli.naming import purchase_named
from pipeline.cli.options import CampaignFlags, campaign_options, manifest_argument, verbosity
from pipeline.cli.terminal import paint_for, say, untrusted_block
from pipeline.errors import printable
from pipeline.jobs import Job, JobKey, canonical_json
from pipeline.operations.campaign_state import CampaignState, open_campaign
from pipeline.operations.workspace import shown_path
from pipeline.planning.make import make
from pipeline.planning.show import Paint
from pipeline.purchases import Purchase, bought_nothing

_LONGEST = 2000


@click.command("show")
@manifest_argument
@click.argument("name", metavar="KEY|PURCHASE")
@campaign_options
def command(manifest: Path, name: str, **flags: object) -> None:
    """Show all that is known of a job or a purchase: request, plan, purchases, history, steps, files."""
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    paint = paint_for(sys.stdout, no_color=verbosity().no_color)
    with open_campaign(workspace, writable=False) as state:
        job = state.assignment.matcher.jobs.get(JobKey(name))
        if job is not None:
            lines = [*_job(job, state, paint), *_purchases_of(job, state, paint)]
        else:
            lines = list(_purchase(purchase_named(name, state.assignment, state.records), state, paint))
    with untrusted_block():
        for line in lines:
            say(line)


def _job(job: Job, state: CampaignState, paint: Paint) -> Iterator[str]:
    yield paint(printable(job.key, _LONGEST), "cyan")
    yield f"  fingerprint: {job.fingerprint}"
    yield f"  template_id: {printable(job.request.template_id)}"
    for field, value in job.request_json().items():
        shown = value if isinstance(value, str) else canonical_json(value)
        yield f"  {field}: {printable(shown, _LONGEST)}"
    entry = make(state.assignment, state.outputs().inventory.survey(state.assignment)).entry(job.key)
    if entry is not None:
        price = f" ({entry.credits:,} credits)" if entry.buys and entry.credits is not None else ""
        yield f"  a run would: {entry.action}{price}: {printable(entry.reason)}"


def _purchases_of(job: Job, state: CampaignState, paint: Paint) -> Iterator[str]:
    serves = state.assignment.by_key.get(job.key)
    others = [each for each in state.records.purchases.values() if each.key == job.key]
    listed = {each.id: each for each in ([serves] if serves else []) + sorted(others, key=lambda p: p.age)}
    if not listed:
        yield "  nothing was bought for it"
    for purchase in listed.values():
        yield ""
        yield from _purchase(purchase, state, paint)


def _purchase(purchase: Purchase, state: CampaignState, paint: Paint) -> Iterator[str]:
    serves = [key for key, each in state.assignment.by_key.items() if each.id == purchase.id]
    reason = f" ({purchase.reason})" if purchase.reason else ""
    flags = [
        word for word, held in (("deleted", purchase.deleted), ("to be made again", purchase.again)) if held
    ]
    yield paint(f"purchase {purchase.id}: {purchase.status}{reason} {', '.join(flags)}".rstrip(), "yellow")
    verb = "sent" if bought_nothing(purchase) else "bought"
    yield f"  {verb} {purchase.bought_at} for {printable(purchase.key, _LONGEST)}"
    yield f"  serves: {', '.join(printable(key, _LONGEST) for key in serves) or 'no job now'}"
    facts_known = {
        "workflow": purchase.workflow_id,
        "credits": purchase.credits,
        "made from": ", ".join(purchase.inputs) or None,
        "error": purchase.error,
        "created at the vendor": purchase.created_at,
        "updated at the vendor": purchase.updated_at,
    }
    for field, value in facts_known.items():
        if value is not None:
            yield f"  {field}: {printable(str(value), _LONGEST)}"
    for step in purchase.steps:
        yield f"  step {printable(step.flow)}: {', '.join(output.content_type for output in step.outputs)}"
    yield from _files(purchase, state)
    for event in state.store.events(purchase.id):
        detail = f": {printable(event.detail, _LONGEST)}" if event.detail else ""
        yield f"  {event.at} {event.event} → {event.after}{detail}"


def _files(purchase: Purchase, state: CampaignState) -> Iterator[str]:
    outputs = state.outputs()
    for job in state.assignment.jobs:
        assignment = state.assignment.by_key.get(job.key)
        if assignment is None or assignment.id != purchase.id:
            continue
        for file in named(purchase, job.path, job.steps):
            there = outputs.index.digest(file.path) == file.output.sha256 and file.output.sha256 is not None
            where = shown_path(state.workspace.output / file.path)
            yield f"  file {printable(where, _LONGEST)}: {'here' if there else 'not here'}"
