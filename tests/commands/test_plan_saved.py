"""A plan that was saved is carried out exactly, once, wherever it was stopped; or refused with what has changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.checks import assert_nothing_bought_twice, assert_valid
from support.protection import fails_without

from pipeline.documents import schema
from pipeline.emulator.embedded import Emulator
from pipeline.manifest.expand import MOST_JOBS

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
FILE = "saved.plan.json"


def save(pipeline: Pipeline, project: Project, *flags: str) -> Any:
    """Save the plan with these flags; its document."""
    ended = pipeline("plan", project.manifest, "--out", FILE, *flags)
    assert ended.code == 0, ended.output
    return json.loads(Path(FILE).read_bytes())


def bought(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0


def test_a_saved_plan_is_valid_by_its_schema_and_says_what_plan_says(
    project: Project, pipeline: Pipeline
) -> None:
    project.write({"campaign.yaml": spring(vars={"x": 1})})
    document = save(pipeline, project, "--var", "x=5", "--select", "main")

    assert_valid(document, "plan")
    shown = pipeline("plan", project.manifest, "--format", "json", "--var", "x=5").document
    assert [{name: each[name] for name in shown["actions"][0]} for each in document["actions"]] == shown[
        "actions"
    ]
    assert document["arguments"]["vars"] == {"x": 5}
    assert document["manifest"] == "campaign.yaml"


def test_it_is_carried_out_once(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    save(pipeline, project)

    first = pipeline("run", FILE)
    second = pipeline("run", FILE)

    assert (first.code, second.code) == (0, 0), second.output
    assert len(vendor.ledger.entries) == 2
    assert project.statuses() == {DANCE: "done", WALK: "done"}


def test_its_vars_and_selection_are_those_it_was_made_with(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    prompts = {"walk": "a walk in {{ season }}", "dance": "a dance"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, vars={"season": "spring"})})
    save(pipeline, project, "--var", "season=autumn", "--select", "prompt:walk")

    assert pipeline("run", FILE).code == 0
    assert len(vendor.ledger.entries) == 1
    [purchase] = project.results()["purchases"]
    assert purchase["request"]["options"]["prompt"] == "a walk in autumn"


def test_it_is_found_from_anywhere_and_finds_its_manifest(
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
    "return f'{entry.action} now, but",
    swap=("f'{entry.action} now, but not in the plan", "'"),
)
@fails_without("pipeline.planning.saved_plan:_departs", "if asked != listed.fingerprint")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (change_a_prompt, f"{WALK}: its request differs from the plan"),
        (change_the_image, f"{DANCE}: its request differs from the plan"),
        (change_a_price, f"{WALK}: 7 credits now, 100 in the plan"),
        (add_a_job, "main/loop/red/run: create now, but not in the plan"),
    ],
)
def test_it_is_refused_with_what_has_changed(
    project: Project, pipeline: Pipeline, vendor: Emulator, change: Callable[[Project], None], told: str
) -> None:
    save(pipeline, project)
    change(project)

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert f"{FILE} is stale: {told}" in ended.err
    assert vendor.ledger.entries == ()


def test_every_difference_is_told(project: Project, pipeline: Pipeline) -> None:
    save(pipeline, project)
    change_the_image(project)

    told = pipeline("run", FILE).err

    assert f"{FILE} is stale: {DANCE}" in told
    assert f"{FILE} is stale: {WALK}" in told


def test_what_was_up_to_date_and_is_lost_makes_it_stale(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought(project, pipeline)
    add_a_job(project)
    save(pipeline, project)
    shutil.rmtree(project.folder / ".pipeline")
    project.results_file.unlink()

    ended = pipeline("run", FILE)

    assert ended.code == 3
    assert f"{DANCE}: create now, keep in the plan" in ended.err
    assert len(vendor.ledger.entries) == 2


def test_a_new_title_makes_it_stale_where_the_plan_would_not_touch_it(
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


def test_a_plan_that_asks_for_less_by_now_is_carried_out(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """What was bought meanwhile, or is no longer asked for, is no reason to refuse the rest."""
    save(pipeline, project)
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0

    assert pipeline("run", FILE).code == 0
    assert len(vendor.ledger.entries) == 2


# Half-way


def test_one_that_was_stopped_half_way_goes_on_where_only_the_results_are(
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
def test_with_replace_each_is_made_again_once_whatever_stops_it(
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
def test_with_retry_failed_each_is_tried_again_once_though_it_fails_again(
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
def test_what_several_share_is_made_again_once_though_another_of_them_asked_for_it(
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
def test_a_selection_that_fits_nothing_once_it_was_carried_out_is_no_mistake(
    project: Project, pipeline: Pipeline, vendor: Emulator, selection: str
) -> None:
    flags: tuple[str, ...] = ()
    if selection == "status:failed":
        vendor.fail({"on": "create", "do": "fail"})
        pipeline("run", project.manifest)
        vendor.heal()
        flags = ("--retry-failed",)
    save(pipeline, project, "--select", selection, *flags)
    assert pipeline("run", FILE).code == 0
    entries = len(vendor.ledger.entries)

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == entries


def test_what_was_bought_for_it_and_not_brought_to_its_end_is_followed_by_its_next_run(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    save(pipeline, project, "--select", "status:pending")
    assert pipeline("run", FILE, "--no-wait").code == 0
    assert project.output() == {}

    assert pipeline("run", FILE).code == 0
    assert len(project.output()) == len(vendor.ledger.entries) == 2


def test_one_that_was_approved_after_it_was_made_again_is_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought(project, pipeline)
    save(pipeline, project, "--replace", "prompt:walk")
    assert pipeline("run", FILE).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0

    ended = pipeline("run", FILE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3


# What it is not


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
def test_flags_that_would_make_it_another_plan_are_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...]
) -> None:
    save(pipeline, project)

    ended = pipeline("run", FILE, *flags)

    assert ended.code == 64, ended.output
    assert vendor.ledger.entries == ()


def test_one_that_was_printed_is_told_from_one_that_was_saved(project: Project, pipeline: Pipeline) -> None:
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
def test_one_that_is_damaged_is_refused_with_what_is_wrong(
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
def test_a_key_that_is_written_twice_is_refused_as_in_results(
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


def test_it_holds_no_secret_and_is_of_one_manifest(project: Project, pipeline: Pipeline) -> None:
    save(pipeline, project)
    assert "canary" not in Path(FILE).read_text()
    project.write({"autumn.yaml": spring(name="autumn")})

    assert pipeline("plan", ".", "--out", "both.json").code == 64
    assert not Path("both.json").exists()


def test_a_rehearsal_stays_one(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    save(pipeline, project, "--emulate")

    document = json.loads(Path(FILE).read_bytes())

    assert document["arguments"]["emulate"] is True
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    ("named", "told"),
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
def test_it_has_no_other_file_quoted_than_a_manifest_could(
    project: Project, pipeline: Pipeline, named: str, told: str
) -> None:
    """A plan may come from a stranger's pull request, and what is wrong with a manifest is told with its lines."""
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
    assert told in ended.err
    assert f"{FILE}: it names the manifest" in ended.err
    assert "hunter2" not in ended.output


