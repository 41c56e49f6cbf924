"""The ledger: one line for each create that arrived complete. Tests of "never pay twice" count its lines.

It also numbers the takes of a request: for the same request, the vendor makes something else each time.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.purchases import WorkflowId


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One create that arrived complete.

    `status` is the status that the client was sent, None if the response was not complete; `workflow_id` is what
    was bought, None for nothing; `request` a hash of all fields; `fault` the rule that struck; `content` a hash of
    the fields that determine what is made; `take` the number of this take of it, None if nothing was bought.
    """

    time: float
    status: int | None
    workflow_id: WorkflowId | None
    credits: int
    title: str
    template_id: str
    request: str
    fault: str | None = None
    content: str = ""
    take: int | None = None

    @property
    def bought(self) -> bool:
        return self.workflow_id is not None


class Ledger:
    """The entries, in memory and in an append-only file of JSON lines."""

    def __init__(self, file: Path) -> None:
        self._file = file
        content = file.read_bytes() if file.exists() else b""
        self._entries = list(_read(content))
        # A kill may have cut the last line short; the next line must not be appended to it.
        self._separator = b"" if content.endswith(b"\n") or not content else b"\n"

    def append(self, entry: LedgerEntry) -> None:
        """Append an entry, and write it to the file before returning.

        Raises:
            OSError: it could not be written.
        """
        line = json.dumps(asdict(entry), ensure_ascii=True).encode() + b"\n"
        with self._file.open("ab") as file:
            file.write(self._separator + line)
        self._separator = b""
        self._entries.append(entry)

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All creates that arrived complete, oldest first."""
        return tuple(self._entries)

    @property
    def bought(self) -> tuple[LedgerEntry, ...]:
        """The entries that bought a workflow."""
        return tuple(entry for entry in self._entries if entry.bought)

    @property
    def spent(self) -> int:
        """The credits of all purchases."""
        return sum(entry.credits for entry in self._entries if entry.bought)


def _read(content: bytes) -> Iterator[LedgerEntry]:
    for line in content.splitlines():
        try:
            yield LedgerEntry(**json.loads(line))
        except (ValueError, TypeError):
            # A line that was truncated by a kill.
            continue


# The take number near the end of the default title of a campaign's job: `spring: main/loop/red#2 (0123456789abcdef)`.
_TAKE_IN_TITLE = re.compile(r"#(\d{1,6}) \([0-9a-f]{16}\)$")


class TakeCounter:
    """The takes made so far of each request. Not safe to use from several threads."""

    def __init__(self, entries: Iterable[LedgerEntry]) -> None:
        self._made: defaultdict[str, set[int]] = defaultdict(set)
        for entry in entries:
            if entry.take is not None:
                self._made[entry.content].add(entry.take)

    def next(self, content: str, title: str) -> int:
        """A number that no take of this `content` has yet; if possible, the one in its title.

        Creates of one campaign arrive in any order, and people look for the take that the title names.
        """
        made = self._made[content]
        found = _TAKE_IN_TITLE.search(title)
        take = int(found.group(1)) if found else 1
        while take in made:
            take += 1
        made.add(take)
        return take
