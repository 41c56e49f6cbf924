"""Metrics of a run, by address and by file: a bounded number of series, and loaded only if asked for."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from support.calling import KEY, Pipeline
from support.campaigns import Project
from support.processes import Running, environment

from pipeline import __version__
from pipeline.emulator.embedded import Emulator
from pipeline.engine.reporter import Tally
from pipeline.errors import ExitCode, Unfinished
from pipeline.executors.remote_calls import carry_out, result_in, sealed, sealed_call
from pipeline.jobs import JobKey
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
    VendorError,
)
from pipeline.purchases import Purchase, PurchaseId, Status, WorkflowId
from pipeline.state.events import Event, Finished, event_name
from pipeline.state.store import Change
from pipeline.state.transitions import TRANSITIONS
from pipeline.telemetry.metered_provider import MeteredProvider
from pipeline.telemetry.metrics_file import MetricsFile
from pipeline.telemetry.run_metrics import RunMetrics

_SAMPLE = re.compile(r'([a-z_:]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\})? (\+Inf|-?[0-9.e+-]+)')


def samples(text: str) -> dict[str, float]:
    """By name and labels, parsed as Prometheus does; every line must be valid."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            matched = _SAMPLE.fullmatch(line)
            assert matched, line
            labels = sorted(re.findall(r'[a-z_]+="(?:[^"\\]|\\.)*"', matched[2] or ""))
            key = f"{matched[1]}{{{','.join(labels)}}}"
            assert key not in found
            found[key] = float(matched[3])
    return found


def test_file_has_the_numbers_of_the_run(project: Project, pipeline: Pipeline, folder: Path) -> None:
    ended = pipeline("run", project.manifest, "--metrics-file", "spring.prom")

    assert ended.code == 0, ended.output
    text = (folder / "spring.prom").read_text()
    found = samples(text)
    campaign = 'campaign="spring"'
    assert found[f'pipeline_jobs{{{campaign},status="done"}}'] == 2
    assert found[f"pipeline_run_exit_code{{{campaign}}}"] == 0
    assert found[f"pipeline_run_spent_credits{{{campaign}}}"] == 200
    calls = "pipeline_provider_calls_total"
    assert found[f'{calls}{{{campaign},operation="create",outcome="bought"}}'] == 2
    assert found[f'{calls}{{{campaign},operation="download",outcome="ok"}}'] == 2
    assert found[f'pipeline_purchase_events_total{{{campaign},event="Fetched"}}'] == 2
    assert found[f"pipeline_workflow_duration_seconds_count{{{campaign}}}"] == 2
    fetched = sum(len(content) for content in project.output().values())
    assert found[f"pipeline_downloaded_bytes_total{{{campaign}}}"] == fetched
    assert (
        found[f"pipeline_run_start_timestamp_seconds{{{campaign}}}"]
        <= found[f"pipeline_run_end_timestamp_seconds{{{campaign}}}"]
    )
    assert KEY not in text


def test_run_with_nothing_to_do_reports_job_statuses(
    project: Project, pipeline: Pipeline, folder: Path
) -> None:
    pipeline("run", project.manifest)

    pipeline("run", project.manifest, "--metrics-file", "spring.prom")

    assert (
        samples((folder / "spring.prom").read_text())['pipeline_jobs{campaign="spring",status="done"}'] == 2
    )


def test_refused_run_reports_it_too(project: Project, pipeline: Pipeline, folder: Path) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)

    ended = pipeline("run", project.manifest, "--metrics-file", "spring.prom")

    assert ended.code == 5
    assert samples((folder / "spring.prom").read_text())['pipeline_run_exit_code{campaign="spring"}'] == 5


def test_names_follow_the_conventions(project: Project, pipeline: Pipeline, folder: Path) -> None:
    pipeline("run", project.manifest, "--metrics-file", "spring.prom")
    text = (folder / "spring.prom").read_text()

    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helped = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)

    assert {name for name, _ in helped} == set(kinds)
    for name, kind in kinds.items():
        assert name.startswith("pipeline_")
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|minutes|kb|mb)(_|$)", name)


class Anything:
    """A provider that returns `outcomes` in turn."""

    name = "anything"

    def __init__(self, outcomes: list[CreateOutcome]) -> None:
        self.outcomes = outcomes
        self.fails = False

    def create(self, _request: object) -> CreateOutcome:
        return self.outcomes.pop()

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        def call(*_arguments: object) -> Any:
            if self.fails:
                raise VendorError("no")
            return type("Downloaded", (), {"bytes": 7})

        return call


def test_number_of_series_is_limited_to_200() -> None:
    metrics = RunMetrics('a "quoted"\n\\ name', 1.0)
    for number in range(300):
        purchase = Purchase(
            id=PurchaseId(f"p{number}"),
            key=JobKey(f"job/{number}"),
            fingerprint="f",
            status=Status.SUCCEEDED,
            bought_at="2026-03-01T12:00:00.000Z",
            template_id=f"template_{number}",
        )
        for event in (None, *_every_event()):
            metrics.on_change(
                Change(
                    before=purchase, after=purchase, at=f"2026-03-01T12:{number % 60:02}:00.000Z", event=event
                )
            )
    metrics.on_tally(Tally(done=1, under_way=2, waiting=3, failed=4, unknown=5, credits=6))
    creates: list[CreateOutcome] = [
        *(Bought(WorkflowId("w")), NotSent(""), Deferred(""), JobRefused(""), OutcomeUnknown("")),
        AccountRefused(AccountProblem.KEY, ""),
    ]
    inner = Anything(list(creates))
    provider: Any = MeteredProvider(inner, metrics)
    for _ in creates:
        provider.create(None)
    for fails in (False, True):
        inner.fails = fails
        for name, arguments in _CALLS.items():
            if fails:
                with pytest.raises(VendorError):
                    getattr(provider, name)(*arguments)
            else:
                getattr(provider, name)(*arguments)
    metrics.on_end(ExitCode.OK, 2.0)

    assert 100 < len(samples(metrics.text())) <= 200


