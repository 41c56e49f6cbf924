"""The time of day as records have it, and the names of runs."""

import os
from datetime import UTC, datetime, timedelta


def now() -> str:
    """The time of day, for records: UTC, ISO 8601, to the millisecond."""
    return _written(datetime.now(UTC))


def minutes_ago(minutes: int) -> str:
    """The time of day so many minutes ago, as `now` writes it."""
    return _written(datetime.now(UTC) - timedelta(minutes=minutes))


def run_id() -> str:
    """Names one run, for its caps; no two runs have the same."""
    return f"{now()} {os.urandom(4).hex()}"


def _written(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
