"""`run --log-format json` prints all messages as one JSON object per line on stderr."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calling import KEY, Ended, Pipeline
from support.campaigns import Project, spring
from support.processes import Running

from pipeline.cli.progress import JsonLines
from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


def logged(ended: Ended) -> list[dict[str, Any]]:
    """Every line of stderr is one object with the same fields."""
    found = [json.loads(line) for line in ended.err.splitlines()]
    for each in found:
        assert set(each) - {"job"} == {"time", "level", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each["time"])
        assert each["level"] in {"info", "warning", "error"}
        assert each["message"]
    return found


def test_messages_about_a_job_name_it(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--log-format", "json")

    assert (ended.code, ended.out) == (0, "")
    done = [each["job"] for each in logged(ended) if each["message"] == "done"]
    assert sorted(done) == [DANCE, WALK]
    assert any("2 done" in each["message"] for each in logged(ended))
    assert KEY not in ended.output


def test_failure_has_level_error(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422}})

    ended = pipeline("run", project.manifest, "--log-format", "json", "--quiet")

    [failed] = [each for each in logged(ended) if each.get("job") == WALK]
    assert failed["level"] == "error"
    assert failed["message"].startswith("failed (rejected)")


def test_stdout_is_reserved_for_the_document(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", project.manifest, "--log-format", "json", "--format", "json")

    assert ended.document["exit_code"] == 0
    assert logged(ended)


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--concurrency", "0"], 64), (["--max-credits", "x"], 64), ([], 3)]
)
def test_fatal_errors_are_json_too(
    project: Project, pipeline: Pipeline, arguments: list[str], code: int
) -> None:
    project.write({"campaign.yaml": spring(surprise=1)})

    ended = pipeline("run", project.manifest, *arguments, "--log-format", "json")

    assert ended.code == code
    assert any(each["level"] == "error" or "Error" in each["message"] for each in logged(ended))


def test_environment_variable_enables_json_for_that_command_only(
    project: Project, pipeline: Pipeline
) -> None:
    pipeline.set("PIPELINE_LOG_FORMAT", "json")
    assert logged(pipeline("run", project.manifest))
    pipeline.set("PIPELINE_LOG_FORMAT", None)

    ended = pipeline("run", project.manifest)

    assert "2 done" in ended.out


def test_on_github_no_line_is_a_workflow_command(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("GITHUB_ACTIONS", "true")

    ended = pipeline("run", project.manifest, "--log-format", "json")

    assert logged(ended)
    assert "::stop-commands::" not in ended.output


def test_separate_process_logs_the_same(project: Project, start: Callable[..., Running]) -> None:
    ended = start("run", project.manifest, "--log-format", "json", "--yes").ended()

    assert ended.code == 0, ended.output
    assert [each for each in logged(ended) if each.get("job") == DANCE]


def test_messages_are_split_only_at_line_ends(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="ascii") as file:
        stream = JsonLines(file, now=lambda: "now")
        stream.write("error: a")
        stream.write("bc\n\nwarning: zoë ##[group]\nplain")
        stream.close()

    lines = (tmp_path / "log").read_text().splitlines()

    assert [(each["level"], each["message"]) for each in map(json.loads, lines)] == [
        ("error", "abc"),
        ("warning", "zoë ##[group]"),
        ("info", "plain"),
    ]
    assert "##[" not in "".join(lines)
