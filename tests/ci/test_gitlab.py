"""The scripts of the GitLab templates, run like GitLab's runner does."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml
from support.campaigns import spring
from support.processes import until

from ci.conftest import MANIFEST
from ci.forge import Forge, open_forge
from ci.hosting import PATIENCE, ROOT, Machine, Remote, Step, bare_environment, git
from pipeline.emulator.embedded import Emulator

Machines = Callable[..., Machine]
PLAN = yaml.safe_load((ROOT / "ci" / "gitlab" / "plan.yml").read_text("utf-8"))
RUN = yaml.safe_load((ROOT / "ci" / "gitlab" / "run.yml").read_text("utf-8"))
CI_PAGE = (ROOT / "docs" / "how-to" / "ci.md").read_text("utf-8")


class Runner:
    """GitLab's runner on a machine where the tool is installed already."""

    def __init__(self, machine: Machine, remote: Remote) -> None:
        self.machine = machine
        for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "RUNNER_TEMP"):
            del machine.environment[name]
        self.builds = machine.temp.parent / "builds"
        self.builds.mkdir()
        self.variables = {
            "VIMMERSE_API_KEY": machine.key,
            "CI_BUILDS_DIR": str(self.builds),
            "CI_JOB_ID": "1",
            "CI_PIPELINE_ID": "1",
            "CI_DEFAULT_BRANCH": "main",
            "CI_PROJECT_ID": "12",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_COMMIT_SHA": "abc",
            "CAMPAIGN_MANIFEST": MANIFEST,
            "CAMPAIGN_PATHS": "campaigns/",
            "CAMPAIGN_PUSH_URL": f"file://{remote.folder}",
        }
        # What the templates clone: these scripts and the package, with an install that finds the tool.
        tool = machine.temp.parent / "tool"
        for folder in ("ci", "pipeline"):
            shutil.copytree(ROOT / folder, tool / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (tool / "ci" / "install.sh").write_text(
            '#!/bin/sh\nmktemp -d "$RUNNER_TEMP/campaign-pipeline.XXXXXX" >/dev/null\n'
            f"echo {machine.temp.parent / 'bin'}\n"
        )
        git("init", "-q", "-b", "main", tool, at=machine.temp)
        git("add", ".", at=tool)
        git("commit", "-q", "-m", "tool", at=tool)
        self.variables |= {"CAMPAIGN_PIPELINE": f"file://{tool}", "CAMPAIGN_PIPELINE_REF": "main"}

    def next_job(self) -> None:
        """The runner takes the next job, on the same machine."""
        self.variables["CI_JOB_ID"] = str(int(self.variables["CI_JOB_ID"]) + 1)

    def begin(self, lines: list[str], template: Mapping[str, Any]) -> "subprocess.Popen[str]":
        """Start the lines as one script; project variables override those of the template."""
        defaults = [*template.get("variables", {}).items(), *RUN[".campaign-run"]["variables"].items()]
        variables = {name: each["value"] if isinstance(each, dict) else each for name, each in defaults}
        variables["CAMPAIGN_DEFAULT_BRANCH"] = variables["CAMPAIGN_SOURCE_BRANCH"] = "main"
        variables["CAMPAIGN_RUN"] = self.variables["CI_PIPELINE_ID"]
        # GitHub's variables for summaries and outputs point nowhere here.
        return self.machine.script(
            "\n".join(lines),
            {**variables, **self.variables, "GITHUB_STEP_SUMMARY": "", "GITHUB_OUTPUT": ""},
        )

    def job(self, template: Mapping[str, Any], name: str) -> dict[str, Any]:
        """A job with what it extends."""
        job = dict(template[name])
        extended = job.pop("extends", [])
        for base in reversed([extended] if isinstance(extended, str) else extended):
            job = {**self.job(template, base), **job}
        return job

    def begin_job(self, template: Mapping[str, Any], name: str) -> "subprocess.Popen[str]":
        """Start a job; `after` runs what comes after it."""
        job = self.job(template, name)
        return self.begin([*job["before_script"], *job["script"]], template)

    def plan(self) -> Step:
        ended = self._ended(self.begin_job(PLAN, "campaign-plan"))
        assert self.after(PLAN, "campaign-plan").code == 0
        self.next_job()
        return ended

    def begin_run(self) -> "subprocess.Popen[str]":
        return self.begin_job(RUN, "campaign-run")

    def run(self, name: str = "campaign-run") -> Step:
        return self._ended(self.begin_job(RUN, name))

    def after(self, template: Mapping[str, Any] = RUN, name: str = "campaign-run") -> Step:
        """What comes after a job, in a shell of its own."""
        return self._ended(self.begin(self.job(template, name)["after_script"], template))

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


@pytest.mark.parametrize("name", ["campaign-plan.md", "gl-code-quality-report.json"])
def test_nothing_is_written_through_a_link_that_the_branch_has(runner: Runner, name: str) -> None:
    victim = runner.machine.temp / "victim"
    victim.write_text("mine")
    (runner.machine.workspace / name).symlink_to(victim)

    ended = runner.plan()

    assert ended.code == 0, ended.log
    assert victim.read_text() == "mine"
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


@pytest.mark.parametrize("is_valid", [True, False])
def test_trouble_of_the_forge_does_not_decide_the_check(runner: Runner, forge: Forge, is_valid: bool) -> None:
    runner.variables |= {"CAMPAIGN_NOTE_TOKEN": "note-token", "CI_API_V4_URL": forge.url}
    forge.trouble = [502] * 9
    if not is_valid:
        manifest = runner.machine.workspace / MANIFEST
        manifest.write_text(manifest.read_text().replace('"prompts"', '"promts"'))

    ended = runner.plan()

    assert ended.code == (0 if is_valid else 3), ended.log
    assert "The comment was not written: HTTP Error 502" in ended.log
    assert not forge.texts()


def test_run_publishes_its_results_and_the_next_one_buys_nothing(
    runner: Runner, machine: Machines, remote: Remote, vendor: Emulator
) -> None:
    refused = runner.run()
    runner.next_job()
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    first = runner.run()
    after = runner.after()
    second = Runner(machine("two"), remote).run()

    assert (refused.code, first.code, after.code, second.code) == (3, 0, 0, 0), first.log + second.log
    assert remote.statuses() == ["done", "done"]
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("pipeline", ["1", "2"])
def test_first_counts_until_its_pipeline_has_published_anything(
    runner: Runner, machine: Machines, remote: Remote, vendor: Emulator, pipeline: str
) -> None:
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    assert runner.run().code == 0
    git("update-ref", "-d", "refs/heads/campaign-results", at=remote.folder)
    again = Runner(machine("two"), remote)
    again.variables |= {"CAMPAIGN_FIRST": "spring", "CI_PIPELINE_ID": pipeline}

    ended = again.run()

    is_retry = pipeline == "1"
    assert ended.code == (3 if is_retry else 0), ended.log
    assert ("first=spring counts until its run has published anything" in ended.log) == is_retry
    assert len(vendor.ledger.entries) == (2 if is_retry else 4)


def test_first_run_that_cannot_be_told_from_its_retry_buys_nothing(
    runner: Runner, remote: Remote, vendor: Emulator
) -> None:
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    remote.refuse_other_refs()

    ended = runner.run()

    assert ended.code == 8, ended.log
    assert "The push to campaign-results and refs/campaign-ledger/spring was refused" in ended.log
    assert remote.branches() == ["main"]
    assert not vendor.ledger.entries


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
    runner = Runner(machine(url=slow_vendor.url, real=True), remote)
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    running = runner.begin_run()
    until(lambda: bool(slow_vendor.ledger.entries), "the first create")

    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=PATIENCE)

    assert running.returncode == 143, said
    assert slow_vendor.ledger.entries[0].workflow_id in {
        each.get("workflow_id") for each in remote.results()["purchases"]
    }


