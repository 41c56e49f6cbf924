"""Tables in a manifest: a CSV file, what its columns mean, and which of its rows are used."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pipeline.documents.csv_table import LARGEST, SEPARATORS, CsvTable, read_csv
from pipeline.documents.node import Location
from pipeline.documents.problem_list import ProblemList
from pipeline.documents.text_file import read_with_forbidden
from pipeline.errors import InvalidInput, Problem, counted, there_are
from pipeline.manifest.conditions import condition, holds, misread

if TYPE_CHECKING:
    from pipeline.documents.value import Value
    from pipeline.manifest.build_context import Context

# Such separators are used only where `delimiter` names them.
_RARE_SEPARATORS = ("|", ":", "^", "~")
_WHERE_EXAMPLE = "\"{{ row['…'] == '…' }}\""
_ID = re.compile(r"[^\n\t]{1,200}")


@dataclass(frozen=True, slots=True)
class Purpose:
    """The purpose of a table: the columns that we read, and groups of columns of which one each is required."""

    own: re.Pattern[str]
    needed: tuple[tuple[str, ...], ...]


IMAGES: Final = Purpose(re.compile(r"id|version|(?:path|url)(?:_[0-9]{1,4})?"), (("path", "url"),))
PROMPTS: Final = Purpose(re.compile(r"id|text"), (("id",), ("text",)))
AXIS: Final = Purpose(re.compile(r"id"), (("id",),))


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row. `own` are its cells by our column names, `vars` all others by the file's; empty ones are left out.

    `names` maps our column names to the file's.
    """

    own: Mapping[str, str]
    vars: Mapping[str, str]
    names: Mapping[str, str]
    location: Location
    table: CsvTable

    @property
    def id(self) -> str | None:
        return self.own.get("id")

    def cell(self, name: str) -> Cell:
        """The cell that we call `name`."""
        return Cell(self, name)


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a row, by our name of its column."""

    row: TableRow
    name: str

    @property
    def location(self) -> Location:
        """Where it begins. It is looked for in the file, so ask only for a message."""
        row = self.row
        line, column = row.table.position(row.location.line, row.names[self.name])
        return replace(row.location, line=line, column=column)


def read_table(value: Value, purpose: Purpose, context: Context) -> Iterator[TableRow]:
    """Yield the rows that `value` selects by `csv`, `delimiter`, `columns` and `where`; problems are reported.

    They come one by one, so that of a large table only what is made of the rows stays in memory, not the rows too.
    """
    csv = value.get("csv")
    found = None if csv is None else context.path(csv)
    if found is None or (value.get("delimiter") is not None and _separator(value) is None):
        return
    columns = value.get("columns")
    renamed = (
        {} if columns is None else {ours: each for ours, each in columns.items() if each.text is not None}
    )
    expected = {_normal(each.text) for each in renamed.values()}.union(*purpose.needed)
    try:
        table, problems = read_csv(read_with_forbidden(*found, LARGEST), _separator(value), expected)
    except InvalidInput as error:
        context.problems += error.problems
        return
    context.problems += problems
    names = _names(table, renamed, purpose, context)
    if names is None or len(set(table.columns)) < len(table.columns):
        return
    if not table.records and not any(each.severity == "error" for each in problems):
        context.problems.append(table.source.problem("the table has no rows", table.header_line))
    spaced: list[TableRow] = []
    for row in _wanted(table, names, value.get("where"), context):
        if not _has_sound_id(row, context):
            continue
        if row.id is not None and row.id != row.id.strip():
            spaced.append(row)
        yield row
    if spaced:
        more = f"; so has {counted(len(spaced) - 1, 'other row', 'other rows')}" if len(spaced) > 1 else ""
        message = f"the id '{spaced[0].id}' has blanks around it, which are part of the job's key{more}"
        context.warn(spaced[0].cell("id").location, message)


def _separator(value: Value) -> str | None:
    text = value.text_of("delimiter")
    # The schema reports what cannot be a delimiter.
    return text if text is not None and len(text) == 1 and text not in '"\r\n' else None


def distinct(rows: Iterable[TableRow], context: Context) -> Iterator[tuple[str, TableRow]]:
    """Yield each row with its id, equal rows once; a row with no id, or that of a different row, is reported."""
    first: dict[str, TableRow] = {}
    for row in rows:
        if row.id is None:
            context.report(row.location, f"the row has no id: '{row.names['id']}' is empty")
            continue
        other = first.setdefault(row.id, row)
        if other is row:
            yield row.id, row
        elif (other.own, other.vars) != (row.own, row.vars):
            context.report(row.location, two_with_one_id(row.id, other.location))


def two_with_one_id(name: str, first: Location) -> str:
    """The message for two different rows with one id."""
    return f"two rows have the id '{name}' but differ; the first is in line {first.line}"


def _normal(text: str | None) -> str:
    return unicodedata.normalize("NFC", text or "")


def _names(
    table: CsvTable, renamed: Mapping[str, Value], purpose: Purpose, context: Context
) -> dict[str, str] | None:
    """The table's column names, by ours; None if an error was reported."""
    known = set(table.columns)
    names: dict[str, str] = {}
    are_sound = True
    for written, ours in _own_names(renamed).items():
        value = renamed[written]
        theirs = _normal(value.text)
        if theirs in known:
            names[ours] = theirs
        else:
            are_sound = False
            near = context.suggestions.did_you_mean(theirs, table.columns) or there_are(table.columns)
            context.report(value.location, f"{table.source.name} has no column '{theirs}'{near}")
    for column, ours in _own_names(filter(purpose.own.fullmatch, table.columns)).items():
        names.setdefault(ours, column)
    for either in purpose.needed if are_sound else ():
        if not names.keys() & set(either):
            are_sound = False
            message = _missing_column(either, table, purpose, context)
            context.problems.append(table.source.problem(message, table.header_line))
    return names if are_sound else None


