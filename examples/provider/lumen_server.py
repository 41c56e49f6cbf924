"""Lumen's API on this machine, to try the provider: every render is done at once, and is a grey still.

python lumen_server.py        # prints its address, and takes any key
"""

import json
import secrets
import struct
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def still(width: int = 64, height: int = 36) -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        packed = kind + content
        return struct.pack(">I", len(content)) + packed + struct.pack(">I", zlib.crc32(packed))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + b"\x80" * width) * height
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


class Handler(BaseHTTPRequestHandler):
    """One call. What was bought is kept in the server's `renders`, by id."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library names it so
        """Log nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/files/"):
            self._respond(still(), "image/png")
        elif self.path == "/status":
            self._respond_json({"up": True})
        else:
            self._about_render(lambda render: self._respond_json(render))

    def do_POST(self) -> None:
        body = self._body()
        if not self.headers.get("Authorization", "").removeprefix("Bearer "):
            self._respond_json({"error": "key"}, 401)
        elif self.path != "/renders":
            self._respond_json({})
        else:
            renders = self.server.renders  # type: ignore[attr-defined]  # set below
            # Calls run in threads. A random id cannot be given twice, as one from the number of renders could.
            render = f"r-{secrets.token_hex(8)}"
            href = f"http://{self.headers['Host']}/files/{render}.png"
            files = [{"href": href, "mime": "image/png", "length": len(still())}]
            renders[render] = {"render": render, "state": "done", "name": "", "files": files, **body}
            self._respond_json({"render": render}, 201)

    def do_PATCH(self) -> None:
        body = self._body()
        self._about_render(lambda render: self._respond_json({**render, **body}))

    def do_DELETE(self) -> None:
        renders = self.server.renders  # type: ignore[attr-defined]  # set below
        self._respond_json({}, 200 if renders.pop(self.path.rpartition("/")[2], None) else 404)

    def _about_render(self, then: Any) -> None:
        render = self.server.renders.get(self.path.rpartition("/")[2])  # type: ignore[attr-defined]  # set below
        if render is None:
            self._respond_json({"error": "unknown"}, 404)
        else:
            then(render)

    def _body(self) -> dict[str, Any]:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body: dict[str, Any] = json.loads(content or b"{}")
        return body

    def _respond_json(self, value: object, status: int = 200) -> None:
        self._respond(json.dumps(value).encode(), "application/json", status)

    def _respond(self, body: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def server(port: int = 0) -> ThreadingHTTPServer:
    """A server on this machine that has sold nothing yet."""
    made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made.renders = {}  # type: ignore[attr-defined]  # what was bought, by id
    return made


if __name__ == "__main__":
    listening = server()
    print(f"http://127.0.0.1:{listening.server_port}", flush=True)
    listening.serve_forever()
