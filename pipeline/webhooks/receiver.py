"""Answers the vendor's webhook calls: an ASGI application for any server to mount. It needs no library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.webhooks.receipt import Receipt, workflows_in

if TYPE_CHECKING:
    from pipeline.purchases import PurchaseId
    from pipeline.webhooks.addresses import Addresses

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

# The body is only a hint, so a longer or slower one is ignored.
LONGEST_BODY = 64 * 1024
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Receives calls at `addresses`; `on_receipt` gets each receipt, in another thread if it `writes` to disk.

    `knows` is whether a purchase is known to be its own, which others with the same secret then need not be told of.
    """

    addresses: Addresses
    on_receipt: Callable[[Receipt], object]
    knows: Callable[[PurchaseId], bool] = lambda _: False
    writes: bool = False

    async def receive(self, receipt: Receipt) -> None:
        """Pass the receipt on, without blocking other calls while it is written."""
        if self.writes:
            await asyncio.to_thread(self.on_receipt, receipt)
        else:
            self.on_receipt(receipt)


def hooks_application(*receivers: Receiver) -> Application:
    """The application that accepts POSTs to `/hooks/<purchase>/<proof>`, below any path that it is mounted at.

    For a valid address, each of `receivers` that it belongs to gets the receipt, and the response is 204; if the
    receipt cannot be stored (an OSError), it is 503, so that the vendor calls again. For any other address it is 404,
    before the body is read. With one secret, it belongs to those that know the purchase, or to all if none does.
    """

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        called = _called(receivers, scope["path"])
        if not called or scope["method"] != "POST":
            await _respond(send, 404)
            return
        named = workflows_in(await _body(receive))
        try:
            for receiver, purchase_id in called:
                await receiver.receive(Receipt(purchase_id, named))
        except OSError:
            await _respond(send, 503)
        else:
            await _respond(send, 204)

    return application


def _called(receivers: Sequence[Receiver], path: str) -> list[tuple[Receiver, PurchaseId]]:
    begins = path.rfind("/hooks/")
    if begins < 0:
        return []
    found = ((each, each.addresses.purchase_at(path[begins:])) for each in receivers)
    called = [(receiver, purchase_id) for receiver, purchase_id in found if purchase_id is not None]
    return [(each, purchase_id) for each, purchase_id in called if each.knows(purchase_id)] or called


async def _body(receive: Receive) -> bytes:
    """The body of a call; empty if it is too long, or does not arrive in time."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return b""
                part: bytes = message.get("body", b"")
                size += len(part)
                if size > LONGEST_BODY:
                    return b""
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        return b""


async def _respond(send: Send, status: int) -> None:
    headers = [(b"content-length", b"0")] if status != 204 else []
    # An unread rest of the body must not be taken for the next request.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
