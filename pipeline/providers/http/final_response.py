"""Reads the head of a response liberally: one that was paid for must not be lost to an odd header.

The library refuses more than 100 headers, takes a line that is no header for the end of them, and does not see that
`gzip, chunked` comes in chunks.
"""

import http.client
import re
from typing import Any

from pipeline.providers.http.coding import codings, is_chunked

_MAX_INFORMATIONAL = 100
_LARGEST_HEAD = 1 << 20
_BLANK = " \t"


class FinalResponse(http.client.HTTPResponse):
    """The final response: the library itself skips only status 100, not other informational responses."""

    def begin(self, **_options: Any) -> None:
        version, status, reason = self._read_status()
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise http.client.UnknownProtocol(version)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 11 if version > "HTTP/1.0" else 10
        self.headers = self.msg = self._read_headers()
        transfer = ",".join(self.headers.get_all("transfer-encoding", ()))
        self.chunked = is_chunked(transfer)
        self.chunk_left = None
        self.length = None if "chunked" in codings(transfer) else self._stated_length()
        if status in (http.client.NO_CONTENT, http.client.NOT_MODIFIED) or status < 200:
            self.length = 0
        ends_with_connection = not self.chunked and self.length is None
        self.will_close = ends_with_connection or self._check_close()  # type: ignore[attr-defined]

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(_MAX_INFORMATIONAL):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.client.SWITCHING_PROTOCOLS:
                return version, status, reason
            self._read_headers()
        raise http.client.HTTPException("endless informational answers")

    def _read_headers(self) -> http.client.HTTPMessage:
        fields: list[tuple[str, list[str]]] = []
        left = _LARGEST_HEAD
        while line := (received := self._read_line(left)).decode("latin-1").rstrip("\r\n"):
            left -= len(received)
            line = line.replace("\r", " ")
            if line[0] in _BLANK:  # it continues the line before
                for _, values in fields[-1:]:
                    values.append(line.strip(_BLANK))
            else:
                name, colon, value = line.partition(":")
                fields.append((name.strip(_BLANK) if colon else "", [value.strip(_BLANK)]))
        headers = http.client.HTTPMessage()
        for name, values in fields:
            if name:
                headers[name] = " ".join(values)
        return headers

    def _read_line(self, limit: int) -> bytes:
        line: bytes = self.fp.readline(limit)
        if not line.endswith(b"\n"):
            raise (
                http.client.LineTooLong("headers") if len(line) == limit else http.client.IncompleteRead(b"")
            )
        return line

    def _stated_length(self) -> int | None:
        stated = {each.strip() for each in ",".join(self.headers.get_all("content-length", ())).split(",")}
        length = stated.pop() if len(stated) == 1 else ""
        return int(length) if re.fullmatch("[0-9]{1,18}", length) else None
