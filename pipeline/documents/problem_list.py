"""Many problems of one input: the first are listed, the others counted.

A table with the wrong separator has as many problems as rows. The number left out is always reported.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.errors import Problem, Severity, counted

MAX_LISTED = 100


@dataclass(slots=True)
class ProblemList:
    """Collects problems; keeps only those that will be listed."""

    number: int = 0
    _first: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Keep a problem, or only count it."""
        self.number += 1
        if len(self._first) < MAX_LISTED:
            self._first.append(problem)

    def listed(self) -> list[Problem]:
        """The problems to report."""
        return listed(self._first, self.number)


def listed(first: Sequence[Problem], number: int) -> list[Problem]:
    """The `first` of `number` problems, and one that says how many more there are."""
    problems, more = list(first), number - len(first)
    if problems and more > 0:
        last = problems[-1]
        message = f"and {counted(more, f'more {last.severity}')}, not listed"
        problems.append(Problem(message, last.position, severity=last.severity, unlisted=more))
    return problems


def number_of(severity: Severity, problems: Iterable[Problem]) -> int:
    """The number of errors or warnings, including those that are not listed."""
    return sum(each.unlisted or 1 for each in problems if each.severity == severity)
