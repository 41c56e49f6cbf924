"""The web application of the live page: its routes and handlers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from pipeline.errors import InvalidInput, PipelineError, UsageError
from pipeline.report.page import page_files
from pipeline.report.video_files import is_within
from pipeline.schemes import ObjectUrl
from pipeline.serve.access import LARGEST_BODY, Access, TokenGuard
from pipeline.serve.review_request import opinion_of, read_review

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.serve.page_rows import PageRows
    from pipeline.serve.watcher import Watcher

# The most browsers that listen at the same time: more than needed, but not enough to fill the memory.
MAX_STREAMS = 64
_OWN_PAGE = Path(__file__).with_name("page")
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_MEDIA = re.compile(r"(?:video|audio|image)/[a-z0-9.+-]+")
_RANGE = re.compile(r"bytes=(?:\d{1,15}-\d{0,15}|-\d{1,15})", re.ASCII)
# A browser would run scripts in it if it was opened by itself, so it is sent as a download.
_ACTIVE = "image/svg+xml"


def create_app(
    watcher: Watcher, access: Access, *, by: str | None = None, open_routes: Sequence[BaseRoute] = ()
) -> Starlette:
    """The application that shows what `watcher` sees. `by` is the name recorded with reviews.

    `open_routes` are answered without a token: each authenticates its callers itself.
    """
    handlers = _Handlers(watcher, by)
    guarded = Mount(
        "/",
        routes=[
            Route("/", handlers.page_file),
            Route("/data", handlers.data),
            Route("/events", handlers.events),
            Route("/decisions", handlers.decide, methods=["POST"]),
            Route("/posters/{name}.webp", handlers.still),
            Route("/videos/{number:int}/{digest}", handlers.video),
            Route("/{name}", handlers.page_file),
        ],
        middleware=[Middleware(TokenGuard, access=access)],
    )
    return Starlette(routes=[*open_routes, guarded], exception_handlers={HTTPException: _refused})


async def _refused(_request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return PlainTextResponse(f"{detail}\n", status)


class _Handlers:
    def __init__(self, watcher: Watcher, by: str | None) -> None:
        self._watcher = watcher
        self._by = by
        self._files = page_files(_OWN_PAGE)

    async def page_file(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in self._files:
            raise HTTPException(404, "there is nothing here")
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(self._files[name], media_type=f"{kind}; charset=utf-8")

    async def data(self, _request: Request) -> Response:
        return Response(await run_in_threadpool(self._watcher.page_data), media_type="application/json")

    async def events(self, request: Request) -> Response:
        feed = self._watcher.feed
        if feed.listeners >= MAX_STREAMS:
            raise HTTPException(503, "too many browsers are connected")
        # On a reconnect, this header is newer than the address of the first request.
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        return StreamingResponse(feed.stream(after), media_type="text/event-stream")

    async def decide(self, request: Request) -> Response:
        if not self._watcher.can_decide:
            raise HTTPException(403, "this page is read-only")
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise HTTPException(415, "a review is sent as application/json")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                raise HTTPException(413, "too large", {"connection": "close"})
        try:
            changes = await run_in_threadpool(self._record, body)
        except UsageError as error:
            return JSONResponse({"problem": str(error)}, 400)
        except InvalidInput as error:
            return JSONResponse({"problem": f"the decisions file cannot be read: {error}"}, 409)
        except PipelineError as error:
            return JSONResponse({"problem": str(error)}, 503)
        return JSONResponse({"saved": True, **changes})

    def _record(self, body: bytes) -> dict[str, Json]:
        return self._watcher.record(lambda campaigns: opinion_of(read_review(body), campaigns, self._by))

    async def still(self, request: Request) -> Response:
        still = await run_in_threadpool(self._watcher.still, request.path_params["name"])
        if not still:
            raise HTTPException(404, "there is no such still")
        return Response(still, media_type="image/webp", headers={"cache-control": "private, max-age=3600"})

    async def video(self, request: Request) -> Response:
        number, digest = request.path_params["number"], request.path_params["digest"]
        campaigns = self._watcher.campaigns
        path = campaigns[number].rows.found.locations.get(digest) if number < len(campaigns) else None
        if isinstance(path, ObjectUrl):
            return await self._stored_video(request, campaigns[number].rows, path)
        # Checked again: what is at this path may have changed since the file was found.
        output = None if path is None else campaigns[number].workspace.local_output
        if path is None or output is None or not is_within(path, output):
            raise HTTPException(404, "there is no such file")
        kind, disposition = _shown_as(campaigns[number].rows.types.get(digest, ""))
        return FileResponse(
            path,
            media_type=kind,
            filename=path.name,
            content_disposition_type=disposition,
            headers={"cache-control": "private, max-age=600"},
        )

    async def _stored_video(self, request: Request, rows: PageRows, location: ObjectUrl) -> Response:
        """A video in an object store, passed through this server; the requested range, if any."""
        asked = request.headers.get("range", "")
        span = asked if _RANGE.fullmatch(asked) else None
        stored = rows.found.stored
        try:
            opened = None if stored is None else await run_in_threadpool(stored.open, location, span)
        except PipelineError as error:
            raise HTTPException(503, str(error)) from error
        if opened is None:
            raise HTTPException(416 if span else 404, "there is no such file, or no such part of it")
        kind, disposition = _shown_as(rows.types.get(request.path_params["digest"], ""))
        headers = {
            "accept-ranges": "bytes",
            "content-length": str(opened.length),
            "content-disposition": disposition,
            "cache-control": "private, max-age=600",
        }
        if opened.span is not None:
            headers["content-range"] = opened.span
        status = 200 if opened.span is None else 206
        return StreamingResponse(opened.blocks, status, headers, kind)


def _shown_as(content_type: str) -> tuple[str, str]:
    """The content type and disposition of a file: whether a browser shows or downloads it."""
    kind = content_type.partition(";")[0].strip().lower()
    plays = bool(_MEDIA.fullmatch(kind)) and kind != _ACTIVE
    return (kind, "inline") if plays else ("application/octet-stream", "attachment")
