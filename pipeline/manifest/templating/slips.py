"""What is written in other languages, or not written to its end, and how a template writes it."""

from __future__ import annotations

import re
from typing import Final

_OPERATORS: Final = {
    "===": "==",
    "!==": "!=",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "&": "and",
    "&&": "and",
    "||": "or",
    "!": "not",
    "?": "… if … else …",
    "??": "| default(…)",
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "contains": "… in …",
}
# What is never closed goes to the end: looking for the end again from each beginning would take too long.
_TAG: Final = re.compile(r"\{[{%].*?(?:[}%]\}|\Z)", re.DOTALL)
# Texts in quotes come first, so that nothing inside them is taken for an operator.
_SIGN: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*(?:'|\Z) | "(?:[^"\\]|\\.)*(?:"|\Z)
    | [“”„‘’] | [=!<>&|?]+ | \{\{ | \b(?:AND|And|OR|Or|NOT|Not)\b
    | (?<=\s)(?:eq|ne|gt|ge|lt|le|contains)(?=\s) | \bis(?:\s+not)?(?=\s+['"0-9])""",
    re.VERBOSE | re.DOTALL,
)


def slip_at(source: str, line: int) -> str | None:
    """What is wrong, and what to write, with the first thing in that line of a template that is none of its language.

    Ask this about a template that cannot be read: none of these is part of one that can.
    """
    lines = source.split("\n")
    start = sum(len(each) + 1 for each in lines[: line - 1])
    end = start + len(lines[line - 1])
    for tag in _TAG.finditer(source):
        for sign in _SIGN.finditer(source, tag.start() + 2, tag.end()):
            if start <= sign.start() < end and (said := _said(sign[0])):
                return said
    return None


def _said(sign: str) -> str | None:
    if sign[0] in "'\"":
        return None if sign[1:].endswith(sign[0]) else f"a quote, {sign[0]}, is opened and never closed"
    if sign == "{{":
        return "braces inside braces; write the name without them"
    if sign.startswith("is"):
        return (
            f"a test follows '{sign}', as in 'is defined'; to compare, write '{'!=' if sign[2:] else '=='}'"
        )
    if sign in "“”„‘’":
        return f"{sign} quotes no text here; write '…' or \"…\""
    meant = _OPERATORS.get(sign) or (sign.lower() if sign.isalpha() else None)
    return f"there is no '{sign}'; write '{meant}'" if meant else None