def test_one_that_lies_elsewhere_is_carried_out_and_quotes_nothing(
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
        (["--select", "main", "--exclude", "x" * 9_000], "arguments.exclude"),
        ([each for number in range(10_001) for each in ("--exclude", f"n{number}")], "arguments.exclude"),
    ],
)
def test_a_plan_that_could_not_be_read_again_is_not_saved(
    project: Project, pipeline: Pipeline, flags: list[str], why: str
) -> None:
    save(pipeline, project)
    before = Path(FILE).read_bytes()

    ended = pipeline("plan", project.manifest, "--out", FILE, *flags)

    assert ended.code == 64, ended.output
    assert f"{FILE}: nothing is written, as it could not be read again: {why}" in ended.err
    assert Path(FILE).read_bytes() == before


def test_a_plan_has_an_action_for_each_job_and_each_orphan() -> None:
    plan: Any = schema.load("plan")
    results: Any = schema.load("results")

    most = MOST_JOBS + results["properties"]["purchases"]["maxItems"]
    assert plan["$defs"]["plan"]["properties"]["actions"]["maxItems"] == most


def test_a_plan_is_saved_within_what_is_read(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.operations.plan._LARGEST", 100)

    ended = pipeline("plan", project.manifest, "--out", FILE)

    assert ended.code == 64, ended.output
    assert "it could not be read again: more than 100 bytes" in ended.err
    assert not Path(FILE).exists()
