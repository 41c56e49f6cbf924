"""`--format json` prints exactly one document, valid by the schema of its command."""

import ast
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.json_commands import json_commands

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
OFFLINE = ("expand", "validate", "plan")


def document(pipeline: Pipeline, ended: Ended, name: str) -> Any:
    """The printed document, checked against the output of `pipeline schema`."""
    schema = pipeline("schema", name).document
    jsonschema.Draft202012Validator(schema).validate(ended.document)
    return ended.document


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def test_run_reports_job_statuses_and_purchases(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--format", "json")
    printed = document(pipeline, ended, "run")

    assert ended.code == printed["exit_code"] == 0
    assert {job["key"]: job["status"] for job in printed["jobs"]} == {DANCE: "done", WALK: "done"}
    assert {path for job in printed["jobs"] for path in job["files"]} == {
        f"output/spring/{DANCE}.mp4",
        f"output/spring/{WALK}.mp4",
    }
    assert printed["summary"] == {"jobs": {"done": 2}, "credits": 200, "bought": 2, "spent": 200}
    assert printed["results"] == "spring.results.json"
    assert "Plan: 2 to create." in ended.err


def test_failed_run_and_run_without_purchases_print_documents_too(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422}})
    project = campaign(folder, {"campaign.yaml": spring()})

    failed = document(pipeline, pipeline("run", project.manifest, "--format", "json"), "run")
    assert failed["exit_code"] == 1
    [walk] = [job for job in failed["jobs"] if job["key"] == WALK]
    assert (walk["status"], walk["reason"]) == ("failed", "rejected")
    assert "422" in walk["error"]

    project.write({"campaign.yaml": spring(limits={"max_creates": 0}, prompts={"sit": "a rest"})})
    refused = document(pipeline, pipeline("run", project.manifest, "--format", "json"), "run")
    assert refused["exit_code"] == 4
    assert refused["notes"] == ["1 create would exceed max_creates (0)"]


