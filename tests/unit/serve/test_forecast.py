"""What a page says of the next run, and of trying again, is what `plan` says, whatever was made and decided."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.campaigns import campaign
from support.made import PRICES, Made, stages

from pipeline.operations.report import gallery_campaign
from pipeline.operations.report_records import of_workspace
from pipeline.planning.plan import Action, Plan
from pipeline.purchases import Status
from pipeline.report.data import build
from pipeline.report.stills import StillCache
from pipeline.results.decisions import Verdict
from pipeline.serve.campaign_watch import CampaignWatch
from pipeline.serve.state_source import StateOnDisk
from pipeline.serve.stills import Stills

STATUSES = (Status.DONE, Status.FAILED, Status.ATTENTION, Status.SUBMITTED)
STEPS = st.lists(
    st.tuples(st.integers(0, 7), st.sampled_from([*STATUSES, *Verdict])), min_size=1, max_size=14
)


def page_of(made: Made) -> dict[str, Any]:
    """The campaign in the data of a gallery."""
    records = gallery_campaign(of_workspace(made.workspace), (), ()).records
    data: Any = build([records], makes_stills=False, holds_videos=True, is_bundle=False)
    return dict(data["campaigns"][0])


def live_page_of(made: Made) -> dict[str, Any]:
    """The campaign in the data of a live page."""
    stills = Stills(StillCache(made.project.folder / "stills"), None)
    return CampaignWatch(made.workspace, 0, stills, StateOnDisk(made.workspace, None)).whole()


def numbers(plan: Plan) -> dict[str, Any]:
    said = {
        "jobs": len(plan.buying) + sum(1 for _ in plan.of(Action.SHARE)),
        "purchases": len(plan.buying),
        "credits": plan.credits,
        "unknown": len(plan.unpriced),
    }
    # The page works out from the caps themselves what known credits would exceed, and by how much.
    is_about_credits = plan.limit is not None and re.search(r"\d credits?\b.* would exceed", plan.limit)
    return said if plan.limit is None or is_about_credits else {**said, "limit": plan.limit}


def assert_page_says_what_plan_says(made: Made) -> None:
    run, retry = made.plans()
    actions = {entry.key: entry.action for entry in run.entries if entry.job is not None}
    for page in (page_of(made), live_page_of(made)):
        assert page["next_run"] == numbers(run)
        assert page.get("retry_run", page["next_run"]) == numbers(retry)
        assert {row["key"]: row["action"] for row in page["jobs"]} == actions
        assert "unseen" not in page


@given(
    steps=STEPS,
    only=st.sampled_from([{}, {"only": "approved"}]),
    prices=st.sampled_from([PRICES, {"vim_sketch_me": 10}]),
    limits=st.sampled_from([{}, {"max_credits": 130}, {"budget": 200}, {"max_creates": 1}]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_page_says_what_plan_says(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, Status | Verdict]],
    only: dict[str, str],
    prices: dict[str, int],
    limits: dict[str, int],
) -> None:
    document = stages(only=only, catalog={"credits": prices}, limits=limits)
    made = Made(campaign(tmp_path_factory.mktemp("stages"), {"campaign.yaml": document}))
    for number, step in steps:
        made.do(number, step)
    made.write()

    assert_page_says_what_plan_says(made)


SKETCH, TAKE_2, FILM, SHARING = 0, 1, 2, 3
APPROVED, REDO = Verdict.APPROVED, Verdict.REDO
CASES: dict[str, tuple[list[tuple[int, Status | Verdict]], bool, dict[str, int], tuple[int, int]]] = {
    # name: steps, whether films need an approved sketch, limits, and the credits of `run` and of `run --retry-failed`
    "nothing made": ([], False, {}, (260, 260)),
    "sketches to approve": ([(SKETCH, Status.DONE), (TAKE_2, Status.DONE)], True, {}, (0, 0)),
    "sketch approved": (
        [(SKETCH, Status.DONE), (TAKE_2, Status.DONE), (SKETCH, APPROVED)],
        True,
        {},
        (120, 120),
    ),
    "sketch failed": ([(SKETCH, Status.FAILED), (TAKE_2, Status.DONE)], False, {}, (120, 250)),
    "outcome unknown": ([(SKETCH, Status.ATTENTION), (TAKE_2, Status.DONE)], False, {}, (120, 120)),
    "take sent back, the other one approved": (
        [(SKETCH, Status.DONE), (TAKE_2, Status.DONE), (TAKE_2, APPROVED), (SKETCH, REDO)],
        True,
        {},
        (120, 120),
    ),
    "beyond the limit": ([(SKETCH, Status.FAILED)], False, {"max_credits": 130}, (130, 260)),
}


@pytest.mark.parametrize(("steps", "only", "limits", "costs"), CASES.values(), ids=CASES)
def test_credits_of_the_next_run_and_of_trying_again(
    tmp_path: Path,
    steps: list[tuple[int, Status | Verdict]],
    only: bool,
    limits: dict[str, int],
    costs: tuple[int, int],
) -> None:
    document = stages(only={"only": "approved"} if only else {}, catalog={"credits": PRICES}, limits=limits)
    made = Made(campaign(tmp_path, {"campaign.yaml": document}))
    for number, step in steps:
        made.do(number, step)
    made.write()

    assert_page_says_what_plan_says(made)
    page = page_of(made)
    retry = page.get("retry_run", page["next_run"])
    assert (page["next_run"]["credits"], retry["credits"]) == costs


def test_page_says_how_many_jobs_the_edited_manifest_asks_for(tmp_path: Path) -> None:
    made = Made(campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": PRICES})}))
    for number in (SKETCH, TAKE_2):
        made.do(number, Status.DONE)
    for number in range(2, 6):
        made.do(number, Status.DONE)
    made.write()
    assert "unseen" not in page_of(made)

    edited = stages(catalog={"credits": PRICES})
    edited["prompts"] = {"spin": "it spins fast", "rest": "it rests"}
    made.project.write({"campaign.yaml": edited})

    page = page_of(made)
    assert (page["unseen"], page["next_run"]["purchases"]) == (4, 4)
    assert {row["status"] for row in page["jobs"]} == {"done"}


def test_purchases_without_a_price_count_against_the_budget_at_the_price_of_today(tmp_path: Path) -> None:
    made = Made(campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": {}})}))
    made.do(SKETCH, Status.DONE)
    made.write()
    made.project.write({"campaign.yaml": stages(catalog={"credits": PRICES}, limits={"budget": 200})})

    for page in (page_of(made), live_page_of(made)):
        assert (page["spent"], page["budget"], page["budget_left"]) == (0, 200, 190)
    records = gallery_campaign(of_workspace(made.workspace), ["template:sketch"], ()).records
    data: Any = build([records], makes_stills=False, holds_videos=True, is_bundle=False)
    assert data["campaigns"][0]["budget_left"] == 190


def test_limit_that_is_not_about_credits_is_said_beside_one_that_is(tmp_path: Path) -> None:
    limits = {"max_creates": 1, "max_credits": 130}
    made = Made(campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": PRICES}, limits=limits)}))
    made.write()

    for page in (page_of(made), live_page_of(made)):
        assert (page["next_run"]["credits"], page["max_credits"]) == (260, 130)
        assert page["next_run"]["limit"] == "4 creates would exceed max_creates (1)"


def test_purchases_whose_price_is_not_known_even_today_are_counted_beside_the_budget(tmp_path: Path) -> None:
    made = Made(campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": {}})}))
    made.do(SKETCH, Status.DONE)
    made.write()
    made.project.write({"campaign.yaml": stages(catalog={"credits": {}}, limits={"budget": 200})})

    for page in (page_of(made), live_page_of(made)):
        assert (page["budget_left"], page["budget_unpriced"]) == (200, 1)


def test_selection_of_what_failed_has_the_caps_of_trying_again(tmp_path: Path) -> None:
    document = stages(catalog={"credits": PRICES}, limits={"max_credits": 5, "budget": 200})
    made = Made(campaign(tmp_path, {"campaign.yaml": document}))
    made.do(SKETCH, Status.FAILED)
    made.write()

    records = gallery_campaign(of_workspace(made.workspace), ["status:failed"], ()).records
    data: Any = build([records], makes_stills=False, holds_videos=True, is_bundle=False)

    page = data["campaigns"][0]
    assert (page["retry_run"]["credits"], page["max_credits"], page["budget_left"]) == (10, 5, 190)


def test_failed_job_that_was_edited_since_is_made_like_any_other(tmp_path: Path) -> None:
    made = Made(campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": PRICES})}))
    for number, status in ((SKETCH, Status.DONE), (TAKE_2, Status.DONE), (FILM, Status.FAILED)):
        made.do(number, status)
    made.write()
    edited = stages(catalog={"credits": PRICES})
    edited["prompts"] = {"spin": "it spins fast", "turn": "it turns"}
    made.project.write({"campaign.yaml": edited})

    assert_page_says_what_plan_says(made)
    assert {row["status"] for row in page_of(made)["jobs"]} == {"done", "pending"}
