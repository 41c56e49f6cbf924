"""CSV files as exported by shops and spreadsheets: a header, and records with the line where each begins."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pipeline.documents.problem_list import ProblemList
from pipeline.documents.text_file import FORBIDDEN, conflicts, forbidden_characters
from pipeline.errors import InvalidInput, Problem, counted

if TYPE_CHECKING:
    from pipeline.documents.node import SourceFile

LARGEST: Final = 64 << 20
SEPARATORS: Final = (",", ";", "\t")
# Python's own limit of 131,072 characters in a cell is less than some descriptions in a shop's export have. It holds
# for the whole process, so a higher one stays.
csv.field_size_limit(max(csv.field_size_limit(), LARGEST))
# The header must end within so much of the file, which is read once for each separator.
_LONGEST_HEADER = 4 << 20
# Excel fills the line up with separators, as all others.
_EXCEL_HINT = re.compile(r"[\"']?sep=.?[\"']?[,;\t|]*", re.IGNORECASE)
_BLANK_ROWS = re.compile(r"[\s,;]*")
# What is left of a cell in quotes, up to the quote that ends it; one that belongs to the text is written twice.
_REST_OF_QUOTED = re.compile(r'(?:[^"]|"")*"(?!")')


@dataclass(frozen=True, slots=True)
class Record:
    """One record, and the line where it begins."""

    cells: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file: the cells that a record lacks at its end are empty; one with more than the header is `too_long`.

    `header_line` is the line where the header begins; blank records are left out.
    """

    source: SourceFile
    separator: str
    columns: tuple[str, ...]
    header_line: int
    records: tuple[Record, ...]

    def too_long(self, record: Record) -> str | None:
        """What is wrong with a record that has more cells than the header; None if it has not."""
        if len(record.cells) <= len(self.columns):
            return None
        cells, columns = counted(len(record.cells), "cell"), counted(len(self.columns), "column")
        return f"{cells}, but the header has {columns}"

    def position(self, line: int, column: str) -> tuple[int, int]:
        """Line and column, from 1, of a cell of the record that begins in `line`; the record's if it is short."""
        here, at, text = line, 0, self.source.raw_line(line)
        for _ in range(self.columns.index(column)):
            if text.startswith('"', at):
                at += 1
                while (rest := _REST_OF_QUOTED.match(text, at)) is None:
                    here, at, text = here + 1, 0, self.source.raw_line(here + 1)
                at = rest.end()
            at = text.find(self.separator, at) + 1
            if not at:
                return line, 1
        return here, at + 1


def read_csv(
    source: SourceFile, separator: str | None, expected: Collection[str]
) -> tuple[CsvTable, list[Problem]]:
    """Read the table of a CSV file, and its problems; wrong records are left out, and control characters ignored.

    Without `separator`, the header decides: the one that gives the most `expected` columns, or else the most
    columns.

    Raises:
        InvalidInput: it is not a table at all.
    """
    if left_by_git := conflicts(source):
        raise InvalidInput(left_by_git)
    # Read without them, so that they hide no other problem.
    forbidden = forbidden_characters(source)
    if forbidden:
        source = replace(source, text=FORBIDDEN.sub("", source.text))
    start = source.text[:_LONGEST_HEADER]
    at = _BLANK_ROWS.match(start).end()  # type: ignore[union-attr]  # it matches nothing too
    first = start[at:].partition("\n")[0].strip()  # without splitting all lines of a large file
    if _EXCEL_HINT.fullmatch(first):
        advice = "delete the line; the separator is found without it, or named by 'delimiter'"
        raise InvalidInput(source.problem_at(at, f"'{first}' is a hint for Excel, not the header: {advice}"))
    problems, swallowed = ProblemList(), ProblemList()
    header: Record | None = None
    columns: tuple[str, ...] = ()
    records: list[Record] = []
    separator = separator or _separator(source, expected)
    for record in _records(source, separator):
        if isinstance(record, Problem):
            problems.add(record)
        elif header is None:
            header, columns = record, _columns(record)
            for problem in _wrong_with_columns(columns, source, record.line):
                problems.add(problem)
        elif any(cell.strip() for cell in record.cells[len(columns) :]):
            records.append(record)
        elif len(record.cells) > len(columns):
            records.append(Record(record.cells[: len(columns)], record.line))
        else:
            if (warning := _swallowed_rows(record, columns, separator, source)) is not None:
                swallowed.add(warning)
            # Not filled up: short rows under a wide header would take far more memory than the file.
            records.append(record)
    if header is None:
        raise InvalidInput([*forbidden, *problems.listed()] or source.problem("the file is empty"))
    table = CsvTable(
        source=source, separator=separator, columns=columns, header_line=header.line, records=tuple(records)
    )
    return table, [*forbidden, *problems.listed(), *swallowed.listed()]


