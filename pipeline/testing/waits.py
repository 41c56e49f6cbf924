"""Checks of the waits that a vendor asks for: a run schedules them, so each is a number that a clock can add."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from pipeline.providers.base import CallRefused, Deferred, NotFound, VendorError
from pipeline.providers.responses import LONGEST_WAIT
from pipeline.testing.calls import CALLS, raised_by
from pipeline.testing.lab import Lab, expect
from pipeline.testing.vendor import Refusal

# What servers put into `Retry-After`, by mistake or in scorn.
ODD = (
    "",
    "0",
    "-5",
    "soon",
    "nan",
    "-inf",
    "inf",
    "1e30",
    "9" * 30,
    "100000000",
    "Wed, 21 Oct 2015 07:28:00 GMT",
)


def _assert_wait(after: object, told: str) -> None:
    is_number = isinstance(after, int | float) and not isinstance(after, bool)
    is_wait = (
        isinstance(after, int | float) and is_number and math.isfinite(after) and 0 <= after <= LONGEST_WAIT
    )
    expect(
        after is None or is_wait,
        f"the vendor asked for a retry after {told!r}, and the provider passed on {after!r} as `after`: it has to be "
        f"None, or a number of seconds from 0 to {LONGEST_WAIT:.0f}",
    )


def _busy_at_create(told: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        reply = lab.vendor.refused(Refusal.BUSY)
        lab.on_create = lambda connection, _call: connection.answer(reply, ("Retry-After", told))
        outcome = lab.create(lab.provider())
        expect(
            isinstance(outcome, Deferred),
            f"the vendor said that there are too many requests, but the provider returned {outcome}",
        )
        if isinstance(outcome, Deferred):
            _assert_wait(outcome.after, told)

    return check


def _busy_at_get(told: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        reply = lab.vendor.refused(Refusal.BUSY)
        lab.on_call = lambda connection, _call: connection.answer(reply, ("Retry-After", told))
        raised = raised_by(CALLS["get"], lab.provider())
        is_repeated = isinstance(raised, VendorError) and not isinstance(raised, NotFound | CallRefused)
        expect(is_repeated, f"a retry may well succeed, but the provider raised {type(raised).__name__}")
        _assert_wait(getattr(raised, "after", None), told)

    return check


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    for told in ODD:
        yield f"create: a retry after {told!r}", _busy_at_create(told)
        yield f"get: a retry after {told!r}", _busy_at_get(told)
