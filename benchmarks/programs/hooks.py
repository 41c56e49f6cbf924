"""What hears the vendor's calls, and who makes them: two processes, so that neither measures the other. Prints JSON.

`serve KIND` prints its port, answers until its standard input ends, and prints what it took; `KIND` is `ours`, or
`bare` for an application that answers 404 to everything. `call PORT RATE SECONDS` makes so many calls a second: of
ten, one is to a sound address, the others are forged.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pipeline.purchases import PurchaseId
from pipeline.webhooks.addresses import Addresses
from pipeline.webhooks.listener import Listener
from pipeline.webhooks.receipt import ReceiptInbox
from pipeline.webhooks.receiver import Receiver, hooks_application

_ADDRESSES = Addresses(secret=b"known to both processes")
_PURCHASES = 1000
# Seconds before a call that was turned away is made again.
_PAUSE = 0.05
_BODY = b'{"workflow_id": "wf-1", "status": "success"}'

Message = MutableMapping[str, Any]


async def _bare(
    _scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _serve(kind: str) -> None:
    inbox = ReceiptInbox()
    application = hooks_application(Receiver(_ADDRESSES, inbox.put)) if kind == "ours" else _bare
    with Listener(application, "127.0.0.1", 0) as listener:
        print(listener.port, flush=True)
        sys.stdin.readline()  # the first calls have warmed it up
        before = _peak()
        print("ready", flush=True)
        sys.stdin.read()
        grown = _peak() - before
    print(json.dumps({"grown": grown, "receipts": len(inbox.take_all())}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _call_all(port: int, rate: float, seconds: float) -> list[tuple[float, int]]:
    begun, calls = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        purchase = PurchaseId(f"{number % _PURCHASES:016x}")
        sound = _ADDRESSES.of(purchase)
        path = sound if number % 10 == 0 else f"{sound[:-8]}deadbeef"
        calls.append(asyncio.create_task(_call(port, path)))
    return list(await asyncio.gather(*calls))


async def _call(port: int, path: str) -> tuple[float, int]:
    """Seconds from the call to its answer, and its status.

    A call that is turned away, as too many connections are open, is made again.
    """
    begun = time.monotonic()
    while not (answer := await _answer(port, path)):
        await asyncio.sleep(_PAUSE)
    return time.monotonic() - begun, int(answer.split()[1])


async def _answer(port: int, path: str) -> bytes:
    """The first line of the answer; empty where the connection was closed instead."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            writer.write(head.encode() + _BODY)
            return await reader.readline()
    except ConnectionError:
        return b""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["serve", "call"])
    parser.add_argument("rest", nargs="+")
    given = parser.parse_args()
    if given.what == "serve":
        _serve(given.rest[0])
        return
    port, rate, seconds = int(given.rest[0]), float(given.rest[1]), float(given.rest[2])
    answers = asyncio.run(_call_all(port, rate, seconds))
    print(
        json.dumps(
            {"seconds": sorted(took for took, _ in answers), "statuses": [each for _, each in answers]}
        )
    )


if __name__ == "__main__":
    main()
