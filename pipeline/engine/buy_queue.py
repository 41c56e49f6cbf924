"""What is still to be bought, in which order, and when buying must end. No I/O."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.engine.backoff import backoff
from pipeline.jobs import JobKey
from pipeline.planning.plan import Entry

# A create of which a part had left is sent anew this often in one run; one that never left, a little more.
TORN_SENDS = 2
UNSENT_SENDS = 5
# So many unknown outcomes in a row speak of a broken vendor, and each may have cost something.
BREAKER = 3


@dataclass
class Attempts:
    """How often a job's create failed to arrive in this run."""

    torn: int = 0
    unsent: int = 0
    deferred: int = 0
    unprepared: int = 0


@dataclass
class Buying:
    """The entries of a plan that cost a create, in its order; chained ones once their upstream is made."""

    rng: random.Random
    ready: deque[Entry] = field(default_factory=deque)
    behind: dict[str, list[Entry]] = field(default_factory=dict)
    later: list[tuple[float, int, Entry]] = field(default_factory=list)
    attempts: dict[str, Attempts] = field(default_factory=dict)
    canary: bool = False
    stopped: bool = False
    not_before: float = 0.0
    unknown_in_a_row: int = 0
    _canaries: dict[str, str] = field(default_factory=dict)
    _proven: set[str] = field(default_factory=set)
    _held: dict[str, list[Entry]] = field(default_factory=dict)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, entries: Iterable[Entry]) -> None:
        """Take up what a plan buys."""
        for entry in entries:
            if entry.after is None:
                self.ready.append(entry)
            else:
                self.behind.setdefault(entry.after, []).append(entry)

    def made(self, key: JobKey) -> None:
        """The purchase that serves `key` has succeeded: what is made from it may be bought."""
        self.ready.extend(self.behind.pop(key, ()))

    def next(self, now: float) -> Entry | None:
        """The next entry to buy, if one may be bought now."""
        if self.stopped or now < self.not_before:
            return None
        while self.ready or (self.later and self.later[0][0] <= now):
            is_due = self.later and self.later[0][0] <= now
            entry = heapq.heappop(self.later)[2] if is_due else self.ready.popleft()
            if self._may_fly(entry):
                return entry
        return None

    def _may_fly(self, entry: Entry) -> bool:
        """Whether it is the first of its template, or that one has succeeded; else it is held back."""
        template = entry.job.request.template_id if entry.job is not None else ""
        if not self.canary or template in self._proven:
            return True
        if self._canaries.setdefault(template, entry.key) == entry.key:
            return True
        self._held.setdefault(template, []).append(entry)
        return False

    def succeeded(self, template: str) -> None:
        """A workflow of this template ended well: the rest of them may go."""
        self._proven.add(template)
        self.ready.extend(self._held.pop(template, ()))

    def held_back(self) -> list[tuple[str, list[Entry]]]:
        """By template: what was not bought, as the first of its kind has not succeeded."""
        return sorted(self._held.items())

    def wakes_at(self) -> float | None:
        """When, in monotonic seconds, `next` may have something; None: never by itself."""
        if self.stopped or not (self.ready or self.later):
            return None
        soonest = 0.0 if self.ready else self.later[0][0]
        return max(soonest, self.not_before)

    def of(self, entry: Entry) -> Attempts:
        """How often the entry has failed to arrive so far."""
        return self.attempts.setdefault(entry.key, Attempts())

    def again(self, entry: Entry, now: float, attempt: int, asked: float | None = None) -> None:
        """Put an entry back, for after a backoff."""
        heapq.heappush(self.later, (now + backoff(attempt, self.rng, asked), next(self._order), entry))

    def count_outcome(self, known: bool) -> bool:
        """Count the outcome of one create; True when so many were unknown in a row that buying must stop."""
        self.unknown_in_a_row = 0 if known else self.unknown_in_a_row + 1
        return self.unknown_in_a_row >= BREAKER
