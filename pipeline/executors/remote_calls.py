"""The calls that a worker of a cluster makes, and their results. Plain data, and nothing of it shows in a log.

A worker has this package in the coordinator's version, and needs nothing else of it: no state, no manifest.
"""

import pickle
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from typing import Any

from pipeline import __version__, system
from pipeline.errors import ExitCode, PipelineError, printable

# Calls that a worker makes at once for one task.
MOST_IN_A_TASK = 16


class ClusterFailed(PipelineError):
    """The cluster cannot make a call, so the run cannot continue; nothing is lost."""

    exit_code = ExitCode.UNFINISHED


@dataclass(frozen=True, slots=True)
class Sealed:
    """Pickled data. A cluster logs what tasks are given, and this holds the key, or urls that are secrets."""

    content: bytes = field(repr=False)


def sealed(value: object) -> Sealed:
    """Any value, which a worker is to read."""
    return Sealed(pickle.dumps(value))


def sealed_call(
    function: Callable[..., object], args: tuple[object, ...], more: Mapping[str, object]
) -> Sealed:
    """A call to be made on a worker, but for the arguments that it has in common with others."""
    return sealed((function, args, dict(more)))


def carry_out(version: str, shared: Sealed, calls: tuple[Sealed, ...]) -> tuple[Sealed, ...]:
    """Make calls on a worker, all at once: each with the arguments that are `shared`, then its own.

    Each answer is to be read by `answer_in`. Never raises, as a cluster would log with what it was called.
    """
    _leave_no_core()
    if version != __version__:
        error = ClusterFailed(
            f"a worker has version {__version__} of campaign-pipeline, and this is {version}; "
            "install the same on both"
        )
        return tuple(_sealed_answer(error, is_error=True) for _ in calls)
    if len(calls) == 1:
        return (_answer(shared, calls[0]),)
    return tuple(_threads().map(partial(_answer, shared), calls))


def carry_out_long(version: str, shared: Sealed, calls: tuple[Sealed, ...]) -> tuple[Sealed, ...]:
    """As `carry_out`, for long calls."""
    return carry_out(version, shared, calls)


def answer_in(answer: Sealed, hear: Callable[[Sequence[object]], object] | None = None) -> Any:
    """What a call brought; raises what it raised. `hear` is told first what was noted on the worker."""
    is_error, value, notes = pickle.loads(answer.content)  # noqa: S301 - from a worker, which has the key too
    if hear is not None:
        hear(notes)
    if is_error:
        raise value
    return value


_carried_out = threading.local()
# To read a call imports what it names, and modules that import each other fail where several threads begin to.
_loading = threading.Lock()


def note(value: object) -> None:
    """Have plain data brought back with the answer of the call that this thread of a worker is making."""
    notes: list[object] | None = getattr(_carried_out, "notes", None)
    if notes is not None:
        notes.append(value)


def _answer(shared: Sealed, call: Sealed) -> Sealed:
    _carried_out.notes = []
    try:
        with _loading:
            function, args, more = pickle.loads(call.content)  # noqa: S301 - from the coordinator
            first = _opened(shared.content)
    except Exception as error:  # noqa: BLE001 - whatever is missing here has to be reported to the coordinator
        detail = printable(f"{type(error).__name__}: {error}", 200)
        return _sealed_answer(
            ClusterFailed(f"a worker cannot do its part: {detail}; install there what is installed here"),
            is_error=True,
        )
    try:
        return _sealed_answer(function(*first, *args, **more), is_error=False)
    except Exception as error:  # noqa: BLE001 - it is raised where the answer is read
        return _sealed_answer(error, is_error=True)


def _sealed_answer(value: object, *, is_error: bool) -> Sealed:
    try:
        return Sealed(pickle.dumps((is_error, value, _notes())))
    except Exception:  # noqa: BLE001 - an error of some library's own that cannot travel
        detail = printable(f"{type(value).__name__}: {value}", 500)
        return Sealed(pickle.dumps((True, RuntimeError(f"on a worker: {detail}"), _notes())))


def _notes() -> list[object]:
    return getattr(_carried_out, "notes", [])


@lru_cache(maxsize=4)
def _opened(shared: bytes) -> tuple[Any, ...]:
    """Data that calls have in common is kept, so that connections of the provider are used again."""
    opened: tuple[Any, ...] = pickle.loads(shared)  # noqa: S301 - from the coordinator
    return opened


_once = threading.Lock()


def _threads() -> ThreadPoolExecutor:
    with _once:
        return _made_threads()


@cache
def _made_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4 * MOST_IN_A_TASK, thread_name_prefix="call")


@cache
def _leave_no_core() -> None:
    system.leave_no_core()
