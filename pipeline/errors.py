"""The errors of pipeline, each with its exit code.

PipelineError            70   a bug in pipeline, unless a class below says otherwise
├── InvalidInput          3   manifest, plan, state or results: carries every Problem found
├── BuyingStopped         4   no credit, a cap, or --frozen
├── AccountError          5   the key is missing or refused
├── StateLocked           6   another run holds the state
├── NeedsAttention        7   an unknown outcome that only a person can resolve
├── Unfinished            8   run again
├── UsageError           64   the command line
└── Stopped      129/130/143  a signal asked for the end, and everything is saved
"""

from __future__ import annotations

import heapq
import itertools
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from pipeline.lookalikes import folded, in_ascii, look_alike


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


# If several apply, the first of these is the exit code.
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
    """The exit code to end with if several apply; `OK` if there is none."""
    held = set(codes)
    return next((code for code in PRECEDENCE if code in held), ExitCode.OK)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in a file that a person wrote; line and column count from 1. Ordered by file, line, column.

    Line and column are 0 for the file as a whole, such as a missing one.
    """

    file: str
    line: int = 0
    column: int = 0

    def __lt__(self, other: Position) -> bool:
        return (self.file, self.line, self.column) < (other.file, other.line, other.column)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in an input: what is wrong, where, and what was expected.

    `path` is the path in the document (`templates.overlay.options`), empty for the file as a whole. `source` is the
    line of the file at `position`, to be quoted. `unlisted` is the number of further problems that this one stands
    for: nobody reads thousands of similar ones.
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


# How many characters of a warning a document for scripts has.
LONGEST_WARNING: Final = 2000


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """The problems without duplicates, ordered by position; those without one come first."""
    nowhere = Position("", 0, 0)
    return sorted(
        dict.fromkeys(problems),
        key=lambda each: (each.position or nowhere, each.unlisted, each.path, each.message),
    )


class PipelineError(Exception):
    """The base class of all errors that end a command; `exit_code` is the process's exit code."""

    exit_code: ExitCode = ExitCode.BUG


class InvalidInput(PipelineError):
    """A manifest, plan, state or results file is invalid. Carries every problem, not only the first."""

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
    """The vendor refused the key, or there is no key."""

    exit_code = ExitCode.ACCOUNT


class StateLocked(PipelineError):
    """Another run holds the state; the message says who and since when."""

    exit_code = ExitCode.LOCKED


class NeedsAttention(PipelineError):
    """A purchase has an outcome that only a person can resolve (`pipeline resolve`)."""

    exit_code = ExitCode.ATTENTION


class Unfinished(PipelineError):
    """Something did not finish this time, and can when the command is run again."""

    exit_code = ExitCode.UNFINISHED


class Declined(PipelineError):
    """The person was asked and did not want to buy, which is all that there is to say."""

    exit_code = ExitCode.UNFINISHED


class UsageError(PipelineError):
    """The command line is invalid."""

    exit_code = ExitCode.USAGE


class Stopped(PipelineError):
    """A signal requested the end: what was done is saved, and the rest is left for the next run."""

    def __init__(self, code: ExitCode) -> None:
        self.exit_code = code
        super().__init__("stopped; what was done is saved; run it again to continue")


# Limits for `nearest`: a campaign may have very many names, and each mistake is compared with them.
_MAX_LOOKED_AT = 100_000
_MAX_COMPARED = 100
_LONGEST_COMPARED = 200
_MAX_NAMED = 8
_LEAST_ALIKE = 0.6


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'title'?"` if `word` is similar to a name in `known`, else empty."""
    return _meant(word, nearest(word, known))


def _meant(word: str, close: str | None) -> str:
    if (
        close is not None
        and close != word
        and unicodedata.normalize("NFC", close) == unicodedata.normalize("NFC", word)
    ):
        # Shown as they are, both would look the same.
        return f"; did you mean '{in_ascii(close)}', which differs only in its Unicode form?"
    if close is not None and close != word and look_alike(close, word):
        return f"; did you mean '{in_ascii(close)}'? '{in_ascii(word)}' only looks like it"
    return f"; did you mean '{close}'?" if close else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name in `known` that is most similar to `word`, if one is similar enough."""
    if not word or len(word) > _LONGEST_COMPARED:
        return None
    # Names of other lengths cannot be similar enough.
    shortest, longest = len(word) * 3 // 7, min(len(word) * 7 // 3 + 1, _LONGEST_COMPARED)
    names = [name for name in itertools.islice(known, _MAX_LOOKED_AT) if shortest <= len(name) <= longest]
    plain = folded(word).casefold()
    if (same := next((name for name in names if folded(name).casefold() == plain), None)) is not None:
        return same  # only case or alphabet differ, which the comparison below takes for other letters
    if len(names) > _MAX_COMPARED:
        pairs = {word[at : at + 2] for at in range(len(word) - 1)}
        names = heapq.nlargest(_MAX_COMPARED, names, key=lambda name: sum(map(name.__contains__, pairs)))
    # Imported here, because most commands do not need it.
    import difflib

    close = difflib.get_close_matches(word, names, n=1, cutoff=_LEAST_ALIKE)
    return close[0] if close else None


@dataclass(slots=True)
class Suggestions:
    """As `did_you_mean`, for the first mistakes only: comparing hundreds with thousands of names is slow."""

    left: int = 50
    _told: dict[str, str] = field(default_factory=dict)

    def did_you_mean(self, word: str, known: Iterable[str]) -> str:
        """A hint that names the nearest known name; empty if none is near, or after `left` hints."""
        return _meant(word, self.nearest(word, known))

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """The nearest known name; None if none is near, or after `left` hints.

        After those, a word that had a hint has the same one again: it is the same mistake.
        """
        if not self.left:
            return self._told.get(word)
        self.left -= 1
        close = nearest(word, known)
        if close is not None:
            self._told[word] = close
        return close

    def unknown(self, what: str, name: str, known: Iterable[str]) -> str:
        """A message for a name that is not in `known`, with the nearest name, or those that exist."""
        names = known if isinstance(known, Collection) else list(known)
        return f"there is no {what} '{name}'{self.did_you_mean(name, names) or there_are(names)}"


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """As `Suggestions.unknown`, for a single message."""
    return Suggestions().unknown(what, name, known)


def there_are(known: Iterable[str]) -> str:
    """The end of such a message, which lists the first names in `known`."""
    names = known if isinstance(known, Collection) else list(known)
    if not names:
        return "; there is none at all"
    first = ", ".join(f"'{name}'" for name in itertools.islice(names, _MAX_NAMED))
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"; there {'is' if len(names) == 1 else 'are'} {first}{more}"


# Controls, formats (bidi marks, zero-width characters), lone surrogates, line and paragraph separators: they move the
# cursor, reverse the text, forge a line in a log, or cannot be encoded.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str, limit: int = 500) -> str:
    """An untrusted text as one safe line of at most `limit` characters, with invisible characters escaped."""
    # Fast path for nearly every text: `isprintable` is false for every character that is escaped here.
    if len(text) <= limit and text.isprintable():
        return text
    shown = "".join(_escaped(character) for character in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def reason_of(error: Exception) -> str:
    """The message of an error; of an `OSError`, without the number and quotes that Python adds."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 job`, `2 jobs`. `many` is the plural, by default `one` with an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _escaped(character: str) -> str:
    # The last two code points of each plane are not characters; XML does not allow U+FFFE and U+FFFF.
    if unicodedata.category(character) not in _UNPRINTABLE and ord(character) & 0xFFFE != 0xFFFE:
        return character
    return character.encode("unicode_escape").decode("ascii")
