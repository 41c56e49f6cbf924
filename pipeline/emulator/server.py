"""The vendor's API, v1 and v2, and the media that it made."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline.emulator.access import base_of, check_key, read_json, refused
from pipeline.emulator.admin import Admin
from pipeline.emulator.creating import Creates
from pipeline.emulator.faults import Call, Faults, Operation, Rule
from pipeline.emulator.orders import Invalid
from pipeline.emulator.striking import Endpoint, Striking
from pipeline.emulator.wire import catalogue_json, image_json, log_json, log_path, when, workflow_json
from pipeline.emulator.work import Work, image_suffix, token
from pipeline.emulator.workflow import CONTENT_TYPES, Changes, Workflow
from pipeline.jobs import Json

_About = Callable[[Request], Awaitable[Call]]
_Process = Callable[[Request, Rule | None], Awaitable[Response]]


def create_app(work: Work, faults: Faults | None = None) -> Starlette:
    """The application over `work`, struck by `faults`."""
    faults = faults if faults is not None else Faults(work.settings.faults)
    api = Api(work)
    creates = Creates(work)
    strike = Striking(faults, work).around
    create = strike(Endpoint(Operation.CREATE, creates.about, creates.process, creates.skipped))
    get = strike(Endpoint(Operation.GET, api.about(Operation.GET), api.get))
    put = strike(Endpoint(Operation.PUT, api.about(Operation.PUT), api.put))
    delete = strike(Endpoint(Operation.DELETE, api.about(Operation.DELETE), api.delete))
    one = [("GET", get), ("PUT", put), ("DELETE", delete)]
    return Starlette(
        routes=[
            Route("/health", strike(api.plain(Operation.HEALTH, api.health))),
            Route("/image", strike(api.plain(Operation.UPLOAD, api.upload)), methods=["POST"]),
            Route("/workflow/error-log", strike(api.plain(Operation.ERROR_LOG, api.log)), methods=["POST"]),
            Route("/v2/workflow/templates", strike(api.plain(Operation.TEMPLATES, api.templates))),
            *(Route(f"{root}/workflow", create, methods=["POST"]) for root in ("", "/v2")),
            *(
                Route(f"{root}/workflow/{{id}}", handler, methods=[method])
                for root in ("", "/v2")
                for method, handler in one
            ),
            Route(
                "/media/{id}/{name}",
                strike(Endpoint(Operation.DOWNLOAD, api.about(Operation.DOWNLOAD), api.media)),
            ),
            *Admin(work, faults).routes,
        ],
        exception_handlers={HTTPException: refused, Invalid: refused},
    )


class Api:
    """All calls but the create."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def plain(self, operation: Operation, process: _Process) -> Endpoint:
        """An endpoint that speaks of no workflow."""
        return Endpoint(operation, self.about(operation), process)

    def about(self, operation: Operation) -> _About:
        """What a call says in its address: the workflow of that id."""

        async def about(request: Request) -> Call:
            workflow = self._work.get(request.path_params.get("id", ""))
            return Call(operation, workflow.title, workflow.template_id) if workflow else Call(operation)

        return about

    async def health(self, _request: Request, _rule: Rule | None) -> Response:
        return JSONResponse({"status": "ok"})

    async def get(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        return self._tell(self._find(request), request)

    async def put(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        workflow = self._find(request)
        changes = await read_json(request)
        if not isinstance(changes, dict):
            raise HTTPException(400, "BAD_REQUEST")
        return self._tell(self._work.update(workflow.id, self._changes(changes)), request)

    async def delete(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        workflow = self._find(request)
        answer = self._tell(workflow, request)
        self._work.delete(workflow.id)
        return answer

    async def upload(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        async with request.form() as form:
            file = form.get("image_file")
            if not isinstance(file, UploadFile):
                raise Invalid(["body", "image_file"], "Field required", "missing")
            content = await file.read()
        suffix = image_suffix(content)
        if suffix is None:
            raise HTTPException(400, "BAD_REQUEST")
        identity, name = self._work.add_image(content, suffix)
        told = image_json(identity, name, CONTENT_TYPES[suffix], self._work.clock(), base_of(request))
        return JSONResponse({"data": told})

    async def log(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        report = await read_json(request)
        if not isinstance(report, dict):
            raise HTTPException(400, "BAD_REQUEST")
        if not isinstance(report.get("error_message"), str):
            raise Invalid(["body", "error_message"], "Field required", "missing")
        if not isinstance(report.get("context"), dict | None):
            raise Invalid(["body", "context"], "Input should be a valid dictionary", "dict_type")
        path = log_path(self._work.clock())
        self._work.log_error(path, report)
        return JSONResponse({"data": log_json(path, base_of(request))})

    async def templates(self, request: Request, _rule: Rule | None) -> Response:
        check_key(request, self._work.settings.key)
        detail = request.query_params.get("detail", "").lower() in {"true", "1"}
        return JSONResponse({"data": catalogue_json(detail=detail)})

    async def media(self, request: Request, _rule: Rule | None) -> Response:
        owner, name = request.path_params["id"], request.path_params["name"]
        path = self._work.media(owner, name)
        if path is None:
            return Response("not found", 404)
        if request.query_params.get("signature") != token(owner):
            return Response("no valid signature", 403)
        return FileResponse(path, media_type=CONTENT_TYPES[path.suffix])

    def _find(self, request: Request) -> Workflow:
        workflow = self._work.get(request.path_params["id"])
        if workflow is None:
            raise HTTPException(404, "NOT_FOUND")
        return workflow

    def _tell(self, workflow: Workflow, request: Request) -> Response:
        told = workflow_json(workflow, self._work.view(workflow), base_of(request))
        return JSONResponse({"data": told})

    def _changes(self, asked: Mapping[str, Json]) -> Changes:
        texts = {name: _text_or_none(asked, name) for name in _CHANGEABLE}
        if texts["visibility_status"] not in {None, "0", "1", "2"}:
            raise Invalid(["body", "visibility_status"], "Input should be '0', '1' or '2'", "enum")
        delivered = (
            str(asked["delivered_at"] or when(self._work.clock())) if "delivered_at" in asked else None
        )
        return Changes(
            texts["title"], texts["description"], texts["visibility_status"], texts["rating"], delivered
        )


_CHANGEABLE = ("title", "description", "visibility_status", "rating")


def _text_or_none(asked: Mapping[str, Json], name: str) -> str | None:
    value = asked.get(name)
    if value is not None and not isinstance(value, str):
        raise Invalid(["body", name], "Input should be a valid string", "string_type")
    return value
