"""The vendor's client: each call of the port is one request to the Workflow API, v1 or v2."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import AccountError, BuyingStopped, UsageError, printable
from pipeline.providers.base import (
    Attachment,
    CallRefused,
    Changes,
    CreateOutcome,
    CreateRequest,
    Downloaded,
    JobRefused,
    Media,
    NotFound,
    UnusableAnswer,
    VendorError,
    Workflow,
    out_of_credit,
)
from pipeline.providers.create_outcome import classify
from pipeline.providers.download import MediaClient
from pipeline.providers.echoed_key import result_without_key, without_key
from pipeline.providers.http.connection import Transmission
from pipeline.providers.http.errors import TransportError, reason_for
from pipeline.providers.http.transport import Ending, HttpRequest, Response, Transport
from pipeline.providers.payloads import Body, changes_as_json, form_of, json_body, json_of, upload_of
from pipeline.providers.responses import (
    error_message,
    read_object,
    seconds_to_wait,
    usable_url,
    workflow_from,
)
from pipeline.providers.uploads import Uploads
from pipeline.records import is_workflow_id, workflow_id_of

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.providers.api_settings import Settings
    from pipeline.purchases import WorkflowId

log = logging.getLogger(__name__)

_UPLOAD_TRIES = 4
_LONGEST_PAUSE = 20.0
_CALL_REFUSED = frozenset({400, 405, 413, 415, 422})


class Vimmerse:
    """The provider for the vendor, or for its emulator at another address. Safe to use from many threads.

    `pause` sleeps for the given seconds between two attempts of an upload; one that can be woken ends the wait early.
    """

    def __init__(self, settings: Settings, pause: Callable[[float], object] = time.sleep) -> None:
        if not settings.key:
            raise AccountError("there is no API key: set VIMMERSE_API_KEY")
        if not settings.base_url:
            raise UsageError("there is no address of the API: set VIMMERSE_BASE_URL")
        self.settings = settings
        self._pause = pause
        self._local = threading.local()
        self._uploads = Uploads(self._upload)
        self._media = MediaClient(settings.network, settings.guard, settings.request_timeout)

    def __reduce__(self) -> tuple[type[Vimmerse], tuple[Settings]]:
        # Connections and uploads are not pickled; a copy makes its own.
        return Vimmerse, (self.settings,)

    def __repr__(self) -> str:
        return f"Vimmerse({self.settings!r})"

    @property
    def name(self) -> str:
        return self.settings.name

    def prepare(self, request: CreateRequest) -> CreateRequest:
        prepared = self._uploads.with_urls(request, all_urls=self.settings.api == "v2")
        self._body(prepared)  # a request that cannot be sent is reported before its intent is written
        return prepared

    def create(self, request: CreateRequest) -> CreateOutcome:
        try:
            body = self._body(request)
        except CallRefused as error:
            return JobRefused(str(error))
        call = self._call("POST", self._workflow_path(), body)
        transmission = Transmission(request.may_send)
        response, reason = None, ""
        try:
            # On a new connection: the server may close an idle one while the request is on its way, which cannot be
            # distinguished from a create that was processed.
            transport = self._transport(keep_alive=False)
            response = self._without_key(transport.request(call, self.settings.request_timeout, transmission))
        except TransportError as error:
            reason = str(error)
        except BaseException as error:  # noqa: BLE001 - an interrupt too: the outcome of what was sent must not be lost
            reason = reason_for(error)
        outcome = classify(transmission.stage, response, reason, datetime.now(UTC))
        log.debug("POST %s: %s", self._workflow_path(), type(outcome).__name__)
        return outcome

    def get(self, workflow_id: WorkflowId) -> Workflow:
        return self._workflow(self._sent("GET", self._path_of(workflow_id)), workflow_id)

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        response = self._sent("PUT", self._path_of(workflow_id), json_body(changes_as_json(changes)))
        try:
            return self._workflow(response, workflow_id)
        except UnusableAnswer:
            # It was accepted all the same; what has become of the workflow is shown by another answer.
            return self.get(workflow_id)

    def delete(self, workflow_id: WorkflowId) -> None:
        try:
            self._request("DELETE", self._path_of(workflow_id))
        except NotFound:
            log.debug("it was deleted before")

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        report: dict[str, Json] = {"error_message": message, "context": dict(context)}
        self._request("POST", "/workflow/error-log", json_body(report))

    def health(self) -> None:
        self._request("GET", "/health", with_key=False)

    def templates(self) -> Mapping[str, Json]:
        """The vendor's live catalogue, as the vendor sends it (v2).

        Raises:
            VendorError, AccountError: as the calls of `Provider`.
        """
        return self._object(self._request("GET", "/v2/workflow/templates?detail=true"))

    def download(self, media: Media, target: Path) -> Downloaded:
        return self._media.fetch(media, target)

    def _body(self, request: CreateRequest) -> Body:
        return json_of(request) if self.settings.api == "v2" else form_of(request)

    def _workflow_path(self) -> str:
        return "/v2/workflow" if self.settings.api == "v2" else "/workflow"

    def _path_of(self, workflow_id: WorkflowId) -> str:
        # The id may come from a file that a stranger wrote.
        if not is_workflow_id(workflow_id):
            raise NotFound(f"{printable(workflow_id, 40)!r} is not a workflow id")
        return f"{self._workflow_path()}/{workflow_id}"

    def _workflow(self, response: Response, workflow_id: WorkflowId) -> Workflow:
        cleaned = self._without_key(response)
        workflow = self._read(cleaned, workflow_id)
        if cleaned.body == response.body:
            return workflow
        # What a url has in its query must stay as it is, and is never recorded.
        sent = self._read(response, workflow_id)
        files, steps = result_without_key((sent.result, sent.steps), self.settings.key)
        return replace(workflow, result=files, steps=steps)

    def _read(self, response: Response, workflow_id: WorkflowId) -> Workflow:
        data = self._object(response).get("data")
        if not isinstance(data, dict):
            raise UnusableAnswer("the answer contains no workflow")
        if workflow_id_of(data.get("id", workflow_id)) != workflow_id:
            raise UnusableAnswer("the answer is about another workflow")
        return workflow_from(data, workflow_id)

    def _upload(self, attachment: Attachment) -> str:
        for attempt in range(1, _UPLOAD_TRIES):
            try:
                return self._upload_once(attachment)
            except (CallRefused, NotFound):
                raise
            except VendorError as error:
                if (error.after or 0.0) > _LONGEST_PAUSE:
                    raise  # the run schedules a wait that long, and frees this thread
                # Full jitter: threads that failed together must not retry together.
                self._pause(error.after or random.uniform(0, 2.0**attempt))  # noqa: S311 - not used for secrets
        return self._upload_once(attachment)

    def _upload_once(self, attachment: Attachment) -> str:
        response = self._object(self._request("POST", "/image", upload_of(attachment)))
        match response:
            case {"data": {"results": [str(told), *_]}} if (url := usable_url(told)) is not None:
                return url
            case _:
                raise UnusableAnswer("an image was uploaded, but the answer has no url for it")

    def _call(
        self, method: str, path: str, body: Body | None = None, *, with_key: bool = True
    ) -> HttpRequest:
        headers = {"Accept": "application/json"}
        if with_key:
            headers["X-Api-Key"] = self.settings.key
        if body is not None:
            headers["Content-Type"] = body.content_type
        return HttpRequest(
            method=method,
            url=self.settings.base_url.rstrip("/") + path,
            headers=headers,
            body=body.content if body else b"",
        )

    def _request(
        self, method: str, path: str, body: Body | None = None, *, with_key: bool = True
    ) -> Response:
        """The response to one call that may be repeated, without the key."""
        return self._without_key(self._sent(method, path, body, with_key=with_key))

    def _sent(self, method: str, path: str, body: Body | None = None, *, with_key: bool = True) -> Response:
        """Make one call that may be repeated; return its response if that is a complete 2xx."""
        call = self._call(method, path, body, with_key=with_key)
        try:
            response = self._transport().request(call, self.settings.request_timeout)
        except TransportError as error:
            raise VendorError(f"{method} {path}: {error}") from None
        log.debug("%s %s: HTTP %d", method, path, response.status)
        _check(response if response.status < 300 else self._without_key(response), f"{method} {path}")
        return response

    def _transport(self, *, keep_alive: bool = True) -> Transport:
        """This thread's transport."""
        name = "pooled" if keep_alive else "fresh"
        found: Transport | None = getattr(self._local, name, None)
        if found is None:
            found = Transport(self.settings.network, keep_alive=keep_alive)
            setattr(self._local, name, found)
        return found

    def _without_key(self, response: Response) -> Response:
        return replace(response, body=without_key(response.body, self.settings.key))

    def _object(self, response: Response) -> Mapping[str, Json]:
        try:
            return read_object(response.body)
        except ValueError as error:
            raise UnusableAnswer(str(error)) from None


def _check(response: Response, what: str) -> None:
    """Raise the error for an incomplete response, or a status other than 2xx, of a call that may be repeated."""
    if 200 <= response.status < 300:
        if response.ending is Ending.CUT:
            raise VendorError(f"{what}: the answer was cut off")
        if response.ending is Ending.CAPPED:
            raise UnusableAnswer(f"{what}: the answer is too long")
        return
    detail = error_message(response.body)
    message = f"{what}: HTTP {response.status}{f', {detail}' if detail else ''}"
    after = seconds_to_wait(response.headers, datetime.now(UTC))
    match response.status:
        case 401 | 403:
            raise AccountError(f"the vendor refused the key: {message}")
        case 402:
            raise BuyingStopped(out_of_credit(message))
        case 404 | 410:
            raise NotFound(message, after)
        case status if status in _CALL_REFUSED:
            raise CallRefused(message, after)
        case status if 300 <= status < 400:
            raise VendorError(
                f"{message}: redirected, which is not followed because it would pass on the key"
            )
        case _:
            raise VendorError(message, after)
