"""Every fault as a client sees it over a real connection, and as the ledger records it."""

import json
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from support.processes import until

from emulator.calls import KEY, Client
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.faultfile import NAMED, read_faults, read_rules
from pipeline.emulator.faults import Call, FaultRules, Operation, SendWebhook
from pipeline.emulator.settings import EmulatorSettings
from pipeline.errors import InvalidInput
from pipeline.json_values import Json


def raw_response(
    client: Client, path: str = "/workflow", body: bytes = b"image_urls=http://a.example/b.png"
) -> bytes:
    """The exact bytes that come back for one create; b"reset" if the connection was reset."""
    address = urlsplit(client.url)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nX-Api-Key: k\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = b""
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
        connection.sendall(head.encode() + body)
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            return b"reset"
    return answer


@pytest.mark.parametrize(
    ("fault", "answer", "bought", "recorded"),
    [
        ("reset-before-reading", b"reset", False, False),
        ("reset-after-reading", b"reset", False, True),
        ("reset-after-processing", b"reset", True, True),
        ("close-after-reading", b"", False, True),
        ("close-after-processing", b"", True, True),
        ("partial-status-line", b"HTTP/1.1 20", True, True),
        ("partial-headers", b"HTTP/1.1 200 OK\r\nContent-Ty", True, True),
        ({"raw": "nonsense"}, b"nonsense", True, True),
    ],
)
def test_broken_connection_buys_or_not_as_named(
    client: Client, fault: Json, answer: bytes, bought: bool, recorded: bool
) -> None:
    client.emulator.fail({"on": "create", "do": fault})

    assert raw_response(client) == answer

    assert bool(client.emulator.ledger.bought) == bought
    assert len(client.emulator.ledger.entries) == recorded
    assert all(entry.status is None for entry in client.emulator.ledger.entries)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("two-lengths", requests.exceptions.InvalidHeader),
        ("many-headers", requests.exceptions.ConnectionError),
        ("truncated", requests.exceptions.ChunkedEncodingError),
        ("bad-gzip", requests.exceptions.ContentDecodingError),
        ("garbage", ValueError),
        ("html", ValueError),
        ("truncated-unsized", ValueError),
    ],
)
def test_unreadable_response_has_still_bought(client: Client, fault: str, error: type[Exception]) -> None:
    client.emulator.fail({"on": "create", "do": fault})

    with pytest.raises(error):
        client.create().json()

    assert len(client.emulator.ledger.bought) == 1


@pytest.mark.parametrize(
    ("at", "bought"), [("before-reading", 0), ("after-reading", 0), ("after-processing", 1)]
)
def test_status_fault_has_its_headers_and_body_and_buys_as_specified(
    client: Client, at: str, bought: int
) -> None:
    answer: Json = {"status": 503, "headers": {"Retry-After": "2"}, "body": {"message": "busy"}, "at": at}
    client.emulator.fail({"on": "create", "do": answer})

    got = client.create()

    assert (got.status_code, got.headers["retry-after"], got.json()) == (503, "2", {"message": "busy"})
    assert len(client.emulator.ledger.bought) == bought
    assert [entry.status for entry in client.emulator.ledger.entries] == [503] * (at != "before-reading")


def test_redirect_points_elsewhere_and_buys_nothing(client: Client) -> None:
    client.emulator.fail({"on": "create", "do": {"redirect": "http://127.0.0.1:9/x"}})

    assert b"location: http://127.0.0.1:9/x" in raw_response(client)
    assert client.emulator.ledger.bought == ()


@pytest.mark.parametrize("when", ["before-reading", "after-reading", "after-processing"])
def test_stall_lasts_until_its_rule_is_removed(client: Client, when: str) -> None:
    client.emulator.fail({"on": "create", "do": {"stall": 3600, "at": when}})

    with ThreadPoolExecutor() as thread:
        answer = thread.submit(client.create)
        until(lambda: any(struck for *_, struck in client.emulator.faults.counts()), "the stall")
        if when == "after-processing":
            until(lambda: len(client.emulator.ledger.bought) == 1, "the purchase")
        assert not answer.done()
        client.emulator.clear_faults()

        assert answer.result().status_code == 200
    assert len(client.emulator.ledger.bought) == 1


@pytest.mark.parametrize(("fault", "identity"), [("no-id", None), ("odd-id", "../x")])
def test_unusual_workflow_id(client: Client, fault: str, identity: str | None) -> None:
    client.emulator.fail({"on": "create", "do": fault})

    assert client.create().json()["data"]["id"] == identity


