"""The endpoint that buys: reads a create, checks it, charges for it, begins the workflow and writes the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.emulator.create_fields import (
    CreateFields,
    InvalidField,
    fields_from_form,
    fields_from_json,
    require_inputs,
)
from pipeline.emulator.fault_injection import Endpoint, visible_status
from pipeline.emulator.faults import Call, EndWorkflow, FaultRule, Operation
from pipeline.emulator.request_checks import base_url, check_key, error_response, read_json
from pipeline.emulator.templates import find
from pipeline.emulator.vendor_json import workflow_json

if TYPE_CHECKING:
    from pipeline.emulator.workflow_store import WorkflowStore

_MAX_FIELD_BYTES = 4 << 20


class CreateHandler:
    """`POST /workflow`, v1 and v2. Every create that arrives complete gets one line in the ledger."""

    def __init__(self, store: WorkflowStore) -> None:
        self._store = store

    @property
    def endpoint(self) -> Endpoint:
        """The create as an endpoint into which faults are injected."""
        return Endpoint(
            operation=Operation.CREATE,
            describe=self._describe,
            respond=self._respond,
            on_skipped=self._on_skipped,
        )

    async def _describe(self, request: Request) -> Call:
        # Read once, here: the fields, or what is wrong with them, are passed on with the request.
        try:
            fields: CreateFields | InvalidField = await _read(request)
        except InvalidField as error:
            fields = error
        request.state.fields = fields
        if isinstance(fields, InvalidField):
            return Call(operation=Operation.CREATE)
        return Call(operation=Operation.CREATE, title=fields.title, template_id=fields.template_id)

    def _on_skipped(self, request: Request, rule: FaultRule) -> None:
        self._store.record(_fields_of(request), status=visible_status(rule, 0), fault=rule.name)

    async def _respond(self, request: Request, rule: FaultRule | None) -> Response:
        fields = _fields_of(request)
        try:
            check_key(request, self._store.settings.key)
            return self._buy(fields, rule, base_url(request))
        except (InvalidField, HTTPException) as error:
            response = error_response(error)
            self._store.record(
                fields,
                status=visible_status(rule, response.status_code),
                fault=rule.name if rule is not None else None,
            )
            return response

    def _buy(self, fields: CreateFields | InvalidField, rule: FaultRule | None, base: str) -> Response:
        if isinstance(fields, InvalidField):
            raise fields
        template = find(fields.template_id, self._store.settings.templates)
        if template is None:
            raise HTTPException(404, "NOT_FOUND")
        require_inputs(fields, template)
        if not self._store.can_pay(template):
            raise HTTPException(402, "INSUFFICIENT_CREDIT")
        ends = rule.fault if rule is not None and isinstance(rule.fault, EndWorkflow) else EndWorkflow()
        workflow = self._store.begin(
            fields, template, forced_end=ends.status, progress_falls=ends.progress_falls
        )
        self._store.record(
            fields,
            status=visible_status(rule, 200),
            fault=rule.name if rule is not None else None,
            bought=workflow,
            price=template.price,
        )
        return JSONResponse({"data": workflow_json(workflow, self._store.view(workflow), base)})


def _fields_of(request: Request) -> CreateFields | InvalidField:
    return cast("CreateFields | InvalidField", request.state.fields)


async def _read(request: Request) -> CreateFields:
    if request.scope["path"].startswith("/v2/"):
        return fields_from_json(await read_json(request))
    try:
        async with request.form(max_part_size=_MAX_FIELD_BYTES) as form:
            texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            urls = [value for value in form.getlist("image_urls") if isinstance(value, str)]
            return fields_from_form(texts, urls, await _uploads(form.getlist("image_files")))
    except HTTPException as error:
        raise InvalidField(["body"], error.detail) from error
    except UnicodeError as error:
        # The form declares a wrong charset.
        raise InvalidField(["body"], "The form cannot be decoded", "string_unicode") from error


async def _uploads(values: Sequence[UploadFile | str]) -> list[bytes]:
    return [await value.read() for value in values if not isinstance(value, str)]
