"""A GitHub and a GitLab on loopback, with as much of their comment APIs as the script needs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Forge:
    """The comments of one request, and the received calls. `may_write` is what the token permits.

    `trouble` has the statuses with which the next calls are refused.
    `meanwhile` has what happens once, right after the first answer to such a call, before the caller goes on.
    """

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    may_write: bool = True
    head: str = "abc"
    trouble: list[int] = field(default_factory=list)
    meanwhile: dict[str, Callable[[], object]] = field(default_factory=dict)

    def add(self, body: str, author: int, kind: str) -> None:
        """A comment in the format of both."""
        number = max((each["id"] for each in self.comments), default=0) + 1
        shown = {"id": number, "body": body}
        who = {"author": {"id": author}} if self.is_gitlab else {"user": {"type": kind}}
        self.comments.append({**shown, **who})

    @property
    def is_gitlab(self) -> bool:
        return self.url.endswith("/api/v4")

    def writes(self) -> list[str]:
        """The received calls that change something."""
        return [call for call in self.calls if not call.startswith("GET ")]

    def texts(self) -> list[str]:
        return [each["body"] for each in self.comments]

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """The answer to one call."""
        path = urlsplit(target).path
        query = parse_qs(urlsplit(target).query)
        self.calls.append(f"{method} {path}")
        if self.trouble:
            return self.trouble.pop(0), {"message": "Try again later"}
        if method != "GET" and not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        match method:
            case "GET" if path.endswith("/user"):
                return 200, {"id": 1}
            case "GET" if path.endswith("/pulls"):
                return 200, [each for each in self.requests if [each["label"]] == query["head"]]
            case "GET" if path.rpartition("/")[0].endswith(("/pulls", "/merge_requests")):
                return 200, {"sha": self.head} if self.is_gitlab else {"head": {"sha": self.head}}
            case "GET":
                first = 100 * (int(query["page"][0]) - 1)
                return 200, json.loads(json.dumps(self.comments[first : first + 100]))
            case "POST":
                self.add(body["body"], 1, "Bot")
                return 201, self.comments[-1]
            case _:
                found = [each for each in self.comments if str(each["id"]) == path.rpartition("/")[2]]
                if not found:
                    return 404, {"message": "Not Found"}
                if method == "DELETE":
                    self.comments.remove(found[0])
                    return 204, None
                found[0]["body"] = body["body"]
                return 200, {}


@contextmanager
def open_forge(below: str = "") -> Iterator[Forge]:
    """A server that runs while this lasts, with its API below a path."""
    forge = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            forge.tokens.add(self.headers.get("Authorization") or self.headers.get("PRIVATE-TOKEN") or "")
            status, document = forge.answer(self.command, self.path, body)
            kind = f"{self.command} {urlsplit(self.path).path.rpartition('/')[2]}"
            forge.meanwhile.pop(kind, lambda: None)()
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer  # noqa: N815 - the library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        forge.url = f"http://127.0.0.1:{server.server_port}{below}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield forge
        finally:
            server.shutdown()
            thread.join()
