"""Shards: the parts of a campaign, where several runs do a part each."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import UsageError
from pipeline.json_values import Json

MOST_SHARDS = 10_000


class ShardBy(StrEnum):
    """The measure that a split balances: requests, or the credits that they are known to cost."""

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
    def parse(cls, text: str, by: ShardBy = ShardBy.REQUESTS) -> "Shard":
        """The shard that a person names as `I/N`.

        Raises:
            UsageError: it is none.
        """
        index, separator, count = text.partition("/")
        if separator and index.isdecimal() and count.isdecimal() and text.isascii():
            shard = cls(index=int(index), count=int(count), by=by)
            if 1 <= shard.index <= shard.count <= MOST_SHARDS:
                return shard
        raise UsageError(
            f"--shard {text!r}: expected I/N, as in 2/8, with I from 1 to N and N at most {MOST_SHARDS:,}"
        )

    @property
    def suffix(self) -> str:
        """The part of its results' file name before the type."""
        return f"{self.index}-of-{self.count}"

    @property
    def state_part(self) -> str:
        """The name of its part of the campaign's state: states of different splits have different names."""
        return self.suffix if self.by is ShardBy.REQUESTS else f"{self.suffix}-by-{self.by}"

    def as_json(self) -> dict[str, Json]:
        """As it stands in the results manifest."""
        by = {} if self.by is ShardBy.REQUESTS else {"by": self.by.value}
        return {"index": self.index, "count": self.count, **by}

    def share(self, limit: int) -> int:
        """Its part of a limit that holds for all shards together; at least 1, as without it nothing would move."""
        return max(1, limit // self.count + (self.index <= limit % self.count))


def is_whole(shards: Collection[Shard]) -> bool:
    """Whether they are all shards of one split, each once."""
    splits = {(shard.count, shard.by) for shard in shards}
    return len(splits) == 1 and sorted(shard.index for shard in shards) == list(
        range(1, next(iter(splits))[0] + 1)
    )
