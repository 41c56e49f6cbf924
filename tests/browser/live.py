"""A campaign that a test advances step by step like a run: its state on disk, its videos in place.

`python -m browser.live FOLDER [VARIANTS]`, with `tests` on the path, writes one in progress.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from browser.samples import COARSE, FINE, PROMPTS, scene_video, shoe
from pipeline.jobs import Job, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.purchases import Output, Purchase, PurchaseId, Status, WorkflowId
from pipeline.state.events import Accepted, Event, Fetched, Finished, Rejected, Unresolved, VendorFailed
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change, Intent, PlacedFile, Turn
from pipeline.state.transitions import advance

NAME = "spring-drop"
_RULES: dict[str, dict[str, Any]] = {
    "hero": {
        "template": "overlay",
        "images": ("red", "blue", "volt"),
        "prompts": ("stroll", "leap", "walk", "turn"),
        "backgrounds": ("beach", "city"),
    },
    "story": {
        "template": "arctic",
        "images": ("moss", "ash", "violet"),
        "prompts": ("rain", "stack", "dusk", "werk"),
        "backgrounds": ("forest",),
    },
    "feed": {
        "template": "overlay",
        "images": ("red", "violet", "ash"),
        "prompts": ("stroll", "leap", "rain", "dusk"),
        "backgrounds": ("studio",),
    },
}
_TEMPLATES = {"overlay": "overlay_gray_5443", "arctic": "each_explodedloop_0226"}
_SECONDS = {"overlay": 102.0, "arctic": 80.0}


@dataclass
class LiveCampaign:
    """A campaign on disk whose jobs a test buys, finishes and fails. `variants` multiplies its 48 jobs.

    `sharing` is the number of jobs that each purchase serves: they differ only in what no request depends on.
    `prices` are those that the manifest gives, by template id.
    """

    folder: Path
    variants: int = 1
    sharing: int = 1
    shorter_side: int = COARSE
    videos: bool = True
    limits: dict[str, Any] = field(default_factory=lambda: {"budget": 12_000, "max_credits": 5_500})
    prices: dict[str, int] = field(default_factory=dict)
    started: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=19))

    def __post_init__(self) -> None:
        (self.folder / "images").mkdir(parents=True, exist_ok=True)
        for name in ("red", "blue", "volt", "moss", "ash", "violet"):
            shoe(name).resize((48, 30)).save(self.folder / "images" / f"{name}.png")
        self.manifest.write_text(json.dumps(self._manifest(), ensure_ascii=False, indent=1), encoding="utf-8")
        self.campaign = load(self.manifest)
        self.jobs: list[Job] = in_plan_order(expand(self.campaign))
        self.numbers = {job.key: number for number, job in enumerate(self.jobs, start=1)}

    @property
    def manifest(self) -> Path:
        return self.folder / "campaign.yaml"

    @property
    def decisions(self) -> Path:
        return self.folder / f"{NAME}.decisions.yaml"

    @property
    def output(self) -> Path:
        return self.campaign.output.dir

    @property
    def run_name(self) -> str:
        return f"{at(self.started)} 0badcafe"

    def _manifest(self) -> dict[str, Any]:
        rules = []
        for name, rule in _RULES.items():
            matrix: dict[str, Any] = {"background": list(rule["backgrounds"])}
            if self.variants > 1:
                matrix["variant"] = [f"v{number}" for number in range(self.variants)]
            if self.sharing > 1:
                matrix["channel"] = [f"c{number}" for number in range(self.sharing)]
            rules.append(
                {
                    "id": name,
                    "templates": [rule["template"]],
                    "image_sets": [name],
                    "prompts": list(rule["prompts"]),
                    "matrix": matrix,
                }
            )
        rest = ", {{ background }}" + (" {{ variant }}" if self.variants > 1 else "")
        return {
            "version": 1,
            "name": NAME,
            "templates": {
                name: {"template_id": template, "options": {"prompt": f"{{{{ prompt }}}}{rest}"}}
                for name, template in _TEMPLATES.items()
            },
            "image_sets": {
                name: [{"id": each, "path": f"images/{each}.png"} for each in rule["images"]]
                for name, rule in _RULES.items()
            },
            "prompts": {name: text for name, (_, text) in PROMPTS.items()},
            "jobs": rules,
            "limits": self.limits,
            "catalog": {"credits": self.prices},
        }

    @contextmanager
    def run(self) -> "Iterator[LiveRun]":
        """A live run, which holds the state, while this lasts."""
        store = open_store(
            self.folder / ".pipeline" / f"{NAME}.db",
            campaign=NAME,
            manifest=self.manifest,
            run=self.run_name,
            writable=True,
            now=at(self.started),
        )
        try:
            yield LiveRun(self, store)
        finally:
            store.close()


@dataclass
class LiveRun:
    """Changes the state like a run, step by step."""

    campaign: LiveCampaign
    store: SqlStore
    purchases: dict[str, Purchase] = field(default_factory=dict)

    def buy(self, job: Job, ago: float = 0.0) -> Purchase:
        """The create of a job was accepted `ago` seconds ago."""
        self.send(job, ago)
        return self.step(job, Accepted(WorkflowId(f"wf-{self.campaign.numbers[job.key]:05}")))

    def lose(self, job: Job) -> Purchase:
        """The create of a job was sent with an unknown outcome."""
        self.send(job)
        return self.step(job, Unresolved("no answer within 60 s after the create was sent"))

    def send(self, job: Job, ago: float = 0.0) -> None:
        """The create of a job was sent `ago` seconds ago and is unanswered."""
        purchase_id = PurchaseId(hashlib.sha256(job.key.encode()).hexdigest()[:16])
        when = at(datetime.now(UTC) - timedelta(seconds=ago))
        bought = Purchase(
            id=purchase_id,
            key=job.key,
            fingerprint=job.fingerprint,
            status=Status.SUBMITTING,
            bought_at=when,
            template_id=job.request.template_id,
            request=job.request_json(purchase_id),
            credits={"hero": 120, "story": 100, "feed": 80}[job.coordinates.rule],
            path=job.path,
        )
        self.store.commit_turn(Turn(intents=[Intent(purchase=bought, at=when)]), Caps())
        self.purchases[job.key] = bought

    def refuse(self, job: Job, why: str) -> Purchase:
        """The vendor refused the create of a job."""
        self.send(job)
        return self.step(job, Rejected(why))

    def make(self, job: Job) -> Purchase:
        """The video of a job is finished and downloaded."""
        rule, image = job.coordinates.rule, str(job.coordinates.image)
        scene = str(dict(job.coordinates.axes)["background"])
        content = (
            scene_video(image, scene, rule, self.campaign.shorter_side, self.campaign.numbers[job.key] % 5)
            if self.campaign.videos
            else f"no film of {job.key}".encode()
        )
        path = self.campaign.output / f"{job.path}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        output = Output("video/mp4", sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        finished = Output("video/mp4", url="https://media.example.com/film.mp4")
        self.step(job, Finished((finished,)))
        made = self.step(job, Fetched((output,)))
        placed = PlacedFile(
            path=f"{job.path}.mp4",
            purchase=made.id,
            slot="result/0",
            sha256=output.sha256 or "",
            bytes=len(content),
            mtime_ns=path.stat().st_mtime_ns,
        )
        seconds = _SECONDS[job.coordinates.template]
        self.store.commit_turn(Turn(files=[placed], durations=[(job.request.template_id, seconds)]), Caps())
        return made

    def fail(self, job: Job, why: str) -> Purchase:
        """The vendor failed a job."""
        return self.step(job, VendorFailed(why))

    def step(self, job: Job, event: Event) -> Purchase:
        """Record one step of a job's purchase."""
        before = self.purchases[job.key]
        after = advance(before, event)
        self.store.commit([Change(before=before, after=after, at=at(datetime.now(UTC)), event=event)])
        self.purchases[job.key] = after
        return after

    def all_made(self, jobs: Sequence[Job]) -> None:
        """Buy and finish all of these, one after another."""
        for number, job in enumerate(jobs):
            self.buy(job, ago=(len(jobs) - number) * 20)
            self.make(job)


def at(moment: datetime) -> str:
    """A time in the format of the records."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_the_middle(campaign: LiveCampaign, run: LiveRun) -> None:
    """Most jobs finished, eight under way, two failed, one that needs attention."""
    jobs = [each for number in range(12) for each in campaign.jobs[number::12]]
    for number, job in enumerate(jobs[: len(jobs) * 5 // 8]):
        run.buy(job, ago=1100 - number * 900 / len(jobs))
        run.make(job)
    rest = jobs[len(jobs) * 5 // 8 :]
    run.lose(rest[0])
    for job in rest[1:3]:
        run.refuse(job, 'prompt names a protected brand: "high-top" in options.prompt')
    for number, job in enumerate(rest[3:11]):
        run.buy(job, ago=(131, 96, 58, 41, 19, 12, 5, 1)[number])


def main() -> None:
    """Write what the arguments request."""
    variants = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    campaign = LiveCampaign(Path(sys.argv[1]), variants, shorter_side=FINE)
    with campaign.run() as run:
        in_the_middle(campaign, run)


if __name__ == "__main__":
    main()
