"""Where the server listens (`HOST:PORT`, `HOST`, `:PORT`, `[IPv6]:PORT`), and who may use it: holders of the token.

A server on loopback can be reached by every page that a browser on the same machine shows. Requests of such a page
have no cookie of this server, and another `Origin`; or another `Host`, if its own name was pointed at this machine
(DNS rebinding).
"""

import os
import re
import secrets
import socket
import stat
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import system
from pipeline.errors import UsageError, printable
from pipeline.files import read_limited

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
# By what listens at every address of this machine, the one for a browser here.
_ALL = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}  # noqa: S104 - shown, not bound
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/@]*))(?::(?P<port>\d{1,5}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """A host (a name or an address) and a port; port 0 means any free port."""

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
        """The address for a browser on this machine; `port` is the actual port."""
        here = _ALL.get(self.host, self.host)
        return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"

    @property
    def for_others(self) -> str:
        """How others open the page, if that is not at the address for this machine; else empty."""
        if self.host not in _ALL:
            return ""
        return (
            f"From another machine, put this one's IP address or name ({printable(socket.gethostname(), 100)}) "
            f"in the place of {_ALL[self.host]}."
        )


def listen_address(text: str) -> ListenAddress:
    """Parse the value of `--listen`.

    Raises:
        UsageError: it is not a valid address.
    """
    # A number alone is no host, but a port without its colon.
    found = None if text.strip().isdecimal() else _ADDRESS.fullmatch(text.strip())
    port = int(found["port"]) if found is not None and found["port"] else DEFAULT_PORT
    if found is None or port > 65_535 or not text.strip():
        raise UsageError(
            f"--listen {printable(text, 100)}: expected HOST:PORT, like 127.0.0.1:{DEFAULT_PORT}"
        )
    return ListenAddress(host=found["six"] or found["host"] or DEFAULT_HOST, port=port)


# The largest request body, in bytes: a review is a few lines.
LARGEST_BODY = 64 << 10
_SHORTEST_TOKEN = 16
_LONGEST_TOKEN = 512

# Everything on the page comes from this server; nothing else may be loaded, sent or framed.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The credentials that requests need. `names` are the server's own hosts; all IP addresses count if `is_open`."""

    token: str
    names: frozenset[str]
    is_open: bool

    def why_refused(self, request: Request) -> str | None:
        """Why a request is refused; None if it is not."""
        host = request.headers.get("host", "")
        if not self._is_own(host):
            return "this server does not have that name"
        own = f"{request.scope['scheme']}://{host}".lower()
        if any(origin.lower() != own for origin in request.headers.getlist("origin")):
            return "this server does not answer to other sites"
        if not self._has_token(request):
            return "open the address that the command printed: it contains a token"
        return None

    def _is_own(self, host: str) -> bool:
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.strip("[]").lower()
        # Only names can be pointed at another machine, so only names have to be known.
        return name in self.names or (self.is_open and _is_address(name))

    def _has_token(self, request: Request) -> bool:
        given = request.cookies.get(cookie_of(request), "")
        if request.url.path == "/":
            given = request.query_params.get("token", given)
        return secrets.compare_digest(given.encode(), self.token.encode())


def cookie_of(request: Request) -> str:
    """The name of the cookie. It contains the port, since a browser sends a cookie to every port of a host."""
    host = request.headers.get("host", "")
    port = host.rpartition(":")[2]
    return f"pipeline-{port if port.isdecimal() else 80}"


def access_for(address: ListenAddress, token_file: Path | None) -> Access:
    """The credentials for a server that listens on `address`.

    Raises:
        UsageError: it listens beyond loopback without a token file, or that file is not safe.
    """
    if not address.is_loopback and token_file is None:
        raise UsageError(
            f"--listen {address.host}: others can reach it, so it needs --token-file FILE (mode 0600) with a token"
        )
    token = secrets.token_urlsafe(24) if token_file is None else read_token(token_file)
    names = {"localhost", "127.0.0.1", "::1", address.host.lower()}
    if not address.is_loopback:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Access(token=token, names=frozenset(names), is_open=not address.is_loopback)


def read_token(path: Path) -> str:
    """The token in a file that only its owner can read; the file is created if it does not exist.

    Raises:
        UsageError: others can read it, or it contains no token.
    """
    shown = printable(str(path))
    try:
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.PRIVATE, 0o600), "w"
        ) as file:
            file.write(f"{secrets.token_urlsafe(24)}\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise UsageError(f"--token-file {shown}: cannot be created: {error.strerror}") from error
    try:
        status = path.stat()
        token = read_limited(path, _LONGEST_TOKEN + 2).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"--token-file {shown}: cannot be read") from error
    if stat.S_IMODE(status.st_mode) & 0o077 or system.belongs_to_another(status):
        raise UsageError(f"--token-file {shown}: only its owner may read it: chmod 600 {shown}")
    is_plain = token.replace("-", "").replace("_", "").isalnum()
    if not (_SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN and is_plain):
        raise UsageError(
            f"--token-file {shown}: a token is {_SHORTEST_TOKEN} or more letters, digits, - and _; "
            "delete the file, and a new one is created"
        )
    return token


class TokenGuard:
    """ASGI middleware: 403 without the token, 413 for too large a body, and safe headers on every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if "token" in request.query_params and message["status"] == 200:
                    headers.append("set-cookie", self._cookie(request))
            await send(message)

        refused = self._error_response(request)
        await (refused or self._app)(scope, receive, guarded)

    def _error_response(self, request: Request) -> Response | None:
        if (why := self._access.why_refused(request)) is not None:
            return PlainTextResponse(f"{why}\n", 403)
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            return PlainTextResponse("too large\n", 413, {"connection": "close"})
        return None

    def _cookie(self, request: Request) -> str:
        return f"{cookie_of(request)}={self._access.token}; Path=/; HttpOnly; SameSite=Strict"


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
