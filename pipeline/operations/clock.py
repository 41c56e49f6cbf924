"""The current time as records write it, and the names of runs."""

import os
from datetime import UTC, datetime, timedelta


def now() -> str:
    """The current time for records: UTC, ISO 8601, to the millisecond."""
    return _written(datetime.now(UTC))


def minutes_ago(minutes: int) -> str:
    """The time `minutes` ago, written as `now` writes it."""
    return _written(datetime.now(UTC) - timedelta(minutes=minutes))


def run_id() -> str:
    """A unique name for one run, by which its caps are counted."""
    return f"{now()} {os.urandom(4).hex()}"


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
