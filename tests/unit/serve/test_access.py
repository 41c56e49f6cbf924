"""Access: the token, the host and the origin; and where a server may listen."""

import socket
from pathlib import Path

import pytest
from starlette.requests import Request
from support.protection import fails_without

from pipeline.errors import UsageError
from pipeline.serve.access import Access, ListenAddress, access_for, listen_address, read_token

TOKEN = "t" * 20
HERE = Access(token=TOKEN, names=frozenset({"localhost", "127.0.0.1", "::1"}), is_open=False)
OPEN = Access(token=TOKEN, names=frozenset({"localhost", "studio"}), is_open=True)


def request(path: str = "/data", query: str = "", **headers: str) -> Request:
    named = {"host": "localhost:8765", "cookie": f"pipeline-8765={TOKEN}", **headers}
    return Request(
        {
            "type": "http",
            "scheme": "http",
            "method": "GET",
            "path": path,
            "query_string": query.encode(),
            "server": ("127.0.0.1", 8765),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
    )


@fails_without("pipeline.serve.access:Access.why_refused", "if not self._is_own(host):")
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", "", "[::2]:8765", "10.0.0.1:8765"]
)
def test_foreign_host_is_rejected(host: str) -> None:
    asked = request(host=host, cookie=f"pipeline-8765={TOKEN}; pipeline-80={TOKEN}")

    assert HERE.why_refused(asked) == "this server does not have that name"


@pytest.mark.parametrize("host", ["localhost:8765", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST:8765"])
def test_own_hosts_are_accepted(host: str) -> None:
    assert HERE.why_refused(request(host=host)) is None


def test_beyond_loopback_any_address_is_accepted_but_names_must_be_known() -> None:
    assert OPEN.why_refused(request(host="192.168.1.4:8765")) is None
    assert OPEN.why_refused(request(host="studio:8765")) is None
    assert OPEN.why_refused(request(host="evil.example:8765")) is not None


@fails_without("pipeline.serve.access:Access.why_refused", "if any((origin.lower() != own")
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "https://localhost:8765", "http://localhost", "http://localhost:1"],
)
def test_other_origin_is_rejected(origin: str) -> None:
    assert HERE.why_refused(request(origin=origin)) == "this server does not answer to other sites"
    assert HERE.why_refused(request(origin="http://localhost:8765")) is None


@fails_without("pipeline.serve.access:Access.why_refused", "if not self._has_token(request):")
@pytest.mark.parametrize(
    "cookie", ["", "pipeline-8765=", "pipeline-8765=x", "pipeline-8766=" + TOKEN, "pipeline-8765=é"]
)
def test_nothing_is_served_without_the_token(cookie: str) -> None:
    assert HERE.why_refused(request(cookie=cookie)) is not None
    # Only the address of the page may have the token in it.
    assert HERE.why_refused(request("/", f"token={TOKEN}", cookie=cookie)) is None
    assert HERE.why_refused(request("/data", f"token={TOKEN}", cookie=cookie)) is not None
    assert HERE.why_refused(request("/", "token=wrong", cookie=cookie)) is not None


@fails_without("pipeline.serve.access:access_for", "if not address.is_loopback and token_file is None:")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "studio"])
def test_listening_beyond_loopback_requires_a_token_file(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--token-file"):
        access_for(ListenAddress(host=host), None)

    access = access_for(ListenAddress(host=host), tmp_path / "token")
    assert access.token == (tmp_path / "token").read_text().strip()
    assert access.is_open


def test_token_file_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "token"

    token = read_token(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read_token(path) == token
    assert len(token) >= 32


@fails_without("pipeline.serve.access:read_token", "if stat.S_IMODE(status.st_mode)")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_token_file_readable_by_others_is_rejected(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(mode)

    with pytest.raises(UsageError, match="chmod 600"):
        read_token(path)


@pytest.mark.parametrize("content", ["", "short", "with spaces in it and so on", "é" * 20, "x" * 600])
def test_token_file_without_a_valid_token_is_rejected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(UsageError, match="token"):
        read_token(path)


@pytest.mark.parametrize(
    ("text", "host", "port", "is_loopback"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("localhost", "localhost", 8765, True),
        (":9000", "127.0.0.1", 9000, True),
        ("[::1]:0", "::1", 0, True),
        ("0.0.0.0", "0.0.0.0", 8765, False),
        ("[::]:80", "::", 80, False),
        ("studio:80", "studio", 80, False),
    ],
)
def test_listen_address_is_parsed(text: str, host: str, port: int, is_loopback: bool) -> None:
    address = listen_address(text)

    assert (address.host, address.port, address.is_loopback) == (host, port, is_loopback)


@pytest.mark.parametrize(
    "text", ["", " ", "a b", "http://localhost:80", "::1", "localhost:70000", "a:b", "a@b:1", "999"]
)
def test_invalid_listen_address_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"):
        listen_address(text)


@pytest.mark.parametrize(("text", "here"), [("0.0.0.0:80", "127.0.0.1"), ("[::]:80", "::1")])
def test_others_are_told_what_to_put_in_the_place_of_this_machines_address(text: str, here: str) -> None:
    told = listen_address(text).for_others

    assert told.endswith(f" in the place of {here}.")
    assert socket.gethostname() in told


@pytest.mark.parametrize("text", ["127.0.0.1:80", "render-1:80", "192.0.2.7:80"])
def test_address_that_is_the_same_for_others_needs_no_word(text: str) -> None:
    assert listen_address(text).for_others == ""
