"""`pipeline show`: prints everything known about one job or one purchase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import click

from pipeline.cli.context import open_workspace, split_words
from pipeline.cli.json_documents import job_document, purchase_document
from pipeline.cli.options import CampaignFlags, campaign_options, format_option, manifest_and_names, verbosity
from pipeline.cli.review_text import note_lines, sent_back
from pipeline.cli.terminal import paint_for, say, say_json, untrusted_block
from pipeline.errors import counted, printable
from pipeline.files import LFS_POINTER
from pipeline.jobs import JobKey
from pipeline.json_values import Json, canonical_json
from pipeline.operations.inspection import (
    JobDetails,
    KnownFile,
    PurchaseDetails,
    job_details,
    purchase_details,
)
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.selection import purchase_named
from pipeline.operations.shown_paths import shown_path
from pipeline.purchases import OUTCOME_UNKNOWN, bought_nothing
from pipeline.results.decisions import Decision, Verdict
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.planning.paint import Paint

_LONGEST = 2000


@click.command("show")
@manifest_and_names("KEY|PURCHASE")
@format_option("text", "json")
@campaign_options
def command(words: tuple[str, ...], output_format: str, **flags: object) -> None:
    """Show everything known about a job or a purchase: request, plan, purchases, history, steps, files."""
    manifest, (name,) = split_words(words, "KEY|PURCHASE", most=1)
    workspace = open_workspace(manifest, CampaignFlags.of(flags))
    paint = paint_for(stdout(), no_color=verbosity().no_color)
    with open_campaign(workspace, writable=False) as state:
        job = state.assignment.matcher.jobs.get(JobKey(name))
        if job is not None:
            of_job = job_details(state, job)
            document, lines = job_document(of_job), list(_job_lines(of_job, paint))
        else:
            details = purchase_details(state, purchase_named(state, name))
            document, lines = purchase_document(details), list(_purchase_lines(details, paint))
    if output_format == "json":
        say_json(document)
        return
    with untrusted_block():
        for line in lines:
            say(line)


def _job_lines(details: JobDetails, paint: Paint) -> Iterator[str]:
    job, entry = details.job, details.entry
    yield paint(printable(job.key, _LONGEST), "cyan")
    yield f"  fingerprint: {job.fingerprint}"
    yield f"  template_id: {printable(job.request.template_id)}"
    yield from _field_lines(job.request_json(), "  ")
    if entry is not None and entry.is_pending:
        yield f"  status: {printable(entry.reason)}"
    elif entry is not None:
        price = f" ({counted(entry.credits, 'credit')})" if entry.buys and entry.credits is not None else ""
        yield f"  plan: {entry.action}{price}: {printable(entry.reason)}"
    if details.unbought is not None:
        yield f"  not bought by the last run: {printable(details.unbought, _LONGEST)}"
    if not details.purchases:
        yield "  nothing was bought for it"
    elif (decision := _sent_back(details)) is not None:
        yield f"  status: {sent_back(decision)}"
    for purchase in details.purchases:
        yield ""
        yield from _purchase_lines(purchase, paint)


def _field_lines(fields: Mapping[str, Json], indent: str) -> Iterator[str]:
    """Each field on a line of its own: as one piece of JSON, a terminal would break it within its words."""
    for field, value in fields.items():
        name = f"{indent}{printable(field)}:"
        if isinstance(value, dict) and value:
            yield name
            yield from _field_lines(value, f"{indent}  ")
        elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
            yield name
            for each in value:
                first, *others = _field_lines(each, "") if isinstance(each, dict) and each else [_text(each)]
                yield f"{indent}- {first}"
                yield from (f"{indent}  {line}" for line in others)
        elif isinstance(value, list) and value:
            yield f"{name} {', '.join(_text(each) for each in value)}"
        else:
            yield f"{name} {_text(value)}"


def _text(value: Json) -> str:
    return printable(value if isinstance(value, str) else canonical_json(value), _LONGEST)


def _purchase_lines(details: PurchaseDetails, paint: Paint) -> Iterator[str]:
    purchase = details.purchase
    reason = f" ({purchase.reason})" if purchase.reason else ""
    is_approved = details.decision is not None and details.decision.decision is Verdict.APPROVED
    is_to_buy_again = purchase.again and not is_approved
    flags = [
        word
        for word, is_set in (("deleted", purchase.deleted), ("to be bought again", is_to_buy_again))
        if is_set
    ]
    yield paint(f"purchase {purchase.id}: {purchase.status}{reason} {', '.join(flags)}".rstrip(), "yellow")
    is_known = purchase.status not in OUTCOME_UNKNOWN
    verb = "bought" if is_known and not bought_nothing(purchase) else "sent"
    yield f"  {verb} {purchase.bought_at} for {printable(purchase.key, _LONGEST)}"
    if details.decision is not None:
        yield f"  decision: {_decision_text(details.decision)}"
        yield from note_lines(details.decision)
    yield f"  serves: {', '.join(printable(key, _LONGEST) for key in details.serves) or 'no job now'}"
    fields = {
        "workflow": purchase.workflow_id,
        "credits": None if bought_nothing(purchase) else purchase.credits,
        "made from": ", ".join(purchase.inputs) or None,
        "error": purchase.error,
        "created at the vendor": purchase.created_at,
        "updated at the vendor": purchase.updated_at,
    }
    for field, value in fields.items():
        if value is not None:
            yield f"  {field}: {printable(str(value), _LONGEST)}"
    for step in purchase.steps:
        yield f"  step {printable(step.flow)}: {', '.join(output.content_type for output in step.outputs)}"
    for file in details.files:
        yield f"  file {printable(shown_path(file.path), _LONGEST)}: {_presence(file)}"
    for event in details.events:
        detail = f": {printable(event.detail, _LONGEST)}" if event.detail else ""
        yield f"  {event.at} {event.event} → {event.after}{detail}"


def _presence(file: KnownFile) -> str:
    if file.is_pointer:
        return LFS_POINTER
    return "here" if file.is_here else "altered" if file.is_altered else "not here"


def _sent_back(details: JobDetails) -> Decision | None:
    """The decision by which the job is to be bought again; None if there is none, or a purchase serves the job."""
    last = details.purchases[-1].decision
    served = any(details.job.key in each.serves for each in details.purchases)
    return last if last is not None and last.decision is Verdict.REDO and not served else None


def _decision_text(decision: Decision) -> str:
    parts = [
        decision.decision.value if decision.decision is not None else "none yet",
        "★" * (decision.rating or 0),
        f"“{printable(decision.note, _LONGEST)}”" if decision.note else "",
        f"for {printable(decision.key, _LONGEST)}",
        f"by {printable(decision.by)}" if decision.by else "",
        f"at {printable(decision.at)}" if decision.at else "",
    ]
    return " ".join(part for part in parts if part)
