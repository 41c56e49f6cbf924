"""Collects the problems of a campaign's jobs: a mistake that a thousand jobs share is reported once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipeline.documents.problem_list import listed
from pipeline.errors import Position, Problem, Severity, counted, in_order

if TYPE_CHECKING:
    from pipeline.jobs import Coordinates

# A message may quote the offending value, so one mistake may have as many messages as there are values.
_MAX_AT_ONE_LOCATION = 3
_MAX_LOCATIONS = 1000


@dataclass(slots=True)
class _Affected:
    """The jobs that have a problem: the first, the last, and how many."""

    first: Coordinates | None
    last: Coordinates | None
    number: int = 1

    def add(self, job: Coordinates | None) -> None:
        if job is None or job != self.last:
            self.number += 1
            self.last = job

    def named(self) -> str:
        """The suffix for the message of a problem that all of them have."""
        if self.first is None:
            return ""
        more = f" and {self.number - 1:,} more" if self.number > 1 else ""
        return f" (job {self.first!s:.200}{more})"

    def counted(self, severity: Severity) -> str:
        """The message for further problems, one of each of these jobs."""
        if self.last is None:
            return f"{counted(self.number, f'more {severity}')} here"
        have = "has" if self.number == 1 else "have"
        a = "an" if severity == "error" else "a"
        return (
            f"{counted(self.number, 'more job')} {have} {a} {severity} here, the last is {self.last!s:.200}"
        )


@dataclass(slots=True)
class _Found:
    """The problems at one location, each with its jobs, and the jobs with problems beyond those."""

    problems: dict[Problem, _Affected] = field(default_factory=dict)
    others: _Affected | None = None


class JobProblems:
    """The problems found so far, job by job. Those that are not listed are counted."""

    def __init__(self) -> None:
        self._locations: dict[tuple[Position | None, str, Severity], _Found] = {}
        self._elsewhere: Counter[Severity] = Counter()
        self.has_errors = False

    def add(self, problem: Problem, job: Coordinates | None = None) -> None:
        """Add an error or a warning; `job` is None if it concerns no job in particular."""
        self.has_errors = self.has_errors or problem.severity == "error"
        at = (problem.position, problem.path, problem.severity)
        found = self._locations.get(at)
        if found is None:
            if len(self._locations) >= _MAX_LOCATIONS:
                self._elsewhere[problem.severity] += 1
                return
            found = self._locations[at] = _Found()
        if (affected := found.problems.get(problem)) is not None:
            affected.add(job)
        elif len(found.problems) < _MAX_AT_ONE_LOCATION:
            found.problems[problem] = _Affected(job, job)
        elif found.others is not None:
            found.others.add(job)
        else:
            found.others = _Affected(job, job)

    def listed(self, severity: Severity) -> list[Problem]:
        """The errors, or the warnings, by position."""
        found = [problem for problem in self._all() if problem.severity == severity]
        return listed(in_order(found), len(found) + self._elsewhere[severity])

    def _all(self) -> Iterator[Problem]:
        for found in self._locations.values():
            for problem, affected in found.problems.items():
                yield replace(problem, message=f"{problem.message}{affected.named()}")
            if found.others is not None:
                message = found.others.counted(problem.severity)
                yield replace(problem, message=message, unlisted=found.others.number)
