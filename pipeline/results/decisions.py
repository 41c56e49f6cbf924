"""The decisions file beside a manifest: what people said of takes, in the order in which they said it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.documents import schema
from pipeline.documents.yaml_reader import dump_yaml, read_yaml
from pipeline.errors import InvalidInput, Position, Problem
from pipeline.files import follow_links, write_atomically
from pipeline.jobs import JobKey, Json
from pipeline.purchases import Decisions, PurchaseId

_HEADER = (
    "# Written by pipeline approve, reject and redo, or by hand: the last decision on a purchase counts.\n"
)


class Verdict(StrEnum):
    """What can be said of a take."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REDO = "redo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What somebody said of one purchase, for the job of that key."""

    purchase: PurchaseId
    key: JobKey
    decision: Verdict
    rating: int | None = None
    note: str | None = None


def read(path: Path, name: str) -> tuple[Decision, ...]:
    """The decisions in the file at `path`, known to people as `name`; none where there is no file.

    Raises:
        InvalidInput: it cannot be read or is not valid by its schema; with every problem.
    """
    try:
        real = follow_links(path)
    except ValueError as error:
        raise InvalidInput(Problem(str(error), Position(name, 1, 1))) from None
    if not real.exists():
        return ()
    document = read_yaml(real, name)
    if problems := schema.check(document, "decisions"):
        raise InvalidInput(problems)
    plain: Any = document.root.plain()
    return tuple(
        Decision(**{**written, "decision": Verdict(written["decision"])}) for written in plain["decisions"]
    )


def write(path: Path, decisions: Iterable[Decision]) -> None:
    """Write the decisions file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    document: Json = {"version": 1, "decisions": [_as_json(decision) for decision in decisions]}
    write_atomically(path, (_HEADER + dump_yaml(document)).encode())


def with_decision(decisions: Sequence[Decision], new: Decision) -> tuple[Decision, ...]:
    """The decisions with `new` as the last, in the place of an earlier one on the same purchase."""
    return (*(each for each in decisions if each.purchase != new.purchase), new)


def in_force(decisions: Iterable[Decision]) -> Decisions:
    """What counts: of each purchase, the last decision."""
    last = {decision.purchase: decision for decision in decisions}
    return Decisions(
        approved={
            purchase_id: each.key for purchase_id, each in last.items() if each.decision is Verdict.APPROVED
        },
        rejected=frozenset(
            purchase_id for purchase_id, each in last.items() if each.decision is Verdict.REJECTED
        ),
        redo=frozenset(purchase_id for purchase_id, each in last.items() if each.decision is Verdict.REDO),
    )


def _as_json(decision: Decision) -> dict[str, Json]:
    written: dict[str, Json] = {
        "purchase": decision.purchase,
        "key": decision.key,
        "decision": decision.decision.value,
        "rating": decision.rating,
        "note": decision.note,
    }
    return {name: value for name, value in written.items() if value is not None}
