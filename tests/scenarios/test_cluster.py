"""Polls and downloads on Dask workers that die meanwhile; creates stay with the coordinator."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from starlette.requests import Request
from support.calling import KEY, Pipeline
from support.campaigns import Project, campaign, spring
from support.checks import assert_nothing_bought_twice, assert_playable, assert_whole
from support.cluster import Cluster, is_alive, plain_environment
from support.processes import PATIENCE, PROGRAM, environment, until
from support.protection import fails_without
from support.s3 import BUCKET, Asked, S3Server

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.fault_injection import Endpoint, FaultInjector
from pipeline.emulator.faults import Call, Operation


def many(number: int) -> dict[str, object]:
    """A campaign of `number` jobs."""
    return spring(prompts={f"p{each}": f"prompt {each}" for each in range(number)})


class Heard:
    """Observes each request to the vendor before it is answered: its operation and source port."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.meet: Callable[[Operation, int], None] = lambda _operation, _port: None
        describe = FaultInjector._describe_unread

        async def heard(injector: FaultInjector, endpoint: Endpoint, request: Request) -> Call:
            assert request.client is not None
            self.meet(endpoint.operation, request.client.port)
            return await describe(injector, endpoint, request)

        monkeypatch.setattr(FaultInjector, "_describe_unread", heard)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Heard:
    return Heard(monkeypatch)


@fails_without(
    "pipeline.engine.create:Creator.start_next", "self.calls.submit_local(", swap=("submit_local", "submit")
)
def test_workers_poll_and_download_and_only_the_coordinator_buys(
    project: Project, pipeline: Pipeline, vendor: Emulator, dask_cluster: Cluster, asked: Heard
) -> None:
    by_worker: Counter[tuple[Operation, bool]] = Counter()

    def count(operation: Operation, port: int) -> None:
        by_worker[operation, dask_cluster.worker_at(port) is not None] += 1

    asked.meet = count
    ended = pipeline("run", project.manifest, "--executor", dask_cluster.address)

    assert ended.code == 0, ended.output
    assert "distributed" not in ended.output
    assert_whole(project)
    assert by_worker[Operation.CREATE, False] == 2
    assert by_worker[Operation.DOWNLOAD, True] == 2
    assert by_worker[Operation.GET, True] >= 2
    assert {is_worker for operation, is_worker in by_worker if operation is not Operation.CREATE} == {True}
    assert all("width" in facts for facts in project.results()["media"].values())


def test_calls_of_workers_are_counted_and_collect_uses_workers_too(
    project: Project, pipeline: Pipeline, vendor: Emulator, dask_cluster: Cluster, asked: Heard
) -> None:
    metrics = project.folder / "spring.prom"
    executor = ("--executor", dask_cluster.address)
    assert pipeline("run", project.manifest, *executor, "--metrics-file", metrics).code == 0
    metrics_text = metrics.read_text()

    def count(operation: str) -> int:
        found = re.search(rf'calls_total{{.*operation="{operation}",outcome="ok"}} ([0-9]+)', metrics_text)
        return int(found[1]) if found else 0

    assert count("download") == 2
    assert count("get") >= 2
    size = sum(map(len, project.output().values()))
    assert re.search(rf"pipeline_downloaded_bytes_total{{.*}} {size}\n", metrics_text)

    by_worker: list[bool] = []
    asked.meet = lambda operation, port: by_worker.append(dask_cluster.worker_at(port) is not None)
    for source in (project.manifest, project.state):
        shutil.rmtree(project.folder / "output")
        ended = pipeline("collect", source, *executor)
        assert ended.code == 0, ended.output
        assert_whole(project)

    assert by_worker
    assert all(by_worker)


def test_repeatedly_killed_workers_still_download_whole_files(
    folder: Path, pipeline: Pipeline, vendor: Emulator, dask_cluster: Cluster, asked: Heard
) -> None:
    project = campaign(folder, {"campaign.yaml": many(24)})
    killed: list[int] = []
    requests = 0

    def strike(operation: Operation, port: int) -> None:
        """After ten requests, kill the worker that asks; if it is gone already, the next that asks."""
        nonlocal requests
        requests += operation in {Operation.DOWNLOAD, Operation.GET}
        if requests >= 10 and (worker := dask_cluster.worker_at(port)) is not None:
            requests = 0
            dask_cluster.kill(worker)
            killed.append(worker)

    asked.meet = strike
    ended = pipeline("run", project.manifest, "--executor", dask_cluster.address, "--concurrency", "12")

    assert ended.code == 0, ended.output
    assert len(killed) >= 5
    assert len(vendor.ledger.entries) == 24
    assert_nothing_bought_twice(vendor)
    # A download that the cluster repeats may outlive the run, which cleans up what it finds at its end.
    assert_whole(project, may_leave_partial=True)
    assert pipeline("verify", project.manifest, "--files").code == 0


