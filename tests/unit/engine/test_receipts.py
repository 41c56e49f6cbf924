"""A webhook is a hint: it brings a GET forward, and only the GET decides."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
from support.protection import fails_without

from engine.harness import USUAL, FakeCheckpoint, Harness, job, jobs
from engine.vendor import FILM, failure, running, success
from pipeline.errors import ExitCode
from pipeline.jobs import Job
from pipeline.providers.base import (
    AccountProblem,
    AccountRefused,
    NotFound,
    OutcomeUnknown,
    VendorError,
    Workflow,
)
from pipeline.purchases import Reason, Status, WorkflowId
from pipeline.state.store import Caps

BLUE, RED = job("blue"), job("red")
LOST = OutcomeUnknown("the answer was lost")


def runs_for(harness: Harness, seconds: float, name: str = "blue") -> None:
    """Let the workflow of that job end this many seconds after the clock is first read."""
    begun = harness.clock.time
    harness.vendor.poll_answers[name] = [
        lambda: success(FILM) if harness.clock.time - begun >= seconds else running()
    ]


def sold(harness: Harness, title: str) -> WorkflowId:
    """A workflow of that title at the vendor that was never reported to us."""
    request = next(each for each in harness.vendor.requests if each.title == title)
    return harness.vendor.sells(request)


@pytest.fixture
def unknown(harness: Harness) -> Harness:
    """The create of `blue`, purchase 1, has an unknown outcome."""
    harness.vendor.create_outcomes["blue"] = [LOST]
    assert harness.run(BLUE).statuses == {"blue": "attention"}
    harness.vendor.calls.clear()
    return harness


def test_each_purchase_has_its_own_webhook_url(harness: Harness) -> None:
    harness.takes_webhooks()

    harness.run(BLUE, job("song", template="song"))

    urls = {request.title: request.webhook_url for request in harness.vendor.requests}
    assert urls == {"blue": f"https://hooks.test/{1:016x}", "song": None}


def test_webhook_triggers_one_immediate_poll(harness: Harness) -> None:
    harness.takes_webhooks()
    harness.run(BLUE)  # the run learns that it takes no time
    runs_for(harness, 200, "red")
    called_at = harness.clock.time + 200
    harness.clock.later(200, partial(harness.is_called, 2))
    harness.clock.later(200, partial(harness.is_called, 2))

    ran = harness.run(BLUE, RED)

    assert ran.statuses["red"] == "done"
    assert harness.vendor.when("get red")[-1] == pytest.approx(called_at, abs=0.01)
    assert sum(at >= called_at for at in harness.vendor.when("get red")) == 1


@pytest.mark.parametrize("seconds", [30, 600])
def test_next_poll_is_four_times_later_and_covers_a_lost_webhook(harness: Harness, seconds: float) -> None:
    settings = replace(USUAL, max_poll_interval=10)
    runs_for(harness, seconds)
    harness.run(BLUE, settings=settings)
    without = harness.vendor.when("get blue")
    harness.takes_webhooks()
    runs_for(harness, seconds, "red")
    begun = harness.clock.time

    ran = harness.run(BLUE, RED, settings=settings)

    assert ran.statuses["red"] == "done"
    asked = harness.vendor.when("get red")
    assert len(asked) == 1 < len(without)
    assert seconds <= harness.clock.time - begun <= 5 * seconds


@pytest.mark.parametrize("number", [2, 40])
def test_one_workflow_is_polled_for_all_without_history(harness: Harness, number: int) -> None:
    harness.takes_webhooks()
    wanted = jobs(number)
    for place, each in enumerate(wanted, start=1):
        runs_for(harness, 100, each.path)
        if place % 10:  # the webhooks of some are lost
            harness.clock.later(100, partial(harness.is_called, place))

    ran = harness.run(*wanted)

    assert set(ran.statuses.values()) == {"done"}
    assert len(harness.vendor.of("get")) <= number + 10
    assert harness.clock.time - 1000 <= 400


def test_polled_workflow_reveals_the_others_if_no_webhook_arrives(harness: Harness) -> None:
    harness.takes_webhooks()
    wanted = jobs(20)
    for each in wanted:
        runs_for(harness, 5, each.path)

    ran = harness.run(*wanted, settings=replace(USUAL, max_poll_interval=30))

    assert set(ran.statuses.values()) == {"done"}
    assert harness.clock.time - 1000 <= 45


def test_another_workflow_is_polled_if_the_polled_one_failed(harness: Harness) -> None:
    harness.takes_webhooks()
    wanted = jobs(5)
    harness.vendor.poll_answers[wanted[0].path] = [failure()]
    for each in wanted[1:]:
        runs_for(harness, 5, each.path)

    ran = harness.run(*wanted, settings=replace(USUAL, max_poll_interval=30))

    assert sorted(ran.statuses.values()) == ["done"] * 4 + ["failed (vendor)"]
    assert harness.clock.time - 1000 <= 45


def test_polls_are_at_most_four_poll_intervals_apart(harness: Harness) -> None:
    harness.takes_webhooks()
    runs_for(harness, 600)

    harness.run(BLUE, settings=replace(USUAL, max_poll_interval=10))

    pauses = [later - earlier for earlier, later in pairwise(harness.vendor.when("get blue"))]
    assert 36 <= max(pauses) <= 40


@fails_without(
    "pipeline.engine.in_flight:InFlight.poll_now", "at = max(now, tracked.hints_from)", swap=("max", "min")
)
def test_repeated_webhooks_trigger_only_occasional_polls(harness: Harness) -> None:
    harness.takes_webhooks()
    runs_for(harness, 10)
    for tenth in range(100):
        harness.clock.later(tenth / 10, lambda: harness.is_called(1))

    assert harness.run(BLUE).statuses == {"blue": "done"}

    assert len(harness.vendor.of("get")) < 25


@fails_without(
    "pipeline.engine.in_flight:InFlight.poll_now", "if tracked is None or", swap=("tracked.attempts", "False")
)
def test_webhook_does_not_override_retry_after(harness: Harness) -> None:
    harness.takes_webhooks()
    harness.vendor.poll_answers["blue"] = [VendorError("503", after=50), success(FILM)]
    harness.clock.later(5, lambda: harness.is_called(1))

    assert harness.run(BLUE).statuses == {"blue": "done"}

    first, second = harness.vendor.when("get blue")
    assert second - first >= 50 - 1e-6  # times are added up, and rounded


def test_webhook_during_a_poll_triggers_another_poll(harness: Harness) -> None:
    harness.takes_webhooks()

    def answer() -> Workflow:
        if harness.vendor.of("get") == ["blue"]:
            harness.is_called(1)
            return running()
        return success(FILM)

    harness.vendor.poll_answers["blue"] = [answer]
    begun = harness.clock.time

    assert harness.run(BLUE).statuses == {"blue": "done"}

    assert harness.vendor.of("get") == ["blue", "blue"]
    assert harness.clock.time - begun < 2


def test_receipt_naming_the_workflow_resolves_an_unknown_outcome(unknown: Harness) -> None:
    workflow_id = sold(unknown, "blue")
    unknown.is_called(1, "wf-999", workflow_id)

    ran = unknown.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert ran.bought(BLUE)[0].workflow_id == workflow_id
    assert unknown.vendor.creates == []
    assert unknown.left_over == []


def test_receipt_without_an_id_resolves_nothing(unknown: Harness) -> None:
    sold(unknown, "blue")
    unknown.is_called(1)

    assert unknown.run(BLUE).statuses == {"blue": "attention"}
    assert unknown.vendor.calls == []


@fails_without("pipeline.engine.receipts:ReceiptHandler._confirms", "assert_bought(result, purchase)")
@pytest.mark.parametrize("told", [("overlay", "red"), ("loop", "blue")])
def test_workflow_with_another_title_or_template_is_not_adopted(
    unknown: Harness, told: tuple[str, str]
) -> None:
    workflow_id = sold(unknown, "blue")
    unknown.vendor.tells_of[workflow_id] = told
    unknown.is_called(1, workflow_id)

    ran = unknown.run(BLUE)

    assert ran.statuses == {"blue": "attention"}
    assert unknown.vendor.of("get") == ["blue"]
    assert "cannot be confirmed" in ran.reporter.warnings[0]
    assert unknown.left_over == []


def test_workflow_whose_description_names_another_purchase_is_not_adopted(unknown: Harness) -> None:
    unknown.vendor.poll_answers["blue"] = [replace(success(FILM), description=f"test {10:016x}")]
    unknown.is_called(1, sold(unknown, "blue"))

    ran = unknown.run(BLUE)

    assert ran.statuses == {"blue": "attention"}
    assert f"its description names purchase {10:016x}" in ran.reporter.warnings[0]


@fails_without(
    "pipeline.engine.receipts:ReceiptHandler._ask_for",
    "is_free =",
    swap=("not self.journal.has_workflow(workflow_id)", "True"),
)
def test_workflow_of_another_purchase_is_not_polled(harness: Harness) -> None:
    harness.vendor.create_outcomes["blue"] = [LOST]
    twin = job("twin", title="blue")
    harness.vendor.poll_answers["blue"] = [running()]
    harness.run(BLUE, selected=[BLUE])
    harness.run(BLUE, job("twin", title="blue", timeout=1))
    (other,) = harness.vendor.sold
    harness.vendor.calls.clear()
    harness.is_called(1, other)

    ran = harness.run(BLUE, twin, selected=[BLUE])

    assert ran.statuses["blue"] == "attention"
    assert harness.vendor.of("get") == []


def test_receipt_for_a_finished_purchase_or_another_campaign_triggers_nothing(harness: Harness) -> None:
    harness.run(BLUE)
    harness.vendor.calls.clear()
    harness.is_called(1, "wf-1")
    harness.is_called(77, "wf-1")

    harness.run(BLUE)

    assert harness.vendor.calls == []
    assert [receipt.purchase for receipt in harness.left_over] == [f"{77:016x}"]


def test_receipt_that_precedes_the_create_response_waits_for_it(harness: Harness) -> None:
    harness.takes_webhooks()
    runs_for(harness, 0)

    def bought_late() -> None:
        harness.is_called(1)

    harness.vendor.create_outcomes["blue"] = [bought_late]
    begun = harness.clock.time

    assert harness.run(BLUE).statuses == {"blue": "done"}

    assert harness.vendor.of("get") == ["blue"]
    assert harness.clock.time - begun < 1


def test_receipt_resolves_a_lost_create_response_in_the_same_run(harness: Harness) -> None:
    harness.takes_webhooks()

    def lost() -> OutcomeUnknown:
        harness.is_called(1, sold(harness, "blue"))
        return LOST

    harness.vendor.create_outcomes["blue"] = [lost]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


@fails_without(
    "pipeline.engine.receipts:ReceiptHandler._ask_for",
    "if is_free and",
    swap=("len(asked) < MAX_NAMED", "True"),
)
def test_number_of_workflows_polled_for_one_purchase_is_limited(unknown: Harness) -> None:
    red = job("red", timeout=1000)
    unknown.vendor.poll_answers["red"] = [running()]
    for second in range(100):
        unknown.clock.later(second, partial(unknown.is_called, 1, f"wf-{second}x"))

    unknown.run(BLUE, red)

    assert len([call for call in unknown.vendor.calls if call.startswith("get wf-")]) <= 4


@pytest.mark.parametrize("error", [VendorError("503"), NotFound("404")])
def test_receipt_that_cannot_be_checked_yet_is_left_to_the_next_run(
    unknown: Harness, error: VendorError
) -> None:
    workflow_id = sold(unknown, "blue")
    unknown.vendor.poll_answers["blue"] = [error, success(FILM)]
    unknown.is_called(1, workflow_id)

    ran = unknown.run(BLUE)

    assert ran.statuses == {"blue": "attention"}
    assert workflow_id in ran.reporter.warnings[0]
    (receipt,) = unknown.left_over
    assert receipt.named == (workflow_id,)
    unknown.webhooks.inbox.put(receipt)
    assert unknown.run(BLUE).statuses == {"blue": "done"}


def test_stop_keeps_unprocessed_receipts(unknown: Harness) -> None:
    unknown.is_called(1, "wf-7")
    unknown.stop.request(ExitCode.INTERRUPTED)

    unknown.run(BLUE)

    assert unknown.vendor.calls == []
    assert [receipt.named for receipt in unknown.left_over] == [("wf-7",)]


@pytest.fixture
def void(harness: Harness) -> Harness:
    """Purchase 1, for `blue`, bought nothing, as far as is known."""
    harness.vendor.create_outcomes["blue"] = [AccountRefused(AccountProblem.CREDIT, "402")]
    assert harness.run(BLUE).lives(BLUE) == ["void"]
    harness.vendor.calls.clear()
    return harness


AZURE, TURQUOISE = job("azure", asks="blue"), job("blue", asks="turquoise")


@fails_without(
    "pipeline.engine.runner:Runner._follow", "if self.settings.wait:", swap=("self.settings.wait", "True")
)
def test_run_that_does_not_wait_leaves_what_a_receipt_names_to_the_next(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))
    void.vendor.poll_answers["blue"] = [running()]

    ran = void.run(AZURE, settings=replace(USUAL, wait=False))

    assert ran.codes == set()
    assert ran.statuses == {"azure": "submitted"}
    assert sorted(void.vendor.calls) == ["get blue", "prepare azure"]


def test_renamed_job_is_served_by_its_earlier_purchase_that_a_receipt_names(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))

    ran = void.run(AZURE)

    assert ran.codes == set()
    assert ran.statuses == {"azure": "done"}
    assert void.vendor.creates == []
    assert [*void.files()] == ["azure.mp4"]


def test_chained_job_is_made_from_what_a_receipt_names(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))

    ran = void.run(AZURE, job("film", upstream=AZURE))

    assert ran.codes == set()
    assert ran.statuses == {"azure": "done", "film": "done"}
    assert void.vendor.creates == ["film"]


def test_job_is_bought_in_the_same_run_where_the_workflow_that_a_receipt_names_is_not_its_own(
    void: Harness,
) -> None:
    workflow_id = sold(void, "blue")
    void.vendor.tells_of[workflow_id] = ("overlay", "red")
    void.is_called(1, workflow_id)

    ran = void.run(AZURE)

    assert ran.codes == set()
    assert ran.statuses == {"azure": "done"}
    assert void.vendor.creates == ["azure"]


def test_job_is_left_to_the_next_run_if_the_vendor_does_not_answer(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))
    void.vendor.poll_answers["blue"] = [VendorError("503"), success(FILM)]

    ran = void.run(AZURE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert void.vendor.creates == []
    void.webhooks.inbox.put(*void.left_over)
    assert void.run(AZURE).statuses == {"azure": "done"}
    assert void.vendor.creates == []


def test_changed_job_is_left_to_the_next_run_if_its_earlier_request_was_bought(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))

    ran = void.run(TURQUOISE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert void.vendor.creates == []


@pytest.mark.parametrize(
    "error", [VendorError("503"), NotFound("404")], ids=["no answer", "not found, which may be temporary"]
)
def test_changed_job_whose_earlier_outcome_stays_unknown_waits_for_a_person(
    unknown: Harness, error: VendorError
) -> None:
    unknown.vendor.poll_answers["blue"] = [error]
    unknown.is_called(1, sold(unknown, "blue"), age=90_000)

    ran = unknown.run(TURQUOISE)

    assert unknown.vendor.creates == []
    (reason,) = ran.report.notes
    assert "pipeline resolve" in reason
    assert "run again" not in reason


def test_changed_job_is_bought_where_the_workflow_named_for_its_unknown_purchase_is_not_its_own(
    unknown: Harness,
) -> None:
    workflow_id = sold(unknown, "blue")
    unknown.vendor.tells_of[workflow_id] = ("overlay", "red")
    unknown.is_called(1, workflow_id)

    ran = unknown.run(TURQUOISE)

    assert ran.statuses == {"blue": "done"}
    assert ran.lives(BLUE) == ["attention", "done"]
    assert unknown.vendor.creates == ["blue"]


def test_job_that_is_to_be_bought_again_does_not_wait_for_the_check(unknown: Harness) -> None:
    (lost,) = unknown.run(BLUE).bought(BLUE)
    unknown.absorb(replace(lost, status=Status.FAILED, reason=Reason.LOST, again=True))
    unknown.vendor.poll_answers["blue"] = [VendorError("503"), success(FILM)]
    unknown.is_called(1, "wf-999")

    ran = unknown.run(BLUE)

    assert ran.lives(BLUE) == ["failed (lost)", "done"]
    assert unknown.vendor.creates == ["blue"]


def test_job_that_is_to_be_made_again_is_not_served_by_what_a_receipt_names(void: Harness) -> None:
    assert void.run(AZURE).statuses == {"azure": "done"}
    void.vendor.calls.clear()
    void.is_called(1, sold(void, "blue"))

    ran = void.run(AZURE, replacing=[AZURE])

    assert void.vendor.creates == []
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.lives(AZURE) == ["done"]


def test_workflow_that_a_receipt_names_has_the_time_of_the_job_that_it_serves(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))
    runs_for(void, 5000)
    azure = job("azure", asks="blue", timeout=10_000)

    assert void.run(azure).statuses == {"azure": "done"}


@fails_without(
    "pipeline.engine.receipts:ReceiptHandler.left_over", "not_handled =", swap=(", *self._checking", "")
)
def test_receipt_is_kept_if_its_answer_cannot_be_recorded(void: Harness) -> None:
    workflow_id = sold(void, "blue")
    void.is_called(1, workflow_id)
    void.disk_is_full = bool

    assert void.run(AZURE).codes == {ExitCode.UNFINISHED}

    assert [receipt.named for receipt in void.left_over] == [(workflow_id,)]
    assert void.vendor.creates == []


def test_receipt_during_a_run_serves_the_job_that_is_not_sent_yet(void: Harness) -> None:
    amber = job("amber")

    def ended() -> Workflow:
        void.is_called(1, sold(void, "blue"))
        return success(FILM)

    void.vendor.poll_answers["amber"] = [ended]

    ran = void.run(amber, AZURE, settings=replace(USUAL, in_flight=1))

    assert ran.codes == set()
    assert ran.statuses == {"amber": "done", "azure": "done"}
    assert void.vendor.creates == ["amber"]
    assert sorted(void.files()) == ["amber.mp4", "azure.mp4"]


def test_receipt_answered_long_before_a_job_is_due_serves_it(void: Harness) -> None:
    """Its files are fetched before the job's turn comes."""
    void.is_called(1, sold(void, "blue"))
    amber = job("amber")
    runs_for(void, 500, "amber")

    ran = void.run(amber, AZURE, job("film", upstream=AZURE), settings=replace(USUAL, in_flight=1))

    assert ran.codes == set()
    assert set(ran.statuses.values()) == {"done"}
    assert void.vendor.creates == ["amber", "film"]
    assert sorted(void.files()) == ["amber.mp4", "azure.mp4", "film.mp4"]


