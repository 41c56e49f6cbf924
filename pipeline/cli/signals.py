"""Signals: the first requests an orderly stop; a second Ctrl-C ends the process immediately, and just as safely."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pipeline.cli.terminal import Closed
from pipeline.engine.reporter import Stop
from pipeline.errors import ExitCode, PipelineError, Stopped
from pipeline.system import HANG_UP

_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    **({HANG_UP: ExitCode.HUNG_UP} if HANG_UP is not None else {}),
}


@contextmanager
def stopping() -> Iterator[Stop]:
    """A `Stop` that signals request within this context.

    CI runners send SIGTERM after SIGINT, which is not a second Ctrl-C. Two signals sent together may arrive in either
    order.
    """
    stop = Stop()
    received: set[int] = set()

    def ask(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in received:
            # Every request in flight has its intent on disk, so this loses nothing and buys nothing twice.
            os._exit(ExitCode.INTERRUPTED)
        received.add(number)
        stop.request(_CODES[signal.Signals(number)])
        if number == signal.SIGINT:
            stop.code = ExitCode.INTERRUPTED

    with _handling(ask):
        yield stop


@contextmanager
def ended_by_signals() -> Iterator[Stop]:
    """As `stopping`; if a stop was requested, the command ends with the signal's exit code, however it ended.

    Raises:
        Stopped: a signal arrived, and everything is saved.
    """
    with stopping() as stop:
        try:
            yield stop
        except PipelineError as error:
            # The signal's code takes precedence over an error during the stop.
            error.exit_code = stop.code or error.exit_code
            raise
        except Closed:
            # As above: a terminal that is closed sends a signal and takes no more output.
            if stop.code is None:
                raise
    if stop.code is not None:
        raise Stopped(stop.code)


@contextmanager
def asking(stop: Stop) -> Iterator[None]:
    """While a person is asked a question, a signal requests the stop and raises KeyboardInterrupt immediately."""

    def answer(number: int, _frame: FrameType | None) -> None:
        stop.request(_CODES[signal.Signals(number)])
        raise KeyboardInterrupt

    with _handling(answer):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # `nohup` ignores it, so that a run outlives its terminal.
    ignored = {HANG_UP} if HANG_UP is not None and signal.getsignal(HANG_UP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, handler) for number in _CODES.keys() - ignored}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
