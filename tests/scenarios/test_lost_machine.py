"""Machines that lose their disk: others continue from what was published before it was sent."""

import random
import shlex
import time
from collections import Counter
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.calling import Ended
from support.campaigns import Content
from support.chance import seed_of_tests, vendor_in
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten, assert_whole
from support.fork_server import Child, ForkServer, each
from support.machines import PUBLISH, Machine, Remote, git
from support.processes import PATIENCE, PROGRAM
from support.protection import fails_without
from support.trials import UPSTREAM, every_way

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import LedgerEntry

SEED = seed_of_tests()
LOST, AT_ONCE = 12, 4
# Two waves and a chained job: sketch and shared, then the plain ones.
CAMPAIGN: dict[str, Content] = {"campaign.yaml": every_way("spring", 2)}
WAVES = ("--checkpoint", PUBLISH, "--in-flight", "2")


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote.of(tmp_path / "remote", CAMPAIGN)


def start(
    fork_server: ForkServer, vendor: Emulator, machine: Machine, *flags: str, command: str = "run"
) -> Child:
    """Start a command on a machine."""
    folder = machine.project.folder
    log = folder.with_name(f"{folder.name}-log")
    return fork_server.start(
        command,
        machine.project.manifest,
        *flags,
        url=vendor.url,
        folder=folder,
        log=log,
        **machine.environment,
    )


def run(fork_server: ForkServer, vendor: Emulator, machine: Machine, *flags: str) -> Ended:
    """A complete run on a machine."""
    return start(fork_server, vendor, machine, *flags).ended()


def assert_kept(machine: Machine, vendor: Emulator) -> None:
    """Nothing was bought twice by all machines together, and the last one knows everything that was paid."""
    assert_nothing_bought_twice(vendor)
    paid = Counter(entry.title.rpartition(" (")[0] for entry in vendor.ledger.bought)
    assert set(paid.values()) <= {1}, paid
    assert_nothing_forgotten(machine.project, vendor)
    assert_whole(machine.project)


def go_on(fork_server: ForkServer, vendor: Emulator, machine: Machine) -> None:
    """A machine that has only what is in git finishes the campaign."""
    ended = run(fork_server, vendor, machine, *WAVES)

    statuses = machine.project.statuses()
    in_vain = (
        {key for key in statuses if key.startswith("stage/")} if statuses[UPSTREAM] == "attention" else set()
    )
    assert {status for key, status in statuses.items() if key not in in_vain} <= {"done", "attention"}, (
        ended.output
    )
    # As far as others can tell, the lost machine may still be sending what it published.
    assert ended.code == (8 if "attention" in statuses.values() else 0), ended.output
    assert ("under way elsewhere" in ended.out) == ("attention" in statuses.values())
    # Files that others downloaded are not on this machine, which is no reason to buy anything.
    collected = start(fork_server, vendor, machine, command="collect").ended()
    assert collected.code == ended.code, collected.output
    assert_kept(machine, vendor)


def lose_and_go_on(folder: Path, fork_server: ForkServer, rng: random.Random) -> list[str]:
    """A machine is lost at a random moment and another one continues; returns the statuses of its purchases."""
    folder.mkdir()
    with vendor_in(folder / "vendor") as vendor:
        remote = Remote.of(folder / "remote", CAMPAIGN)
        first = remote.machine(folder / "first", "spring")
        lost = start(fork_server, vendor, first, *WAVES)
        time.sleep(rng.uniform(0.0, 1.5))
        first.lose(lost.number)
        lost.ended()

        second = remote.machine(folder / "second", "spring")
        go_on(fork_server, vendor, second)
        # All of it is published: a third machine would know it too.
        third = remote.machine(folder / "third", "spring")
        assert third.project.results_file.read_bytes() == second.project.results_file.read_bytes()
        return [each["status"] for each in second.project.results()["purchases"]]


def test_lost_machine_is_continued_by_another_and_nothing_is_bought_twice(
    tmp_path: Path, fork_server: ForkServer
) -> None:
    def lose(number: int) -> list[str]:
        try:
            return lose_and_go_on(tmp_path / str(number), fork_server, random.Random(f"{SEED}/{number}"))
        except AssertionError as error:
            raise AssertionError(f"PIPELINE_TEST_SEED={SEED}, machine {number}: {error}") from error

    purchases = each(lose, range(LOST), AT_ONCE)

    assert any("done" in statuses for statuses in purchases)
    # At most one wave is in doubt.
    assert all(statuses.count("attention") <= 2 for statuses in purchases)


