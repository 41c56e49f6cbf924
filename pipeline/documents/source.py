"""Text files as they are read: bytes from a stranger become text, or a problem with its position."""

import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pipeline import files
from pipeline.errors import InvalidInput, Position, Problem

MANIFEST_LIMIT = 2 << 20
# A line is quoted to this length, or so much beyond the column in question; what lies too far out is not quoted.
_LONGEST_QUOTE = 160
_QUOTED_BEYOND = 80
_FARTHEST_QUOTE = 10_000
_MOST_PROBLEMS = 100

# Tab and line feed are the only control characters that a text needs; the last two are no characters at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
_OURS = re.compile("^<{7}(?: |$)", re.MULTILINE)
_THEIRS = re.compile("^>{7}(?: |$)", re.MULTILINE)


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


@dataclass(frozen=True, slots=True)
class Location:
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


def read_source(path: Path, name: str, limit: int = MANIFEST_LIMIT) -> SourceFile:
    """Read a text file of at most `limit` bytes; `name` is what people know it by.

    Raises:
        InvalidInput: missing, not a regular file, unreadable, too large, not UTF-8, or with control
            characters in it.
    """
    try:
        content = files.read_limited(path, limit)
    except FileNotFoundError:
        raise InvalidInput(Problem("there is no such file", Position(name))) from None
    except IsADirectoryError:
        raise InvalidInput(Problem("this is a folder, expected a file", Position(name))) from None
    except OSError as error:
        # What could be opened has no reason of the system's: a folder, a pipe or a device.
        reason = error.strerror or (
            "this is a folder, expected a file" if path.is_dir() else "not a regular file"
        )
        raise InvalidInput(_whole(name, f"it cannot be read: {reason}")) from None
    except ValueError as error:
        raise InvalidInput(_whole(name, f"it cannot be read: {error}")) from None
    return decode(content, path, name)


def beside(name: str, path: str) -> str:
    """What a file is called to people that the file called `name` names by `path`."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def decode(content: bytes, path: Path, name: str) -> SourceFile:
    """The text of a file's bytes.

    Raises:
        InvalidInput: not UTF-8, or with control characters in it.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(_whole(name, "this is UTF-16; save it as UTF-8"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        source = SourceFile(path, name, _with_line_feeds(before))
        byte = content[error.start]
        message = f"this is not UTF-8 (byte 0x{byte:02X}); save the file as UTF-8"
        raise InvalidInput(source.problem_at(len(source.text), message)) from None
    source = SourceFile(path, name, _with_line_feeds(text))
    found = list(_FORBIDDEN.finditer(source.text))
    if found:
        raise InvalidInput(
            [source.problem_at(each.start(), _forbidden(each[0])) for each in found[:_MOST_PROBLEMS]]
        )
    return source


def conflicts(source: SourceFile) -> list[Problem]:
    """The merge conflicts that git left in a file: one problem for each, at the line where it begins."""
    if "<<<<<<<" not in source.text and ">>>>>>>" not in source.text:
        return []  # found at once, also of a large table
    message = (
        "a merge conflict that is not settled; keep one side and delete the lines <<<<<<<, =======, >>>>>>>"
    )
    found = list(_OURS.finditer(source.text)) or list(_THEIRS.finditer(source.text))
    return [source.problem_at(each.start(), message) for each in found[:_MOST_PROBLEMS]]


def _with_line_feeds(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _forbidden(character: str) -> str:
    code = f"U+{ord(character):04X}"
    if character == "\0":
        return f"a NUL character ({code}); is this a text file?"
    if character == "\ufeff":
        return f"a byte order mark ({code}) inside the text; delete it"
    return f"a control character ({code}) that a text cannot hold; delete it"


def _whole(name: str, message: str) -> Problem:
    return Problem(message, Position(name, 1, 1))
