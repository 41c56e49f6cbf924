"""Decides which job is bought next, when one whose create was not sent is tried again, and when buying ends."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.engine.calls import backoff
from pipeline.errors import ExitCode, printable

if TYPE_CHECKING:
    from pipeline.engine.reporter import RunReport
    from pipeline.jobs import JobKey
    from pipeline.planning.plan import Entry
    from pipeline.providers.base import VendorError

# Limits per job and run. Resends of a create that was partly sent, and attempts at one that was never sent.
PARTIAL_SENDS = 2
UNSENT_SENDS = 5
# How often the vendor may defer the job, and how often preparing it (such as an upload) may fail.
DEFERRALS = 10
PREPARATIONS = 5
# Buying stops after this many unknown outcomes in a row: the vendor seems broken, and each may have cost credits.
BREAKER = 3


@dataclass(slots=True)
class Attempts:
    """How often a job's create could not be prepared or sent, or was deferred, in this run."""

    partial: int = 0
    unsent: int = 0
    deferred: int = 0
    unprepared: int = 0


class BuyQueue:
    """The entries of a plan that need a create, in plan order; a chained one only after its upstream has succeeded.

    With `canary`, one job of each template goes first, and the others wait until it has succeeded. `report` records
    why buying ended. `now` is always in monotonic seconds.
    """

    def __init__(self, *, rng: random.Random, report: RunReport, canary: bool = False) -> None:
        self._stopped = False
        self._closed = False
        self._rng = rng
        self._report = report
        self._canary = canary
        self._ready: deque[Entry] = deque()
        self._behind: dict[JobKey, list[Entry]] = {}
        self._later: list[tuple[float, int, Entry]] = []
        self._sequence = itertools.count()
        self._not_before = 0.0
        self._attempts: dict[JobKey, Attempts] = {}
        self._unknown_in_a_row = 0
        self._canaries: dict[str, JobKey] = {}
        self._proven: set[str] = set()
        self._held_back: dict[str, list[Entry]] = {}

    def add(self, entries: Iterable[Entry]) -> None:
        """Queue the entries of a plan that buy."""
        for entry in entries:
            if entry.after is None:
                self._ready.append(entry)
            else:
                self._behind.setdefault(entry.after, []).append(entry)

    def next(self, now: float) -> Entry | None:
        """The next entry to buy, if one may be bought now."""
        if not self.is_open or now < self._not_before:
            return None
        while self._ready or (self._later and self._later[0][0] <= now):
            is_due = self._later and self._later[0][0] <= now
            entry = heapq.heappop(self._later)[2] if is_due else self._ready.popleft()
            if self._may_go(entry):
                return entry
        return None

    def wakes_at(self) -> float | None:
        """When `next` may return an entry, in monotonic seconds; None: not before something is queued."""
        if not self.is_open or not (self._ready or self._later):
            return None
        soonest = 0.0 if self._ready else self._later[0][0]
        return max(soonest, self._not_before)

    def _may_go(self, entry: Entry) -> bool:
        """Whether `entry` is its template's canary, or need not wait for one; otherwise hold it back."""
        template_id = entry.job.request.template_id if entry.job is not None else ""
        if not self._canary or template_id in self._proven:
            return True
        if self._canaries.setdefault(template_id, entry.key) == entry.key:
            return True
        self._held_back.setdefault(template_id, []).append(entry)
        return False

    def held_back(self) -> Sequence[tuple[str, Sequence[Entry]]]:
        """By template, the entries that were not bought because the canary has not succeeded."""
        return sorted(self._held_back.items())

    @property
    def canaries(self) -> Mapping[str, JobKey]:
        """By template, the job that goes first, as long as none of that template has succeeded."""
        return {each: key for each, key in self._canaries.items() if each not in self._proven}

    def succeeded(self, template_id: str, keys: Iterable[JobKey]) -> None:
        """Release the entries that wait for this template's canary, and those chained to the jobs `keys`."""
        self._proven.add(template_id)
        self._ready.extend(self._held_back.pop(template_id, ()))
        for key in keys:
            self._ready.extend(self._behind.pop(key, ()))

    def give_up(self, entry: Entry) -> None:
        """Drop `entry` from this run; if it was its template's canary, another entry takes its turn."""
        template_id = entry.job.request.template_id if entry.job is not None else ""
        if self._canaries.get(template_id) == entry.key:
            del self._canaries[template_id]
            self._ready.extend(self._held_back.pop(template_id, ()))

    def requeue(self, entry: Entry) -> None:
        """Queue an entry again that was held for something else than its upstream."""
        self._ready.append(entry)

    def leave_to_next_run(self, entry: Entry, why: str) -> None:
        """Drop `entry` from this run, which is therefore not finished; `why` ends with what to do."""
        self._leave(entry, why, f"not bought: {why}")

    def _leave(self, entry: Entry, why: str, reason: str) -> None:
        self._report.add_reason(ExitCode.UNFINISHED, f"{entry.key}: {reason}")
        self._report.unbought[entry.key] = why
        self.give_up(entry)

    @property
    def is_open(self) -> bool:
        """Whether more intents may be written in this run."""
        return not (self._stopped or self._closed)

    @property
    def stopped(self) -> bool:
        """Whether nothing more may be sent in this run."""
        return self._stopped

    def close(self, code: ExitCode, note: str) -> None:
        """Write no more intents in this run; those already written are still sent."""
        self._closed = True
        self._report.add_reason(code, note)

    def stop(self, code: ExitCode, note: str) -> None:
        """Send nothing more in this run, for a reason that it reports."""
        self._report.add_reason(code, note)
        self.end()

    def end(self) -> None:
        """Send nothing more in this run, as it ends; why it ends is reported elsewhere."""
        self._stopped = True

    # Retries

    def put_back(self, entry: Entry, now: float, attempt: int, after: float | None = None) -> None:
        """Queue an entry again after a backoff, no sooner than `after`, the seconds that the vendor asked for."""
        heapq.heappush(self._later, (now + backoff(attempt, self._rng, after), next(self._sequence), entry))

    def unprepared(self, entry: Entry, error: VendorError, now: float, advice: str = "run again") -> None:
        """Retry an entry whose preparation failed for now; after several failures, leave it to the next run."""
        attempts = self._attempts_of(entry)
        attempts.unprepared += 1
        if attempts.unprepared >= PREPARATIONS or (error.after or 0.0) > _timeout(entry):
            why = f"{error}; {advice}"
            self._leave(entry, why, why)
        else:
            self.put_back(entry, now, attempts.unprepared, error.after)

    def not_sent(self, entry: Entry, reason: str, now: float, *, started: bool) -> None:
        """Retry an entry whose create did not arrive completely, or stop buying; `started`: part of it was sent."""
        attempts = self._attempts_of(entry)
        attempts.partial += started
        attempts.unsent += not started
        if attempts.partial > PARTIAL_SENDS or attempts.unsent >= UNSENT_SENDS:
            self.stop(ExitCode.UNFINISHED, f"the vendor is unreachable ({printable(reason)}); run again")
        else:
            self.put_back(entry, now, attempts.partial + attempts.unsent)

    def deferred(self, entry: Entry, reason: str, now: float, after: float | None) -> None:
        """Retry an entry after "too many requests": all creates wait, unless the job's timeout does not allow it."""
        attempts = self._attempts_of(entry)
        attempts.deferred += 1
        if (after or 0.0) > _timeout(entry) or attempts.deferred > DEFERRALS:
            how_long = f" for {after:,.0f} s" if after is not None else ""
            why = f"deferred by the vendor{how_long} ({printable(reason)}); run again later"
            self._leave(entry, why, why)
        else:
            self._not_before = max(self._not_before, now + (after or 0.0))
            self.put_back(entry, now, attempts.deferred, after)

    def count_outcome(self, *, is_unknown: bool) -> None:
        """Count the outcome of one create; `BREAKER` unknown ones in a row stop the buying."""
        self._unknown_in_a_row = self._unknown_in_a_row + 1 if is_unknown else 0
        if self._unknown_in_a_row >= BREAKER:
            self.stop(ExitCode.ATTENTION, "three unknown outcomes in a row: nothing more is bought")

    def _attempts_of(self, entry: Entry) -> Attempts:
        return self._attempts.setdefault(entry.key, Attempts())


def _timeout(entry: Entry) -> float:
    return entry.job.timeout if entry.job is not None else 0.0
