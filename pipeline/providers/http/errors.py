"""Describes why no valid response arrived, in our own words.

The library's messages contain complete urls (a signed one is a secret) and can contain the key, so they are never
shown.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator

from urllib3.exceptions import ProxyError


class TransportError(Exception):
    """No response arrived, or not all of it. The message is safe to show."""


def reason_for(error: BaseException) -> str:
    """A short reason for `error`, from the deepest of its causes that is known."""
    causes = list(_causes(error))
    for cause in reversed(causes):
        if reason := _reason(cause):
            return f"at the proxy: {reason}" if any(map(_of_proxy, causes)) else reason
    return f"the call failed ({type(causes[-1]).__name__})"


def _of_proxy(cause: BaseException) -> bool:
    """Whether the proxy was unreachable or refused the call, so that the call never reached the vendor."""
    return isinstance(cause, ProxyError)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__ or _wrapped(current)


def _wrapped(error: BaseException) -> BaseException | None:
    """The exception in the arguments of another: the HTTP library creates some without raising them."""
    return next((each for each in error.args if isinstance(each, BaseException)), None)


def _reason(error: BaseException) -> str | None:
    match error:
        case socket.gaierror():
            return "the host's name cannot be resolved"
        case ssl.SSLCertVerificationError():
            return (
                f"the server's certificate cannot be trusted ({error.verify_message}); "
                "behind a company's proxy, set REQUESTS_CA_BUNDLE "
                "(see docs/reference/errors.md#certificates-and-proxies)"
            )
        case ssl.SSLError():
            return f"TLS failed ({error.reason or 'closed early'})"
        case ConnectionRefusedError():
            return "the connection was refused"
        case http.client.RemoteDisconnected():
            return "the connection was closed without an answer"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was reset"
        case TimeoutError():
            return "no answer in time"
        case http.client.IncompleteRead():
            return "the answer was cut off"
        case http.client.HTTPException():
            return "the answer is not valid HTTP"
        case OSError():
            return _system_reason(error)
        case _:
            return None


def _system_reason(error: OSError) -> str | None:
    refused = re.match(r"Tunnel connection failed: (\d{3})", str(error))
    if refused:
        return f"it refused to connect ({refused[1]})"
    return error.strerror if error.errno and error.strerror else None
