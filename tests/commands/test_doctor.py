"""`pipeline doctor` reports the problems that a run would meet; it buys and writes nothing."""

import os
import subprocess
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support.calling import KEY, Pipeline
from support.campaigns import Project, spring
from support.processes import Running, until
from support.protection import fails_without

from pipeline.documents import schema
from pipeline.emulator.embedded import Emulator
from pipeline.operations.doctor_checks import CHECKS
from pipeline.state.lock import Lock, is_held


def verdicts(document: Any) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in document["checks"]}


def messages(document: Any) -> dict[str, str]:
    return {each["check"]: each["message"] for each in document["checks"]}


def test_checks_match_the_schema() -> None:
    checks: Any = schema.load("doctor")
    assert checks["properties"]["checks"]["items"]["properties"]["check"]["enum"] == list(CHECKS)


def in_git(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)


def test_healthy_campaign_passes_without_buying_or_writing(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    in_git(project.folder)
    before = project.tree()

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 0, ended.output
    assert set(verdicts(ended.document).values()) == {"ok"}
    assert ended.document["exit_code"] == 0
    assert schema.check_json(ended.document, "doctor") == []
    assert project.tree() == before
    assert vendor.ledger.entries == ()
    assert "Ready for a run." in pipeline("doctor", project.manifest).out


def test_text_output_never_contains_the_key(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("doctor", project.manifest)

    assert "ok      health" in ended.out
    assert KEY not in ended.output


def test_missing_key_exits_as_a_run_would(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == ended.document["exit_code"] == pipeline("run", project.manifest).code == 5
    assert "VIMMERSE_API_KEY" in messages(ended.document)["key"]
    assert verdicts(ended.document)["health"] == "ok"


def test_unreachable_vendor_exits_8(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 8
    assert "cannot be reached" in messages(ended.document)["health"]


def test_unhealthy_vendor_exits_8(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "health", "do": {"status": 503}})

    assert pipeline("doctor", project.manifest).code == 8


def test_url_that_would_expose_the_key_is_refused(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_BASE_URL", "http://api.example.com")

    ended = pipeline("doctor", project.manifest)

    assert ended.code == 64
    assert (
        "VIMMERSE_BASE_URL: the key is not sent without encryption: http://api.example.com must be https"
        in (ended.out)
    )


def test_invalid_manifest_exits_3_and_other_checks_continue(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(prompts={}, surprise=1)})

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 3
    assert (
        "surprise" in messages(ended.document)["manifest"] or "more" in messages(ended.document)["manifest"]
    )
    assert verdicts(ended.document)["disk"] == "ok"
    assert schema.check_json(ended.document, "doctor") == []


@fails_without("pipeline.state.lock:is_held", "system.lock(descriptor")
def test_locked_state_exits_6_and_names_the_holder(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    lock = Lock.acquire(project.state, since="2026-03-01T12:00:00Z", command="pipeline run spring.yaml")

    ended = pipeline("doctor", project.manifest, "--format", "json")
    ignored = pipeline("doctor", project.manifest, "--ignore", "lock")
    lock.release()

    assert ended.code == 6
    assert (ignored.code, "warning lock" in ignored.out) == (0, True)
    assert "since 2026-03-01T12:00:00Z (pipeline run spring.yaml)" in messages(ended.document)["lock"]
    assert pipeline("doctor", project.manifest).code == 0


def test_damaged_state_exits_3(project: Project, pipeline: Pipeline) -> None:
    pipeline("run", project.manifest)
    project.state.write_bytes(b"")

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 3
    assert verdicts(ended.document)["state"] == "error"


@pytest.mark.parametrize(
    ("in_the_way", "flags", "check"),
    [
        (".pipeline", [], "state"),
        ("records", ["--state", "records/s.db"], "state"),
        ("results", ["--results", "results/r.json"], "results"),
        ("output", [], "output"),
        ("films", ["--output", "films/spring"], "output"),
    ],
)
def test_unwritable_folder_exits_as_a_run_would(
    project: Project, pipeline: Pipeline, vendor: Emulator, in_the_way: str, flags: list[str], check: str
) -> None:
    project.write({in_the_way: "a file, where a folder is wanted"})
    before = project.tree()

    ended = pipeline("doctor", project.manifest, *flags, "--format", "json")

    assert project.tree() == before
    assert ended.code == ended.document["exit_code"] == pipeline("run", project.manifest, *flags).code == 3
    assert [name for name, verdict in verdicts(ended.document).items() if verdict == "error"] == [check]
    assert f"{in_the_way} is not a folder" in messages(ended.document)[check]
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize("target", [".git/x", "../elsewhere.json"])
def test_results_that_are_a_link_out_of_the_project_are_reported(
    project: Project, pipeline: Pipeline, target: str
) -> None:
    in_git(project.folder)
    (project.folder / "spring.results.json").symlink_to(target)

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 3, ended.output
    assert verdicts(ended.document)["results"] == "error"
    assert "spring.results.json: this link leads" in messages(ended.document)["results"]


def test_dangling_link_is_reported(project: Project, pipeline: Pipeline) -> None:
    (project.folder / ".pipeline").symlink_to(project.folder / "nowhere")

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == pipeline("run", project.manifest).code == 3
    assert "this link leads to nothing" in messages(ended.document)["state"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize(("folder", "check"), [(".pipeline", "state"), ("output", "output")])
def test_folder_of_another_user_is_reported(
    project: Project, pipeline: Pipeline, folder: str, check: str
) -> None:
    (project.folder / folder).mkdir(mode=0o500)

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == pipeline("run", project.manifest).code == 3
    assert f"{folder} is not writable for you" in messages(ended.document)[check]


def test_wrong_clock_is_reported(project: Project, pipeline: Pipeline) -> None:
    class LastCentury(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.send_header("Date", "Fri, 31 Dec 1999 23:59:59 GMT")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), LastCentury) as server:
        Thread(target=server.handle_request).start()
        pipeline.set("VIMMERSE_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 0
    assert verdicts(ended.document)["clock"] == "warning"
    assert "ahead of the vendor's" in messages(ended.document)["clock"]


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("", "not in a git repository"),
        ("git init -q .", "is not committed"),
        ("git init -q . && echo '*.results.json' > .gitignore", "is ignored"),
    ],
)
def test_files_that_git_would_lose_are_reported(
    project: Project, pipeline: Pipeline, prepare: str, said: str
) -> None:
    pipeline("run", project.manifest)
    subprocess.run(prepare, shell=True, cwd=project.folder, check=True)

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert ended.code == 0
    assert verdicts(ended.document)["git"] == "warning"
    assert said in messages(ended.document)["git"]


def test_rehearsal_needs_neither_key_nor_vendor(project: Project, offline: Pipeline) -> None:
    ended = offline("doctor", project.manifest, "--emulate", "--format", "json")

    assert ended.code == 0, ended.output
    assert "health" not in verdicts(ended.document)


def test_running_run_is_named(
    project: Project, vendor: Emulator, start: Callable[..., Running], pipeline: Pipeline
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 600}})
    running = start("run", project.manifest)
    until(lambda: is_held(project.state) is not None, "the run")

    ended = pipeline("doctor", project.manifest, "--format", "json")

    assert f"pid {running.process.pid} " in messages(ended.document)["lock"]


def test_decisions_that_are_not_committed_are_reported(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    in_git(project.folder)
    git = ("git", "-C", str(project.folder), "-c", "user.name=a", "-c", "user.email=a@example.com")
    subprocess.run([*git, "add", "campaign.yaml", "spring.results.json"], check=True)
    subprocess.run([*git, "commit", "-qm", "results"], check=True)
    assert pipeline("approve", project.manifest, "main/loop/red/walk").code == 0

    before = pipeline("doctor", project.manifest, "--format", "json")
    subprocess.run([*git, "add", "spring.decisions.yaml"], check=True)
    subprocess.run([*git, "commit", "-qm", "decisions"], check=True)
    after = pipeline("doctor", project.manifest, "--format", "json")

    assert messages(before.document)["git"] == (
        "spring.decisions.yaml is not committed; add, commit and push it"
    )
    assert messages(after.document)["git"] == "spring.results.json and spring.decisions.yaml are committed"
