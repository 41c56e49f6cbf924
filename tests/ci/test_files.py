"""Files for CI systems are valid by the public schemas and give untrusted code no rights."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.calling import Pipeline
from support.fixtures import folder, offline

from ci.hosting import ACTION, ROOT, Remote, bare_environment

__all__ = ["folder", "offline"]

GITOPS = ROOT / "examples" / "gitops"
STARTER = ROOT / "pipeline" / "cli" / "starter" / "workflow.yml"
WORKFLOWS = [*sorted((GITOPS / ".github" / "workflows").glob("*.yml")), STARTER]
SHARDS = sorted((ROOT / "examples" / "shards" / ".github" / "workflows").glob("*.yml"))
GITLAB = [*sorted((ROOT / "ci" / "gitlab").glob("*.yml")), GITOPS / ".gitlab-ci.yml"]
SCRIPTS = sorted((ROOT / "ci").glob("*.sh"))
HOOK = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))[0]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> Any:
    """YAML in which `on` is a string."""
    return yaml.load(path.read_text("utf-8"), yaml.BaseLoader)


def assert_valid(schema: str, files: list[Path]) -> None:
    """Valid by a public schema that comes with check-jsonschema."""
    transform = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
    ended = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *transform, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", [ROOT / "action.yml"]),
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.gitlab-ci", GITLAB),
    ],
    ids=["action", "workflows", "gitlab"],
)
def test_files_are_valid_by_their_public_schemas(schema: str, files: list[Path]) -> None:
    assert files
    assert_valid(schema, files)


def steps() -> list[tuple[str, dict[str, Any]]]:
    """Every step of the action and of the example workflows."""
    found = [("action.yml", step) for step in ACTION["runs"]["steps"]]
    for path in WORKFLOWS:
        for job in read(path)["jobs"].values():
            found += [(named(path), step) for step in job["steps"]]
    return found


def test_external_values_never_become_part_of_a_script() -> None:
    scripts = [(where, step["run"]) for where, step in steps() if "run" in step]

    assert len(scripts) > 5
    assert [script for script in scripts if "${{" in script[1]] == []


def test_every_step_of_the_action_has_a_shell_and_every_input_a_description() -> None:
    assert all(step["shell"] == "bash" for step in ACTION["runs"]["steps"])
    assert all(each["description"] for each in ACTION["inputs"].values())


def test_key_is_given_only_to_steps_that_call_the_vendor() -> None:
    keyed = [step["name"] for where, step in steps() if "api-key" in str(step.get("env"))]

    assert keyed == ["Run", "Collect"]


def test_workflows_use_only_inputs_of_the_action() -> None:
    used = [step for _, step in steps() if "campaign-pipeline" in step.get("uses", "")]

    assert len(used) == 5
    for step in used:
        assert set(step["with"]) <= set(ACTION["inputs"])
        assert step["with"]["command"] in {"plan", "run", "collect", "comment"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=named)
def test_pull_request_from_a_fork_gets_no_rights(path: Path) -> None:
    workflow = read(path)
    text = path.read_text("utf-8")
    events = workflow["on"] if isinstance(workflow["on"], dict) else {workflow["on"]: {}}

    # Each workflow declares its permissions; jobs that run untrusted files have no secret and cannot write.
    assert "pull_request_target" not in events
    assert "permissions" in workflow
    if "pull_request" in events:
        assert "secrets." not in text
        assert workflow["permissions"]["contents"] == "read"
    if "workflow_run" in events:
        assert "actions/checkout" not in text


def shown_workflows(page: str) -> list[str]:
    """The workflows in the code blocks of a page."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "jobs:" in block]


def commands_of(job: dict[str, Any]) -> set[str]:
    """The commands that a job gives the action."""
    used = [step for step in job["steps"] if "campaign-pipeline" in step.get("uses", "")]
    return {step["with"]["command"] for step in used}


