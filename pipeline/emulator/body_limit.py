"""Bounds what a request may send: it is held in memory."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Ten images of the largest size that the vendor takes; and for what has no files, far more than a campaign needs.
_MAX_BYTES_WITH_FILES = 256 << 20
_MAX_BYTES = 16 << 20


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large, before it is read where its length is reported."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Request(scope).headers
        with_files = headers.get("content-type", "").lower().startswith("multipart/form-data")
        limit = _MAX_BYTES_WITH_FILES if with_files else _MAX_BYTES
        # The server has checked that it is a number.
        if int(headers.get("content-length", "0")) > limit:
            refusal = JSONResponse({"message": "PAYLOAD_TOO_LARGE"}, 413, {"connection": "close"})
            await refusal(scope, receive, send)
            return
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, "PAYLOAD_TOO_LARGE", {"connection": "close"})
            return message

        await self._app(scope, bounded, send)
