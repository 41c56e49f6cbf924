"""Calls over real HTTP: a valid address is answered immediately, and any other learns nothing."""

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from support.protection import fails_without

from pipeline.errors import UsageError
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.webhooks.addresses import Addresses
from pipeline.webhooks.listener import Listener, address_of
from pipeline.webhooks.receipt import Receipt
from pipeline.webhooks.receiver import LONGEST_BODY, Receiver, hooks_application

ADDRESSES = Addresses(secret=b"correct horse battery staple")
PURCHASE = PurchaseId("00112233445566aa")
SOUND = ADDRESSES.of(PURCHASE)
FORGED = f"/hooks/{PURCHASE}/{'0' * 64}"
NAMED = Receipt(PURCHASE, (WorkflowId("wf-1"),))
BODY = json.dumps({"workflow_id": "wf-1", "status": "success"}).encode()


class Server:
    """A receiver on this machine, and the receipts that it accepted."""

    def __init__(self, *, writes: bool) -> None:
        self.receipts: list[Receipt] = []
        self.disk_is_full = False
        self.listener = Listener(
            hooks_application(Receiver(ADDRESSES, self._take, writes=writes)), "127.0.0.1", 0
        )

    def _take(self, receipt: Receipt) -> None:
        if self.disk_is_full:
            raise OSError("no space left")
        self.receipts.append(receipt)

    def call(self, path: str, body: bytes = BODY, method: str = "POST") -> int:
        return call(self.listener.port, path, body, method)


def call(port: int, path: str, body: bytes = BODY, method: str = "POST") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        assert response.read() == b""
        return response.status
    finally:
        connection.close()


@pytest.fixture(params=[False, True], ids=["in memory", "on disk"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    made = Server(writes=request.param)
    with made.listener:
        yield made


def test_valid_address_gets_204_and_its_body_is_a_hint(server: Server) -> None:
    assert server.call(SOUND) == 204
    assert server.receipts == [NAMED]


@pytest.mark.parametrize("before", ["/campaigns", "/a/b/c", "/hooks/x"])
def test_path_prefix_is_ignored(server: Server, before: str) -> None:
    assert server.call(before + SOUND) == 204


@fails_without(
    "pipeline.webhooks.receiver:hooks_application.application",
    "if not called or",
    swap=("not called", "False"),
)
@pytest.mark.parametrize(
    "path",
    [FORGED, "/", "/hooks", "/hooks/", SOUND + "/", SOUND[:-1], SOUND.upper(), f"{SOUND}%00", "/hooks/../x"],
)
def test_any_other_address_is_not_found(server: Server, path: str) -> None:
    assert server.call(path) == 404
    assert server.receipts == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_accepted(server: Server, method: str) -> None:
    assert server.call(SOUND, method=method) == 404
    assert server.receipts == []


@pytest.mark.parametrize("body", [b"", b"not json", b"\x00" * 100, b"[" * 1000])
def test_empty_body_still_gives_a_receipt(server: Server, body: bytes) -> None:
    assert server.call(SOUND, body) == 204
    assert server.receipts == [Receipt(PURCHASE)]


@fails_without("pipeline.webhooks.receiver:_body", "if size > LONGEST_BODY")
def test_overlong_body_gives_no_hint(server: Server) -> None:
    padding = b" " * (LONGEST_BODY - len(BODY))
    assert server.call(SOUND, BODY + padding) == 204
    assert server.call(SOUND, BODY + padding + b" ") == 204

    assert server.receipts == [NAMED, Receipt(PURCHASE)]


def test_body_of_a_forged_call_is_not_awaited(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.listener.port), timeout=10) as connection:
        connection.sendall(
            f"POST {FORGED} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_caller_that_hangs_up_is_harmless(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.listener.port)) as connection:
        connection.sendall(f"POST {SOUND} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())

    assert server.call(SOUND) == 204


def test_vendor_is_asked_to_retry_if_a_receipt_cannot_be_stored(server: Server) -> None:
    server.disk_is_full = True
    assert server.call(SOUND) == 503

    server.disk_is_full = False
    assert server.call(SOUND) == 204


@pytest.mark.parametrize(
    ("knowing", "told"), [((), ["a", "b", "c"]), (("b",), ["b"]), (("a", "c"), ["a", "c"])]
)
def test_of_several_with_one_secret_those_that_know_the_purchase_are_told_or_else_all(
    knowing: tuple[str, ...], told: list[str]
) -> None:
    heard: list[str] = []

    def receiver(name: str) -> Receiver:
        known = {PURCHASE} if name in knowing else set()
        return Receiver(ADDRESSES, lambda _: heard.append(name), knows=known.__contains__)

    with Listener(hooks_application(*map(receiver, "abc")), "127.0.0.1", 0) as listener:
        assert call(listener.port, SOUND) == 204

    assert heard == told


def test_address_in_use_is_reported(server: Server) -> None:
    with (
        pytest.raises(UsageError, match="nothing can listen on"),
        Listener(hooks_application(), "127.0.0.1", server.listener.port),
    ):
        pass


def test_listen_address_may_be_only_a_port() -> None:
    assert address_of("8700") == ("127.0.0.1", 8700)
    assert address_of("0.0.0.0:80") == ("0.0.0.0", 80)
    assert address_of("[::1]:80") == ("::1", 80)


@pytest.mark.parametrize("text", ["", "host", "host:", "host:x", "1:99999", "a b:80"])
def test_invalid_listen_address_is_rejected(text: str) -> None:
    with pytest.raises(UsageError, match="--webhook-listen"):
        address_of(text)
