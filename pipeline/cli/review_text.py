"""Decisions on takes, as `status` and `show` print them."""

from collections.abc import Iterator

from pipeline.errors import printable
from pipeline.results.decisions import Decision

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
