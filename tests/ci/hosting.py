"""A stand-in for GitHub: it reads the action and workflows, and runs their scripts like its runner."""

import atexit
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from support.calling import is_foreign, vendor_environment

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))

_GIT_CONFIG = Path(__file__).with_name("gitconfig")

# Several commands in sequence, on a busy machine.
PATIENCE = 120.0

# The command as installed by `pip`, but retrying quickly.
PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(ROOT)!r})
from pipeline.engine import calls
calls.FIRST_BACKOFF = 0.02
calls.LONGEST_BACKOFF = 0.05
from pipeline.cli.main import main
main()
"""
_WORD = re.compile(r"'[^']*'|\|\||&&|==|!=|[()]|always\(\)|[A-Za-z_][\w.-]*")


def git(*arguments: str | Path, at: Path) -> str:
    """Run git in the folder `at`."""
    ended = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=at,
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def bare_environment() -> dict[str, str]:
    """The environment of every process: nothing of this machine's, and git as it is quickest."""
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    who = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**kept, **who, "GIT_CONFIG_GLOBAL": str(_GIT_CONFIG), "GIT_CONFIG_NOSYSTEM": "1"}


def evaluate(expression: str, context: Mapping[str, Any]) -> Any:
    """The value of a GitHub expression: names, strings, `==`, `!=`, `&&`, `||`."""
    words = {"||": " or ", "&&": " and ", "always()": "True"}
    parts = []
    for word in _WORD.findall(expression):
        if word in words or word[0] in "'()=!":
            parts.append(words.get(word, word))
        else:
            parts.append(f"look({word!r})")

    def look(name: str) -> Any:
        if name in {"true", "false"}:
            return name == "true"
        value: Any = context
        for part in name.split("."):
            value = value.get(part, "") if isinstance(value, Mapping) else ""
        return value

    return eval("".join(parts), {"look": look})


def filled(text: str, context: Mapping[str, Any]) -> str:
    """`text` with its `${{ }}` evaluated."""

    def value(found: re.Match[str]) -> str:
        worked_out = evaluate(found[1], context)
        return str(worked_out).lower() if isinstance(worked_out, bool) else str(worked_out)

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


@dataclass(frozen=True, slots=True)
class Step:
    """The exit code and output of a step."""

    name: str
    code: int
    log: str


@dataclass
class Job:
    """The result of a job."""

    steps: list[Step] = field(default_factory=list)
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> int:
        """The exit code of the first step that failed, or 0."""
        return next((step.code for step in self.steps if step.code), 0)

    @property
    def log(self) -> str:
        return "\n".join(f"--- {step.name}: {step.code}\n{step.log}" for step in self.steps)


