"""Letting go of what is held: only in the process that took it."""

import os
from collections.abc import Callable


def once_in_this_process(release: Callable[[], None]) -> Callable[[], None]:
    """`release`, which does nothing in a forked child: it has a copy of what is open, and no business with it."""
    owner = os.getpid()

    def let_go() -> None:
        if os.getpid() == owner:
            release()

    return let_go
