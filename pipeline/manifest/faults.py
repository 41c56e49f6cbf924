"""What is wrong with one job: all of it, not the first."""

from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar

from pipeline.errors import InvalidInput, Problem

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")


class Faults(NamedTuple):
    """Problems gathered while the parts of a job are worked out one after the other."""

    problems: list[Problem]

    @property
    def are_errors(self) -> bool:
        """Whether there is anything but doubts."""
        return any(problem.severity == "error" for problem in self.problems)

    def catch(self, instead: D, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | D:
        """What `work` gives, or `instead` where it raises; then the problems are kept."""
        try:
            return work(*arguments, **named)
        except InvalidInput as error:
            self.problems.extend(error.problems)
            return instead