@pytest.mark.parametrize(
    "text",
    [*(path.read_text("utf-8") for path in [*WORKFLOWS, *SHARDS]), *shown_workflows("ci.md")],
    ids=[
        *map(named, [*WORKFLOWS, *SHARDS]),
        *(f"ci.md {number}" for number in range(len(shown_workflows("ci.md")))),
    ],
)
def test_jobs_that_buy_share_no_concurrency_group_with_scheduled_ones(text: str) -> None:
    """GitHub keeps one waiting job per group: the next one cancels it, whatever `cancel-in-progress` is."""
    workflow = yaml.load(text, yaml.BaseLoader)
    jobs = workflow["jobs"].values()
    groups = [(job["concurrency"], commands_of(job)) for job in jobs if "concurrency" in job]
    buying = {concurrency["group"] for concurrency, commands in groups if "run" in commands}
    others = {concurrency["group"] for concurrency, commands in groups if "run" not in commands}

    assert "concurrency" not in workflow
    assert all("concurrency" in job for job in jobs if "run" in commands_of(job))
    assert all(concurrency["cancel-in-progress"] == "false" for concurrency, _ in groups)
    assert not buying & others


class TestSchedule:
    """The schedule of the example, with a `gh` that answers like GitHub."""

    @staticmethod
    def resume(folder: Path, *runs: str, artifacts: str = "") -> tuple[str, list[str]]:
        """The output of the job `resume`, and what it restarted. A run: event, id, attempt, status, conclusion."""
        (step,) = read(GITOPS / ".github" / "workflows" / "run.yml")["jobs"]["resume"]["steps"]
        gh = folder / "gh"
        gh.write_text(
            '#!/bin/sh\ncase "$*" in\n'
            '  "run rerun"*) echo "$*" >>"$AGAIN" ;;\n'
            '  *"/runs/17/artifacts"*) printf %s "$ARTIFACTS" ;;\n'
            '  *"--branch main --event "*) while read -r event rest; do\n'
            '    case "$*" in *" --event $event "*) echo "$rest" ;; esac\n'
            '  done <"$RUNS" ;;\n'
            "  *) exit 1 ;;\nesac\n"
        )
        gh.chmod(0o755)
        output, again, listed = folder / "output", folder / "again", folder / "runs"
        again.touch()
        listed.write_text("".join(f"{run}\n" for run in runs))
        environment = {
            **bare_environment(),
            "PATH": f"{folder}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(output),
            "AGAIN": str(again),
            "RUNS": str(listed),
            "ARTIFACTS": artifacts,
            "GH_REPO": "team/campaigns",
        }
        # The runner does this for a step without a shell.
        subprocess.run(["bash", "-e", "-c", step["run"]], env=environment, check=True)
        return output.read_text().strip(), again.read_text().splitlines()

    @pytest.mark.parametrize("event", ["push", "workflow_dispatch"])
    def test_unfinished_run_is_rerun_and_nothing_is_collected_meanwhile(
        self, tmp_path: Path, event: str
    ) -> None:
        older = ("push 9 1 completed success", "workflow_dispatch 16 1 completed failure")

        found = self.resume(
            tmp_path,
            f"{event} 17 2 completed failure",
            *older,
            artifacts="videos-spring-2\nunfinished-spring-2",
        )

        assert found == ("busy=true", ["run rerun 17 --failed"])

    @pytest.mark.parametrize(
        ("runs", "artifacts"),
        [
            ([], ""),
            (["push 17 2 completed success"], "unfinished-spring-2"),
            (["push 17 2 waiting "], "unfinished-spring-2"),
            (["push 17 2 completed failure"], "unfinished-spring-1\nvideos-spring-2"),
            (
                ["push 17 2 completed failure", "workflow_dispatch 18 1 completed success"],
                "unfinished-spring-2",
            ),
        ],
        ids=["none", "finished", "waiting", "not of the last attempt", "not the newest"],
    )
    def test_without_an_unfinished_run_paid_work_is_collected(
        self, tmp_path: Path, runs: list[str], artifacts: str
    ) -> None:
        assert self.resume(tmp_path, *runs, artifacts=artifacts) == ("busy=false", [])

    def test_during_a_run_nothing_is_rerun_or_collected(self, tmp_path: Path) -> None:
        found = self.resume(
            tmp_path,
            "push 17 2 completed failure",
            "workflow_dispatch 16 1 in_progress ",
            artifacts="unfinished-spring-2",
        )

        assert found == ("busy=true", [])

    @pytest.mark.parametrize("status", ["in_progress ", "completed success", "completed failure"])
    def test_run_of_a_pull_request_neither_hides_an_unfinished_run_nor_is_rerun(
        self, tmp_path: Path, status: str
    ) -> None:
        """A fork may have a branch `main`, and a `run.yml` that runs on pull requests."""
        found = self.resume(
            tmp_path,
            f"pull_request 18 1 {status}",
            "push 17 2 completed failure",
            artifacts="unfinished-spring-2\nunfinished-spring-1",
        )

        assert found == ("busy=true", ["run rerun 17 --failed"])

    def test_run_that_its_branch_has_left_behind_is_not_kept_for_a_rerun(self) -> None:
        steps = read(GITOPS / ".github" / "workflows" / "run.yml")["jobs"]["run"]["steps"]
        [kept] = [step for step in steps if "unfinished-" in step.get("with", {}).get("name", "")]

        assert kept["if"].endswith(
            "steps.run.outputs.exit-code == '8' && steps.run.outputs.outdated != 'true'"
        )

    def test_collecting_waits_for_what_the_schedule_resumes(self) -> None:
        jobs = read(GITOPS / ".github" / "workflows" / "run.yml")["jobs"]

        assert jobs["collect"]["needs"] == ["plan", "resume"]
        assert "needs.resume.outputs.busy != 'true'" in jobs["collect"]["if"]
        assert jobs["resume"]["outputs"] == {"busy": "${{ steps.resume.outputs.busy }}"}


