"""Traces of a run as a collector receives them: one per purchase, continued by any machine."""

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.calling import KEY, Pipeline
from support.campaigns import Project

from pipeline.emulator.embedded import Emulator
from pipeline.purchases import PurchaseId
from pipeline.telemetry.timestamps import nanoseconds
from pipeline.telemetry.trace_settings import asks_for_traces
from pipeline.telemetry.traces import trace_ids

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


@dataclass
class Collector:
    """An OTLP/HTTP receiver with the traces it received."""

    url: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [
            {each.key: each.value.string_value for each in batch.resource.attributes}
            for batch in self._batches()
        ]

    @property
    def spans(self) -> list[Any]:
        return [span for batch in self._batches() for scope in batch.scope_spans for span in scope.spans]

    def _batches(self) -> Iterator[Any]:
        for body in self.bodies:
            yield from ExportTraceServiceRequest.FromString(body).resource_spans


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            received.bodies.append(
                gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            )
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        received = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


def traces_of(collector: Collector, project: Project) -> dict[str, dict[str, Any]]:
    """By job, the spans of its trace by name."""
    found: dict[str, dict[str, Any]] = {}
    for span in collector.spans:
        named = found.setdefault(attributes(span)["pipeline.job"], {})
        assert span.name not in named
        named[span.name] = span
    return found


def test_each_purchase_is_one_trace_with_an_id_derived_from_its_own(
    project: Project, pipeline: Pipeline, collector: Collector
) -> None:
    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    found = traces_of(collector, project)
    assert set(found) == {DANCE, WALK}
    assert len({span.trace_id for span in collector.spans}) == 2
    for key, spans in found.items():
        assert set(spans) == {"create", "wait", "fetch", "purchase"}
        purchase = project.jobs()[key]["purchase"]
        trace_id, first = (
            each.to_bytes(size, "big")
            for each, size in zip(trace_ids(PurchaseId(purchase)), (16, 8), strict=True)
        )
        root = spans.pop("purchase")
        assert (root.trace_id, root.span_id, root.parent_span_id) == (trace_id, first, b"")
        for span in spans.values():
            assert (span.trace_id, span.parent_span_id) == (trace_id, first)
            assert root.start_time_unix_nano <= span.start_time_unix_nano
            assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
        assert attributes(root)["pipeline.purchase"] == purchase
        assert attributes(root)["pipeline.campaign"] == "spring"
    assert {resource["service.name"] for resource in collector.resources} == {"campaign-pipeline"}
    assert KEY.encode() not in b"".join(collector.bodies)


def test_another_run_continues_the_same_trace(
    project: Project, pipeline: Pipeline, collector: Collector
) -> None:
    pipeline("run", project.manifest, "--no-download")
    assert {span.name for span in collector.spans} == {"create", "wait"}

    pipeline("run", project.manifest)

    for spans in traces_of(collector, project).values():
        assert set(spans) == {"create", "wait", "fetch", "purchase"}
        assert len({span.trace_id for span in spans.values()}) == 1


def test_failure_is_recorded_as_an_error(
    project: Project, pipeline: Pipeline, collector: Collector, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422}})

    pipeline("run", project.manifest)

    failed = traces_of(collector, project)[WALK]["purchase"]
    assert failed.status.code == 2
    assert attributes(failed)["error.type"] == "rejected"


def test_service_name_of_the_operator_wins(
    project: Project, pipeline: Pipeline, collector: Collector
) -> None:
    pipeline.set("OTEL_SERVICE_NAME", "films")

    pipeline("run", project.manifest)

    assert {resource["service.name"] for resource in collector.resources} == {"films"}


def test_unsampled_traces_are_not_sent(project: Project, pipeline: Pipeline, collector: Collector) -> None:
    pipeline.set("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    pipeline.set("OTEL_TRACES_SAMPLER_ARG", "0")

    assert pipeline("run", project.manifest).code == 0

    assert collector.spans == []


def test_collector_that_refuses_everything_does_not_affect_the_run(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting(status=400) as refusing:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.url)
        ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert "traces: not all of them could be sent" in ended.err
    assert set(project.statuses().values()) == {"done"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
)
def test_unsupported_trace_settings_are_reported(
    project: Project, pipeline: Pipeline, collector: Collector, name: str, value: str
) -> None:
    pipeline.set(name, value)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0
    assert f"warning: {name}" in ended.err
    assert collector.bodies == []


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_standard_variables_enable_traces(variables: dict[str, str], asked: bool) -> None:
    assert asks_for_traces(variables) is asked


def test_run_continues_without_the_extra_and_names_it(
    project: Project, pipeline: Pipeline, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pipeline.telemetry.traces", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert "pip install 'campaign-pipeline[otel]'" in ended.err


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.000Z", "yesterday"])
def test_time_outside_the_range_of_a_trace_is_dropped(moment: str) -> None:
    assert nanoseconds(moment) is None
    assert nanoseconds("2026-11-29T06:00:00.000Z") == 1_795_932_000 * 10**9
