"""What very many workflows in flight cost: bytes each, and CPU a poll. Prints JSON."""

import argparse
import gc
import json
import os
import time
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

    Once each of `number` was asked about, memory is read; then `polls` more are timed.
    """

    clock: JumpingClock
    stop: Stop
    number: int
    polls: int
    titles: Mapping[str, str]
    asked: int = 0
    resident: int = 0
    began: float = 0.0
    cpu: float = 0.0

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.asked += 1
        if self.asked == self.number:
            self.resident, self.began = _resident(), time.process_time()
        elif self.asked == self.number + self.polls:
            self.cpu = time.process_time() - self.began
            self.stop.request(ExitCode.INTERRUPTED)
        percent = self.clock.time / 1000 % 99 if workflow_id[-1] in "02468" else 0.0
        return Workflow(
            workflow_id, Progress.RUNNING, "processing", title=self.titles[workflow_id], percent=percent
        )


def _resident() -> int:
    """The bytes of this process that are in memory now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fly(manifest: Path, polls: int) -> Mapping[str, float]:
    """Go on with a campaign all of whose jobs are in flight: bytes a job, seconds of CPU a poll."""
    campaign = load(manifest)
    clock, stop = JumpingClock(), Stop()
    before = _resident()
    jobs = list(expand(campaign))
    with opened_state(manifest, campaign.name, "fly") as store:
        run = planned(jobs, store, campaign.output.dir)
        titles = {
            each.workflow_id or "": str(each.request["title"]) for each in run.records.purchases.values()
        }
        with_plan = _resident()
        provider = NeverEnding(clock, stop, len(jobs), polls, titles)
        run.carry_out(provider, clock, stop, in_flight=len(jobs))
    return {
        "bytes": (provider.resident - with_plan) / len(jobs),
        "bytes_with_plan": (provider.resident - before) / len(jobs),
        "seconds_a_poll": provider.cpu / polls,
    }


def main() -> None:
    """Simulate what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("polls", type=int)
    print(json.dumps(fly(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