def test_jobs_share_no_folder_on_a_reused_machine_and_leave_none(runner: Runner, remote: Remote) -> None:
    runner.variables["CAMPAIGN_FIRST"] = "spring"
    codes = []
    for name in ("campaign-merged-plan", "campaign-run", "campaign-collect", "campaign-collect"):
        codes += [runner.run(name).code, runner.after(RUN, name).code]
        assert list(runner.builds.iterdir()) == []
        runner.next_job()

    assert codes == [0] * 8
    assert remote.statuses() == ["done", "done"]


def test_folder_that_is_there_already_is_not_used(runner: Runner) -> None:
    taken = runner.builds / "campaign-pipeline-1"
    (taken / "ci").mkdir(parents=True)

    assert runner.run().code not in {0, 3}
    assert list(taken.iterdir()) == [taken / "ci"]


def test_collect_whose_push_is_refused_fails(runner: Runner, machine: Machines, remote: Remote) -> None:
    runner.variables |= {"CAMPAIGN_FIRST": "spring", "PIPELINE_NO_WAIT": "1"}
    manifest = json.dumps(spring(limits={"in_flight": 2}), indent=2)
    (runner.machine.workspace / MANIFEST).write_text(manifest)
    bought = runner.run()
    assert bought.code == 0, bought.log
    assert "submitted" in remote.statuses()
    remote.refuse("campaign-results")

    ended = Runner(machine("two"), remote).run("campaign-collect")

    assert ended.code not in {0, 3}, ended.log
    assert "was refused" in ended.log


