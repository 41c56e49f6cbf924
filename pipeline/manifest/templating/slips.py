"""What other languages call operators, and how a template writes them."""

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
}
# What is never closed goes to the end: looking for the end again from each beginning would take too long.
_TAG: Final = re.compile(r"\{[{%].*?(?:[}%]\}|\Z)", re.DOTALL)
# Texts in quotes come first, so that nothing inside them is taken for an operator.
_SIGN: Final = re.compile(
    r"""'(?:[^'\\]|\\.)*(?:'|\Z) | "(?:[^"\\]|\\.)*(?:"|\Z)
    | [“”„‘’] | [=!<>&|?]+ | \b(?:AND|And|OR|Or|NOT|Not)\b""",
    re.VERBOSE | re.DOTALL,
)


def slip_at(source: str, line: int) -> str | None:
    """What is wrong, and what to write, with the first operator of another language in that line of a template.

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
    if sign in "“”„‘’":
        return f"{sign} quotes no text here; write '…' or \"…\""
    meant = sign.lower() if sign.isalpha() else _OPERATORS.get(sign)
    return f"there is no '{sign}'; write '{meant}'" if meant else None