def _own_names(written: Iterable[str]) -> dict[str, str]:
    """Our name for each: `url` for `url_1` or `url_01`, and so for `path`, unless an earlier one is that already."""
    as_written = list(written)
    taken, ours = set(as_written), {}
    for name in as_written:
        kind, _, number = name.partition("_")
        is_first = number.isdecimal() and int(number) == 1
        # Of two that both mean the first image, both are kept: a row may fill only one of them.
        ours[name] = kind if is_first and kind not in taken else name
        taken.add(ours[name])
    return ours


def _missing_column(either: tuple[str, ...], table: CsvTable, purpose: Purpose, context: Context) -> str:
    """The message for a missing column, and how to name it; any one of `either` would do."""
    called = " or ".join(f"'{each}'" for each in either)
    if (separator := _other_separator(table, purpose)) is not None:
        return (
            f"there is no column {called}; the header seems to be separated by '{separator}': "
            f"write 'delimiter: \"{separator}\"'"
        )
    near = {each: close for each in either if (close := context.suggestions.nearest(each, table.columns))}
    ours, theirs = next(iter(near.items()), (either[-1], "…"))
    return f"there is no column {called}; name the one to use: 'columns: {{{ours}: {theirs}}}'"


def _other_separator(table: CsvTable, purpose: Purpose) -> str | None:
    """The separator that would give one of our columns, if the header was read as a single one."""
    if len(table.columns) > 1:
        return None
    for separator in (*SEPARATORS, *_RARE_SEPARATORS):
        names = [name.strip().lower() for name in table.columns[0].split(separator)]
        if len(names) > 1 and any(map(purpose.own.fullmatch, names)):
            return separator.replace("\t", "\\t")
    return None


def _wanted(
    table: CsvTable, names: Mapping[str, str], where: Value | None, context: Context
) -> Iterator[TableRow]:
    """Yield the rows for which `where` holds; it is evaluated before anything else of a row is checked."""
    wanted = None if where is None else condition(where, _WHERE_EXAMPLE, context)
    if where is not None and wanted is None:
        return
    ours: dict[str, list[tuple[int, str]]] = {}
    for position, (name, theirs) in enumerate(names.items()):
        ours.setdefault(theirs, []).append((position, name))
    # One for all rows, of which each changes only the cells that it has: short rows under a wide header stay cheap.
    row = dict.fromkeys(table.columns, "")
    any_holds = False
    too_long, dropped = ProblemList(), ProblemList()
    warning: Problem | None = None
    for record in table.records:
        cells = dict(zip(table.columns, record.cells, strict=False))
        location = Location(table.source, record.line, 1)
        wrong = table.too_long(record)
        try:
            if wanted is not None:
                row.update(cells)
                answer = wanted.value({"row": row})
                warning = warning or misread(answer, wanted, {"row": row})
                if not holds(answer):
                    if wrong is not None:
                        # Its cells may have shifted, so that the answer is that of another column.
                        dropped.add(
                            location.problem(f"{wrong}; 'where' drops this row as it was read", "warning")
                        )
                    continue
        except InvalidInput as error:
            # The next rows would fail in the same way.
            context.problems += [_of_row(problem, location) for problem in error.problems]
            return
        finally:
            row.update(dict.fromkeys(cells, ""))
        any_holds = True
        if wrong is not None:
            too_long.add(location.problem(f"{wrong}; put a cell that holds a separator in quotes"))
            continue
        filled = {theirs: cell for theirs, cell in cells.items() if cell.strip()}
        own = sorted((*each, cell) for theirs, cell in filled.items() for each in ours.get(theirs, ()))
        yield TableRow(
            own={name: cell for _place, name, cell in own},
            vars={theirs: cell for theirs, cell in filled.items() if theirs not in ours},
            names=names,
            location=location,
            table=table,
        )
    context.problems += [*too_long.listed(), *dropped.listed()]
    if any_holds and warning is not None:
        context.problems.append(warning)
    if where is not None and table.records and not any_holds:
        none = _none_matches(len(table.records))
        context.report(where.location, none if warning is None else f"{none}; {warning.message}")


def _none_matches(rows: int) -> str:
    return (
        "'where' does not match the table's only row"
        if rows == 1
        else f"'where' matches none of the {rows:,} rows"
    )


def _of_row(problem: Problem, row: Location) -> Problem:
    return replace(problem, message=f"{problem.message} (row {row.source.name}:{row.line})")


def _has_sound_id(row: TableRow, context: Context) -> bool:
    if row.id is None or _ID.fullmatch(row.id):
        return True
    context.report(
        row.cell("id").location,
        f"'{row.names['id']}' cannot be an id: expected one line of at most 200 characters",
    )
    return False