def _swallowed_rows(
    record: Record, columns: tuple[str, ...], separator: str, source: SourceFile
) -> Problem | None:
    """A warning if a cell in quotes seems to hold whole rows, because its first quote belongs to the text."""
    line = record.line
    for number, cell in enumerate(record.cells):
        breaks = cell.count("\n")
        if breaks and _has_rows(cell, number, len(record.cells), len(columns), separator):
            message = (
                f"a cell in quotes, '{columns[number][:100]}', goes on to line {line + breaks} and holds what "
                "looks like rows; a quote that belongs to the text is written twice, in a cell in quotes"
            )
            return replace(source.problem(message, line), severity="warning")
        line += breaks
    return None


def _has_rows(cell: str, number: int, cells: int, columns: int, separator: str) -> bool:
    """Whether a cell of several lines, the `number`th of its record, has the separators of whole rows."""
    if separator == "\t":
        return "\t" in cell
    # In a sentence, a blank follows.
    blank = f"{separator} "
    first, *inner, last = [line.count(separator) - line.count(blank) for line in cell.split("\n")]
    complete = columns - 1
    return (
        complete > 0
        and number + first == complete
        and last + cells - number - 1 == complete
        and all(found == complete for found in inner)
    )


def _records(source: SourceFile, separator: str) -> Iterator[Record | Problem]:
    """The records that are not blank; equal cells share one text, as columns repeat a colour or a category."""
    known: dict[str, str] = {}
    lines = csv.reader(io.StringIO(source.text), strict=True, delimiter=separator)
    while True:
        at = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            yield _not_csv(str(error), source, separator, at, lines.line_num)
            return
        if any(map(str.strip, cells)):
            yield Record(tuple([known.setdefault(cell, cell) for cell in cells]), at)


def _not_csv(error: str, source: SourceFile, separator: str, begins: int, line: int) -> Problem:
    """The problem for an error of Python's reader in a record that `begins` somewhere and was read up to `line`."""
    if error == "unexpected end of data":
        return source.problem("this is not CSV: a quote that opens here is never closed", begins)
    if " expected after " in error:
        what = "a tab" if separator == "\t" else f"'{separator}'"
        advice = "a quote inside a cell in quotes is written twice"
        return source.problem(f"this is not CSV: a closing quote without {what} after it; {advice}", line)
    return source.problem(f"this is not CSV: {error}", begins)


def _separator(source: SourceFile, expected: Collection[str]) -> str:
    """The known separator that the header uses; the comma if there is just one column."""

    def fit(separator: str) -> tuple[int, int]:
        names = _first_record(source, separator)
        return sum(name.strip() in expected for name in names), len(names)

    return max(SEPARATORS, key=fit)


def _first_record(source: SourceFile, separator: str) -> list[str]:
    lines = csv.reader(io.StringIO(source.text[:_LONGEST_HEADER]), strict=True, delimiter=separator)
    try:
        return next((cells for cells in lines if any(cell.strip() for cell in cells)), [])
    except csv.Error:
        return []


def _columns(header: Record) -> tuple[str, ...]:
    names = [unicodedata.normalize("NFC", cell.strip()) for cell in header.cells]
    while not names[-1]:
        names.pop()  # a separator at the end of each line
    return tuple(names)


def _wrong_with_columns(columns: tuple[str, ...], source: SourceFile, line: int) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, name in enumerate(columns, start=1):
        if not name:
            yield source.problem(f"column {number} has no name", line)
        elif name in seen:
            yield source.problem(f"the column '{name[:100]}' appears twice", line)
        seen.add(name)
