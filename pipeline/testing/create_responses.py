"""Responses to a create: readable ones, after which it is bought, and those that leave open whether it was."""

import gzip
from collections.abc import Callable

from pipeline.testing.lab import ID, Lab
from pipeline.testing.server import Connection, head_of
from pipeline.testing.vendor import Refusal, Reply

Act = Callable[[Lab, Connection], None]

_ENDLESS = 64 << 20


def _sound(lab: Lab) -> Reply:
    return lab.vendor.created(ID)


def _raw(lab: Lab, *headers: tuple[str, str], body: bytes | None = None) -> bytes:
    """The response to a create, with these headers instead of its length."""
    reply = _sound(lab)
    return head_of(reply, *headers) + (reply.body if body is None else body)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def _chunked(lab: Lab, connection: Connection) -> None:
    body = _sound(lab).body
    chunks = _chunk(body[:3]) + _chunk(body[3:]) + b"0\r\n\r\n"
    connection.send(_raw(lab, ("Transfer-Encoding", "chunked"), body=chunks))


def _without_length(lab: Lab, connection: Connection) -> None:
    connection.send(_raw(lab, ("Connection", "close")))
    connection.close()


def _early_hint(lab: Lab, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
    connection.answer(_sound(lab))


def _gzipped(lab: Lab, connection: Connection) -> None:
    reply = _sound(lab)
    packed = Reply(reply.status, gzip.compress(reply.body), (*reply.headers, ("Content-Encoding", "gzip")))
    connection.answer(packed)


# A readable response counts, however it was sent.
READABLE: dict[str, Act] = {
    "in chunks": _chunked,
    "without a length": _without_length,
    "after an early hint": _early_hint,
    "compressed unasked": _gzipped,
}


def _cut(lab: Lab, connection: Connection) -> None:
    connection.send(_raw(lab, ("Content-Length", str(len(_sound(lab).body) + 10))))
    connection.close()


def _cut_chunk(lab: Lab, connection: Connection) -> None:
    connection.send(_raw(lab, ("Transfer-Encoding", "chunked"), body=b"ffff\r\n" + _sound(lab).body))
    connection.close()


def _endless(lab: Lab, connection: Connection) -> None:
    connection.send(_raw(lab, ("Content-Length", str(_ENDLESS)), body=b""))
    for _ in range(_ENDLESS >> 16):
        connection.send(b" " * (1 << 16))


def _bomb(lab: Lab, connection: Connection) -> None:
    packed = gzip.compress(b" " * _ENDLESS)
    connection.answer(Reply(200, packed, (*_sound(lab).headers, ("Content-Encoding", "gzip"))))


def _drip(_lab: Lab, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.stall()


def _answers(status: int, body: bytes = b"<h1>x</h1>", *headers: tuple[str, str]) -> Act:
    return lambda _lab, connection: connection.answer(Reply(status, body, headers))


def _sends(data: bytes) -> Act:
    def act(_lab: Lab, connection: Connection) -> None:
        connection.send(data)
        connection.close()

    return act


# Why a vendor refuses a create.
REFUSALS = (Refusal.REQUEST, Refusal.CREDIT, Refusal.KEY, Refusal.BUSY)

# The create arrived in full, and the response leaves open whether it was bought.
UNKNOWN: dict[str, Act] = {
    "then closed": lambda _lab, connection: connection.close(),
    "then reset": lambda _lab, connection: connection.reset(),
    "then silence": lambda _lab, connection: connection.stall(),
    "then endless headers": _drip,
    "then half a status line": _sends(b"HTTP/1.1 2"),
    "then half of the headers": _sends(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "then a body cut short": _cut,
    "then a chunk cut short": _cut_chunk,
    "then something that is not HTTP": _sends(b"SSH-2.0-kit\r\n"),
    "then an endless answer": _endless,
    "then an answer that decompresses endlessly": _bomb,
    "then an empty answer": _answers(200, b""),
    "then an HTML page": _answers(200, b"<html>welcome</html>", ("Content-Type", "text/html")),
    "then an id that is a path": lambda lab, connection: connection.answer(lab.vendor.created("../x")),
    "then a redirect": lambda lab, connection: connection.answer(
        Reply(307, b"", (("Location", f"{lab.url}/elsewhere"),))
    ),
    "then a redirect that would make it a GET": _answers(303, b"", ("Location", "/elsewhere")),
    "then HTTP 408": _answers(408),
    "then HTTP 409": _answers(409),
    "then HTTP 500": _answers(500),
    "then HTTP 502": _answers(502),
    "then HTTP 503 with Retry-After": _answers(503, b"", ("Retry-After", "0")),
    "then HTTP 504": _answers(504),
}


# Statuses that leave open whether a create was accepted, unless the vendor refuses with them by its description.
_OPEN_STATUSES = (408, 409, 500, 502, 503, 504)


def _with_status(reply: Reply, status: int) -> Reply:
    return Reply(status, reply.body, reply.headers)


def _in_its_own_form(status: int) -> Act:
    """The body with which the vendor refuses a request, with another status."""

    def act(lab: Lab, connection: Connection) -> None:
        connection.answer(_with_status(lab.vendor.refused(Refusal.REQUEST), status))

    return act


def _without_id(status: int) -> Act:
    return lambda lab, connection: connection.answer(Reply(status, b"{}", _sound(lab).headers))


def _empty_id(status: int) -> Act:
    return lambda lab, connection: connection.answer(_with_status(lab.vendor.created(""), status))


def _cut_refusal(why: Refusal) -> Act:
    def act(lab: Lab, connection: Connection) -> None:
        reply = lab.vendor.refused(why)
        connection.send(head_of(reply, ("Content-Length", str(len(reply.body) + 10))) + reply.body)
        connection.close()

    return act


# As above, in the form of the vendor's own responses. The status of each decides whether its check applies.
UNKNOWN_IN_ITS_FORM: dict[str, tuple[Act, int | None]] = {
    **{
        f"then HTTP {status} with a body of the vendor's form": (_in_its_own_form(status), status)
        for status in _OPEN_STATUSES
    },
    **{
        f"then HTTP {status} with a refusal as its body": (_in_its_own_form(status), status)
        for status in (200, 201)
    },
    **{
        f"then HTTP {status} with an object without an id": (_without_id(status), None)
        for status in (200, 201)
    },
    **{f"then HTTP {status} with an empty id": (_empty_id(status), None) for status in (200, 201)},
    **{f"then a refusal cut short ({why})": (_cut_refusal(why), None) for why in REFUSALS},
}
