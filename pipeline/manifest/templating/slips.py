"""What is written in other languages, or not written to its end, and how a template writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Final, NamedTuple

from jinja2 import TemplateSyntaxError

from pipeline.manifest.templating.sandbox import ENVIRONMENT

_SYMBOLS: Final = {
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
_WORDS: Final = {
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "contains": "… in …",
    **{each: each.lower() for each in ("AND", "And", "OR", "Or", "NOT", "Not")},
}
_SYMBOL: Final = re.compile(r"[=!<>&|?]+")
_UNREADABLE: Final = re.compile(r"unexpected char .+ at ([0-9]+)")
# Symbols that can be read one by one.
_JOINED: Final = frozenset({"=", "==", "!=", "<", "<=", ">", ">=", "|", "{"})
_LITERALS: Final = frozenset({"string", "integer", "float"})
# Names beside which no operator is needed.
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "is", "if", "elif", "else", "for", "set"})


class _Token(NamedTuple):
    line: int
    kind: str
    text: str

    def is_value(self, brackets: str) -> bool:
        """Whether it is a value, or one of the `brackets` at an end of one."""
        if self.kind == "name":
            return self.text not in _KEYWORDS
        return self.kind in _LITERALS or self.text in tuple(brackets)


_NOTHING: Final = _Token(line=0, kind="", text="")


def slip(source: str, error: TemplateSyntaxError) -> str | None:
    """What is wrong, and what to write, if the `error` in a template is due to what is none of its language."""
    if unreadable := _UNREADABLE.fullmatch(error.message or ""):
        # Positions are those of a text whose lines end as Jinja ends them.
        return _unreadable(re.sub(r"\r\n?", "\n", source)[int(unreadable[1]) :])
    tokens = [_NOTHING, *_tokens(source), _NOTHING, _NOTHING]
    around = zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False)
    said = (_said(*each) for each in around if each[1].line == error.lineno)
    return next(filter(None, said), None)


def _tokens(source: str) -> Iterator[_Token]:
    """What a template consists of, as far as it can be read, without spaces; adjacent symbols are one token."""
    tokens: list[_Token] = []
    with suppress(TemplateSyntaxError):
        tokens.extend(_Token(*each) for each in ENVIRONMENT.lex(source))
    for kind, group in groupby(tokens, lambda each: "symbol" if each.text in _JOINED else each.kind):
        if kind == "symbol":
            symbols = [*group]
            yield _Token(symbols[0].line, kind, "".join(each.text for each in symbols))
        elif kind != "whitespace":
            yield from group


def _unreadable(rest: str) -> str | None:
    if rest[0] in "'\"":
        return f"a quote, {rest[0]}, is opened and never closed"
    if rest[0] in "“”„‘’":
        return f"{rest[0]} quotes no text here; write '…' or \"…\""
    symbol = _SYMBOL.match(rest)
    return None if symbol is None else _no_such(symbol[0], _SYMBOLS.get(symbol[0]))


def _said(before: _Token, token: _Token, after: _Token, second: _Token) -> str | None:
    """What is wrong with a token between others: names such as `eq` and `is` may also be of vars and tests."""
    word = token.text
    if token.kind == "symbol":
        return (
            "braces inside braces; write the name without them"
            if word == "{{"
            else _no_such(word, _SYMBOLS.get(word))
        )
    if token.kind != "name" or before.text in {".", "|"}:
        return None
    if word == "is":
        negated = after.text == "not"
        if (second if negated else after).kind in _LITERALS:
            sign, write = ("is not", "!=") if negated else ("is", "==")
            return f"a test follows '{sign}', as in 'is defined'; to compare, write '{write}'"
        return None
    if word in {"NOT", "Not"}:
        is_slip = after.is_value("([{") or after.text == "in"
    else:
        is_slip = before.is_value(")]}") and after.is_value("([{-")
    return _no_such(word, _WORDS.get(word)) if is_slip else None


def _no_such(sign: str, meant: str | None) -> str | None:
    return meant and f"there is no '{sign}'; write '{meant}'"
