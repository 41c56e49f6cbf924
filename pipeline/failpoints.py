"""Named places where a test makes the process die, raise or run out of disk. Never armed in production.

There is one before and after every step that writes or sends, so that "fail at the Nth, then go on" walks over
every moment at which a machine can be lost.
"""

from collections.abc import Callable

_at: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Here something may go wrong in a test."""
    if _at is not None:
        _at(name)


def arm(action: Callable[[str], None] | None) -> None:
    """Have `action` called at every point that is reached; None disarms."""
    global _at
    _at = action
