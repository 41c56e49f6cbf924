"""Many problems of one input: the first are listed, and the others are counted.

A table with the wrong separator has as many problems as rows. What is left out is always said.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.errors import Problem, Severity, counted

MOST_LISTED = 100


@dataclass(slots=True)
class ProblemList:
    """Problems as they are found; only those that are listed are kept."""

    number: int = 0
    _first: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Keep or count one more."""
        self.number += 1
        if len(self._first) < MOST_LISTED:
            self._first.append(problem)

    def listed(self) -> list[Problem]:
        """What is to be reported."""
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
    """How many errors or warnings there are, with those that are not listed."""
    return sum(each.unlisted or 1 for each in problems if each.severity == severity)
