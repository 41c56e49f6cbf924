"""Recorded times (UTC, ISO 8601) as numbers. A record from elsewhere may hold an invalid one."""

from datetime import UTC, datetime

_LARGEST = 1 << 63


def nanoseconds(timestamp: str) -> int | None:
    """Nanoseconds since 1970; None if it is not a time, or not one that a trace can hold."""
    try:
        since = int(datetime.fromisoformat(timestamp).astimezone(UTC).timestamp() * 1e9)
    except (ValueError, OverflowError):
        return None
    return since if 0 <= since < _LARGEST else None


def seconds_between(earlier: str, later: str) -> float | None:
    """Seconds, never negative, as two machines' clocks may differ; None if one of them is not a time."""
    began, ended = nanoseconds(earlier), nanoseconds(later)
    return None if began is None or ended is None else max(0, ended - began) / 1e9