def test_on_github_stdout_contains_only_the_document(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("GITHUB_ACTIONS", "true")

    ended = pipeline("run", project.manifest, "--format", "json")

    assert json.loads(ended.out)["exit_code"] == 0


def test_events_and_the_document_cannot_share_stdout(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--format", "json", "--events", "-")

    assert ended.code == 64
    assert "both want stdout" in ended.err


def test_events_match_their_schema(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest, "--events", "events.jsonl").code == 0
    schema = pipeline("schema", "events").document

    lines = (project.folder / "events.jsonl").read_text().splitlines()
    assert lines
    for line in lines:
        jsonschema.Draft202012Validator(schema).validate(json.loads(line))


def test_collect_reports_what_it_fetched(bought: Project, pipeline: Pipeline) -> None:
    for path in (bought.folder / "output").rglob("*.mp4"):
        path.unlink()

    of_manifest = document(pipeline, pipeline("collect", bought.manifest, "--format", "json"), "collect")
    assert {job["status"] for job in of_manifest["jobs"]} == {"done"}
    assert all(job["files"] for job in of_manifest["jobs"])
    assert (of_manifest["summary"]["bought"], of_manifest["summary"]["spent"]) == (0, 0)

    of_records = document(pipeline, pipeline("collect", bought.state, "--format", "json"), "collect")
    assert (of_records["campaign"], of_records["exit_code"]) == ("spring", 0)


def test_show_describes_a_job_and_a_purchase(bought: Project, pipeline: Pipeline) -> None:
    pipeline("approve", bought.manifest, WALK, "--note", "as it is", "--rating", "5")

    of_job = document(pipeline, pipeline("show", bought.manifest, WALK, "--format", "json"), "show")
    assert of_job["job"]["key"] == WALK
    assert of_job["job"]["plan"]["action"] == "keep"
    [purchase] = of_job["purchases"]
    assert (purchase["decision"], purchase["note"], purchase["rating"]) == ("approved", "as it is", 5)
    assert purchase["files"] == [{"path": f"output/spring/{WALK}.mp4", "here": True}]
    assert [event["after"] for event in purchase["events"]][-1] == "done"

    by_id = document(pipeline, pipeline("show", bought.manifest, purchase["id"], "--format", "json"), "show")
    assert by_id == {"purchases": [purchase]}


def test_verify_lists_differences(bought: Project, pipeline: Pipeline) -> None:
    agreeing = pipeline("verify", bought.manifest, "--files", "--format", "json")
    assert document(pipeline, agreeing, "verify") == {
        "campaign": "spring",
        "agree": True,
        "differences": [],
        "notes": [],
    }

    (bought.folder / "output" / "spring" / f"{WALK}.mp4").unlink()
    differing = pipeline("verify", bought.manifest, "--files", "--format", "json")

    assert differing.code == 1
    assert document(pipeline, differing, "verify")["differences"] == [
        {"in": "files", "message": f"output/spring/{WALK}.mp4: missing"}
    ]


def test_status_of_one_and_several_campaigns(bought: Project, pipeline: Pipeline) -> None:
    one = document(pipeline, pipeline("status", bought.manifest, "--format", "json"), "status")
    assert one["summary"]["jobs"] == {"done": 2}

    bought.write({"stages.yaml": chained()})
    several = document(pipeline, pipeline("status", bought.folder, "--format", "json"), "status")
    assert [each["campaign"] for each in several["campaigns"]] == ["spring", "stages"]


def test_merge_reports_what_it_wrote(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline(
        "merge", bought.results_file, bought.results_file, "--out", "both.json", "--format", "json"
    )

    printed = document(pipeline, ended, "merge")
    assert (printed["out"], printed["files"], printed["purchases"]) == ("both.json", 2, 2)
    assert printed["summary"] == {"jobs": {"done": 2}, "credits": 200}


def test_plans_of_several_manifests_match_the_schema(project: Project, offline: Pipeline) -> None:
    campaign(project.folder, {"stages.yaml": chained()})

    several = document(offline, offline("plan", project.folder, "--format", "json"), "plan")

    assert [each["campaign"] for each in several["campaigns"]] == ["spring", "stages"]
    assert [each["summary"]["creates"] for each in several["campaigns"]] == [2, 2]
    schema = offline("schema", "plan").document
    for damaged in (
        {"campaigns": [{**several["campaigns"][0], "version": 1}]},
        {"campaigns": [{"actions": [], "summary": several["campaigns"][0]["summary"]}]},
        {**several["campaigns"][0], **several},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(damaged)


@pytest.mark.parametrize("command", OFFLINE)
def test_offline_commands_match_their_schemas(folder: Path, offline: Pipeline, command: str) -> None:
    prompts = {"walk": "a walk {with} braces"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})

    document(offline, offline(command, project.manifest, "--format", "json"), command)

    project.write({"campaign.yaml": {**spring(), "promts": {}}})
    if command == "validate":
        wrong = offline(command, project.manifest, "--format", "json")
        assert wrong.code == 3
        assert document(offline, wrong, command)["error_count"] == 1


def test_doctor_lists_its_checks(project: Project, pipeline: Pipeline) -> None:
    told = document(pipeline, pipeline("doctor", project.manifest, "--format", "json"), "doctor")

    assert "manifest" in {each["check"] for each in told["checks"]}


def test_templates_are_listed_and_compared(pipeline: Pipeline) -> None:
    assert document(pipeline, pipeline("templates", "--format", "json"), "templates")["templates"]
    live = document(pipeline, pipeline("templates", "--refresh", "--format", "json"), "templates")
    assert len(live["templates"]) == 18
    assert isinstance(live["changes"], list)


@pytest.mark.parametrize("name", json_commands())
def test_every_command_that_prints_json_has_a_case_here(name: str) -> None:
    calls = [each for each in ast.walk(ast.parse(Path(__file__).read_text())) if isinstance(each, ast.Call)]
    checked = {
        call.args[2].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "document"
        and isinstance(call.args[2], ast.Constant)
    }

    assert name in checked.union(OFFLINE), f"no test here checks the document of `{name} --format json`"
