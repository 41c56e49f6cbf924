"""A shared state, workers and an object store together; each of them dies during the run."""

import signal
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from support.calling import Pipeline
from support.campaigns import campaign, spring
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten
from support.cluster import Cluster, plain_environment
from support.postgres import PostgresServer
from support.processes import PATIENCE, Running
from support.s3 import BUCKET, Asked, S3Server, assert_stored_whole

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import Ledger, LedgerEntry
from pipeline.purchases import PurchaseId

Start = Callable[..., Running]

JOBS = 300
# Seconds after which something counts as hanging.
LONG = 10 * PATIENCE


def test_three_hundred_jobs_survive_the_loss_of_a_worker_the_database_and_the_coordinator(
    folder: Path,
    start: Start,
    pipeline: Pipeline,
    vendor: Emulator,
    postgres: PostgresServer,
    bucket: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if postgres.data is None:
        pytest.skip("the server that PIPELINE_TEST_POSTGRES_URL names cannot be killed")
    prompts = {f"p{number}": f"prompt {number}" for number in range(JOBS)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, limits={"max_creates": JOBS})})
    database = postgres.database()
    locations = ("--state", database.url, "--output", f"s3://{BUCKET}/spring")
    with closing(Cluster(tmp_path, plain_environment() | bucket.environment)) as cluster:
        flags = ("run", project.manifest, *locations, "--executor", cluster.address, "--quiet")
        pace = ("--concurrency", "12", "--in-flight", "100", "--poll-interval", "2")
        killed = kill_a_worker(bucket, cluster, at=20)
        first = start(*flags, *pace, **bucket.environment)
        begun = Event()
        # The last one is killed before it can learn the outcome of that create.
        moments: dict[int, Callable[[], object]] = {60: begun.set, 200: partial(first.signal, signal.SIGKILL)}
        meet_creates(moments, monkeypatch)
        deadline = time.monotonic() + LONG
        while not begun.wait(1.0):
            assert first.process.poll() is None, first.ended()
            assert time.monotonic() < deadline
        postgres.kill()
        postgres.start()
        said = first.process.communicate(timeout=LONG)
        assert first.process.returncode == -signal.SIGKILL, said
        bought = len(vendor.ledger.entries)
        # Nobody renews its lease; it expires now instead of in a minute.
        database.rows("UPDATE pipeline.leases SET until = clock_timestamp()")

        second = start(*flags, *pace, **bucket.environment).process
        said = second.communicate(timeout=LONG)
        assert second.returncode == 7, said
        under_way = [each for each in project.results()["purchases"] if each["status"] == "attention"]
        assert 1 <= len(under_way) <= 12
        sold = {entry.title.rpartition("(")[2].rstrip(")"): entry for entry in vendor.ledger.bought}
        assert any(each["id"] in sold for each in under_way)
        for each in under_way:
            resolve_by_ledger(pipeline, project.manifest, each["id"], sold.get(each["id"]), locations)

        third = pipeline(*flags)
        assert third.code == 0, third.output

    assert killed
    assert 200 <= bought < JOBS
    assert set(project.statuses().values()) == {"done"}
    assert len(project.jobs()) == len(vendor.ledger.entries) == len(vendor.ledger.bought) == JOBS
    assert len({entry.content for entry in vendor.ledger.entries}) == JOBS
    assert_nothing_bought_twice(vendor)
    assert_nothing_forgotten(project, vendor)
    assert len(bucket.objects()) == JOBS
    assert_stored_whole(project, bucket)
    verified = pipeline("verify", project.manifest, "--files", *locations)
    assert verified.code == 0, verified.output


def kill_a_worker(bucket: S3Server, cluster: Cluster, *, at: int) -> list[int]:
    """Kill the worker that uploads file number `at`, before it is stored; the list names the worker."""
    killed: list[int] = []
    puts = 0

    def strike(asked: Asked) -> None:
        nonlocal puts
        puts += asked.method == "PUT" and asked.key.endswith(".mp4")
        if puts >= at and not killed and (worker := cluster.worker_at(int(asked.headers["REMOTE_PORT"]))):
            killed.append(worker)
            cluster.kill(worker)

    bucket.meet = strike
    return killed


def meet_creates(moments: Mapping[int, Callable[[], object]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call each function once that many creates were sold, before the last one is answered."""
    append = Ledger.append

    def met(ledger: Ledger, entry: LedgerEntry) -> None:
        append(ledger, entry)
        if (moment := moments.get(len(ledger.entries))) is not None:
            moment()

    monkeypatch.setattr(Ledger, "append", met)


def resolve_by_ledger(
    pipeline: Pipeline,
    manifest: Path,
    purchase_id: PurchaseId,
    sold: LedgerEntry | None,
    locations: tuple[str, ...],
) -> None:
    """Resolve a create by the vendor's own list."""
    bought = sold is not None and sold.workflow_id is not None
    outcome = ("--workflow-id", str(sold.workflow_id)) if sold and bought else ("--not-bought",)
    ended = pipeline("resolve", manifest, purchase_id, *outcome, *locations)
    assert ended.code == 0, ended.output
