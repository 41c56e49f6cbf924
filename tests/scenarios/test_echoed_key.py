"""A vendor that echoes the key in every answer: it is in nothing that the commands print or write."""

import http.client
import json
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator

END = "end-of-the-key"
KEY = f"sk_live/Ab+4711&xYz<Q>{END}"
TWICE_QUOTED = quote(quote(KEY, safe=""), safe="")
SPELLINGS = (
    KEY,
    KEY.replace("/", "\\/"),
    TWICE_QUOTED,
    KEY.replace("&", "&amp;").replace("<", "&lt;"),
    "".join(f"&#{ord(each)};" for each in KEY),
    KEY.encode().hex(),
    *(
        encode(b"x:"[:before] + KEY.encode()).decode()
        for before in range(3)
        for encode in (b64encode, urlsafe_b64encode)
    ),
)
ECHO = " ".join(SPELLINGS)
# What none of the spellings loses, in each of them.
TRACES = (
    END,
    "".join(f"&#{ord(each)};" for each in END),
    END.encode().hex(),
    *(b64encode(bytes(before) + END.encode()).decode()[4:16] for before in range(3)),
)


@dataclass
class Echo:
    """The server. It passes calls on to the emulator, and adds the key to what it answers.

    `refused` are the statuses of the calls that it refuses instead, by method.
    """

    url: str = ""
    refused: dict[str, int] = field(default_factory=dict)
    echoed: set[tuple[str, int]] = field(default_factory=set)


@pytest.fixture
def echo(pipeline: Pipeline, vendor: Emulator) -> Iterator[Echo]:
    noted = Echo()

    class Echoing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, content_type, content = noted.refused.get(self.command, 0), "application/json", b"{}"
            if not status:
                behind = http.client.HTTPConnection(vendor.url.partition("//")[2])
                headers = {name: value for name, value in self.headers.items() if name != "Host"}
                behind.request(self.command, self.path, body, headers)
                with behind.getresponse() as response:
                    status, content = response.status, response.read()
                    content_type = response.headers.get("Content-Type", "")
                behind.close()
            if content_type == "application/json":
                noted.echoed.add((self.command, status))
                content = echoing(content)
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Echo", KEY)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names are the library's

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Echoing) as server:
        noted.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pipeline.set("VIMMERSE_BASE_URL", noted.url)
        pipeline.set("VIMMERSE_API_KEY", KEY)
        yield noted
        server.shutdown()


def echoing(content: bytes) -> bytes:
    answer = json.loads(content)
    echoed = {"message": ECHO, "detail": ECHO, "error": ECHO, "updated_at": KEY, KEY: ECHO}
    data = answer.get("data")
    return json.dumps(
        {**answer, **echoed, **({"data": {**data, **echoed}} if isinstance(data, dict) else {})}
    ).encode()


def test_key_that_every_answer_echoes_is_in_nothing_that_is_printed_or_written(
    project: Project, pipeline: Pipeline, echo: Echo
) -> None:
    job = "main/loop/red/walk"
    printed: list[Ended] = []

    def call(*arguments: str, refused: dict[str, int] | None = None) -> Ended:
        echo.refused = refused or {}
        command, *others = arguments
        ended = pipeline(command, project.manifest, *others)
        printed.append(ended)
        return ended

    written = ("--events", "events.jsonl", "--junit", "junit.xml", "--metrics-file", "metrics.prom", "-v")
    assert call("run", *written, "--log-format", "json").code == 0
    assert call("rate", job, "--rating", "5", "-v").code == 0
    assert "***" in call("rate", job, "--rating", "4", "-v", refused={"PUT": 422}).output
    assert call("rate", job, "--rating", "4", "-v", refused={"PUT": 401}).code == 5
    assert call("run", *written, "--replace", job).code == 0
    assert "***" in call("prune", "--replaced", "--yes", "-v", refused={"DELETE": 422}).output
    assert call("prune", "--replaced", "--yes", "-v").code == 0
    assert call("run", *written, "--replace", job, refused={"POST": 422}).code == 1
    assert "***" in call("run", *written, "--retry-failed", refused={"POST": 500}).output
    call("show", job)
    call("show", job, "--format", "json")
    call("doctor", refused={"GET": 500})
    call("report")
    call("destroy", "--yes", "-v", refused={"DELETE": 401})
    call("destroy", "--yes", "-v")

    everything = {path: content.decode("latin-1") for path, (_, content) in project.tree().items()}
    everything |= {f"{number}": ended.output for number, ended in enumerate(printed)}
    for trace in TRACES:
        assert [path for path, text in everything.items() if trace in text] == []
    assert {("PUT", 200), ("PUT", 422), ("DELETE", 200), ("DELETE", 422), ("POST", 500)} <= echo.echoed