class Machine:
    """A runner with a fresh, shallow checkout of `branch` of `remote`, and the vendor at `url`.

    `program` is the script that it has as its `pipeline`.
    """

    def __init__(
        self, folder: Path, remote: Path, url: str, branch: str = "main", program: str = PROGRAM
    ) -> None:
        self.workspace = folder / "workspace"
        self.temp = folder / "temp"
        self.temp.mkdir(parents=True)
        git("clone", "-q", "--depth", "1", "--branch", branch, f"file://{remote}", self.workspace, at=folder)
        command = folder / "bin" / "pipeline"
        command.parent.mkdir()
        command.write_text(program)
        command.chmod(0o755)
        self.environment = {
            **bare_environment(),
            **vendor_environment(url),
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_REPOSITORY": "team/campaigns",
        }
        # Only what the workflow passes: the key is an input of the action.
        self.key = self.environment.pop("VIMMERSE_API_KEY")
        # The run of the workflow: another attempt at it has the same inputs and event.
        self.run_id = folder.name
        self._begun: list[subprocess.Popen[str]] = []

    def uses(self, event: Mapping[str, Any] | None = None, **inputs: str) -> Job:
        """Run the action with `inputs` to its end, without installing anything."""
        job = Job()
        for step in self._steps():
            context = self._context(job, event or {}, inputs)
            if self._is_due(step, job, context):
                self._ended(step, self.begin(step, context), job)
        job.summary = self._read("summary")
        return job

    def begin_run(self, command: str = "run", **inputs: str) -> "subprocess.Popen[str]":
        """Start the step that runs the campaign, or collects it; `finish` runs the steps after it."""
        [step] = [step for step in self._steps() if step["name"] == command.title()]
        return self.begin(step, self._context(Job(), {}, {"command": command, **inputs}))

    def finish(self, **inputs: str) -> Job:
        """The steps that always run after the campaign."""
        job = Job()
        for step in self._steps():
            context = self._context(job, {}, {"command": "run", **inputs})
            if "always()" in step.get("if", "") and self._is_due(step, job, context):
                self._ended(step, self.begin(step, context), job)
        return job

    def begin(self, step: Mapping[str, Any], context: Mapping[str, Any]) -> "subprocess.Popen[str]":
        """Start the script of one step like the runner."""
        own = {name: filled(str(value), context) for name, value in step.get("env", {}).items()}
        return self.script(step["run"], own)

    def script(self, text: str, own: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start a script in the checkout, in its own process group."""
        with tempfile.NamedTemporaryFile("w", dir=self.temp, suffix=".sh", delete=False) as file:
            file.write(text)
        begun = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", file.name],
            cwd=self.workspace,
            env={
                **self.environment,
                "GITHUB_OUTPUT": str(self.temp / "output"),
                "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
                **own,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._begun.append(begun)
        return begun

    def switch_off(self) -> None:
        """End its remaining processes."""
        for each in self._begun:
            if each.poll() is None:
                os.killpg(each.pid, signal.SIGKILL)
                each.communicate(timeout=PATIENCE)

    def lose(self) -> None:
        """Lose the machine with everything on it."""
        self.switch_off()
        shutil.rmtree(self.workspace)

    def _steps(self) -> Iterator[dict[str, Any]]:
        return (step for step in ACTION["runs"]["steps"] if step["name"] != "Install")

    def _context(self, job: Job, event: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
        given = {"api-key": self.key, **inputs}
        github = {
            "token": "token-of-the-job",
            "event": {"repository": {"default_branch": "main"}, **event},
            "ref_type": "branch",
            "ref_name": "main",
            "run_id": self.run_id,
            "event_name": next((name for name in ("pull_request", "workflow_run") if name in event), "push"),
        }
        defaults = {
            name: filled(str(each["default"]), {"github": github}) for name, each in ACTION["inputs"].items()
        }
        return {
            "inputs": {**defaults, **given},
            "runner": {"temp": str(self.temp)},
            "github": github,
            "steps": {"plan": {"outputs": job.outputs}, "run": {"outputs": job.outputs}},
        }

    def _is_due(self, step: Mapping[str, Any], job: Job, context: Mapping[str, Any]) -> bool:
        condition = str(step.get("if", "true"))
        return bool(evaluate(condition, context)) and (job.code == 0 or "always()" in condition)

    def _ended(self, step: Mapping[str, Any], running: "subprocess.Popen[str]", job: Job) -> None:
        log, _ = running.communicate(timeout=PATIENCE)
        job.steps.append(Step(step["name"], running.returncode, log))
        for line in self._read("output").splitlines():
            name, _, value = line.partition("=")
            job.outputs[name] = value

    def _read(self, name: str) -> str:
        path = self.temp / name
        return path.read_text("utf-8") if path.exists() else ""


@cache
def _repositories(files: tuple[tuple[str, bytes], ...]) -> Path:
    """A folder with a remote that has `files` on its main branch, and the repository of their author."""
    made = tempfile.TemporaryDirectory(prefix="repositories-")
    atexit.register(made.cleanup)
    folder = Path(made.name)
    remote, work = folder / "remote.git", folder / "author"
    git("init", "-q", "--bare", "-b", "main", remote, at=folder)
    (remote / "hooks").mkdir()
    # As forges do.
    git("config", "uploadpack.allowFilter", "true", at=remote)
    git("config", "uploadpack.allowAnySHA1InWant", "true", at=remote)
    git("init", "-q", "-b", "main", work, at=folder)
    for name, content in files:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(content)
    git("add", ".", at=work)
    git("commit", "-q", "-m", "A campaign", at=work)
    git("push", "-q", remote, "main", at=work)
    return folder


@dataclass(frozen=True, slots=True)
class Remote:
    """The repository that machines clone and push to."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, bytes]) -> "Remote":
        """A new repository with `files` on its main branch."""
        for made in _repositories(tuple(files.items())).iterdir():
            shutil.copytree(made, folder / made.name)
        return cls(folder / "remote.git")

    def names(self, branch: str) -> list[str]:
        """The files on a branch."""
        return git("ls-tree", "-r", "--name-only", branch, at=self.folder).splitlines()

    def commits(self, branch: str) -> list[str]:
        return git("log", "--format=%s", branch, at=self.folder).splitlines()

    def branches(self) -> list[str]:
        return git("for-each-ref", "--format=%(refname:short)", "refs/heads", at=self.folder).splitlines()

    def text(self, name: str, branch: str = "campaign-results") -> str:
        return git("cat-file", "blob", f"{branch}:{name}", at=self.folder)

    def results(self, name: str = "spring.results.json", branch: str = "campaign-results") -> Any:
        """A results manifest on a branch."""
        return json.loads(self.text(name, branch))

    def statuses(self, **where: str) -> list[str]:
        """The statuses of the purchases in the results manifest."""
        return sorted(each["status"] for each in self.results(**where)["purchases"])

    def commit(self, branch: str, name: str, content: str) -> str:
        """Commit one file on top of a branch, without moving the branch."""
        work = self.folder.parent / "author"
        git("fetch", "-q", self.folder, branch, at=work)
        git("checkout", "-q", "--detach", "FETCH_HEAD", at=work)
        (work / name).write_text(content, encoding="utf-8")
        git("add", name, at=work)
        git("commit", "-q", "-m", "another machine's", at=work)
        git("push", "-q", self.folder, "+HEAD:refs/prepared/commit", at=work)
        return git("rev-parse", "HEAD", at=work)

    def edit(self, branch: str, change: Callable[[Path], object]) -> None:
        """Commit to a branch whatever `change` does in a checkout of it."""
        work = self.folder.parent / "author"
        git("fetch", "-q", self.folder, branch, at=work)
        git("checkout", "-q", "--detach", "FETCH_HEAD", at=work)
        change(work)
        git("add", "--all", at=work)
        git("commit", "-q", "-m", "changed", at=work)
        git("push", "-q", self.folder, f"HEAD:{branch}", at=work)

    def remove(self, branch: str, *names: str) -> None:
        """Delete files from a branch."""
        work = self.folder.parent / "author"
        git("fetch", "-q", self.folder, branch, at=work)
        git("checkout", "-q", "--detach", "FETCH_HEAD", at=work)
        git("rm", "-q", *names, at=work)
        git("commit", "-q", "-m", "gone", at=work)
        git("push", "-q", self.folder, f"HEAD:{branch}", at=work)

    def move(self, branch: str, commit: str) -> None:
        """Move a branch to `commit`, as another machine's push does."""
        git("update-ref", f"refs/heads/{branch}", commit, at=self.folder)

    def refuse(self, branch: str) -> None:
        """Protect a branch."""
        hook = self.folder / "hooks" / "update"
        hook.write_text(f'#!/bin/sh\n[ "$1" != {shlex.quote(f"refs/heads/{branch}")} ]\n')
        hook.chmod(0o755)

    def refuse_other_refs(self) -> None:
        """Take pushes to branches only."""
        hook = self.folder / "hooks" / "update"
        hook.write_text("#!/bin/sh\ncase $1 in refs/heads/*) ;; *) exit 1 ;; esac\n")
        hook.chmod(0o755)

    def fails_once(self, branch: str) -> None:
        """Refuse the first push to a branch, as a server does that fails for a moment."""
        hook, failed = self.folder / "hooks" / "update", shlex.quote(str(self.folder / "failed"))
        hook.write_text(
            f'#!/bin/sh\n[ "$1" != {shlex.quote(f"refs/heads/{branch}")} ] || [ -e {failed} ] && exit 0\n'
            f"touch {failed}\nexit 1\n"
        )
        hook.chmod(0o755)

    def moves_before_the_push_of(self, machine: Machine, branch: str, commit: str) -> None:
        """Move `branch` to `commit` right before the machine's first push arrives."""
        hook = self.folder / "hooks" / "update"
        hook.write_text(
            "#!/bin/sh\n"
            f"[ -e {shlex.quote(str(machine.temp / 'moved'))} ] && exit 0\n"
            f"touch {shlex.quote(str(machine.temp / 'moved'))}\n"
            f"git --git-dir={shlex.quote(str(self.folder))} update-ref refs/heads/{branch} {commit}\n"
        )
        hook.chmod(0o755)
