"""A key that a server echoes reaches nobody, however the server spells it."""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError
from pipeline.providers.api_settings import Settings
from pipeline.providers.base import Bought, Media, OutcomeUnknown
from pipeline.providers.echoed_key import message_without_key, result_without_key, without_key
from pipeline.providers.vimmerse import Vimmerse
from pipeline.purchases import WorkflowId
from providers.create_requests import a_request
from providers.raw_server import Peer, raw_server

KEY = "ab/cd+ef\"gh<'1%&="


def in_units(text: str) -> str:
    return "".join(f"\\u{ord(each):04X}" for each in text)


NAMES: dict[str, str] = {
    "/": "&sol;",
    "+": "&plus;",
    '"': "&QUOT;",
    "<": "&LT;",
    "'": "&apos;",
    "%": "&percnt;",
    "&": "&AMP;",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda key: json.dumps(key)[1:-1],
    "in JSON, as PHP escapes it": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "in JSON, by code": in_units,
    "in JSON, by code in small letters": lambda key: in_units(key).lower(),
    "in JSON inside JSON": lambda key: json.dumps(json.dumps(key)[1:-1].replace("/", "\\/"))[1:-1],
    "in JSON inside JSON, by code": lambda key: in_units(key).replace("\\", "\\\\"),
    "in a url": lambda key: quote(key, safe=""),
    "in a url, all of it": lambda key: "".join(f"%{ord(each):02x}" for each in key),
    "in a url inside a url": lambda key: quote(quote(key, safe=""), safe=""),
    "in a url inside a url, all of it": lambda key: "".join(f"%25{ord(each):02X}" for each in key),
    "in a url in JSON, by code": lambda key: quote(key, safe="").replace("%", "\\u0025"),
    "in base64": lambda key: b64encode(key.encode()).decode().rstrip("="),
    "in base64 of urls": lambda key: urlsafe_b64encode(key.encode()).decode().rstrip("="),
    "in base64, in JSON as PHP escapes it": lambda key: (
        b64encode(key.encode()).decode().rstrip("=").replace("/", "\\/")
    ),
    "in base64, in a url": lambda key: quote(b64encode(key.encode()).decode().rstrip("="), safe=""),
    "in hexadecimal": lambda key: key.encode().hex(),
    "in hexadecimal, in capitals": lambda key: key.encode().hex().upper(),
    "in HTML inside HTML": lambda key: html.escape(html.escape(key)),
    "in HTML in JSON, as Go escapes it": lambda key: html.escape(key).replace("&", "\\u0026"),
    "in HTML, by name": lambda key: "".join(NAMES.get(each, each) for each in key),
    "in HTML": html.escape,
    "in HTML, by code": lambda key: "".join(f"&#{ord(each)};" for each in key),
    "in HTML, by hexadecimal code": lambda key: "".join(f"&#x{ord(each):02X};" for each in key),
    "in HTML inside HTML, by code": lambda key: html.escape(key).replace("&", "&#38;"),
    "in HTML in JSON, its marks by code": lambda key: "".join(f"&#{ord(each)};" for each in key).translate(
        {ord(each): in_units(each) for each in "&#;"}
    ),
    "in HTML in a url": lambda key: quote(html.escape(key), safe=""),
    "in HTML in a url, by name": lambda key: quote("".join(NAMES.get(each, each) for each in key), safe=""),
    "in HTML in a url, by code": lambda key: quote("".join(f"&#{ord(each)};" for each in key), safe=""),
    "in HTML in a url, by hexadecimal code": lambda key: quote(
        "".join(f"&#x{ord(each):02x};" for each in key)
    ),
    "in HTML in a url, with the semicolon as it is": lambda key: quote(
        "".join(f"&#{ord(each)};" for each in key), safe=";"
    ),
    "in HTML in a url inside a url": lambda key: quote(quote(html.escape(html.escape(key)), safe="")),
    "in HTML in a url in HTML": lambda key: quote(html.escape(key), safe="").replace("%", "&#37;"),
    "in a url in HTML, by name": lambda key: quote(key, safe="").replace("%", "&percnt;"),
    "in base64, in HTML in a url": lambda key: quote(
        "".join(
            each if each.isalnum() else f"&#x{ord(each):x};"
            for each in b64encode(key.encode()).decode().rstrip("=")
        )
    ),
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_key_is_removed_however_it_is_spelled_and_the_rest_is_kept(spelling: str, encoding: str) -> None:
    body = f'{{"message": "é {SPELLINGS[spelling](KEY)} \\/ \\u0061", "{SPELLINGS[spelling](KEY)}": 1}}'
    assert (
        without_key(body.encode(encoding), KEY).decode(encoding)
        == '{"message": "é *** \\/ \\u0061", "***": 1}'
    )


@given(
    st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60),
    st.binary(max_size=9),
    st.binary(max_size=9),
    st.sampled_from([b64encode, urlsafe_b64encode]),
)
def test_key_among_other_bytes_in_base64_is_removed(
    key: str, before: bytes, after: bytes, encode: Callable[[bytes], bytes]
) -> None:
    told = encode(before + key.encode() + after)
    cleaned = without_key(b'"' + told + b'"', key).decode()
    assert "***" in cleaned
    assert len(cleaned) <= len(told) + 5 - len(key)


