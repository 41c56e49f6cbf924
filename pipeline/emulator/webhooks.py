"""Tells how a workflow ended, by one POST to its `webhook_url`. Only this machine is ever told.

A receipt that was not answered when the emulator died is sent by the next one over the same folder: it may
arrive twice, as the vendor's may.
"""

import json
import re
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from pipeline.emulator.faults import Call, Delivery, Faults, Operation
from pipeline.emulator.outbox import Letter
from pipeline.emulator.wire import receipt_json
from pipeline.emulator.work import Work
from pipeline.emulator.workflow import ENDS, Receipt, Workflow, end
from pipeline.jobs import Json

_PATIENCE = 5.0
_URL = re.compile(r"[\x21-\x7e]{1,2000}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody on this machine who listens for receipts."""

    host: str
    port: int
    target: str

    @classmethod
    def at(cls, url: str) -> Self | None:
        """Who listens there; None where that is not http on loopback."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
            here = host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return None
        if not here or parts.scheme != "http" or not _URL.fullmatch(url):
            return None
        return cls(host, port, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))

    def accepts(self, body: bytes) -> bool:
        """Send a receipt; whether it was answered with 2xx. A redirect is not followed."""
        connection = HTTPConnection(self.host, self.port, timeout=_PATIENCE)
        try:
            connection.request("POST", self.target, body, {"Content-Type": "application/json"})
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class Postman:
    """Delivers what is in the outbox of `work`, struck by `faults`, in a thread of its own until closed."""

    def __init__(self, work: Work, faults: Faults) -> None:
        self._work = work
        self._faults = faults
        self._thread = threading.Thread(target=self._deliver_all, name="emulator-webhooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. What was not delivered is delivered when the folder is opened again."""
        self._work.outbox.close()
        # Not for ever: a receiver may hold on to a connection as long as it likes.
        self._thread.join(_PATIENCE)

    def _deliver_all(self) -> None:
        while (letter := self._work.outbox.take()) is not None:
            # Where the folder cannot be written, the receipt counts as not sent, and the others still go.
            with suppress(OSError):
                self._deliver(letter)

    def _deliver(self, letter: Letter) -> None:
        workflow = self._work.get(letter.workflow_id)
        # Deleted meanwhile; or it never ends, and shows one status for ever.
        if workflow is None or (status := end(workflow).status) not in ENDS:
            return
        receiver = Receiver.at(workflow.webhook_url or "")
        if receiver is None:
            self._work.note_receipt(workflow.id, Receipt.NOT_SENT)
            return
        delivery = letter.delivery or self._asked(workflow)
        told = _forged(status) if delivery.forged else receipt_json(workflow.id, status)
        body = json.dumps(told).encode()
        if all(receiver.accepts(body) for _ in range(delivery.copies)):
            self._work.note_receipt(workflow.id, Receipt.SENT if delivery.copies else Receipt.DROPPED)
        elif letter.attempt <= len(self._work.settings.webhook_pauses):
            pause = self._work.settings.webhook_pauses[letter.attempt - 1]
            self._work.outbox.put(letter.again(self._work.clock() + pause, delivery))
        else:
            self._work.note_receipt(workflow.id, Receipt.UNANSWERED)

    def _asked(self, workflow: Workflow) -> Delivery:
        rule = self._faults.after_reading(Call(Operation.WEBHOOK, workflow.title, workflow.template_id))
        return rule.fault if rule is not None and isinstance(rule.fault, Delivery) else Delivery()


def _forged(status: str) -> Json:
    """What a stranger would send who guessed the url: a workflow that never was, and another end."""
    return receipt_json(secrets.token_hex(12), "fail" if status == "success" else "success")
