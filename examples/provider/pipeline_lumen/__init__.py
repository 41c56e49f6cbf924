"""A provider for Lumen, an imagined vendor of stills: JSON over HTTP, and a key of its own."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.providers import (
    AccountError,
    AccountProblem,
    AccountRefused,
    Bought,
    BuyingStopped,
    CallRefused,
    Changes,
    CreateOutcome,
    CreateRequest,
    Deferred,
    Downloaded,
    Ending,
    HttpRequest,
    JobRefused,
    Json,
    Media,
    MediaClient,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Progress,
    ProviderPlugin,
    Response,
    Settings,
    Stage,
    Transmission,
    Transport,
    TransportError,
    VendorError,
    Workflow,
    WorkflowId,
    reason_for,
)

_STATES = {"done": Progress.SUCCEEDED, "broken": Progress.FAILED}
_KNOWN = {*_STATES, "queued", "rendering"}
# Seconds: a day, the longest wait that a run accepts.
_LONGEST_WAIT = 86_400.0


class Lumen:
    """The client. Safe to use from many threads: each has connections of its own."""

    name = "lumen"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._media = MediaClient(settings.network, settings.guard, settings.request_timeout)
        self._local = threading.local()

    def __reduce__(self) -> tuple[type["Lumen"], tuple[Settings]]:
        # Connections stay here; a copy in another process makes its own.
        return Lumen, (self.settings,)

    def __repr__(self) -> str:
        return f"Lumen({self.settings!r})"  # which does not show the key

    def prepare(self, request: CreateRequest) -> CreateRequest:
        if not all(isinstance(image, str) for image in request.images) or request.attached:
            raise CallRefused("Lumen takes images as urls only")
        self._body(request)  # raises for what cannot be sent, before an intent is stored
        return request

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Buy, once. The outcome follows from how far the bytes got and from a whole answer, not from exceptions."""
        transmission = Transmission(request.may_send)
        response, reason = None, ""
        try:
            call = self._call("POST", "/renders", self._body(request))
            # A connection of its own: one that was idle may be closed while the request is on its way.
            transport = Transport(self.settings.network, keep_alive=False)
            response = transport.request(call, self.settings.request_timeout, transmission)
        except CallRefused as error:
            return JobRefused(str(error))
        except TransportError as error:
            reason = str(error)
        except BaseException as error:  # noqa: BLE001 - an interrupt too: what was sent must be reported, not lost
            reason = reason_for(error)
        return _outcome(transmission.stage, response, reason)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        render = self._object(self._request("GET", _path(workflow_id)))
        if render.get("render") != workflow_id:
            raise VendorError("the answer is about another render")
        state = str(render.get("state", ""))
        return Workflow(
            workflow_id,
            _STATES.get(state, Progress.RUNNING),
            state,
            known_status=state in _KNOWN,
            template_id=str(render.get("look", "")),
            title=str(render.get("name", "")),
            result=tuple(_files(render.get("files"))),
        )

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        if changes.title is not None:
            self._request("PATCH", _path(workflow_id), _json({"name": changes.title}))
        return self.get(workflow_id)

    def delete(self, workflow_id: WorkflowId) -> None:
        try:
            self._request("DELETE", _path(workflow_id))
        except NotFound:
            return  # it was deleted before

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        self._request("POST", "/notes", _json({"text": message, "about": dict(context)}))

    def health(self) -> None:
        self._request("GET", "/status")

    def download(self, media: Media, target: Path) -> Downloaded:
        return self._media.fetch(media, target)  # without the key

    def _body(self, request: CreateRequest) -> bytes:
        return _json(
            {
                "look": request.template_id,
                "settings": dict(request.options),
                "name": request.title,
                "sources": list(request.images),
            }
        )

    def _call(self, method: str, path: str, body: bytes = b"") -> HttpRequest:
        headers = {"Authorization": f"Bearer {self.settings.key}", "Content-Type": "application/json"}
        return HttpRequest(method, self.settings.base_url.rstrip("/") + path, headers, body)

    def _request(self, method: str, path: str, body: bytes = b"") -> Response:
        """One call that may be repeated; its answer if it is a whole 2xx."""
        if not hasattr(self._local, "transport"):
            self._local.transport = Transport(self.settings.network)
        try:
            response: Response = self._local.transport.request(
                self._call(method, path, body), self.settings.request_timeout
            )
        except TransportError as error:
            raise VendorError(f"{method} {path}: {error}") from None
        if 200 <= response.status < 300 and response.ending in (Ending.WHOLE, Ending.OPEN):
            return response
        # The text of the answer is left out: a server may repeat the key.
        message = f"{method} {path}: HTTP {response.status}"
        match response.status:
            case 401 | 403:
                raise AccountError(f"Lumen refused the key: {message}")
            case 402:
                raise BuyingStopped(f"Lumen says that there is no credit left: {message}")
            case 404:
                raise NotFound(message)
            case 400 | 422:
                raise CallRefused(message)
            case _:
                raise VendorError(message)

    def _object(self, response: Response) -> Mapping[str, Any]:
        body = _read(response.body)
        if body is None:
            raise VendorError("the answer is no JSON object")
        return body


def _outcome(stage: Stage, response: Response | None, reason: str) -> CreateOutcome:
    body = None if response is None else _read(response.body)
    # An answer without a length is whole where its object is; a cut one never counts.
    is_whole = response is not None and (
        response.ending is Ending.WHOLE or (response.ending is Ending.OPEN and body is not None)
    )
    if response is None or not is_whole:
        if stage is Stage.UNSENT:
            return NotSent(reason)
        if stage is Stage.SENDING:
            return NotSent(reason or "the answer was cut off", started=True)
        return OutcomeUnknown(f"it was sent, then: {reason or 'the answer was cut off'}")
    status = f"HTTP {response.status}"
    match response.status:
        case 200 | 201 if body is not None and _is_id(body.get("render")):
            return Bought(WorkflowId(body["render"]))
        case 400 | 404 | 422:
            return JobRefused(status)
        case 401 | 403:
            return AccountRefused(AccountProblem.KEY, status)
        case 402:
            return AccountRefused(AccountProblem.CREDIT, status)
        case 429:
            after = response.headers.get("retry-after", "")
            return Deferred(status, min(float(after), _LONGEST_WAIT) if after.isdecimal() else None)
        case _:
            return OutcomeUnknown(f"{status}: whether it was bought cannot be told")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.replace("-", "").isalnum() and value.isascii()


def _path(workflow_id: WorkflowId) -> str:
    if not _is_id(workflow_id):  # it may come from a file that a stranger wrote
        raise NotFound("that cannot be the id of a render")
    return f"/renders/{quote(workflow_id)}"


def _files(listed: object) -> list[Media]:
    files = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return [
        Media(each["href"], str(each.get("mime", "")), _length(each.get("length")))
        for each in files[:100]
        if isinstance(each.get("href"), str)
    ]


def _length(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json(value: Mapping[str, object]) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError):
        raise CallRefused("an option is nothing that JSON can write") from None


provider = ProviderPlugin(
    make=Lumen,
    key_variable="LUMEN_API_KEY",
    address_variable="LUMEN_BASE_URL",
    address="https://api.lumen.example",
)
