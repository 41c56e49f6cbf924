"""A text in which parts are spelled shorter, so that a parser accepts it, and where its characters were written."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Shorter(NamedTuple):
    """What stands for the characters of a text from `start` to `end`, within one line."""

    start: int
    end: int
    text: str = ""


class Shortened:
    """`text` is what was written, with `parts` spelled shorter; these are in order."""

    def __init__(self, written: str, parts: Iterable[Shorter]) -> None:
        # By line: the columns at which a shorter part ends, and the characters left out up to there.
        self._left_out: Mapping[int, Sequence[tuple[int, int]]] = {}
        self.text = self._shorten(written, parts)

    def column(self, line: int, column: int) -> int:
        """The column at which a character of `text` was written; lines and columns count from 0."""
        on_line = self._left_out.get(line, ())
        before = bisect_right(on_line, column, key=lambda each: each[0])
        return column + (on_line[before - 1][1] if before else 0)

    def _shorten(self, written: str, parts: Iterable[Shorter]) -> str:
        left_out: dict[int, list[tuple[int, int]]] = defaultdict(list)
        pieces: list[str] = []
        at = line = line_begins = length = 0
        for part in parts:
            before = written[at : part.start]
            pieces += before, part.text
            if breaks := before.count("\n"):
                line += breaks
                line_begins = length + before.rindex("\n") + 1
            length += len(before) + len(part.text)
            earlier = left_out[line][-1][1] if left_out[line] else 0
            saved = part.end - part.start - len(part.text)
            left_out[line].append((length - line_begins, earlier + saved))
            at = part.end
        self._left_out = left_out
        return "".join([*pieces, written[at:]])
