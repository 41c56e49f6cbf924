"""`pipeline status`: counts the jobs, and lists those that are not done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.context import manifests_of, open_workspaces, say_warnings
from pipeline.cli.json_documents import status_document
from pipeline.cli.lost_approvals import warn_of_lost_approvals
from pipeline.cli.options import (
    CampaignFlags,
    campaign_options,
    flag,
    format_option,
    manifests_argument,
    selection_options,
    verbosity,
)
from pipeline.cli.review_text import note_lines, sent_back, sent_back_at
from pipeline.cli.terminal import SECONDS_BETWEEN_LOOKS, paint_for, say, say_json, untrusted_block
from pipeline.errors import counted, printable
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.shown_paths import shown_path
from pipeline.operations.status import CampaignStatus, EarlierTake, status
from pipeline.operations.unrecorded_decisions import unrecorded_warnings
from pipeline.planning.hints import (
    elsewhere_hint,
    held_by_failures_advice,
    pending_outcome,
    unknown_advice,
    unknown_outcome,
)
from pipeline.planning.select import Unmatched
from pipeline.purchases import PENDING, PurchaseId, Status
from pipeline.results.decisions import Decision, Verdict
from pipeline.results.job_status import ELSEWHERE, JobStatus
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace
    from pipeline.planning.paint import Paint

_MAX_TAKES = 20
_LONGEST = 2000
_VERDICT_WORDS = {Verdict.APPROVED: "approved", Verdict.REJECTED: "rejected", Verdict.REDO: "sent back"}


@click.command("status")
@manifests_argument
@format_option("text", "json")
@flag("--watch", is_flag=True, help="Update every two seconds, until interrupted.")
@selection_options
@campaign_options
def command(manifests: tuple[Path, ...], output_format: str, watch: bool, **given: Any) -> None:
    """Count the jobs of MANIFEST by status, and list those that are not done. Needs no key and no network.

    With --watch, show the progress of a run in another terminal.
    """
    if watch and output_format == "text":
        # Imported here, since it loads parts of the engine that a single look does not need.
        from pipeline.cli.watch import watch as watch_runs

        workspaces = open_workspaces(manifests_of(manifests), CampaignFlags.of(given))
        unmatched = _unmatched(workspaces, given)
        watch_runs(workspaces, partial(_selected, given=given, unmatched=unmatched))
    while True:
        _show(manifests, output_format, given)
        if not watch:
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _show(manifests: tuple[Path, ...], output_format: str, given: dict[str, Any]) -> None:
    found: list[CampaignStatus] = []
    workspaces = open_workspaces(manifests_of(manifests), CampaignFlags.of(given))
    unmatched = _unmatched(workspaces, given)
    for workspace in workspaces:
        with open_campaign(workspace, writable=False) as state:
            warn_of_lost_approvals(state)
            say_warnings(unrecorded_warnings(workspace, state.unrecorded))
            found.append(status(state, _selected(state, given, unmatched)))
    if output_format == "json":
        documents: list[Json] = [status_document(current) for current in found]
        say_json(documents[0] if len(documents) == 1 else {"campaigns": documents})
        return
    for current in found:
        _print(current)


def _unmatched(workspaces: Sequence[Workspace], given: dict[str, Any]) -> Unmatched:
    if not given["select"] and not given["exclude"]:
        return Unmatched(len(workspaces))
    from pipeline.operations.selection import names_in

    campaigns = [each.campaign for each in workspaces]
    return Unmatched(len(workspaces), names_in(campaigns, (*given["select"], *given["exclude"])))


def _selected(state: CampaignState, given: dict[str, Any], unmatched: Unmatched) -> frozenset[JobKey] | None:
    if not given["select"] and not given["exclude"]:
        return None
    from pipeline.operations.selection import selected_keys

    with unmatched.of(state.workspace.target) as shared:
        return selected_keys(state, given["select"], given["exclude"], shared=shared)


def _print(current: CampaignStatus) -> None:
    paint = paint_for(stdout(), no_color=verbosity().no_color)
    with untrusted_block():
        for line in _lines(current, paint):
            say(line)


def _lines(current: CampaignStatus, paint: Paint) -> Iterator[str]:
    shown: set[PurchaseId] = set()
    for key, job_status in current.jobs.items():
        decision = current.decisions.get(key)
        if job_status.status != Status.DONE.value or (decision and _is_news(decision)):
            yield _job_line(key, job_status, decision, current.unbought.get(key))
            yield from note_lines(decision, but_why=_is_sent_back(job_status, decision))
            shown |= {decision.purchase} if decision else set()
    shown_below = {each.id for each in (*current.unsettled, *current.elsewhere)}
    earlier = [each for each in current.earlier if each.purchase.id not in shown_below]
    for take in earlier[:_MAX_TAKES]:
        is_shown = take.purchase.id in shown
        yield _take_line(take, with_notes=not is_shown)
        yield from note_lines(None if is_shown else take.decision)
    if len(earlier) > _MAX_TAKES:
        more = len(earlier) - _MAX_TAKES
        yield f"  {counted(more, 'more earlier take')}: `--format json` lists all"
    for purchase in current.unsettled:
        yield paint(f"  {printable(purchase.key)} ({purchase.id}): needs attention, serves no job now", "red")
    for purchase in current.elsewhere:
        since = elsewhere_hint(purchase.bought_at)
        yield f"  {printable(purchase.key)} ({purchase.id}): {since}, serves no job now"
    words = Counter(
        "under way elsewhere" if each.reason == ELSEWHERE else each.status for each in current.jobs.values()
    )
    counts = ", ".join(f"{number:,} {word}" for word, number in sorted(words.items()))
    verdicts = "".join(
        f", {number:,} {_VERDICT_WORDS[verdict]}" for verdict, number in sorted(current.decided.items())
    )
    yield f"{current.campaign}: {counts or 'no jobs'}{verdicts}. Spent in all: {current.summary.cost}."
    yield from _hints(current)


def _is_news(decision: Decision) -> bool:
    """Whether the decision is more than a plain approval."""
    is_plain = decision.note is None and not decision.notes and decision.rating is None
    return decision.decision is not Verdict.APPROVED or not is_plain


def _job_line(
    key: JobKey, job_status: JobStatus, decision: Decision | None, unbought: str | None = None
) -> str:
    error = job_status.purchase.error if job_status.purchase and job_status.purchase.error else ""
    if unbought is not None:
        error = f"not bought by the last run: {unbought}"
    reason = f" ({job_status.reason})" if job_status.reason else ""
    status = f"{job_status.status}{reason}"
    if job_status.reason == ELSEWHERE and job_status.purchase is not None:
        # What is recorded of it says how that machine's run ended, as far as this one knows.
        status, error = elsewhere_hint(job_status.purchase.bought_at), ""
    if decision is not None and _is_sent_back(job_status, decision):
        stars = f", {_stars(decision)}" if decision.rating else ""
        status = f"{sent_back(decision)}{sent_back_at(decision)}{stars}"
    else:
        status = f"{status}{_decision_text(decision)}"
    if job_status.purchase is not None and job_status.purchase.is_partly_fetched:
        error = "not all of its files are downloaded"
    if _is_unknown(job_status):
        error = unknown_outcome(error)
    elif job_status.status == Status.SUBMITTING.value and job_status.purchase is not None:
        error = pending_outcome(job_status.purchase.bought_at)
    return f"  {printable(key)}: {status}{f': {printable(error)}' if error else ''}"


def _is_sent_back(job_status: JobStatus, decision: Decision | None) -> bool:
    return job_status.status == PENDING and decision is not None and decision.decision is Verdict.REDO


def _is_unknown(job_status: JobStatus) -> bool:
    return job_status.status == Status.ATTENTION.value and job_status.reason != ELSEWHERE


def _take_line(take: EarlierTake, *, with_notes: bool) -> str:
    purchase = take.purchase
    files = ", ".join(printable(shown_path(path), _LONGEST) for path in take.files) or "no file here"
    said = take.decision
    if said is not None and not with_notes:
        said = replace(said, note=None, rating=None)
    how = f"{purchase.status}{_decision_text(said)}"
    kind = "last take" if take.is_last else "replaced take" if take.is_replaced else "earlier take"
    return f"  {printable(take.key)}: {kind} {purchase.id} ({how}): {files}"


def _decision_text(decision: Decision | None) -> str:
    """The decision on a take, with its note."""
    if decision is None:
        return ""
    verdict = _VERDICT_WORDS[decision.decision] if decision.decision is not None else ""
    note = f"“{printable(decision.note)}”" if decision.note else ""
    by = f"by {printable(decision.by)}" if decision.by and decision.decision is not None else ""
    words = " ".join(word for word in (verdict, _stars(decision), note, by) if word)
    return f", {words}" if words else ""


def _stars(decision: Decision) -> str:
    return "★" * (decision.rating or 0)


def _hints(current: CampaignStatus) -> Iterator[str]:
    if current.to_resolve:
        yield unknown_advice(current.target, current.to_resolve)
    if current.not_selected:
        outside = counted(current.not_selected, "unknown outcome")
        them = "it" if current.not_selected == 1 else "them"
        yield f"{outside} outside the selection: `pipeline status {current.target}` names {them}."
    if current.held_by_failures:
        yield held_by_failures_advice(current.target, current.held_by_failures)
    if current.orphans:
        yield f"{counted(current.orphans, 'orphan')}: bought for jobs that are no longer in the manifest."
