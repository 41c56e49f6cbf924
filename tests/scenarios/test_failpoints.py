"""A run that fails at the Nth failpoint, N = 1, 2, … until one succeeds."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.fork_server import ForkServer
from support.trials import Trial, every_way

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

# The exit codes of a run that failed there: killed, a bug, or unable to continue; never 0.
FAILED = {"kill": {-9}, "raise": {70}, "full": {7, 8}}
HANDS = 4


class Walk:
    """Trials at N = 1, 2, …, several at once, until one reaches no failpoint."""

    def __init__(
        self, folder: Path, vendor: Emulator, fork_server: ForkServer, failure: str, flags: tuple[str, ...]
    ) -> None:
        self._folder = folder
        self._vendor = vendor
        self._fork_server = fork_server
        self._manner = failure
        self._flags = flags
        self._numbers = itertools.count(1)
        self._is_clean = threading.Event()
        self.struck: list[int] = []
        self.codes: set[int] = set()

    def go(self) -> None:
        while not self._is_clean.is_set():
            self._try(next(self._numbers))

    def _try(self, number: int) -> None:
        name = f"{self._manner}-{number}"
        trial = Trial.of(self._folder / name, self._vendor, self._fork_server, 0, *self._flags)
        first = trial.run(PIPELINE_FAIL_AT=f"{number}:{self._manner}")
        if first.code == 0:
            self._is_clean.set()
            trial.assert_kept(first)
            return
        self.struck.append(number)
        self.codes.add(first.code)
        trial.assert_kept(trial.run_until_done())


@pytest.mark.parametrize(
    ("failure", "flags"), [("kill", ("--checkpoint", "cp *.results.json ..")), ("raise", ()), ("full", ())]
)
def test_run_that_fails_at_any_point_is_continued_and_buys_nothing_twice(
    tmp_path: Path, vendor: Emulator, fork_server: ForkServer, failure: str, flags: tuple[str, ...]
) -> None:
    walk = Walk(tmp_path / "walk", vendor, fork_server, failure, flags)
    with ThreadPoolExecutor(HANDS) as hands:
        for ended in [hands.submit(walk.go) for _ in range(HANDS)]:
            ended.result()

    assert walk.codes == FAILED[failure]
    assert len(walk.struck) > 30


def titled(title: str) -> dict[str, Json]:
    """The campaign with another title for everything it buys."""
    manifest = every_way("spring")
    templates = manifest["templates"]
    assert isinstance(templates, dict)
    reworded: dict[str, Json] = {
        name: {**template, "title": f"{title} {{{{ job.key }}}}"}
        for name, template in templates.items()
        if isinstance(template, dict)
    }
    return {**manifest, "templates": reworded}


def test_update_killed_at_any_point_is_repeated_and_buys_nothing(
    tmp_path: Path, vendor: Emulator, fork_server: ForkServer
) -> None:
    trial = Trial.of(tmp_path / "spring", vendor, fork_server)
    assert trial.run().code == 0
    bought = vendor.ledger.entries
    for number in itertools.count(1):
        trial.project.write({"campaign.yaml": titled(f"take {number} of")})
        killed = trial.run(PIPELINE_FAIL_AT=f"{number}:kill")
        ended = trial.run()

        assert (killed.code, ended.code) in {(-9, 0), (0, 0)}, trial.transcript
        titles = [workflow.title for workflow in vendor.store.workflows()]
        assert all(title.startswith(f"take {number} of") for title in titles), (titles, trial.transcript)
        assert vendor.ledger.entries == bought
        if killed.code == 0:
            break
    assert number > 5
