"""A provider whose calls are counted and timed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.executors.remote_calls import note
from pipeline.providers.base import (
    AccountRefused,
    Bought,
    Changes,
    CreateOutcome,
    CreateRequest,
    Deferred,
    Downloaded,
    JobRefused,
    Media,
    NotSent,
    OutcomeUnknown,
    Provider,
    Workflow,
)

if TYPE_CHECKING:
    from pipeline.json_values import Json
    from pipeline.purchases import WorkflowId

_OUTCOMES: Mapping[type[CreateOutcome], str] = {
    Bought: "bought",
    NotSent: "not_sent",
    Deferred: "deferred",
    JobRefused: "job_refused",
    AccountRefused: "account_refused",
    OutcomeUnknown: "unknown",
}


class CallMeter(Protocol):
    """Receives the outcomes of calls, from many threads."""

    def on_call(self, operation: str, outcome: str, seconds: float, /) -> None:
        """Count a call that has ended, and its duration."""
        ...

    def on_download(self, size: int, /) -> None:
        """Count the bytes of a file that was fetched."""
        ...


class MeteredProvider:
    """Wraps a provider and reports each of its calls to `meter`."""

    def __init__(self, provider: Provider, meter: CallMeter) -> None:
        self._provider = provider
        self._meter = meter
        # The provider to pass to another process, where the calls are noted once, for all meters.
        self.unmetered: Provider = provider.unmetered if isinstance(provider, MeteredProvider) else provider

    def __reduce__(self) -> tuple[object, ...]:
        return _noting, (self.unmetered,)

    def on_notes(self, notes: Sequence[Any]) -> None:
        """Report calls that another process made and noted to this meter and to those of wrapped providers."""
        for event, arguments in notes:
            getattr(self._meter, event)(*arguments)
        if isinstance(self._provider, MeteredProvider):
            self._provider.on_notes(notes)

    @property
    def name(self) -> str:
        return self._provider.name

    def prepare(self, request: CreateRequest) -> CreateRequest:
        with self._timed("prepare"):
            return self._provider.prepare(request)

    def create(self, request: CreateRequest) -> CreateOutcome:
        began = time.monotonic()
        outcome = self._provider.create(request)
        # Whatever is wrong with the meter, the outcome of a create that is paid for must not be lost.
        with suppress(Exception):
            self._meter.on_call("create", _OUTCOMES.get(type(outcome), "unknown"), time.monotonic() - began)
        return outcome

    def get(self, workflow_id: WorkflowId) -> Workflow:
        with self._timed("get"):
            return self._provider.get(workflow_id)

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow:
        with self._timed("update"):
            return self._provider.update(workflow_id, changes)

    def delete(self, workflow_id: WorkflowId) -> None:
        with self._timed("delete"):
            self._provider.delete(workflow_id)

    def report_error(self, message: str, context: Mapping[str, Json]) -> None:
        with self._timed("report_error"):
            self._provider.report_error(message, context)

    def health(self) -> None:
        with self._timed("health"):
            self._provider.health()

    def download(self, media: Media, target: Path) -> Downloaded:
        with self._timed("download"):
            downloaded = self._provider.download(media, target)
        self._meter.on_download(downloaded.bytes)
        return downloaded

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        began, outcome = time.monotonic(), "error"
        try:
            yield
            outcome = "ok"
        finally:
            self._meter.on_call(operation, outcome, time.monotonic() - began)


class _RecordingMeter:
    """A meter in a worker of a cluster: its notes are returned with the result."""

    def on_call(self, operation: str, outcome: str, seconds: float) -> None:
        note(("on_call", (operation, outcome, seconds)))

    def on_download(self, size: int) -> None:
        note(("on_download", (size,)))


def _noting(provider: Provider) -> Provider:
    return MeteredProvider(provider, _RecordingMeter())
