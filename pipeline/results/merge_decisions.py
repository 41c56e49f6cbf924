"""Joins decisions files, of two branches for example: every decision stays, in the order in which they were made."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline.json_values import canonical_json
from pipeline.results.decisions import Decision, Verdict, as_written

_Order = tuple[datetime, bool, str]
# Sorts before every other time; `_UNKNOWN` is written where a time is required and none is known.
_NEVER = datetime.min.replace(tzinfo=UTC)
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_STEP = timedelta(milliseconds=1)


def merge_decisions(files: Iterable[Sequence[Decision]]) -> list[Decision]:
    """All decisions of `files` by their times, equal ones once: the same for any order and grouping of them.

    So the last one on a purchase counts, whichever file it is from, and all notes are kept. Of different decisions
    on a purchase at the same time, an approval counts, as losing one would buy again.
    """
    return sorted({each for file in files for each in _dated(file)}, key=_order)


def _dated(file: Iterable[Decision]) -> Iterator[Decision]:
    """The decisions of one file, with the times changed that contradict the order in the file, which is what counts.

    Someone wrote those by hand, or on a machine whose clock was behind. Stars and notes keep their time: a verdict on
    a take puts it at the end of the file, and these do not.
    """
    last: _Order = (_NEVER, False, "")
    for each in file:
        if not each.decides and _instant(each) != _NEVER:
            yield each
            continue
        dated = each if _order(each) > last else replace(each, at=_after(last[0]))
        last = _order(dated)
        yield dated


def _order(decision: Decision) -> _Order:
    return _instant(decision), decision.decision is Verdict.APPROVED, canonical_json(as_written(decision))


def _instant(decision: Decision) -> datetime:
    try:
        found = datetime.fromisoformat(decision.at or "")
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return _NEVER
    # With a later one there would be no room for those that follow it.
    return found if found < _LATEST else _NEVER


def _after(instant: datetime) -> str:
    time = max(instant, _UNKNOWN) + _STEP
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
