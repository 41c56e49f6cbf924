"""`pipeline plan` shows what a run would do; it calls nobody and writes nothing."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, picture, spring

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


def test_new_campaign_is_all_creates_with_their_prices(project: Project, offline: Pipeline) -> None:
    ended = offline("plan", project.manifest)

    assert ended.code == 0, ended.output
    assert f"  + {DANCE}  create (100 credits)" in ended.out
    assert "Plan: 2 to create." in ended.out
    assert "each_explodedloop_0226: 2 to buy, 200 credits" in ended.out


def test_json_output_is_one_document(project: Project, offline: Pipeline) -> None:
    ended = offline("plan", project.manifest, "--format", "json")

    assert [action["key"] for action in ended.document["actions"]] == [DANCE, WALK]
    assert {action["action"] for action in ended.document["actions"]} == {"create"}
    assert ended.document["summary"]["credits"] == 200
    assert ended.err == ""


def test_unknown_price_is_shown_and_is_not_zero(folder: Path, offline: Pipeline) -> None:
    manifest = spring(templates={"scene": {"template_id": "vim_arctic"}}, prompts={})
    project = campaign(folder, {"campaign.yaml": manifest})

    ended = offline("plan", project.manifest)

    assert "create (price unknown)" in ended.out
    assert "Buys 1: price unknown." in ended.out
    assert offline("plan", project.manifest, "--format", "json").document["summary"]["unpriced"] == 1


def test_exit_code_shows_pending_changes_if_asked(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("plan", project.manifest).code == 0
    assert pipeline("plan", project.manifest, "--detailed-exitcode").code == 2

    pipeline("run", project.manifest)

    assert pipeline("plan", project.manifest, "--detailed-exitcode").code == 0


def test_changes_are_shown_old_and_new(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})

    ended = pipeline("plan", project.manifest)

    assert f"-/+ {WALK}  re-create (100 credits): changed: options.prompt" in ended.out
    assert "options.prompt: a walk in the park → a run" in ended.out
    assert "Plan: 1 to replace, 1 to keep." in ended.out


def test_rename_is_a_free_move(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.write({"campaign.yaml": spring(prompts={"stroll": "a walk in the park"})})

    document = pipeline("plan", project.manifest, "--format", "json").document

    actions = {action["key"]: action["action"] for action in document["actions"]}
    assert actions == {"main/loop/red/stroll": "move", DANCE: "orphan"}
    assert document["summary"]["creates"] == 0


def test_stage_is_priced_after_its_upstream(folder: Path, offline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})

    document = offline("plan", project.manifest, "--format", "json").document

    film = next(action for action in document["actions"] if action["key"].startswith("film/"))
    assert (film["action"], film["credits"], film["after"]) == ("create", 100, "sketch/sketch/red")


def test_several_campaigns_are_planned_at_once(project: Project, offline: Pipeline) -> None:
    autumn = spring(name="autumn", image_sets={"s": ["red.png"]})
    project.write({"more/autumn.yaml": autumn, "more/red.png": picture()})

    ended = offline("plan", ".", "--format", "json")

    assert ended.code == 0, ended.output
    assert [each["campaign"] for each in ended.document["campaigns"]] == ["spring", "autumn"]


@pytest.mark.parametrize("command", ["plan", "status", "expand", "validate"])
@pytest.mark.parametrize("bought", [False, True], ids=["new", "bought"])
def test_reading_commands_need_no_key_or_network_and_write_nothing(
    project: Project, pipeline: Pipeline, command: str, bought: bool
) -> None:
    if bought:
        pipeline("run", project.manifest)
    pipeline.set("VIMMERSE_API_KEY", None)
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")
    before = project.tree()

    ended = pipeline(command, project.manifest)

    assert ended.code == 0, ended.output
    assert project.tree() == before


def test_invalid_manifest_is_reported_with_every_position(project: Project, offline: Pipeline) -> None:
    project.write({"campaign.yaml": "version: 1\nname: spring\ntemplates:\n  loop: {template: x}\nvar: {}\n"})

    ended = offline("plan", project.manifest)

    assert ended.code == 3
    assert "campaign.yaml:4:" in ended.err
    assert "campaign.yaml:5:" in ended.err
    assert ended.out == ""


# Limits


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_creates": 1}, "2 creates would exceed max_creates (1)"),
        ({"max_credits": 199}, "200 credits would exceed max_credits (199)"),
        ({"budget": 199}, "200 credits on top of 0 spent would exceed limits.budget (199)"),
    ],
)
def test_limit_that_a_run_will_reach_is_reported(
    folder: Path, pipeline: Pipeline, limits: dict[str, int], expected: str
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits=limits)})

    ended = pipeline("plan", project.manifest, "--detailed-exitcode")

    assert ended.code == 4
    assert f"Limit: {expected}. Nothing is bought (exit code 4)." in ended.out
    scripts = pipeline("plan", project.manifest, "--format", "json")
    assert scripts.code == 0
    assert scripts.document["summary"]["limit"] == expected
    comment = pipeline("plan", project.manifest, "--format", "markdown").out
    assert f"**limit:** `{expected}` (exit code 4)" in comment
    ran = pipeline("run", project.manifest)
    assert ran.code == 4
    assert ran.output.count(expected) == 1
    assert expected in pipeline("run", project.manifest, "--quiet").out


def test_quiet_plan_shows_only_problems_including_warnings(folder: Path, offline: Pipeline) -> None:
    prompts = {"walk": "a walk in {season}", "dance": "a dance"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})

    quiet = offline("plan", project.manifest, "--quiet")
    assert quiet.out == ""
    assert quiet.err.startswith("warning: ")
    assert offline("plan", project.manifest, "--quiet", "--format", "json").document["actions"]
    for command in (["expand"], ["run", "--frozen", "--emulate"]):
        assert "is sent unchanged" in offline(*command, project.manifest, "--quiet").output

    project.write({"campaign.yaml": spring(limits={"budget": 199})})
    limited = offline("plan", project.manifest, "--quiet", "--detailed-exitcode")
    assert limited.code == 4
    assert limited.out.startswith("Limit: 200 credits")
    assert limited.out.count("\n") == 1


def test_limit_that_suffices_is_not_mentioned(folder: Path, offline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={"budget": 200})})

    assert offline("plan", project.manifest, "--detailed-exitcode").code == 2
    assert "Limit" not in offline("plan", project.manifest).out


def test_way_to_add_a_missing_price_is_shown_once(folder: Path, offline: Pipeline) -> None:
    templates = {name: {"template_id": name} for name in ("vim_arctic", "vim_birthday")}
    project = campaign(folder, {"campaign.yaml": spring(templates=templates, prompts={})})

    assert offline("plan", project.manifest).out.count("catalog.credits") == 1

    project.write({"campaign.yaml": spring(templates=templates, prompts={}, limits={"budget": 10})})
    capped = offline("plan", project.manifest)
    assert "vim_arctic, vim_birthday: no known price, so limits.budget cannot be enforced" in capped.out
    assert capped.out.count("catalog.credits") == 1


# Long texts

FILLER = "the red shoe stands in the light of an early morning and turns a little " * 20


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_change_in_a_long_prompt_is_shown_with_its_context(
    folder: Path, pipeline: Pipeline, form: str
) -> None:
    before, after = f"{FILLER}in summer {FILLER}", f"{FILLER}in winter {FILLER}"
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": before})})
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"walk": after})})

    ended = pipeline("plan", project.manifest, "--format", form)

    [line] = [line for line in ended.out.splitlines() if "options.prompt:" in line]
    assert "in summer the red" in line.partition("→")[0]
    assert "in winter the red" in line.partition("→")[2]
    assert len(line) < 250
