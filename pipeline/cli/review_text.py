"""Decisions on takes, as `status` and `show` print them, and what follows from one, as it is made."""

from collections.abc import Collection, Iterator, Sequence

from pipeline.errors import counted, printable
from pipeline.operations.review_outlook import Outlook
from pipeline.planning.plan import Action, Entry
from pipeline.purchases import PurchaseId
from pipeline.results.decisions import Decision, Verdict

_LONGEST = 2000


def sent_back(decision: Decision) -> str:
    """How a job stands whose take was sent back, and why."""
    return f"pending (redo: {printable(decision.why, _LONGEST)})" if decision.why else "pending (redo)"


def note_lines(decision: Decision | None) -> Iterator[str]:
    """The notes, each with its moment in the video and with who made it."""
    for note in decision.notes if decision is not None else ():
        moment = f"at {note.at:g} s: " if note.at is not None else ""
        by = f" ({printable(note.by)})" if note.by else ""
        yield f"    {moment}“{printable(note.text, _LONGEST)}”{by}"


def decided_lines(made: Sequence[Decision], outlook: Outlook, target: str) -> Iterator[str]:
    """What was decided, and what the next run does because of it."""
    for decision in made:
        said = _consequence(decision, outlook, target)
        yield f"{printable(decision.key)} ({decision.purchase}): {said}"
    # That a job is made again which was sent back is said of it.
    redone = {each.key for each in made if each.decision is Verdict.REDO}
    if outlook.buys - redone:
        shows = "shows it" if len(outlook.buys) == 1 else "shows them"
        jobs = counted(len(outlook.buys), "job")
        yield f"The next run buys {jobs} because of that: `pipeline plan {target}` {shows}."


def _consequence(decision: Decision, outlook: Outlook, target: str) -> str:
    entry = outlook.entries.get(decision.key)
    match decision.decision:
        case Verdict.APPROVED:
            return _approved(decision, entry)
        case Verdict.REJECTED:
            return "rejected" if outlook.buys else "rejected; nothing is bought because of it"
        case Verdict.REDO:
            return _sent_back(entry, outlook.approved, target)
        case None:
            return "no longer decided"


def _approved(decision: Decision, entry: Entry | None) -> str:
    serving = entry.purchase if entry is not None else None
    if serving is not None and serving.id != decision.purchase:
        return f"approved, but {serving.id}, which is newer, is approved too and serves"
    return "approved: it stays, whatever is edited later"


def _sent_back(entry: Entry | None, approved: Collection[PurchaseId], target: str) -> str:
    """What becomes of a take that was sent back, by what the plan has for its job."""
    if entry is None:
        return "sent back; nothing is bought, as no job asks for it now"
    if entry.buys:
        return "sent back: the next run buys it again"
    match entry.action:
        case Action.SHARE:
            return f"sent back: the next run buys it again, for {printable(entry.buyer or '')} too"
        case Action.WAIT:
            return f"sent back; it is bought again once it no longer waits: {printable(entry.reason)}"
        case Action.PINNED if entry.purchase is None:
            return f"sent back; nothing is bought, as {entry.reason}"
    serving = entry.purchase.id if entry.purchase is not None else ""
    if serving in approved:
        return f"sent back; nothing is bought, as {serving} is approved"
    return (
        f"sent back; nothing is bought, as {serving} serves in its place "
        f"(to buy it again: `pipeline redo {target} {serving}`)"
    )
