"""Joins surrogate pairs: JSON spells a character beyond U+FFFF as two escapes, which YAML's parser refuses."""

import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

# An escaped backslash begins no escape.
_ESCAPES = re.compile(r"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]")
# `\ud83d\udc4d` is so many characters longer than `\U0001f44d`.
_SHORTER_BY = 2


class JoinedPairs:
    """`text` as YAML's parser accepts it, and where it is shorter than what was written."""

    def __init__(self, written: str) -> None:
        self.text = written
        self._ends: Mapping[int, Sequence[int]] = {}
        if _PAIR.search(written) is not None and _is_json(written):
            self._join(written)

    def column(self, line: int, column: int) -> int:
        """The column at which a character of `text` was written; lines and columns count from 0."""
        return column + _SHORTER_BY * bisect_right(self._ends.get(line, ()), column)

    def _join(self, written: str) -> None:
        ends: dict[int, list[int]] = defaultdict(list)
        joined: list[str] = []
        at = line = line_begins = length = 0
        for found in _ESCAPES.finditer(written):
            if found[1] is None:
                continue
            before = written[at : found.start()]
            joined += before, joined_pair(found[1], found[2])
            if breaks := before.count("\n"):
                line += breaks
                line_begins = length + before.rindex("\n") + 1
            length += len(before) + len(joined[-1])
            ends[line].append(length - line_begins)
            at = found.end()
        self.text = "".join([*joined, written[at:]])
        self._ends = ends


def joined_pair(high: str, low: str) -> str:
    """YAML's single escape for the character with these halves."""
    return f"\\U{0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00:08x}"


def join_pairs(quoted: str) -> str:
    """A text in double quotes as YAML's parser accepts it."""
    return _ESCAPES.sub(lambda found: joined_pair(found[1], found[2]) if found[1] else found[0], quoted)


def _is_json(text: str) -> bool:
    """Whether it is JSON, so that each backslash is inside double quotes: only there does one begin an escape."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
