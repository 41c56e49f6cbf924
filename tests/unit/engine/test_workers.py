"""Workers make the calls that may be repeated; this process makes the rest, and those that workers cannot."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, job
from engine.vendor import FILM, success
from pipeline.artifacts.base import StoredObject, Upload
from pipeline.engine.fetch import FetchResult
from pipeline.engine.fetch_list import Wanted
from pipeline.engine.fetch_on_worker import Destination, fetch_and_send
from pipeline.errors import ExitCode, Unfinished
from pipeline.executors.remote_calls import ClusterFailed
from pipeline.providers.base import DownloadFailed, Media
from pipeline.purchases import WorkflowId

BLUE, RED = job("blue"), job("red")


@dataclass
class Workers(Executor):
    """Imitates a cluster. `away` simulates what happens on a worker's machine around a call."""

    here: Executor
    calls: Counter[str] = field(default_factory=Counter)
    away: Callable[[Callable[[], Any]], Any] = lambda call: call()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> "Future[Any]":
        self.calls[fn.__name__] += 1

        def call() -> Any:
            return self.away(lambda: fn(*args, **kwargs))

        return self.here.submit(call)


@pytest.fixture
def workers(harness: Harness) -> Workers:
    made = Workers(harness.executor)
    harness.workers = made
    return made


def test_workers_only_poll_and_download(harness: Harness, workers: Workers) -> None:
    ran = harness.run(BLUE, RED)

    assert ran.statuses == {"blue": "done", "red": "done"}
    assert set(workers.calls) == {"poll", "fetch_to_shared_folder"}
    assert set(harness.files()) == {"blue.mp4", "red.mp4"}


@fails_without("pipeline.engine.downloader:Downloader._fetched", "self._assert_here(")
def test_worker_with_a_separate_disk_is_detected_and_no_job_is_done(
    harness: Harness, workers: Workers
) -> None:
    def lose(call: Callable[[], Any]) -> Any:
        brought = call()
        if isinstance(brought, FetchResult):
            for file in brought.files.values():
                file.temporary.unlink()
        return brought

    workers.away = lose
    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "a worker of the cluster does not share this folder" in ran.report.notes[0]
    harness.workers = None
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


@fails_without(
    "pipeline.engine.fetch_on_worker:fetch_to_shared_folder", "if not wanted.beside.parent.is_dir():"
)
def test_worker_without_the_folder_downloads_nothing_and_creates_none(
    harness: Harness, workers: Workers
) -> None:
    output = harness.folder / "output"

    def hide(call: Callable[[], Any]) -> Any:
        if not output.exists():
            return call()
        hidden = output.rename(harness.folder / "hidden")
        try:
            return call()
        finally:
            assert not output.exists()
            hidden.rename(output)

    workers.away = hide
    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "share this folder" in ran.report.notes[0]
    assert not harness.vendor.of("download")


@pytest.mark.parametrize("error", [ClusterFailed("the scheduler is lost"), Unfinished("no room")])
def test_failed_cluster_ends_the_run_and_loses_nothing(
    harness: Harness, workers: Workers, error: Exception
) -> None:
    def fail(_call: Callable[[], Any]) -> Any:
        raise error

    workers.away = fail
    ran = harness.run(BLUE, RED)

    assert set(ran.statuses.values()) <= {"submitted", "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    bought = len(harness.vendor.creates)
    harness.workers = None
    assert harness.run(BLUE, RED).statuses == {"blue": "done", "red": "done"}
    assert len(harness.vendor.creates) == 2 >= bought


@fails_without("pipeline.engine.runner:Runner.run", "self._downloader.delete_leftovers()")
def test_leftovers_of_a_killed_worker_are_deleted(harness: Harness, workers: Workers) -> None:
    unfinished = harness.folder / "output" / ".0123456789abcdef-00~11223344.part"

    def repeat(call: Callable[[], Any]) -> Any:
        brought = call()
        if isinstance(brought, FetchResult):
            for file in brought.files.values():
                file.temporary.with_name(f"{file.temporary.name}~11223344.part").touch()
            unfinished.touch()
        return brought

    workers.away = repeat
    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert set(harness.files()) == {"blue.mp4", unfinished.name}


def test_worker_sends_nothing_while_a_file_is_missing(harness: Harness, tmp_path: Path) -> None:
    still = Media("https://media.test/still.png", "image/png")
    harness.vendor.contents[still.url] = [DownloadFailed("410", lasting=True)]
    (purchase,) = harness.run(BLUE, settings=replace(USUAL, download=False)).records.purchases.values()
    sent: list[Sequence[Upload]] = []

    def send(_scratch: Path, uploads: Sequence[Upload]) -> dict[str, StoredObject]:
        sent.append(uploads)
        return {}

    to = Destination(purchase, "blue", False, send)
    wanted = Wanted(tmp_path / ".w", purchase.outputs)
    came = fetch_and_send(
        harness.vendor, purchase.workflow_id or WorkflowId(""), wanted, success(FILM, still), to
    )

    # This machine then fetches them, and decides where the part goes.
    assert not came.is_complete(to)
    assert str(came.fetched.failure) == "410"
    assert not sent
