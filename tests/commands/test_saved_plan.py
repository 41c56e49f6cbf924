"""A saved plan is carried out exactly once, even if interrupted, or refused with what has changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, picture, spring
from support.checks import assert_nothing_bought_twice, assert_valid
from support.protection import fails_without

from pipeline.documents import schema
from pipeline.emulator.embedded import Emulator
from pipeline.manifest.expand import MAX_JOBS

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
FILE = "saved.plan.json"


def save(pipeline: Pipeline, project: Project, *flags: str) -> Any:
    """Save the plan with these flags; returns its document."""
    ended = pipeline("plan", project.manifest, "--out", FILE, *flags)
    assert ended.code == 0, ended.output
    return json.loads(Path(FILE).read_bytes())


def bought(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0


def test_saved_plan_matches_its_schema_and_the_output_of_plan(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(vars={"x": 1})})
    document = save(pipeline, project, "--var", "x=5", "--select", "main")

    assert_valid(document, "plan")
    shown = pipeline("plan", project.manifest, "--format", "json", "--var", "x=5").document
    assert [{name: each[name] for name in shown["actions"][0]} for each in document["actions"]] == shown[
        "actions"
    ]
    assert document["arguments"]["vars"] == {"x": 5}
    assert document["manifest"] == "campaign.yaml"


def test_saved_plan_is_carried_out_once(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    save(pipeline, project)

    first = pipeline("run", FILE)
    second = pipeline("run", FILE)

    assert (first.code, second.code) == (0, 0), second.output
    assert len(vendor.ledger.entries) == 2
    assert project.statuses() == {DANCE: "done", WALK: "done"}


def test_saved_plan_keeps_its_vars_and_selection(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    prompts = {"walk": "a walk in {{ season }}", "dance": "a dance"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, vars={"season": "spring"})})
    save(pipeline, project, "--var", "season=autumn", "--select", "prompt:walk")

    assert pipeline("run", FILE).code == 0
    assert len(vendor.ledger.entries) == 1
    [purchase] = project.results()["purchases"]
    assert purchase["request"]["options"]["prompt"] == "a walk in autumn"


def test_saved_plan_works_from_any_folder(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plans = project.folder / "plans"
    plans.mkdir()
    assert pipeline("plan", project.manifest, "--out", plans / FILE).code == 0
    monkeypatch.chdir(tmp_path)

    assert pipeline("run", plans / FILE).code == 0
    assert len(vendor.ledger.bought) == 2


# Stale


def change_a_prompt(project: Project) -> None:
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})


def change_the_image(project: Project) -> None:
    project.write({"images/red.png": picture("green")})


def change_a_price(project: Project) -> None:
    project.write({"campaign.yaml": spring(catalog={"credits": {"each_explodedloop_0226": 7}})})


def add_a_job(project: Project) -> None:
    prompts = {"walk": "a walk in the park", "dance": "a dance in the rain", "run": "a run"}
    project.write({"campaign.yaml": spring(prompts=prompts)})


@fails_without(
    "pipeline.planning.saved_plan:_departs",
    "return f'{entry.action} now, but not in",
    swap=("f'{entry.action} now, but not in the plan", "'"),
)
@fails_without("pipeline.planning.saved_plan:_departs", "if asked != listed.fingerprint")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (change_a_prompt, f"{WALK}: its request differs from the plan"),
        (change_the_image, f"{DANCE}: its request differs from the plan"),
        (change_a_price, f"{WALK}: 7 credits now, 100 in the plan"),
        (add_a_job, "main/loop/red/run: create now, but not in the plan"),
    ],
)
def test_stale_plan_is_refused_with_what_changed(
    project: Project, pipeline: Pipeline, vendor: Emulator, change: Callable[[Project], None], expected: str
) -> None:
    save(pipeline, project)
    change(project)

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert f"{FILE} is stale: {expected}" in ended.err
    assert vendor.ledger.entries == ()


def test_every_difference_is_reported(project: Project, pipeline: Pipeline) -> None:
    save(pipeline, project)
    change_the_image(project)

    errors = pipeline("run", FILE).err

    assert f"{FILE} is stale: {DANCE}" in errors
    assert f"{FILE} is stale: {WALK}" in errors


@pytest.fixture
def finals(folder: Path, pipeline: Pipeline) -> Project:
    """Two takes of a sketch; of the approved one, a film is to be made."""
    jobs = chained()["jobs"]
    jobs[0]["repeat"] = 2
    sketches = {"outputs_of": "sketch", "only": "approved"}
    project = campaign(
        folder,
        {"campaign.yaml": chained(jobs=jobs, image_sets={"shoes": ["images/red.png"], "sketches": sketches})},
    )
    assert pipeline("run", project.manifest).code == 0
    return project


def test_other_take_to_be_made_from_makes_the_plan_stale(
    finals: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    takes = sorted(finals.results()["purchases"], key=lambda each: (each["bought_at"], each["id"]))
    older, newer = (each["id"] for each in takes)  # of several approved takes, the newest is used
    assert pipeline("approve", finals.manifest, older).code == 0
    document = save(pipeline, finals)
    assert_valid(document, "plan")
    assert pipeline("approve", finals.manifest, newer).code == 0

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert f"made from another take than in the plan, {older}" in ended.err
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("is_older", [False, True])
def test_plan_made_from_the_same_take_is_carried_out(
    finals: Project, pipeline: Pipeline, vendor: Emulator, is_older: bool
) -> None:
    """So is one that was saved before plans had the inputs."""
    assert pipeline("approve", finals.manifest, "sketch/sketch/red#2").code == 0
    document = save(pipeline, finals)
    if is_older:
        for action in document["actions"]:
            action.pop("inputs", None)
        Path(FILE).write_text(json.dumps(document))

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3


@pytest.mark.parametrize("run", [FILE, "campaign.yaml"])
def test_plan_is_carried_out_after_what_a_job_is_made_from_failed_and_was_bought_again(
    folder: Path, pipeline: Pipeline, vendor: Emulator, run: str
) -> None:
    """It was under way when the plan was made, and its failure is retried, by the plan itself or before."""
    stages = chained()
    stages["jobs"][0]["retries"] = 1
    project = campaign(folder, {"campaign.yaml": stages, "images/red.png": picture()})
    vendor.fail({"on": "create", "do": {"ends": "fail"}, "times": 1})
    assert pipeline("run", project.manifest, "--select", "sketch", "--no-wait").code == 0
    vendor.clear_faults()
    save(pipeline, project)
    if run != FILE:
        assert pipeline("run", project.manifest, "--select", "sketch").code == 0
        assert len(vendor.ledger.entries) == 2

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3
    assert set(project.statuses().values()) == {"done"}


def test_lost_purchase_makes_the_plan_stale(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought(project, pipeline)
    add_a_job(project)
    save(pipeline, project)
    shutil.rmtree(project.folder / ".pipeline")
    project.results_file.unlink()

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert f"{DANCE}: create now, keep in the plan" in ended.err
    assert len(vendor.ledger.entries) == 2


def test_new_title_makes_the_plan_stale_even_for_unaffected_jobs(
    project: Project, pipeline: Pipeline
) -> None:
    bought(project, pipeline)
    save(pipeline, project)
    project.write({"campaign.yaml": titled("Spring sale")})

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert f"{DANCE}: update now, keep in the plan" in ended.err


def titled(title: str) -> dict[str, Any]:
    loop = {**spring()["templates"]["loop"], "title": title}
    return spring(templates={"loop": loop})


def test_plan_is_carried_out_if_less_is_needed_now(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """Jobs bought meanwhile or removed from the manifest are no reason to refuse the rest."""
    save(pipeline, project)
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0

    assert pipeline("run", FILE).code == 0
    assert len(vendor.ledger.entries) == 2


# Interrupted plans


def test_interrupted_plan_continues_from_results_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    save(pipeline, project)
    vendor.store.credits = 100
    assert pipeline("run", FILE, "--concurrency", "1").code == 4
    vendor.store.credits = None
    shutil.rmtree(project.folder / ".pipeline")

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 2
    assert_nothing_bought_twice(vendor)


@pytest.mark.parametrize("expression", ["**", "main", "status:done", "action:keep", "prompt:*"])
def test_replace_happens_once_per_job_however_often_interrupted(
    project: Project, pipeline: Pipeline, vendor: Emulator, expression: str
) -> None:
    bought(project, pipeline)
    save(pipeline, project, "--replace", expression)
    vendor.store.credits = 300
    half = pipeline("run", FILE, "--concurrency", "1")
    assert half.code == 4, half.output
    vendor.store.credits = None
    shutil.rmtree(project.folder / ".pipeline")

    codes = [pipeline("run", FILE).code for _ in range(2)]

    assert codes == [0, 0]
    assert len(vendor.ledger.bought) == 4


@pytest.mark.parametrize("flags", [(), ("--select", "status:failed"), ("--select", "action:retry")])
def test_retry_failed_happens_once_per_job_even_if_it_fails_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...]
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    save(pipeline, project, "--retry-failed", *flags)

    codes = [pipeline("run", FILE).code for _ in range(3)]

    assert codes == [1, 1, 1]
    assert len(vendor.ledger.bought) == 4


@pytest.mark.parametrize(
    ("flags", "fails"), [(("--replace", "main/loop/red/walk/look=2"), False), (("--retry-failed",), True)]
)
def test_shared_purchase_is_replaced_once_even_if_requested_by_another_job(
    project: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...], fails: bool
) -> None:
    job = {"id": "main", "prompts": ["walk"], "matrix": {"look": [1, 2]}}
    project.write({"campaign.yaml": spring(jobs=[job])})
    if fails:
        vendor.fail({"on": "create", "do": "fail"})
    pipeline("run", project.manifest)
    save(pipeline, project, *flags)

    codes = {int(pipeline("run", FILE).code) for _ in range(3)}

    assert codes == {int(fails)}
    assert len(vendor.ledger.bought) == 2


@pytest.mark.parametrize(
    "selection", ["status:failed", "action:create", "action:create,main", "status:pending"]
)
def test_selection_matching_nothing_after_the_plan_was_carried_out_is_not_an_error(
    project: Project, pipeline: Pipeline, vendor: Emulator, selection: str
) -> None:
    flags: tuple[str, ...] = ()
    if selection == "status:failed":
        vendor.fail({"on": "create", "do": "fail"})
        pipeline("run", project.manifest)
        vendor.clear_faults()
        flags = ("--retry-failed",)
    save(pipeline, project, "--select", selection, *flags)
    assert pipeline("run", FILE).code == 0
    entries = len(vendor.ledger.entries)

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == entries


def test_unfinished_purchases_of_the_plan_are_followed_by_the_next_run(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    save(pipeline, project, "--select", "status:pending")
    assert pipeline("run", FILE, "--no-wait").code == 0
    assert project.output() == {}

    assert pipeline("run", FILE).code == 0
    assert len(project.output()) == len(vendor.ledger.entries) == 2


def test_take_approved_after_its_replacement_is_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought(project, pipeline)
    save(pipeline, project, "--replace", "prompt:walk")
    assert pipeline("run", FILE).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3


# Plans that were carried out


def destroy(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("destroy", project.manifest, "--yes").code == 0


def send_back(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("redo", project.manifest, DANCE, WALK).code == 0


def destroy_without_a_state(project: Project, pipeline: Pipeline) -> None:
    destroy(project, pipeline)
    shutil.rmtree(project.folder / ".pipeline")


@fails_without("pipeline.planning.saved_plan:_departs", "if since and entry.buys")
@pytest.mark.parametrize("lose", [destroy, send_back, destroy_without_a_state])
@pytest.mark.parametrize("flags", [(), ("--replace", "**")])
def test_plan_that_was_carried_out_does_not_buy_again_what_was_deleted_or_sent_back(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    lose: Callable[[Project, Pipeline], None],
    flags: tuple[str, ...],
) -> None:
    if flags:
        bought(project, pipeline)
    save(pipeline, project, *flags)
    assert [pipeline("run", FILE).code for _ in range(2)] == [0, 0]
    entries = len(vendor.ledger.entries)
    lose(project, pipeline)

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert f"{FILE} is stale: {WALK}: replace now, but this plan has been carried out for it" in ended.err
    assert len(vendor.ledger.entries) == entries
    save(pipeline, project)
    assert pipeline("run", FILE).code == 0
    assert len(vendor.ledger.entries) == entries + 2


@fails_without(
    "pipeline.planning.saved_plan:_bought_since",
    "since[action.buyer or action.key]",
    swap=("action.buyer or ", ""),
)
def test_purchase_that_another_job_has_shared_is_not_bought_again_for_its_buyer(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    first, second = ("main/loop/red/walk/look=1", "main/loop/red/walk/look=2")
    both = spring(jobs=[{"id": "main", "prompts": ["walk"], "matrix": {"look": [1, 2]}}])
    project.write({"campaign.yaml": both})
    [one, two] = save(pipeline, project)["actions"]
    assert (one["key"], two["buyer"]) == (first, first)
    project.write(
        {"campaign.yaml": spring(jobs=[{"id": "main", "prompts": ["walk"], "matrix": {"look": [2]}}])}
    )
    assert pipeline("run", FILE).code == 0
    assert project.statuses() == {second: "done"}
    project.write({"campaign.yaml": both})
    destroy(project, pipeline)

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert f"{first}: replace now, but this plan has been carried out for it" in ended.err
    assert len(vendor.ledger.entries) == 1


@fails_without(
    "pipeline.planning.saved_plan:_departs",
    "if since and entry.buys",
    swap=("all(map(_has_failed, since))", "False"),
)
def test_plan_goes_on_with_the_retries_of_what_it_has_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    jobs = [{"id": "main", "retries": 1}]
    project.write({"campaign.yaml": spring(jobs=jobs)})
    save(pipeline, project)
    vendor.fail({"on": "create", "nth": 1, "do": {"ends": "fail"}})
    assert pipeline("run", FILE, "--no-wait").code == 0
    assert pipeline("collect", project.manifest).code == 1
    assert len(vendor.ledger.bought) == 2

    ended = pipeline("run", FILE)
    again = pipeline("run", FILE)

    assert (ended.code, again.code) == (0, 0), ended.output
    assert project.statuses() == {DANCE: "done", WALK: "done"}
    assert len(vendor.ledger.bought) == 3


@fails_without("pipeline.planning.saved_plan:_departs", "if since and entry.buys", swap=("all(", "any("))
def test_plan_does_not_retry_a_failed_take_after_the_good_one_was_deleted(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    retrying = spring(jobs=[{"id": "main", "retries": 2}])
    project.write({"campaign.yaml": retrying})
    save(pipeline, project)
    vendor.fail({"on": "create", "nth": 1, "do": {"ends": "fail"}})
    assert pipeline("run", FILE).code == 0
    failed, *good = sorted(project.results()["purchases"], key=lambda each: each["status"] != "failed")
    [replaced] = [each["id"] for each in good if each["key"] == failed["key"]]
    project.write({"campaign.yaml": {**retrying, "prompts": {"walk": "at night", "dance": "at noon"}}})
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("prune", project.manifest, replaced, "--yes").code == 0
    project.write({"campaign.yaml": retrying})
    entries = len(vendor.ledger.entries)

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert f"{failed['key']}: retry now, but this plan has been carried out for it" in ended.err
    assert len(vendor.ledger.entries) == entries


@fails_without(
    "pipeline.planning.saved_plan:_has_failed", "return", swap=("purchase.reason is not Reason.LOST", "True")
)
@pytest.mark.parametrize("retries", [0, 2])
def test_plan_does_not_buy_what_was_given_up_to_be_bought_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, retries: int
) -> None:
    """With retries, an older take that failed is left, which the plan could try again."""
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "prompts": ["walk"], "retries": retries}])})
    save(pipeline, project)
    if retries:
        vendor.fail({"on": "create", "nth": 1, "do": {"ends": "fail"}})
    vendor.fail({"on": "create", "nth": 2 if retries else 1, "do": "reset-after-processing"})
    assert pipeline("run", FILE).code == 7
    assert pipeline("resolve", project.manifest, WALK, "--resubmit").code == 0
    entries = len(vendor.ledger.entries)

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    action = "retry" if retries else "replace"
    reason = f"{action} now, as it has been marked to be bought again since: make a new plan"
    assert f"{FILE} is stale: {WALK}: {reason}" in ended.err
    assert len(vendor.ledger.entries) == entries
    save(pipeline, project)
    assert pipeline("run", FILE).code == 0
    assert project.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == entries + 1


# Invalid plans


@pytest.mark.parametrize(
    "flags",
    [
        ("--select", "main"),
        ("--exclude", "main"),
        ("--replace", "main"),
        ("--retry-failed",),
        ("--var", "x=1"),
        ("--emulate",),
    ],
    ids=" ".join,
)
def test_flags_that_would_change_the_plan_are_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...]
) -> None:
    save(pipeline, project)

    ended = pipeline("run", FILE, *flags)

    assert ended.code == 64, ended.output
    assert vendor.ledger.entries == ()


def test_printed_plan_is_distinguished_from_a_saved_one(project: Project, pipeline: Pipeline) -> None:
    Path(FILE).write_text(pipeline("plan", project.manifest, "--format", "json").out)

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert "`plan --out FILE` saves one that can be run" in ended.err


def break_a_key(plan: dict[str, Any]) -> None:
    plan["actions"][0]["key"] = 5


def break_the_version(plan: dict[str, Any]) -> None:
    plan["version"] = 99


def break_an_action(plan: dict[str, Any]) -> None:
    plan["actions"][0]["action"] = "steal"


def name_another_campaign(plan: dict[str, Any]) -> None:
    plan["campaign"] = "autumn"


def name_no_manifest(plan: dict[str, Any]) -> None:
    plan["manifest"] = "gone.yaml"


@pytest.mark.parametrize(
    "damage", [break_a_key, break_the_version, break_an_action, name_another_campaign, name_no_manifest]
)
def test_damaged_plan_is_refused_with_the_reason(
    project: Project, pipeline: Pipeline, vendor: Emulator, damage: Callable[[dict[str, Any]], None]
) -> None:
    document = save(pipeline, project)
    damage(document)
    Path(FILE).write_text(json.dumps(document))

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert "Traceback" not in ended.err
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    ("written", "twice"),
    [
        ('"emulate": false', '"emulate": true, "emulate": false'),
        ('"action": "create"', '"action": "keep", "action": "create"'),
        ('"version": 1', '"version": 1, "version": 1'),
    ],
    ids=["emulate", "action", "version"],
)
def test_duplicate_key_is_refused_as_in_results(
    project: Project, pipeline: Pipeline, vendor: Emulator, written: str, twice: str
) -> None:
    save(pipeline, project)
    Path(FILE).write_text(Path(FILE).read_text().replace(written, twice, 1))

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    key = written.partition(":")[0].strip('"')
    assert f"{FILE}:" in ended.err
    assert f"the key '{key}' is written twice, first at {FILE}:" in ended.err
    assert vendor.ledger.entries == ()


def test_saved_plan_holds_no_secret_and_one_manifest(project: Project, pipeline: Pipeline) -> None:
    save(pipeline, project)
    assert "canary" not in Path(FILE).read_text()
    project.write({"autumn.yaml": spring(name="autumn")})

    assert pipeline("plan", ".", "--out", "both.json").code == 64
    assert not Path("both.json").exists()


def test_saved_plan_of_a_rehearsal_remains_a_rehearsal(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    save(pipeline, project, "--emulate")

    document = json.loads(Path(FILE).read_bytes())

    assert document["arguments"]["emulate"] is True
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (".env", "'.env' is hidden, and hidden files are not read"),
        ("sub/../.git/config", "'.git' is hidden"),
        ("link.yaml", "'.env' is hidden"),
        ("out.yaml", "it leads outside the project"),
        ("../.env", "'.env' is hidden"),
        ("../secrets.txt", "lies outside the project of the plan"),
        ("ABSOLUTE", "a path may not be absolute"),
    ],
)
def test_saved_plan_cannot_quote_files_that_a_manifest_could_not(
    project: Project, pipeline: Pipeline, named: str, expected: str
) -> None:
    """A plan may come from an untrusted pull request, and errors of a manifest quote its lines."""
    secret = "TOKEN=hunter2\n"
    outside = project.folder.parent / "secrets.txt"
    for path in (project.folder / ".env", project.folder / ".git/config", outside, outside.with_name(".env")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(secret)
    (project.folder / "sub").mkdir()
    (project.folder / "link.yaml").symlink_to(".env")
    (project.folder / "out.yaml").symlink_to(outside)
    document = save(pipeline, project)
    document["manifest"] = str(outside) if named == "ABSOLUTE" else named
    Path(FILE).write_text(json.dumps(document))

    ended = pipeline("run", FILE)

    assert ended.code == 3, ended.output
    assert expected in ended.err
    assert f"{FILE}: it names the manifest" in ended.err
    assert "hunter2" not in ended.output


def test_plan_stored_elsewhere_is_carried_out_and_quotes_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path
) -> None:
    plan = tmp_path / "plans" / FILE
    plan.parent.mkdir()
    assert pipeline("plan", project.manifest, "--out", plan).code == 0
    text = project.manifest.read_text()
    project.manifest.write_text("version: hunter2\n")

    ended = pipeline("run", plan)
    assert ended.code == 3, ended.output
    assert "campaign.yaml', which is wrong or none" in ended.err
    assert "hunter2" not in ended.output

    project.manifest.write_text(text)
    assert pipeline("run", plan).code == 0
    assert len(vendor.ledger.bought) == 2


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--select", "main", "--exclude", ",".join(["status:failed"] * 700)], "arguments.exclude"),
        (["--exclude", "status:failed"] * 10_001, "arguments.exclude"),
    ],
)
def test_plan_that_could_not_be_read_back_is_not_saved(
    project: Project, pipeline: Pipeline, flags: list[str], why: str
) -> None:
    save(pipeline, project)
    before = Path(FILE).read_bytes()

    ended = pipeline("plan", project.manifest, "--out", FILE, *flags)

    assert ended.code == 64, ended.output
    assert f"{FILE}: nothing is written, as it could not be read again: {why}" in ended.err
    assert Path(FILE).read_bytes() == before


def test_schema_allows_an_action_per_job_and_orphan() -> None:
    plan: Any = schema.load("plan")
    results: Any = schema.load("results")

    most = MAX_JOBS + results["properties"]["purchases"]["maxItems"]
    assert plan["$defs"]["plan"]["properties"]["actions"]["maxItems"] == most


def test_plan_too_large_to_be_read_back_is_not_saved(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.operations.plan._LARGEST", 100)

    ended = pipeline("plan", project.manifest, "--out", FILE)

    assert ended.code == 64, ended.output
    assert "it could not be read again: more than 100 bytes" in ended.err
    assert not Path(FILE).exists()
