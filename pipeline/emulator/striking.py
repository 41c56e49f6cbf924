"""Around every endpoint: the rules, striking before the true answer, instead of it, or on its way out."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp

from pipeline.emulator.connection import Answer, Broken, altered, whole
from pipeline.emulator.faults import (
    Alter,
    Call,
    Cut,
    Delivery,
    Doom,
    Faults,
    Operation,
    Respond,
    Rule,
    Stage,
    Stall,
    Wire,
)
from pipeline.emulator.work import Work


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of call.

    `about` tells what is known of a call once it is read; `process` does it, knowing what will strike;
    `skipped` hears of a call that was read but will not be processed.
    """

    operation: Operation
    about: Callable[[Request], Awaitable[Call]]
    process: Callable[[Request, Rule | None], Awaitable[ASGIApp]]
    skipped: Callable[[Request, Rule], None] = lambda _request, _rule: None


class Striking:
    """Makes handlers out of endpoints, with the rules in between."""

    def __init__(self, faults: Faults, work: Work) -> None:
        self._faults = faults
        self._work = work

    def around(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[ASGIApp]]:
        """The handler for `endpoint`."""

        async def handler(request: Request) -> ASGIApp:
            early = self._faults.before_reading(await self._unread(endpoint, request))
            if early is not None and (instead := await _instead(early)) is not None:
                return instead
            await request.body()
            rule = self._faults.after_reading(await endpoint.about(request))
            if (
                rule is not None
                and rule.fault.stage is Stage.AFTER_READING
                and (instead := await _instead(rule)) is not None
            ):
                endpoint.skipped(request, rule)
                return instead
            if rule is not None and isinstance(rule.fault, Alter) and rule.fault.ignore_range:
                kept = [header for header in request.scope["headers"] if header[0] != b"range"]
                request.scope["headers"] = kept
            response = await endpoint.process(request, rule)
            return response if rule is None else await self._after(rule, response, request)

        return handler

    async def _unread(self, endpoint: Endpoint, request: Request) -> Call:
        # What a create is about stands in its body; any other call names its workflow in the address.
        creates = endpoint.operation is Operation.CREATE
        return Call(endpoint.operation) if creates else await endpoint.about(request)

    async def _after(self, rule: Rule, response: ASGIApp, request: Request) -> ASGIApp:
        fault = rule.fault
        if isinstance(fault, Alter):
            bought = self._work.ledger.bought
            first = bought[0].workflow_id if bought else None
            return altered(await whole(response, request.scope), fault, first)
        if fault.stage is not Stage.AFTER_PROCESSING:
            return response
        instead = await _instead(rule)
        return response if instead is None else instead


def answered(rule: Rule | None, status: int) -> int | None:
    """The status that the client sees under `rule` where the true one is `status`; None for no answer."""
    match rule.fault if rule is not None else None:
        case Cut() | Wire():
            return None
        case Respond() as respond:
            return respond.status
        case _:
            return status


async def _instead(rule: Rule) -> ASGIApp | None:
    """What goes out instead of the true answer; None where that goes out, perhaps later."""
    match rule.fault:
        case Cut() as cut:
            return Broken(reset=cut.reset)
        case Wire() as wire:
            return Broken(wire.raw)
        case Respond() as respond:
            headers = {**dict(respond.headers), "content-length": str(len(respond.body))}
            return Answer(respond.status, (), respond.body).with_headers(headers)
        case Stall() as stall:
            await asyncio.sleep(stall.seconds)
            return None
        case Alter() | Doom() | Delivery():
            return None