def test_repeated_workflow_id(client: Client) -> None:
    first = client.create().json()["data"]["id"]
    client.emulator.fail({"on": "create", "do": "same-id"})

    assert client.create().json()["data"]["id"] == first
    assert len({entry.workflow_id for entry in client.emulator.ledger.bought}) == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [("fail", "fail"), ("cancel", "cancel"), ("stuck", "processing"), ({"ends": "moderation"}, "moderation")],
)
def test_unsuccessful_workflow(client: Client, fault: Json, status: str) -> None:
    client.emulator.fail({"on": "create", "do": fault})

    workflow = client.made()

    assert workflow["processing_status"] == status
    assert workflow["result"] == []


def test_success_with_empty_result(client: Client) -> None:
    client.emulator.fail({"on": "create", "do": "empty-result"})

    workflow = client.made()

    assert (workflow["processing_status"], workflow["result"]) == ("success", [])


def test_decreasing_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.time()
    seen = []
    with Emulator(EmulatorSettings.tiny(tmp_path, duration=1000.0)) as emulator:
        client = Client(emulator)
        emulator.fail({"on": "create", "do": "backwards"})
        identity = client.create().json()["data"]["id"]
        for later in (0, 300, 600, 900):
            monkeypatch.setattr(emulator.store, "clock", lambda later=later: started + later)
            seen.append(client.get(identity).json()["data"]["progress_percentage"])

    assert seen == sorted(set(seen), reverse=True)
    assert seen[0] > 50


def test_get_may_return_not_found_for_a_while(client: Client) -> None:
    identity = client.create().json()["data"]["id"]
    client.emulator.fail({"on": "get", "times": 2, "do": {"status": 404, "body": {"message": "NOT_FOUND"}}})

    assert [client.get(identity).status_code for _ in range(3)] == [404, 404, 200]


def test_any_field_of_a_workflow_can_be_patched(client: Client) -> None:
    identity = client.made()["id"]
    patch: Json = {"processing_status": "weird", "media_result": [{"size": 1}], "result": []}
    client.emulator.fail({"on": "get", "do": {"patch": patch}})

    shown = client.get(identity).json()["data"]

    assert (shown["processing_status"], shown["result"]) == ("weird", [])
    assert shown["media_result"][0]["size"] == 1
    assert shown["media_result"][0]["url"]


@pytest.mark.parametrize(("fault", "more"), [("short", -1), ("long", 1)])
def test_download_of_wrong_length_has_matching_content_length(client: Client, fault: str, more: int) -> None:
    workflow = client.made()
    client.emulator.fail({"on": "download", "do": fault})

    got = requests.get(workflow["result"][0]["url"], timeout=10)

    assert int(got.headers["content-length"]) == len(got.content)
    assert len(got.content) - workflow["media_result"][0]["size"] == more


def test_faulty_downloads(client: Client) -> None:
    url = client.made()["result"][0]["url"]
    whole = requests.get(url, timeout=10)

    def struck(fault: Json) -> requests.Response:
        client.emulator.clear_faults()
        client.emulator.fail({"on": "download", "do": fault})
        return requests.get(url, headers={"Range": "bytes=5-"}, timeout=10)

    assert struck("expired").status_code == 403
    assert struck("wrong-type").headers["content-type"] == "text/html"
    assert struck("changed-etag").headers["etag"] != whole.headers["etag"]
    assert struck("ignore-range").content == whole.content
    assert struck({"headers": {"Content-Range": "bytes 0-9/99"}}).headers["content-range"] == "bytes 0-9/99"
    assert struck({"drip": 0.0001}).content == whole.content[5:]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        struck({"keep": 0.5})


def test_early_rejection_does_not_wait_for_the_upload(client: Client) -> None:
    client.emulator.fail({"on": "create", "do": {"status": 402, "at": "before-reading"}})
    address = urlsplit(client.url)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
        # The body is never completed.
        connection.sendall(b"POST /workflow HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\nstart")

        assert connection.recv(100).startswith(b"HTTP/1.1 402")

    assert client.emulator.ledger.entries == ()


def test_create_interrupted_midway_is_not_in_the_ledger(client: Client) -> None:
    address = urlsplit(client.url)
    with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as connection:
        connection.sendall(b"POST /workflow HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nstart")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    # The next call is served once that one has ended.
    assert client.create().status_code == 200
    assert len(client.emulator.ledger.entries) == 1


def test_faults_and_settings_can_be_changed_over_http(client: Client) -> None:
    assert client.admin("faults", {"faults": [{"on": "create", "do": {"status": 500}}]}).json() == {
        "faults": 1
    }
    assert client.create().status_code == 500

    state = client.admin("state").json()
    assert state["faults"] == [{"do": "status 500", "seen": 1, "struck": 1}]
    assert client.admin("ledger").json()["creates"][0]["status"] == 500
    address = f"{client.emulator.url}/_emulator/faults"
    assert requests.delete(address, headers=KEY, timeout=10).status_code == 204
    assert client.create().status_code == 200
    wrong = client.admin("faults", [{"on": "create", "do": "resett"}])
    assert wrong.status_code == 422
    assert wrong.json()["problems"].startswith("[0].do: unknown fault 'resett'")


