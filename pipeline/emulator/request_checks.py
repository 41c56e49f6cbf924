"""Checks of every request (key, body, size), and the responses that refuse one."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.emulator.create_fields import InvalidField, parse_json

if TYPE_CHECKING:
    from pipeline.json_values import Json


def check_key(request: Request, key: str | None) -> None:
    """Check that the request carries `key`, or any key if that is None.

    Raises:
        HTTPException: 401.
    """
    given = request.headers.get("x-api-key", "")
    if not given or (key is not None and not hmac.compare_digest(given.encode(), key.encode())):
        raise HTTPException(401, "UNAUTHORIZED")


def base_url(request: Request) -> str:
    """The address at which the client reached the emulator, without a slash at the end."""
    return str(request.base_url).rstrip("/")


async def read_json(request: Request) -> Json:
    """The body as JSON; None if it is invalid or cannot be stored."""
    try:
        return parse_json(await request.body())
    except ValueError:
        return None


def error_response(error: Exception) -> Response:
    """The response to a refused request, in the vendor's format."""
    match error:
        case InvalidField():
            return JSONResponse({"detail": error.detail}, 422)
        case HTTPException():
            # Starlette's own text for an unknown path.
            word = "NOT_FOUND" if error.detail == "Not Found" else error.detail
            return JSONResponse({"message": word}, error.status_code, error.headers)
        case _:
            raise error


async def on_refused(_request: Request, error: Exception) -> Response:
    """`error_response`, in the form of Starlette's exception handlers."""
    return error_response(error)


# Ten images of the largest size that the vendor takes; and without files, far more than a campaign needs.
_MAX_BYTES_WITH_FILES = 256 << 20
_MAX_BYTES = 16 << 20


class BodyLimit:
    """ASGI middleware: 413 for a body that is too large, before reading it if its length is declared."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Request(scope).headers
        with_files = headers.get("content-type", "").lower().startswith("multipart/form-data")
        limit = _MAX_BYTES_WITH_FILES if with_files else _MAX_BYTES
        # The server has checked already that it is a number.
        if int(headers.get("content-length", "0")) > limit:
            refused = JSONResponse({"message": "PAYLOAD_TOO_LARGE"}, 413, {"connection": "close"})
            await refused(scope, receive, send)
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
