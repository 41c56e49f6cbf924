"""Decisions on takes as `status` and `show` print them, and the consequences of a new one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import counted, printable
from pipeline.planning.plan import Action, Entry
from pipeline.purchases import OUTCOME_UNKNOWN, Purchase, PurchaseId, Status
from pipeline.results.decisions import Decision, Note, Verdict

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.operations.review_outlook import Outlook

_LONGEST = 2000
_SERVED_BY_NOTHING = frozenset({Action.WAIT, Action.SHARE})
_HOW_IT_SERVES = {
    Status.FAILED: ", which failed,",
    **dict.fromkeys(OUTCOME_UNKNOWN, ", whose outcome is unknown,"),
}


def sent_back(decision: Decision) -> str:
    """The status of a job whose take was sent back, and why."""
    return f"pending (redo: {printable(decision.why, _LONGEST)})" if decision.why else "pending (redo)"


def sent_back_at(decision: Decision) -> str:
    """The moment of the note that says why a take was sent back, if it has one."""
    note = _note_of_why(decision)
    return f", at {note.at:g} s" if note is not None and note.at is not None else ""


def _note_of_why(decision: Decision) -> Note | None:
    """The note that says why, by whoever decided; None if the verdict has its own comment, or another wrote it."""
    note = decision.notes[-1] if decision.notes and not decision.note else None
    return note if note is not None and note.by == decision.by else None


def note_lines(decision: Decision | None, *, but_why: bool = False) -> Iterator[str]:
    """The notes, each with its moment in the video and its author; with `but_why`, not the one that says why."""
    told = _note_of_why(decision) if but_why and decision is not None else None
    for note in decision.notes if decision is not None else ():
        if note is told:
            continue
        moment = f"at {note.at:g} s: " if note.at is not None else ""
        by = f" ({printable(note.by)})" if note.by else ""
        yield f"    {moment}“{printable(note.text, _LONGEST)}”{by}"


def decided_lines(
    made: Sequence[Decision], sent_back_before: Collection[PurchaseId], outlook: Outlook, target: str
) -> Iterator[str]:
    """The lines that say what was decided, and what the next run does because of it.

    A take in `sent_back_before` was sent back until now: another verdict withdraws that, which is said.
    """
    # The lines say already that a job whose take was sent back is bought again.
    others = outlook.buys - {each.key for each in made if each.decision is Verdict.REDO}
    sent_back: set[JobKey] = set()
    for decision in made:
        is_one_more = decision.decision is Verdict.REDO and decision.key in sent_back
        said = "sent back too" if is_one_more else _consequence(decision, outlook, others, target)
        if decision.decision is Verdict.REDO:
            sent_back.add(decision.key)
        elif decision.decision is not None and decision.purchase in sent_back_before:
            said = f"was sent back, is now {said}"
        yield f"{printable(decision.key)} ({decision.purchase}): {said}"
    if others:
        shows = "shows it" if len(outlook.buys) == 1 else "shows them"
        jobs = counted(len(outlook.buys), "job")
        yield f"The next run buys {jobs} because of that: `pipeline plan {target}` {shows}."
    yield from _spared_lines(outlook, {each.key for each in made})


def _spared_lines(outlook: Outlook, decided: Collection[JobKey]) -> Iterator[str]:
    """The line on jobs that the next run buys no longer, such as a take that was sent back before."""
    spared = sorted(outlook.spares.difference(decided))
    if spared:
        more = f" and {counted(len(spared) - 1, 'more job')}" if len(spared) > 1 else ""
        yield f"Because of that, the next run no longer buys {printable(spared[0])}{more}."


def undecided_lines(
    named: Mapping[str, Sequence[tuple[JobKey | None, Purchase]]], made: Sequence[Decision]
) -> Iterator[str]:
    """A line for each named purchase that had no decision to withdraw."""
    purchases, keys = {each.purchase for each in made}, {each.key for each in made}
    for key, purchase in (each for found in named.values() for each in found):
        if purchase.id not in purchases and key not in keys:
            yield f"{printable(key or purchase.key)} ({purchase.id}): nothing was decided on it"


def _consequence(decision: Decision, outlook: Outlook, others: Collection[JobKey], target: str) -> str:
    entry = outlook.entries.get(decision.key)
    match decision.decision:
        case Verdict.APPROVED:
            return _approved(decision, entry)
        case Verdict.REJECTED:
            return "rejected" if outlook.buys else "rejected; nothing is bought because of it"
        case Verdict.REDO:
            return _sent_back(entry, outlook.approved, others, target)
        case None:
            return "no longer decided"


def _approved(decision: Decision, entry: Entry | None) -> str:
    serving = entry.purchase if entry is not None else None
    if serving is not None and serving.id != decision.purchase:
        return f"approved, but {serving.id}, which is newer, is approved too and serves"
    stays = "approved: it stays, whatever is edited later"
    if serving is not None and serving.lacks_files:
        which = "not all of its files" if serving.is_partly_fetched else "none of its files"
        return f"{stays}; {which} are downloaded, and what is made from it waits for them"
    return stays


def _sent_back(
    entry: Entry | None, approved: Collection[PurchaseId], others: Collection[JobKey], target: str
) -> str:
    """The consequence of sending a take back, by the plan's entry for its job; `others` are bought because of it."""
    is_bought = entry is not None and (entry.buys or entry.action is Action.SHARE)
    said = f"sent back{':' if is_bought else ';'} {next_run(entry, approved, buys_others=bool(others))}"
    serving = entry.purchase if entry is not None and entry.action not in _SERVED_BY_NOTHING else None
    if is_bought or serving is None or serving.id in approved or serving.status in OUTCOME_UNKNOWN:
        return said
    return f"{said} (to buy it again: `pipeline redo {target} {serving.id}`)"


def next_run(
    entry: Entry | None,
    approved: Collection[PurchaseId],
    *,
    was_bought: bool = True,
    buys_others: bool = False,
) -> str:
    """What the next run does for a job whose purchase no longer serves it, by the plan's entry for it.

    With `buys_others`, it buys other jobs because of that, such as those of a later stage.
    """
    again = " again" if was_bought else ""
    not_bought = f"it is not bought{again}" if buys_others else "nothing is bought"
    if entry is None:
        return f"{not_bought}, as no job asks for it now"
    if entry.buys:
        return f"the next run buys it{again}"
    serving = entry.purchase
    match entry.action:
        case Action.SHARE:
            return f"the next run buys it{again}, for {printable(entry.buyer or '')} too"
        case Action.WAIT:
            return f"it is bought{again} once it no longer waits: {printable(entry.reason)}"
        case _ if serving is None:
            return f"{not_bought}, as {printable(entry.reason)}"
    if serving.id in approved:
        return f"{not_bought}, as {serving.id} is approved"
    how = _HOW_IT_SERVES.get(serving.status, "")
    return f"{not_bought}, as {serving.id}{how} serves in its place"