def test_workers_make_the_media_of_the_emulator(
    project: Project, pipeline: Pipeline, dask_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_here: list[object] = []
    monkeypatch.setattr("pipeline.emulator.render_queue.made", lambda *given: made_here.append(given))
    ended = pipeline("run", project.manifest, "--emulate", "--executor", dask_cluster.address)

    assert ended.code == 0, ended.output
    assert not made_here
    videos = list((project.folder / "output" / "spring" / "emulated").rglob("*.mp4"))
    assert len(videos) == 2
    for video in videos:
        assert_playable(video.name, video.read_bytes())


def test_cluster_logs_never_contain_the_key(
    project: Project, pipeline: Pipeline, vendor: Emulator, dask_cluster: Cluster
) -> None:
    vendor.fail({"on": "get", "nth": 1, "do": "html"}, {"on": "download", "nth": 1, "do": {"status": 500}})
    ended = pipeline("run", project.manifest, "--executor", dask_cluster.address)

    assert ended.code == 0, ended.output
    log = dask_cluster.log.read_text("utf-8", "replace")
    assert "carry_out" in log
    assert KEY not in log
    assert KEY not in ended.output


def test_workers_upload_to_an_object_store_directly(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server, tmp_path: Path
) -> None:
    output = f"s3://{BUCKET}/spring"
    with closing(Cluster(tmp_path, plain_environment() | bucket.environment, workers=2)) as cluster:
        by_worker: list[bool] = []

        def count(asked: Asked) -> None:
            if asked.method == "PUT" and asked.key.endswith(".mp4"):
                by_worker.append(cluster.worker_at(int(asked.headers["REMOTE_PORT"])) is not None)

        bucket.meet = count
        flags = ("run", project.manifest, "--output", output, "--executor", cluster.address)
        ended = pipeline(*flags)

        assert ended.code == 0, ended.output
        assert by_worker == [True, True]
        first = bucket.objects()
        assert all(facts["width"] for facts in project.results()["media"].values())
        # The gallery gets its stills from the workers, and downloads no video for them.
        stills = project.folder / ".pipeline" / "cache" / "stills"
        assert {path.stem for path in stills.iterdir()} == set(project.results()["media"])
        assert all(path.read_bytes()[8:12] == b"WEBP" for path in stills.iterdir())
        bucket.asked.clear()
        page = pipeline("report", project.manifest, "--output", output, "--out", tmp_path / "page")
        assert page.code == 0, page.output
        assert len(list((tmp_path / "page" / "posters").iterdir())) == 2
        assert not [each for each in bucket.asked if each.method == "GET" and each.key]
        # The existing file is another purchase's: the coordinator must set it aside, so it does everything itself.
        replaced = pipeline(*flags, "--replace", next(iter(project.jobs())))
        assert replaced.code == 0, replaced.output
        assert set(first.values()) <= set(bucket.objects().values())
        assert len(bucket.objects()) == 3
        assert not list(tmp_path.glob("pipeline-*"))
    assert pipeline("verify", project.manifest, "--files", "--output", output).code == 0
    assert len(vendor.ledger.entries) == 3


def test_lost_scheduler_ends_the_run_and_the_next_one_continues(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    asked: Heard,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(Cluster(tmp_path, plain_environment(), workers=1)) as cluster:

        def strike(operation: Operation, _port: int) -> None:
            if operation is Operation.DOWNLOAD:
                # A second `Popen.kill` would reap it, and `close` would no longer find it.
                cluster.kill(cluster.process.pid)

        asked.meet = strike
        ended = pipeline("run", project.manifest, "--executor", cluster.address)

    assert ended.code == 8, ended.output
    assert "the scheduler is lost; run again to continue" in ended.output
    assert "Traceback" not in ended.output
    asked.meet = lambda _operation, _port: None
    monkeypatch.setattr("pipeline.executors.dask_cluster.CONNECT_TIMEOUT", 1.0)
    nobody = pipeline("run", project.manifest, "--executor", cluster.address)
    assert nobody.code == 8, nobody.output
    assert "no scheduler answers there" in nobody.output
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2
    assert_whole(project)


def test_cluster_without_workers_is_reported_before_buying(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.executors.dask_cluster.CONNECT_TIMEOUT", 3.0)
    with closing(Cluster(tmp_path, plain_environment(), workers=0)) as cluster:
        ended = pipeline("run", project.manifest, "--executor", cluster.address)

    assert ended.code == 8, ended.output
    assert "has no workers" in ended.output
    assert not vendor.ledger.entries


def test_local_workers_leave_ctrl_c_to_the_run_and_end_with_it(project: Project, vendor: Emulator) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    with subprocess.Popen(
        [*PROGRAM, "run", str(project.manifest), "--executor", "dask"],
        env=environment(vendor.url),
        cwd=project.folder,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    ) as running:
        assert running.stderr is not None
        until(lambda: len(vendor.ledger.entries) == 2, "both creates")
        workers = psutil.Process(running.pid).children(recursive=True)
        os.killpg(running.pid, signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(timeout=PATIENCE) == 130, said

    assert len(workers) >= 2
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    assert "distributed" not in said
    until(lambda: not any(is_alive(each) for each in workers), "their end")
    assert not (project.folder / ".pipeline" / "spring.uploads" / "workers").exists()


@pytest.mark.parametrize("given", ["dask", "dask://127.0.0.1:8786"])
def test_missing_extra_is_named_and_nothing_is_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "pipeline.executors.dask_cluster", raising=False)
    ended = pipeline("run", project.manifest, "--executor", given)

    assert ended.code == 64, ended.output
    assert "pip install 'campaign-pipeline[dask]'" in ended.err
    assert not vendor.ledger.entries


def test_unknown_scheme_is_refused(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    pipeline.set("PIPELINE_EXECUTOR", "ray://hunter2@host:1")
    ended = pipeline("run", project.manifest)

    assert ended.code == 64, ended.output
    assert "expected `threads`, `dask`" in ended.err
    assert "hunter2" not in ended.output
    assert not vendor.ledger.entries
