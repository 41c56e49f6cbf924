"""Estimates how long workflows take, and from that when to poll next. Pure.

Each poll costs a call; polling too rarely delays results that are already paid for. So the next poll is due when the
expected time since the workflow ended reaches `_LAG`, or a twentieth of what its template takes, if that is less. The
estimate combines earlier durations of the template, assumed to be log-normal, and the workflow's own progress,
assumed to be linear.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.jobs import JobKey

# Seconds before the first poll of a workflow whose template has no estimate.
FIRST_PAUSE = 0.05
# The least seconds between two polls; a shorter duration is recorded as this long.
SHORTEST_PAUSE = 0.05
# The expected lag at which a poll is worth its call: in seconds, and as a share of the expected duration.
_LAG = 1.7
_LAG_SHARE = 1 / 20
# The assumed spread of a template's durations, in logarithms, and how many workflows this prior counts as.
_SPREAD = 0.3
_SPREAD_WEIGHT = 5
# The mean of earlier runs counts as this many workflows of this run, so that the estimate adapts soon to a change.
_MEAN_WEIGHT = 3
# The assumed error of the vendor's progress, as a share of the whole.
_PROGRESS_NOISE = 0.05
# The next pause as a fraction of age: without an estimate, and when overdue.
_GROWTH = 0.5
_OVERDUE = 0.1
# The least time left of a workflow, as a fraction of its age. Only shown: no poll depends on it.
_LEAST_LEFT = 0.1


@dataclass(frozen=True, slots=True)
class Expectation:
    """The age in seconds at which a workflow ends: log-normal, with this median and standard deviation of the log."""

    median: float
    spread: float

    def joined(self, other: Expectation) -> Expectation:
        """Combine two estimates, weighted by the inverse of their variances."""
        mine, theirs = self.spread**-2, other.spread**-2
        log = (math.log(self.median) * mine + math.log(other.median) * theirs) / (mine + theirs)
        return Expectation(math.exp(log), (mine + theirs) ** -0.5)

    def is_outlived(self, age: float) -> bool:
        """Whether hardly any workflow would still be running at that age."""
        return age > 0.0 and (math.log(age) - math.log(self.median)) > 3.5 * self.spread

    def ended(self, age: float) -> float:
        """The share of workflows that have ended at an age."""
        if age <= 0.0:
            return 0.0
        return 0.5 * (
            1.0 + math.erf((math.log(age) - math.log(self.median)) / (self.spread * math.sqrt(2.0)))
        )


class Durations:
    """The durations of each template; `means` are the means of earlier runs, in seconds."""

    def __init__(self, means: Mapping[str, float]) -> None:
        self._means = means
        self._sums: dict[str, tuple[int, float, float]] = {}
        self._running: dict[str, float] = {}

    def learn(self, template_id: str, seconds: float) -> None:
        """Record how long a workflow of this template took."""
        log = math.log(max(seconds, SHORTEST_PAUSE))
        count, total, squares = self._sums.get(template_id, (0, 0.0, 0.0))
        self._sums[template_id] = (count + 1, total + log, squares + log * log)

    def note_running(self, template_id: str, age: float) -> None:
        """Record that a workflow of this template was still running at that age."""
        self._running[template_id] = max(age, self._running.get(template_id, 0.0))

    def longest_running(self, template_id: str) -> float:
        """The greatest age at which a workflow of this template was still running."""
        return self._running.get(template_id, 0.0)

    def expectation(self, template_id: str) -> Expectation | None:
        """The estimate for a workflow of this template; None if no duration is known yet."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """Seconds until the last workflow ends; None if none is to come, or `unseen` templates have no estimate yet."""

    seconds: float | None = None
    unseen: tuple[str, ...] = ()

    def named(self, names: Mapping[str, str]) -> TimeLeft:
        """The same, with templates by the names that the manifest gives them, in place of their ids."""
        return replace(self, unseen=tuple(dict.fromkeys(names.get(each, each) for each in self.unseen)))


# What is made one after another: the template of what is under way, if anything is, and those still to be bought.
Chain = tuple[str | None, tuple[str, ...]]


def chains(
    waiting: Mapping[JobKey, tuple[str, JobKey | None]], under_way: Mapping[JobKey, str]
) -> frozenset[Chain]:
    """The distinct chains of jobs that are still to be bought.

    `waiting` has, by key, the template of each and what it is made from; `under_way` the templates of those bought.
    """
    found = set()
    for key in waiting:
        templates, at = [], key
        while (step := waiting.get(at)) is not None:
            templates.append(step[0])
            if step[1] is None:
                break
            at = step[1]
        begun = under_way.get(at)
        if begun is not None or len(templates) > 1:
            found.add((begun, tuple(templates)))
    return frozenset(found)


def time_left(
    durations: Durations,
    running: Iterable[tuple[str, float]],
    waiting: Mapping[str, int],
    limit: int,
    chains: Collection[Chain] = (),
) -> TimeLeft:
    """The time until the last workflow ends.

    `running` has the template and age of each running workflow; `waiting` counts, by template, those still to be
    bought; at most `limit` run at once, and those of a chain one after another.
    """
    longest = total = 0.0
    to_buy = {template_id: count for template_id, count in waiting.items() if count > 0}
    ages: dict[str, list[float]] = {template_id: [] for template_id in to_buy}
    for template_id, age in running:
        ages.setdefault(template_id, []).append(age)
    if not ages:
        return TimeLeft()
    expected = {template_id: durations.expectation(template_id) for template_id in ages}
    if unseen := tuple(template_id for template_id, each in expected.items() if each is None):
        return TimeLeft(unseen=unseen)
    anew: dict[str, float] = {}
    rest: dict[str, float] = {}
    for template_id, each in expected.items():
        if each is not None:
            count = to_buy.get(template_id, 0)
            anew[template_id], lefts = _seconds_left(each.median, ages[template_id])
            rest[template_id] = max(lefts, default=0.0)
            longest = max(longest, anew[template_id] if count else 0.0, rest[template_id])
            total += anew[template_id] * count + sum(lefts)
    for begun, templates in chains:
        one_after_another = sum(anew.get(each, 0.0) for each in templates)
        longest = max(longest, one_after_another + rest.get(begun or "", 0.0))
    return TimeLeft(seconds=max(longest, total / limit))


def _seconds_left(usual: float, ages: Sequence[float]) -> tuple[float, list[float]]:
    """The seconds that a new workflow of a template is likely to take, and those left of each running one.

    While the vendor is slower than usual, the running ones know it first. What has been late for so long is likely
    to be late for as long again; the usual counts as several workflows, so that one straggler changes little.
    """
    late = [max(0.0, age - usual) for age in ages]
    anew = usual + 2 * sum(late) / (_MEAN_WEIGHT + len(ages))
    return anew, [max(anew - age, over, age * _LEAST_LEFT) for age, over in zip(ages, late, strict=True)]


def projected(age: float, share: float) -> Expectation | None:
    """The estimate for a workflow that had done this share of its work at `age`; None if the share tells nothing."""
    if age <= 0.0 or not 2 * _PROGRESS_NOISE < share < 1.0:
        return None
    return Expectation(age / share, _PROGRESS_NOISE / share)


def pause(age: float, expected: Expectation | None, longest_running: float = 0.0) -> float:
    """Seconds until the next poll of a workflow that is still running at `age`.

    Used without an estimate: `longest_running`, the greatest age at which another workflow of its template still ran.
    """
    if expected is None:
        return max(FIRST_PAUSE if age <= 0.0 else SHORTEST_PAUSE, age * _GROWTH, longest_running - age)
    if expected.is_outlived(age):
        return max(SHORTEST_PAUSE, age * _OVERDUE)
    return max(SHORTEST_PAUSE, _until_lag(age, expected) - age)


def _until_lag(age: float, expected: Expectation) -> float:
    """The age at which the expected lag is worth a poll."""
    allowed = min(_LAG, expected.median * _LAG_SHARE)
    ended_before = expected.ended(age)
    running = 1.0 - ended_before
    step = expected.median * expected.spread / 6
    # Hardly any workflow ends before this age, so the sum can start here.
    at = max(age, expected.median * math.exp(-3.5 * expected.spread))
    lag = newly = 0.0
    while True:
        before = newly
        newly = (expected.ended(at + step) - ended_before) / running
        more = (before + newly) / 2 * step
        if lag + more >= allowed:
            return at + step * (allowed - lag) / more
        lag, at = lag + more, at + step
