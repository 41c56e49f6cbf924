"""Sends a webhook when a workflow ends: one POST to its `webhook_url`, and to this machine only.

A webhook that was not answered when the emulator died is sent by the next emulator over the same folder: it
may arrive twice, as the vendor's may.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from pipeline.emulator.faults import Call, FaultRules, Operation, SendWebhook
from pipeline.emulator.vendor_json import webhook_json
from pipeline.emulator.workflow import FINAL_STATUSES, WebhookOutcome, Workflow, final_view
from pipeline.purchases import WorkflowId

if TYPE_CHECKING:
    from pipeline.emulator.webhook_queue import DueWebhook
    from pipeline.emulator.workflow_store import WorkflowStore
    from pipeline.json_values import Json

_TIMEOUT = 5.0
_URL = re.compile(r"[\x21-\x7e]{1,2000}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A server on this machine that receives webhooks."""

    host: str
    port: int
    target: str

    @classmethod
    def at(cls, url: str) -> Self | None:
        """The receiver at `url`; None if that is not http on loopback."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or 80
            is_loopback = host == "localhost" or ip_address(host).is_loopback
        except ValueError:
            return None
        if not is_loopback or parts.scheme != "http" or not _URL.fullmatch(url):
            return None
        query = f"?{parts.query}" if parts.query else ""
        return cls(host=host, port=port, target=(parts.path or "/") + query)

    def accepts(self, body: bytes) -> bool:
        """POST `body`; returns whether the answer was 2xx. A redirect is not followed."""
        connection = HTTPConnection(self.host, self.port, timeout=_TIMEOUT)
        try:
            connection.request("POST", self.target, body, {"Content-Type": "application/json"})
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class WebhookSender:
    """Sends the webhooks of `store` when they are due, with `faults`, in its own thread until closed."""

    def __init__(self, store: WorkflowStore, faults: FaultRules) -> None:
        self._store = store
        self._faults = faults
        self._thread = threading.Thread(target=self._send_all, name="emulator-webhooks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. Unsent webhooks are sent when the folder is opened again."""
        self._store.webhooks.close()
        # With a time limit, as a receiver may hold a connection as long as it likes.
        self._thread.join(_TIMEOUT)

    def _send_all(self) -> None:
        while (webhook := self._store.webhooks.get()) is not None:
            # If the folder cannot be written, this webhook stays due, and the others are still sent.
            with suppress(OSError):
                self._send(webhook)

    def _send(self, webhook: DueWebhook) -> None:
        workflow = self._store.get(webhook.workflow_id)
        # The workflow was deleted meanwhile, or never ends and shows one status for ever.
        if workflow is None or (status := final_view(workflow).status) not in FINAL_STATUSES:
            return
        receiver = Receiver.at(workflow.webhook_url or "")
        if receiver is None:
            self._store.set_webhook_outcome(workflow.id, WebhookOutcome.NOT_SENT)
            return
        fault = webhook.fault or self._fault_for(workflow)
        content = _forged(status) if fault.forged else webhook_json(workflow.id, status)
        body = json.dumps(content).encode()
        pauses = self._store.settings.webhook_pauses
        if all(receiver.accepts(body) for _ in range(fault.copies)):
            outcome = WebhookOutcome.SENT if fault.copies else WebhookOutcome.DROPPED
            self._store.set_webhook_outcome(workflow.id, outcome)
        elif webhook.attempt <= len(pauses):
            due = self._store.clock() + pauses[webhook.attempt - 1]
            self._store.webhooks.put(webhook.retry(due, fault))
        else:
            self._store.set_webhook_outcome(workflow.id, WebhookOutcome.UNANSWERED)

    def _fault_for(self, workflow: Workflow) -> SendWebhook:
        call = Call(operation=Operation.WEBHOOK, title=workflow.title, template_id=workflow.template_id)
        rule = self._faults.after_reading(call)
        return rule.fault if rule is not None and isinstance(rule.fault, SendWebhook) else SendWebhook()


def _forged(status: str) -> Json:
    """A forged call by someone who guessed the url: for a workflow that does not exist, with another end."""
    return webhook_json(WorkflowId(secrets.token_hex(12)), "fail" if status == "success" else "success")