def test_workflow_that_a_receipt_names_and_that_vanishes_before_a_job_is_due_fails_it(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))
    void.vendor.poll_answers["blue"] = [running(), NotFound("404")]
    amber = job("amber", timeout=30_000)
    runs_for(void, 20_000, "amber")

    ran = void.run(amber, AZURE, settings=replace(USUAL, in_flight=1))

    assert ran.statuses == {"amber": "done", "azure": "failed (lost)"}
    assert void.vendor.creates == ["amber"]
    tally = ran.reporter.tally
    assert tally is not None
    assert (tally.done, tally.under_way, tally.failed) == (1, 0, 1)


def checkpoint_during_which(harness: Harness, happens: Callable[[], object]) -> FakeCheckpoint:
    """A checkpoint during whose first publication something happens."""
    return FakeCheckpoint(does=lambda: len(harness.published) == 1 and happens())


@fails_without("pipeline.engine.create:Creator.start_next", "if self.is_in_doubt(create.purchase):")
def test_receipt_during_a_checkpoint_holds_back_only_what_it_may_have_bought(void: Harness) -> None:
    checkpoint = checkpoint_during_which(void, lambda: void.is_called(1, sold(void, "blue")))

    ran = void.run(AZURE, RED, checkpoint=checkpoint)

    assert ran.codes == set()
    assert ran.statuses == {"azure": "done", "red": "done"}
    assert void.vendor.creates == ["red"]
    assert void.files().keys() == {"azure.mp4", "red.mp4"}


