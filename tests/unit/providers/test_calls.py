"""The calls that may be repeated: what they send, how they read an answer, and what they raise."""

import gzip
import json
import logging
import pickle
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import AccountError, BuyingStopped, PipelineError
from pipeline.jobs import LocalFile, Visibility
from pipeline.json_values import Json
from pipeline.providers.api_settings import Settings
from pipeline.providers.base import (
    Bought,
    CallRefused,
    Changes,
    NotFound,
    Progress,
    Provider,
    UnusableAnswer,
    VendorError,
)
from pipeline.providers.vimmerse import Vimmerse
from pipeline.purchases import WorkflowId
from providers.create_requests import KEY, PNG, a_client, a_request, an_attachment
from providers.raw_server import Certificate, Peer, Play, raw_server


def answering(status: int, told: Json = None, *headers: str) -> Play:
    def play(peer: Peer) -> None:
        while True:
            peer.read()
            peer.answer(status, json.dumps(told).encode(), *headers)

    return play


WORKFLOW: Json = {"data": {"id": "wf-1", "processing_status": "processing"}}


def test_get_reads_the_workflow_with_the_key_over_one_connection() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        client = a_client(server.url)
        assert client.get(WorkflowId("wf-1")).progress is Progress.RUNNING
        client.get(WorkflowId("wf-1"))
    assert [(each.method, each.path) for each in server.received] == [("GET", "/workflow/wf-1")] * 2
    assert server.received[0].headers["x-api-key"] == KEY
    assert server.connections == 1


def test_id_may_be_an_integer() -> None:
    with raw_server(answering(200, {"data": {"id": 12345, "processing_status": "success"}})) as server:
        client = a_client(server.url)
        assert client.create(a_request()) == Bought(WorkflowId("12345"))
        assert client.get(WorkflowId("12345")).progress is Progress.SUCCEEDED
        with pytest.raises(VendorError, match="another workflow"):
            client.get(WorkflowId("1234"))
    assert server.received[1].path == "/workflow/12345"


def test_calls_use_neither_netrc_nor_cookies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with raw_server(answering(200, WORKFLOW, "Set-Cookie: seen=1")) as server:
        client = a_client(server.url)
        client.create(a_request())
        client.get(WorkflowId("wf-1"))
        client.get(WorkflowId("wf-1"))
    assert len(server.received) == 3
    for each in server.received:
        assert not {"authorization", "cookie"} & set(each.headers)


def test_v2_has_its_own_paths() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        client = Vimmerse(Settings(KEY, server.url, api="v2"))
        client.get(WorkflowId("wf-1"))
        client.delete(WorkflowId("wf-1"))
        client.templates()
    assert [f"{each.method} {each.path}" for each in server.received] == [
        "GET /v2/workflow/wf-1",
        "DELETE /v2/workflow/wf-1",
        "GET /v2/workflow/templates?detail=true",
    ]


def test_base_url_may_have_a_path() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        a_client(f"{server.url}/vendor/").get(WorkflowId("wf-1"))
    assert server.received[0].path == "/vendor/workflow/wf-1"


def test_health_check_is_sent_without_the_key() -> None:
    with raw_server(answering(200, "fine")) as server:
        a_client(server.url).health()
    assert "x-api-key" not in server.received[0].headers


def test_update_sends_only_changes() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        a_client(server.url).update(
            WorkflowId("wf-1"), Changes(title="é", visibility=Visibility.PUBLIC, rating=5)
        )
    request = server.received[0]
    assert request.method == "PUT"
    assert json.loads(request.body) == {"title": "é", "visibility_status": "2", "rating": "5"}


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b""), (202, b""), (204, b""), (200, b"{}"), (200, b'{"data": null}'), (200, b"OK")],
)
def test_update_that_is_answered_without_a_workflow_is_confirmed_by_a_get(status: int, body: bytes) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.answer(status, body)
        answering(200, WORKFLOW)(peer)

    with raw_server(play) as server:
        updated = a_client(server.url).update(WorkflowId("wf-1"), Changes(title="new"))
    assert updated.id == "wf-1"
    assert [each.method for each in server.received] == ["PUT", "GET"]


def test_error_report_has_the_message_and_its_context() -> None:
    with raw_server(answering(200, {"data": {}})) as server:
        a_client(server.url).report_error("it broke", {"workflow": "wf-1"})
    assert server.received[0].path == "/workflow/error-log"
    assert json.loads(server.received[0].body) == {
        "error_message": "it broke",
        "context": {"workflow": "wf-1"},
    }


def test_delete_treats_not_found_as_deleted() -> None:
    with raw_server(answering(404, {"message": "NOT_FOUND"})) as server:
        a_client(server.url).delete(WorkflowId("wf-1"))
    assert server.received[0].method == "DELETE"


