"""Webhooks as a real receiver on this machine gets them."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from support.processes import until

from emulator.calls import KEY, Client
from pipeline.emulator.create_fields import fields_from_json
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.emulator.templates import TEMPLATES
from pipeline.emulator.webhook_sender import Receiver
from pipeline.emulator.workflow_store import WorkflowStore
from pipeline.json_values import Json
from pipeline.purchases import WorkflowId

TIMEOUT = 10


class Listener:
    """A receiver that keeps what it gets, and answers first with `answers`, then with 204."""

    def __init__(self, *answers: int) -> None:
        self.heard: queue.Queue[tuple[str, str, Any]] = queue.Queue()
        remaining = list(answers)
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = remaining.pop(0) if remaining else 204
                self.send_response(status)
                if status == 307:
                    self.send_header("Location", f"{listener.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                listener.heard.put((self.path, self.headers["Content-Type"], body))

            def log_request(self, code: object = None, size: object = None) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def next(self) -> Any:
        """The body of the next webhook."""
        return self.heard.get(timeout=TIMEOUT)[2]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listening = Listener()
    yield listening
    listening.close()


def webhook_outcome(emulator: Emulator, identity: str) -> str | None:
    """The outcome of a webhook, once it is known."""

    def known() -> str | None:
        workflow = emulator.store.get(identity)
        return None if workflow is None else workflow.webhook_outcome

    until(lambda: known() is not None, "what became of the webhook")
    return known()


def bought(client: Client, url: str, **fields: Any) -> str:
    answer = client.create(webhook_url=url, **fields)
    assert answer.status_code == 200, answer.text
    identity = answer.json()["data"]["id"]
    assert isinstance(identity, str)
    return identity


@pytest.mark.parametrize(
    ("fault", "status"),
    [(None, "success"), ("fail", "fail"), ("cancel", "cancel"), ("empty-result", "success")],
)
def test_webhook_is_sent_once_when_the_end_is_visible(
    client: Client, listener: Listener, fault: str | None, status: str
) -> None:
    if fault is not None:
        client.emulator.fail({"on": "create", "do": fault})

    identity = bought(client, f"{listener.url}/hook?token=a%20b")

    path, content_type, body = listener.heard.get(timeout=TIMEOUT)
    workflow = client.get(identity).json()["data"]
    assert (path, content_type) == ("/hook?token=a%20b", "application/json")
    assert body == {
        "workflow_id": identity,
        "batch_id": identity,
        "customer_id": workflow["customer_id"],
        "status": status,
    }
    assert workflow["processing_status"] == status
    assert webhook_outcome(client.emulator, identity) == "sent"
    assert listener.heard.empty()


def test_v2_sends_webhooks_too(emulator: Emulator, listener: Listener) -> None:
    fields = {
        "template_id": "vim_arctic",
        "image_urls": ["https://a.example/b.png"],
        "webhook_url": listener.url,
    }

    answer = requests.post(f"{emulator.url}/v2/workflow", json=fields, headers=KEY, timeout=10)

    assert listener.next()["workflow_id"] == answer.json()["data"]["id"]


def test_workflow_without_webhook_or_without_end_sends_nothing(client: Client, listener: Listener) -> None:
    client.made()
    client.emulator.fail({"on": "create", "nth": [1, 2], "do": "stuck"})
    client.emulator.fail({"on": "create", "nth": 2, "do": {"ends": "moderation"}})
    for _ in range(2):
        bought(client, listener.url)

    last = bought(client, listener.url)

    assert listener.next()["workflow_id"] == last
    assert webhook_outcome(client.emulator, last) == "sent"
    assert listener.heard.empty()


def test_deleted_workflow_sends_nothing(tmp_path: Path, listener: Listener) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path, duration=0))
    gone, kept = (buy(store, listener.url) for _ in range(2))
    store.wait()
    store.delete(gone)
    store.close()

    with Emulator(EmulatorSettings.tiny(tmp_path)):
        assert listener.next()["workflow_id"] == kept
    assert listener.heard.empty()


def test_webhook_is_sent_when_due_and_not_earlier(tmp_path: Path, listener: Listener) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path, duration=3600)) as emulator:
        client = Client(emulator)
        later = bought(client, listener.url)
        client.admin("settings", {"duration": 0})
        sooner = bought(client, listener.url)

        assert listener.next()["workflow_id"] == sooner
        assert webhook_outcome(emulator, sooner) == "sent"
        assert client.get(later).json()["data"]["processing_status"] == "processing"
    assert listener.heard.empty()


def test_webhook_is_retried_until_accepted(client: Client) -> None:
    listener = Listener(500, 307, 404)
    try:
        identity = bought(client, listener.url)
        heard = [listener.heard.get(timeout=TIMEOUT) for _ in range(4)]
        outcome = webhook_outcome(client.emulator, identity)
    finally:
        listener.close()

    assert {(path, body["workflow_id"]) for path, _, body in heard} == {("/", identity)}
    assert outcome == "sent"
    assert listener.heard.empty()


def test_webhook_that_is_never_accepted_is_given_up_without_delaying_others(
    client: Client, listener: Listener
) -> None:
    attempts = 1 + len(client.emulator.settings.webhook_pauses)
    refusing = Listener(*[503] * 20)
    try:
        refused = bought(client, refusing.url)
        deaf = bought(client, "http://127.0.0.1:9/")
        accepted = bought(client, listener.url)
        outcomes = [webhook_outcome(client.emulator, each) for each in (refused, deaf, accepted)]
    finally:
        refusing.close()

    assert outcomes == ["unanswered", "unanswered", "sent"]
    assert refusing.heard.qsize() == attempts


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/x",
        "http://169.254.169.254/latest",
        "http://192.168.0.1:8080/",
        "http://127.0.0.1.example.com/",
        "http://127.0.0.1@hooks.example.com/",
        "http://127.1/",
        "http://0.0.0.0/",
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nX-Injected: 1",
        "http://127.0.0.1/ü",
        "http://[::1",
        "nonsense",
        "",
    ],
)
def test_only_local_receivers_are_called(url: str) -> None:
    assert Receiver.at(url) is None


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("http://127.0.0.1:8000", Receiver("127.0.0.1", 8000, "/")),
        ("http://localhost/hook#part", Receiver("localhost", 80, "/hook")),
        ("http://127.0.0.2:1/?a=1", Receiver("127.0.0.2", 1, "/?a=1")),
        ("HTTP://[::1]:8000/x", Receiver("::1", 8000, "/x")),
    ],
)
def test_every_local_address_is_accepted(url: str, receiver: Receiver) -> None:
    assert Receiver.at(url) == receiver


def test_webhook_to_another_host_is_recorded_as_not_sent_and_the_workflow_succeeds(client: Client) -> None:
    identity = bought(client, "https://hooks.example.com/x")

    assert webhook_outcome(client.emulator, identity) == "not sent"
    [shown] = client.admin("state").json()["workflows"]
    assert (shown["status"], shown["receipt"]) == ("success", "not sent")


def test_dropped_webhook_is_never_sent(client: Client, listener: Listener) -> None:
    client.emulator.fail({"on": "webhook", "nth": 1, "do": "drop"})

    identity = bought(client, listener.url)

    assert webhook_outcome(client.emulator, identity) == "dropped"
    following = bought(client, listener.url)
    assert listener.next()["workflow_id"] == following
    assert listener.heard.empty()


def test_webhook_may_be_sent_twice(client: Client, listener: Listener) -> None:
    client.emulator.fail({"on": "webhook", "do": "twice"})

    identity = bought(client, listener.url)

    assert webhook_outcome(client.emulator, identity) == "sent"
    assert [listener.next()["workflow_id"] for _ in range(2)] == [identity, identity]
    assert listener.heard.empty()


@pytest.mark.parametrize(("fault", "lie"), [(None, "fail"), ("fail", "success")])
def test_forged_webhook_names_another_workflow_and_status(
    client: Client, listener: Listener, fault: str | None, lie: str
) -> None:
    client.emulator.fail({"on": "webhook", "do": "forged"})
    if fault is not None:
        client.emulator.fail({"on": "create", "do": fault})

    identity = bought(client, listener.url)

    body = listener.next()
    assert body["workflow_id"] == body["batch_id"] != identity
    assert body["status"] == lie
    assert client.get(body["workflow_id"]).status_code == 404


def test_webhook_rules_match_the_workflow_and_other_rules_ignore_webhooks(
    client: Client, listener: Listener
) -> None:
    client.emulator.fail(
        {"on": "webhook", "match": {"title": "blue"}, "do": "drop"},
        {"on": "any", "nth": 99, "do": {"status": 500}},
    )

    blue, red = bought(client, listener.url, title="a blue one"), bought(client, listener.url, title="red")

    assert (webhook_outcome(client.emulator, blue), webhook_outcome(client.emulator, red)) == (
        "dropped",
        "sent",
    )
    faults = client.admin("state").json()["faults"]
    # The second rule saw two creates; the call that reads the state is an admin call, which no rule sees.
    assert [(fault["seen"], fault["struck"]) for fault in faults] == [(1, 1), (2, 0)]


def buy(store: WorkflowStore, url: str, forced_end: str | None = None) -> WorkflowId:
    fields: Json = {
        "template_id": "vim_arctic",
        "image_urls": ["https://a.example/b.png"],
        "webhook_url": url,
    }
    return store.begin(fields_from_json(fields), TEMPLATES["vim_arctic"], forced_end=forced_end).id


def test_unsent_webhooks_are_sent_once_after_restart(tmp_path: Path, listener: Listener) -> None:
    # Without a sender: as if killed after everything was made and before anything was sent.
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    ended = {buy(store, listener.url), buy(store, listener.url, "fail")}
    store.wait()
    store.close()
    assert listener.heard.empty()

    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        assert {listener.next()["workflow_id"] for _ in ended} == ended
        assert [webhook_outcome(emulator, each) for each in ended] == ["sent", "sent"]
    with Emulator(EmulatorSettings.tiny(tmp_path)) as emulator:
        new = bought(Client(emulator), listener.url)

        assert listener.next()["workflow_id"] == new
        assert webhook_outcome(emulator, new) == "sent"
    assert listener.heard.empty()


def test_retries_continue_after_restart(
    tmp_path: Path,
) -> None:
    patient = EmulatorSettings(
        tmp_path, 0, size=EmulatorSettings.tiny(tmp_path).size, frames_per_second=2, webhook_pauses=(3600.0,)
    )
    listener = Listener(503)
    try:
        with Emulator(patient) as emulator:
            identity = bought(Client(emulator), listener.url)
            listener.next()
        with Emulator(patient) as emulator:
            assert listener.next()["workflow_id"] == identity
            assert webhook_outcome(emulator, identity) == "sent"
    finally:
        listener.close()