@fails_without(
    "pipeline.state.recovery:absorb",
    "known = {purchase_id: _under_way",
    swap=("else recover(purchase) for", "else purchase for"),
)
def test_wave_of_a_lost_machine_needs_attention_on_the_next_one(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = remote.machine(tmp_path / "first", "spring")
    numbers: SimpleQueue[int] = SimpleQueue()
    append = vendor.ledger.append

    def lost_meanwhile(entry: LedgerEntry) -> None:
        append(entry)
        first.lose(numbers.get(timeout=PATIENCE))

    with monkeypatch.context() as patched:
        patched.setattr(vendor.ledger, "append", lost_meanwhile)
        lost = start(fork_server, vendor, first, *WAVES, "--concurrency", "1")
        numbers.put(lost.number)
        assert lost.ended().code == -9
    (sent,) = vendor.ledger.bought

    second = remote.machine(tmp_path / "second", "spring")
    go_on(fork_server, vendor, second)

    unknown = [each for each in second.project.results()["purchases"] if each["status"] == "attention"]
    assert len(unknown) == 2
    assert any(each["id"] in sent.title for each in unknown)


def test_published_purchases_of_a_lost_machine_are_fetched_by_another(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator
) -> None:
    first = remote.machine(tmp_path / "first", "spring")
    submitted = run(fork_server, vendor, first, "--checkpoint", PUBLISH, "--no-wait")
    assert submitted.code == 8, submitted.output
    bought = vendor.ledger.bought
    assert len(bought) == 4

    second = remote.machine(tmp_path / "second", "spring")
    go_on(fork_server, vendor, second)

    assert set(second.project.statuses().values()) == {"done"}
    assert vendor.ledger.bought[: len(bought)] == bought
    assert len(vendor.ledger.bought) == len(bought) + 1


def come_first(remote: Remote, folder: Path) -> None:
    """Push something from another machine."""
    other = remote.machine(folder / "other", "spring")
    other.project.write({"notes.txt": "I was here first"})
    git(other.project.folder, "add", "notes.txt")
    git(other.project.folder, "commit", "-qm", "notes")
    git(other.project.folder, "push", "-q", "origin", "main")


def test_refused_push_is_a_lock_between_machines(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator
) -> None:
    machine = remote.machine(tmp_path / "machine", "spring")
    come_first(remote, tmp_path)

    refused = run(fork_server, vendor, machine, *WAVES)

    assert refused.code == 8, refused.output
    assert "checkpoint command failed" in refused.output
    assert not vendor.ledger.entries
    assert [each["status"] for each in machine.project.results()["purchases"]] == ["void", "void"]
    assert set(machine.project.statuses().values()) == {"pending"}

    machine.pull()
    go_on(fork_server, vendor, machine)
    assert set(machine.project.statuses().values()) == {"done"}


def test_push_refused_during_a_run_stops_buying_and_finishes_what_is_bought(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = remote.machine(tmp_path / "machine", "spring")
    append = vendor.ledger.append

    def overtaken(entry: LedgerEntry) -> None:
        if not vendor.ledger.entries:
            come_first(remote, tmp_path)
        append(entry)

    with monkeypatch.context() as patched:
        patched.setattr(vendor.ledger, "append", overtaken)
        refused = run(fork_server, vendor, machine, *WAVES)

    assert refused.code == 8, refused.output
    assert len(vendor.ledger.bought) == 2
    assert Counter(machine.project.statuses().values()) == {"done": 3, "pending": 3}
    assert Counter(each["status"] for each in machine.project.results()["purchases"])["void"] > 0

    machine.pull()
    go_on(fork_server, vendor, machine)
    assert set(machine.project.statuses().values()) == {"done"}


def test_git_merges_results_of_machines_that_bought_independently(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator
) -> None:
    first, second = (remote.machine(tmp_path / name, "spring") for name in ("first", "second"))
    one = run(fork_server, vendor, first, "--select", "shared")
    other = run(fork_server, vendor, second, "--select", "plain")
    assert (one.code, other.code) == (0, 0), one.output + other.output
    first.commit()
    first.push()
    second.commit()

    second.pull()

    assert git(second.project.folder, "log", "--merges", "--oneline").stdout.count("\n") == 1
    assert len(second.project.results()["purchases"]) == 3
    go_on(fork_server, vendor, second)
    assert set(second.project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 5


def test_checkpoint_that_pulls_a_purchase_of_another_machine_sends_nothing_for_it(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator
) -> None:
    """A checkpoint that pulls before it pushes succeeds though another machine was first."""
    first, second = (remote.machine(tmp_path / name, "spring") for name in ("first", "second"))
    python, *program = map(shlex.quote, PROGRAM)
    other = tmp_path / "other.sh"
    other.write_text(
        # A checkpoint is not given the key, and the other machine has its own.
        f"cd {second.project.folder} && VIMMERSE_API_KEY=its-own {python} {' '.join(program)} run "
        f"{second.project.manifest} --checkpoint {shlex.quote(PUBLISH)}\n"
    )
    pulling = (
        f"if [ -f {other} ]; then mv {other} {other}.done && sh {other}.done; fi >&2"
        " && git add -- *.results.json && (git diff --cached --quiet || git commit -qm results)"
        " && git pull -q --no-rebase --no-edit origin main && git push -q origin main"
    )

    stopped = run(fork_server, vendor, first, "--checkpoint", pulling, "--in-flight", "2")

    assert stopped.code == 0, stopped.output
    assert "not bought: another machine has bought the same thing" in stopped.output
    assert set(first.project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 5
    go_on(fork_server, vendor, first)
