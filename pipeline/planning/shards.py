"""Shards: the parts of a campaign that several runs carry out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.json_values import Json

MAX_SHARDS = 10_000


class ShardBy(StrEnum):
    """The measure that a split balances: the number of requests, or their known credits."""

    REQUESTS = "requests"
    CREDITS = "credits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part `index`, counted from 1, of the `count` parts of a campaign."""

    index: int
    count: int
    by: ShardBy = ShardBy.REQUESTS

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str, by: ShardBy = ShardBy.REQUESTS) -> Shard:
        """Parse a shard written as `I/N`.

        Raises:
            UsageError: it is not a valid shard.
        """
        index, separator, count = text.partition("/")
        if separator and index.isdecimal() and count.isdecimal() and text.isascii():
            shard = cls(index=int(index), count=int(count), by=by)
            if 1 <= shard.index <= shard.count <= MAX_SHARDS:
                return shard
        raise UsageError(
            f"--shard {text!r}: expected I/N, as in 2/8, with I from 1 to N and N at most {MAX_SHARDS:,}"
        )

    @property
    def suffix(self) -> str:
        """The suffix in the file name of its results."""
        return f"{self.index}-of-{self.count}"

    @property
    def state_part(self) -> str:
        """The name of its part of the campaign's state; different splits have different names."""
        return self.suffix if self.by is ShardBy.REQUESTS else f"{self.suffix}-by-{self.by}"

    @property
    def flags(self) -> str:
        """The flags of `run` that choose it."""
        return f"--shard {self}" + ("" if self.by is ShardBy.REQUESTS else f" --shard-by {self.by}")

    def as_json(self) -> dict[str, Json]:
        """The shard as JSON, for the results manifest."""
        by = {} if self.by is ShardBy.REQUESTS else {"by": self.by.value}
        return {"index": self.index, "count": self.count, **by}

    def share(self, limit: int) -> int:
        """Its part of a limit that holds for all shards together; at least 1, as otherwise it could do nothing."""
        return max(1, limit // self.count + (self.index <= limit % self.count))


def is_whole(shards: Collection[Shard]) -> bool:
    """Whether `shards` are all the shards of one split, each once."""
    splits = {(shard.count, shard.by) for shard in shards}
    return len(splits) == 1 and sorted(shard.index for shard in shards) == list(
        range(1, next(iter(splits))[0] + 1)
    )
