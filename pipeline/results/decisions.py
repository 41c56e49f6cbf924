"""The decisions file beside a manifest: people's verdicts, stars and notes on takes, in the order they were made."""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.documents import schema
from pipeline.documents.json_locations import located
from pipeline.documents.json_reader import parse_json
from pipeline.documents.text_file import conflicts, read_source
from pipeline.documents.yaml_reader import dump_yaml, read_yaml
from pipeline.errors import InvalidInput, Position, Problem, UsageError
from pipeline.files import alone_in, read_limited, sweep, write_atomically
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.paths import behind_links, follow_links
from pipeline.purchases import Decisions, PurchaseId
from pipeline.schemes import kind_named

# Bytes that are read and written, as of results: of each purchase in those, there is room for a verdict here.
LARGEST = 1 << 30
# Characters that are read as YAML of one line for each value, and that are written so. More are written as JSON, one
# line for each decision: that is YAML too, and a million of them are read in less time than this much of the former.
_LARGEST_YAML = 16 << 20
_MAX_WRITTEN_AS_YAML = 2 << 20
# As in the schema.
_MAX_ENTRIES = 1_000_000
# In place of a verdict, in a file. It stays there, as another branch may still have the verdict that it takes back.
_UNDECIDED = "undecided"
_HOW_TO_JOIN = (
    "keeping only one side could buy approved takes again, so join both: `pipeline merge OURS THEIRS --out FILE` "
    "(see docs/how-to/merge.md#after-a-conflict)"
)
_MARKERS = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)
# Where a decisions file begins its list. In results, every line but the braces is indented, or the name is another.
_LIST = re.compile(
    r"""^(?:\{\s*(?:["']?version["']?\s*:\s*\d+\s*,\s*)?)?["']?decisions["']?\s*:""", re.MULTILINE
)
_HEADER = (
    "# Written by pipeline approve, reject, redo and serve, or by hand; no other comment is kept. "
    "The last one on a purchase counts.\n"
)


