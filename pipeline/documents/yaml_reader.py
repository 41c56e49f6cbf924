"""Reads YAML that may come from a stranger: every value with its position, or every problem that can be named.

This is the only module that uses the YAML library, and it uses nothing of it but the parser's events.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pipeline.documents import yaml_messages
from pipeline.documents.builder import MAX_NODES, Enough, LineColumn, TreeBuilder
from pipeline.documents.node import Document, Node, Scalar, SourceFile
from pipeline.documents.scalars import resolve
from pipeline.documents.shortened import Shortened, Shorter
from pipeline.documents.surrogate_pairs import join_pairs, pairs_in, without_halves
from pipeline.documents.text_file import (
    FORBIDDEN,
    MANIFEST_LIMIT,
    conflicts,
    decode,
    forbidden_characters,
    read_with_forbidden,
)
from pipeline.errors import InvalidInput, Problem, in_order
from pipeline.record_limits import check_text

if TYPE_CHECKING:
    from pipeline.json_values import Json

# The C parser comes with PyYAML's wheels; without it, reading gives the same result ten times slower.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_MORE_TEXT = "expected one value, found more text after the quotes"
# The words with which either parser reports a wrong escape, misspelling included.
_OF_ESCAPES = ("escape", "hexdecimal")
_TAG = "tag:yaml.org,2002:"


def read_yaml(path: Path, name: str, limit: int = MANIFEST_LIMIT) -> Document:
    """Read a YAML file of at most `limit` bytes; `name` is its name in messages.

    Raises:
        InvalidInput: it cannot be read, or is not YAML that we accept; with every problem found.
    """
    document = read_with_errors(path, name, limit)
    if document.errors:
        raise InvalidInput(list(document.errors))
    return document


def read_with_errors(path: Path, name: str, limit: int = MANIFEST_LIMIT) -> Document:
    """As `read_yaml`, but refused characters, numbers and tags are its `errors`, so that all else is checked too.

    Raises:
        InvalidInput: anything else is invalid with it.
    """
    # A larger file may hold more values.
    return _parse(read_with_forbidden(path, name, limit), max(MAX_NODES, limit // 8))


def parse_yaml(text: bytes | str, source: SourceFile) -> Node:
    """The one document in `text`; `source` has its path and name for messages.

    Raises:
        InvalidInput: it is not YAML that we accept; with every problem found.
    """
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    document = _parse(decode(content, source.path, source.name), MAX_NODES)
    if document.errors:
        raise InvalidInput(list(document.errors))
    return document.root


def _parse(source: SourceFile, most_nodes: int) -> Document:
    if problems := conflicts(source):
        raise InvalidInput(problems)
    refused = [*forbidden_characters(source), *yaml_messages.foreign_line_breaks(source)]
    text = _AcceptedText(source.text)
    builder = TreeBuilder(source, most_nodes)
    try:
        for event in yaml.parse(text.text, _LOADER):
            _add(event, builder, source, text)
    except Enough:
        pass
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, source, text)
        # A problem that was reported on this line already is the likely cause.
        if all(earlier.source != problem.source for earlier in (*refused, *builder.problems)):
            builder.problems.append(problem)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML's own parser raises errors of other types for some bad escapes.
        builder.problems.append(source.problem(f"this is not YAML: {error}"))
    root = builder.root
    if len(builder.problems) > len(builder.refused):
        raise InvalidInput(in_order([*refused, *builder.problems]))
    if root is None or root.value is None:
        raise InvalidInput(refused or source.problem("the file is empty"))
    return Document(root, tuple(builder.warnings.listed()), errors=(*refused, *builder.refused))


class _AcceptedText:
    """What was `written`, as the parser accepts it: without refused characters, and with joined pairs."""

    def __init__(self, written: str) -> None:
        self._readable = Shortened(
            yaml_messages.FOREIGN_LINE_BREAKS.sub(" ", written),
            (Shorter(found.start(), found.end()) for found in FORBIDDEN.finditer(written)),
        )
        self._joined = Shortened(self._readable.text, _pairs(self._readable.text))
        self.text = self._joined.text

    def position(self, line: int, column: int) -> LineColumn:
        """Where a character of `text` was written; its line and column count from 0."""
        return LineColumn(line + 1, self._readable.column(line, self._joined.column(line, column)) + 1)


def _pairs(text: str) -> Iterator[Shorter]:
    """Each surrogate pair in `text`, up to the first thing that is not YAML."""
    readable = without_halves(text)
    if readable == text:
        return
    try:
        for event in yaml.parse(readable, _LOADER):
            start, end = event.start_mark, event.end_mark
            if isinstance(event, yaml.ScalarEvent) and event.style == '"' and start and end:
                yield from pairs_in(text, start.index, end.index)
    except (yaml.YAMLError, ValueError, OverflowError):
        return  # reported when the text is read


def _add(event: yaml.Event, builder: TreeBuilder, source: SourceFile, text: _AcceptedText) -> None:
    mark = event.start_mark
    location = text.position(mark.line, mark.column) if mark else LineColumn(1, 1)
    match event:
        case yaml.ScalarEvent():
            mark = None if event.style else event.end_mark
            end = text.position(mark.line, mark.column) if mark else None
            builder.scalar(
                event.value,
                location,
                plain=not event.style,
                block=event.style in ("|", ">"),
                anchor=event.anchor,
                tag=event.tag,
                comment="" if end is None else _comment_behind(source.raw_line(end.line), end.column - 1),
            )
        case yaml.CollectionStartEvent():
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            builder.start(location, is_mapping=is_mapping, anchor=event.anchor, tag=event.tag)
        case yaml.CollectionEndEvent():
            builder.end()
        case yaml.AliasEvent():
            builder.alias(event.anchor or "", location)
        case yaml.DocumentStartEvent():
            builder.document(location)


def _comment_behind(line: str, at: int) -> str:
    """The comment behind a plain scalar that ends at `at`, if no blank shows that it is meant as a comment."""
    # Character by character, as the rest of the line is long if the file is a single line.
    while line[at : at + 1] in (" ", "\t"):
        at += 1
    is_meant = line[at + 1 : at + 2] in ("", " ", "\t", "#")
    return line[at:] if line[at : at + 1] == "#" and not is_meant else ""


def _syntax_problem(error: yaml.MarkedYAMLError, source: SourceFile, text: _AcceptedText) -> Problem:
    problem = error.problem or error.context or "unreadable"
    mark = error.problem_mark
    if mark is None or (error.context_mark and yaml_messages.points_at_opening(problem)):
        mark = error.context_mark
    line, column = text.position(mark.line, mark.column) if mark else (1, 1)
    message = yaml_messages.explain(problem, source.raw_line(line), column)
    return source.problem(message, line, column)


def read_scalar(text: str) -> Scalar:
    """The value of one YAML scalar, as in `--var x=5`: in quotes, a word, or else plain text.

    Raises:
        ValueError: a number that cannot be kept, a text that cannot be sent, or quotes that do not match.
    """
    word = text.strip()
    check_text(word)
    if word[:1] not in ("'", '"'):
        return resolve(word)
    try:
        text = join_pairs(word) if word.startswith('"') else word
        scalars = [event for event in yaml.parse(text, _LOADER) if isinstance(event, yaml.NodeEvent)]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ValueError(_scalar_problem(error)) from None
    if len(scalars) != 1 or not isinstance(scalars[0], yaml.ScalarEvent):
        raise ValueError(_MORE_TEXT)
    value: str = scalars[0].value
    check_text(value)
    return value


def _scalar_problem(error: Exception) -> str:
    match error:
        case yaml.MarkedYAMLError(problem=str(problem)) if any(each in problem for each in _OF_ESCAPES):
            return yaml_messages.explain(problem, "", 1)
        case yaml.MarkedYAMLError(problem=str(problem)) if "document start" in problem:
            return _MORE_TEXT
        case yaml.reader.ReaderError():
            return "a control character in quotes; write it as an escape"
        case yaml.YAMLError():
            return "the quotes do not match"
    return "an escape that stands for no character; write the character itself"


def dump_yaml(value: Json) -> str:
    """`value` as YAML in block style, keys in their order; `read_yaml` returns the same value."""
    text: str = yaml.serialize(_yaml_node(value), Dumper=_DUMPER, allow_unicode=True, width=110)
    return text


def _yaml_node(value: Json) -> yaml.Node:
    match value:
        case dict():
            pairs = [(_yaml_node(key), _yaml_node(inner)) for key, inner in value.items()]
            return yaml.MappingNode(f"{_TAG}map", pairs, flow_style=not pairs)
        case list():
            return yaml.SequenceNode(f"{_TAG}seq", [_yaml_node(each) for each in value], flow_style=not value)
        case str():
            return yaml.ScalarNode(f"{_TAG}str", value, style=None if _stays_text(value) else '"')
        case None:
            return yaml.ScalarNode(f"{_TAG}null", "null")
        case bool():
            return yaml.ScalarNode(f"{_TAG}bool", "true" if value else "false")
        case int():
            return yaml.ScalarNode(f"{_TAG}int", str(value))
        case float():
            # Older readers recognise a number with an exponent only by its decimal point.
            digits, exponent, power = repr(value).partition("e")
            digits += "" if "." in digits else ".0"
            return yaml.ScalarNode(f"{_TAG}float", digits + exponent + power)


def _stays_text(text: str) -> bool:
    """Whether our own rules allow `text` without quotes; the library applies its own rules as well."""
    try:
        return resolve(text) == text and text.isprintable()
    except ValueError:
        return False
