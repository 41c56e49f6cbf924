"""`run --replace` and `--retry-failed`: the new take serves from then on, under whatever key."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.protection import fails_without

from pipeline import api
from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
STROLL = "main/loop/red/stroll"
RENAMED = spring(prompts={"stroll": "a walk in the park", "dance": "a dance in the rain"})
# Both values of the axis give the same request: no text uses the axis.
WITH_AN_AXIS = spring(jobs=[{"id": "main", "matrix": {"locale": ["en", "fr"]}}])


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def served(project: Project) -> dict[str, str]:
    """The purchase that serves each job, by key."""
    return {key: job["purchase"] for key, job in project.jobs().items()}


def test_jobs_left_by_a_limit_are_not_reported_as_done(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    before = served(bought)
    planned = pipeline("plan", bought.manifest, "--replace", "**", "--out", "plan.json")
    assert planned.code == 0, planned.output

    ended = pipeline("run", "plan.json", "--max-creates", "1")

    assert ended.code == 4, ended.output
    assert "2 done.\n2 of these were to be bought again, and were not.\n" in ended.out
    assert served(bought) == before
    assert len(vendor.ledger.entries) == 2


def test_jobs_counted_as_not_bought_are_not_reported_twice(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.store.credits = 0

    ended = pipeline("run", bought.manifest, "--replace", "**", "--concurrency", "1")

    assert ended.code == 4, ended.output
    assert "1 done, 1 not bought.\n1 of these was to be bought again, and was not.\n" in ended.out


def run(pipeline: Pipeline, project: Project, *flags: str) -> dict[str, str]:
    ended = pipeline("run", project.manifest, *flags)
    assert ended.code == 0, ended.output
    return served(project)


@pytest.mark.parametrize(
    ("manifest", "flags", "key"),
    [
        (RENAMED, ("--replace", STROLL), STROLL),
        (WITH_AN_AXIS, ("--replace", f"{WALK}/locale=fr"), f"{WALK}/locale=fr"),
        (
            WITH_AN_AXIS,
            ("--replace", f"{WALK}/locale=fr", "--select", f"{WALK}/locale=fr"),
            f"{WALK}/locale=fr",
        ),
    ],
    ids=["a prompt was renamed", "an axis was added", "only one of those that share"],
)
def test_replacement_under_a_new_key_serves_and_stays(
    bought: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    manifest: dict[str, object],
    flags: tuple[str, ...],
    key: str,
) -> None:
    old = served(bought)[WALK]
    bought.write({"campaign.yaml": manifest})

    after = run(pipeline, bought, *flags)
    files = bought.output()

    assert len(vendor.ledger.bought) == 3
    assert after[key] != old
    assert run(pipeline, bought) == served(bought)
    assert served(bought)[key] == after[key]
    assert bought.output()[f"{key}.mp4"] == files[f"{key}.mp4"]
    assert len(vendor.ledger.bought) == 3


@pytest.mark.parametrize("manifest", [spring(), WITH_AN_AXIS], ids=["its own", "shared"])
def test_failed_replacement_is_named_and_made_once_by_the_next_run(
    folder: Path, pipeline: Pipeline, vendor: Emulator, manifest: dict[str, object]
) -> None:
    project = campaign(folder, {"campaign.yaml": manifest})
    assert pipeline("run", project.manifest).code == 0
    walks = {key for key in project.jobs() if key.startswith(WALK)}
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")

    ended = pipeline("run", project.manifest, "--replace", "prompt:walk")

    assert ended.code == 8, ended.output
    assert {key for key, status in project.statuses().items() if status == "pending"} == walks
    for key in walks:
        assert f"  {key}: not made again yet; the next run buys it, even without --replace\n" in ended.out
    assert ended.out.count("not made again yet") == len(walks)
    pipeline.set("VIMMERSE_BASE_URL", vendor.url)
    assert "not made again yet" not in pipeline("run", project.manifest).out
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 3


def test_new_take_is_not_pruned_as_replaced(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    old = served(bought)[WALK]
    bought.write({"campaign.yaml": RENAMED})
    after = run(pipeline, bought, "--replace", STROLL)

    assert pipeline("prune", bought.manifest, "--replaced", "--yes").code == 0

    deleted = {each["id"] for each in bought.results()["purchases"] if each.get("deleted")}
    assert deleted == {old}
    assert run(pipeline, bought)[STROLL] == after[STROLL]


def test_failure_retried_under_a_new_key_no_longer_serves(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 2, "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    [failed] = [each["id"] for each in project.results()["purchases"] if each["status"] == "failed"]
    project.write({"campaign.yaml": RENAMED})

    after = run(pipeline, project, "--retry-failed")

    assert after[STROLL] != failed
    assert run(pipeline, project) == after
    assert len(vendor.ledger.bought) == 3


def test_failure_with_the_same_request_is_replaced_too(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 2, "do": "fail"})
    assert pipeline("run", project.manifest, "--concurrency", "1").code == 1
    project.write({"campaign.yaml": RENAMED})

    after = run(pipeline, project, "--retry-failed", "--replace", STROLL)

    assert run(pipeline, project) == after
    assert len(vendor.ledger.bought) == 3


def test_impossible_replacement_fails_the_run_and_keeps_the_old_take(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": chained(provider={"api": "v2"})})
    assert pipeline("run", project.manifest).code == 0
    old = served(project)
    # The sketch is uploaded from this machine, as the vendor no longer has it.
    vendor.fail({"on": "get", "do": {"status": 404, "body": {}}})
    vendor.fail({"on": "upload", "do": {"status": 422, "body": {}}})

    report = folder / "junit.xml"
    ended = pipeline("run", project.manifest, "--replace", "job:film", "--junit", report)
    document = pipeline("run", project.manifest, "--replace", "job:film", "--format", "json").document

    why = "POST /image: HTTP 422"
    assert [each.get("error") for each in document["jobs"]] == [None, why]
    assert 'failures="1"' in report.read_text()
    assert f'<failure message="input: {why}" />' in report.read_text()
    assert ended.code == 1, ended.output
    assert f"film/film/red/spin: done, not made again (input): {why}" in ended.output
    assert served(project) == old
    assert set(project.statuses().values()) == {"done"}


# What was bought again and failed, and what was not bought again

REFUSED: Json = {
    "status": 400,
    "body": '{"message": "no such prompt"}',
    "headers": {"content-type": "application/json"},
}
FAILED_THEN_REFUSED: Sequence[Json] = (
    {"on": "create", "match": {"title": "walk"}, "times": 1, "do": "fail"},
    {"on": "create", "match": {"title": "walk"}, "do": REFUSED},
)


def test_run_says_that_it_bought_a_failed_job_again_and_that_it_failed_again(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "fail"})
    assert pipeline("run", project.manifest).code == 1

    for creates in (3, 4):
        ended = pipeline("run", project.manifest, "--retry-failed")

        assert ended.code == 1, ended.output
        assert "1 done, 1 failed.\n1 of these was bought again and failed.\n" in ended.out
        assert len(vendor.ledger.bought) == creates


@pytest.mark.parametrize("how", ["--replace", "redo"])
def test_run_says_that_the_new_take_of_a_job_failed(
    bought: Project, pipeline: Pipeline, vendor: Emulator, how: str
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "fail"})
    if how == "redo":
        assert pipeline("redo", bought.manifest, WALK).code == 0

    ended = pipeline("run", bought.manifest, *(("--replace", WALK) if how == "--replace" else ()))

    assert ended.code == 1, ended.output
    assert "1 done, 1 failed.\n1 of these was bought again and failed.\n" in ended.out


def test_run_says_that_a_failed_job_was_sent_again_and_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail(*FAILED_THEN_REFUSED)
    assert pipeline("run", project.manifest).code == 1

    ended = pipeline("run", project.manifest, "--retry-failed")

    assert "1 done, 1 failed.\n1 of these was sent again and refused.\n" in ended.out


def test_run_tells_what_it_bought_again_apart_from_what_it_did_not(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 4, "do": {"status": 402}}, {"on": "create", "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    assert pipeline("plan", project.manifest, "--retry-failed", "--out", "plan.json").code == 0

    ended = pipeline("run", "plan.json", "--max-creates", "1")

    assert ended.code == 4, ended.output
    assert "2 failed.\n2 of these were to be bought again, and were not.\n" in ended.out

    ended = pipeline("run", "plan.json", "--concurrency", "1")

    assert ended.code == 4, ended.output
    assert (
        "2 failed.\n1 of these was to be bought again, and was not.\n1 of these was bought again and failed.\n"
        in ended.out
    )


def test_reason_of_the_last_attempt_is_shown_everywhere(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail(
        {"on": "create", "match": {"title": "walk"}, "times": 1, "do": REFUSED},
        {"on": "create", "match": {"title": "walk"}, "do": "fail"},
    )
    assert pipeline("run", project.manifest).code == 1
    assert f"{WALK}: failed (rejected)" in pipeline("status", project.manifest).out

    ended = pipeline("run", project.manifest, "--retry-failed")

    [last] = [each for each in project.results()["purchases"] if each.get("reason") == "vendor"]
    job = project.jobs()[WALK]
    assert (job["purchase"], job["reason"]) == (last["id"], "vendor")
    status, planned = pipeline("status", project.manifest), pipeline("plan", project.manifest)
    for said in (ended.out, status.out):
        assert f"  {WALK}: failed (vendor): {last['error']}\n" in said
    assert f"{WALK}  failed (vendor): {last['error']}; --retry-failed buys it again\n" in planned.out
    assert "no such prompt" not in ended.out + status.out + planned.out


def test_refusal_after_a_failure_is_not_sent_again_by_retries(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail(*FAILED_THEN_REFUSED)
    assert pipeline("run", project.manifest).code == 1
    assert pipeline("run", project.manifest, "--retry-failed").code == 1
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "retries": 1}])})
    creates = len(vendor.ledger.entries)

    ended = pipeline("run", project.manifest)

    assert ended.code == 1, ended.output
    assert f"{WALK}: failed (rejected)" in ended.out
    assert len(vendor.ledger.entries) == creates


# Takes of one job: the key of the first is the beginning of the keys of the others

TAKES = spring(prompts={"dance": "a dance", "dance2": "two dances"}, jobs=[{"id": "main", "repeat": 3}])
TAKE, TAKE_2, TAKE_3 = DANCE, f"{DANCE}#2", f"{DANCE}#3"


@pytest.mark.parametrize(
    ("flags", "replaced"),
    [
        (("--replace", TAKE), {TAKE}),
        (("--replace", f"{TAKE}/"), {TAKE}),
        (("--replace", f"{TAKE},status:done"), {TAKE}),
        (("--replace", TAKE, "--select", DANCE), {TAKE}),
        (("--replace", TAKE_2), {TAKE_2}),
        (("--replace", TAKE, "--replace", f"{TAKE}#*"), {TAKE, TAKE_2, TAKE_3}),
        (("--replace", "prompt:dance"), {TAKE, TAKE_2, TAKE_3}),
        (("--replace", "main/loop/red", "--exclude", "prompt:dance2"), {TAKE, TAKE_2, TAKE_3}),
    ],
)
@pytest.mark.parametrize("is_saved", [False, True])
def test_key_of_a_take_replaces_that_take_alone(
    folder: Path, pipeline: Pipeline, flags: tuple[str, ...], replaced: set[str], is_saved: bool
) -> None:
    project = campaign(folder, {"campaign.yaml": TAKES})
    before = run(pipeline, project)

    if is_saved:
        assert pipeline("plan", project.manifest, *flags, "--out", "plan.json").code == 0
        assert pipeline("run", "plan.json").code == 0
        after = served(project)
    else:
        after = run(pipeline, project, *flags)

    assert {key for key in before if before[key] != after[key]} == replaced


def test_further_takes_alone_are_not_selected_where_the_first_is_to_be_replaced(
    folder: Path, pipeline: Pipeline
) -> None:
    project = campaign(folder, {"campaign.yaml": TAKES})
    run(pipeline, project)

    ended = pipeline("run", project.manifest, "--replace", TAKE, "--select", TAKE_2)

    assert ended.code == 64
    assert "none of its jobs is selected" in ended.err


def test_prune_selects_all_takes_by_the_key_of_the_first(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": TAKES})
    run(pipeline, project)
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk"})})

    ended = pipeline("prune", project.manifest, "--select", TAKE, "--yes")

    assert ended.code == 0, ended.output
    assert "3 deleted." in ended.out


def test_key_of_a_take_means_it_alone_however_its_letters_are_composed(
    folder: Path, pipeline: Pipeline
) -> None:
    written = "cafe\N{COMBINING ACUTE ACCENT}"
    project = campaign(folder, {"campaign.yaml": spring(prompts={written: "a café"}, jobs=TAKES["jobs"])})
    before = run(pipeline, project)
    [take] = [key for key in before if "#" not in key]

    after = run(pipeline, project, "--replace", take)

    assert {key for key in before if before[key] != after[key]} == {take}


# A replacement that is still under way


LEFT_UNDER_WAY = {"--no-wait": "submitted", "--no-download": "succeeded"}


@fails_without(
    "pipeline.planning.make:_still_made",
    "return frozenset(",
    swap=("purchase.status in _STILL_MADE", "purchase.deleted"),
)
@pytest.mark.parametrize("left", LEFT_UNDER_WAY)
@pytest.mark.parametrize("from_environment", [False, True], ids=["flag", "environment"])
def test_replacement_under_way_is_not_replaced_by_the_same_command(
    bought: Project, pipeline: Pipeline, vendor: Emulator, left: str, *, from_environment: bool
) -> None:
    asked = () if from_environment else ("--replace", WALK)
    if from_environment:
        pipeline.set("PIPELINE_REPLACE", WALK)
    assert pipeline("run", bought.manifest, *asked, left).code == 0
    new = served(bought)[WALK]
    assert bought.statuses()[WALK] == LEFT_UNDER_WAY[left]

    planned = pipeline("plan", bought.manifest, *asked)
    again = pipeline("run", bought.manifest, *asked)

    for ended in (planned, again):
        assert ended.code == 0, ended.output
        is_made = LEFT_UNDER_WAY[left] == "succeeded"
        why = "made and not downloaded yet" if is_made else "still being made"
        assert f"\n1 job is {why}, so it is not replaced.\n" in ended.out
        assert ("`pipeline redo`" in ended.out) == is_made
    assert served(bought)[WALK] == new
    assert bought.statuses()[WALK] == "done"
    assert len(vendor.ledger.entries) == 3


def test_replacement_under_way_is_not_replaced_from_python(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", bought.manifest, "--replace", "**", "--no-wait").code == 0

    outcome = api.run(bought.manifest, replace="**")

    assert outcome.code == 0
    assert len(vendor.ledger.entries) == 4


def test_replacement_of_what_is_done_goes_on_beside_one_under_way(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", bought.manifest, "--replace", WALK, "--no-wait").code == 0
    before = served(bought)

    ended = pipeline("run", bought.manifest, "--replace", "**")

    assert ended.code == 0, ended.output
    after = served(bought)
    assert after[WALK] == before[WALK]
    assert after[DANCE] != before[DANCE]
    assert len(vendor.ledger.entries) == 4


def test_saved_plan_does_not_replace_what_it_goes_on_with(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", bought.manifest, "--replace", WALK, "--no-wait").code == 0
    assert pipeline("plan", bought.manifest, "--replace", "**", "--out", "plan.json").code == 0

    for _ in range(2):
        ended = pipeline("run", "plan.json")

        assert ended.code == 0, ended.output
        assert len(vendor.ledger.entries) == 4


@pytest.mark.parametrize("flags", [("--replace", WALK), ()], ids=["flag", "environment"])
def test_run_that_replaced_and_is_not_finished_says_to_go_on_without_it(
    bought: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...]
) -> None:
    bought.write({"campaign.yaml": spring(jobs=[{"id": "main", "timeout": "1s"}])})
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    if not flags:
        pipeline.set("PIPELINE_REPLACE", WALK)

    for _ in range(2):
        ended = pipeline("run", bought.manifest, *flags)

        assert ended.code == 8, ended.output
        assert "run it again without --replace, which would buy once more what was made again" in ended.err
        assert "nothing is bought twice" not in ended.err
    assert len(vendor.ledger.entries) == 3


def test_run_that_replaced_nothing_may_be_repeated_as_it_was(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", bought.manifest, "--replace", "**", "--max-creates", "1")

    assert ended.code == 4, ended.output
    assert "without --replace" not in ended.err
    assert len(vendor.ledger.entries) == 2
