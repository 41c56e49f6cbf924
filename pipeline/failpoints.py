"""Named points at which a test makes the process die, raise or run out of disk. Never armed in production.

There is one before and after every step that writes or sends, so that a test that fails at the Nth point, for each N,
covers every moment at which a machine can be lost.
"""

from collections.abc import Callable

_at: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Mark a point at which a test can make something go wrong."""
    if _at is not None:
        _at(name)


def arm(action: Callable[[str], None] | None) -> None:
    """Call `action` at every point that is reached; None disarms."""
    global _at
    _at = action
