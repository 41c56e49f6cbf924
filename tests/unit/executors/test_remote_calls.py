"""What workers receive and return: it shows no secret, and each error arrives where its call was made."""

import pickle
import threading
from typing import NoReturn

import pytest
from support.protection import fails_without

from pipeline import __version__
from pipeline.errors import AccountError, InvalidInput, PipelineError, Problem, Unfinished
from pipeline.executors.remote_calls import ClusterFailed, Sealed, carry_out, result_in, sealed, sealed_call
from pipeline.providers.api_settings import Settings
from pipeline.providers.base import DownloadFailed, NotFound, VendorError
from pipeline.providers.vimmerse import Vimmerse

KEY = "canary-of-the-worker"


def add(shared: int, number: int, *, twice: bool = False) -> int:
    return shared + number * (2 if twice else 1)


def fail(error: Exception) -> NoReturn:
    raise error


class Unmovable(Exception):
    def __reduce__(self) -> NoReturn:
        raise TypeError("it stays here")


class Unreadable:
    def __reduce__(self) -> tuple[object, ...]:
        return fail, (ModuleNotFoundError("No module named 'vendor_plugin'"),)


both = threading.Barrier(2)


def meet() -> bool:
    """Whether another thread is here too."""
    try:
        both.wait(timeout=0.5)
    except threading.BrokenBarrierError:
        return False
    return True


class Meeting:
    def __reduce__(self) -> tuple[object, ...]:
        return meet, ()


def tell(value: object) -> object:
    return value


def made(*calls: Sealed, shared: tuple[object, ...] = ()) -> list[Sealed]:
    return list(carry_out(__version__, sealed(shared), calls))


def test_each_call_of_a_batch_gets_its_own_result() -> None:
    calls = [sealed_call(add, (number,), {}) for number in range(20)]
    calls.append(sealed_call(add, (1,), {"twice": True}))

    answers = made(*calls, shared=(100,))

    assert [result_in(each) for each in answers] == [*range(100, 120), 102]


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no such workflow", 3.0),
        VendorError("busy", 7.5),
        DownloadFailed("gone", 1.0, expired=True, lasting=True),
        AccountError("refused"),
        Unfinished("again"),
        InvalidInput(Problem("wrong")),
        ZeroDivisionError("a bug"),
    ],
)
def test_error_arrives_as_raised(error: Exception) -> None:
    [answer] = made(sealed_call(fail, (error,), {}))

    with pytest.raises(type(error)) as raised:
        result_in(answer)

    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)


def test_unpicklable_error_is_described() -> None:
    with pytest.raises(RuntimeError, match="on a worker: Unmovable: stays"):
        result_in(made(sealed_call(raise_unmovable, (), {}))[0])


def raise_unmovable() -> NoReturn:
    raise Unmovable("stays")


def test_worker_names_its_missing_dependency() -> None:
    [answer] = made(sealed_call(add, (1,), {}), shared=(Unreadable(),))

    with pytest.raises(ClusterFailed, match=r"No module named 'vendor_plugin'.*install there"):
        result_in(answer)


@fails_without(
    "pipeline.executors.remote_calls:_result_of", "with _loading", swap=("_loading", "threading.Lock()")
)
def test_calls_are_unpickled_one_at_a_time() -> None:
    answers = made(*[sealed_call(tell, (Meeting(),), {})] * 3)

    assert [result_in(each) for each in answers] == [False, False, False]


def test_worker_of_another_version_runs_nothing() -> None:
    done: list[int] = []
    call = sealed_call(add, (1,), {})

    answers = carry_out("0.0.1", sealed((done,)), (call, call))

    assert len(answers) == 2
    with pytest.raises(ClusterFailed, match=r"a worker has version .* and this is 0\.0\.1"):
        result_in(answers[0])


@fails_without(
    "pipeline.executors.remote_calls:Sealed", "content: bytes = ", swap=("repr=False", "repr=True")
)
def test_nothing_loggable_contains_the_key() -> None:
    vendor = Vimmerse(Settings(key=KEY, base_url="http://127.0.0.1:9"))
    shared, call = sealed((vendor,)), sealed_call(add, (vendor,), {})

    assert KEY.encode() in shared.content
    assert KEY not in repr((shared, call, made(call, shared=(vendor,))))


def test_cluster_failure_can_be_pickled() -> None:
    again = pickle.loads(pickle.dumps(ClusterFailed("lost")))

    assert isinstance(again, PipelineError)
    assert str(again) == "lost"
