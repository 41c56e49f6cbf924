"""Checks of `create`: its outcome depends on how much was sent and on a complete response; it is sent only once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count

from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    Bought,
    CreateOutcome,
    Deferred,
    JobRefused,
    NotSent,
    OutcomeUnknown,
)
from pipeline.testing.calls import CALLS, Ask, report
from pipeline.testing.create_responses import READABLE, REFUSALS, UNKNOWN, UNKNOWN_IN_ITS_FORM, Act
from pipeline.testing.lab import ID, SHORT_TIMEOUT, TIMEOUT, Lab, Play, expect
from pipeline.testing.server import Connection, closed_port
from pipeline.testing.vendor import Call, Refusal

# Seconds after which the server has surely accepted a connection that a provider has opened.
LONGEST_ACCEPT = 10.0


def _playing(lab: Lab, act: Act) -> Play:
    return lambda connection, _call: act(lab, connection)


def _assert_sent_once(lab: Lab) -> None:
    expect(len(lab.creates) <= 1, f"one create was sent {len(lab.creates)} times, and each may cost money")
    paths = [call.target for call in lab.calls if call.target.endswith("/elsewhere")]
    expect(not paths, "a redirect of a create was followed")


def _readable(act: Act) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_create = _playing(lab, act)
        outcome = lab.create(lab.provider())
        expect(outcome == Bought(ID), f"it was bought as {ID}, but the provider returned {outcome}")
        _assert_sent_once(lab)

    return check


def _unknown(act: Act) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_create = _playing(lab, act)
        timeout = (
            SHORT_TIMEOUT if act in (UNKNOWN["then silence"], UNKNOWN["then endless headers"]) else TIMEOUT
        )
        outcome = lab.create(lab.provider(timeout))
        expect(
            isinstance(outcome, OutcomeUnknown),
            f"nobody can tell whether that was bought, but the provider returned {outcome}: a run could pay twice",
        )
        _assert_sent_once(lab)

    return check


def _unknown_in_its_form(act: Act, status: int | None) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        statuses = {lab.vendor.refused(why).status for why in REFUSALS}
        is_success = status is not None and status < 300
        if status in statuses or (is_success and any(each < 300 for each in statuses)):
            return  # by the vendor's own description, that is a refusal
        _unknown(act)(lab)

    return check


def _bought(lab: Lab) -> None:
    outcome = lab.create(lab.provider())
    expect(outcome == Bought(ID), f"it was bought as {ID}, but the provider returned {outcome}")
    _assert_sent_once(lab)


def _refused(lab: Lab, why: Refusal, *headers: tuple[str, str]) -> CreateOutcome:
    lab.on_create = lambda connection, _call: connection.answer(lab.vendor.refused(why), *headers)
    outcome = lab.create(lab.provider())
    _assert_sent_once(lab)
    return outcome


def _request_refused(lab: Lab) -> None:
    outcome = _refused(lab, Refusal.REQUEST)
    expect(isinstance(outcome, JobRefused), f"the request was refused, but the provider returned {outcome}")


def _no_credit(lab: Lab) -> None:
    outcome = _refused(lab, Refusal.CREDIT)
    is_reported = isinstance(outcome, AccountRefused) and outcome.problem is AccountProblem.CREDIT
    expect(is_reported, f"there is no credit left, but the provider returned {outcome}")


def _bad_key(lab: Lab) -> None:
    outcome = _refused(lab, Refusal.KEY)
    is_reported = isinstance(outcome, AccountRefused) and outcome.problem is AccountProblem.KEY
    expect(is_reported, f"the key was refused, but the provider returned {outcome}")


def _busy(lab: Lab) -> None:
    outcome = _refused(lab, Refusal.BUSY, ("Retry-After", "7"))
    is_reported = isinstance(outcome, Deferred) and outcome.after == 7.0
    expect(is_reported, f"the vendor asked for a retry after 7 seconds, but the provider returned {outcome}")


def _connection_refused(lab: Lab) -> None:
    with closed_port() as url:
        outcome = lab.create(lab.provider(url=url))
    is_reported = isinstance(outcome, NotSent) and not outcome.started
    expect(is_reported, f"nothing was sent, so a retry is safe, but the provider returned {outcome}")


def _may_not_be_sent(lab: Lab) -> None:
    _assert_unsent(
        lab,
        lambda: False,
        "`may_send` returned False before anything was sent",
        "another run may hold the state by then",
    )


def _asked_once_connected(lab: Lab) -> None:
    _assert_unsent(
        lab,
        # The state is lost while the provider connects; the wait is for the server's thread.
        lambda: not lab.accepted.wait(LONGEST_ACCEPT),
        "`may_send` returns False once the connection is open",
        "it has to ask then, because connecting takes time",
    )


def _assert_unsent(lab: Lab, may_send: Callable[[], bool], when: str, why: str) -> None:
    provider = lab.provider()
    outcome = provider.create(replace(provider.prepare(lab.vendor.request("kit")), may_send=may_send))
    is_reported = isinstance(outcome, NotSent) and not outcome.started
    expect(
        is_reported and not lab.creates,
        f"the request's {when}, but the provider sent {len(lab.creates)} creates and returned {outcome}: {why}",
    )


def _nothing_else_buys(lab: Lab) -> None:
    lab.on_call = lambda connection, _call: connection.answer(lab.vendor.told(lab.workflow()))
    provider = lab.provider()
    others: dict[str, Ask] = {
        **CALLS,
        "report_error": report,
    }
    for name, call in others.items():
        with suppress(Exception):  # other checks judge what it raises
            call(provider)
        expect(not lab.creates, f"`{name}` sent a create: it is repeated, and each create may cost money")


def _reset_during_send(lab: Lab) -> None:
    sent: list[Connection] = []

    def reset(connection: Connection) -> None:
        sent.append(connection)
        connection.reset()

    lab.at_create = reset
    outcome = lab.create(lab.provider())
    is_reported = isinstance(outcome, NotSent | OutcomeUnknown)
    expect(is_reported, f"the connection was reset during the send, but the provider returned {outcome}")
    expect(len(sent) == 1, f"one create was sent {len(sent)} times; whether to send it again is for the run")


def _idle_connection(lab: Lab) -> None:
    numbers = count(1)

    def answer_and_close(connection: Connection, _call: Call) -> None:
        connection.answer(lab.vendor.created(f"Kit-{next(numbers)}"))
        connection.close()

    lab.on_create = answer_and_close
    provider = lab.provider()
    outcomes = [lab.create(provider, f"kit {number}") for number in range(3)]
    expect(
        all(isinstance(each, Bought) for each in outcomes),
        f"all three creates were bought, but the provider returned {outcomes}: a create needs its own connection",
    )


def _own_connection(lab: Lab) -> None:
    reused: list[bool] = []

    def answer(connection: Connection, _call: Call) -> None:
        reused.append(connection.requests > 1)
        connection.answer(lab.vendor.created(f"Kit-{len(reused)}"))

    lab.on_create = answer
    provider = lab.provider()
    for number in range(2):
        lab.create(provider, f"kit {number}")
    expect(
        not any(reused),
        "a create was sent over a connection that had been used: if the server closes it meanwhile, nobody can tell "
        "whether that was bought, so each create needs its own connection",
    )


def _many_at_once(lab: Lab) -> None:
    provider = lab.provider()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: lab.create(provider, f"kit {number}"), range(24)))
    ids = {each.workflow_id for each in outcomes if isinstance(each, Bought)}
    expect(len(ids) == 24, f"24 creates were bought from 8 threads, but the provider returned {len(ids)} ids")
    expect(len(lab.creates) == 24, f"24 creates were asked for, but {len(lab.creates)} were sent")


def _prepare_buys_nothing(lab: Lab) -> None:
    provider, request = lab.provider(), lab.vendor.request("kit")
    first, again = provider.prepare(request), provider.prepare(request)
    expect(not lab.creates, "`prepare` sent a create")
    expect(first == again, "`prepare` returned two different results for one request")


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "create: bought", _bought
    for name, act in READABLE.items():
        yield f"create: bought, answered {name}", _readable(act)
    yield "create: the request is refused", _request_refused
    yield "create: no credit is left", _no_credit
    yield "create: the key is refused", _bad_key
    yield "create: the vendor is busy", _busy
    yield "create: the connection is refused", _connection_refused
    yield "create: `may_send` returns False", _may_not_be_sent
    yield "create: `may_send` is asked once it is connected", _asked_once_connected
    yield "create: no other call sends one", _nothing_else_buys
    yield "create: reset during the send", _reset_during_send
    for name, act in UNKNOWN.items():
        yield f"create: sent, {name}", _unknown(act)
    for name, (act, status) in UNKNOWN_IN_ITS_FORM.items():
        yield f"create: sent, {name}", _unknown_in_its_form(act, status)
    yield "create: the server closes after each answer", _idle_connection
    yield "create: over a connection of its own", _own_connection
    yield "create: from many threads", _many_at_once
    yield "prepare: buys nothing, and can be repeated", _prepare_buys_nothing
