"""One trace for each purchase, with OpenTelemetry. The only module that uses its library.

The ids of a trace and of its first span are derived from the purchase's id, so a run on another machine continues
the same trace. The span of a phase (`create`, `wait`, `fetch`, `attention`) is sent when the phase ends, and the
first span, `purchase`, when the purchase ends.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pipeline import __version__
from pipeline.errors import printable
from pipeline.purchases import Purchase, PurchaseId
from pipeline.purchases import Status as PurchaseStatus
from pipeline.telemetry.timestamps import nanoseconds

if TYPE_CHECKING:
    from pipeline.state.store import Change

_resource = Resource.create
_NAME = "campaign-pipeline"
_PHASES = {
    PurchaseStatus.SUBMITTING: "create",
    PurchaseStatus.SUBMITTED: "wait",
    PurchaseStatus.SUCCEEDED: "fetch",
    PurchaseStatus.ATTENTION: "attention",
}
_ENDED = frozenset({PurchaseStatus.DONE, PurchaseStatus.FAILED, PurchaseStatus.VOID})
# Seconds that sending the last spans may take.
_TIMEOUT = 15.0


def trace_ids(purchase: PurchaseId) -> tuple[int, int]:
    """The ids of a purchase's trace and of its first span; never 0, which is invalid."""
    digest = hashlib.sha256(b"pipeline purchase\0" + purchase.encode()).digest()
    return int.from_bytes(digest[:16], "big") or 1, int.from_bytes(digest[16:24], "big") or 1


class Traces:
    """Sends a span for each phase that ends. `on_change` must be called from one thread only."""

    def __init__(self, campaign: str, variables: Mapping[str, str]) -> None:
        # Its errors are reported at the end, in one line: stderr belongs to the run.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        logging.getLogger("opentelemetry").propagate = False
        self._campaign = campaign
        self._ids = _Ids()
        self._exporter = _Counted(OTLPSpanExporter())
        named = "OTEL_SERVICE_NAME" in variables or "service.name=" in variables.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        self._provider = TracerProvider(
            resource=_resource({SERVICE_VERSION: __version__, **({} if named else {SERVICE_NAME: _NAME})}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("pipeline", __version__)
        self._since: dict[PurchaseId, str] = {}

    def on_change(self, change: Change) -> None:
        """Send the phase that ends with this change, and the purchase if it ends."""
        before, after = change.before, change.after
        if before is not None and before.status is after.status:
            return
        if before is not None and before.status in _PHASES:
            began = self._since.pop(before.id, None)
            if began is None:
                # The phase began before this run, or on another machine: at the create, or at an unknown time.
                began = before.bought_at if before.status is PurchaseStatus.SUBMITTING else change.at
            self._send_phase(_PHASES[before.status], after, began, change.at)
        if after.status in _ENDED:
            self._send_purchase(after, change.at)
        else:
            self._since[after.id] = change.at

    def finish(self) -> str | None:
        """Send the remaining spans; returns a message if some could not be sent, else None."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_TIMEOUT)
        lost = self._exporter.lost
        if closing.is_alive() or lost:
            return "traces: not all of them could be sent; see OTEL_EXPORTER_OTLP_ENDPOINT"
        return None

    def _send_phase(self, name: str, purchase: Purchase, began: str, ended: str) -> None:
        trace_id, first_span = trace_ids(purchase.id)
        decision = self._provider.sampler.should_sample(None, trace_id, "purchase").decision
        parent = SpanContext(
            trace_id,
            first_span,
            is_remote=True,
            trace_flags=TraceFlags(
                TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
            ),
        )
        self._send(name, purchase, began, ended, set_span_in_context(NonRecordingSpan(parent), Context()))

    def _send_purchase(self, purchase: Purchase, ended: str) -> None:
        self._ids.prepared = trace_ids(purchase.id)
        try:
            self._send("purchase", purchase, purchase.bought_at, ended, Context())
        finally:
            self._ids.prepared = None

    def _send(self, name: str, purchase: Purchase, began: str, ended: str, parent: Context) -> None:
        end = nanoseconds(ended)
        start = nanoseconds(began)
        span = self._tracer.start_span(
            name,
            context=parent,
            kind=SpanKind.CLIENT if name != "purchase" else SpanKind.INTERNAL,
            attributes=self._attributes(purchase),
            start_time=end if start is None or (end is not None and start > end) else start,
        )
        if purchase.status in {PurchaseStatus.FAILED, PurchaseStatus.ATTENTION}:
            span.set_attribute("error.type", purchase.reason or purchase.status)
            span.set_status(Status(StatusCode.ERROR, printable(purchase.error or "", 200)))
        span.end(end)

    def _attributes(self, purchase: Purchase) -> dict[str, str | int]:
        attributes: dict[str, str | int | None] = {
            "pipeline.campaign": self._campaign,
            "pipeline.job": purchase.key,
            "pipeline.purchase": purchase.id,
            "pipeline.template": purchase.template_id,
            "pipeline.workflow": purchase.workflow_id,
            "pipeline.credits": purchase.credits,
            "pipeline.status": purchase.status.value,
        }
        return {name: value for name, value in attributes.items() if value is not None}


class _Ids(RandomIdGenerator):
    """Random ids, except for the first span of a purchase's trace."""

    def __init__(self) -> None:
        self.prepared: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.prepared is None else self.prepared[0]

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.prepared is None else self.prepared[1]

    def is_trace_id_random(self) -> bool:
        return False


class _Counted(SpanExporter):
    """An exporter that counts the spans that could not be sent."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.lost += len(spans)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