class Verdict(StrEnum):
    """A verdict on a take."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REDO = "redo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on a take, written by `by`, `at` that many seconds into the video; None if it is about the whole."""

    text: str
    at: float | None = None
    by: str | None = None

    def __post_init__(self) -> None:
        # 0, 0.0 and -0.0 are equal, but not the bytes that are written for them.
        if self.at is not None:
            object.__setattr__(self, "at", self.at + 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision about one purchase, for the job of that key.

    `decision` is None if it was only rated or noted. `by` decided last, at the time `at` (UTC, ISO 8601), and wrote
    `note`. A decision that `withdraws` takes back the verdict before it: in the file, it is `undecided`. `rated` says
    who gave its stars, and when, if not with the verdict; in the file, these have an entry of their own.
    """

    purchase: PurchaseId
    key: JobKey
    decision: Verdict | None = None
    rating: int | None = None
    note: str | None = None
    notes: tuple[Note, ...] = ()
    by: str | None = None
    at: str | None = None
    withdraws: bool = False
    rated: tuple[str | None, str | None] | None = None

    @property
    def decides(self) -> bool:
        """Whether it is a verdict, or takes one back; otherwise it only rates or notes."""
        return self.decision is not None or self.withdraws

    @property
    def why(self) -> str | None:
        """The comment: that of the verdict, or else the last note; None if there is none."""
        return self.note or (self.notes[-1].text if self.notes else None)


def read(path: Path, name: str) -> tuple[Decision, ...]:
    """The decisions in the file at `path`, called `name` in messages; none if there is no file.

    Raises:
        InvalidInput: it cannot be read, or is not valid by its schema; with every problem.
    """
    try:
        real = follow_links(path)
    except ValueError as error:
        raise InvalidInput(Problem(str(error), Position(name, 1, 1))) from None
    if not os.path.lexists(path):
        return ()
    if not real.exists():
        # Without the decisions, approved takes would be bought again.
        raise InvalidInput(Problem("this link leads to no file", Position(name, 1, 1)))
    return tuple(_decision(written) for written in _read(real, name)["decisions"])


def are_in(path: Path) -> bool:
    """Whether the file at `path` holds decisions rather than results: by its name, or else by its content."""
    if (kind := kind_named(path)) is not None:
        return kind == "decisions"
    try:
        return look_like(read_limited(follow_links(path), LARGEST))
    except (OSError, ValueError):
        return False  # whoever reads it says why it cannot be read


def look_like(content: bytes) -> bool:
    """Whether these bytes are decisions, even if git left conflict markers in them."""
    text = content.decode("utf-8-sig", errors="replace")
    return _LIST.search(text.replace("\r\n", "\n")) is not None


def have_conflict(content: bytes) -> bool:
    """Whether these bytes are decisions in which git left conflict markers."""
    return look_like(content) and _MARKERS.search(content) is not None


def _read(path: Path, name: str) -> Any:
    source = read_source(path, name, LARGEST)
    if problems := conflicts(source, _HOW_TO_JOIN):
        raise InvalidInput(problems)
    text = _below_comments(source.text)
    written = None if text is None else _from_json(text, name)
    if text is not None and written is not None:
        if findings := schema.findings(written, "decisions"):
            raise InvalidInput(located(findings, text, name))
        return written
    document = read_yaml(path, name, limit=_LARGEST_YAML)
    if problems := schema.check(document, "decisions"):
        raise InvalidInput(problems)
    return document.root.plain()


def _below_comments(text: str) -> str | None:
    """The text, with its first comments as empty lines, if the rest may be JSON; None if it is other YAML."""
    begin = 0
    while text.startswith(("#", "\n"), begin) and (end := text.find("\n", begin)) >= 0:
        begin = end + 1
    return "\n" * text.count("\n", 0, begin) + text[begin:] if text.startswith("{", begin) else None


def _from_json(text: str, name: str) -> Json:
    """The value of a JSON text; None if it is not JSON but small enough to be YAML, which people may edit it as."""
    try:
        return parse_json(text, name)
    except InvalidInput:
        if len(text) > _LARGEST_YAML:
            raise
        return None


def _decision(written: Mapping[str, Any]) -> Decision:
    notes = tuple(Note(**each) for each in written.get("notes", ()))
    said = written.get("decision")
    withdraws = said == _UNDECIDED
    verdict = None if said is None or withdraws else Verdict(said)
    return Decision(**{**written, "decision": verdict, "notes": notes, "withdraws": withdraws})


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other writers away from the decisions at `path`, and remove temporary files that killed ones have left."""
    real = behind_links(path)
    with alone_in(real.parent) as is_alone:
        if is_alone:
            with suppress(OSError):  # it may be another user's
                sweep(real)
        yield


def record(path: Path, name: str, said: Iterable[Decision]) -> None:
    """Add the decisions `said` to the file at `path`, called `name` in messages; they are on disk on return.

    All writes of decisions go through here: of two concurrent ones, one waits for the other.

    Raises:
        InvalidInput: the file is invalid; it is left as it is.
        UsageError: with them, it could not be read again; it is left as it is.
        OSError: it cannot be written.
    """
    with alone(path):
        write(path, name, by_purchase((*read(path, name), *said)).values())


def write(path: Path, name: str, decisions: Iterable[Decision]) -> None:
    """Write the decisions file, called `name` in messages, whole or not at all.

    Raises:
        UsageError: it could not be read again.
        OSError: it cannot be written.
    """
    entries = [*decisions]
    written = [as_written(each) for decision in entries for each in _with_stars_apart(decision)]
    if len(written) > _MAX_ENTRIES:
        written = [as_written(each) for each in entries]
    if findings := schema.check_json({"version": 1, "decisions": [*written]}, "decisions"):
        raise UsageError(f"{name}: nothing is written, as it could not be read again: {findings[0]}")
    content = (_HEADER + _text(written)).encode()
    if len(content) > LARGEST:
        raise UsageError(
            f"{name}: nothing is written, as more than {LARGEST:,} bytes could not be read again; shorten the notes"
        )
    write_atomically(behind_links(path), content)


def _with_stars_apart(decision: Decision) -> Iterator[Decision]:
    """The entries of a decision: stars that were not given with the verdict keep their time, for a merge."""
    if decision.rated is None:
        yield decision
        return
    by, at = decision.rated
    yield replace(decision, rating=None, rated=None)
    yield Decision(purchase=decision.purchase, key=decision.key, rating=decision.rating, by=by, at=at)


def _text(written: list[dict[str, Json]]) -> str:
    rows = ",\n".join(map(_in_one_line, written))
    if len(rows) <= _MAX_WRITTEN_AS_YAML:
        as_yaml = dump_yaml({"version": 1, "decisions": [*written]})
        if len(as_yaml) <= _MAX_WRITTEN_AS_YAML:
            return as_yaml
    return f'{{"version": 1, "decisions": [\n{rows}\n]}}\n'


def _in_one_line(row: dict[str, Json]) -> str:
    line = json.dumps(row, ensure_ascii=False)
    return line if line.isprintable() else "".join(map(_visible, line))


def _visible(character: str) -> str:
    """A character of JSON as YAML takes it too, which knows more line breaks, and two halves for no character."""
    is_taken = character.isprintable() or character > "\uffff"
    return character if is_taken else f"\\u{ord(character):04x}"


def join(before: Decision, after: Decision) -> Decision:
    """The join of two decisions: the later verdict and stars count, and no note is dropped."""
    verdict = after if after.decides else before
    # Without any verdict, whoever spoke last.
    head = verdict if verdict.decides else after
    stars = before if after.rating is None else after
    rated = _rated(before) if after.rating is None else (after.by, after.at)
    note, notes = _join_notes(before, after)
    return Decision(
        purchase=after.purchase,
        key=verdict.key,
        decision=verdict.decision,
        withdraws=verdict.withdraws,
        by=head.by,
        at=head.at,
        rating=stars.rating,
        rated=rated if head.decides and rated != (head.by, head.at) else None,
        note=note,
        notes=notes,
    )


def _join_notes(before: Decision, after: Decision) -> tuple[str | None, tuple[Note, ...]]:
    """The note of the verdict, and the notes: an earlier one joins these when another verdict or note replaces it."""
    is_other_note = after.note is not None and after.note != before.note
    is_other_verdict = after.decides and (after.decision, after.by) != (before.decision, before.by)
    if before.note is None or not (is_other_note or is_other_verdict):
        note = before.note if after.note is None else after.note
        return note, tuple(dict.fromkeys((*before.notes, *after.notes)))
    # Written by hand, a note may be empty: then there is nothing to keep.
    earlier = (Note(text=before.note, by=before.by),) if before.note else ()
    return after.note, tuple(dict.fromkeys((*before.notes, *earlier, *after.notes)))


def _rated(decision: Decision) -> tuple[str | None, str | None] | None:
    """Who gave its stars, and when; None if it has none, or if nobody wrote when."""
    if decision.rated is not None or decision.rating is None or decision.at is None:
        return decision.rated
    return (decision.by, decision.at)


def by_purchase(decisions: Iterable[Decision]) -> dict[PurchaseId, Decision]:
    """The join of all decisions about each purchase, in the order of their last verdicts.

    Stars and notes alone do not change the order, which matters if several takes are approved.
    """
    said: dict[PurchaseId, Decision] = {}
    for each in decisions:
        before = said.get(each.purchase) if each.decision is None else said.pop(each.purchase, None)
        said[each.purchase] = each if before is None else join(before, each)
    return said


def in_force(decisions: Iterable[Decision]) -> Decisions:
    """The decisions that count: the last verdict on each purchase."""
    last = by_purchase(decisions)
    return Decisions(
        approved={
            purchase_id: each.key for purchase_id, each in last.items() if each.decision is Verdict.APPROVED
        },
        rejected=frozenset(
            purchase_id for purchase_id, each in last.items() if each.decision is Verdict.REJECTED
        ),
        redo=frozenset(purchase_id for purchase_id, each in last.items() if each.decision is Verdict.REDO),
        order={purchase_id: number for number, purchase_id in enumerate(last, 1)},
    )


def as_written(decision: Decision) -> dict[str, Json]:
    """A decision as it is written in the file."""
    return _fields(decision, _UNDECIDED if decision.withdraws else decision.decision)


def as_json(decision: Decision) -> dict[str, Json]:
    """A decision as pages get it: one that was taken back is none."""
    return _fields(decision, decision.decision)


def _fields(decision: Decision, said: str | None) -> dict[str, Json]:
    notes: list[Json] = [_present(at=each.at, text=each.text, by=each.by) for each in decision.notes]
    return _present(
        purchase=decision.purchase,
        key=decision.key,
        decision=str(said) if said is not None else None,
        rating=decision.rating,
        note=decision.note,
        notes=notes or None,
        by=decision.by,
        at=decision.at,
    )


def _present(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}
