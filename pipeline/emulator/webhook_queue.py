"""The webhooks that are still to be sent, and their times."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.emulator.faults import SendWebhook
    from pipeline.purchases import WorkflowId

# Seconds. Limited because the clock that determines what is due may be set meanwhile.
_MAX_SLEEP = 5.0


@dataclass(frozen=True, slots=True, order=True)
class DueWebhook:
    """The webhook of one workflow, due at a time. `fault` is None until the rules have been applied."""

    due: float
    workflow_id: WorkflowId
    attempt: int = 1
    fault: SendWebhook | None = field(default=None, compare=False)

    def retry(self, due: float, fault: SendWebhook) -> DueWebhook:
        """The next attempt, to be sent in the same way."""
        return replace(self, due=due, attempt=self.attempt + 1, fault=fault)


class WebhookQueue:
    """Webhooks in the order in which they are due. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: list[DueWebhook] = []
        self._closed = False
        self._changed = threading.Condition()

    def put(self, webhook: DueWebhook) -> None:
        """Add a webhook."""
        with self._changed:
            heapq.heappush(self._waiting, webhook)
            self._changed.notify()

    def get(self) -> DueWebhook | None:
        """Wait for the next webhook that is due; None once the queue is closed."""
        with self._changed:
            while not self._closed:
                ahead = self._waiting[0].due - self._clock() if self._waiting else _MAX_SLEEP
                if ahead <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(min(ahead, _MAX_SLEEP))
            return None

    def close(self) -> None:
        """Stop returning webhooks."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
