"""The ledger: one line for each create that arrived whole. Tests of "never pay twice" count its lines.

It also numbers the takes of one request: asked for the same again, the vendor makes something else.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.purchases import WorkflowId


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One create that arrived whole.

    `status` is what the client was sent, None where that was no whole response; `workflow_id` what was bought,
    None for nothing; `request` a hash of all fields; `fault` the rule that struck; `content` a hash of the fields
    that decide what is made; `take` which take of that it is, None where nothing was bought.
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
        # A kill may have cut the last line short; what follows must not be glued to it.
        self._separator = b"" if content.endswith(b"\n") or not content else b"\n"

    def append(self, entry: LedgerEntry) -> None:
        """Add one, which is in the file before this returns.

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
        """All creates that arrived whole, oldest first."""
        return tuple(self._entries)

    @property
    def bought(self) -> tuple[LedgerEntry, ...]:
        """The entries that bought a workflow."""
        return tuple(entry for entry in self._entries if entry.bought)

    @property
    def spent(self) -> int:
        """The credits of all that was bought."""
        return sum(entry.credits for entry in self._entries if entry.bought)


def _read(content: bytes) -> Iterator[LedgerEntry]:
    for line in content.splitlines():
        try:
            yield LedgerEntry(**json.loads(line))
        except (ValueError, TypeError):
            # A line that was truncated by a kill.
            continue


# The number that the default title of a campaign's job ends in: `spring: main/loop/red#2 (0123456789abcdef)`.
_TAKE_IN_TITLE = re.compile(r"#(\d{1,6}) \([0-9a-f]{16}\)$")


class TakeCounter:
    """The takes that were made so far of each request. Not safe to use from several threads."""

    def __init__(self, entries: Iterable[LedgerEntry]) -> None:
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
