"""Files that were read, and trees of values that know where in them they were written."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Union

from pipeline.errors import Position, Problem, Severity

if TYPE_CHECKING:
    from pipeline.json_values import Json

# A line is quoted up to this length, or so far beyond the column in question; a column too far out is not quoted.
_LONGEST_QUOTE = 160
_QUOTED_BEYOND = 80
_FARTHEST_QUOTE = 10_000


@dataclass(frozen=True, eq=False)
class SourceFile:
    """One file that was read: a YAML file, a prompt or a CSV.

    `path` is its real path, `name` its name in messages. `text` has LF for every line end and no byte order
    mark, so that a checkout on another system reads the same.
    """

    path: Path
    name: str
    text: str

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def raw_line(self, number: int) -> str:
        """The whole line `number`, counted from 1; empty if there is none."""
        return self._lines[number - 1] if 1 <= number <= len(self._lines) else ""

    def line(self, number: int, column: int = 1) -> str:
        """Line `number`, cut so that `column` is visible; empty if the column is too far out."""
        line = self.raw_line(number)
        if column > _FARTHEST_QUOTE:
            return ""
        limit = max(_LONGEST_QUOTE, column + _QUOTED_BEYOND)
        return line if len(line) <= limit else f"{line[:limit]}…"

    def problem(self, message: str, line: int = 1, column: int = 1, path: str = "") -> Problem:
        """An error at this position of the file, with its line quoted."""
        return Problem(message, Position(self.name, line, column), path, source=self.line(line, column))

    def problem_at(self, offset: int, message: str) -> Problem:
        """An error `offset` characters into the text."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self.problem(message, self.text.count("\n", 0, offset) + 1, offset - start + 1)


@dataclass(frozen=True, slots=True)
class Location:
    """Where something was written, kept for problems that are found long after it was read."""

    source: SourceFile
    line: int
    column: int
    path: str = ""

    @property
    def position(self) -> Position:
        """File, line and column, for people."""
        return Position(self.source.name, self.line, self.column)

    def problem(self, message: str, severity: Severity = "error") -> Problem:
        """A problem here, with the line quoted."""
        return Problem(
            message=message,
            position=self.position,
            path=self.path,
            severity=severity,
            source=self.source.line(self.line, self.column),
        )


def beside(name: str, path: str) -> str:
    """The display name of a file that the file called `name` refers to by `path`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


Scalar = bool | int | float | str | None


NodeValue = Union[Scalar, Mapping[str, "Node"], tuple["Node", ...]]  # noqa: UP007  # "Node" is not there yet


@dataclass(frozen=True, slots=True)
class Node:
    """One value with the position where it was written. Lines and columns count from 1.

    `key_line` and `key_column` are the position of its key if it is in a mapping, else its own. A `block` is a
    text whose own lines begin below `line` (`|` and `>`).
    """

    value: NodeValue
    source: SourceFile
    line: int
    column: int
    key_line: int
    key_column: int
    block: bool = False

    @property
    def position(self) -> Position:
        """Where the value begins."""
        return Position(self.source.name, self.line, self.column)

    @property
    def key_position(self) -> Position:
        """Where its key begins, or the value if it has none."""
        return Position(self.source.name, self.key_line, self.key_column)

    def child(self, step: str | int) -> Node | None:
        """The value under a key, or at an index; None if there is none."""
        match self.value:
            case Mapping() if isinstance(step, str):
                return self.value.get(step)
            case tuple() if isinstance(step, int) and 0 <= step < len(self.value):
                return self.value[step]
            case _:
                return None

    def plain(self) -> Json:
        """The value without positions. Its size is limited, as the reader limits what aliases expand to."""
        match self.value:
            case Mapping():
                return {key: node.plain() for key, node in self.value.items()}
            case tuple():
                return [node.plain() for node in self.value]
            case _:
                return self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a document: where, what, and whether it is the key that is wrong, not its value."""

    path: tuple[str | int, ...]
    message: str
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A tree, of one file or merged from several. `warnings` are about how it is written.

    `bases` are the files that were merged into it, by their real paths and as they are named. `errors` are about
    single values that were refused, in whose place a 1 stands, so that the rest can be checked.
    """

    root: Node
    warnings: tuple[Problem, ...] = ()
    bases: tuple[Path, ...] = ()
    errors: tuple[Problem, ...] = ()

    def node(self, *path: str | int) -> Node | None:
        """The value at `path`: keys and indexes from the root down. None if there is none."""
        node: Node | None = self.root
        for step in path:
            if node is None:
                return None
            node = node.child(step)
        return node

    def at(self, *path: str | int) -> Position:
        """Where the value at `path` was written, or the nearest one around it."""
        return self._nearest(path).position

    def problem(
        self,
        message: str,
        *path: str | int,
        at_key: bool = False,
        severity: Severity = "error",
    ) -> Problem:
        """A problem with the value at `path`, or with its key; if it is missing, with the value around it."""
        node = self._nearest(path)
        position = node.key_position if at_key else node.position
        quoted = node.source.line(position.line, position.column)
        return Problem(
            message=message, position=position, path=dotted(path), severity=severity, source=quoted
        )

    def located(self, findings: Iterable[Finding]) -> list[Problem]:
        """`findings` about it, each with its position."""
        return [self.problem(each.message, *each.path, at_key=each.at_key) for each in findings]

    def _nearest(self, path: tuple[str | int, ...]) -> Node:
        node = self.root
        for step in path:
            inner = node.child(step)
            if inner is None:
                break
            node = inner
        return node


_LONGEST_PATH = 200
_PLAIN_KEY = re.compile(r"[\w-]{1,100}")


def dotted(path: tuple[str | int, ...]) -> str:
    """A path as people read it: `jobs[0].matrix.locale`, `vars["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}"
        else:
            text += f"[{json.dumps(step[:100], ensure_ascii=False)}]"
    text = text.removeprefix(".")
    return text if len(text) <= _LONGEST_PATH else f"…{text[-_LONGEST_PATH:]}"


def merge(base: Node, over: Node) -> Node:
    """Merge `over` over `base`: mappings merge, anything else replaces, and a null removes the key.

    Every value keeps its file and position; a merged mapping has those of `over`.
    """
    if not (isinstance(base.value, Mapping) and isinstance(over.value, Mapping)):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        if node.value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged[key], node) if key in merged else node
    return Node(
        value=MappingProxyType(merged),
        source=over.source,
        line=over.line,
        column=over.column,
        key_line=over.key_line,
        key_column=over.key_column,
    )


def text_position(node: Node, line_in_text: int) -> Position:
    """The position in the file of line `line_in_text` (from 1) of a text.

    Exact for a `|` text; for a `>` text, the first of the lines that were folded into that one; for a text in
    quotes, where it begins.
    """
    if not node.block:
        return node.position
    line = node.line + 1
    if node.source.raw_line(node.line)[node.column - 1 : node.column] == ">":
        line = _folded_line(node, line_in_text)
    else:
        line += line_in_text - 1
    text = node.source.raw_line(line)
    return Position(node.source.name, line, len(text) - len(text.lstrip(" ")) + 1)


def _folded_line(node: Node, line_in_text: int) -> int:
    """The file's line at which a line of a folded text begins; blank and indented lines are not folded."""
    first = line = node.line + 1
    indent = _indent(node.source.raw_line(first))
    reached = 1
    while reached < line_in_text and line < first + len(node.source.text):
        here, below = node.source.raw_line(line), node.source.raw_line(line + 1)
        joined = here and _indent(here) == indent and (not below or _indent(below) == indent)
        line += 1
        reached += 0 if joined else 1
    return line


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