def test_answer_without_a_body_is_complete_while_the_connection_stays_open() -> None:
    def answer(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        peer.stall()

    with raw_server(answer) as server:
        a_client(server.url).delete(WorkflowId("wf-1"))
    assert len(server.received) == 1


def test_connection_whose_end_ended_an_answer_is_not_used_again(certificate: Certificate) -> None:
    def answer(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(WORKFLOW).encode())
        assert isinstance(peer.socket, ssl.SSLSocket)
        peer.socket.unwrap()  # waits until the client ends TLS too

    with raw_server(answer, certificate) as server:
        client = a_client(server.url, ca_bundle=str(certificate.path))
        for _ in range(2):
            client.get(WorkflowId("wf-1"))
    assert server.connections == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, CallRefused),
        (401, AccountError),
        (402, BuyingStopped),
        (403, AccountError),
        (404, NotFound),
        (410, NotFound),
        (422, CallRefused),
        (302, VendorError),
        (409, VendorError),
        (429, VendorError),
        (500, VendorError),
        (503, VendorError),
    ],
)
def test_status_raises_its_error_with_the_vendor_message(status: int, error: type[PipelineError]) -> None:
    with raw_server(answering(status, {"message": "so \x1b[0m"})) as server:
        with pytest.raises(error, match=rf"GET /workflow/wf-1: HTTP {status}, so \\x1b") as raised:
            a_client(server.url).get(WorkflowId("wf-1"))
        assert type(raised.value) is error


def test_vendor_may_request_a_delay() -> None:
    with raw_server(answering(503, None, "Retry-After: 7")) as server, pytest.raises(VendorError) as raised:
        a_client(server.url).get(WorkflowId("wf-1"))
    assert raised.value.after == 7


def test_redirect_of_a_get_is_not_followed() -> None:
    with raw_server(answering(200, WORKFLOW)) as other:
        elsewhere = answering(302, None, f"Location: {other.url}/workflow/wf-1")
        with raw_server(elsewhere) as server, pytest.raises(VendorError, match="redirected"):
            a_client(server.url).get(WorkflowId("wf-1"))
        assert other.connections == 0


UNSOUND: dict[str, bytes] = {
    "no JSON": b"<html>",
    "an array": b"[]",
    "no workflow": b'{"data": []}',
    "another workflow": b'{"data": {"id": "wf-2"}}',
    "10 MB": b'{"data": {"id": "wf-1", "x": "' + b"x" * (10 << 20) + b'"}}',
    "deep": b"[" * 200_000,
}


@pytest.mark.parametrize("body", UNSOUND)
def test_malformed_response_to_a_get_is_a_temporary_error(body: str) -> None:
    def play(peer: Peer) -> None:
        peer.read()
        peer.answer(200, UNSOUND[body])

    with raw_server(play) as server, pytest.raises(UnusableAnswer):
        a_client(server.url).get(WorkflowId("wf-1"))


def test_workflow_with_a_text_that_is_no_utf8_is_read() -> None:
    told = b'{"data": {"id": "wf-1", "processing_status": "success", "title": "caf\xc3"}}'

    def play(peer: Peer) -> None:
        peer.read()
        peer.answer(200, told)

    with raw_server(play) as server:
        workflow = a_client(server.url).get(WorkflowId("wf-1"))
    assert (workflow.progress, workflow.title) == (Progress.SUCCEEDED, "caf?")


def test_unrequested_compression_is_decoded_within_the_size_limit() -> None:
    def play(peer: Peer) -> None:
        assert peer.read().headers["accept-encoding"] == "identity"
        peer.answer(200, gzip.compress(json.dumps(WORKFLOW).encode()), "Content-Encoding: gzip")
        peer.read()
        peer.answer(200, gzip.compress(bytes(100 << 20)), "Content-Encoding: gzip")

    with raw_server(play) as server:
        client = a_client(server.url)
        assert client.get(WorkflowId("wf-1")).status == "processing"
        with pytest.raises(VendorError, match="too long"):
            client.get(WorkflowId("wf-1"))


@fails_without("pipeline.providers.vimmerse:Vimmerse._path_of", "if not is_workflow_id(workflow_id")
@pytest.mark.parametrize("workflow_id", ["../health", "..", "", "a/b", "a?b", "a\nb", "x" * 129])
def test_unsafe_workflow_id_is_never_requested(workflow_id: str) -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        client = a_client(server.url)
        with pytest.raises(NotFound):
            client.get(WorkflowId(workflow_id))
        client.delete(WorkflowId(workflow_id))
    assert server.connections == 0


def test_client_is_picklable_and_implements_the_provider_protocol() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        client: Provider = a_client(server.url)
        client.get(WorkflowId("wf-1"))
        copy = pickle.loads(pickle.dumps(client))
        assert copy.get("wf-1").id == "wf-1"


def test_client_is_thread_safe() -> None:
    with raw_server(answering(200, WORKFLOW)) as server:
        client = a_client(server.url)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(client.get, ["wf-1"] * 100))
    assert len(found) == 100
    assert server.connections <= 8


