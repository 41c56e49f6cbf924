"""What every endpoint asks of a request: its key, its body, the address it was sent to; and how it is refused."""

import hmac

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.emulator.create_fields import InvalidField
from pipeline.emulator.json_input import parse_json
from pipeline.jobs import Json


def check_key(request: Request, key: str | None) -> None:
    """Check that the request carries `key`; where that is None, that it carries any.

    Raises:
        HTTPException: 401.
    """
    given = request.headers.get("x-api-key", "")
    if not given or (key is not None and not hmac.compare_digest(given.encode(), key.encode())):
        raise HTTPException(401, "UNAUTHORIZED")


def base_url(request: Request) -> str:
    """The address under which the emulator was reached, without a slash at the end."""
    return str(request.base_url).rstrip("/")


async def read_json(request: Request) -> Json:
    """The body as JSON; None where it is none, or none that can be kept."""
    try:
        return parse_json(await request.body())
    except ValueError:
        return None


def refusal(error: Exception) -> Response:
    """The response to a request that is refused, in the vendor's shape."""
    match error:
        case InvalidField():
            return JSONResponse({"detail": error.detail}, 422)
        case HTTPException():
            # Starlette's own words for a path that it does not know.
            word = "NOT_FOUND" if error.detail == "Not Found" else error.detail
            return JSONResponse({"message": word}, error.status_code, error.headers)
        case _:
            raise error


async def on_refused(_request: Request, error: Exception) -> Response:
    """`refusal`, in the form of Starlette's exception handlers."""
    return refusal(error)
