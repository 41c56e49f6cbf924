"""Who may use the admin endpoints: over a raw connection, with the headers that a browser would send."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send
from support.loops import run

from emulator.calls import KEY
from pipeline.emulator.admin import AdminGuard
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings

ENDPOINTS = [
    ("GET", "ledger"),
    ("GET", "state"),
    ("POST", "faults"),
    ("DELETE", "faults"),
    ("POST", "settings"),
    ("GET", "nothing-of-this-name"),
]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(EmulatorSettings(tmp_path, duration=0, key="the-key")) as emulator:
        yield emulator


def status_of(emulator: Emulator, method: str, path: str, *headers: str) -> int:
    """The status of a request with exactly these headers."""
    address = urlsplit(emulator.url)
    head = "\r\n".join([f"{method} /_emulator/{path} HTTP/1.1", *headers, "Content-Length: 2", "", "[]"])
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
        connection.sendall(head.encode())
        return int(connection.recv(100).split()[1])


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize("key", ["", "X-Api-Key: another", "X-Api-Key: the-key2", "X-Api-Key:"])
def test_every_endpoint_requires_the_key(strict: Emulator, method: str, path: str, key: str) -> None:
    strict.fail({"on": "create", "do": "html"})

    assert status_of(strict, method, path, "Host: 127.0.0.1", *([key] if key else [])) == 401

    assert len(strict.faults.counts()) == 1


def test_any_key_but_not_a_missing_one_is_accepted_if_none_is_set(emulator: Emulator) -> None:
    assert status_of(emulator, "GET", "state", "Host: localhost", "X-Api-Key: any") == 200
    assert status_of(emulator, "GET", "state", "Host: localhost") == 401


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.localhost.example",
        "127.0.0.1@evil.example",
        "[::1].evil.example",
        "[evil.example]",
        "127.1",
        "",
        "a b",
        "localhost:99999999",
        "[::1",
    ],
)
def test_rebound_dns_name_is_rejected(strict: Emulator, method: str, path: str, host: str) -> None:
    strict.fail({"on": "create", "do": "html"})

    assert status_of(strict, method, path, f"Host: {host}", "X-Api-Key: the-key") in (400, 403)

    assert len(strict.faults.counts()) == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost", "LocalHost:8765", "[::1]:80", "192.168.0.7"]
)
def test_local_names_and_addresses_are_accepted(strict: Emulator, host: str) -> None:
    assert status_of(strict, "GET", "state", f"Host: {host}", "X-Api-Key: the-key") == 200


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Origin: https://127.0.0.1:8765",
        "Origin: http://localhost:8765",
        "Origin:",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
def test_request_from_another_site_is_rejected(strict: Emulator, method: str, path: str, header: str) -> None:
    strict.fail({"on": "create", "do": "html"})

    assert status_of(strict, method, path, "Host: 127.0.0.1:8765", "X-Api-Key: the-key", header) == 403

    assert len(strict.faults.counts()) == 1


def test_own_origin_is_accepted(strict: Emulator) -> None:
    own = ["Host: 127.0.0.1:8765", "Origin: http://127.0.0.1:8765", "Sec-Fetch-Site: same-origin"]

    assert status_of(strict, "GET", "state", *own, "X-Api-Key: the-key") == 200


def test_rejection_gives_a_reason(strict: Emulator) -> None:
    headers = {**KEY, "Host": "evil.example"}

    answer = requests.get(f"{strict.url}/_emulator/state", headers=headers, timeout=10)

    assert answer.status_code == 403
    assert answer.json()["message"].startswith("FORBIDDEN: the admin endpoints answer only to localhost")


@pytest.mark.parametrize(("host", "statuses"), [("emulator.test:8765", [200]), ("other.test", [])])
def test_name_it_listens_on_is_accepted(host: str, statuses: list[int]) -> None:
    sent: list[int] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        sent.append(200)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        return

    headers = [(b"host", host.encode()), (b"x-api-key", b"k")]
    scope = {"type": "http", "scheme": "http", "headers": headers}
    with suppress(HTTPException):
        run(AdminGuard(app, None, "Emulator.test")(scope, receive, send))

    assert sent == statuses
