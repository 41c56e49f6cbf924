"""Output for people: wrapped and coloured, and safe from control sequences in text from outside."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

import click

from pipeline.cli.process_environment import columns_of, is_github, wants_colour
from pipeline.errors import Position, Problem, printable, reason_of
from pipeline.schemes import without_secrets
from pipeline.standard_output import stdout

if TYPE_CHECKING:
    # Most commands need this module, but `--help` does not.
    from pipeline.json_values import Json
    from pipeline.planning.paint import Colour, Paint

_COLOURS: dict[Colour, str] = {"green": "green", "yellow": "yellow", "red": "red", "cyan": "cyan"}
_LONGEST_LINE = 4000
_PIECE = 1 << 16
_NOT_ASCII = re.compile(r"[^\n -~]")

# The pause of `status --watch`.
SECONDS_BETWEEN_LOOKS = 2.0


class Closed(Exception):
    """Stdout cannot be written, for this `reason`.

    Its text is the message for people; empty if the reader is gone (`plan | head`), which is not reported.
    """

    def __init__(self, error: Exception) -> None:
        self.reason = reason_of(error)
        is_gone = isinstance(error, BrokenPipeError)
        super().__init__("" if is_gone else f"stdout cannot be written: {self.reason}")


def paint_for(stream: TextIO, *, no_color: bool) -> Paint:
    """The function that colours text for `stream`."""
    if not wants_colour(stream, no_color=no_color):
        return lambda text, _colour: text

    def paint(text: str, colour: Colour) -> str:
        return click.style(text, dim=True) if colour == "dim" else click.style(text, fg=_COLOURS.get(colour))

    return paint


def say(line: str = "", *, err: bool = False, command: bool = False, whole: bool = False) -> None:
    """Print one line for people, or a `command` for GitHub's runner. Text of strangers must be `printable` already.

    On a terminal, the line is wrapped between words unless it is `whole`, as for output that programs read.

    Raises:
        Closed: stdout cannot be written. A closed stderr is ignored: the records have everything that it would show.
    """
    stream = sys.stderr if err else stdout()
    lines = [line] if command else _shower(None if whole else columns_of(stream))(line)
    _write(stream, "".join(f"{each}\n" for each in lines))


def say_all(lines: Iterable[str], *, whole: bool = False) -> None:
    """Print many lines, some hundred at a time: a system call for each would cost more than the lines.

    Raises:
        Closed: as `say`.
    """
    shown = _shower(None if whole else columns_of(stdout()))
    written: list[str] = []
    size = 0
    try:
        for line in lines:
            written.extend(shown(line))
            size += len(line)
            if size >= _PIECE:
                _write(stdout(), "\n".join([*written, ""]))
                written.clear()
                size = 0
    finally:
        # After an error too, print the lines before it.
        _write(stdout(), "\n".join([*written, ""]) if written else "")


def _shower(columns: int | None) -> Callable[[str], Iterable[str]]:
    """A function that wraps a line for a terminal of `columns`, and makes it inert for GitHub's runner."""
    if is_github():
        return lambda line: (_inert(line),)
    if columns is None:
        return lambda line: (line,)
    return lambda line: (line,) if "\n" in line else wrapped(line, columns)


def say_on_stderr(line: str) -> None:
    """As `say`, on stderr: for messages beside the output of a command."""
    say(line, err=True)


def _inert(line: str) -> str:
    """`line`, changed so that GitHub's runner does not take it for a command."""
    begins = line.lstrip()
    if begins.startswith("::"):
        line = line.replace("::", ":\u200b:", 1)
    return line.replace("##[", "#\u200b#[")


def _write(stream: TextIO, text: str) -> None:
    error = write_or_discard(stream, text)
    if error is not None and stream is not sys.stderr:
        raise Closed(error) from error


def write_or_discard(stream: TextIO, text: str) -> Exception | None:
    """Write `text` at once. If that fails, return the error, and discard whatever is written from then on."""
    try:
        stream.write(text)
        stream.flush()
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        return write_or_discard(stream, text.encode(encoding, "backslashreplace").decode(encoding))
    except (OSError, ValueError) as error:
        discard(stream)
        return error
    return None


def discard(stream: TextIO) -> None:
    """Send what is written to `stream` to nowhere: the buffered rest must not fail again at the interpreter's end."""
    # Without a descriptor there is nothing to redirect, as in a stream that is closed or in memory.
    with suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 - for dup2
        os.dup2(nowhere.fileno(), stream.fileno())


def say_json(document: Json | dict[str, Json]) -> None:
    """Print a document for scripts: stdout has nothing else."""
    say_json_text(as_json_text(document, indent=2))


def say_json_text(text: str) -> None:
    """Print a line made by `as_json_text`, or the brackets around such lines."""
    _make_stdout_take_json()
    say(text, whole=True)


def say_all_json(texts: Iterable[str]) -> None:
    """As `say_json_text`, for many lines in few writes."""
    _make_stdout_take_json()
    say_all(texts, whole=True)


def _make_stdout_take_json() -> None:
    stream = stdout()
    encoding = stream.encoding or "ascii"
    # JSON is written as UTF-8, or its subset ASCII: UTF-16 or a byte order mark would break its readers.
    if "{}".encode(encoding) != b"{}" and isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8")


