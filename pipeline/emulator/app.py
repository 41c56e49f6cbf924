"""The emulator's web application: its routes, and the handlers of every endpoint but the create."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from pipeline.emulator.admin import AdminGuard, AdminHandlers
from pipeline.emulator.create_fields import InvalidField
from pipeline.emulator.create_handler import CreateHandler
from pipeline.emulator.fault_injection import Endpoint, FaultInjector
from pipeline.emulator.faults import Call, FaultRule, FaultRules, Operation
from pipeline.emulator.media_store import image_suffix, signature
from pipeline.emulator.request_checks import BodyLimit, base_url, check_key, on_refused, read_json
from pipeline.emulator.vendor_json import (
    catalogue_json,
    format_time,
    image_json,
    log_json,
    log_path,
    workflow_json,
)
from pipeline.emulator.workflow import CONTENT_TYPES, Changes, Workflow

if TYPE_CHECKING:
    from pipeline.emulator.workflow_store import WorkflowStore
    from pipeline.json_values import Json

_CHANGEABLE = ("title", "description", "visibility_status", "rating")


class Handlers:
    """The endpoints of all calls but the create."""

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store
        self.health = self._endpoint(Operation.HEALTH, self._health)
        self.get = self._endpoint(Operation.GET, self._get)
        self.put = self._endpoint(Operation.PUT, self._put)
        self.delete = self._endpoint(Operation.DELETE, self._delete)
        self.upload = self._endpoint(Operation.UPLOAD, self._upload)
        self.error_log = self._endpoint(Operation.ERROR_LOG, self._error_log)
        self.templates = self._endpoint(Operation.TEMPLATES, self._templates)
        self.media = self._endpoint(Operation.DOWNLOAD, self._media)

    def _endpoint(self, operation: Operation, handle: Callable[[Request], Awaitable[Response]]) -> Endpoint:
        async def describe(request: Request) -> Call:
            workflow = self._store.get(request.path_params.get("id", ""))
            if workflow is None:
                return Call(operation=operation)
            return Call(operation=operation, title=workflow.title, template_id=workflow.template_id)

        async def respond(request: Request, _rule: FaultRule | None) -> Response:
            return await handle(request)

        return Endpoint(operation=operation, describe=describe, respond=respond)

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _get(self, request: Request) -> Response:
        return self._show(self._find(request), request)

    async def _put(self, request: Request) -> Response:
        workflow = self._find(request)
        fields = await read_json(request)
        if not isinstance(fields, dict):
            raise HTTPException(400, "BAD_REQUEST")
        return self._show(self._store.update(workflow.id, self._changes(fields)), request)

    async def _delete(self, request: Request) -> Response:
        workflow = self._find(request)
        response = self._show(workflow, request)
        self._store.delete(workflow.id)
        return response

    async def _upload(self, request: Request) -> Response:
        check_key(request, self._store.settings.key)
        try:
            async with request.form() as form:
                file = form.get("image_file")
                if not isinstance(file, UploadFile):
                    raise InvalidField(["body", "image_file"], "Field required", "missing")
                content = await file.read()
        except UnicodeError as error:
            # The form declares a wrong charset.
            raise HTTPException(400, "BAD_REQUEST") from error
        suffix = image_suffix(content)
        if suffix is None:
            raise HTTPException(400, "BAD_REQUEST")
        image_id, name = self._store.media.add_image(content, suffix)
        image = image_json(
            image_id,
            name,
            content_type=CONTENT_TYPES[suffix],
            now=self._store.clock(),
            base=base_url(request),
        )
        return JSONResponse({"data": image})

    async def _error_log(self, request: Request) -> Response:
        check_key(request, self._store.settings.key)
        report = await read_json(request)
        if not isinstance(report, dict):
            raise HTTPException(400, "BAD_REQUEST")
        if not isinstance(report.get("error_message"), str):
            raise InvalidField(["body", "error_message"], "Field required", "missing")
        if not isinstance(report.get("context"), dict | None):
            raise InvalidField(["body", "context"], "Input should be a valid dictionary", "dict_type")
        path = log_path(self._store.clock())
        self._store.log_error(path, report)
        return JSONResponse({"data": log_json(path, base_url(request))})

    async def _templates(self, request: Request) -> Response:
        check_key(request, self._store.settings.key)
        detail = request.query_params.get("detail", "").lower() in {"true", "1"}
        return JSONResponse({"data": catalogue_json(detail=detail)})

    async def _media(self, request: Request) -> Response:
        media_id, name = request.path_params["id"], request.path_params["name"]
        path = self._store.media.find(media_id, name)
        if path is None:
            return Response("not found", 404)
        if request.query_params.get("signature") != signature(media_id):
            return Response("no valid signature", 403)
        return FileResponse(path, media_type=CONTENT_TYPES[path.suffix])

    def _find(self, request: Request) -> Workflow:
        check_key(request, self._store.settings.key)
        workflow = self._store.get(request.path_params["id"])
        if workflow is None:
            raise HTTPException(404, "NOT_FOUND")
        return workflow

    def _show(self, workflow: Workflow, request: Request) -> Response:
        shown = workflow_json(workflow, self._store.view(workflow), base_url(request))
        return JSONResponse({"data": shown})

    def _changes(self, fields: Mapping[str, Json]) -> Changes:
        texts = {name: _text_or_none(fields, name) for name in _CHANGEABLE}
        if texts["visibility_status"] not in {None, "0", "1", "2"}:
            raise InvalidField(["body", "visibility_status"], "Input should be '0', '1' or '2'", "enum")
        delivered_at = None
        if "delivered_at" in fields:
            delivered_at = str(fields["delivered_at"] or format_time(self._store.clock()))
        return Changes(
            title=texts["title"],
            description=texts["description"],
            visibility=texts["visibility_status"],
            rating=texts["rating"],
            delivered_at=delivered_at,
        )


def _text_or_none(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidField(["body", name], "Input should be a valid string", "string_type")
    return value


# It would warn of broken forms, on stderr if no logging is set up; the response tells the sender already.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())


def create_app(store: WorkflowStore, faults: FaultRules, host: str) -> Starlette:
    """The application over `store`, with `faults`, for a server that listens on `host`."""
    handlers = Handlers(store)
    handler = FaultInjector(faults, store).handler
    create = handler(CreateHandler(store).endpoint)
    workflow = {
        "GET": handler(handlers.get),
        "PUT": handler(handlers.put),
        "DELETE": handler(handlers.delete),
    }
    return Starlette(
        routes=[
            Route("/health", handler(handlers.health)),
            Route("/image", handler(handlers.upload), methods=["POST"]),
            Route("/workflow/error-log", handler(handlers.error_log), methods=["POST"]),
            Route("/v2/workflow/templates", handler(handlers.templates)),
            *(Route(f"{version}/workflow", create, methods=["POST"]) for version in ("", "/v2")),
            *(
                Route(f"{version}/workflow/{{id}}", endpoint, methods=[method])
                for version in ("", "/v2")
                for method, endpoint in workflow.items()
            ),
            Route("/media/{id}/{name}", handler(handlers.media)),
            Mount(
                "/_emulator",
                routes=AdminHandlers(store, faults).routes,
                middleware=[Middleware(AdminGuard, key=store.settings.key, host=host)],
            ),
        ],
        middleware=[Middleware(BodyLimit)],
        exception_handlers={HTTPException: on_refused, InvalidField: on_refused},
    )
