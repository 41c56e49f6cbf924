"""A changed title is sent to the vendor, and only for the right workflow."""

from dataclasses import replace

import pytest
from support.protection import fails_without

from engine.harness import USUAL, Harness, RunResult, job
from engine.vendor import FILM, running, success
from pipeline.errors import AccountError, BuyingStopped, ExitCode
from pipeline.jobs import Job
from pipeline.providers.base import CallRefused, NotFound, VendorError, Workflow

BLUE = job("blue", title="old")
RETITLED = job("blue", title="new")


@pytest.fixture
def sold(harness: Harness) -> Harness:
    """A campaign of one job that is done, with the title `old`."""
    harness.run(BLUE)
    harness.vendor.calls.clear()
    return harness


def title(ran: RunResult, of: Job) -> object:
    return ran.bought(of)[-1].request["title"]


def test_changed_title_costs_one_get_and_one_put_and_no_purchase(sold: Harness) -> None:
    ran = sold.run(RETITLED)

    assert sold.vendor.calls == ["get old", "put old"]
    assert title(ran, BLUE) == "new"
    sold.vendor.calls.clear()
    assert not sold.run(RETITLED).codes
    assert not sold.vendor.calls


def test_rewording_is_recorded_with_the_time_that_the_vendor_gives(sold: Harness) -> None:
    sold.vendor.updated_at = "2026-03-02 10:00:00.25+00:00"

    ran = sold.run(RETITLED)

    assert ran.bought(BLUE)[-1].updated_at == "2026-03-02 10:00:00.25+00:00"


@fails_without("pipeline.engine.updater:update", "assert_own(provider.get")
@fails_without(
    "pipeline.engine.identity:_assert_worded",
    "if workflow.template_id ",
    swap=("or not is_titled", "and (not is_titled)"),
)
@pytest.mark.parametrize(
    "other",
    [
        Workflow("", success().progress, "success", template_id="another"),
        Workflow("", success().progress, "success", title="another"),
    ],
    ids=["template", "title"],
)
def test_workflow_that_was_not_bought_by_us_is_not_updated(sold: Harness, other: Workflow) -> None:
    sold.vendor.poll_answers["old"] = [other]

    ran = sold.run(RETITLED)

    assert sold.vendor.calls == ["get old"]
    assert "is not purchase" in ran.report.notes[0]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert title(ran, BLUE) == "old"


def test_update_with_lost_response_is_sent_again(sold: Harness) -> None:
    sold.vendor.updating["old"] = [VendorError("reset")]

    ran = sold.run(RETITLED)

    assert sold.vendor.of("put") == ["old", "old"]
    assert title(ran, BLUE) == "new"


@pytest.mark.parametrize(
    ("error", "times"), [(VendorError("503"), 5), (CallRefused("422"), 1), (NotFound("404"), 1)]
)
def test_failed_update_is_left_to_the_next_run(sold: Harness, error: VendorError, times: int) -> None:
    sold.vendor.updating["old"] = [error] * 9

    ran = sold.run(RETITLED)

    assert len(sold.vendor.of("put")) == times
    assert ran.codes == {ExitCode.UNFINISHED}
    assert title(ran, BLUE) == "old"


def test_update_does_not_outlast_the_job_timeout(sold: Harness) -> None:
    sold.vendor.updating["old"] = [VendorError("503", after=86_400)]
    begun = sold.clock.time

    ran = sold.run(RETITLED)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert sold.clock.time - begun < 10


def test_missing_credit_does_not_end_an_update(sold: Harness) -> None:
    sold.vendor.updating["old"] = [BuyingStopped("402")] * 2

    ran = sold.run(RETITLED)

    assert not ran.codes
    assert title(ran, BLUE) == "new"


def test_refused_key_ends_the_run(sold: Harness) -> None:
    sold.vendor.updating["old"] = [AccountError("401")]

    assert sold.run(RETITLED).codes == {ExitCode.ACCOUNT}


def test_running_workflow_is_updated_and_polled(harness: Harness) -> None:
    harness.vendor.poll_answers["old"] = [running(), running(), running(), success(FILM)]
    harness.run(BLUE, settings=replace(USUAL, wait=False))

    ran = harness.run(RETITLED)

    assert ran.statuses == {"blue": "done"}
    assert title(ran, BLUE) == "new"


def test_run_without_waiting_updates_nothing(sold: Harness) -> None:
    sold.run(RETITLED, settings=replace(USUAL, wait=False))

    assert not sold.vendor.calls
