"""How long after its end a workflow is seen to have ended, and with how many polls. Prints JSON."""

import argparse
import json
import math
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.programs.simulated import FILM, InMemory, JumpingClock, opened_state, planned
from pipeline.engine.reporter import Stop
from pipeline.jobs import Coordinates, Job, Request, constant
from pipeline.providers.base import Bought, CreateOutcome, CreateRequest, Progress, Workflow
from pipeline.purchases import WorkflowId

_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Course:
    """How one workflow goes: when it began, how long it takes, and whether its progress says anything."""

    begun: float
    seconds: float
    title: str
    is_stuck: bool

    @property
    def ended(self) -> float:
        """When it is done."""
        return self.begun + self.seconds


@dataclass
class Template:
    """The workflows of one template take about `minutes`, log-normally; the progress of some stays at 0."""

    minutes: float
    is_stuck: bool
    spread: float = 0.3

    def seconds(self, chance: random.Random) -> float:
        return chance.lognormvariate(math.log(self.minutes * 60), self.spread)


TEMPLATES = {
    f"template{number}": Template(minutes, bool(number % 2))
    for number, minutes in enumerate((1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 9.0, 12.0))
}


@dataclass
class TakingMinutes(InMemory):
    """A vendor whose workflows take minutes."""

    clock: JumpingClock
    chance: random.Random
    courses: dict[str, Course] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    polls: int = 0

    def create(self, order: CreateRequest) -> CreateOutcome:
        workflow = WorkflowId(order.title.replace(" ", "-"))
        template = TEMPLATES[order.template_id]
        self.courses[workflow] = Course(
            self.clock.time, template.seconds(self.chance), order.title, template.is_stuck
        )
        return Bought(workflow)

    def get(self, workflow_id: WorkflowId) -> Workflow:
        self.polls += 1
        course = self.courses[workflow_id]
        if self.clock.time >= course.ended:
            self.seen.setdefault(workflow_id, self.clock.time)
            return Workflow(
                workflow_id, Progress.SUCCEEDED, "success", title=course.title, result=(FILM,), percent=100.0
            )
        percent = 0.0
        if not course.is_stuck:
            share = (self.clock.time - course.begun) / course.seconds
            percent = min(max(100 * share + self.chance.gauss(0, 4), 0.0), 99.0)
        return Workflow(workflow_id, Progress.RUNNING, "processing", title=course.title, percent=percent)

    def lag(self) -> float:
        """The mean seconds between the end of a workflow and the poll that saw it."""
        return sum(self.seen[name] - each.ended for name, each in self.courses.items()) / len(self.courses)

    def sample(self) -> tuple[float, int]:
        """The same of the vendor's sample client, which sleeps 30 s before each poll; and its polls."""
        polls = [math.ceil(each.seconds / _EVERY) for each in self.courses.values()]
        lags = [n * _EVERY - each.seconds for n, each in zip(polls, self.courses.values(), strict=True)]
        return sum(lags) / len(lags), sum(polls)


def detect(number: int, in_flight: int, seed: int) -> list[Mapping[str, float]]:
    """Two runs of a campaign of `number` jobs of eight templates: the first, and one that has learned from it."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "campaign.yaml"
        manifest.write_text("version: 1\nname: simulated\n", encoding="utf-8")
        return [_detect(manifest, f"run{run}", number, in_flight, seed) for run in (1, 2)]


def _detect(manifest: Path, run: str, number: int, in_flight: int, seed: int) -> Mapping[str, float]:
    names = sorted(TEMPLATES)
    jobs = [
        Job(
            Coordinates(run, names[each % len(names)], f"job{each:06}"),
            Request("simulated", names[each % len(names)], {"prompt": f"{run} {each}"}),
            path=f"{run}/{each}",
            title=constant(f"{run} {each}"),
            credits=1,
        )
        for each in range(number)
    ]
    clock = JumpingClock()
    provider = TakingMinutes(clock, random.Random(f"{run} {seed}"))
    with opened_state(manifest, "simulated", run) as store:
        planned(jobs, store, manifest.parent / "output").carry_out(provider, clock, Stop(), in_flight)
    if len(provider.seen) != number:
        raise SystemExit(f"{number - len(provider.seen)} workflow(s) were not followed to their end")
    lag, polls = provider.sample()
    return {"lag": provider.lag(), "polls": provider.polls, "sample_lag": lag, "sample_polls": polls}


def main() -> None:
    """Simulate what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int)
    parser.add_argument("in_flight", type=int)
    parser.add_argument("seed", type=int)
    print(json.dumps(detect(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
