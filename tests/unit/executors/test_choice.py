"""`--executor` names threads, local processes or a scheduler; anything else is refused without trying it."""

from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import UsageError
from pipeline.executors.choice import workers_of


def test_threads_use_the_run_concurrency() -> None:
    assert workers_of("threads", {}, Path("scratch")) is None


@pytest.mark.parametrize(
    "told",
    ["dask", "dask://scheduler.example.com:8786", "dask://127.0.0.1:1", "dask://[::1]:65535"],
)
def test_cluster_is_not_contacted_before_there_is_work(told: str) -> None:
    assert workers_of(told, {}, Path("scratch")) is not None


@pytest.mark.parametrize(
    "told",
    [
        "",
        "ray",
        "Dask",
        "dask:",
        "dask:8786",
        "dask://",
        "dask://host",
        "dask://host:0",
        "dask://host:65536",
        "dask://user:hunter2@host:8786",
        "dask://host:8786/path",
        "dask://host:8786?key=hunter2",
        "tcp://host:8786",
        "ray://hunter2",
    ],
)
def test_invalid_value_is_rejected_without_repeating_it(told: str) -> None:
    with pytest.raises(UsageError, match=r"expected `threads`, `dask`, or .* dask://HOST:PORT") as refused:
        workers_of(told, {}, Path("scratch"))

    assert "hunter2" not in str(refused.value)


@fails_without(
    "pipeline.executors.dask_cluster:cluster_at", "if not (is_encrypted or is_here or may_be_plain):"
)
def test_remote_scheduler_gets_no_key_without_encryption() -> None:
    open_workers = workers_of("dask://192.0.2.1:8786", {}, Path("scratch"))
    assert open_workers is not None

    with pytest.raises(UsageError, match="the key is not sent without encryption"), open_workers(8):
        raise AssertionError("it was opened")
