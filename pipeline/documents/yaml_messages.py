"""Messages of the YAML reader: a syntax error in plain words, with its usual cause and remedy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.documents.node import SourceFile
    from pipeline.errors import Problem

_LONGEST = 60
_LONGEST_KEY = 1024
FOREIGN_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")

# Messages of libyaml or of PyYAML's own parser, and what they mean; the first match counts.
_MEANINGS = (
    (
        "mapping values are not allowed",
        "a ':' is not expected here; put the text in quotes if it belongs to it",
    ),
    ("could not find expected ':'", "a key without ':' (write 'key: value')"),
    ("unexpected end of stream", "a quote that is opened here is never closed"),
    ("unknown escape character", "an unknown escape; write a backslash as \\\\, or use single quotes"),
    (
        "invalid Unicode character escape",
        "an escape that stands for no character; write the character itself",
    ),
    ("hexdecimal", "an escape with too few hexadecimal digits; write the character itself"),
    ("expected ',' or ']'", "the list that is opened here is not closed; expected ',' or ']'"),
    ("expected ',' or '}'", "the mapping that is opened here is not closed; expected ',' or '}'"),
    ("node content", "a bracket is opened and never closed"),
    ("sequence entries are not allowed", "a list ('- …') begins on a line of its own, below its key"),
    ("mapping keys are not allowed", "a '?' is not expected here; put the text in quotes"),
    ("expected comment or line break", "the text after '|' or '>' begins on the next line"),
    ("chomping or indentation", "the text after '|' or '>' begins on the next line"),
    ("document start", "expected the end of the file; is the indentation wrong, or a bracket closed twice?"),
    ("expected key", "this does not belong here; check the indentation, and the quotes of the line"),
    ("expected <block end>", "this does not belong here; check the indentation, and the quotes of the line"),
    (
        "expected '-' indicator",
        "this does not belong here; check the indentation, and the quotes of the line",
    ),
    ("alphabetic or numeric", "a text that begins with '*' or '&' needs quotes"),
    ("nesting depth", "nested too deep"),
    ("incompatible YAML", "this version of YAML is unknown; leave the %YAML line out"),
)
# For these, the position of the opening bracket or quote helps more than where its end is missing.
_OPENED = ("unexpected end of stream", "could not find expected ':'", "',' or ']'", "',' or '}'")
# A comment that a text outside of quotes may be meant to go on with.
_COMMENT = re.compile(r"[^\s,\[{'\"] +#(?! )")
_UNQUOTED_TEMPLATE = re.compile(r"(?:^\s*|[:\-,\[{]\s+|\[)\{[{%]")


def quoted(text: str) -> str:
    """`text` in quotes, cut if it is long."""
    return f"'{text}'" if len(text) <= _LONGEST else f"'{text[:_LONGEST]}…'"


def explain(problem: str, line: str, column: int) -> str:
    """Translate a parser's message about `line` for the author of the file."""
    if _UNQUOTED_TEMPLATE.search(line):
        return 'a text that begins with a template needs quotes around all of it: "{{ … }} …"'
    if "cannot start any token" in problem:
        return _bad_start(line[column - 1 : column])
    if "could not find expected ':'" in problem and len(line) > _LONGEST_KEY:
        return f"a key longer than {_LONGEST_KEY:,} characters, or one without ':'"
    matcher = (meaning for words, meaning in _MEANINGS if words in problem)
    meaning = next(matcher, f"this is not YAML: {problem}")
    is_cut = "expected ','" in problem and _COMMENT.search(line, column - 1)
    return f"{meaning}; what follows ' #' is a comment, unless it is in quotes" if is_cut else meaning


def points_at_opening(problem: str) -> bool:
    """Whether the position of the opening bracket or quote helps more than where the parser stopped."""
    return any(word in problem for word in _OPENED)


def cut_by_comment(comment: str, *, is_empty: bool) -> str:
    """The warning for a text that ends where a comment begins, as the comment may be meant as text."""
    happened = "this is empty" if is_empty else "the text ends at ' #'"
    return f"{happened}, as {quoted(comment)} is a comment; put it in quotes if it belongs to the text"


def collection_as_key(line: str, column: int) -> str:
    """The message for a mapping or list in place of a key."""
    if line[column - 2 : column] == "{{" or line[column - 1 : column + 1] == "{{":
        return 'a template needs quotes around all of it: "{{ … }}"'
    return "a key must be text, found a mapping or a list"


def foreign_line_breaks(source: SourceFile) -> list[Problem]:
    """Report characters that end a line in one version of YAML but not in the other."""
    message = (
        "a Unicode line separator (U+{:04X}), which YAML's versions read differently; write a line break"
    )
    return [
        source.problem_at(found.start(), message.format(ord(found[0])))
        for found in FOREIGN_LINE_BREAKS.finditer(source.text)
    ][:100]


def _bad_start(character: str) -> str:
    if character == "\t":
        return "a tab in the indentation; YAML indents by spaces"
    return f"a text that begins with '{character}' needs quotes"
