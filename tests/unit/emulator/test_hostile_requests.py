"""Requests that no client would send: each is refused, none stops the emulator or makes it write to stderr."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.calls import Client
from pipeline.emulator.create_fields import is_unicode, parse_json

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
URLS = '"image_urls": ["http://a.example/b.png"]'


def request(
    method: str, path: str, body: bytes | str = b"", content_type: str = "application/json", *headers: str
) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    head = [
        f"{method} {path} HTTP/1.1",
        *(headers or ["Host: 127.0.0.1"]),
        "X-Api-Key: k",
        "Connection: close",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + content


def part(disposition: str, content: str = "x") -> str:
    return f"--b\r\nContent-Disposition: {disposition}\r\n\r\n{content}\r\n--b--\r\n"


def answer_to(client: Client, raw: bytes) -> bytes:
    """Everything that comes back, whatever was sent."""
    address = urlsplit(client.url)
    answer = b""
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
        try:
            connection.sendall(raw)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            # It may refuse and close before everything is sent.
            return answer
    return answer


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


HOSTILE = {
    "no number": request("POST", "/v2/workflow", f'{{{URLS}, "options": {{"a": NaN}}}}'),
    "an infinite number": request("POST", "/v2/workflow", f'{{{URLS}, "options": {{"a": -Infinity}}}}'),
    "a number too large": request("POST", "/v2/workflow", f'{{{URLS}, "options": {{"a": 1e400}}}}'),
    "5,000 digits": request("POST", "/v2/workflow", f'{{{URLS}, "options": {{"a": {"9" * 5_000}}}}}'),
    "half a character in a title": request("POST", "/v2/workflow", f'{{{URLS}, "title": "\\ud800"}}'),
    "half a character in an option": request(
        "POST", "/workflow", 'image_urls=http://a/b&options={"prompt": "\\udfff"}', FORM
    ),
    "half a character in a key": request("POST", "/v2/workflow", f'{{{URLS}, "options": {{"\\ud800": 1}}}}'),
    "half a character in a url": request("POST", "/v2/workflow", '{"image_urls": ["http://\\ud800"]}'),
    "nested deeply": request(
        "POST", "/v2/workflow", f'{{{URLS}, "options": {{"a": {"[" * 101}{"]" * 101}}}}}'
    ),
    "nested very deeply": request("POST", "/v2/workflow", "[" * 100_000),
    "nested deeply in a form": request("POST", "/workflow", f"options={'[' * 50_000}", FORM),
    "very long": request("POST", "/v2/workflow", f'{{{URLS}, "title": "{"x" * 4 * 2**20}"}}'),
    "very long in a form": request("POST", "/workflow", f'options={{"a": "{"x" * 4 * 2**20}"}}', FORM),
    "no unicode": request("POST", "/v2/workflow", b'{"title": "\xff"}'),
    "no boundary": request("POST", "/workflow", "x", "multipart/form-data"),
    "another boundary": request("POST", "/workflow", "--c\r\n\r\nx", MULTIPART),
    "no part at all": request("POST", "/workflow", b"\xff\xfe", MULTIPART),
    "a part without a name": request("POST", "/workflow", part("form-data"), MULTIPART),
    "a part that breaks off": request("POST", "/workflow", part('form-data; name="title"')[:60], MULTIPART),
    "a charset that gives half a character": request(
        "POST",
        "/workflow",
        part('form-data; name="title"', "\\ud800"),
        f"{MULTIPART}; charset=unicode_escape",
    ),
    "a charset that fails in its own way": request(
        "POST", "/workflow", part('form-data; name="title"', "\xff\xff"), f"{MULTIPART}; charset=punycode"
    ),
    "such a charset for an image": request(
        "POST", "/image", part('form-data; name="x"', "\xff\xff"), f"{MULTIPART}; charset=punycode"
    ),
    "an image that breaks off": request(
        "POST", "/image", part('form-data; name="image_file"')[:40], MULTIPART
    ),
    "too many fields": request("POST", "/workflow", "&".join(f"a{n}=1" for n in range(2_000)), FORM),
    "a rule with half a character": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"status": 200, "body": "\\ud800"}}]'
    ),
    "a rule with a header in a header": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"status": 200, "headers": {"a": "b\\r\\nc: d"}}}]'
    ),
    "a rule with a strange header": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"headers": {"a b": "c"}}}]'
    ),
    "a redirect that is none": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"redirect": "/", "status": 99}}]'
    ),
    "a redirect with a header in it": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"redirect": "/\\r\\na: b"}}]'
    ),
    "a rule that fills the memory": request(
        "POST", "/_emulator/faults", '[{"on": "put", "do": {"resize": 1e9}}]'
    ),
    "credits that are none": request("POST", "/_emulator/settings", '{"credits": true}'),
    "credits without end": request("POST", "/_emulator/settings", f'{{"credits": {"9" * 4_000}}}'),
    "a duration that is none": request("POST", "/_emulator/settings", '{"duration": true}'),
    "a title that is no text": request("PUT", "/workflow/ID", '{"title": "\\ud800"}'),
    "a broken host": request("POST", "/workflow/", "x", FORM, "Host: [::1"),
    "a path with a zero": request("GET", "/workflow/%00"),
    "a path that climbs": request("GET", "/media/..%2f..%2fetc/passwd"),
    "a range that is none": request("GET", "MEDIA", b"", FORM, "Host: a", "Range: bytes=9-1"),
    "a range of text": request("GET", "MEDIA", b"", FORM, "Host: a", "Range: \xff"),
    "no HTTP": b"\x16\x03\x01\x02\x00\r\n\r\n",
    "a negative length": b"POST /workflow HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST /workflow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a chunk without a size": b"POST /workflow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "a header without end": b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_malformed_request_is_rejected_and_buys_nothing(
    client: Client, raw: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow = client.made()
    media = workflow["result"][0]["url"].removeprefix(client.url)
    raw = raw.replace(b"/workflow/ID", f"/workflow/{workflow['id']}".encode()).replace(
        b"MEDIA", media.encode()
    )

    answer = answer_to(client, raw)

    assert 300 <= status_of(answer) < 500, answer[:300]
    assert len(client.emulator.ledger.bought) == 1
    assert client.emulator.faults.counts() == []
    assert client.made()["processing_status"] == "success"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "headers",
    [
        f"Content-Length: {16 * 2**20 + 1}",
        f"Content-Type: application/json\r\nContent-Length: {2**50}",
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {256 * 2**20 + 1}",
    ],
)
@pytest.mark.parametrize("path", ["/workflow", "/v2/workflow", "/image", "/_emulator/faults", "/no/such"])
def test_oversized_body_is_rejected_before_it_is_read(client: Client, path: str, headers: str) -> None:
    answer = answer_to(
        client, f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: k\r\n{headers}\r\n\r\nstart".encode()
    )

    assert status_of(answer) == 413
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"message": "PAYLOAD_TOO_LARGE"}
    assert client.emulator.ledger.entries == ()


def test_body_without_length_is_cut_off_at_the_limit(client: Client) -> None:
    head = b"POST /v2/workflow HTTP/1.1\r\nHost: a\r\nX-Api-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"

    answer = answer_to(client, head + 17 * chunk)

    # If it closes before everything was sent, the system may discard the response.
    assert answer == b"" or status_of(answer) == 413
    assert client.emulator.ledger.entries == ()
    assert client.create().status_code == 200


def test_large_image_is_accepted(client: Client, picture: bytes) -> None:
    large = picture + bytes(5 * 2**20)

    [image] = client.made("vim_arctic", files=[large])["images"]

    assert len(requests.get(image, timeout=10).content) == len(large)


@pytest.mark.parametrize(
    "fault", ["no-id", "odd-id", "same-id", "wrong-size", "truncated", "short", "bad-gzip"]
)
def test_workflow_fault_on_any_other_call_does_not_break_it(client: Client, fault: str) -> None:
    url = client.made()["result"][0]["url"]
    client.emulator.fail({"on": "any", "do": fault})

    for raw in (
        request("GET", "/health"),
        request("GET", "/workflow/none"),
        request("GET", url.removeprefix(client.url)),
        request("GET", "/v2/workflow/templates"),
    ):
        assert status_of(answer_to(client, raw)) < 500


PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"--b",
            b"--b--",
            b"\x00",
            b"\xff",
            b"{",
            b"[",
            b'"',
            b"\\ud800",
            b"NaN",
            b"1e999",
        ),
        *(
            b'Content-Disposition: form-data; name="options"',
            b'; filename="',
            b"Content-Type: ",
            b"null",
            b"-1",
        ),
        *(
            b'"options":',
            b'"image_urls":',
            b'"title":',
            b"template_id=",
            b"options={",
            b"&",
            b"=",
            b"%",
            b"9" * 400,
        ),
    ]
)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(PIECES | st.binary(max_size=8), max_size=25).map(b"".join),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.recursive(st.text(max_size=9) | st.floats() | st.none(), st.lists, max_leaves=4)
            for name in (
                "title",
                "options",
                "image_urls",
                "webhook_url",
                "visibility_status",
                "delivered_at",
                "on",
                "do",
                "faults",
                "credits",
                "duration",
                "error_message",
                "context",
                "rating",
            )
        },
    ).map(lambda value: json.dumps(value).encode()),
)
PATHS = st.sampled_from(
    [
        *(
            "/workflow",
            "/v2/workflow",
            "/image",
            "/workflow/error-log",
            "/workflow/ID",
            "/v2/workflow/ID",
            "/health",
        ),
        *(
            "/_emulator/faults",
            "/_emulator/settings",
            "/_emulator/state",
            "/_emulator/ledger",
            "/media/ID/x.png",
        ),
        *("/v2/workflow/templates?detail=1", "/%ff", "/workflow/%2e%2e", "//", "/media/%00/a"),
    ]
)
TYPES = st.sampled_from(
    [FORM, MULTIPART, "application/json", "multipart/form-data", f"{MULTIPART}; charset=utf-7", "\xff/\x01"]
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
HEADERS = st.sampled_from(
    [
        "Host: a",
        "Host: [",
        "Host: \xe9",
        "Origin: x",
        "Range: bytes=",
        "Expect: 100-continue",
        "X-Api-Key: \xff",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, path=PATHS, body=BODIES, content_type=TYPES, header=HEADERS)
def test_no_request_crashes_the_emulator(
    client: Client,
    capfd: pytest.CaptureFixture[str],
    method: str,
    path: str,
    body: bytes,
    content_type: str,
    header: str,
) -> None:
    answer = answer_to(client, request(method, path, body, content_type, "Host: 127.0.0.1", header))

    # A repeated header that may occur only once is not HTTP, and what is not HTTP may get a closed connection
    # instead of an answer.
    assert answer == b"" or status_of(answer) < 500, answer[:300]
    assert requests.get(f"{client.url}/health", timeout=10).json() == {"status": "ok"}
    assert capfd.readouterr() == ("", "")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=20))
def test_parsed_json_can_be_serialised_again(value: Any) -> None:
    text = json.dumps(value)

    try:
        read = parse_json(text)
    except ValueError:
        assert not is_unicode(json.dumps(value, ensure_ascii=False))
    else:
        assert json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
        assert read == value