def as_json_text(document: Json | dict[str, Json], indent: int | None = None) -> str:
    """JSON in which no terminal or CI runner finds a command: what could be one is escaped within strings.

    If stdout is not UTF-8, everything but ASCII is escaped too.
    """
    if _is_utf8(stdout().encoding or "ascii"):
        written = (
            _COMPACT(document) if indent is None else json.dumps(document, indent=indent, ensure_ascii=False)
        )
    else:
        written = json.dumps(document, indent=indent)
    text = written.replace("##[", "\\u0023#[")
    return text if text.isprintable() else _NOT_ASCII.sub(_as_json_shows_it, text)


_COMPACT = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache
def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def _as_json_shows_it(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def problem_lines(problems: Iterable[Problem], paint: Paint, columns: int | None = None) -> Iterator[str]:
    """Each problem with the line of the file that it refers to, and a mark under the position.

    On a terminal of `columns`, the line of the file is cut, so that it is not wrapped.
    """
    for problem in problems:
        word = paint("warning", "yellow") if problem.severity == "warning" else paint("error", "red")
        # A problem without a position quotes the command line, which may contain secrets.
        shown = str(problem) if problem.position is not None else without_secrets(str(problem))
        yield f"{word}: {printable(shown, _LONGEST_LINE)}"
        if problem.position is not None and problem.source.strip():
            yield from _quoted(problem.source, problem.position, paint, columns)


def _quoted(source: str, position: Position, paint: Paint, columns: int | None) -> Iterator[str]:
    line = source.rstrip().replace("\t", " ")
    number = str(position.line)
    place = max(0, position.column - 1)
    start = max(0, place - 79)
    before, after = printable(line[start:place]), printable(line[place : start + 120])
    if columns is not None:
        room = max(1, columns - len(f"  {number} | "))
        # What follows the position gets a third of the room, and more if less precedes it.
        before = _end_of(before, room - max(1, min(width(after), room // 3)))
        after = _beginning_of(after, room - width(before))
    yield f"  {number} | {before}{after}"
    yield f"  {' ' * len(number)} | {' ' * width(before)}{paint('^', 'red')}"


def _beginning_of(text: str, columns: int) -> str:
    """As much of the beginning of `text` as fits into `columns`."""
    while width(text) > columns:
        text = text[:-1]
    return text


def _end_of(text: str, columns: int) -> str:
    """As much of the end of `text` as fits into `columns`."""
    return _beginning_of(text[::-1], columns)[::-1]


@contextmanager
def untrusted_block(*, err: bool = False) -> Iterator[None]:
    """Within this, GitHub's runner takes no output for a command; `err`: on stderr, since stdout is a document."""
    if not is_github():
        yield
        return
    stream = sys.stderr if err else stdout()
    token = os.urandom(16).hex()
    _write(stream, f"::stop-commands::{token}\n")
    try:
        yield
    finally:
        _write(stream, f"::{token}::\n")


# A command in backquotes is one word: pasted with a line break in it, it would be another command. If it is longer
# than a line, it is broken between shell words, after a backslash; an option and its value count as one word.
_WORDS = re.compile(r"`[^`]*`\S*|\S+")
_SHELL_WORDS = re.compile(r"""(?:--[\w-]+ (?!-))?(?:'[^']*'|"[^"]*"|\S)+""")
_COMMAND = "`pipeline "
_GOES_ON = " \\"
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_DEEPER = 2
_DEEPEST = 20


def wrapped(line: str, columns: int) -> Iterator[str]:
    """`line` as lines of at most `columns`, indented a little from the second on; a longer word stays whole."""
    if width(line) <= columns:
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    deeper = " " * min(indent + _DEEPER, _DEEPEST, max(0, columns // 2))
    current, at, has_word = line[:indent], indent, False
    before = indent
    for found in _WORDS.finditer(line):
        gap = found.start() - before
        before = found.end()
        pieces = list(_pieces(found[0], columns - len(deeper)))
        for piece in pieces:
            # On a line of its own, a long word after a sign (`+ KEY`) would have no more room.
            gains_room = at + gap > len(deeper)
            if has_word and (len(pieces) > 1 or (gains_room and at + gap + width(piece) > columns)):
                yield current
                current, at, gap = deeper, len(deeper), 0
            elif not has_word:
                gap = 0
            current += " " * gap + piece
            at += gap + width(piece)
            has_word = True
    yield current


def _pieces(word: str, room: int) -> Iterator[str]:
    """`word`; or, if it is a command longer than `room`, its lines."""
    if not word.startswith(_COMMAND) or width(word) <= room:
        yield word
        return
    current, *others = _SHELL_WORDS.findall(word)
    for each in others:
        if width(f"{current} {each}{_GOES_ON}") > room:
            yield current + _GOES_ON
            current = each
        else:
            current += f" {each}"
    yield current


def width(text: str) -> int:
    """The columns that `text` takes on a terminal: colour codes take none, wide letters two."""
    plain = _STYLES.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(_columns_of(letter) for letter in plain)


def _columns_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
