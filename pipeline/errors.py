"""One family of errors, each with its exit code.

PipelineError            70   a bug in pipeline, unless a class below says better
├── InvalidInput          3   manifest, plan, state or results: carries every Problem found
├── BuyingStopped         4   no credit, a cap, or --frozen
├── AccountError          5   the key is missing or refused
├── StateLocked           6   another run holds the state
├── NeedsAttention        7   an unknown outcome that only a person can resolve
├── Unfinished            8   run again
├── UsageError           64   the command line
└── Stopped      129/130/143  a signal asked for the end, and everything is saved
"""

import heapq
import itertools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class ExitCode(IntEnum):
    """The exit code of the process; documented in `docs/reference/exit-codes.md`."""

    OK = 0
    FAILED = 1
    CHANGES = 2
    INVALID = 3
    STOPPED_BUYING = 4
    ACCOUNT = 5
    LOCKED = 6
    ATTENTION = 7
    UNFINISHED = 8
    USAGE = 64
    BUG = 70
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


# When several hold, the first of these is the exit code.
PRECEDENCE = (
    ExitCode.HUNG_UP,
    ExitCode.INTERRUPTED,
    ExitCode.TERMINATED,
    ExitCode.BUG,
    ExitCode.USAGE,
    ExitCode.INVALID,
    ExitCode.ACCOUNT,
    ExitCode.LOCKED,
    ExitCode.ATTENTION,
    ExitCode.STOPPED_BUYING,
    ExitCode.UNFINISHED,
    ExitCode.FAILED,
)


def most_urgent(codes: Iterable[ExitCode]) -> ExitCode:
    """The one exit code to end with when several things went wrong; `OK` when none did."""
    held = set(codes)
    return next((code for code in PRECEDENCE if code in held), ExitCode.OK)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file that a person wrote; line and column count from 1. Ordered by file, line, column.

    With neither, it is the file itself: one that is missing has no lines.
    """

    file: str
    line: int = 0
    column: int = 0

    def __lt__(self, other: "Position") -> bool:
        return (self.file, self.line, self.column) < (other.file, other.line, other.column)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: what, where, and what was expected.

    `path` is the place in the document (`templates.overlay.options`), empty for the file as a whole.
    `source` is the line of the file at `position`, quoted to the reader. One that is `unlisted` stands for
    so many others, as nobody reads thousands that are alike.
    """

    message: str
    position: Position | None = None
    path: str = ""
    severity: Severity = "error"
    source: str = ""
    unlisted: int = 0

    def __str__(self) -> str:
        where = [str(part) for part in (self.position, self.path) if part]
        return ": ".join([*where, self.message])


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, by position; what has none comes first."""
    nowhere = Position("", 0, 0)
    return sorted(
        dict.fromkeys(problems),
        key=lambda each: (each.position or nowhere, each.unlisted, each.path, each.message),
    )


class PipelineError(Exception):
    """The base of everything that stops a command; `exit_code` is what the process ends with."""

    exit_code: ExitCode = ExitCode.BUG


class InvalidInput(PipelineError):
    """A manifest, plan, state or results file is wrong. Carries every problem, not the first."""

    exit_code = ExitCode.INVALID

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class BuyingStopped(PipelineError):
    """Nothing more may be bought: no credit at the vendor, a cap would be exceeded, or `--frozen`."""

    exit_code = ExitCode.STOPPED_BUYING


class AccountError(PipelineError):
    """The vendor refused the key, or there is none."""

    exit_code = ExitCode.ACCOUNT


class StateLocked(PipelineError):
    """Another run holds the state; the message says who and since when."""

    exit_code = ExitCode.LOCKED


class NeedsAttention(PipelineError):
    """A purchase whose outcome only a person can resolve (`pipeline resolve`)."""

    exit_code = ExitCode.ATTENTION


class Unfinished(PipelineError):
    """Something did not end this time and will when the command is run again."""

    exit_code = ExitCode.UNFINISHED


class UsageError(PipelineError):
    """The command line asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class Stopped(PipelineError):
    """A signal asked for the end: what was done is saved, and the rest is left for another time."""

    def __init__(self, code: ExitCode) -> None:
        self.exit_code = code
        super().__init__("stopped; what was done is saved; run it again to continue")


# A campaign may have very many names, and each of its mistakes looks for the nearest one among them.
_MOST_LOOKED_AT = 100_000
_MOST_COMPARED = 100
_LONGEST_COMPARED = 200
_MOST_NAMED = 8
_LEAST_ALIKE = 0.6


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'title'?"` for a near miss among `known`, else nothing."""
    close = nearest(word, known)
    return f"; did you mean '{close}'?" if close else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name among `known` that `word` is a near miss of, if there is one."""
    if not word or len(word) > _LONGEST_COMPARED:
        return None
    # No others can be as much alike.
    shortest, longest = len(word) * 3 // 7, min(len(word) * 7 // 3 + 1, _LONGEST_COMPARED)
    names = [name for name in itertools.islice(known, _MOST_LOOKED_AT) if shortest <= len(name) <= longest]
    if len(names) > _MOST_COMPARED:
        pairs = {word[at : at + 2] for at in range(len(word) - 1)}
        names = heapq.nlargest(_MOST_COMPARED, names, key=lambda name: sum(map(name.__contains__, pairs)))
    # Only here, as most commands end without a word about what is near.
    import difflib

    close = difflib.get_close_matches(word, names, n=1, cutoff=_LEAST_ALIKE)
    return close[0] if close else None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """A message for a name that is not among `known`, with the nearest one or those there are."""
    names = list(known)
    return f"there is no {what} '{name}'{did_you_mean(name, names) or there_are(names)}"


def there_are(known: Iterable[str]) -> str:
    """The end of a sentence about what there is not: names the first of `known`."""
    names = [f"'{name}'" for name in known]
    if not names:
        return "; there is none at all"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:_MOST_NAMED])}{more}"


# Controls, formats (bidi marks, zero-width characters), lone surrogates, line and paragraph separators:
# they move the cursor, turn the text around, forge a line of a log, or cannot be written at all.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str, limit: int = 500) -> str:
    """A stranger's text as one harmless line of at most `limit` characters: what is not seen is escaped."""
    # Nearly every text is plain, which is reported at once: all that is escaped here is not printable to Python.
    if len(text) <= limit and text.isprintable():
        return text
    shown = "".join(_escaped(character) for character in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def reason_of(error: Exception) -> str:
    """Why, in the system's words: without the number and the quotes that Python puts around them."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def counted(number: int, one: str, many: str = "") -> str:
    """`number` and what there are of it: `1 job`, `2 jobs`. `many` is the plural, if not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _escaped(character: str) -> str:
    # The last two of each plane are no characters; XML cannot hold U+FFFE and U+FFFF.
    if unicodedata.category(character) not in _UNPRINTABLE and ord(character) & 0xFFFE != 0xFFFE:
        return character
    return character.encode("unicode_escape").decode("ascii")
