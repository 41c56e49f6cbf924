"""The create: read, struck, checked, paid, begun, and told to the ledger, in this order."""

from collections.abc import Sequence
from typing import cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.emulator.access import base_of, check_key, read_json, refusal
from pipeline.emulator.faults import Call, Doom, Operation, Rule
from pipeline.emulator.orders import Invalid, Order, Upload, check_inputs, order_of_form, order_of_json
from pipeline.emulator.striking import answered
from pipeline.emulator.templates import find
from pipeline.emulator.wire import workflow_json
from pipeline.emulator.work import Work

_LONGEST_FIELD = 4 << 20


class Creates:
    """The endpoint that buys. Every create that arrives whole gets one line in the ledger."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def about(self, request: Request) -> Call:
        """Read the order and keep it with the request, or what is wrong with it."""
        try:
            order: Order | Invalid = await _read(request)
        except Invalid as wrong:
            order = wrong
        request.state.order = order
        if isinstance(order, Invalid):
            return Call(Operation.CREATE)
        return Call(Operation.CREATE, order.title, order.template_id)

    def skipped(self, request: Request, rule: Rule) -> None:
        """It arrived, and that is all that came of it."""
        self._work.record(_order(request), answered(rule, 0), rule.name, None, 0)

    async def process(self, request: Request, rule: Rule | None) -> Response:
        """Buy what is ordered, or refuse it."""
        order = _order(request)
        fault = rule.name if rule is not None else None
        try:
            check_key(request, self._work.settings.key)
            return self._buy(order, rule, base_of(request))
        except (Invalid, HTTPException) as error:
            answer = refusal(error)
            self._work.record(order, answered(rule, answer.status_code), fault, None, 0)
            return answer

    def _buy(self, order: Order | Invalid, rule: Rule | None, base: str) -> Response:
        if isinstance(order, Invalid):
            raise order
        template = find(order.template_id)
        if template is None:
            raise HTTPException(404, "NOT_FOUND")
        check_inputs(order, template)
        if not self._work.can_pay(template):
            raise HTTPException(402, "INSUFFICIENT_CREDIT")
        doom = rule.fault if rule is not None and isinstance(rule.fault, Doom) else Doom()
        workflow = self._work.buy(order, template, doom.ends, doom.backwards)
        fault = rule.name if rule is not None else None
        self._work.record(order, answered(rule, 200), fault, workflow.id, template.price)
        return JSONResponse({"data": workflow_json(workflow, self._work.view(workflow), base)})


def _order(request: Request) -> Order | Invalid:
    return cast("Order | Invalid", request.state.order)


async def _read(request: Request) -> Order:
    if request.url.path.startswith("/v2/"):
        return order_of_json(await read_json(request))
    try:
        async with request.form(max_part_size=_LONGEST_FIELD) as form:
            texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
            urls = [value for value in form.getlist("image_urls") if isinstance(value, str)]
            return order_of_form(texts, urls, await _uploads(form.getlist("image_files")))
    except HTTPException as error:
        raise Invalid(["body"], error.detail) from error


async def _uploads(values: Sequence[UploadFile | str]) -> list[Upload]:
    return [
        Upload(value.filename or "", await value.read()) for value in values if not isinstance(value, str)
    ]
