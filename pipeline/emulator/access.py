"""What every endpoint needs of HTTP: the key, the body, the address, and refusals in the vendor's shape."""

import hmac
import json
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.emulator.orders import Invalid
from pipeline.jobs import Json


def check_key(request: Request, key: str | None) -> None:
    """A key is there, and is `key` where that is set.

    Raises:
        HTTPException: 401.
    """
    given = request.headers.get("x-api-key", "")
    if not given or (key is not None and not hmac.compare_digest(given.encode(), key.encode())):
        raise HTTPException(401, "UNAUTHORIZED")


def base_of(request: Request) -> str:
    """The address under which the emulator was reached, without a slash at the end."""
    return str(request.base_url).rstrip("/")


async def read_json(request: Request) -> Json:
    """The body as JSON; None where it is none."""
    try:
        return cast("Json", json.loads(await request.body()))
    except (ValueError, RecursionError):
        return None


def refusal(error: Exception) -> Response:
    """The answer to a request that is refused."""
    match error:
        case Invalid():
            return JSONResponse({"detail": error.detail}, 422)
        case HTTPException():
            word = "NOT_FOUND" if error.detail == "Not Found" else error.detail
            return JSONResponse({"message": word}, error.status_code, error.headers)
        case _:
            raise error


async def refused(_request: Request, error: Exception) -> Response:
    """`refusal`, as Starlette wants its handlers of exceptions."""
    return refusal(error)
