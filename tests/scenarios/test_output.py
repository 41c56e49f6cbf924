"""Output in every environment: no secrets, and no untrusted text that takes effect."""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import KEY, Pipeline
from support.campaigns import Project, campaign, spring
from support.hostile import HOSTILE, assert_harmless
from support.processes import Running
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

WALK = "main/loop/red/walk"


@pytest.mark.parametrize(
    "fault",
    [
        None,
        {"status": 401},
        {"status": 422, "body": {"message": f"the key {KEY} may not do that"}},
        {"status": 500},
        "html",
        {"redirect": "http://127.0.0.1:9/"},
    ],
    ids=str,
)
def test_key_is_written_nowhere(project: Project, pipeline: Pipeline, vendor: Emulator, fault: Json) -> None:
    if fault is not None:
        vendor.fail({"on": "create", "do": fault})

    said = "".join(
        pipeline("-v", "-v", *command, project.manifest).output
        for command in (["run"], ["run"], ["plan"], ["status"])
    )

    assert KEY not in said
    written = {name: content for name, (_, content) in project.tree().items() if content}
    assert any(name.endswith(".db") for name in written)
    assert [name for name, content in written.items() if KEY.encode() in content] == []


def test_signature_of_a_url_is_in_no_record(project: Project, pipeline: Pipeline) -> None:
    """A signature gives access to the video: the emulator signs its urls as the vendor may."""
    files = ("--events", "events.jsonl", "--junit", "junit.xml")
    ended = pipeline("-v", "-v", "run", project.manifest, *files)
    assert ended.code == 0
    assert "signature=" not in ended.output
    assert "/media/" in project.results_file.read_text()

    written = {name: content for name, (_, content) in project.tree().items() if content}
    assert [name for name, content in written.items() if b"signature=" in content] == []


def test_key_is_not_in_the_output_of_a_crash(
    project: Project, start: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pipeline.providers.vimmerse as v\n"
        "def broken(self, order): raise ZeroDivisionError(order)\n"
        "v.Vimmerse.create = broken\n"
    )

    ended = start("run", project.manifest, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])).ended()

    # It is unknown how far it came, so the outcome is unknown.
    assert ended.code == 7, ended.output
    assert KEY not in ended.output
    assert "Traceback" not in ended.output


@fails_without("pipeline.cli.main:main", "leave_no_core()")
@pytest.mark.skipif(sys.platform != "linux", reason="tells of itself in /proc")
def test_crash_leaves_no_core_dump_with_the_key(start: Callable[..., Running]) -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        running = start("emulator", "--port", "0", "--dir", "work")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert running.first_line()

    limits = Path(f"/proc/{running.process.pid}/limits").read_text()

    [cores] = (line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert cores[4] == "0"


def answer(status: int) -> Json:
    return {
        "status": status,
        "body": {"message": HOSTILE, "detail": [{"loc": ["body"], "msg": HOSTILE, "type": "x"}]},
    }


@pytest.mark.parametrize("status", [402, 403, 422, 429, 500])
def test_text_from_a_server_is_escaped(
    project: Project, pipeline: Pipeline, vendor: Emulator, status: int
) -> None:
    pipeline.set("GITHUB_ACTIONS", "true")
    project.write(
        {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", "timeout": "1s"}])}
    )
    vendor.fail({"on": "create", "do": answer(status)})

    run = pipeline("run", project.manifest)
    later = pipeline("status", project.manifest)

    assert run.code != 0
    for said in (run.out, run.err, later.out, later.err):
        assert_harmless(said)


def test_unknown_status_is_escaped_and_treated_as_running(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(
        folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", "timeout": "1s"}])}
    )
    pipeline.set("GITHUB_ACTIONS", "true")
    patch: Json = {"patch": {"processing_status": HOSTILE}}
    vendor.fail({"on": "get", "do": patch})

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    assert "unknown status" in ended.err
    assert_harmless(ended.out)
    assert_harmless(ended.err)


def test_manifest_cannot_send_commands_to_the_runner(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"::error::x": HOSTILE, "walk": "a walk"})})
    pipeline.set("GITHUB_ACTIONS", "true")

    for command in ("validate", "expand", "plan", "run", "status"):
        ended = pipeline(command, project.manifest)
        assert ended.out.startswith("::stop-commands::")
        assert_harmless(ended.out)
        assert_harmless(ended.err)


@pytest.mark.parametrize(
    "surrounding",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "cp1252", "COLUMNS": "20", "NO_COLOR": "1"},
    ],
    ids=str,
)
def test_terminal_with_a_limited_encoding_breaks_nothing(
    folder: Path, start: Callable[..., Running], surrounding: dict[str, str]
) -> None:
    manifest = spring(prompts={"walk": "歩く 🚶 — naïve", "歩く": "a walk"})
    project = campaign(folder, {"campaign.yaml": json.dumps(manifest, ensure_ascii=False)})

    run = start("run", project.manifest, **surrounding).ended()
    expanded = start("expand", project.manifest, **surrounding).ended()

    assert (run.code, expanded.code) == (0, 0), run.output + expanded.output
    assert "Traceback" not in run.output + expanded.output
    assert "main/loop/red/歩く.mp4" in project.output()


def test_without_a_terminal_there_are_no_colours_and_no_questions(
    project: Project, start: Callable[..., Running]
) -> None:
    ended = start("run", project.manifest).ended()

    assert ended.code == 0, ended.output
    assert "\x1b" not in ended.output
    assert "Buy?" not in ended.output


def test_quiet_prints_nothing_on_success(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", "-q", project.manifest).output == ""


def test_closed_pipe_loses_nothing(
    project: Project, start: Callable[..., Running], pipeline: Pipeline, vendor: Emulator
) -> None:
    run = start("run", project.manifest)
    assert run.process.stdout is not None
    run.process.stdout.close()
    assert run.process.stderr is not None
    run.process.stderr.read()
    code = run.process.wait()

    assert code != 0
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


def test_closed_pipe_of_a_plan_prints_no_error(folder: Path, start: Callable[..., Running]) -> None:
    prompts = {f"p{number}": f"prompt {number}" for number in range(3000)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    plan = start("plan", project.manifest)

    assert plan.first_line()
    assert plan.process.stdout is not None
    plan.process.stdout.close()
    assert plan.process.stderr is not None
    said = plan.process.stderr.read()

    assert plan.process.wait() != 0
    assert said == ""
