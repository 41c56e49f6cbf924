"""What the whole process shares, so that a provider must leave it alone."""

from __future__ import annotations

import locale
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple


class Shared(NamedTuple):
    """The settings of this process."""

    folder: str
    variables: Mapping[str, str]
    umask: int
    timeout: float | None
    locale: str

    @classmethod
    def now(cls) -> Shared:
        """The present ones."""
        return cls(
            folder=os.getcwd(),  # noqa: PTH109 - as it is restored
            variables=dict(os.environ),
            umask=_umask(),
            timeout=socket.getdefaulttimeout(),
            locale=locale.setlocale(locale.LC_ALL),
        )

    def restore(self) -> None:
        """Make them the present ones again."""
        os.chdir(self.folder)
        for name in os.environ.keys() - self.variables.keys():
            del os.environ[name]
        os.environ.update(self.variables)
        os.umask(self.umask)
        socket.setdefaulttimeout(self.timeout)
        locale.setlocale(locale.LC_ALL, self.locale)


@contextmanager
def restored() -> Iterator[None]:
    """Restore the present settings at the end."""
    before = Shared.now()
    try:
        yield
    finally:
        before.restore()


def _umask() -> int:
    # The only way to read it is to set it.
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