def test_bytes_in_base64_that_are_not_the_key_stay_as_they_are() -> None:
    told = b64encode(KEY[1:].encode() * 100 + KEY[:-1].encode() * 100)
    assert without_key(told, KEY) == told


@pytest.mark.parametrize(
    ("told", "cleaned"),
    [
        ("the key 'ab/c' is bad", "the key '***' is bad"),
        ("bad: ab/c.", "bad: ***."),
        ("ab/c", "***"),
        ("key=ab%2fc&x", "key=***&x"),
        ("\\u0061b\\/c, \\u0022", "***, \\u0022"),
        (
            "wf-ab/c ab/cd ab/c-1 ab/c_1 1ab/c ab/c.mp4 v.ab/c",
            "wf-ab/c ab/cd ab/c-1 ab/c_1 1ab/c ab/c.mp4 v.ab/c",
        ),
    ],
)
def test_short_key_is_removed_from_a_message_where_it_stands_alone(told: str, cleaned: str) -> None:
    assert message_without_key(told, "ab/c") == cleaned


@pytest.mark.parametrize("key", ["", "a", "key"])
def test_key_that_is_as_short_as_any_word_stays(key: str) -> None:
    assert message_without_key("a key is a key", key) == "a key is a key"


def test_short_key_that_is_a_workflow_id_stays_in_results() -> None:
    assert result_without_key(Bought(WorkflowId("wf-1")), "wf-1") == Bought(WorkflowId("wf-1"))
    assert result_without_key(OutcomeUnknown("no wf-1", '{"id": "wf-12", "key": "wf-1"}'), "wf-1") == (
        OutcomeUnknown("no ***", '{"id": "wf-12", "key": "***"}')
    )


@pytest.mark.parametrize(
    "key", ["\\" * 8, "\\" * 40 + "a", "ab" + "\\" * 12 + "cd", "a\\" * 8, "\\u\\u\\u\\u"]
)
def test_key_with_backslashes_is_removed_from_any_depth_of_json_without_backtracking(key: str) -> None:
    """A body of many backslashes ends too: trying each way to divide them among those of the key would not."""
    for spelled in (key, in_units(key), in_units(key).replace("\\", "\\\\")):
        assert without_key(f"<{spelled}>".encode(), key) == b"<***>"
    told = key
    for _ in range(3):
        told = json.dumps(told)[1:-1]
        assert without_key(f'["{told}", 1]'.encode(), key) == b'["***", 1]'

    for body in (b"\\" * 100_000, b"ab" + b"\\" * 100_000, b"\\u005c" * 20_000, b"a\\" * 50_000):
        assert len(without_key(body + b"!", key)) <= len(body) + 1


def test_key_is_removed_from_a_body_that_is_no_text_or_was_cut_off() -> None:
    assert without_key(b'\xff\0{"a": "' + KEY.encode() + b'", "b', KEY) == b'\xff\0{"a": "***", "b'


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_body_without_the_key_stays_as_it_is(body: bytes) -> None:
    assert without_key(body, KEY) == body


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=60))
def test_any_key_is_removed_from_any_json(key: str) -> None:
    for told in (json.dumps([key]), json.dumps([key]).replace("/", "\\/"), f'["{in_units(key)}"]'):
        assert json.loads(without_key(told.encode(), key)) == ["***"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("status", [200, 400, 401, 402, 404, 422, 500])
def test_key_that_is_echoed_in_escaped_form_is_in_no_result(status: int, encoding: str) -> None:
    key = "ab/cd+ef/gh12345678"
    told = f'{{"message": "key {key} bad", "detail": "{in_units(key)}"}}'.replace("/", "\\/")

    def play(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(status, told.encode(encoding))

    with raw_server(play) as server:
        client = Vimmerse(Settings(key, server.url))
        texts = [repr(client.create(a_request()))]
        with pytest.raises(PipelineError) as raised:
            client.get(WorkflowId("wf-1"))
        texts.append(str(raised.value))
    assert "***" in texts[0]
    for text in texts:
        assert "gh12345678" not in text
        assert not re.search(r"\\?u0067\\+u0068", text)


def test_workflow_whose_answer_echoes_the_key_is_read() -> None:
    key = "ab/cd+ef/gh12345678"
    shown = key.replace("/", "\\/")

    def play(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(200, f'{{"data": {{"id": "wf-1", "title": "{shown}", "error": "{shown}"}}}}'.encode())

    with raw_server(play) as server:
        client = Vimmerse(Settings(key, server.url))
        assert client.create(a_request()) == Bought(WorkflowId("wf-1"))
        workflow = client.get(WorkflowId("wf-1"))
    assert (workflow.title, workflow.error) == ("***", "***")


def test_url_of_a_file_keeps_its_query_even_if_that_has_the_key() -> None:
    key = "abcdefgh12345678"
    url = f"https://cdn.example.com/a.png?key={key}&basic={b64encode(key.encode()).decode()}"
    told = {"id": "wf-1", "error": f"{key} {url}", "result": [{"url": url, "content_type": f"image/{key}"}]}

    def play(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(200, json.dumps({"data": told}).encode())

    with raw_server(play) as server:
        workflow = Vimmerse(Settings(key, server.url)).get(WorkflowId("wf-1"))
    assert workflow.error == "*** https://cdn.example.com/a.png?key=***&basic=***=="
    assert workflow.result == (Media(url, "image/***"),)
