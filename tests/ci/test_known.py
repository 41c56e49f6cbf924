"""The ledger of a campaign: a ref on the server that knows what was published, whatever happens to branches."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.campaigns import spring

from ci.conftest import MANIFEST
from ci.hosting import ROOT, Job, Machine, Remote, bare_environment, git
from ci.test_run import forget_ledger, titles, write
from pipeline.emulator.embedded import Emulator

Machines = Callable[..., Machine]
LEDGER = "refs/campaign-ledger/spring"


def recorded(remote: Remote) -> list[str]:
    """The files in the ledger; none if there is no ledger."""
    return remote.names(LEDGER) if git("for-each-ref", LEDGER, at=remote.folder) else []


def with_statuses(remote: Remote, *statuses: str) -> str:
    """The last commit whose purchases had these statuses."""
    commits = git(
        "log", "--format=%H", "campaign-results", "--", "spring.results.json", at=remote.folder
    ).split()
    return next(each for each in commits if remote.statuses(branch=each) == list(statuses))


def of_four(remote: Remote) -> None:
    """Make it a campaign of four jobs, two for each of two shards."""
    manifest = json.dumps(spring(prompts={f"p{number}": f"take {number}" for number in range(4)}))
    remote.edit("main", lambda work: write(work / MANIFEST, manifest))


@pytest.fixture
def run(machine: Machines) -> Callable[..., Job]:
    """Runs the campaign on a new machine; of a run with an id, it is another attempt or shard."""
    count = 0

    def run(run_id: str = "", manifest: str = MANIFEST, event: Any = None, **inputs: str) -> Job:
        nonlocal count
        count += 1
        one = machine(f"machine{count}")
        one.run_id = run_id or one.run_id
        return one.uses(event, command="run", campaigns=manifest, **inputs)

    return run


def test_ledger_has_what_is_on_the_branch_and_does_not_grow(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    """It is pushed several times in a run."""
    job = run(first="spring", run_id="77")

    assert job.code == 0, job.log
    assert recorded(remote) == ["branch/spring.results.json", "started"]
    assert remote.text("branch/spring.results.json", LEDGER) == remote.text("spring.results.json")
    assert remote.text("started", LEDGER) == "77"
    assert len(remote.commits(LEDGER)) == 1
    assert git("for-each-ref", "--format=%(refname)", at=remote.folder).split() == [
        LEDGER,
        "refs/heads/campaign-results",
        "refs/heads/main",
    ]


def test_first_counts_until_any_shard_of_its_run_has_published_anything(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    of_four(remote)
    assert run(run_id="77", first="spring", shard="1/2").code == 0
    lost = git("rev-parse", "campaign-results", at=remote.folder)
    git("update-ref", "-d", "refs/heads/campaign-results", at=remote.folder)

    jobs = [run(run_id="77", first="spring", shard=shard) for shard in ("2/2", "1/2")]

    assert [job.code for job in jobs] == [3, 3], jobs[0].log + jobs[1].log
    assert "first=spring counts until its run has published anything" in jobs[0].log
    assert "put them at spring.results.1-of-2.json on campaign-results" in jobs[1].log
    assert "start it by hand with first=spring, in a new run" in jobs[1].log
    assert len(titles(vendor)) == 2
    remote.move("campaign-results", lost)
    assert run(run_id="77", first="spring", shard="2/2").code == 0
    assert len(titles(vendor)) == 4


def test_what_another_machine_publishes_while_a_run_starts_is_not_missed(
    remote: Remote, machine: Machines, run: Callable[..., Job], vendor: Emulator
) -> None:
    of_four(remote)
    assert run(first="spring", shard="1/2").code == 0
    published = {
        ref: git("rev-parse", ref, at=remote.folder) for ref in ("refs/heads/campaign-results", LEDGER)
    }
    updates = [f"git -C {remote.folder} update-ref {ref} {commit}\n" for ref, commit in published.items()]
    for ref in published:
        git("update-ref", "-d", ref, at=remote.folder)
    one = machine("starting")
    tool = one.workspace.parent / "bin/pipeline"
    tool.rename(tool.with_name("real"))
    tool.write_text(
        f'#!/bin/sh\nif [ "$1" = plan ]; then\n{"".join(updates)}fi\nexec {tool.with_name("real")} "$@"\n'
    )
    tool.chmod(0o755)

    job = one.uses(command="run", campaigns=MANIFEST, first="spring", shard="2/2")

    assert job.code == 0, job.log
    assert "given-up" not in recorded(remote)
    assert len(titles(vendor)) == 4


def test_only_what_a_person_gave_up_is_not_missed(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    """Not what the run knew then: here, a stray file was given up before the manifest was moved."""
    of_four(remote)
    for shard in ("1/2", "2/2"):
        assert run(first="spring", shard=shard, results="beside").code == 0
    sample = remote.results("campaigns/spring.results.1-of-2.json", "main")
    sample["purchases"] = [{**each, "id": f"{each['id'][:-4]}0000"} for each in sample["purchases"]]
    remote.edit("main", lambda work: write(work / "docs/spring.results.json", json.dumps(sample)))
    codes = [run(first=first, results="beside").code for first in ("", "spring", "")]
    assert codes == [3, 0, 0]

    def move(work: Path) -> None:
        (work / "ads").mkdir()
        for name in ("images", "spring.yaml", "spring.results.1-of-2.json"):
            (work / "campaigns" / name).rename(work / "ads" / name)
        (work / "campaigns/spring.results.json").unlink(missing_ok=True)

    remote.edit("main", move)
    job = run(manifest="ads/spring.yaml", results="beside")

    assert job.code == 3, job.log
    assert "has or had results of spring at campaigns/spring.results.2-of-2.json" in job.log
    assert len(titles(vendor)) == 4


def test_what_was_given_up_is_missed_again_once_it_was_put_back(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    assert run(first="spring").code == 0
    good = git("rev-parse", "campaign-results", at=remote.folder)
    git("update-ref", "-d", "refs/heads/campaign-results", at=remote.folder)
    vendor.fail({"on": "create", "do": {"status": 401}})
    assert run(first="spring").code == 5
    assert "given-up" in recorded(remote)
    vendor.clear_faults()
    git("update-ref", "refs/heads/campaign-results", good, at=remote.folder)
    assert run().code == 0
    assert "given-up" not in recorded(remote)
    git("update-ref", "-d", "refs/heads/campaign-results", at=remote.folder)

    sent = titles(vendor)

    job = run()

    assert job.code == 3, job.log
    assert titles(vendor) == sent


def test_results_that_people_commit_are_missed_as_well_once_a_run_has_seen_them(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    assert run(first="spring", results="beside").code == 0
    name = "campaigns/spring.results.json"
    theirs = remote.results(name, "main")
    one = theirs["purchases"][0]
    theirs["purchases"].append({**one, "id": f"{one['id'][:-4]}0000", "bought_at": "2026-01-01T00:00:00Z"})
    before = git("rev-parse", "main", at=remote.folder)
    remote.edit("main", lambda work: write(work / name, json.dumps(theirs)))
    assert run(results="beside").code == 0
    remote.move("main", before)

    job = run(results="beside")

    assert job.code == 3, job.log
    assert f"The ledger {LEDGER} has or had results of spring at {name}" in job.log
    assert len(titles(vendor)) == 2


def test_results_that_people_commit_and_replace_are_missed_before_any_run_has_seen_them(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    assert run(first="spring").code == 0
    ours = remote.text("spring.results.json")
    theirs = json.loads(ours)
    one = theirs["purchases"][0]
    theirs["purchases"].append({**one, "id": f"{one['id'][:-4]}0000", "bought_at": "2026-01-01T00:00:00Z"})
    remote.edit("campaign-results", lambda work: write(work / "spring.results.json", json.dumps(theirs)))
    remote.edit("campaign-results", lambda work: write(work / "spring.results.json", ours))

    codes = [run(first=first).code for first in ("", "spring", "")]

    assert codes == [3, 0, 0]
    assert len(titles(vendor)) == 2


def test_results_that_the_branch_loses_during_a_run_stay_in_the_ledger(
    remote: Remote, machine: Machines, run: Callable[..., Job], vendor: Emulator
) -> None:
    """Also if the run itself has nothing to publish."""
    assert run(first="spring").code == 0
    one = machine("collecting")
    one.begin_run("collect", campaigns=MANIFEST).communicate()
    remote.move("campaign-results", with_statuses(remote, "submitting"))
    assert one.finish(campaigns=MANIFEST).code == 0

    job = run()

    assert job.code == 3, job.log
    assert f"The ledger {LEDGER} has or had results of spring at " in job.log
    assert len(titles(vendor)) == 2


def test_workflows_that_the_branch_forgets_are_missed(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    """The branch still has what was to be bought, so all purchases are known, but not what they are at the vendor."""
    remote.edit("main", lambda work: write(work / MANIFEST, json.dumps(spring(limits={"in_flight": 2}))))
    assert run(first="spring").code == 0
    remote.move("campaign-results", with_statuses(remote, "submitting", "submitting"))

    job = run()

    assert job.code == 3, job.log
    assert f"The ledger {LEDGER} has or had results of spring at " in job.log
    assert len(titles(vendor)) == 2


def test_results_that_were_damaged_by_hand_are_not_recorded(
    remote: Remote, machine: Machines, run: Callable[..., Job], vendor: Emulator
) -> None:
    """Nobody would know what they had, so each run would be refused, also once they are mended."""
    assert run(first="spring").code == 0
    sound = remote.text("spring.results.json")
    remote.edit("campaign-results", lambda work: write(work / "spring.results.json", f"<<<<<<< a\n{sound}"))

    assert run().code == 3
    machine("collecting").uses(command="collect", campaigns=MANIFEST)
    assert remote.text("branch/spring.results.json", LEDGER) == sound

    remote.edit("campaign-results", lambda work: write(work / "spring.results.json", sound))
    assert run().code == 0
    assert len(titles(vendor)) == 2


def test_ledger_begins_with_a_run_that_knows_everything(
    remote: Remote, machine: Machines, run: Callable[..., Job], vendor: Emulator
) -> None:
    of_four(remote)
    for shard in ("1/2", "2/2"):
        assert run(first="spring", shard=shard).code == 0
    forget_ledger(remote)
    lost = remote.text("spring.results.2-of-2.json")
    remote.remove("campaign-results", "spring.results.2-of-2.json")

    refused = run()
    collected = machine("collecting").uses(command="collect", campaigns=MANIFEST)

    assert (refused.code, collected.code) == (3, 0), refused.log + collected.log
    assert "The branch campaign-results has or had results of spring at spring.results.2-of-2" in refused.log
    assert recorded(remote) == []
    remote.edit("campaign-results", lambda work: write(work / "spring.results.2-of-2.json", lost))
    more = remote.text(MANIFEST, "main").replace('"prompts": {', '"prompts": {"jump": "a jump", ')
    remote.edit("main", lambda work: write(work / MANIFEST, more))
    assert run().code == 0
    assert len(titles(vendor)) == 5
    assert [name for name in recorded(remote) if "2-of-2" in name] == ["branch/spring.results.2-of-2.json"]


def test_results_that_a_force_push_dropped_before_there_were_ledgers_are_looked_for_before_it(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    merged = git("rev-parse", "main", at=remote.folder)
    assert run(first="spring", results="beside").code == 0
    before = git("rev-parse", "main", at=remote.folder)
    remote.move("main", merged)
    forget_ledger(remote)

    job = run(event={"before": before}, results="beside")

    assert job.code == 3, job.log
    assert f"Commit {before} has or had results of spring at campaigns/spring.results.json" in job.log
    assert len(titles(vendor)) == 2


def test_ledger_that_moves_before_the_push_is_read_again(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    theirs = remote.commit("main", "given-up", "theirs")
    hook, moved = remote.folder / "hooks/update", remote.folder / "moved"
    hook.write_text(
        f"#!/bin/sh\n[ -e {shlex.quote(str(moved))} ] && exit 0\ntouch {shlex.quote(str(moved))}\n"
        f"git update-ref {LEDGER} {theirs}\n"
    )
    hook.chmod(0o755)

    job = run(first="spring")

    assert job.code == 0, job.log
    assert {"branch/spring.results.json", "given-up"} <= set(recorded(remote))
    assert len(titles(vendor)) == 2


def test_damaged_ledger_is_named(remote: Remote, run: Callable[..., Job], vendor: Emulator) -> None:
    file = remote.commit("main", "branch", "no folder")
    for damaged in (f"{file}:branch", file):
        git("update-ref", LEDGER, git("rev-parse", damaged, at=remote.folder), at=remote.folder)

        job = run(first="spring")

        assert job.code == 3, job.log
        assert f"git push origin :{LEDGER}" in job.log
    assert titles(vendor) == []


def test_names_of_refs_and_folders_are_taken_literally(
    remote: Remote, run: Callable[..., Job], vendor: Emulator
) -> None:
    """Git also lists refs of which a name is only the end, such as copies, and `:(` may begin a pattern."""
    remote.edit("main", lambda work: (work / "campaigns").rename(work / ":(top)y"))
    manifest = ":(top)y/spring.yaml"
    assert run(first="spring", manifest=manifest, results="beside").code == 0
    git("update-ref", f"refs/backup/{LEDGER}", LEDGER, at=remote.folder)
    more = remote.text(manifest, "main").replace('"prompts": {', '"prompts": {"jump": "a jump", ')
    remote.edit("main", lambda work: write(work / manifest, more))

    job = run(manifest=manifest, results="beside")

    assert job.code == 0, job.log
    assert len(titles(vendor)) == 3
    assert recorded(remote) == ["beside/:(top)y/spring.results.json", "started"]


def test_full_checkout_stays_full(remote: Remote, machine: Machines, run: Callable[..., Job]) -> None:
    """Other steps of the job may want its history."""
    assert run(first="spring").code == 0
    remote.edit("main", lambda work: write(work / "note.txt", "later"))
    one = machine("full")
    shutil.rmtree(one.workspace)
    git("clone", "-q", f"file://{remote.folder}", one.workspace, at=one.workspace.parent)

    job = one.uses(command="run", campaigns=MANIFEST)

    assert job.code == 0, job.log
    assert git("rev-parse", "--is-shallow-repository", at=one.workspace) == "false"


def test_results_whose_path_is_no_text_are_found(tmp_path: Path) -> None:
    git("init", "-q", tmp_path, at=tmp_path)
    (tmp_path / "results").write_text(json.dumps({"purchases": [{"id": "a", "status": "done"}]}))
    blob = git("hash-object", "-w", "results", at=tmp_path)
    path = b"\xe9t\xe9/spring.results.json"
    change = f":100644 000000 {blob} {'0' * 40} D".encode()

    found = subprocess.run(
        [sys.executable, "-I", ROOT / "ci/lost.py"],
        cwd=tmp_path,
        input=change + b"\0" + path + b"\0",
        capture_output=True,
        env=bare_environment() | {"LC_ALL": "C.UTF-8"},
        check=True,
    )

    assert found.stdout == b"\t".join([blob.encode(), path, path]) + b"\n"
