"""What very many workflows in flight cost: bytes each, or CPU a poll. Prints JSON."""

import argparse
import json
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs.simulated import InMemory, JumpingClock, opened_state, planned
from pipeline.engine.reporter import Stop
from pipeline.errors import ExitCode
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.providers.base import Progress, Workflow
from pipeline.purchases import WorkflowId


@dataclass
class NeverEnding(InMemory):
    """A vendor whose workflows run on, half of them without progress, until `stop` is asked for.

    As many polls as there are workflows come first; then memory is read, and `polls` more are timed.
    """

    clock: JumpingClock
    stop: Stop
    number: int
    polls: int
    asked: int = 0
    held: int = 0
    began: float = 0.0
    cpu: float = 0.0

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.asked += 1
        if self.asked == self.number:
            self.held, self.began = _held(), time.process_time()
        if self.asked == self.number + self.polls:
            self.cpu = time.process_time() - self.began
            self.stop.request(ExitCode.INTERRUPTED)
        percent = self.clock.time / 1000 % 99 if workflow_id[-1] in "02468" else 0.0
        return Workflow(workflow_id, Progress.RUNNING, "processing", percent=percent)


def _held() -> int:
    """The bytes of all objects that there are, as far as they are traced."""
    return tracemalloc.get_traced_memory()[0]


def fly(manifest: Path, polls: int) -> Mapping[str, float]:
    """Go on with a campaign all of whose jobs are in flight: bytes a job, seconds of CPU a poll."""
    campaign = load(manifest)
    clock, stop = JumpingClock(), Stop()
    jobs = list(expand(campaign))
    number = len(jobs)
    with opened_state(manifest, campaign.name, "fly") as store:
        run = planned(jobs, store, campaign.output.dir)
        before = _held()
        provider = NeverEnding(clock, stop, number, polls)
        run.carry_out(provider, clock, stop, in_flight=number)
    return {
        "bytes": (provider.held - before) / number,
        "bytes_in_all": provider.held / number,
        "seconds_a_poll": provider.cpu / max(polls, 1),
    }


def main() -> None:
    """Simulate what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--memory", action="store_true", help="trace memory and time no polls, as that is slow"
    )
    parser.add_argument("manifest", type=Path)
    parser.add_argument("polls", type=int)
    given = parser.parse_args()
    if given.memory:
        tracemalloc.start()
    print(json.dumps(fly(given.manifest, 0 if given.memory else given.polls)))


if __name__ == "__main__":
    main()