def test_runs_of_one_campaign_are_serialised_and_never_cancelled() -> None:
    workflow = read(GITOPS / ".github" / "workflows" / "run.yml")
    job = workflow["jobs"]["run"]
    gitlab = read(ROOT / "ci" / "gitlab" / "run.yml")[".campaign-run"]

    assert job["concurrency"] == {"group": "campaign ${{ matrix.campaign }}", "cancel-in-progress": "false"}
    assert "pull_request" not in workflow["on"]
    assert workflow["on"]["push"]["branches"] == ["main"]
    assert workflow["jobs"]["plan"]["if"] == "github.ref == 'refs/heads/main'"
    assert job["needs"] == "plan"
    assert job["environment"] == "campaigns"
    assert gitlab["resource_group"] == "campaign/$CAMPAIGN_MANIFEST"
    assert gitlab["interruptible"] == "false"
    [rule] = gitlab["rules"]
    assert rule["if"].startswith(
        '$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $CI_PIPELINE_SOURCE != "schedule"'
    )


def test_no_state_is_kept_between_machines() -> None:
    for path in [*WORKFLOWS, *GITLAB, ROOT / "action.yml"]:
        assert "cache" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("script", SCRIPTS, ids=named)
def test_scripts_stop_at_the_first_error(script: Path) -> None:
    text = script.read_text("utf-8")

    if not text.startswith("# shellcheck shell=bash\n"):  # a sourced file inherits the caller's settings
        assert text.startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in text
        assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_example_names_existing_files() -> None:
    gitlab = read(GITOPS / ".gitlab-ci.yml")

    assert (GITOPS / gitlab["variables"]["CAMPAIGN_MANIFEST"]).is_file()
    assert all((ROOT / name).is_file() for name in gitlab["include"][0]["file"])


def test_hook_checks_every_campaign_when_its_inputs_change(
    remote: Remote, offline: Pipeline, folder: Path
) -> None:
    subprocess.run(
        ["git", "clone", "-q", remote.folder, folder / "clone"], env=bare_environment(), check=True
    )
    words = [*shlex.split(HOOK["entry"]), str(folder / "clone"), *HOOK["args"][1:]]
    assert words.pop(0) == "pipeline"

    sound = offline(*words)
    (folder / "clone" / "campaigns" / "images" / "red.png").unlink()
    broken = offline(*words)

    assert (sound.code, broken.code) == (0, 3), sound.output
    for name in ("campaigns/spring.yaml", "data/products.csv", "prompts/dance.j2", "images/red.png"):
        assert re.search(HOOK["files"], name)


def test_every_input_of_the_action_is_documented() -> None:
    page = (ROOT / "docs" / "how-to" / "ci.md").read_text("utf-8")
    table = page.partition("## Inputs of the action")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(ACTION["inputs"])


def test_workflows_in_the_documentation_are_valid(tmp_path: Path) -> None:
    shown = shown_workflows("ci.md")
    for number, text in enumerate(shown):
        (tmp_path / f"{number}.yml").write_text(text, encoding="utf-8")

    assert len(shown) == 2
    assert_valid("vendor.github-workflows", sorted(tmp_path.iterdir()))