@pytest.mark.parametrize("in_flight", [1, 50])
def test_job_of_a_published_wave_is_bought_in_a_later_one_after_a_receipt_that_proves_nothing(
    void: Harness, in_flight: int
) -> None:
    checkpoint = checkpoint_during_which(void, lambda: void.is_called(1, "wf-999", age=3600.0))

    ran = void.run(AZURE, RED, checkpoint=checkpoint, settings=replace(USUAL, in_flight=in_flight))

    assert ran.codes == set()
    assert ran.statuses == {"azure": "done", "red": "done"}
    assert void.vendor.creates == ["red", "azure"]


def test_receipt_during_a_checkpoint_resolves_an_unknown_outcome(unknown: Harness) -> None:
    checkpoint = checkpoint_during_which(unknown, lambda: unknown.is_called(1, sold(unknown, "blue")))

    ran = unknown.run(BLUE, RED, checkpoint=checkpoint)

    assert ran.codes == set()
    assert ran.statuses == {"blue": "done", "red": "done"}
    assert unknown.vendor.creates == ["red"]


def test_job_of_another_request_does_not_wait_for_the_check(void: Harness) -> None:
    void.is_called(1, sold(void, "blue"))

    assert void.run(BLUE, RED).statuses["red"] == "done"
    assert void.vendor.creates == ["red"]


def test_job_is_bought_again_where_the_workflow_that_a_receipt_named_has_failed(unknown: Harness) -> None:
    blue = job("blue", retries=1)
    unknown.vendor.poll_answers["blue"] = [failure(), success(FILM)]
    unknown.vendor.poll_answers["blue"].insert(0, running())
    unknown.is_called(1, sold(unknown, "blue"))

    ran = unknown.run(blue)

    assert ran.lives(blue) == ["failed (vendor)", "done"]


@pytest.mark.parametrize("wanted", [(AZURE,), (AZURE, RED)])
@pytest.mark.parametrize("in_flight", [1, 50])
def test_intent_that_was_not_sent_because_of_a_receipt_is_no_create_of_this_run(
    void: Harness, in_flight: int, wanted: tuple[Job, ...]
) -> None:
    checkpoint = checkpoint_during_which(void, lambda: void.is_called(1, "wf-999", age=3600.0))
    settings = replace(USUAL, in_flight=in_flight, caps=Caps(max_creates=len(wanted)))

    ran = void.run(*wanted, checkpoint=checkpoint, settings=settings)

    assert ran.codes == set()
    assert {*void.vendor.creates} == {each.path for each in wanted}
    assert "void" in ran.lives(AZURE)
