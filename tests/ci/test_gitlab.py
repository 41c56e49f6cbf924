"""The scripts of the GitLab templates, run like GitLab's runner does."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml
from support.processes import until

from ci.conftest import MANIFEST
from ci.forge import Forge, open_forge
from ci.hosting import PATIENCE, ROOT, Machine, Remote, Step, bare_environment, git
from pipeline.emulator.embedded import Emulator

Machines = Callable[..., Machine]
PLAN = yaml.safe_load((ROOT / "ci" / "gitlab" / "plan.yml").read_text("utf-8"))
RUN = yaml.safe_load((ROOT / "ci" / "gitlab" / "run.yml").read_text("utf-8"))


class Runner:
    """GitLab's runner on a machine with the tool already installed."""

    def __init__(self, machine: Machine, remote: Remote) -> None:
        self.machine = machine
        self._path = machine.temp / "campaign-path"
        self._path.write_text(str(machine.temp.parent / "bin"))
        for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "RUNNER_TEMP"):
            del machine.environment[name]
        self.variables = {
            "VIMMERSE_API_KEY": machine.key,
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_COMMIT_SHA": "abc",
            "CAMPAIGN_MANIFEST": MANIFEST,
            "CAMPAIGN_PATHS": "campaigns/",
            "CAMPAIGN_PUSH_URL": f"file://{remote.folder}",
        }

    def begin(self, lines: list[str], template: Mapping[str, Any]) -> "subprocess.Popen[str]":
        """Start the lines as one script; project variables override those of the template."""
        defaults = [*template.get("variables", {}).items(), *RUN[".campaign-run"]["variables"].items()]
        variables = {name: each["value"] if isinstance(each, dict) else each for name, each in defaults}
        variables["CAMPAIGN_DEFAULT_BRANCH"] = variables["CAMPAIGN_SOURCE_BRANCH"] = "main"
        script = "\n".join(lines).replace("/tmp/campaign-pipeline", str(ROOT))
        # GitHub's variables for summaries and outputs point nowhere here.
        return self.machine.script(
            script.replace("/tmp/campaign-path", str(self._path)),
            {**variables, **self.variables, "GITHUB_STEP_SUMMARY": "", "GITHUB_OUTPUT": ""},
        )

    def plan(self) -> Step:
        return self._ended(self.begin(PLAN["campaign-plan"]["script"], PLAN))

    def begin_run(self) -> "subprocess.Popen[str]":
        job = RUN[".campaign-run"]
        own = [line for line in job["before_script"] if "/tmp/campaign-pipeline" not in line]
        return self.begin([*own, *job["script"]], RUN)

    def run(self) -> Step:
        return self._ended(self.begin_run())

    def after(self) -> Step:
        return self._ended(self.begin(RUN[".campaign-run"]["after_script"], RUN))

    def _ended(self, running: "subprocess.Popen[str]") -> Step:
        said, _ = running.communicate(timeout=PATIENCE)
        return Step("script", running.returncode, said)

    def report(self) -> Any:
        return json.loads((self.machine.workspace / "gl-code-quality-report.json").read_text("utf-8"))


@pytest.fixture
def runner(machine: Machines, remote: Remote) -> Runner:
    return Runner(machine(), remote)


@pytest.fixture
def forge() -> Iterator[Forge]:
    with open_forge("/api/v4") as running:
        yield running


def test_plan_is_in_the_log_and_a_valid_campaign_has_an_empty_report(runner: Runner) -> None:
    ended = runner.plan()

    assert ended.code == 0, ended.log
    assert "buys 2: 200 credits" in ended.log
    assert "No token, so no comment" in ended.log
    assert runner.report() == []


def test_mistake_is_in_the_report_and_in_the_log(runner: Runner) -> None:
    manifest = runner.machine.workspace / MANIFEST
    manifest.write_text(manifest.read_text().replace('"prompts"', '"promts"'))

    ended = runner.plan()

    assert ended.code == 3, ended.log
    assert "did you mean 'prompts'" in ended.log
    assert runner.report()[0]["location"]["path"] == MANIFEST


def test_with_a_token_the_plan_is_posted_as_one_note(runner: Runner, forge: Forge) -> None:
    runner.variables |= {"CAMPAIGN_NOTE_TOKEN": "note-token", "CI_API_V4_URL": forge.url}
    forge.add("<!-- campaign-pipeline: plan campaigns/ --> somebody else's", 2, "")

    first, again = runner.plan(), runner.plan()

    assert (first.code, again.code) == (0, 0), first.log + again.log
    assert len(forge.texts()) == 2
    assert "buys 2" in forge.texts()[1]
    assert forge.tokens == {"note-token"}
    assert forge.writes()[-1] == "PUT /api/v4/projects/12/merge_requests/7/notes/2"


def test_run_publishes_its_results_and_the_next_one_buys_nothing(
    runner: Runner, machine: Machines, remote: Remote, vendor: Emulator
) -> None:
    refused = runner.run()
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    first = runner.run()
    after = runner.after()
    second = Runner(machine("two"), remote).run()

    assert (refused.code, first.code, after.code, second.code) == (3, 0, 0, 0), first.log + second.log
    assert remote.statuses() == ["done", "done"]
    assert len(vendor.ledger.entries) == 2


def test_push_token_is_written_nowhere_and_an_older_one_is_removed(runner: Runner, remote: Remote) -> None:
    config = runner.machine.workspace / ".git" / "config"
    git("remote", "set-url", "--push", "origin", "https://oauth2:old@example.com/x.git", at=config.parents[1])
    runner.variables |= {"CAMPAIGN_FIRST": "spring", "CAMPAIGN_PUSH_TOKEN": "push-token"}

    ended = runner.run()

    assert ended.code == 0, ended.log
    assert remote.statuses() == ["done", "done"]
    assert "oauth2" not in config.read_text()
    written = [path for path in runner.machine.workspace.rglob("*") if path.is_file()]
    assert not [path for path in written if b"push-token" in path.read_bytes()]


def test_askpass_gives_git_the_push_token() -> None:
    answers = [
        subprocess.run(
            [ROOT / "ci" / "askpass.sh", prompt],
            env={**bare_environment(), "CAMPAIGN_PUSH_TOKEN": "push-token"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for prompt in ("Username for 'https://example.com': ", "Password for 'https://oauth2@example.com': ")
    ]

    assert answers == ["x-access-token\n", "push-token\n"]


def test_cancelled_run_receives_the_signal_and_publishes_what_it_bought(
    machine: Machines, remote: Remote, slow_vendor: Emulator
) -> None:
    runner = Runner(machine(url=slow_vendor.url), remote)
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    running = runner.begin_run()
    until(lambda: bool(slow_vendor.ledger.entries), "the first create")

    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=PATIENCE)

    assert running.returncode == 143, said
    assert slow_vendor.ledger.entries[0].workflow_id in {
        each.get("workflow_id") for each in remote.results()["purchases"]
    }


def test_tool_and_scripts_come_from_one_commit() -> None:
    for template in (PLAN["campaign-plan"], RUN[".campaign-run"]):
        clone, install = template["before_script"][:2]
        assert clone.endswith(
            '--branch "$CAMPAIGN_PIPELINE_REF" -- "$CAMPAIGN_PIPELINE" /tmp/campaign-pipeline'
        )
        assert "/tmp/campaign-pipeline/ci/install.sh" in install
    assert (ROOT / "ci" / "install.sh").is_file()
