"""Keeps pages in a browser away from the admin endpoints, which can read and change everything in an emulator.

A server on loopback is in reach of every page that a browser on the same machine shows. A page of another site is
known by its `Origin`; one whose name was pointed at this machine (DNS rebinding) by that name in `Host`.
"""

import re
from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.emulator.request_checks import check_key

_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::\d{1,5})?")
# A browser says so of requests that the page itself, or the address bar, makes.
_OWN_SITES = {"same-origin", "none"}


class AdminGuard:
    """ASGI middleware. `key` is the emulator's, None for any; `host` the name or address that it listens on."""

    def __init__(self, app: ASGIApp, key: str | None, host: str) -> None:
        self._app = app
        self._key = key
        self._names = {"localhost", host.lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if (reason := self._why_refused(request)) is not None:
                raise HTTPException(403, f"FORBIDDEN: {reason}")
            check_key(request, self._key)
        await self._app(scope, receive, send)

    def _why_refused(self, request: Request) -> str | None:
        host = request.headers.get("host", "")
        if not self._is_own_host(host):
            return (
                "the admin endpoints answer only to localhost, to IP addresses and to the emulator's --host"
            )
        own_origin = f"{request.scope['scheme']}://{host}".lower()
        if any(origin.lower() != own_origin for origin in request.headers.getlist("origin")):
            return "the admin endpoints do not answer to other sites"
        if any(site not in _OWN_SITES for site in request.headers.getlist("sec-fetch-site")):
            return "the admin endpoints do not answer to other sites"
        return None

    def _is_own_host(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found.group(1).strip("[]").lower()
        # An address cannot be pointed elsewhere, so it is no way in: only names have to be known.
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
