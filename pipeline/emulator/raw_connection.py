"""Below HTTP: connections that break, and responses that are changed byte by byte as they are sent."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from pipeline.emulator.faults import AlterResponse
    from pipeline.json_values import Json

# SO_LINGER of zero seconds: closing sends a reset and drops unsent bytes.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_DRIP_BYTES = 5


class RawAccessProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol, which gives the application its connection (in ASGI's `state`)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


@dataclass(frozen=True, slots=True)
class RawResponse:
    """Sends these bytes unchanged in place of a response, then closes or resets the connection."""

    content: bytes = b""
    reset: bool = False

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        transport = cast("asyncio.Transport", scope["state"]["transport"])
        if self.content:
            transport.write(self.content)
        if self.reset:
            connection = cast("socket.socket", transport.get_extra_info("socket"))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()
        # Wait until the server has noticed: it would take an earlier return for a missing response.
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeResponse:
    """A complete response as plain data, and an ASGI application that sends it. `drip`: seconds between pieces."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    drip: float = 0.0

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        pieces = _pieces(self.body, _DRIP_BYTES) if self.drip else [self.body]
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(self.drip)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def with_headers(self, headers: Mapping[str, str]) -> WholeResponse:
        """The response with `headers` in place of those with the same names."""
        changed = {
            name.encode(): value.encode("latin-1", errors="replace") for name, value in headers.items()
        }
        kept = tuple((name, value) for name, value in self.headers if name not in changed)
        return replace(self, headers=(*kept, *changed.items()))

    def with_body(self, body: bytes) -> WholeResponse:
        """The response with another body and its length."""
        return replace(self, body=body).with_headers({"content-length": str(len(body))})

    def to_bytes(self, body: bytes) -> bytes:
        """The bytes to send: status, headers and `body`, whatever length the headers claim."""
        head = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}\r\n".encode()
        return head + b"".join(b"%s: %s\r\n" % header for header in self.headers) + b"\r\n" + body


async def collect(response: ASGIApp, scope: Scope) -> WholeResponse:
    """The response that `response` would send, as plain data."""
    status, headers, body = 0, (), bytearray()

    async def receive() -> Message:
        # The request has been read, so a response that waits for the client to disconnect gets no message.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], tuple(message["headers"])
        else:
            body.extend(message.get("body", b""))

    await response(scope, receive, send)
    return WholeResponse(status=status, headers=headers, body=bytes(body))


def altered(response: WholeResponse, fault: AlterResponse, first_id: str | None) -> ASGIApp:
    """`response` as `fault` changes it. `first_id` is what `same_id` puts in."""
    patch = {**fault.patch, "id": first_id} if fault.same_id else fault.patch
    if patch:
        response = response.with_body(_patched(response.body, dict(patch)))
    if fault.resize:
        longer = response.body + b"\0" * max(fault.resize, 0)
        response = response.with_body(longer[: max(len(response.body) + fault.resize, 0)])
    response = replace(response.with_headers(dict(fault.headers)), drip=fault.drip)
    if fault.keep is None:
        return response
    if fault.unsized:
        lengthless = tuple(header for header in response.headers if header[0] != b"content-length")
        response = replace(response, headers=lengthless)
    return RawResponse(response.to_bytes(response.body[: int(len(response.body) * fault.keep)]))


def _patched(body: bytes, patch: Json) -> bytes:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    # A refusal, a file or the health check has no data to merge into.
    if not isinstance(content, dict) or "data" not in content:
        return body
    return json.dumps({**content, "data": _merged(content["data"], patch)}).encode()


def _merged(value: Json, patch: Json) -> Json:
    """Merge maps by key and lists by position; replace anything else."""
    if isinstance(value, dict) and isinstance(patch, dict):
        return {**value, **{key: _merged(value.get(key), each) for key, each in patch.items()}}
    if isinstance(value, list) and isinstance(patch, list) and patch:
        merged = [_merged(old, new) for old, new in zip(value, patch, strict=False)]
        return merged + value[len(patch) :]
    return patch


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]
