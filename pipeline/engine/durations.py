"""How long workflows take, and so when polling again is worthwhile. Pure.

Each poll costs a call; polling too rarely delays results that are already paid for. So the next poll is due when, by
what is known, the workflow would have lain there unseen for about a second on average, or for a twentieth of what
its kind takes, if that is less. What is known is how long its template took before, taken as log-normal, and its
own progress, taken as linear.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Seconds before the first look at a workflow of which nothing is known.
FIRST_PAUSE = 0.05
# Seconds between any two looks at the least; what took less is taken to have taken as long.
SHORTEST_PAUSE = 0.05
# The lag, in seconds and as a share of what is expected, that one poll is worth.
_LAG = 1.7
_LAG_SHARE = 1 / 20
# How far durations of one template are taken to vary, in logarithms, and the number of workflows this counts as.
_SPREAD = 0.3
_SPREAD_WEIGHT = 5
# What earlier runs learned counts as so many workflows of this one, so that a change is soon believed.
_MEAN_WEIGHT = 3
# The vendor's progress is taken to be off by so much of the whole.
_PROGRESS_NOISE = 0.05
# Next delay as a fraction of age: with no estimate, and when overdue.
_GROWTH = 0.5
_OVERDUE = 0.1


@dataclass(frozen=True, slots=True)
class Expectation:
    """When a workflow ends, in seconds of its age: log-normal, with this median and deviation of the logarithm."""

    median: float
    spread: float

    def joined(self, other: "Expectation") -> "Expectation":
        """The two combined; the one with less variance counts for more."""
        mine, theirs = self.spread**-2, other.spread**-2
        log = (math.log(self.median) * mine + math.log(other.median) * theirs) / (mine + theirs)
        return Expectation(math.exp(log), (mine + theirs) ** -0.5)

    def is_outlived(self, age: float) -> bool:
        """Whether hardly any workflow would still run at that age."""
        return age > 0.0 and (math.log(age) - math.log(self.median)) > 3.5 * self.spread

    def ended(self, age: float) -> float:
        """The share of workflows that have ended at an age."""
        if age <= 0.0:
            return 0.0
        return 0.5 * (
            1.0 + math.erf((math.log(age) - math.log(self.median)) / (self.spread * math.sqrt(2.0)))
        )


class Durations:
    """The durations of each template; `means` are the mean seconds of earlier runs."""

    def __init__(self, means: Mapping[str, float]) -> None:
        self._means = means
        self._sums: dict[str, tuple[int, float, float]] = {}
        self._running: dict[str, float] = {}

    def learn(self, template_id: str, seconds: float) -> None:
        """A workflow of this template took so long."""
        log = math.log(max(seconds, SHORTEST_PAUSE))
        count, total, squares = self._sums.get(template_id, (0, 0.0, 0.0))
        self._sums[template_id] = (count + 1, total + log, squares + log * log)

    def note_running(self, template_id: str, age: float) -> None:
        """A workflow of this template was still running at that age."""
        self._running[template_id] = max(age, self._running.get(template_id, 0.0))

    def longest_running(self, template_id: str) -> float:
        """The greatest age at which a workflow of this template was still running."""
        return self._running.get(template_id, 0.0)

    def expectation(self, template_id: str) -> Expectation | None:
        """When a workflow of this template ends, None where none has been seen yet."""
        count, total, squares = self._sums.get(template_id, (0, 0.0, 0.0))
        mean = self._means.get(template_id)
        weight = 0
        if mean is not None and mean > 0.0:
            weight = _MEAN_WEIGHT
            total_before = weight * (math.log(mean) - _SPREAD**2 / 2)
        else:
            total_before = 0.0
        if count + weight == 0:
            return None
        log = (total + total_before) / (count + weight)
        deviations = squares - 2.0 * log * total + count * log * log
        variance = (_SPREAD_WEIGHT * _SPREAD**2 + max(0.0, deviations)) / (_SPREAD_WEIGHT + count)
        return Expectation(math.exp(log), math.sqrt(variance))


def time_left(
    durations: Durations, running: Iterable[tuple[str, float]], waiting: Mapping[str, int], limit: int
) -> float | None:
    """Seconds until the last workflow ends, None where it is not known yet how long a template takes.

    `running` are template and age of each that is under way, `waiting` counts by template those that are still to be
    bought; at most `limit` run at once.
    """
    longest = total = 0.0
    medians: dict[str, float | None] = {}
    for template_id in waiting:
        medians[template_id] = _median(durations, template_id)
    for template_id, age in running:
        if template_id not in medians:
            medians[template_id] = _median(durations, template_id)
        median = medians[template_id]
        if median is None:
            return None
        left = max(median - age, age * _OVERDUE)
        longest, total = max(longest, left), total + left
    for template_id, count in waiting.items():
        if count <= 0:
            continue
        median = medians[template_id]
        if median is None:
            return None
        longest, total = max(longest, median), total + median * count
    return max(longest, total / limit)


def _median(durations: Durations, template_id: str) -> float | None:
    expected = durations.expectation(template_id)
    return None if expected is None else expected.median


def projected(age: float, share: float) -> Expectation | None:
    """When a workflow ends that had done this share of its work at an age, None where that says nothing."""
    if age <= 0.0 or not 2 * _PROGRESS_NOISE < share < 1.0:
        return None
    return Expectation(age / share, _PROGRESS_NOISE / share)


def pause(age: float, expected: Expectation | None, longest_running: float = 0.0) -> float:
    """Seconds until the next look at a workflow that is still running at `age`.

    Where nothing is expected, `longest_running` is the greatest age at which another of its template still ran.
    """
    if expected is None:
        return max(FIRST_PAUSE if age <= 0.0 else SHORTEST_PAUSE, age * _GROWTH, longest_running - age)
    if expected.is_outlived(age):
        return max(SHORTEST_PAUSE, age * _OVERDUE)
    return max(SHORTEST_PAUSE, _until_lag(age, expected) - age)


def _until_lag(age: float, expected: Expectation) -> float:
    """The age at which looking again finds a lag, on average, that a poll is worth."""
    allowed = min(_LAG, expected.median * _LAG_SHARE)
    ended_before = expected.ended(age)
    running = 1.0 - ended_before
    step = expected.median * expected.spread / 6
    # Before that hardly any ends, so there is nothing to add up.
    at = max(age, expected.median * math.exp(-3.5 * expected.spread))
    lag = newly = 0.0
    while True:
        before = newly
        newly = (expected.ended(at + step) - ended_before) / running
        more = (before + newly) / 2 * step
        if lag + more >= allowed:
            return at + step * (allowed - lag) / more
        lag, at = lag + more, at + step
