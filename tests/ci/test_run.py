"""`command: run` of the action: after the merge, on machines that lose their disk, are cancelled, lost or late."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.campaigns import spring
from support.postgres import PostgresServer
from support.processes import until
from support.protection import fails_without

from ci.conftest import MANIFEST
from ci.hosting import PATIENCE, ROOT, Job, Machine, Remote, bare_environment, git
from pipeline.emulator.embedded import Emulator

Machines = Callable[..., Machine]


def titles(vendor: Emulator) -> list[str]:
    """The titles of the workflows sent to the vendor."""
    return [entry.title for entry in vendor.ledger.entries]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def replace_by_link(path: Path, target: Path) -> None:
    """Replace a file, a folder or a link by a link to `target`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.symlink_to(os.path.relpath(target, path.parent))


def forget_ledger(remote: Remote) -> None:
    """As if the campaign had only been published before there were ledgers."""
    git("update-ref", "-d", "refs/campaign-ledger/spring", at=remote.folder)


def impatient(machine: Machine) -> Machine:
    """It buys without waiting, as the workflows here never end."""
    machine.environment["PIPELINE_NO_WAIT"] = "1"
    return machine


def test_first_run_publishes_its_results_on_their_own_branch(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    job = machine(real=True).uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 0, job.log
    assert remote.statuses() == ["done", "done"]
    assert remote.names("campaign-results") == ["spring.results.json"]
    assert remote.commits("main") == ["A campaign"]
    assert len(titles(vendor)) == 2


def test_next_machine_buys_nothing_again_and_shows_nothing_to_do(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    machine().uses(command="run", campaigns=MANIFEST, first="spring")
    before = remote.commits("campaign-results")

    again = machine("two").uses(command="run", campaigns=MANIFEST)
    said_to_be_first = machine("three").uses(command="run", campaigns=MANIFEST, first="spring")
    planned = machine("four").uses(campaigns=f"{MANIFEST}\n")

    assert (again.code, said_to_be_first.code) == (0, 0), again.log + said_to_be_first.log
    assert "nothing to do" in planned.summary, planned.log
    assert len(titles(vendor)) == 2
    assert remote.commits("campaign-results") == before


def test_run_without_results_buys_nothing_unless_declared_first(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    first = machine().uses(command="run", campaigns=MANIFEST)
    again = machine("two").uses(command="run", campaigns=MANIFEST)

    assert (first.code, again.code) == (3, 3), first.log
    assert "start it by hand" in first.log
    assert titles(vendor) == []
    # Nothing is left that would count as results.
    assert remote.branches() == ["main"]


@pytest.mark.parametrize(
    ("first", "key", "limit", "code"), [("spring", "", "9", 5), ("spring", "k", "1", 4), ("", "k", "9", 3)]
)
def test_run_that_buys_nothing_lists_its_jobs_in_the_summary(
    machine: Machines, vendor: Emulator, first: str, key: str, limit: str, code: int
) -> None:
    one = machine()
    one.environment["PIPELINE_MAX_CREATES"] = limit
    one.key = key and one.key

    job = one.uses(command="run", campaigns=MANIFEST, first=first)

    assert job.outputs["exit-code"] == str(code), job.log
    assert titles(vendor) == []
    assert "spring: 2 pending" in job.summary
    # What ends before its jobs are planned has no report of them.
    assert ("junit" in job.outputs) == (code == 4)


def test_results_beside_the_manifest_are_one_file_of_one_commit(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    one = machine().uses(command="run", campaigns=MANIFEST, first="spring", results="beside")
    two = machine("two").uses(command="run", campaigns=MANIFEST, results="beside")

    assert (one.code, two.code) == (0, 0), one.log + two.log
    assert len(titles(vendor)) == 2
    assert remote.statuses(name="campaigns/spring.results.json", branch="main") == ["done", "done"]
    assert set(remote.names("main")) == {
        "campaigns/images/red.png",
        "campaigns/spring.results.json",
        "campaigns/spring.yaml",
    }
    # A push with another token than the job's own must not trigger the workflow again and again.
    assert all("[skip ci]" in each for each in remote.commits("main")[:-1])


def test_run_publishes_results_of_its_own_campaign_only(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    """Those of others, as this checkout has them, may be deleted on the branch by now, or a link."""

    def add_others(work: Path) -> None:
        write(work / "campaigns/winter.results.json", "{}")
        write(work / "common/autumn.results.json", "{}")
        (work / "campaigns/autumn.results.json").symlink_to("../common/autumn.results.json")

    remote.edit("main", add_others)
    late = machine()
    remote.remove("main", "campaigns/winter.results.json")

    job = late.uses(command="run", campaigns=MANIFEST, first="spring", results="beside")

    assert job.code == 0, job.log
    assert remote.statuses(name="campaigns/spring.results.json", branch="main") == ["done", "done"]
    assert "campaigns/winter.results.json" not in remote.names("main")
    assert remote.text("campaigns/autumn.results.json", "main") == "../common/autumn.results.json"


def test_second_machine_buys_nothing(remote: Remote, machine: Machines, vendor: Emulator) -> None:
    second = machine()
    theirs = remote.commit("main", "spring.results.json", "{}")
    remote.moves_before_the_push_of(second, "campaign-results", theirs)

    job = second.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 8, job.log
    assert "spring.results.json" in job.log
    assert titles(vendor) == []


def test_results_of_other_campaigns_published_meanwhile_block_nobody(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    remote.move("campaign-results", remote.commit("main", "autumn.results.json", "older"))
    one = machine()
    theirs = remote.commit("campaign-results", "autumn.results.json", "newer")
    remote.moves_before_the_push_of(one, "campaign-results", theirs)

    job = one.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 0, job.log
    assert len(titles(vendor)) == 2
    assert remote.statuses() == ["done", "done"]
    assert remote.text("autumn.results.json") == "newer"


def test_merge_during_a_run_is_kept_and_does_not_affect_the_run(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    one = machine()
    remote.moves_before_the_push_of(one, "main", remote.commit("main", "note.txt", "merged"))

    job = one.uses(command="run", campaigns=MANIFEST, first="spring", results="beside")

    assert job.code == 0, job.log
    assert remote.statuses(name="campaigns/spring.results.json", branch="main") == ["done", "done"]
    assert remote.text("note.txt", "main") == "merged"
    assert not (one.workspace / "note.txt").exists()


def test_run_behind_its_branch_buys_nothing(remote: Remote, machine: Machines, vendor: Emulator) -> None:
    late = machine()
    newer = remote.text(MANIFEST, "main").replace('"in_flight": 1', '"in_flight": 2')
    remote.move("main", remote.commit("main", MANIFEST, newer))

    job = late.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 8, job.log
    moved_on = (
        f"main has moved on: {MANIFEST} has changed since this run was planned; the run of the newer commit"
    )
    assert moved_on in job.log
    assert titles(vendor) == []
    assert "running this one again does not help" in job.log
    assert "What to do: unless the message says that running again does not help, " in job.log
    # No later attempt can do better, so the schedule makes none.
    assert job.outputs["outdated"] == "true"


class TestBehindItsBranch:
    """A run buys nothing if anything that it was made from is something else on its branch by now."""

    @staticmethod
    def refused(job: Job, what: str, vendor: Emulator) -> None:
        assert job.code == 8, job.log
        assert f"main has moved on: {what} has changed since this run was planned" in job.log
        assert titles(vendor) == []

    def test_first_decisions(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        late = machine()
        remote.edit(
            "main",
            lambda work: write(work / "campaigns/spring.decisions.yaml", "version: 1\ndecisions: []\n"),
        )

        job = late.uses(command="run", campaigns=MANIFEST, first="spring")

        self.refused(job, "campaigns/spring.decisions.yaml", vendor)

    def test_linked_decisions(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        def link(work: Path) -> None:
            write(work / "common/decisions.yaml", "version: 1\ndecisions: []\n")
            (work / "campaigns/spring.decisions.yaml").symlink_to("../common/decisions.yaml")

        remote.edit("main", link)
        late = machine()
        remote.edit(
            "main", lambda work: write(work / "common/decisions.yaml", "# none\nversion: 1\ndecisions: []\n")
        )

        job = late.uses(command="run", campaigns=MANIFEST, first="spring")

        self.refused(job, "common/decisions.yaml", vendor)

    def test_file_of_vars(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        remote.edit("main", lambda work: write(work / "vars.yaml", "season: summer\n"))
        late = machine()
        late.environment["PIPELINE_VAR_FILE"] = "vars.yaml"
        remote.edit("main", lambda work: write(work / "vars.yaml", "season: winter\n"))

        job = late.uses(command="run", campaigns=MANIFEST, first="spring")

        self.refused(job, "vars.yaml", vendor)

    @pytest.mark.parametrize("linked", ["campaigns/images/red.png", "campaigns/images"])
    def test_link_that_leads_elsewhere(
        self, remote: Remote, machine: Machines, vendor: Emulator, linked: str
    ) -> None:
        def link(work: Path) -> None:
            for name in ("one", "two"):
                shutil.copytree(work / "campaigns/images", work / name)
            replace_by_link(work / linked, work / "one" / Path(linked).relative_to("campaigns/images"))

        remote.edit("main", link)
        late = machine()
        remote.edit(
            "main",
            lambda work: replace_by_link(
                work / linked, work / "two" / Path(linked).relative_to("campaigns/images")
            ),
        )

        job = late.uses(command="run", campaigns=MANIFEST, first="spring")

        self.refused(job, linked, vendor)

    def test_linked_manifest(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        def link(work: Path) -> None:
            shutil.copy(work / MANIFEST, work / "campaigns/shared.yaml")
            replace_by_link(work / MANIFEST, work / "campaigns/shared.yaml")

        newer = remote.text(MANIFEST, "main").replace("a dance in the rain", "a dance in the sun")
        remote.edit("main", link)
        late = machine()

        def unlink(work: Path) -> None:
            (work / MANIFEST).unlink()
            write(work / MANIFEST, newer)

        remote.edit("main", unlink)

        job = late.uses(command="run", campaigns=MANIFEST, first="spring")

        self.refused(job, MANIFEST, vendor)

    @pytest.mark.parametrize(
        ("manifest", "submodule"), [(MANIFEST, "campaigns/images"), ("all/spring.yaml", "all")]
    )
    def test_submodule(
        self, remote: Remote, machine: Machines, vendor: Emulator, manifest: str, submodule: str
    ) -> None:
        """With the images in it, or with the whole campaign."""
        inner = remote.folder.parent / "inner"
        git("init", "-q", "-b", "main", inner, at=remote.folder.parent)

        def move(work: Path) -> None:
            shutil.copytree(
                work / ("campaigns/images" if manifest == MANIFEST else "campaigns"),
                inner,
                dirs_exist_ok=True,
            )
            git("add", "--all", at=inner)
            git("commit", "-q", "-m", "theirs", at=inner)
            git("rm", "-q", "-r", "campaigns/images" if manifest == MANIFEST else "campaigns", at=work)
            git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, submodule, at=work)

        def update(work: Path) -> None:
            write(inner / "note.txt", "changed")
            git("add", "--all", at=inner)
            git("commit", "-q", "-m", "changed", at=inner)
            git("pull", "-q", inner, "main", at=work / submodule)

        remote.edit("main", move)
        late = machine()
        git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", at=late.workspace)
        remote.edit("main", update)

        job = late.uses(command="run", campaigns=manifest, first="spring")

        self.refused(job, submodule, vendor)

    def test_submodule_of_a_submodule(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        inner, outer = remote.folder.parent / "inner", remote.folder.parent / "outer"
        submodule = ("-c", "protocol.file.allow=always", "submodule", "--quiet")
        for folder in (inner, outer):
            git("init", "-q", "-b", "main", folder, at=remote.folder.parent)

        def move(work: Path) -> None:
            shutil.copytree(work / "campaigns", inner, dirs_exist_ok=True)
            git("add", "--all", at=inner)
            git("commit", "-q", "-m", "theirs", at=inner)
            git(*submodule, "add", inner, "in", at=outer)
            git("commit", "-q", "-m", "theirs", at=outer)
            git(*submodule, "add", outer, "all", at=work)

        def update(work: Path) -> None:
            write(inner / "note.txt", "changed")
            git("add", "--all", at=inner)
            git("commit", "-q", "-m", "changed", at=inner)
            git("pull", "-q", inner, "main", at=outer / "in")
            git("commit", "-q", "-a", "-m", "changed", at=outer)
            git("pull", "-q", outer, "main", at=work / "all")

        remote.edit("main", move)
        late = machine()
        git(*submodule, "update", "--init", "--recursive", at=late.workspace)
        remote.edit("main", update)

        job = late.uses(command="run", campaigns="all/in/spring.yaml", first="spring")

        self.refused(job, "all", vendor)


def test_other_commits_on_its_branch_do_not_matter(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    late = machine()
    remote.move("main", remote.commit("main", "campaigns/autumn.yaml", "version: 1"))

    job = late.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 0, job.log
    assert len(titles(vendor)) == 2


def test_hooks_and_attributes_of_the_repository_have_no_effect(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    attributes = "*.json text eol=crlf filter=upper\n"
    remote.move("main", remote.commit("main", ".gitattributes", attributes))
    one = machine()
    git("config", "filter.upper.clean", "tr a-z A-Z", at=one.workspace)
    hooks = one.workspace / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-push", "reference-transaction", "post-index-change"):
        (hooks / name).write_text("#!/bin/sh\ntouch ran\n")
        (hooks / name).chmod(0o755)

    job = one.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 0, job.log
    assert remote.statuses() == ["done", "done"]
    assert not list(one.workspace.rglob("ran"))


def test_folder_in_place_of_results_is_refused_before_buying(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    (remote.folder.parent / "author" / "spring.results.json").mkdir()
    remote.move("campaign-results", remote.commit("main", "spring.results.json/file", "theirs"))

    planned = machine().uses(campaigns=MANIFEST)
    job = machine("two").uses(command="run", campaigns=MANIFEST, first="spring")

    assert planned.code == 0, planned.log
    assert job.code == 8, job.log
    assert titles(vendor) == []
    assert remote.text("spring.results.json/file") == "theirs"


def test_renamed_campaign_is_not_bought_again(remote: Remote, machine: Machines, vendor: Emulator) -> None:
    machine().uses(command="run", campaigns=MANIFEST, first="spring")
    renamed = machine("two")
    manifest = renamed.workspace / MANIFEST
    manifest.write_text(manifest.read_text().replace('"name": "spring"', '"name": "summer"'))

    job = renamed.uses(command="run", campaigns=MANIFEST, first="spring")

    assert job.code == 3, job.log
    assert "was called 'spring' then and is 'summer' now" in job.log
    assert len(titles(vendor)) == 2


def test_push_that_fails_once_is_tried_again(remote: Remote, machine: Machines, vendor: Emulator) -> None:
    remote.fails_once("main")

    job = machine().uses(command="run", campaigns=MANIFEST, first="spring", results="beside")

    assert job.code == 0, job.log
    assert (remote.folder / "failed").exists()
    assert len(titles(vendor)) == 2


def test_protected_branch_is_reported_before_buying(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    remote.refuse("main")

    job = machine().uses(command="run", campaigns=MANIFEST, first="spring", results="beside")

    assert job.code == 8, job.log
    assert "Is the branch protected" in job.log
    assert titles(vendor) == []


def what_git_is_told(machine: Machine) -> Path:
    """A file that gets the names in the environment of each git that the scripts start; the tool's own is its own."""
    told = machine.temp / "told"
    wrapper = machine.temp.parent / "bin" / "git"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$*" in *core.fsmonitor=*) ;; *) env | cut -d= -f1 >>{told} ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    wrapper.chmod(0o755)
    return told


def test_git_is_told_no_secret_but_the_token_that_it_asks_for(
    remote: Remote, machine: Machines, vendor: Emulator
) -> None:
    one = machine()
    told = what_git_is_told(one)
    names = ("ACME_API_KEY", "ACME_KEY", "CAMPAIGN_NOTE_TOKEN", "CAMPAIGN_TOKEN", "NPM_TOKEN", "PGPASSWORD")
    secrets = dict.fromkeys(names, "secret")
    one.environment |= {**secrets, "GIT_CONFIG_COUNT": "1"}
    one.environment |= {"GIT_CONFIG_KEY_0": "campaign.kept", "GIT_CONFIG_VALUE_0": "1"}

    for command in ("plan", "run", "collect"):
        job = one.uses(command=command, campaigns=MANIFEST, first="spring")
        assert job.code == 0, job.log

    seen = set(told.read_text().split())
    assert not seen & {*secrets, "VIMMERSE_API_KEY"}
    assert {"CAMPAIGN_PUSH_TOKEN", "GIT_CONFIG_KEY_0", "GIT_ASKPASS"} <= seen


def test_without_a_token_git_keeps_what_its_own_helper_may_need(machine: Machines) -> None:
    one = machine()
    told = what_git_is_told(one)
    one.environment |= {"AWS_SECRET_ACCESS_KEY": "a", "ACME_API_KEY": "b", "CAMPAIGN_NOTE_TOKEN": "c"}

    job = one.uses(command="run", campaigns=MANIFEST, first="spring", token="")

    assert job.code == 0, job.log
    seen = set(told.read_text().split())
    assert "AWS_SECRET_ACCESS_KEY" in seen
    assert not seen & {"ACME_API_KEY", "CAMPAIGN_NOTE_TOKEN", "VIMMERSE_API_KEY"}


@pytest.mark.parametrize("first", ["", "spring"], ids=["another run", "another attempt"])
def test_machine_after_a_lost_one_buys_nothing_twice(
    remote: Remote, machine: Machines, slow_vendor: Emulator, first: str
) -> None:
    lost = machine(url=slow_vendor.url)
    lost.begin_run(campaigns=MANIFEST, first="spring")
    until(lambda: bool(titles(slow_vendor)), "the first create")
    lost.lose()

    for name in ("two", "three"):
        one = impatient(machine(name, url=slow_vendor.url))
        if first:
            one.run_id = lost.run_id
        job = one.uses(command="run", campaigns=MANIFEST, first=first)
        assert job.code == 8, job.log

    # The one that the lost machine may still be sending and the other job's, once each.
    assert remote.statuses() == ["attention", "submitted"]
    assert len(titles(slow_vendor)) == 2


def test_cancelled_run_saves_and_publishes_what_it_bought(
    remote: Remote, machine: Machines, slow_vendor: Emulator
) -> None:
    one = machine(url=slow_vendor.url, real=True)
    running = one.begin_run(campaigns=MANIFEST, first="spring")
    until(lambda: bool(titles(slow_vendor)), "the first create")

    # Only to the first process of the step, like GitHub's runner; a process between would keep it from the run.
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=PATIENCE)

    assert running.returncode == 130, said
    [bought] = [each for each in remote.results()["purchases"] if each["status"] != "void"]
    assert bought["workflow_id"] == slow_vendor.ledger.entries[0].workflow_id


def test_interrupt_to_all_processes_of_a_run_counts_once(tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to each of them, and a second one would end the run at once."""
    command = tmp_path / "command.py"
    command.write_text(
        "import signal\n"
        "signals = {signal.SIGINT, signal.SIGTERM}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signals)\n"
        "print('ready', flush=True)\n"
        "print(*sorted(signal.sigwait(signals).name for _ in signals))\n"
        "raise SystemExit(143)\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-I", ROOT / "ci" / "forward.py", sys.executable, command],
        env=bare_environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "ready\n"

    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=PATIENCE)

    assert said == "SIGINT SIGTERM\n"
    # The code of an interrupt, whichever signal the command heard first.
    assert running.returncode == 130


def test_cancelled_collect_stops_and_verifies_nothing(machine: Machines) -> None:
    one = machine()
    (one.temp.parent / "bin" / "pipeline").write_text('#!/bin/sh\necho "begins: $1"\nexec sleep 3600\n')
    running = one.begin_run("collect", campaigns=MANIFEST)
    assert running.stdout is not None
    assert any("begins: collect" in line for line in running.stdout)

    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=PATIENCE)

    assert running.returncode == 130, said
    assert "begins: verify" not in said


@pytest.mark.parametrize("meanwhile", [False, True], ids=["alone", "another machine was there meanwhile"])
def test_unpublished_results_of_a_killed_run_are_published_afterwards(
    remote: Remote, machine: Machines, vendor: Emulator, slow_vendor: Emulator, meanwhile: bool
) -> None:
    remote.move("campaign-results", remote.commit("main", "autumn.results.json", "older"))
    one = machine(url=slow_vendor.url, real=not meanwhile)
    running = one.begin_run(campaigns=MANIFEST, first="spring")
    assert running.stdout is not None
    assert any("bought as" in line for line in running.stdout)
    one.switch_off()
    assert remote.statuses() == ["submitting"]
    if meanwhile:
        impatient(machine("two", url=slow_vendor.url)).uses(command="run", campaigns=MANIFEST)
        assert "attention" in remote.statuses()
        remote.move("campaign-results", remote.commit("campaign-results", "autumn.results.json", "newer"))

    job = one.finish(campaigns=MANIFEST)

    assert job.code == 0, job.log
    bought = {entry.workflow_id for entry in slow_vendor.ledger.entries}
    assert len(bought) == (2 if meanwhile else 1)
    assert bought == {each.get("workflow_id") for each in remote.results()["purchases"]}
    assert "attention" not in remote.statuses()
    assert remote.text("autumn.results.json") == ("newer" if meanwhile else "older")


def test_results_known_only_to_a_shared_database_are_published_afterwards(
    remote: Remote, machine: Machines, slow_vendor: Emulator, postgres: PostgresServer
) -> None:
    one = machine(url=slow_vendor.url)
    one.environment["PIPELINE_STATE"] = postgres.database().url
    before = one.finish(campaigns=MANIFEST)
    assert before.code == 0, before.log
    assert "campaign-results" not in remote.branches()
    running = one.begin_run(campaigns=MANIFEST, first="spring")
    assert running.stdout is not None
    assert any("bought as" in line for line in running.stdout)
    one.switch_off()
    assert remote.statuses() == ["submitting"]

    job = one.finish(campaigns=MANIFEST)

    assert job.code == 0, job.log
    [bought] = [each for each in remote.results()["purchases"] if each["status"] != "void"]
    assert bought["workflow_id"] == slow_vendor.ledger.entries[0].workflow_id
    summary = (one.temp / "summary").read_text()
    assert "spring: " in summary
    assert "Spent in all" in summary


def test_unreachable_database_fails_the_job_and_publishes_nothing(
    remote: Remote, machine: Machines, slow_vendor: Emulator, postgres: PostgresServer
) -> None:
    """Only that database knows what the run bought: nothing is published, and the job fails visibly."""
    one, database = machine(url=slow_vendor.url), postgres.database()
    one.environment["PIPELINE_STATE"] = database.url
    running = one.begin_run(campaigns=MANIFEST, first="spring")
    assert running.stdout is not None
    assert any("bought as" in line for line in running.stdout)
    one.switch_off()
    published = remote.text("spring.results.json")
    one.environment["PIPELINE_STATE"] = "postgresql://127.0.0.1:1/gone"

    job = one.finish(campaigns=MANIFEST)

    assert job.code == 8, job.log
    assert "the database is unreachable" in job.log
    assert remote.text("spring.results.json") == published


class TestOtherParts:
    """Machines that divide one campaign differently, or not at all, at the same time."""

    @staticmethod
    def published(remote: Remote, machine: Machines, shard: str = "", **flags: str) -> str:
        """The tip of the results after another machine's run; the branch is as if it had not run yet."""
        other = machine("other")
        other.environment.update(flags)
        job = other.uses(command="run", campaigns=MANIFEST, first="spring", shard=shard)
        assert job.code == 0, job.log
        tip = git("rev-parse", "campaign-results", at=remote.folder)
        for ref in ("refs/heads/campaign-results", "refs/campaign-ledger/spring"):
            git("update-ref", "-d", ref, at=remote.folder)
        return tip

    @fails_without("pipeline.operations.run:CampaignRun._read_others", "theirs = join_all(")
    def test_purchases_of_an_undivided_run_serve_a_shard(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        theirs = self.published(remote, machine)
        shard = machine()
        remote.moves_before_the_push_of(shard, "campaign-results", theirs)

        job = shard.uses(command="run", campaigns=MANIFEST, first="spring", shard="1/1")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_purchases_with_other_variables_count_against_the_budget_of_a_shard(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        seasonal = spring(vars={"season": "spring"}, prompts={"walk": "{{ season }}"}, limits={"budget": 100})
        remote.move("main", remote.commit("main", MANIFEST, json.dumps(seasonal)))
        theirs = self.published(remote, machine, PIPELINE_VAR="season=summer")
        shard = machine()
        remote.moves_before_the_push_of(shard, "campaign-results", theirs)

        job = shard.uses(command="run", campaigns=MANIFEST, first="spring", shard="1/1")

        assert job.code == 4, job.log
        assert "with what other machines bought, the budget would be exceeded" in job.log
        assert len(titles(vendor)) == 1

    @fails_without(
        "pipeline.planning.split:caps_of_part",
        "return replace(caps,",
        swap=("replace(caps,", "replace(caps, budget=None if caps.budget is None else part.credits,"),
    )
    def test_purchases_of_other_shards_leave_a_shard_its_share_of_the_budget(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        one_each = spring(prompts={"walk": "a walk in the park", "run": "a run"}, limits={"budget": 200})
        remote.move("main", remote.commit("main", MANIFEST, json.dumps(one_each)))
        theirs = self.published(remote, machine, shard="1/2")
        shard = machine("shard2")
        remote.moves_before_the_push_of(shard, "campaign-results", theirs)

        job = shard.uses(command="run", campaigns=MANIFEST, first="spring", shard="2/2")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_results_of_another_part_that_cannot_be_read_stop_buying_and_hide_nothing(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        whole = machine()
        theirs = remote.commit("main", "spring.results.1-of-2.json", "{}")
        remote.moves_before_the_push_of(whole, "campaign-results", theirs)

        job = whole.uses(command="run", campaigns=MANIFEST, first="spring")

        assert job.code == 3, job.log
        assert "spring.results.1-of-2.json" in job.log
        assert titles(vendor) == []
        # What it had said that it would buy is taken back, and others learn that.
        assert remote.statuses() == ["void"]
        assert remote.text("spring.results.1-of-2.json") == "{}"

    def test_shards_that_start_at_once_buy_everything_once_within_the_budget(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        prompts = {f"p{number}": f"take {number}" for number in range(12)}
        exact = spring(prompts=prompts, limits={"budget": 1200, "in_flight": 4})
        remote.move("main", remote.commit("main", MANIFEST, json.dumps(exact)))
        shards = [f"{number}/4" for number in range(1, 5)]
        machines = [machine(f"shard{shard[0]}") for shard in shards]

        running = [
            each.begin_run(campaigns=MANIFEST, first="spring", shard=shard)
            for each, shard in zip(machines, shards, strict=True)
        ]
        logs = [each.communicate(timeout=PATIENCE)[0] for each in running]

        assert [each.returncode for each in running] == [0] * 4, "\n".join(logs)
        assert len(titles(vendor)) == len(set(titles(vendor))) == 12


@pytest.mark.parametrize("results", ["branch", "beside"])
@pytest.mark.parametrize("folder", ["-x", "c:d"])
def test_folder_may_look_like_an_option_or_a_url(
    remote: Remote, machine: Machines, vendor: Emulator, folder: str, results: str
) -> None:
    remote.edit("main", lambda work: (work / "campaigns").rename(work / folder))

    codes = [
        machine(f"{command}{number}")
        .uses(
            command=command,
            campaigns=folder if command == "plan" else f"{folder}/spring.yaml",
            first="" if number else "spring",
            results=results,
        )
        .code
        for number, command in enumerate(("run", "run", "plan", "collect"))
    ]

    assert codes == [0] * 4
    assert len(titles(vendor)) == 2


@pytest.mark.parametrize("command", ["run", "collect"])
def test_results_are_not_kept_beside_a_manifest_of_another_repository(
    remote: Remote, machine: Machines, vendor: Emulator, command: str
) -> None:
    """They would be those of this repository's campaign of the same folder and name."""
    inner = remote.folder.parent / "inner"
    git("init", "-q", "-b", "main", inner, at=remote.folder.parent)

    def move(work: Path) -> None:
        shutil.copytree(work / "campaigns", inner / "campaigns")
        git("add", "--all", at=inner)
        git("commit", "-q", "-m", "theirs", at=inner)
        git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "sub", at=work)

    remote.edit("main", move)
    one = machine()
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", at=one.workspace)

    job = one.uses(command=command, campaigns=f"sub/{MANIFEST}", first="spring", results="beside")

    assert job.code == 64, job.log
    assert f"sub/{MANIFEST} is in another repository, such as a submodule" in job.log
    assert not titles(vendor)
    assert not [name for name in remote.names("main") if "results" in name]


class TestNoRecords:
    """Records without purchases do not count as records of the campaign."""

    @staticmethod
    def lose_results(remote: Remote) -> None:
        """Delete the results of spring from their branch, but not those of another campaign."""
        remote.move("campaign-results", remote.commit("campaign-results", "autumn.results.json", "{}"))
        remote.remove("campaign-results", "spring.results.json")

    def test_collect_after_results_were_lost_does_not_cause_buying_again(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        machine().uses(command="run", campaigns=MANIFEST, first="spring")
        self.lose_results(remote)

        collected = machine("two").uses(command="collect", campaigns=MANIFEST)
        again = machine("three").uses(command="run", campaigns=MANIFEST)

        assert collected.code == 0, collected.log
        assert remote.names("campaign-results") == ["autumn.results.json"]
        assert again.code == 3, again.log
        assert len(titles(vendor)) == 2

    def test_published_results_without_purchases_do_not_count_either(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        machine().uses(command="run", campaigns=MANIFEST, first="spring")
        empty = {**remote.results(), "purchases": [], "jobs": [], "summary": {"jobs": {}, "credits": 0}}
        moved = remote.commit("campaign-results", "spring.results.json", json.dumps(empty))
        remote.move("campaign-results", moved)

        refused = machine("two").uses(command="run", campaigns=MANIFEST)

        assert refused.code == 3, refused.log
        assert "start it by hand with first=spring" in refused.log
        assert len(titles(vendor)) == 2
        assert machine("three").uses(command="run", campaigns=MANIFEST, first="spring").code == 0

    def test_collect_of_a_campaign_that_never_ran_publishes_nothing(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        machine().uses(command="run", campaigns=MANIFEST, first="spring")
        TestFirst.merge_autumn(remote)

        job = machine("two").uses(command="collect", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert remote.names("campaign-results") == ["spring.results.json"]

    def test_reused_checkout_does_not_mix_campaigns(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        TestFirst.merge_autumn(remote)
        one = machine()
        one.uses(command="run", campaigns=MANIFEST, first="spring")

        first = one.uses(command="run", campaigns="campaigns/autumn.yaml")
        second = one.uses(command="run", campaigns="campaigns/autumn.yaml")

        assert (first.code, second.code) == (3, 3), second.log
        assert remote.names("campaign-results") == ["spring.results.json"]
        assert len(titles(vendor)) == 2

    def test_frozen_run_publishes_nothing(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        one = machine()
        one.environment["PIPELINE_FROZEN"] = "1"

        job = one.uses(command="run", campaigns=MANIFEST, first="spring")

        assert job.code == 4, job.log
        assert remote.branches() == ["main"]

    def test_collect_fetches_what_shards_bought(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        for number in (1, 2):
            one = impatient(machine(f"shard{number}"))
            job = one.uses(command="run", campaigns=MANIFEST, shard=f"{number}/2", first="spring")
            assert job.code == 0, job.log
        assert set(remote.names("campaign-results")) == {
            "spring.results.1-of-2.json",
            "spring.results.2-of-2.json",
        }

        collecting = machine("collect")
        job = collecting.uses(command="collect", campaigns=MANIFEST)

        assert job.code == 0, job.log
        assert len(list((collecting.workspace / "campaigns" / "output").rglob("*.mp4"))) == 2
        assert remote.statuses() == ["done", "done"]
        assert machine("after").uses(command="run", campaigns=MANIFEST).code == 0
        assert len(titles(vendor)) == 2


class TestLostResults:
    """Some results of a campaign are missing from their branch, and others still exist."""

    @staticmethod
    def run_in_shards(remote: Remote, machine: Machines, results: str = "branch") -> None:
        """Each of two shards buys one job. The second knows both purchases, the first only its own."""
        one_each = remote.text(MANIFEST, "main").replace('"dance": "a dance in the rain"', '"run": "a run"')
        remote.move("main", remote.commit("main", MANIFEST, one_each))
        for number in (1, 2):
            job = machine(f"shard{number}").uses(
                command="run", campaigns=MANIFEST, shard=f"{number}/2", first="spring", results=results
            )
            assert job.code == 0, job.log

    @pytest.mark.parametrize(
        ("results", "shard"),
        [("branch", "1/2"), ("branch", ""), ("beside", "2/2")],
        ids=["the other shard", "undivided", "its shard"],
    )
    def test_purchases_known_only_to_a_lost_shard_are_not_bought_again(
        self, remote: Remote, machine: Machines, vendor: Emulator, results: str, shard: str
    ) -> None:
        self.run_in_shards(remote, machine, results=results)
        branch, folder = ("main", "campaigns/") if results == "beside" else ("campaign-results", "")
        remote.remove(branch, f"{folder}spring.results.2-of-2.json")

        job = machine("after").uses(command="run", campaigns=MANIFEST, shard=shard, results=results)

        assert job.code == 3, job.log
        lost = f"{folder}spring.results.2-of-2.json"
        assert f"The ledger refs/campaign-ledger/spring has or had results of spring at {lost}" in job.log
        assert "start it by hand with first=spring" in job.log
        assert job.outputs["exit-code"] == "3"
        assert len(titles(vendor)) == 2

    def test_shards_may_be_deleted_after_a_merge(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine)
        shards = ["spring.results.1-of-2.json", "spring.results.2-of-2.json"]
        harness = machine("harness")
        for name in shards:
            (harness.workspace / name).write_text(remote.text(name), encoding="utf-8")
        merging = harness.script(f"pipeline merge {' '.join(shards)} --out spring.results.json", {})
        said, _ = merging.communicate(timeout=PATIENCE)
        assert merging.returncode == 0, said
        merged = (harness.workspace / "spring.results.json").read_text("utf-8")
        remote.move("campaign-results", remote.commit("campaign-results", "spring.results.json", merged))
        remote.remove("campaign-results", *shards)

        whole = machine("whole").uses(command="run", campaigns=MANIFEST)
        shard = machine("shard").uses(command="run", campaigns=MANIFEST, shard="1/3")

        assert (whole.code, shard.code) == (0, 0), whole.log + shard.log
        assert len(titles(vendor)) == 2

    @staticmethod
    def move(remote: Remote, *results: str) -> None:
        """Move the campaign to another folder, with these of its results."""

        def move(work: Path) -> None:
            (work / "moved").mkdir(exist_ok=True)
            for name in ("spring.yaml", "images", *results):
                if (work / "campaigns" / name).exists():
                    (work / "campaigns" / name).rename(work / "moved" / name)

        remote.edit("main", move)

    def test_results_that_a_moved_campaign_left_behind_are_not_bought_again(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine, results="beside")
        self.move(remote, "spring.results.1-of-2.json")

        job = machine("after").uses(command="run", campaigns="moved/spring.yaml", results="beside")

        assert job.code == 3, job.log
        assert (
            "has or had results of spring at campaigns/spring.results.2-of-2.json, which this run does not know. "
            "If they are of this campaign, put them at moved/spring.results.2-of-2.json on main." in job.log
        )
        assert "start it by hand with first=spring" in job.log
        assert job.outputs["exit-code"] == "3"
        assert len(titles(vendor)) == 2

        self.move(remote, "spring.results.2-of-2.json")
        whole = machine("whole").uses(command="run", campaigns="moved/spring.yaml", results="beside")
        assert whole.code == 0, whole.log
        assert len(titles(vendor)) == 2

    def test_results_left_behind_under_a_name_that_is_taken_are_to_be_joined(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine, results="beside")
        self.move(remote, "spring.results.1-of-2.json")
        other = json.dumps({**remote.results("moved/spring.results.1-of-2.json", "main"), "purchases": []})
        remote.edit("main", lambda work: write(work / "moved/spring.results.2-of-2.json", other))

        job = machine("after").uses(command="run", campaigns="moved/spring.yaml", results="beside")

        assert job.code == 3, job.log
        assert "join them (`pipeline merge`) with moved/spring.results.2-of-2.json on main." in job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize("then", ["moved", "branch"])
    def test_results_that_were_cut_and_taken_along_are_not_bought_again(
        self, remote: Remote, machine: Machines, vendor: Emulator, then: str
    ) -> None:
        name = "campaigns/spring.results.json"
        assert machine().uses(command="run", campaigns=MANIFEST, first="spring", results="beside").code == 0
        whole = remote.results(name, "main")
        cut = json.dumps({**whole, "jobs": [], "purchases": whole["purchases"][:1]})
        remote.edit("main", lambda work: write(work / name, cut))
        if then == "moved":
            self.move(remote, "spring.results.json")
        else:
            remote.move("campaign-results", remote.commit("main", "spring.results.json", cut))
        forget_ledger(remote)
        manifest, results = ("moved/spring.yaml", "beside") if then == "moved" else (MANIFEST, "branch")

        job = machine("after").uses(command="run", campaigns=manifest, results=results)

        assert job.code == 3, job.log
        assert f"had results of spring at {name}, which this run does not know" in job.log
        assert len(titles(vendor)) == 2

    def test_results_left_behind_that_others_include_do_not_matter(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine, results="beside")
        self.move(remote, "spring.results.2-of-2.json")

        job = machine("after").uses(command="run", campaigns="moved/spring.yaml", results="beside")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(
        ("manifest", "text", "code"),
        [
            (MANIFEST, None, 0),
            (MANIFEST, "name: spring # again\nversion: 1\n", 0),
            (MANIFEST, "name: winter\nversion: 1\njobs:\n- name: spring\n", 3),
            (MANIFEST, "version: 1\nvars:\n  season: {name: spring, light: cold}\n", 3),
            (MANIFEST, '{"version": 1, "vars": {"name": "spring"}}', 3),
            ("campaigns/base.yaml", "name: spring\nversion: 1\n", 3),
            ("campaigns/below/spring.yaml", None, 3),
        ],
    )
    def test_two_campaigns_of_one_name_are_told_apart_by_their_manifests(
        self,
        remote: Remote,
        machine: Machines,
        vendor: Emulator,
        manifest: str,
        text: str | None,
        code: int,
    ) -> None:
        self.run_in_shards(remote, machine, results="beside")
        spring_again = text or remote.text(MANIFEST, "main")
        self.move(remote, "spring.results.1-of-2.json")
        remote.edit("main", lambda work: write(work / manifest, spring_again))

        job = machine("after").uses(command="run", campaigns="moved/spring.yaml", results="beside")

        assert job.code == code, job.log
        assert len(titles(vendor)) == (2 if code else 3)

    def test_results_that_a_moved_campaign_left_behind_are_not_bought_again_once_deleted(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine, results="beside")
        self.move(remote, "spring.results.1-of-2.json")
        left = remote.text("campaigns/spring.results.2-of-2.json", "main")
        remote.remove("main", "campaigns/spring.results.2-of-2.json")

        job = machine("after").uses(command="run", campaigns="moved/spring.yaml", results="beside")

        assert job.code == 3, job.log
        assert "The ledger refs/campaign-ledger/spring has or had results of spring at campaigns/" in job.log
        assert "put them at moved/spring.results.2-of-2.json on main." in job.log
        assert len(titles(vendor)) == 2

        remote.edit("main", lambda work: write(work / "moved/spring.results.2-of-2.json", left))
        mended = machine("mended").uses(command="run", campaigns="moved/spring.yaml", results="beside")
        assert mended.code == 0, mended.log
        assert len(titles(vendor)) == 2

    @pytest.fixture(params=[("beside", "branch"), ("branch", "beside")], ids=["to branch", "to beside"])
    def switched(
        self, request: pytest.FixtureRequest, remote: Remote, machine: Machines
    ) -> tuple[str, str, Callable[[int], None]]:
        """Two shards ran with one setting, and only the results of the first are where the other one looks.

        Also the branch that has the rest, the setting of now, and what puts the results of a shard there.
        """
        earlier, now = request.param
        self.run_in_shards(remote, machine, results=earlier)
        places = {"branch": ("campaign-results", ""), "beside": ("main", "campaigns/")}
        (other, source), (branch, folder) = places[earlier], places[now]
        if now == "branch":
            tree = git("mktree", at=remote.folder)
            remote.move(branch, git("commit-tree", "-m", "results", tree, at=remote.folder))

        def put(shard: int) -> None:
            name = f"spring.results.{shard}-of-2.json"
            remote.move(branch, remote.commit(branch, folder + name, remote.text(source + name, other)))

        put(1)
        return other, now, put

    def test_results_that_only_the_other_setting_finds_are_not_bought_again(
        self,
        remote: Remote,
        machine: Machines,
        vendor: Emulator,
        switched: tuple[str, str, Callable[[int], None]],
    ) -> None:
        other, now, put = switched

        job = machine("after").uses(command="run", campaigns=MANIFEST, results=now)

        assert job.code == 3, job.log
        assert f"The branch {other} has or had results of spring at " in job.log
        assert "start it by hand with first=spring" in job.log
        assert len(titles(vendor)) == 2

        put(2)
        whole = machine("whole").uses(command="run", campaigns=MANIFEST, results=now)
        assert whole.code == 0, whole.log
        assert len(titles(vendor)) == 2

    def test_results_that_the_other_setting_found_are_not_bought_again_once_deleted(
        self,
        remote: Remote,
        machine: Machines,
        vendor: Emulator,
        switched: tuple[str, str, Callable[[int], None]],
    ) -> None:
        other, now, _ = switched
        left = [name for name in remote.names(other) if "results" in name]
        remote.remove(other, *left)
        forget_ledger(remote)

        job = machine("after").uses(command="run", campaigns=MANIFEST, results=now)

        assert job.code == 3, job.log
        assert f"The branch {other} has or had results of spring at {left[1]}, which" in job.log
        assert len(titles(vendor)) == 2
        by_hand = machine("hand").uses(command="run", campaigns=MANIFEST, results=now, first="spring")
        after = machine("next").uses(command="run", campaigns=MANIFEST, results=now)
        assert (by_hand.code, after.code) == (0, 0), by_hand.log + after.log
        assert len(titles(vendor)) == 3

    @pytest.mark.parametrize("now", ["branch", "beside"])
    def test_two_campaigns_of_one_name_may_have_other_settings(
        self, remote: Remote, machine: Machines, vendor: Emulator, now: str
    ) -> None:
        """Each has its results, which tell where its manifest is."""
        earlier = "beside" if now == "branch" else "branch"
        self.run_in_shards(remote, machine, results=earlier)
        remote.edit(
            "main",
            lambda work: shutil.copytree(
                work / "campaigns", work / "other", ignore=shutil.ignore_patterns("*.results.*")
            ),
        )

        first = machine("one").uses(command="run", campaigns="other/spring.yaml", first="spring", results=now)
        after = machine("two").uses(command="run", campaigns="other/spring.yaml", results=now)
        more = remote.text(MANIFEST, "main").replace('"prompts": {', '"prompts": {"jump": "a jump", ')
        remote.edit("main", lambda work: write(work / MANIFEST, more))
        theirs = machine("theirs").uses(command="run", campaigns=MANIFEST, results=earlier)
        again = machine("again").uses(command="run", campaigns="other/spring.yaml", results=now)

        codes = [job.code for job in (first, after, theirs, again)]
        assert codes == [0, 0, 0, 0], first.log + after.log + theirs.log + again.log
        assert len(titles(vendor)) == 5

    def test_manual_start_is_needed_once_per_loss(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine)
        remote.remove("campaign-results", "spring.results.2-of-2.json")

        by_hand = machine("hand").uses(command="run", campaigns=MANIFEST, shard="2/2", first="spring")
        after = machine("after").uses(command="run", campaigns=MANIFEST)
        assert (by_hand.code, after.code) == (0, 0), by_hand.log + after.log
        assert len(titles(vendor)) == 3

        names = set(remote.names("campaign-results")) - {"spring.results.1-of-2.json"}
        remote.remove("campaign-results", *names)
        lost_again = machine("again").uses(command="run", campaigns=MANIFEST)
        assert lost_again.code == 3, lost_again.log
        assert len(titles(vendor)) == 3

    @pytest.mark.parametrize(("results", "has_ledger"), [("branch", False), ("beside", True)])
    def test_results_replaced_by_older_ones_count_as_lost(
        self, remote: Remote, machine: Machines, vendor: Emulator, results: str, has_ledger: bool
    ) -> None:
        branch, folder = ("main", "campaigns/") if results == "beside" else ("campaign-results", "")
        name = f"{folder}spring.results.json"
        assert (
            machine("first").uses(command="run", campaigns=MANIFEST, first="spring", results=results).code
            == 0
        )
        older = remote.text(name, branch)
        more = remote.text(MANIFEST, "main").replace('"prompts": {', '"prompts": {"jump": "a jump", ')
        remote.move("main", remote.commit("main", MANIFEST, more))
        assert machine("second").uses(command="run", campaigns=MANIFEST, results=results).code == 0
        newer = remote.text(name, branch)
        bought = len(titles(vendor))
        remote.move(branch, remote.commit(branch, name, older))
        if not has_ledger:
            forget_ledger(remote)

        job = machine("after").uses(command="run", campaigns=MANIFEST, results=results)

        assert job.code == 3, job.log
        assert f"has or had results of spring at {name}, which this run does not know" in job.log
        assert f"join them (`pipeline merge`) with {name} on {branch}." in job.log
        assert len(titles(vendor)) == bought
        remote.move(branch, remote.commit(branch, name, newer))
        mended = machine("mended").uses(command="run", campaigns=MANIFEST, results=results)
        assert mended.code == 0, mended.log
        assert len(titles(vendor)) == bought

    def test_results_that_a_force_push_dropped_are_not_bought_again(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        def run(name: str, first: str = "") -> Job:
            return machine(name).uses(command="run", campaigns=MANIFEST, first=first, results="beside")

        assert run("first", "spring").code == 0
        merged = git("rev-parse", "main", at=remote.folder)
        more = remote.text(MANIFEST, "main").replace('"prompts": {', '"prompts": {"jump": "a jump", ')
        remote.edit("main", lambda work: write(work / MANIFEST, more))
        assert run("second").code == 0
        bought = len(titles(vendor))
        remote.move("main", merged)
        remote.edit("main", lambda work: write(work / MANIFEST, more))

        job = run("after")
        remote.edit("main", lambda work: write(work / "note.txt", "an ordinary push"))
        later = run("later")

        assert (job.code, later.code) == (3, 3), job.log + later.log
        assert "The ledger refs/campaign-ledger/spring has or had results of spring at " in later.log
        assert len(titles(vendor)) == bought

        # The message says how to get them.
        [shown] = re.findall("This prints them: (.*)", later.log)
        restored = subprocess.check_output(shown, shell=True, cwd=machine("person").workspace, text=True)
        remote.edit("main", lambda work: write(work / "campaigns/spring.results.json", restored))
        assert run("mended").code == 0
        assert len(titles(vendor)) == bought

    @pytest.mark.parametrize("deleted", [1, 2])
    def test_what_a_shard_never_sent_is_not_lost(
        self, remote: Remote, machine: Machines, vendor: Emulator, deleted: int
    ) -> None:
        prompts = {f"p{number}": f"take {number}" for number in range(4)}
        remote.move("main", remote.commit("main", MANIFEST, json.dumps(spring(prompts=prompts))))
        vendor.fail({"on": "create", "do": {"status": 402}, "times": 1})
        for number, shard in enumerate(("1/2", "1/2", "2/2", "")):
            job = machine(f"run{number}").uses(
                command="run", campaigns=MANIFEST, shard=shard, first="" if number else "spring"
            )
            assert (job.code == 0) == bool(number), job.log
        bought = len(titles(vendor))
        remote.remove("campaign-results", *[f"spring.results.{n}-of-2.json" for n in range(1, deleted + 1)])
        if deleted == 2:
            forget_ledger(remote)

        job = machine("after").uses(command="run", campaigns=MANIFEST)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == bought

    def test_partial_clone_fetches_older_results_with_the_token(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        assert machine("first").uses(command="run", campaigns=MANIFEST, first="spring").code == 0
        forget_ledger(remote)
        partial = machine("partial")
        # The server of a private repository: it gives nothing to those who have no token.
        server = partial.temp / "server"
        write(server, '#!/bin/sh\n[ -n "$CAMPAIGN_PUSH_TOKEN" ] && exec git-upload-pack "$@"\n')
        server.chmod(0o755)
        for name, value in (
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "blob:none"),
            ("remote.origin.uploadPack", str(server)),
        ):
            git("config", name, value, at=partial.workspace)

        job = partial.uses(command="run", campaigns=MANIFEST)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_deleted_purchase_is_not_lost(self, remote: Remote, machine: Machines) -> None:
        """The record of a deleted purchase stays; a repaired version with a conflict is not missed."""
        name = "spring.results.json"
        assert machine("first").uses(command="run", campaigns=MANIFEST, first="spring").code == 0
        sound = remote.text(name)
        remote.move("campaign-results", remote.commit("campaign-results", name, f"<<<<<<< a\n{sound}"))
        deleted = json.loads(sound)
        deleted["purchases"][0]["deleted"] = True
        remote.move("campaign-results", remote.commit("campaign-results", name, json.dumps(deleted)))

        job = machine("after").uses(command="run", campaigns=MANIFEST)

        assert "was replaced" not in job.log
        assert job.code == 0, job.log

    def test_purchase_known_to_another_file_is_not_lost(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        self.run_in_shards(remote, machine)
        remote.remove("campaign-results", "spring.results.1-of-2.json")

        job = machine("after").uses(command="run", campaigns=MANIFEST, shard="1/2")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_restored_file_is_not_lost(self, remote: Remote, machine: Machines, vendor: Emulator) -> None:
        self.run_in_shards(remote, machine)
        name = "spring.results.2-of-2.json"
        before = remote.text(name)
        remote.remove("campaign-results", name)
        remote.move("campaign-results", remote.commit("campaign-results", name, before))

        job = machine("after").uses(command="run", campaigns=MANIFEST)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2


class TestFirst:
    """A campaign that finds no results."""

    @staticmethod
    def merge_autumn(remote: Remote, manifest: str = "campaigns/autumn.yaml", text: str | None = None) -> str:
        """Merge another campaign; returns the commit before it."""
        before = git("rev-parse", "main", at=remote.folder)
        autumn = text or remote.text(MANIFEST, "main").replace('"spring"', '"autumn"')
        remote.edit("main", lambda work: write(work / manifest, autumn))
        return before

    def test_first_names_a_single_campaign(self, machine: Machines, vendor: Emulator) -> None:
        job = machine().uses(command="run", campaigns=MANIFEST, first="autumn")

        assert job.code == 3, job.log
        assert "start it by hand with first=spring" in job.log
        assert titles(vendor) == []

    @pytest.mark.parametrize("loss", ["branch", "file"])
    @pytest.mark.parametrize("is_same", [True, False])
    def test_first_counts_until_its_run_has_published_anything(
        self, remote: Remote, machine: Machines, vendor: Emulator, is_same: bool, loss: str
    ) -> None:
        """The schedule reruns an unfinished run with all its inputs, whatever has happened to the results since."""
        assert machine().uses(command="run", campaigns=MANIFEST, first="spring").code == 0
        if loss == "branch":
            git("update-ref", "-d", "refs/heads/campaign-results", at=remote.folder)
        else:
            remote.move("campaign-results", remote.commit("campaign-results", "autumn.results.json", "{}"))
            remote.remove("campaign-results", "spring.results.json")
        again = machine("two")
        if is_same:
            again.run_id = "one"

        job = again.uses(command="run", campaigns=MANIFEST, first="spring")

        assert job.code == (3 if is_same else 0), job.log
        assert ("first=spring counts until its run has published anything" in job.log) == is_same
        assert len(titles(vendor)) == (2 if is_same else 4)

    def test_first_run_is_continued_by_another_person(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        """Of a rerun, a workflow may name the person who started it as the author."""
        one, two = machine(), machine("two")
        two.run_id = one.run_id
        vendor.fail({"on": "create", "do": {"status": 402}})
        for each, code in ((one, 4), (two, 0)):
            each.environment["GIT_AUTHOR_NAME"] = str(each)

            job = each.uses(command="run", campaigns=MANIFEST, first="spring")

            assert job.code == code, job.log
            vendor.clear_faults()
        assert len(vendor.ledger.bought) == 2

    @pytest.mark.parametrize("results", ["branch", "beside"])
    def test_link_that_is_called_like_results_is_none(
        self, remote: Remote, machine: Machines, vendor: Emulator, results: str
    ) -> None:
        assert machine().uses(command="run", campaigns=MANIFEST, first="spring", results=results).code == 0

        def link(work: Path) -> None:
            (work / "docs").mkdir(exist_ok=True)
            (work / "docs/spring.results.json").symlink_to(f"../{MANIFEST}")

        remote.edit("main", link)

        job = machine("two").uses(command="run", campaigns=MANIFEST, results=results)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize("obstacle", ["key", "branch", "ref"])
    @pytest.mark.parametrize("is_new", [True, False])
    def test_first_counts_again_if_nothing_was_published(
        self, remote: Remote, machine: Machines, vendor: Emulator, is_new: bool, obstacle: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        before = self.merge_autumn(remote)
        one, two = machine(), machine("two")
        two.run_id = one.run_id
        inputs = {"command": "run", "campaigns": "campaigns/autumn.yaml", "first": "" if is_new else "autumn"}
        event = {"before": before} if is_new else {}
        if obstacle == "branch":
            remote.refuse("campaign-results")
        if obstacle == "ref":
            remote.refuse_other_refs()

        failed = one.uses(event, **inputs, **({"api-key": ""} if obstacle == "key" else {}))
        assert failed.code == (5 if obstacle == "key" else 8), failed.log
        assert titles(vendor) == []
        if "autumn.results.json" in remote.names("campaign-results"):
            assert set(remote.statuses(name="autumn.results.json")) == {"void"}
        (remote.folder / "hooks/update").unlink(missing_ok=True)
        job = two.uses(event, **inputs)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_decision_to_start_anew_that_cannot_be_kept_is_not_carried_out(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        assert machine().uses(command="run", campaigns=MANIFEST, first="spring").code == 0
        remote.remove("campaign-results", "spring.results.json")
        remote.refuse_other_refs()

        job = machine("two").uses(command="run", campaigns=MANIFEST, first="spring")

        assert job.code == 8, job.log
        assert (
            "first=spring could not be recorded: the push to refs/campaign-ledger/spring was refused"
            in job.log
        )
        assert len(titles(vendor)) == 2

    def test_new_campaign_needs_no_manual_start(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        machine().uses(command="run", campaigns=MANIFEST, first="spring")
        before = self.merge_autumn(remote)

        job = machine("two").uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 4
        assert remote.statuses(name="autumn.results.json") == ["done", "done"]

    def test_campaign_is_new_until_its_run_has_published_anything(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        """A rerun has the event of its run, so to it the merge is as recent as ever."""
        others = remote.commit("main", "other.results.json", "{}")
        remote.move("campaign-results", others)
        before = self.merge_autumn(remote)
        new = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")
        assert new.code == 0, new.log
        remote.move("campaign-results", others)
        again = machine("two")
        again.run_id = "one"

        job = again.uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 3, job.log
        assert "start it by hand with first=autumn" in job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(
        "case", ["no branch", "by hand", "held before", "known before", "unknown commit"]
    )
    def test_campaign_that_may_have_run_before_needs_a_manual_start(
        self, remote: Remote, machine: Machines, vendor: Emulator, case: str
    ) -> None:
        before = self.merge_autumn(remote)
        if case != "no branch":
            remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        if case == "held before":
            remote.move("campaign-results", remote.commit("campaign-results", "autumn.results.json", "{}"))
            remote.remove("campaign-results", "autumn.results.json")
        if case == "known before":
            before = git("rev-parse", "main", at=remote.folder)
        before_push = {"by hand": "0" * 40, "unknown commit": "1" * 40}.get(case, before)

        job = machine().uses({"before": before_push}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 3, job.log
        assert "start it by hand with first=autumn" in job.log
        assert titles(vendor) == []

    @pytest.mark.parametrize(
        ("shard", "kept", "has_ledger"),
        [("1/1", True, True), ("1/1", False, False), ("", False, True)],
        ids=["on the branch", "in its history", "in the ledger"],
    )
    def test_campaign_that_comes_back_in_another_folder_has_run_before(
        self, remote: Remote, machine: Machines, vendor: Emulator, shard: str, kept: bool, has_ledger: bool
    ) -> None:
        """Its results are beside the manifest, so in the folder that it was in."""
        first = machine().uses(
            command="run", campaigns=MANIFEST, first="spring", results="beside", shard=shard
        )
        assert first.code == 0, first.log
        results = f"campaigns/spring.results{'.1-of-1' if shard else ''}.json"
        manifest, picture = (
            remote.text(MANIFEST, "main"),
            (machine("old").workspace / "campaigns/images/red.png"),
        )
        remote.remove("main", MANIFEST, *([] if kept else [results]))
        before = git("rev-parse", "main", at=remote.folder)

        def come_back(work: Path) -> None:
            write(work / "again/spring.yaml", manifest)
            (work / "again/images").mkdir()
            shutil.copy(picture, work / "again/images")

        remote.edit("main", come_back)
        if not has_ledger:
            forget_ledger(remote)
        job = machine("two").uses(
            {"before": before}, command="run", campaigns="again/spring.yaml", results="beside", shard=shard
        )

        assert job.code == 3, job.log
        moved = results.replace("campaigns/", "again/")
        assert f"results of spring at {results}" in job.log
        assert f"If they are of this campaign, put them at {moved}" in job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(("earlier", "now"), [("beside", "branch"), ("branch", "beside")])
    def test_campaign_that_comes_back_after_its_results_went_elsewhere_has_run_before(
        self, remote: Remote, machine: Machines, vendor: Emulator, earlier: str, now: str
    ) -> None:
        first = machine().uses(command="run", campaigns=MANIFEST, first="spring", results=earlier)
        assert first.code == 0, first.log
        manifest = remote.text(MANIFEST, "main")
        if now == "branch":
            tree = git("mktree", at=remote.folder)
            remote.move("campaign-results", git("commit-tree", "-m", "results", tree, at=remote.folder))
            remote.remove("main", "campaigns/spring.results.json")
        remote.remove("main", MANIFEST)
        before = git("rev-parse", "main", at=remote.folder)
        remote.edit("main", lambda work: write(work / MANIFEST, manifest))

        job = machine("two").uses({"before": before}, command="run", campaigns=MANIFEST, results=now)

        assert job.code == 3, job.log
        place = f"{'campaigns/' if now == 'beside' else ''}spring.results.json"
        assert "has or had results of spring at " in job.log
        assert f"If they are of this campaign, put them at {place} on " in job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(
        ("before", "manifest"),
        [
            ("campaigns/autumn.YAML", "campaigns/autumn.YAML"),
            ("campaigns/autumn.json", "campaigns/autumn.json"),
            ("campaigns/autumn", "campaigns/autumn"),
            ("campaigns/autumn.json", "campaigns/moved.yaml"),
            (".campaigns/autumn.yaml", ".campaigns/autumn.yaml"),
            (".campaigns/autumn.yaml", "campaigns/autumn.yaml"),
        ],
    )
    def test_manifest_of_any_name_is_known_before(
        self, remote: Remote, machine: Machines, vendor: Emulator, before: str, manifest: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        images = {"shoes": ["../campaigns/images/red.png"]}
        self.merge_autumn(remote, before, json.dumps(spring(name="autumn", image_sets=images)))
        known = git("rev-parse", "main", at=remote.folder)
        if manifest != before:
            remote.edit("main", lambda work: shutil.move(work / before, work / manifest))

        job = machine().uses({"before": known}, command="run", campaigns=manifest)

        assert job.code == 3, job.log
        assert "start it by hand with first=autumn" in job.log
        assert titles(vendor) == []

    @pytest.mark.parametrize("name", ["name: >-\n  autumn", "name:\n  autumn", "? name\n: autumn"])
    def test_manifest_that_was_moved_out_of_a_hidden_folder_is_known_before(
        self, remote: Remote, machine: Machines, vendor: Emulator, name: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        hidden = f"{name}\nversion: 1\n"
        self.merge_autumn(remote, ".campaigns/autumn.yaml", hidden)
        known = self.merge_autumn(remote)

        job = machine().uses({"before": known}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 3, job.log
        assert "start it by hand with first=autumn" in job.log
        assert titles(vendor) == []

    def test_manifest_with_an_escape_in_its_name_is_known_before(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        escaped = remote.text(MANIFEST, "main").replace('"spring"', '"\\u0061utumn"')
        self.merge_autumn(remote, text=escaped)
        known = git("rev-parse", "main", at=remote.folder)

        job = machine().uses({"before": known}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 3, job.log
        assert "start it by hand with first=autumn" in job.log
        assert titles(vendor) == []

    def test_workflow_that_names_a_campaign_does_not_matter(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        workflow = "name: campaigns\njobs: {run: {name: run autumn, with: {version: 1, file: autumn.yaml}}}\n"
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        remote.edit("main", lambda work: write(work / ".github/workflows/campaigns.yaml", workflow))
        before = self.merge_autumn(remote)

        job = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    def test_manifest_that_is_in_no_commit_may_have_run_before(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        one = machine()
        made = (one.workspace / MANIFEST).read_text("utf-8").replace('"spring"', '"autumn"')
        (one.workspace / "campaigns/made.yaml").write_text(made, encoding="utf-8")
        before = git("rev-parse", "main", at=remote.folder)

        job = one.uses({"before": before}, command="run", campaigns="campaigns/made.yaml")

        assert job.code == 3, job.log
        assert titles(vendor) == []

    def test_text_that_only_speaks_of_a_campaign_does_not_matter(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        remote.edit("main", lambda work: write(work / "README.md", "In autumn comes another version.\n"))
        before = self.merge_autumn(remote)

        job = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize("name", ["winter.results.json", "winter.results.1-of-2.json"])
    def test_results_of_another_campaign_that_speak_of_it_do_not_matter(
        self, remote: Remote, machine: Machines, vendor: Emulator, name: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        speaking = json.dumps({"version": 1, "campaign": "winter", "jobs": [{"name": "autumn"}]})
        remote.edit("main", lambda work: write(work / "campaigns" / name, speaking))
        before = self.merge_autumn(remote)

        job = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(
        "text",
        [
            "version: 1\nname: autumn-sale\nprompts: {walk: hello}\n",
            "# of autumn\n---\nname: 'winter'  # after autumn\n\nversion: 1\njobs:\n- id: autumn\n  repeat: 2\n",
            'name: "winter"\r\nversion: 1\r\nprompts:\r\n  walk: a walk in autumn\r\n',
        ],
    )
    def test_manifest_of_another_campaign_that_only_speaks_of_it_does_not_matter(
        self, remote: Remote, machine: Machines, vendor: Emulator, text: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        remote.edit("main", lambda work: write(work / "campaigns/winter.yaml", text))
        before = self.merge_autumn(remote)

        job = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2

    @pytest.mark.parametrize(
        "text",
        [
            'version: 1\ndescription: "\nname: winter\n"\n"n\\u0061me": autumn\n',
            "version: 1\nname: winter\n---\n{version: 1, name: autumn}\n",
            "version: 1\nname: winter\n? name\n: autumn\n",
            "version: 1\nname: winter\nname: >-\n  autumn\n",
            "version: 1\nname: &other winter\ndescription: autumn\n",
        ],
    )
    def test_manifest_whose_name_is_not_certain_may_be_of_the_campaign(
        self, remote: Remote, machine: Machines, vendor: Emulator, text: str
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        remote.edit("main", lambda work: write(work / "campaigns/winter.yaml", text))
        before = self.merge_autumn(remote)

        job = machine().uses({"before": before}, command="run", campaigns="campaigns/autumn.yaml")

        assert job.code == 3, job.log
        assert titles(vendor) == []

    def test_shard_without_jobs_does_not_make_the_others_need_a_manual_start(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        remote.move("campaign-results", remote.commit("main", "other.results.json", "{}"))
        one_job = json.dumps(spring(name="autumn", prompts={"walk": "a walk in the park"}))
        before = self.merge_autumn(remote, text=one_job)

        def runs(name: str, shard: str) -> Job:
            return machine(name).uses(
                {"before": before}, command="run", campaigns="campaigns/autumn.yaml", shard=shard
            )

        empty, other = runs("empty", "2/2"), runs("other", "1/2")

        assert (empty.code, other.code) == (0, 0), empty.log + other.log
        assert remote.statuses(name="autumn.results.2-of-2.json") == []
        assert remote.statuses(name="autumn.results.1-of-2.json") == ["done"]
        # What was bought is protected as ever.
        remote.remove("campaign-results", "autumn.results.1-of-2.json")
        assert runs("lost", "1/2").code == 3
        assert len(titles(vendor)) == 1


class TestSavedPlan:
    """Only what the plan showed is bought."""

    @staticmethod
    def carry(made: Machine, to: Machine) -> None:
        """Pass on an artifact."""
        shutil.copytree(made.workspace / "campaign-plans", to.workspace / "campaign-plans")

    @pytest.mark.parametrize("results", ["branch", "beside"])
    def test_saved_plan_is_carried_out_and_its_outcome_reported(
        self, remote: Remote, machine: Machines, vendor: Emulator, results: str
    ) -> None:
        one, two = machine(), machine("two")
        one.uses(campaigns="campaigns/", results=results)
        self.carry(one, two)

        job = two.uses(command="run", plan="campaign-plans/spring.plan.json", first="spring", results=results)

        assert job.code == 0, job.log
        assert len(titles(vendor)) == 2
        outputs = {name: job.outputs[name] for name in ("changes", "creates", "credits", "exit-code")}
        assert outputs == {"changes": "true", "creates": "2", "credits": "200", "exit-code": "0"}
        assert "2 done" in job.summary
        assert "<testsuite" in Path(job.outputs["junit"]).read_text("utf-8")

    def test_campaign_not_in_the_plan_is_not_bought(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        one = machine()
        one.uses(campaigns=MANIFEST)
        more = remote.text(MANIFEST, "main").replace('"prompts": {', '"prompts": {"run": "a run", ')
        remote.move("main", remote.commit("main", MANIFEST, more))
        two = machine("two")
        self.carry(one, two)

        job = two.uses(command="run", plan="campaign-plans/spring.plan.json", first="spring")

        assert job.code == 3, job.log
        assert "is stale" in job.log
        assert titles(vendor) == []

    def test_file_of_vars_that_has_changed_since_the_plan(
        self, remote: Remote, machine: Machines, vendor: Emulator
    ) -> None:
        """The run does not read it again, as the plan has its vars."""
        remote.edit("main", lambda work: write(work / "vars.yaml", "season: summer\n"))
        one, two = machine(), machine("two")
        one.environment["PIPELINE_VAR_FILE"] = "vars.yaml"
        one.uses(campaigns=MANIFEST)
        self.carry(one, two)
        remote.edit("main", lambda work: write(work / "vars.yaml", "season: winter\n"))

        job = two.uses(command="run", plan="campaign-plans/spring.plan.json", first="spring")

        assert job.code == 8, job.log
        assert "main has moved on: vars.yaml has changed since this run was planned" in job.log
        assert titles(vendor) == []