UPLOADED: Json = {"data": {"id": "i", "results": ["https://cdn.example.com/up.png"]}}


def test_local_images_are_sent_in_a_v1_create_without_upload() -> None:
    with raw_server(answering(200, UPLOADED)) as server:
        request = a_request(images=(an_attachment(),))
        assert a_client(server.url).prepare(request).images == request.images
    assert server.connections == 0


def test_mixed_images_become_urls_in_order() -> None:
    with raw_server(answering(200, UPLOADED)) as server:
        request = a_request(images=("https://cdn.example.com/1.png", an_attachment(path="../../etc/passwd")))
        prepared = a_client(server.url).prepare(request)
    assert prepared.images == ("https://cdn.example.com/1.png", "https://cdn.example.com/up.png")
    upload = server.received[0]
    assert upload.path == "/image"
    assert b'name="image_file"; filename="image-1.png"' in upload.body
    assert PNG in upload.body
    assert b"passwd" not in upload.body


@pytest.mark.parametrize(
    "told",
    ["https://cdn.example.com/up.png", " https://cdn.example.com/up.png\n", "//cdn.example.com/up.png"],
)
def test_v2_uploads_every_image(told: str) -> None:
    with raw_server(answering(200, {"data": {"id": "i", "results": [told]}})) as server:
        client = Vimmerse(Settings(KEY, server.url, api="v2"))
        prepared = client.prepare(a_request(images=(an_attachment(),)))
    assert prepared.images == ("https://cdn.example.com/up.png",)


def test_file_in_the_options_becomes_its_url_at_any_depth() -> None:
    image = an_attachment()
    with raw_server(answering(200, UPLOADED)) as server:
        request = a_request(
            options={"product_image": image.file, "more": [{"deep": image.file}]},
            attached={image.file.sha256: image},
        )
        prepared = a_client(server.url).prepare(request)
    url = "https://cdn.example.com/up.png"
    assert prepared.options == {"product_image": url, "more": [{"deep": url}]}
    assert prepared.attached == {}
    assert len(server.received) == 1


def test_file_without_its_bytes_is_rejected_before_sending() -> None:
    with pytest.raises(CallRefused, match=r"gone\.png"):
        a_client("http://127.0.0.1:9").prepare(a_request(options={"x": LocalFile("gone.png", "0" * 64)}))


def test_same_bytes_are_uploaded_once_by_any_number_of_threads() -> None:
    with raw_server(answering(200, UPLOADED)) as server:
        client = a_client(server.url)
        request = a_request(images=("https://cdn.example.com/1.png", an_attachment()))
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(client.prepare, [request] * 20))
    assert len(server.received) == 1


def test_upload_is_retried_after_the_requested_delay() -> None:
    failures = iter([503, 503])
    waits: list[float] = []

    def play(peer: Peer) -> None:
        while True:
            peer.read()
            status = next(failures, 200)
            peer.answer(status, json.dumps(UPLOADED).encode(), "Retry-After: 3")

    with raw_server(play) as server:
        client = Vimmerse(Settings(KEY, server.url), pause=waits.append)
        client.prepare(a_request(images=("https://cdn.example.com/1.png", an_attachment())))
    assert waits == [3.0, 3.0]
    assert len(server.received) == 3


def test_upload_with_a_long_requested_delay_is_left_to_the_run() -> None:
    with raw_server(answering(429, None, "Retry-After: 120")) as server, pytest.raises(VendorError) as raised:
        a_client(server.url).prepare(a_request(images=("https://cdn.example.com/1.png", an_attachment())))
    assert raised.value.after == 120
    assert len(server.received) == 1


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (402, 1), (401, 1), (500, 4)])
def test_upload_gives_up_immediately_on_a_permanent_error(status: int, tries: int) -> None:
    with raw_server(answering(status, {})) as server, pytest.raises(PipelineError):
        a_client(server.url).prepare(a_request(images=("https://cdn.example.com/1.png", an_attachment())))
    assert len(server.received) == tries


@fails_without(
    "pipeline.providers.vimmerse:Vimmerse._without_key",
    "return replace(response, body",
    swap=(
        "replace(response, body=without_key(response.body, self.settings.key))",
        "response",
    ),
)
def test_client_exposes_the_key_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    def fail(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + KEY.encode() + b"\r\n\r\n{")

    echoes = (answering(status, {"message": f"not {KEY}"}) for status in (401, 422, 500, 200))
    for play in (fail, *echoes, answering(200, WORKFLOW)):
        with raw_server(play) as server:
            client = a_client(server.url, timeout=0.5)
            texts += [repr(client), repr(client.settings), str(client.create(a_request()))]
            texts.append(repr(vars(client)))
            try:
                client.get(WorkflowId("wf-1"))
            except PipelineError as error:
                texts += [str(error), repr(error), repr(error.__cause__), repr(error.__context__)]
    for text in [*texts, *caplog.messages, caplog.text]:
        assert KEY not in text
    assert caplog.messages
