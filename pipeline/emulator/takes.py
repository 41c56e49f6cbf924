"""Numbers the takes of one request, as the vendor makes something else each time that it is asked for the same."""

import re
from collections import defaultdict
from collections.abc import Iterable

from pipeline.emulator.ledger import Entry

# The number that the default title of a campaign's job ends in: `spring: main/loop/red#2 (0123456789abcdef)`.
_TAKE_IN_TITLE = re.compile(r"#(\d{1,6}) \([0-9a-f]{16}\)$")


class TakeCounter:
    """The takes that were made so far of each request. Not safe to use from several threads."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._made: defaultdict[str, set[int]] = defaultdict(set)
        for entry in entries:
            if entry.take is not None:
                self._made[entry.content].add(entry.take)

    def next(self, content: str, title: str) -> int:
        """A number that no take of this `content` has yet; where it can be, the one in its title.

        Creates of one campaign arrive in any order, and people look for the take that the title names.
        """
        made = self._made[content]
        found = _TAKE_IN_TITLE.search(title)
        take = int(found.group(1)) if found else 1
        while take in made:
            take += 1
        made.add(take)
        return take
