"""Text files that were read, and places in them."""

import posixpath
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from pipeline.errors import Position, Problem

# A line is quoted to this length, or so much beyond the column in question; what lies too far out is not quoted.
_LONGEST_QUOTE = 160
_QUOTED_BEYOND = 80
_FARTHEST_QUOTE = 10_000


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One file that was read: a YAML file, a prompt or a CSV.

    `path` is its real path, `name` what people know it by. `text` has LF for every line end and no byte order
    mark, so that a checkout on another system reads the same.
    """

    path: Path
    name: str
    text: str

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def raw_line(self, number: int) -> str:
        """Line `number`, counted from 1, whole; empty where there is none."""
        return self._lines[number - 1] if 1 <= number <= len(self._lines) else ""

    def line(self, number: int, column: int = 1) -> str:
        """The same, cut so that people see what stands at `column`; empty where that is too far out."""
        line = self.raw_line(number)
        if column > _FARTHEST_QUOTE:
            return ""
        limit = max(_LONGEST_QUOTE, column + _QUOTED_BEYOND)
        return line if len(line) <= limit else f"{line[:limit]}…"

    def problem(self, message: str, line: int = 1, column: int = 1, path: str = "") -> Problem:
        """An error at this position of the file, its line quoted."""
        return Problem(message, Position(self.name, line, column), path, source=self.line(line, column))

    def problem_at(self, offset: int, message: str) -> Problem:
        """The same, `offset` characters into the text."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self.problem(message, self.text.count("\n", 0, offset) + 1, offset - start + 1)


class Location(NamedTuple):
    """Where something was written, kept for problems that show long after it was read."""

    source: SourceFile
    line: int
    column: int
    path: str = ""

    @property
    def position(self) -> Position:
        """The same for people: file, line and column."""
        return Position(self.source.name, self.line, self.column)

    def problem(self, message: str, severity: Literal["error", "warning"] = "error") -> Problem:
        """A problem here, with the line quoted."""
        return Problem(
            message=message,
            position=self.position,
            path=self.path,
            severity=severity,
            source=self.source.line(self.line, self.column),
        )


def beside(name: str, path: str) -> str:
    """What a file is called to people that the file called `name` names by `path`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
