"""Endpoints that the vendor does not have, for tests and rehearsals: the ledger, the state, the faults.

They can read and change everything, so `AdminGuard` refuses requests of web pages: a server on loopback can be
reached by every page in a browser on the same machine. A page of another site is recognised by its `Origin`, a
page whose name was pointed at this machine (DNS rebinding) by that name in `Host`.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.emulator.fault_forms import InvalidRule, number, whole_number
from pipeline.emulator.faultfile import read_rules
from pipeline.emulator.request_checks import check_key, read_json
from pipeline.errors import InvalidInput

if TYPE_CHECKING:
    from pipeline.emulator.faults import FaultRules
    from pipeline.emulator.workflow_store import WorkflowStore


class AdminHandlers:
    """The handlers below `/_emulator`. No rule applies to them, and `AdminGuard` protects them."""

    def __init__(self, store: WorkflowStore, faults: FaultRules) -> None:
        self._store = store
        self._faults = faults

    @property
    def routes(self) -> list[Route]:
        """The path of each handler."""
        return [
            Route("/ledger", self._ledger),
            Route("/state", self._state),
            Route("/faults", self._set_faults, methods=["POST"]),
            Route("/faults", self._clear_faults, methods=["DELETE"]),
            Route("/settings", self._change_settings, methods=["POST"]),
        ]

    async def _ledger(self, _request: Request) -> Response:
        return JSONResponse({"creates": [asdict(entry) for entry in self._store.ledger.entries]})

    async def _state(self, _request: Request) -> Response:
        workflows = [
            {
                "id": workflow.id,
                "title": workflow.title,
                "template_id": workflow.template_id,
                "status": self._store.view(workflow).status,
                "percent": self._store.view(workflow).percent,
                "receipt": workflow.webhook_outcome,
            }
            for workflow in self._store.workflows()
        ]
        faults = [
            {"do": name, "seen": matched, "struck": struck} for name, matched, struck in self._faults.counts()
        ]
        return JSONResponse(
            {
                "workflows": workflows,
                "faults": faults,
                "duration": self._store.duration,
                "credits": {"spent": self._store.ledger.spent, "balance": self._store.balance},
            }
        )

    async def _set_faults(self, request: Request) -> Response:
        body = await read_json(request)
        try:
            rules = read_rules(body)
        except InvalidInput as error:
            return JSONResponse({"message": "INVALID_FAULTS", "problems": str(error)}, 422)
        if isinstance(body, dict) and body.get("add") is True:
            self._faults.add(rules)
        else:
            self._faults.set(rules)
        return JSONResponse({"faults": len(rules)})

    async def _clear_faults(self, _request: Request) -> Response:
        self._faults.set([])
        return Response(status_code=204)

    async def _change_settings(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict) or not set(body) <= {"credits", "duration"}:
            return JSONResponse({"message": "expected an object with `credits` or `duration`"}, 422)
        balance, duration = body.get("credits"), body.get("duration", self._store.duration)
        try:
            credits_left = None if balance is None else whole_number("credits", balance)
            self._store.duration = number("duration", duration, most=86_400)
        except InvalidRule as error:
            return JSONResponse({"message": f"{error.path}: {error}"}, 422)
        if "credits" in body:
            # The request sets the balance from now on, regardless of what was spent before.
            spent = self._store.ledger.spent
            self._store.credits = None if credits_left is None else credits_left + spent
        return await self._state(request)


_HOST = re.compile(r"(\[[^\[\]]+\]|[^:\[\]]+)(?::\d{1,5})?")
# A browser sends one of these for requests by the page itself or the address bar.
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
        # An IP address cannot be pointed elsewhere, so only names have to be known.
        return name in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
