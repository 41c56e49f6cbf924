"""CSV files of images: rows with the line at which each begins."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.documents.location import Location
from pipeline.documents.source import SourceFile, conflicts, read_source
from pipeline.errors import InvalidInput, Problem, did_you_mean

LARGEST = 64 << 20
_MOST_PROBLEMS = 100
_OTHER_SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a bar"}
_OWN = ("path", "url", "id", "version")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its images in order (paths or urls), and what else it says. Empty cells are left out."""

    images: tuple[str, ...]
    id: str | None
    version: str | None
    vars: Mapping[str, str]
    location: Location


def read_table(path: Path, name: str) -> tuple[list[Row], list[Problem]]:
    """The rows of a CSV file whose separator is the comma, and what is wrong with the others."""
    try:
        return _read(_sound_source(path, name))
    except InvalidInput as error:
        return [], list(error.problems)


def _sound_source(path: Path, name: str) -> SourceFile:
    source = read_source(path, name, LARGEST)
    if problems := conflicts(source):
        raise InvalidInput(problems)
    return source


def _read(source: SourceFile) -> tuple[list[Row], list[Problem]]:
    lines = csv.reader(io.StringIO(source.text), strict=True)
    problems: list[Problem] = []
    rows: list[Row] = []
    columns: list[str] = []
    image_columns: list[str] = []
    while len(problems) < _MOST_PROBLEMS:
        at = lines.line_num + 1
        try:
            cells = next(lines)
        except StopIteration:
            break
        except csv.Error as error:
            problems.append(source.problem(f"this is no CSV: {error}", at))
            break
        location = Location(source, at, 1)
        if not columns:
            columns = [cell.strip() for cell in cells]
            problems += _wrong_with_header(columns, source, at)
            if problems:
                break
            image_columns = _image_columns(columns)
        elif any(cells):
            row = _row(columns, image_columns, cells, location)
            rows.append(row) if isinstance(row, Row) else problems.append(row)
    if not problems and not rows:
        problems.append(source.problem("the table has no rows" if columns else "the file is empty"))
    return rows, problems


def _image_columns(columns: list[str]) -> list[str]:
    numbered = {
        int(number): column
        for column in columns
        for stem, _, number in [column.partition("_")]
        if stem in ("path", "url") and number.isdecimal()
    }
    return [
        *(column for column in columns if column in ("path", "url")),
        *(numbered[n] for n in sorted(numbered)),
    ]


def _wrong_with_header(columns: list[str], source: SourceFile, line: int) -> Iterator[Problem]:
    for separator, called in _OTHER_SEPARATORS.items():
        if len(columns) == 1 and separator in columns[0]:
            yield source.problem(f"the cells are separated by {called}, expected a comma", line)
            return
    for index, column in enumerate(columns):
        if not column:
            yield source.problem(f"column {index + 1} has no name", line)
        elif column in columns[:index]:
            yield source.problem(f"the column '{column[:100]}' stands there twice", line)
    if not any(column in ("path", "url") for column in columns):
        near = next((hint for hint in (did_you_mean(each, _OWN[:2]) for each in columns) if hint), "")
        yield source.problem(f"there is no column 'path' or 'url'{near}", line)


def _row(columns: list[str], image_columns: list[str], cells: list[str], location: Location) -> Row | Problem:
    if len(cells) != len(columns):
        return location.problem(f"{len(cells)} cells, expected {len(columns)} as in the header")
    filled = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
    images = tuple(filled[column] for column in image_columns if column in filled)
    if "path" in filled and "url" in filled:
        return location.problem("both 'path' and 'url' are filled; one image needs one of them")
    if "path" not in filled and "url" not in filled:
        return location.problem("neither 'path' nor 'url' is filled")
    own = {*_OWN, *image_columns}
    variables = {column: cell for column, cell in filled.items() if column not in own}
    return Row(images, filled.get("id"), filled.get("version"), variables, location)