_CALLS: Mapping[str, tuple[object, ...]] = {
    "prepare": (None,),
    "get": ("w",),
    "update": ("w", None),
    "delete": ("w",),
    "report_error": ("", {}),
    "health": (),
    "download": (None, None),
}


def _every_event() -> list[Event]:
    """One event of each kind, with arbitrary content."""
    kinds = {kind for _, kind in TRANSITIONS}
    made = [kind.__new__(kind) for kind in kinds]
    assert len({event_name(event) for event in made}) == len(kinds)
    assert any(isinstance(event, Finished) for event in made)
    return made


def test_metrics_are_served_during_the_run(
    project: Project, vendor: Emulator, start: Callable[..., Running]
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 600}})
    running = start("run", project.manifest, "--metrics", "127.0.0.1:0")
    url = running.hear("metrics at ").split()[-1]

    with urllib.request.urlopen(url) as response:
        text, kind = response.read().decode(), response.headers["Content-Type"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url.removesuffix("/metrics"))

    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(text)['pipeline_run_start_timestamp_seconds{campaign="spring"}'] > 0
    assert KEY not in text


@pytest.mark.parametrize(
    "address", ["nowhere", "127.0.0.1:99999", "u@127.0.0.1:1", "127.0.0.1:1/x", "192.0.2.1:1"]
)
def test_unusable_address_exits_64_and_nothing_is_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator, address: str
) -> None:
    ended = pipeline("run", project.manifest, "--metrics", address)

    assert ended.code == 64, ended.output
    assert "--metrics" in ended.err
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize("file", ["spring.txt", "images/red.png/spring.prom"])
def test_unusable_file_exits_64_and_nothing_is_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator, file: str
) -> None:
    ended = pipeline("run", project.manifest, "--metrics-file", file)

    assert ended.code == 64, ended.output
    assert vendor.ledger.entries == ()


def test_file_is_written_periodically_and_a_full_disk_is_reported_at_the_end(tmp_path: Path) -> None:
    now, said = [0.0], ["one\n"]
    file = MetricsFile(tmp_path / "x" / "m.prom", lambda: said[0], lambda: now[0])
    said[0] = "two\n"
    file.refresh()
    assert (tmp_path / "x" / "m.prom").read_text() == "one\n"
    now[0] = 16.0
    file.refresh()
    assert (tmp_path / "x" / "m.prom").read_text() == "two\n"
    (tmp_path / "x" / "m.prom").unlink()
    (tmp_path / "x").rmdir()
    (tmp_path / "x").write_text("in the way")
    now[0] = 32.0

    file.refresh()
    with pytest.raises(Unfinished, match="cannot be written"):
        file.finish()


def test_metrics_library_is_not_loaded_if_no_metrics_are_wanted(project: Project, vendor: Emulator) -> None:
    program = (
        "import sys, json\n"
        "from pipeline.cli.main import called\n"
        "code = called(sys.argv[1:])\n"
        "print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, "run", str(project.manifest)],
        env=environment(vendor.url, {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )

    code, loaded = json.loads(ended.stderr.splitlines()[-1])
    assert code == 0
    unwanted = {"opentelemetry", "google.protobuf", "http.server", "pipeline.telemetry.traces"}
    unwanted |= {"pipeline.telemetry.run_metrics", "pipeline.telemetry.metrics_server"}
    assert unwanted & set(loaded) == set()


def test_meter_passes_a_create_on_once_and_its_exceptions_too() -> None:
    inner = Anything([Bought(WorkflowId("w"))])
    provider: Any = MeteredProvider(inner, RunMetrics("c", 0.0))

    assert provider.create(None) == Bought(WorkflowId("w"))
    with pytest.raises(IndexError):
        provider.create(None)


class Silent(Anything):
    """A healthy provider that can be pickled."""

    def __reduce__(self) -> tuple[type["Silent"], tuple[list[Any]]]:
        return Silent, ([None],)


class NotedMeter:
    """A meter that records what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def on_call(self, operation: str, outcome: str, seconds: float) -> None:
        self.heard.append((operation, outcome))

    def on_download(self, size: int) -> None:
        self.heard.append(("bytes", str(size)))


def _asks(provider: Any, number: int) -> None:
    provider.health()
    if number:
        raise VendorError("no")


@pytest.mark.parametrize("number", [0, 1])
def test_calls_in_another_process_are_recorded_by_every_meter(number: int) -> None:
    inner, outer = NotedMeter(), NotedMeter()
    provider = MeteredProvider(MeteredProvider(Silent([]), inner), outer)
    call = sealed_call(_asks, (number,), {})

    (answer,) = carry_out(__version__, sealed((provider,)), (call,))
    assert inner.heard == outer.heard == []
    with pytest.raises(VendorError) if number else nullcontext():
        result_in(answer, provider.on_notes)

    assert inner.heard == outer.heard == [("health", "ok")]
