"""Makes calls on a worker of a cluster, and pickles them and their results so that no log shows their content.

A worker needs this package in the coordinator's version, and nothing else: no state, no manifest.
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

# The most calls that a worker makes at the same time for one task.
MAX_IN_A_TASK = 16


class ClusterFailed(PipelineError):
    """The cluster cannot make calls, so the run cannot continue; nothing is lost."""

    exit_code = ExitCode.UNFINISHED


@dataclass(frozen=True, slots=True)
class Sealed:
    """Pickled data without a repr: a cluster logs the arguments of tasks, which contain the key or secret urls."""

    content: bytes = field(repr=False)


def sealed(value: object) -> Sealed:
    """Pickle a value for a worker."""
    return Sealed(pickle.dumps(value))


def sealed_call(
    function: Callable[..., object], args: tuple[object, ...], more: Mapping[str, object]
) -> Sealed:
    """Pickle a call for a worker, without the arguments that it shares with other calls."""
    return sealed((function, args, dict(more)))


def carry_out(version: str, shared: Sealed, calls: tuple[Sealed, ...]) -> tuple[Sealed, ...]:
    """Make calls on a worker, all at the same time, each with the `shared` arguments, then its own.

    Read each result with `result_in`. Never raises, because a cluster would log the arguments with the error.
    """
    _leave_no_core()
    if version != __version__:
        error = ClusterFailed(
            f"a worker has version {__version__} of campaign-pipeline, and this is {version}; "
            "install the same on both"
        )
        return tuple(_sealed_result(error, is_error=True) for _ in calls)
    if len(calls) == 1:
        return (_result_of(shared, calls[0]),)
    return tuple(_threads().map(partial(_result_of, shared), calls))


def carry_out_long(version: str, shared: Sealed, calls: tuple[Sealed, ...]) -> tuple[Sealed, ...]:
    """As `carry_out`, for long calls: the scheduler tells them apart by this name."""
    return carry_out(version, shared, calls)


def result_in(sealed: Sealed, on_notes: Callable[[Sequence[object]], object] | None = None) -> Any:
    """Return what a call returned, or raise what it raised. First, `on_notes` gets the notes made on the worker."""
    is_error, value, notes = pickle.loads(sealed.content)  # noqa: S301 - from a worker, which is trusted with the key
    if on_notes is not None:
        on_notes(notes)
    if is_error:
        raise value
    return value


_carried_out = threading.local()
# Unpickling imports modules, and modules that import each other can fail if several threads import them at once.
_loading = threading.Lock()


def note(value: object) -> None:
    """Send plain data back with the result of the call that this worker thread is making."""
    notes: list[object] | None = getattr(_carried_out, "notes", None)
    if notes is not None:
        notes.append(value)


def _result_of(shared: Sealed, call: Sealed) -> Sealed:
    _carried_out.notes = []
    try:
        with _loading:
            function, args, more = pickle.loads(call.content)  # noqa: S301 - from the coordinator
            first = _opened(shared.content)
    except Exception as error:  # noqa: BLE001 - whatever is missing on this worker has to be reported to the coordinator
        detail = printable(f"{type(error).__name__}: {error}", 200)
        return _sealed_result(
            ClusterFailed(f"a worker cannot do its part: {detail}; install there what is installed here"),
            is_error=True,
        )
    try:
        return _sealed_result(function(*first, *args, **more), is_error=False)
    except Exception as error:  # noqa: BLE001 - raised again where the result is read
        return _sealed_result(error, is_error=True)


def _sealed_result(value: object, *, is_error: bool) -> Sealed:
    try:
        return Sealed(pickle.dumps((is_error, value, _notes())))
    except Exception:  # noqa: BLE001 - a library's error that cannot be pickled
        detail = printable(f"{type(value).__name__}: {value}", 500)
        return Sealed(pickle.dumps((True, RuntimeError(f"on a worker: {detail}"), _notes())))


def _notes() -> list[object]:
    return getattr(_carried_out, "notes", [])


@lru_cache(maxsize=4)
def _opened(shared: bytes) -> tuple[Any, ...]:
    """Unpickle shared arguments; cached, so that the provider's connections are reused."""
    opened: tuple[Any, ...] = pickle.loads(shared)  # noqa: S301 - from the coordinator
    return opened


_once = threading.Lock()


def _threads() -> ThreadPoolExecutor:
    with _once:
        return _made_threads()


@cache
def _made_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4 * MAX_IN_A_TASK, thread_name_prefix="call")


@cache
def _leave_no_core() -> None:
    system.leave_no_core()
