"""`pipeline resolve` settles unknown outcomes, after checking what can be checked."""

from pathlib import Path

import pytest
import requests
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
DANCE = "main/loop/red/dance"


@pytest.fixture
def unknown(folder: Path, pipeline: Pipeline, vendor: Emulator) -> Project:
    """A campaign of one job that was bought although the answer was lost."""
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    assert project.statuses() == {WALK: "attention"}
    vendor.clear_faults()
    return project


def workflow_of(vendor: Emulator) -> str:
    return str(vendor.ledger.bought[0].workflow_id)


def test_unknown_outcome_is_never_sent_again(unknown: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("run", unknown.manifest).code == 7
    assert pipeline("run", unknown.manifest, "--retry-failed").code == 7
    assert len(vendor.ledger.entries) == 1


def test_later_commands_report_how_it_was_resolved_and_not_that_it_was_bought(
    unknown: Project, pipeline: Pipeline
) -> None:
    for command in ("run", "plan", "status"):
        ended = pipeline(command, unknown.manifest)

        assert f"`pipeline resolve campaign.yaml {WALK} --workflow-id ID`" in ended.out, command
        assert "was bought before" not in ended.out


def test_unknown_outcome_cannot_be_sent_back(unknown: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    purchase = unknown.results()["purchases"][0]["id"]

    for name in (WALK, purchase, "main/**"):
        ended = pipeline("redo", unknown.manifest, name)

        assert ended.code == 64, ended.output
        assert (
            f"{WALK} ({purchase}): it is unknown whether it was bought; resolve it first: "
            f"`pipeline resolve campaign.yaml {purchase} --workflow-id ID`"
        ) in ended.err
    assert not (unknown.folder / "spring.decisions.yaml").exists()
    assert pipeline("run", unknown.manifest).code == 7
    assert len(vendor.ledger.entries) == 1


def test_redo_in_the_file_waits_until_the_outcome_is_known(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    row = {"purchase": purchase, "key": WALK, "decision": "redo"}
    unknown.write({"spring.decisions.yaml": {"version": 1, "decisions": [row]}})

    planned = pipeline("plan", unknown.manifest)
    ended = pipeline("run", unknown.manifest)

    assert "its redo takes effect once the outcome is known" in planned.out
    assert ended.code == 7, ended.output
    assert unknown.statuses() == {WALK: "attention"}
    assert len(vendor.ledger.entries) == 1
    found = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))
    assert "It was sent back (redo): the next run buys it again." in found.out
    assert pipeline("run", unknown.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


@fails_without("pipeline.operations.selection:_assert_replaceable", "raise UsageError(not_made_again(")
@pytest.mark.parametrize("expression", [WALK, "**", "status:attention"])
def test_unknown_outcome_cannot_be_replaced(
    unknown: Project, pipeline: Pipeline, vendor: Emulator, expression: str
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]

    for command in ("plan", "run"):
        ended = pipeline(command, unknown.manifest, "--replace", expression)

        assert ended.code == 64, ended.output
        assert f"{WALK} ({purchase}): it is unknown whether it was bought; resolve it first: " in ended.err
    assert len(vendor.ledger.entries) == 1
    assert unknown.statuses() == {WALK: "attention"}


def test_all_unknown_outcomes_are_named_when_replace_is_refused(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    prompts = {"walk": "a walk", "dance": "a dance"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    vendor.fail({"on": "create", "times": 2, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    ids = {each["key"]: each["id"] for each in project.results()["purchases"]}

    ended = pipeline("run", project.manifest, "--replace", "**")

    assert ended.code == 64, ended.output
    assert (
        f"{DANCE} ({ids[DANCE]}), {WALK} ({ids[WALK]}): it is unknown whether they were bought" in ended.err
    )
    assert f"resolve each first: `pipeline resolve campaign.yaml {ids[DANCE]} " in ended.err


def test_found_workflow_is_followed_and_fetched(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))

    assert ended.code == 0, ended.output
    assert unknown.statuses() == {WALK: "submitted"}
    assert pipeline("run", unknown.manifest).code == 0
    assert unknown.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == 1


def test_purchase_can_be_named_by_an_id_prefix(unknown: Project, pipeline: Pipeline) -> None:
    purchase = unknown.results()["purchases"][0]["id"]

    assert pipeline("resolve", unknown.manifest, purchase[:6], "--abandon").code == 0
    assert unknown.statuses() == {WALK: "failed"}


def test_resubmitted_purchase_is_bought_once_more(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("resolve", unknown.manifest, WALK, "--resubmit").code == 0
    assert f"  {WALK}: earlier take " in pipeline("status", unknown.manifest).out

    assert pipeline("run", unknown.manifest).code == 0
    assert unknown.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == 2
    assert pipeline("run", unknown.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_abandoned_purchase_is_not_bought_again(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("resolve", unknown.manifest, WALK, "--abandon").code == 0

    ended = pipeline("run", unknown.manifest)

    assert ended.code == 1, ended.output
    assert unknown.jobs()[WALK]["reason"] == "lost"
    assert len(vendor.ledger.entries) == 1
    late = pipeline("resolve", unknown.manifest, WALK, "--resubmit")
    assert late.code == 64
    assert "`pipeline run campaign.yaml --retry-failed` buys it again" in late.err


def test_not_bought_returns_its_credits_and_the_next_run_buys(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    manifest = spring(prompts={"walk": "a walk"}, limits={"budget": 100})
    project = campaign(folder, {"campaign.yaml": manifest})
    vendor.fail({"on": "create", "times": 1, "do": "reset-after-reading"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    assert project.results()["summary"]["credits"] == 100
    bought = len(vendor.ledger.bought)

    ended = pipeline("resolve", project.manifest, WALK, "--not-bought")

    assert ended.code == 0, ended.output
    purchase = project.results()["purchases"][0]["id"]
    assert ended.out.splitlines() == [
        f"{WALK} ({purchase}): not bought; its credits are free again",
        "The next run buys it.",
    ]
    assert project.statuses() == {WALK: "pending"}
    assert project.results()["summary"]["credits"] == 0
    # Machines that read of a possible purchase must learn that it was not bought.
    assert [each["status"] for each in project.results()["purchases"]] == ["void"]
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == bought + 1


def test_not_bought_is_accepted_only_for_an_unknown_outcome(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0

    ended = pipeline("resolve", project.manifest, WALK, "--not-bought")

    assert ended.code == 64
    assert " is done: there is nothing to resolve" in ended.err


def test_abandoned_purchase_can_still_be_found(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("resolve", unknown.manifest, WALK, "--abandon").code == 0

    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))

    assert ended.code == 0, ended.output
    assert pipeline("run", unknown.manifest).code == 0
    assert len(vendor.ledger.entries) == 1


@pytest.fixture
def denied(unknown: Project, pipeline: Pipeline) -> str:
    """The id of a purchase that was bought although the user said that it was not."""
    purchase = str(unknown.results()["purchases"][0]["id"])
    assert pipeline("resolve", unknown.manifest, WALK, "--not-bought").code == 0
    return purchase


def test_its_purchase_is_named_to_whoever_gives_the_key_and_costs_nothing(
    unknown: Project, denied: str, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))

    assert ended.code == 64, ended.output
    assert (
        f"nothing has been bought for {WALK} yet; its last purchase, which bought nothing, is {denied}"
        in ended.err
    )
    assert "credits:" not in pipeline("show", unknown.manifest, denied).out


def test_not_bought_can_be_reverted(
    unknown: Project, denied: str, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("resolve", unknown.manifest, denied, "--workflow-id", workflow_of(vendor))

    assert ended.code == 0, ended.output
    assert ended.out == f"{WALK} ({denied}): submitted; its credits count again\n"
    assert unknown.statuses() == {WALK: "submitted"}
    assert unknown.results()["summary"]["credits"] == 100
    assert pipeline("run", unknown.manifest).code == 0
    assert unknown.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == 1


def test_purchase_made_instead_continues_to_serve(
    unknown: Project, denied: str, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", unknown.manifest).code == 0
    serving = unknown.jobs()[WALK]["purchase"]

    ended = pipeline("resolve", unknown.manifest, denied, "--workflow-id", workflow_of(vendor))
    ran = pipeline("run", unknown.manifest)

    assert ended.code == 0, ended.output
    assert f"{serving} serves in its place." in ended.out
    assert ran.code == 0, ran.output
    assert unknown.jobs()[WALK]["purchase"] == serving
    assert {each["id"]: each["status"] for each in unknown.results()["purchases"]} == {
        denied: "done",
        serving: "done",
    }
    assert unknown.results()["summary"]["credits"] == 200
    assert len(vendor.ledger.entries) == 2


def test_workflow_of_another_purchase_reverts_nothing(
    unknown: Project, denied: str, pipeline: Pipeline, vendor: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = campaign(tmp_path / "other", {"campaign.yaml": spring(name="other", prompts={"walk": "a walk"})})
    assert pipeline("run", other.manifest).code == 0
    stranger = str(vendor.ledger.bought[-1].workflow_id)

    ended = pipeline("resolve", unknown.manifest, denied, "--workflow-id", stranger)

    assert ended.code == 3, ended.output
    assert "is not purchase" in ended.err
    assert unknown.statuses() == {WALK: "pending"}


def test_abandoned_and_pruned_purchase_cannot_be_revived(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    unknown.write({"campaign.yaml": spring(prompts={"fly": "a flight"})})
    assert pipeline("resolve", unknown.manifest, purchase, "--abandon").code == 0
    assert pipeline("prune", unknown.manifest, "--yes").code == 0

    ended = pipeline("resolve", unknown.manifest, purchase, "--workflow-id", workflow_of(vendor))

    assert ended.code == 64, ended.output
    assert "is no longer tracked" in ended.err
    assert [each["status"] for each in unknown.results()["purchases"]] == ["failed"]


def test_missing_workflow_is_refused(unknown: Project, pipeline: Pipeline) -> None:
    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", "nobody")

    assert ended.code == 3, ended.output
    assert unknown.statuses() == {WALK: "attention"}


def test_workflow_with_another_title_is_refused(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """The title of each workflow contains the id of its purchase: the workflow of another job is refused."""
    unknown.write({"campaign.yaml": spring(prompts={"walk": "a walk", "dance": "a dance"})})
    assert pipeline("run", unknown.manifest).code == 7
    other = next(entry.workflow_id for entry in vendor.ledger.bought if "dance" in entry.title)
    other_id = str(other)

    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", other_id)

    assert ended.code == 64, ended.output
    assert DANCE in ended.err


def test_unknown_workflow_with_another_title_is_refused(
    unknown: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = campaign(tmp_path / "other", {"campaign.yaml": spring(name="other", prompts={"walk": "a walk"})})
    assert pipeline("run", other.manifest).code == 0
    stranger = str(vendor.ledger.bought[-1].workflow_id)

    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", stranger)

    assert ended.code == 3, ended.output
    assert "is not purchase" in ended.err
    assert unknown.statuses() == {WALK: "attention"}


STATIC = {
    "template_id": "each_explodedloop_0226",
    "options": {"prompt": "{{ prompt }}"},
    "title": "Spring films",
}
WALK_AND_DANCE = {"walk": "a walk", "dance": "a dance"}


def both_unknown(
    folder: Path, pipeline: Pipeline, vendor: Emulator, **wording: str
) -> tuple[Project, dict[str, str]]:
    """Two jobs of one title, each bought although the answer was lost; and by key, their workflows."""
    loop = {"loop": {**STATIC, **wording}}
    project = campaign(folder, {"campaign.yaml": spring(templates=loop, prompts=WALK_AND_DANCE)})
    vendor.fail({"on": "create", "times": 2, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    made = {str(each.options["prompt"]): str(each.id) for each in vendor.store.workflows()}
    return project, {WALK: made["a walk"], DANCE: made["a dance"]}


def test_workflow_whose_description_names_another_purchase_is_refused(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project, workflows = both_unknown(folder, pipeline, vendor)
    dance = next(each["id"] for each in project.results()["purchases"] if each["key"] == DANCE)

    wrong = pipeline("resolve", project.manifest, WALK, "--workflow-id", workflows[DANCE])
    right = [pipeline("resolve", project.manifest, key, "--workflow-id", workflows[key]) for key in workflows]

    assert wrong.code == 3, wrong.output
    assert f": its description names purchase {dance}" in wrong.err
    assert [each.code for each in right] == [0, 0], right
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_way_back_is_named_if_another_purchase_has_the_workflow(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project, workflows = both_unknown(folder, pipeline, vendor)
    walk, dance = (
        next(each["id"] for each in project.results()["purchases"] if each["key"] == key)
        for key in (WALK, DANCE)
    )
    assert pipeline("resolve", project.manifest, WALK, "--workflow-id", workflows[WALK]).code == 0

    ended = pipeline("resolve", project.manifest, DANCE, "--workflow-id", workflows[WALK])

    assert ended.code == 64, ended.output
    assert f"is the workflow of {walk} ({WALK}). If that is a mistake, " in ended.err
    assert f"`pipeline resolve campaign.yaml {dance} --resubmit` has {DANCE} bought again" in ended.err
    assert f"`pipeline redo campaign.yaml {walk}` has {WALK} made again" in ended.err


def test_renamed_workflow_is_recognised_by_the_id_in_its_title(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    requests.put(
        f"{vendor.url}/workflow/{workflow_of(vendor)}",
        json={"title": f"Final cut, {purchase}"},
        headers={"X-Api-Key": "a-key"},
        timeout=10,
    ).raise_for_status()

    ended = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))

    assert ended.code == 0, ended.output
    assert unknown.statuses() == {WALK: "submitted"}


def test_resubmitted_purchase_that_is_found_is_still_bought_again_and_reported(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert "The next run buys it again" in pipeline("resolve", unknown.manifest, WALK, "--resubmit").out

    found = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))

    assert found.code == 0, found.output
    assert "It stays marked to be bought again: the next run buys it again." in found.out


@pytest.fixture
def beside_another(folder: Path, pipeline: Pipeline, vendor: Emulator) -> Project:
    """One take is done; its replacement has an unknown outcome and is no longer needed."""
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("redo", project.manifest, WALK).code == 0
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    done = next(each["id"] for each in project.results()["purchases"] if each["status"] == "done")
    assert pipeline("undecide", project.manifest, done).code == 0
    return project


def served_by(project: Project, status: str) -> str:
    return str(next(each["id"] for each in project.results()["purchases"] if each["status"] == status))


@pytest.mark.parametrize("how", ["--not-bought", "--resubmit"])
def test_nothing_is_bought_if_another_purchase_serves_and_that_is_reported(
    beside_another: Project, pipeline: Pipeline, vendor: Emulator, how: str
) -> None:
    done = served_by(beside_another, "done")

    ended = pipeline("resolve", beside_another.manifest, WALK, how)

    assert ended.code == 0, ended.output
    assert f"Nothing is bought, as {done} serves in its place." in ended.out
    assert "The next run buys" not in ended.out
    assert pipeline("run", beside_another.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_unknown_outcome_that_would_serve_instead_blocks_replace_and_redo(
    beside_another: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    done, lost = served_by(beside_another, "done"), served_by(beside_another, "attention")

    replaced = pipeline("run", beside_another.manifest, "--replace", WALK)
    sent_back = pipeline("redo", beside_another.manifest, done)

    assert replaced.code == 64, replaced.output
    assert f"{WALK} ({lost}): it is unknown whether it was bought" in replaced.err
    assert f"sent back; nothing is bought, as {lost}, whose outcome is unknown, serves in its place\n" in (
        sent_back.out
    )
    assert pipeline("run", beside_another.manifest).code == 7
    assert len(vendor.ledger.entries) == 2


def test_plan_reports_an_unknown_outcome_of_an_orphan(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    for prompts, counts in (
        ({"walk": "a run"}, "1 attention"),
        ({"dance": "a dance"}, "1 attention, 2 orphan"),
    ):
        unknown.write({"campaign.yaml": spring(prompts=prompts)})
        assert pipeline("run", unknown.manifest).code == 7

        planned = pipeline("plan", unknown.manifest, "--detailed-exitcode")
        document = pipeline("plan", unknown.manifest, "--format", "json").document
        comment = pipeline("plan", unknown.manifest, "--format", "markdown").out
        saved = pipeline("plan", unknown.manifest, "--out", "plan.json")

        assert planned.code == 2, planned.output
        assert f"! {WALK} ({purchase})  needs attention, serves no job now: it is unknown" in planned.out
        assert "Plan: 1 needing attention, 1 to keep" in planned.out
        assert "1 create with an unknown outcome" in planned.out
        assert f"`pipeline resolve campaign.yaml {purchase} --workflow-id ID`" in planned.out
        assert document["unsettled"] == [{"purchase": purchase, "key": WALK}]
        assert f"`spring`: {counts}; buys nothing" in comment
        assert saved.code == 0, saved.output
        assert pipeline("run", "plan.json").code == 7


def test_suggested_command_refers_to_one_purchase(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """Two purchases of one key need attention: that of the old prompt and that of the new one."""
    first = unknown.results()["purchases"][0]["id"]
    unknown.write({"campaign.yaml": spring(prompts={"walk": "a run"})})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})

    ran = pipeline("run", unknown.manifest)

    serving = unknown.jobs()[WALK]["purchase"]
    assert serving != first
    for ended in (ran, pipeline("plan", unknown.manifest), pipeline("status", unknown.manifest)):
        assert "2 creates with an unknown outcome" in ended.out
        assert f"`pipeline resolve campaign.yaml {serving} --workflow-id ID`" in ended.out
    found = pipeline(
        "resolve", unknown.manifest, serving, "--workflow-id", str(vendor.ledger.bought[1].workflow_id)
    )
    assert found.code == 0, found.output


def test_shared_purchase_is_one_create(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    jobs = [{"id": "main", "matrix": {"locale": ["en", "fr"]}}]
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=jobs)})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    ran = pipeline("run", project.manifest)

    for ended in (ran, pipeline("plan", project.manifest), pipeline("status", project.manifest)):
        assert "1 create with an unknown outcome" in ended.out


def test_nothing_is_bought_for_an_orphan_and_that_is_reported(unknown: Project, pipeline: Pipeline) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    unknown.write({"campaign.yaml": spring(prompts={"fly": "a flight"})})

    ended = pipeline("resolve", unknown.manifest, purchase, "--resubmit")

    assert "Nothing is bought, as no job asks for it now." in ended.out


@pytest.mark.parametrize(
    "flags",
    [(), ("--resubmit", "--abandon"), ("--abandon", "--workflow-id", "x"), ("--not-bought", "--resubmit")],
)
def test_exactly_one_resolution_is_required(
    unknown: Project, pipeline: Pipeline, flags: tuple[str, ...]
) -> None:
    assert pipeline("resolve", unknown.manifest, WALK, *flags).code == 64


def test_unknown_name_is_reported_with_a_suggestion(unknown: Project, pipeline: Pipeline) -> None:
    ended = pipeline("resolve", unknown.manifest, "main/loop/red/wlak", "--abandon")

    assert ended.code == 64
    assert WALK in ended.err


def test_finished_purchase_cannot_be_abandoned(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0

    assert pipeline("resolve", project.manifest, WALK, "--resubmit").code == 64
    assert set(project.statuses().values()) == {"done"}


def test_purchase_stuck_at_the_vendor_can_be_abandoned(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0
    refused = pipeline("resolve", project.manifest, WALK, "--not-bought")
    assert refused.code == 64
    assert "is still running: there is nothing to resolve; --resubmit or --abandon gives it up" in refused.err

    assert pipeline("resolve", project.manifest, WALK, "--resubmit").code == 0
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 3


def test_approved_purchase_that_was_abandoned_and_found_is_not_bought_again(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("resolve", unknown.manifest, WALK, "--resubmit").code == 0
    found = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))
    assert "It stays marked to be bought again: the next run buys it again.\n" in found.out
    assert pipeline("collect", unknown.manifest).code == 0

    approved = pipeline("approve", unknown.manifest, WALK)

    assert "approved: it stays, whatever is edited later\n" in approved.out
    assert pipeline("run", unknown.manifest).code == 0
    assert unknown.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == 1


def test_purchase_approved_in_the_file_is_not_bought_again_and_that_is_reported(
    unknown: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase = unknown.results()["purchases"][0]["id"]
    row = {"purchase": purchase, "key": WALK, "decision": "approved"}
    unknown.write({"spring.decisions.yaml": {"version": 1, "decisions": [row]}})

    ended = pipeline("resolve", unknown.manifest, WALK, "--resubmit")

    assert f"Nothing is bought, as {purchase} is approved.\n" in ended.out
    found = pipeline("resolve", unknown.manifest, WALK, "--workflow-id", workflow_of(vendor))
    assert "bought again" not in found.out
    assert pipeline("run", unknown.manifest).code == 0
    assert len(vendor.ledger.entries) == 1
