"""Where a server listens: `HOST:PORT`, `HOST`, `:PORT`, and `[HOST]:PORT` for an address with colons of its own."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from pipeline.errors import UsageError, printable

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/@]*))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """A host (a name or an address) and a port; port 0 is any that is free."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def url(self, port: int) -> str:
        """The address for a browser on this machine, where `port` is the one that was had."""
        here = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}.get(self.host, self.host)  # noqa: S104 - shown, not bound
        return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def listen_address(text: str) -> ListenAddress:
    """The address that somebody wrote.

    Raises:
        UsageError: it is none.
    """
    found = _ADDRESS.fullmatch(text.strip())
    port = int(found["port"]) if found is not None and found["port"] else DEFAULT_PORT
    if found is None or port > 65_535 or not text.strip():
        raise UsageError(
            f"--listen {printable(text, 100)}: expected HOST:PORT, like 127.0.0.1:{DEFAULT_PORT}"
        )
    return ListenAddress(host=found["six"] or found["host"] or DEFAULT_HOST, port=port)
