"""Machines that share only a git remote keep one budget and buy nothing twice."""

from pathlib import Path

import pytest
from support.campaigns import Content, spring
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten
from support.fork_server import Child, ForkServer
from support.machines import Machine, Remote
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

BUDGET, PRICE = 500, 100
# Commits changes, and merges what others have pushed until its own push succeeds.
JOIN_AND_PUSH = (
    "git add -- *.results.json && (git diff --cached --quiet || git commit -qm results)"
    " && until git push -q origin main; do git pull -q --no-rebase --no-edit origin main || exit 1; done"
)
# The same in steps: after a merge it asks to be run again.
JOIN_OR_PUSH = (
    "git add -- *.results.json && (git diff --cached --quiet || git commit -qm results)"
    " && { git push -q origin main || { git pull -q --no-rebase --no-edit origin main && exit 75; }; }"
)
NAMES = ("one", "two", "three")
# Four different jobs per machine, together more than the budget allows.
CAMPAIGN: dict[str, Content] = {
    "campaign.yaml": spring(
        prompts={f"p{number}": f"take {number}" for number in range(4)},
        jobs=[{"id": name, "options": {"prompt": name + " {{ prompt }}"}} for name in NAMES],
        limits={"budget": BUDGET, "in_flight": 2},
    )
}


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote.of(tmp_path / "remote", CAMPAIGN)


def start(fork_server: ForkServer, vendor: Emulator, machine: Machine, *flags: str) -> Child:
    folder = machine.project.folder
    return fork_server.start(
        "run",
        machine.project.manifest,
        *flags,
        url=vendor.url,
        folder=folder,
        log=folder.with_name(f"{folder.name}-log"),
        **machine.environment,
    )


@fails_without("pipeline.engine.create:Creator._void_unsendable", "self._keep_the_budget()")
@pytest.mark.parametrize(("command", "codes"), [(JOIN_AND_PUSH, {0, 4}), (JOIN_OR_PUSH, {0, 4, 8})])
def test_three_machines_on_one_remote_share_one_budget(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator, command: str, codes: set[int]
) -> None:
    machines = {name: remote.machine(tmp_path / name, "spring") for name in NAMES}

    runs = [
        start(fork_server, vendor, machine, "--select", f"job:{name}", "--checkpoint", command)
        for name, machine in machines.items()
    ]
    ended = [each.ended() for each in runs]

    said = "\n".join(each.output for each in ended)
    assert {each.code for each in ended} <= codes, said
    assert PRICE <= vendor.ledger.spent <= BUDGET, said
    assert_nothing_bought_twice(vendor)
    last = remote.machine(tmp_path / "last", "spring")
    assert_nothing_forgotten(last.project, vendor)
    assert last.project.results()["summary"]["credits"] == vendor.ledger.spent, said


@fails_without("pipeline.engine.create:Creator._void_unsendable", "self._yield_to_others()")
def test_three_machines_with_the_same_jobs_buy_them_once(
    tmp_path: Path, remote: Remote, fork_server: ForkServer, vendor: Emulator
) -> None:
    machines = [remote.machine(tmp_path / name, "spring") for name in NAMES]
    flags = ("--select", "job:one", "--checkpoint", JOIN_AND_PUSH)

    ended = [each.ended() for each in [start(fork_server, vendor, machine, *flags) for machine in machines]]

    said = "\n".join(each.output for each in ended)
    # Jobs that another machine still waits for are unfinished here.
    assert {each.code for each in ended} <= {0, 8}, said
    assert 0 in {each.code for each in ended}, said
    assert_nothing_bought_twice(vendor)
    contents = [entry.content for entry in vendor.ledger.bought]
    assert len(contents) == len(set(contents)) == 4, said
    last = remote.machine(tmp_path / "last", "spring")
    assert_nothing_forgotten(last.project, vendor)
