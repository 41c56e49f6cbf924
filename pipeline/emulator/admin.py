"""Endpoints of the emulator's own, for tests and rehearsals: its ledger, its state, its faults."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.emulator.access import read_json
from pipeline.emulator.faultfile import read_rules
from pipeline.emulator.faults import Faults
from pipeline.emulator.work import Work
from pipeline.errors import InvalidInput


class Admin:
    """The endpoints below `/_emulator`."""

    def __init__(self, work: Work, faults: Faults) -> None:
        self._work = work
        self._faults = faults

    @property
    def routes(self) -> list[Route]:
        return [
            Route("/_emulator/ledger", self.ledger),
            Route("/_emulator/state", self.state),
            Route("/_emulator/faults", self.set_faults, methods=["POST"]),
            Route("/_emulator/faults", self.clear_faults, methods=["DELETE"]),
            Route("/_emulator/settings", self.change, methods=["POST"]),
        ]

    async def ledger(self, _request: Request) -> Response:
        return JSONResponse({"creates": [asdict(entry) for entry in self._work.ledger.entries]})

    async def state(self, _request: Request) -> Response:
        workflows = [
            {
                "id": workflow.id,
                "title": workflow.title,
                "template_id": workflow.template_id,
                "status": self._work.view(workflow).status,
                "percent": self._work.view(workflow).percent,
                "receipt": workflow.receipt,
            }
            for workflow in self._work.workflows()
        ]
        faults = [
            {"do": name, "seen": seen, "struck": struck} for name, seen, struck in self._faults.counts()
        ]
        return JSONResponse(
            {
                "workflows": workflows,
                "faults": faults,
                "duration": self._work.duration,
                "credits": {"spent": self._work.ledger.spent, "balance": self._work.balance},
            }
        )

    async def set_faults(self, request: Request) -> Response:
        body = await read_json(request)
        try:
            rules = read_rules(body)
        except InvalidInput as error:
            return JSONResponse({"message": "INVALID_FAULTS", "problems": str(error)}, 422)
        if isinstance(body, dict) and body.get("add") is True:
            self._faults.add(rules)
        else:
            self._faults.set(rules)
        return JSONResponse({"faults": len(rules)})

    async def clear_faults(self, _request: Request) -> Response:
        self._faults.set([])
        return Response(status_code=204)

    async def change(self, request: Request) -> Response:
        body = await read_json(request)
        if not isinstance(body, dict) or not set(body) <= {"credits", "duration"}:
            return JSONResponse({"message": "expected an object with `credits` or `duration`"}, 422)
        balance, duration = body.get("credits"), body.get("duration", self._work.duration)
        sound_balance = balance is None or (isinstance(balance, int) and balance >= 0)
        if not sound_balance or not isinstance(duration, int | float) or not 0 <= duration <= 86_400:
            return JSONResponse({"message": "credits: a whole number or null; duration: seconds"}, 422)
        if "credits" in body:
            # What is asked for is a balance from now on, whatever was spent before.
            self._work.credits = None if balance is None else int(str(balance)) + self._work.ledger.spent
        self._work.duration = float(duration)
        return await self.state(request)
