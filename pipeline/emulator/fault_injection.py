"""Applies the fault rules to every endpoint: before the true response, in place of it, or to it as it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.types import ASGIApp

from pipeline.emulator.faults import (
    AlterResponse,
    Call,
    Delay,
    Disconnect,
    EndWorkflow,
    FaultRule,
    FaultRules,
    Operation,
    Respond,
    RespondRaw,
    SendWebhook,
    Stage,
)
from pipeline.emulator.raw_connection import RawResponse, WholeResponse, altered, collect

if TYPE_CHECKING:
    from pipeline.emulator.workflow_store import WorkflowStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One kind of call.

    `describe` returns the properties of a call once it is read; `respond` executes it, given the rule that
    applies to it; `on_skipped` is called for a call that was read but will not be executed.
    """

    operation: Operation
    describe: Callable[[Request], Awaitable[Call]]
    respond: Callable[[Request, FaultRule | None], Awaitable[ASGIApp]]
    on_skipped: Callable[[Request, FaultRule], None] = lambda _request, _rule: None


class FaultInjector:
    """Turns endpoints into Starlette handlers that the rules apply to."""

    def __init__(self, faults: FaultRules, store: WorkflowStore) -> None:
        self._faults = faults
        self._store = store

    def handler(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[ASGIApp]]:
        """The handler for `endpoint`."""

        async def handle(request: Request) -> ASGIApp:
            early = self._faults.before_reading(await self._describe_unread(endpoint, request))
            if early is not None and (replacement := await self._replacement(early)) is not None:
                return replacement
            await request.body()
            rule = self._faults.after_reading(await endpoint.describe(request))
            if (
                rule is not None
                and rule.fault.stage is Stage.AFTER_READING
                and (replacement := await self._replacement(rule)) is not None
            ):
                endpoint.on_skipped(request, rule)
                return replacement
            if rule is not None and isinstance(rule.fault, AlterResponse) and rule.fault.ignore_range:
                kept = [header for header in request.scope["headers"] if header[0] != b"range"]
                request.scope["headers"] = kept
            response = await endpoint.respond(request, rule)
            return response if rule is None else await self._alter_response(rule, response, request)

        return handle

    async def _describe_unread(self, endpoint: Endpoint, request: Request) -> Call:
        # A create has its title and template in the body, not yet read; any other call has its workflow in the url.
        if endpoint.operation is Operation.CREATE:
            return Call(operation=Operation.CREATE)
        return await endpoint.describe(request)

    async def _alter_response(self, rule: FaultRule, response: ASGIApp, request: Request) -> ASGIApp:
        fault = rule.fault
        if isinstance(fault, AlterResponse):
            bought = self._store.ledger.bought
            first_id = bought[0].workflow_id if bought else None
            return altered(await collect(response, request.scope), fault, first_id)
        if fault.stage is not Stage.AFTER_PROCESSING:
            return response
        replacement = await self._replacement(rule)
        return response if replacement is None else replacement

    async def _replacement(self, rule: FaultRule) -> ASGIApp | None:
        """The response that replaces the true one; None if the true one is sent, perhaps later."""
        match rule.fault:
            case Disconnect() as disconnect:
                return RawResponse(reset=disconnect.reset)
            case RespondRaw() as raw:
                return RawResponse(raw.content)
            case Respond() as respond:
                headers = {**dict(respond.headers), "content-length": str(len(respond.body))}
                return WholeResponse(status=respond.status, headers=(), body=respond.body).with_headers(
                    headers
                )
            case Delay() as delay:
                await asyncio.wait([asyncio.wrap_future(self._faults.removal(rule))], timeout=delay.seconds)
                return None
            case AlterResponse() | EndWorkflow() | SendWebhook():
                return None


def visible_status(rule: FaultRule | None, status: int) -> int | None:
    """The status that the client sees under `rule` if the true one is `status`; None if it sees none."""
    match rule.fault if rule is not None else None:
        case Disconnect() | RespondRaw():
            return None
        case Respond() as respond:
            return respond.status
        case _:
            return status