@pytest.mark.parametrize("template", [PLAN, RUN], ids=["plan", "run"])
def test_no_fixed_path_is_used(template: Mapping[str, Any]) -> None:
    assert "/tmp" not in json.dumps(template)


def test_tool_and_scripts_come_from_one_commit() -> None:
    for template in (PLAN["campaign-plan"], RUN[".campaign-run"]):
        home, own, clone, install = template["before_script"][:4]
        assert home == 'export CAMPAIGN_HOME="$CI_BUILDS_DIR/campaign-pipeline-$CI_JOB_ID"'
        assert own == 'mkdir -m 700 -- "$CAMPAIGN_HOME"'
        assert '--branch "$CAMPAIGN_PIPELINE_REF" -- "$CAMPAIGN_PIPELINE" "$CAMPAIGN_HOME/tool"' in clone
        assert '"$CAMPAIGN_HOME/tool/ci/install.sh"' in install
    assert (ROOT / "ci" / "install.sh").is_file()


def test_own_job_is_written_as_the_template_says(runner: Runner) -> None:
    said = (ROOT / "ci" / "gitlab" / "run.yml").read_text("utf-8")
    example = "".join(re.findall(r"^#   (.*\n)", said, re.MULTILINE))
    [shown] = [each for each in re.findall(r"```yaml\n(.*?)```", CI_PAGE, re.DOTALL) if "autumn" in each]
    own = runner.job({**RUN, **yaml.safe_load(example)}, "campaign-autumn")

    assert shown == example
    assert own["variables"]["CAMPAIGN_MANIFEST"] == "campaigns/autumn.yaml"
    assert own["retry"] == {"max": 2, "exit_codes": 8}


def test_only_the_runs_of_the_planned_campaign_get_its_plan(runner: Runner) -> None:
    """Without `dependencies`, a job is handed the files of all jobs in earlier stages."""
    own = {**RUN, "campaign-autumn": {"extends": ".campaign-run"}}
    given = {name: runner.job(own, name)["dependencies"] for name in own if name.startswith("campaign-")}

    planned = ["campaign-merged-plan"]
    assert given.pop("campaign-run") == planned
    assert list(given.values()) == [[]] * len(given)
    assert "campaign-autumn" in given
