"""Whatever responses come in whatever order, and whenever a run is stopped: nothing is paid twice or lost."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.harness import FakeCheckpoint, Harness, RunResult, job
from engine.vendor import Response, failure, running, success
from pipeline.engine.reporter import Stop
from pipeline.engine.run_settings import RunSettings
from pipeline.errors import AccountError, ExitCode
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    CreateOutcome,
    Deferred,
    DownloadFailed,
    JobRefused,
    Media,
    NotFound,
    NotSent,
    OutcomeUnknown,
    VendorError,
    Workflow,
)
from pipeline.purchases import PurchaseId, Status

SKETCH = job("a-sketch")
WANTED = (SKETCH, job("b-film", upstream=SKETCH), job("c"), job("d"), job("e"), job("f", asks="e"))
# Seconds that a call takes, so that calls return together or one after another.
TAKES = (0.0, 0.25, 0.5, 2.0)
NAMES = [each.path for each in WANTED]

bought: Response[CreateOutcome | None] = None
creates = st.sampled_from(
    [
        bought,
        bought,
        NotSent("refused"),
        NotSent("reset", started=True),
        Deferred("429", 2.0),
        Deferred("429", 86_400.0),
        JobRefused("422"),
        AccountRefused(AccountProblem.CREDIT, "402"),
        AccountRefused(AccountProblem.KEY, "401"),
        OutcomeUnknown("timeout"),
        KeyError("data"),
    ]
)
polls = st.sampled_from(
    [
        running(10),
        running(None),
        success(),
        failure(),
        NotFound("404"),
        VendorError("503"),
        AccountError("401"),
    ]
)
downloads = st.sampled_from([DownloadFailed("reset"), DownloadFailed("403", expired=True)])


@dataclass(frozen=True)
class Fate:
    """What happens to the calls of one job before they succeed."""

    create_outcomes: list[Response[CreateOutcome | None]]
    poll_answers: list[Response[Workflow]]
    contents: list[Response[bytes]]


fates = st.builds(
    Fate,
    create_outcomes=st.lists(creates, max_size=3),
    poll_answers=st.lists(polls, max_size=3),
    contents=st.lists(downloads, max_size=2),
)


def film_of(name: str) -> Media:
    return Media(f"https://media.test/{name}.mp4", "video/mp4")


def assert_kept(harness: Harness, ran: RunResult) -> None:
    """Check what must hold of a vendor and a state at any time between two runs."""
    purchases = ran.records.purchases
    sent = [request.description for request in harness.vendor.requests]
    assert len(sent) == len(set(sent)), "a purchase was sent twice"
    assert set(sent) <= purchases.keys(), "what was sent is not in the state"
    assert {
        purchases[PurchaseId(request.description)].workflow_id for request in harness.vendor.sold.values()
    } == set(harness.vendor.sold), "a workflow was forgotten"
    for name, count in Counter(each.key for each in purchases.values() if each.status != Status.VOID).items():
        assert count == 1, f"{name} was bought {count} times"
    assert len(harness.vendor.possibly_bought) == len(set(harness.vendor.possibly_bought)), (
        "it may have been paid twice"
    )
    unsent = [each for purchase_id, each in purchases.items() if purchase_id not in sent]
    assert {each.status for each in unsent} <= {Status.VOID}, "what was never sent is not void"
    assert Status.SUBMITTING not in {each.status for each in purchases.values()}


@given(
    st.lists(fates, min_size=len(WANTED), max_size=len(WANTED)),
    st.builds(RunSettings, concurrency=st.integers(1, 4), in_flight=st.integers(1, 4), canary=st.booleans()),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.none() | st.floats(0, 10),
    st.integers(0, 2**32).map(random.Random),
)
# Each example runs twice, from start to end.
@settings(max_examples=settings().max_examples // 10)
def test_nothing_is_paid_twice_and_nothing_lost(
    tmp_path_factory: pytest.TempPathFactory,
    lots: list[Fate],
    verbosity: RunSettings,
    together: bool,
    newest_first: bool,
    publishes: bool,
    stopped_after: float | None,
    chance: random.Random,
) -> None:
    harness = Harness(tmp_path_factory.mktemp("harness"))
    harness.executor.together, harness.executor.newest_first = together, newest_first
    for name, fate in zip(NAMES, lots, strict=True):
        harness.vendor.create_outcomes[name] = list(fate.create_outcomes)
        harness.vendor.poll_answers[name] = [*fate.poll_answers, success(film_of(name))]
        harness.vendor.contents[film_of(name).url] = list(fate.contents)
    harness.executor.slowly = lambda ready: harness.clock.later(chance.choice(TAKES), ready)
    if stopped_after is not None:
        harness.clock.later(stopped_after, lambda: harness.stop.request(ExitCode.TERMINATED))
    checkpoint = FakeCheckpoint() if publishes else None

    assert_kept(harness, harness.run(*WANTED, settings=verbosity, checkpoint=checkpoint))
    # Writing results and the checkpoint's command are not calls of the vendor.
    assert harness.executor.most <= verbosity.concurrency + 1
    assert harness.vendor.most_running <= verbosity.in_flight

    # Another run, with a healthy vendor, finishes the rest.
    harness.stop = Stop()
    harness.executor.slowly = None
    harness.clock.alarms.clear()
    for name in NAMES:
        harness.vendor.create_outcomes[name] = []
        harness.vendor.poll_answers[name] = [success(film_of(name))]
        harness.vendor.contents[film_of(name).url] = []
    ran = harness.run(*WANTED)
    assert_kept(harness, ran)
    assert not ran.codes
    ended = {"done", "attention", "failed (vendor)", "failed (rejected)", "failed (lost)"}
    assert {status for name, status in ran.statuses.items() if not waits(ran, name)} <= ended


def waits(ran: RunResult, name: str) -> bool:
    """Whether a job waits because its upstream has no result."""
    return name == "b-film" and ran.statuses["a-sketch"] != "done"