@pytest.mark.parametrize("body", [{"on": "create", "do": "html"}, {}, {"fault": [], "add": True}])
def test_invalid_fault_list_is_rejected_and_changes_nothing(client: Client, body: Json) -> None:
    client.admin("faults", [{"on": "create", "do": {"status": 500}}])

    answer = client.admin("faults", body)

    assert answer.status_code == 422
    assert "faults" in answer.json()["problems"]
    assert client.create().status_code == 500


def test_rule_applies_only_to_matching_calls(client: Client) -> None:
    client.emulator.fail(
        {"on": "create", "match": {"title": "blue", "template": "arctic"}, "do": {"status": 500}}
    )

    assert client.create(title="red").status_code == 200
    assert client.create("vim_amazonia", title="blue").status_code == 200
    assert client.create(title="a blue one").status_code == 500


@pytest.mark.parametrize(
    ("rule", "path", "hint"),
    [
        ({"on": "creat", "do": "html"}, "faults[0].on", "did you mean 'create'?"),
        ({"on": "create", "do": "trunkated"}, "faults[0].do", "did you mean 'truncated'?"),
        ({"on": "create", "do": {"status": 99}}, "faults[0].do.status", "200 to 599"),
        ({"on": "create", "do": {"status": 500, "boddy": "x"}}, "faults[0].do.boddy", "did you mean 'body'?"),
        ({"on": "create", "do": {"stall": 1, "at": "never"}}, "faults[0].do.at", "before-reading"),
        ({"on": "create", "do": {}}, "faults[0].do", "expected one of the keys"),
        ({"on": "create", "do": "html", "nth": 0.5}, "faults[0].nth", "whole number"),
        ({"on": "create", "do": "html", "probability": 2}, "faults[0].probability", "0 to 1"),
        ({"on": "create", "do": "html", "ntth": 1}, "faults[0].ntth", "did you mean 'nth'?"),
        (
            {"on": "create", "do": "reset-before-reading", "match": {"title": "x"}},
            "faults[0].match",
            "not known",
        ),
        ({"on": "create", "do": "twice"}, "faults[0].do", "`on: webhook` alone"),
        ({"on": "webhook", "do": "html"}, "faults[0].do", "drop, twice, forged"),
        ({"on": ["webhook", "get"], "do": "html"}, "faults[0].do", "`on: webhook` alone"),
        ("html", "faults[0]", "expected a mapping"),
    ],
)
def test_invalid_rule_is_reported_with_position_and_reason(rule: Json, path: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_rules({"faults": [rule]})

    [problem] = caught.value.problems
    assert problem.path == path
    assert hint in problem.message


@given(
    nth=st.lists(st.integers(1, 9), max_size=3),
    after=st.integers(0, 9),
    times=st.none() | st.integers(0, 5),
    calls=st.integers(0, 20),
)
def test_rule_applies_to_the_calls_it_names(
    nth: list[int], after: int, times: int | None, calls: int
) -> None:
    rule: Json = {"on": "get", "do": "html", "nth": list(nth), "after": after, "times": times}
    faults = FaultRules(read_rules([rule]))

    struck = [
        n for n in range(1, calls + 1) if faults.after_reading(Call(operation=Operation.GET)) is not None
    ]

    due = [n for n in range(1, calls + 1) if n > after and (not nth or n in nth)]
    assert struck == due[:times]


def test_probability_is_reproducible() -> None:
    def draws(seed: int) -> list[bool]:
        faults = FaultRules(read_rules([{"on": "any", "do": "html", "probability": 0.5, "seed": seed}]))
        return [faults.after_reading(Call(operation=Operation.PUT)) is not None for _ in range(64)]

    assert draws(1) == draws(1) != draws(2)
    assert 10 < sum(draws(1)) < 54


@pytest.mark.parametrize("name", NAMED)
def test_every_named_fault_can_be_set(name: str) -> None:
    on = "webhook" if isinstance(NAMED[name], SendWebhook) else "any"
    [rule] = read_rules(json.loads(json.dumps({"faults": [{"on": on, "do": name}]})))

    assert rule.fault == NAMED[name]


def test_faults_file_is_read_and_each_error_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("faults:\n  - {on: create, nth: [2, 4], do: {status: 503}}\n  - {on: get, do: stuk}\n")

    with pytest.raises(InvalidInput) as caught:
        read_faults(path, "faults.yaml")

    [problem] = caught.value.problems
    assert str(problem) == "faults.yaml:3:19: faults[1].do: unknown fault 'stuk'; did you mean 'stuck'?"

    path.write_text("- {on: create, nth: [2, 4], do: {status: 503}}\n")
    [rule] = read_faults(path, "faults.yaml")
    assert rule.nth == {2, 4}
