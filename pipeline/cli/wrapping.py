"""Lines broken between words, so that a terminal does not break them within one."""

import re
import unicodedata
from collections.abc import Iterator

# A command in backquotes is one word: pasted with a line break in it, it would be another command.
_WORDS = re.compile(r"`[^`]*`\S*|\S+")
_STYLES = re.compile(r"\x1b\[[0-9;]*m")
_DEEPER = 2
_DEEPEST = 20


def wrapped(line: str, columns: int) -> Iterator[str]:
    """`line` as lines of at most `columns`, each further one a little deeper; a word that is longer stays whole."""
    if width(line) <= columns:
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    deeper = " " * min(indent + _DEEPER, _DEEPEST, max(0, columns // 2))
    current, at, has_word = line[:indent], indent, False
    before = indent
    for found in _WORDS.finditer(line):
        gap, word = found.start() - before, found[0]
        before = found.end()
        if has_word and at + gap + width(word) > columns:
            yield current
            current, at, gap = deeper, len(deeper), 0
        elif not has_word:
            gap = 0
        current += " " * gap + word
        at += gap + width(word)
        has_word = True
    yield current


def width(text: str) -> int:
    """The columns that a terminal shows `text` in; colours take none, and wide letters two."""
    plain = _STYLES.sub("", text)
    if plain.isascii():
        return len(plain)
    return sum(_columns_of(letter) for letter in plain)


def _columns_of(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
