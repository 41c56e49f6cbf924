"""What very many workflows in flight cost: bytes each, and CPU a poll. Prints JSON."""

import argparse
import itertools
import json
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    As many polls as there are workflows come first; then memory is read, and traced no more, as that is slow. After
    that `polls` are timed, `times` times.
    """

    clock: JumpingClock
    stop: Stop
    number: int
    polls: int
    times: int
    asked: int = 0
    held: int = 0
    clocked: list[float] = field(default_factory=list)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.asked += 1
        if self.asked == self.number:
            self.held = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
        timed = self.asked - self.number
        if timed >= 0 and timed % self.polls == 0:
            self.clocked.append(time.process_time())
        if timed == self.polls * self.times:
            self.stop.request(ExitCode.INTERRUPTED)
        percent = self.clock.time / 1000 % 99 if workflow_id[-1] in "02468" else 0.0
        return Workflow(workflow_id, Progress.RUNNING, "processing", percent=percent)


def fly(manifest: Path, polls: int, times: int) -> Mapping[str, Any]:
    """Go on with a campaign all of whose jobs are in flight: bytes a job, and of each time seconds of CPU a poll."""
    campaign = load(manifest)
    clock, stop = JumpingClock(), Stop()
    jobs = list(expand(campaign))
    number = len(jobs)
    with opened_state(manifest, campaign.name, "fly") as store:
        run = planned(jobs, store, campaign.output.dir)
        provider = NeverEnding(clock, stop, number, polls, times)
        tracemalloc.start()
        run.carry_out(provider, clock, stop, in_flight=number)
    return {
        "bytes": provider.held / number,
        "seconds_a_poll": [(end - start) / polls for start, end in itertools.pairwise(provider.clocked)],
    }


def main() -> None:
    """Simulate what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("polls", type=int)
    parser.add_argument("times", type=int)
    given = parser.parse_args()
    print(json.dumps(fly(given.manifest, given.polls, given.times)))


if __name__ == "__main__":
    main()
