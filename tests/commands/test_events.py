"""`--events` and `--junit` report a run to other programs, whatever untrusted text is in it."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
HOSTILE = "]]> & <b> \x00\x1b[31m\u202e\ufffe\uffff\ud800 ::error::x ##[error] \n\r\u2028 \U0001f680 '\""


def events(text: str) -> list[dict[str, Any]]:
    """The reported steps except polls, whose number depends on timing."""
    events = [json.loads(line) for line in text.splitlines()]
    return [each for each in events if each["event"] != "Reported"]


def refuse(vendor: Emulator, message: str) -> None:
    """Have the vendor refuse every create with `message`."""
    detail: list[Json] = [{"loc": ["body", "options"], "msg": message, "type": "value_error"}]
    vendor.fail({"on": "create", "do": {"status": 422, "body": {"detail": detail}}})


def report(path: Path) -> ET.Element:
    """The JUnit report, parsed as XML."""
    return ET.fromstring(path.read_bytes())


def test_each_step_of_each_purchase_is_one_line(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--events", "events.jsonl")

    assert ended.code == 0, ended.output
    found = events(Path("events.jsonl").read_text("utf-8"))
    by_key = {key: [each["to"] for each in found if each["key"] == key] for key in (DANCE, WALK)}
    assert by_key == {key: ["submitting", "submitted", "succeeded", "done"] for key in by_key}
    assert {each["purchase"] for each in found} == {each["id"] for each in project.results()["purchases"]}
    assert all(each["at"].endswith("Z") and each["event"] for each in found)


def test_events_are_appended_to_the_file(project: Project, pipeline: Pipeline) -> None:
    for prompt in ("walk", "dance"):
        pipeline("run", project.manifest, "--select", f"prompt:{prompt}", "--events", "events.jsonl")

    assert len(events(Path("events.jsonl").read_text("utf-8"))) == 8


def test_events_on_stdout_are_the_only_output(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--events", "-")

    assert ended.code == 0
    assert len(events(ended.out)) == 8
    assert "Plan: 2 to create." in ended.err


def test_run_that_does_nothing_emits_no_events(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)

    assert pipeline("run", project.manifest, "--events", "-").out == ""


@pytest.mark.parametrize("target", ["events.jsonl", "-"])
def test_untrusted_text_breaks_no_line(
    project: Project, pipeline: Pipeline, vendor: Emulator, target: str
) -> None:
    refuse(vendor, HOSTILE)

    ended = pipeline("run", project.manifest, "--events", target)

    assert ended.code == 1, ended.output
    text = ended.out if target == "-" else Path(target).read_text("utf-8")
    assert [each["reason"] for each in events(text) if each["to"] == "failed"] == ["rejected", "rejected"]
    assert "##[" not in text or target != "-"


def test_events_never_contain_the_key(project: Project, pipeline: Pipeline) -> None:
    assert "canary" not in pipeline("run", project.manifest, "--events", "-").output


def test_unwritable_events_file_is_reported_before_buying(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", project.manifest, "--events", "no/such/folder/events.jsonl")

    assert ended.code == 64
    assert "--events no/such/folder/events.jsonl" in ended.err
    assert not vendor.ledger.entries


# JUnit


def test_each_job_is_a_test_case(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "fail"})

    ended = pipeline("run", project.manifest, "--junit", "junit.xml")

    assert ended.code == 1
    [suite] = report(Path("junit.xml"))
    assert suite.attrib == {"name": "spring", "tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    kinds = {case.attrib["name"]: [each.tag for each in case] for case in suite}
    assert kinds == {DANCE: [], WALK: ["failure"]}


def test_unknown_outcome_is_an_error_and_unbought_job_is_skipped(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "html"}, {"on": "create", "nth": 2, "do": {"status": 402}})

    assert pipeline("run", project.manifest, "--junit", "junit.xml", "--concurrency", "1").code == 7
    [suite] = report(Path("junit.xml"))
    kinds = {case.attrib["name"]: [each.tag for each in case] for case in suite}
    assert kinds == {DANCE: ["error"], WALK: ["skipped"]}


def test_frozen_run_reports_its_jobs_too(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest, "--frozen", "--junit", "junit.xml").code == 4

    [suite] = report(Path("junit.xml"))
    assert (suite.attrib["tests"], suite.attrib["skipped"]) == ("2", "2")


def test_hostile_names_and_responses_make_valid_xml(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    names = ["]]>", '"&<b>', "é", "a  b"]
    odd = [{"path": "images/red.png", "id": name} for name in names]
    project = campaign(folder, {"campaign.yaml": spring(image_sets={"odd": odd})})
    refuse(vendor, HOSTILE)

    assert pipeline("run", project.manifest, "--junit", "junit.xml").code == 1

    [suite] = report(Path("junit.xml"))
    assert {case.attrib["name"] for case in suite} == set(project.jobs())
    assert all("]]> & <b>" in failure.attrib["message"] for case in suite for failure in case)


def test_unwritable_report_is_reported_and_nothing_is_lost(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", project.manifest, "--junit", "junit.xml", "--checkpoint", "mkdir -p junit.xml")

    assert ended.code == 8
    assert "junit.xml: cannot be written" in ended.err
    assert project.statuses() == {DANCE: "done", WALK: "done"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device without room")
def test_full_disk_for_events_is_reported_and_nothing_is_lost(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", project.manifest, "--events", "/dev/full")

    assert ended.code == 8, ended.output
    assert "--events /dev/full: cannot be written: No space left" in ended.err
    assert project.statuses() == {DANCE: "done", WALK: "done"}


def test_unwritable_report_does_not_hide_a_more_urgent_exit_code(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "close-after-processing"})
    in_the_way = ("--checkpoint", "mkdir -p junit.xml")

    ended = pipeline("run", project.manifest, "--junit", "junit.xml", "--concurrency", "1", *in_the_way)

    assert ended.code == 7, ended.output
    assert "junit.xml: cannot be written" in ended.err


@pytest.mark.parametrize("path", ["campaign.yaml/junit.xml", "folder"])
def test_impossible_report_path_is_refused_before_buying(
    project: Project, pipeline: Pipeline, vendor: Emulator, path: str
) -> None:
    Path("folder").mkdir()

    ended = pipeline("run", project.manifest, "--junit", path)

    assert ended.code == 64
    assert f"--junit {path}" in ended.err
    assert not vendor.ledger.entries
