"""Campaigns under kills, lack of space and faults, and the promises that each must keep in the end."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import LedgerEntry
from pipeline.json_values import Json
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.opening import open_store
from support.calling import Ended
from support.campaigns import Project, campaign
from support.fork_server import Child, ForkServer

if TYPE_CHECKING:  # its server takes seconds to import
    from support.s3 import S3Server

# The most runs of a campaign until it is finished; with a healthy vendor, one is enough.
MAX_RUNS = 6
_END = {0, 1, 7}
_ENDED = {"done", "attention", "failed"}
UPSTREAM = "sketch/sketch/red"


def every_way(name: str, plain: int = 0) -> dict[str, Json]:
    """A campaign with a chain of two, two jobs that share one purchase, and `plain` ones."""
    alone = [f"p{number}" for number in range(plain)]
    rules: list[Json] = [
        {"id": "sketch", "templates": ["sketch"], "image_sets": ["shoes"], "prompts": []},
        {"id": "stage", "templates": ["film"], "image_sets": ["sketches"], "prompts": ["spin"]},
        {
            "id": "shared",
            "templates": ["film"],
            "image_sets": ["shoes"],
            "prompts": ["share"],
            "matrix": {"locale": ["en", "fr"]},
        },
    ]
    if plain:
        rules.append({"id": "plain", "templates": ["film"], "image_sets": ["shoes"], "prompts": [*alone]})
    return {
        "version": 1,
        "name": name,
        "templates": {
            "sketch": {"template_id": "vim_sketch_me", "options": {"pipeline_mode": "image"}},
            "film": {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}},
        },
        "image_sets": {"shoes": ["images/red.png"], "sketches": {"outputs_of": "sketch"}},
        "prompts": {"spin": "it spins", "share": "it stands", **{name: f"take {name}" for name in alone}},
        "jobs": rules,
    }


@dataclass
class Trial:
    """One campaign, run by processes that may be killed, and the vendor that it buys from.

    Its files go to the `store`, if there is one.
    """

    project: Project
    vendor: Emulator
    fork_server: ForkServer
    flags: tuple[str, ...] = ()
    store: "S3Server | None" = None
    history: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, folder: Path, vendor: Emulator, fork_server: ForkServer, plain: int = 0, *flags: str
    ) -> "Trial":
        """A new campaign in `folder`, named after it."""
        folder.mkdir(parents=True)
        return cls(
            campaign(folder, {"campaign.yaml": every_way(folder.name, plain)}), vendor, fork_server, flags
        )

    def start(self, **more: str) -> Child:
        """Start a run."""
        folder = self.project.folder
        log = folder.with_name(f"{folder.name}-{len(self.history)}")
        if self.store is not None:
            more = {**self.store.environment, "PIPELINE_OUTPUT": self.store.location(self.name), **more}
        return self.fork_server.start(
            "run", self.project.manifest, *self.flags, url=self.vendor.url, folder=folder, log=log, **more
        )

    def ended(self, child: Child) -> Ended:
        """Wait for the end of a run, and keep it for the transcript."""
        ended = child.ended()
        self.history.append(f"--- {ended.code}\n{ended.output}")
        return ended

    def run(self, **more: str) -> Ended:
        """Run it to the end of that run."""
        return self.ended(self.start(**more))

    def run_until_done(self) -> Ended:
        """Run it again until no further run would change anything."""
        for _ in range(MAX_RUNS):
            ended = self.run()
            if ended.code in _END and all(self._has_ended(*each) for each in self.project.statuses().items()):
                return ended
        raise AssertionError(f"{MAX_RUNS} runs did not bring it to an end\n{self.transcript}")

    def _has_ended(self, key: str, status: str) -> bool:
        waits = status == "pending" and key.startswith("stage/")
        return status in _ENDED or (waits and self.project.statuses()[UPSTREAM] in {"attention", "failed"})

    @property
    def transcript(self) -> str:
        """The output of all its runs, to find out what went wrong."""
        return "\n".join(self.history)

    @property
    def creates(self) -> list[LedgerEntry]:
        """Its own lines in the vendor's ledger, which several campaigns may share."""
        return [entry for entry in self.vendor.ledger.entries if entry.title.startswith(f"{self.name}: ")]

    @property
    def name(self) -> str:
        return self.project.name

    def purchases(self) -> dict[PurchaseId, Purchase]:
        """The purchases in the state."""
        store = open_store(
            self.project.state,
            campaign=self.name,
            manifest=self.project.manifest,
            run="check",
            writable=False,
            now="2026-01-01T00:00:00.000Z",
        )
        try:
            return dict(store.records().purchases)
        finally:
            store.close()

    def assert_kept(self, ended: Ended) -> None:
        """Check the promises after any history: nothing paid twice, nothing paid lost, every file whole."""
        try:
            self._assert_bought_once()
            self._assert_nothing_forgotten(self.purchases())
            self._assert_honest(ended, self.project.results())
            self._assert_files_whole(self.project.results())
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.transcript}") from error

    def _assert_bought_once(self) -> None:
        sent = Counter(entry.title for entry in self.creates)
        assert not [title for title, times in sent.items() if times > 1], sent
        # Nobody asked for a second take, so each job has at most one purchase that cost something.
        paid = Counter(entry.title.rpartition(" (")[0] for entry in self.creates if entry.bought)
        assert not [title for title, times in paid.items() if times > 1], paid

    def _assert_nothing_forgotten(self, purchases: dict[PurchaseId, Purchase]) -> None:
        published = {each["id"]: each for each in self.project.results()["purchases"]}
        assert all(
            purchases[purchase_id].workflow_id == each.get("workflow_id")
            for purchase_id, each in published.items()
        )
        for entry in self.creates:
            if not entry.bought:
                continue
            purchase_id = PurchaseId(entry.title.rpartition("(")[2].rstrip(")"))
            assert purchase_id in purchases, entry
            purchase = purchases[purchase_id]
            assert purchase.workflow_id == entry.workflow_id or purchase.status is Status.ATTENTION, entry
            assert purchase_id in published, entry

    def _assert_honest(self, ended: Ended, results: dict[str, Any]) -> None:
        statuses = {job["key"]: job["status"] for job in results["jobs"]}
        assert all(self._has_ended(*each) for each in statuses.items()), statuses
        assert (ended.code == 0) == (set(statuses.values()) == {"done"}), statuses
        assert (ended.code == 7) == ("attention" in statuses.values()), statuses

    def _assert_files_whole(self, results: dict[str, Any]) -> None:
        made = {
            hashlib.sha256(path.read_bytes()).hexdigest()
            for entry in self.creates
            for path in (self.vendor.settings.folder / "media" / str(entry.workflow_id)).glob("*.*")
        }
        files = self.project.output()
        wanted = {
            output["path"]: output["sha256"] for job in results["jobs"] for output in job.get("outputs", ())
        }
        assert len(wanted) == sum(job["status"] == "done" for job in results["jobs"])
        for path, digest in wanted.items():
            content = self._read(path)
            assert hashlib.sha256(content).hexdigest() == digest, path
            assert digest in made, path
        if self.store is not None:
            stored = {
                key: hashlib.sha256(content).hexdigest() for key, content in self.store.objects().items()
            }
            assert set(stored.values()) <= made, stored
            assert not self.store.open_uploads()
        half = [name for name in files if name.rpartition("/")[2].startswith(".")]
        assert not half, half
        assert not list(self.project.folder.glob(".*.tmp"))

    def _read(self, path: str) -> bytes:
        """The content of a file that the results list."""
        return (self.project.folder / path).read_bytes() if self.store is None else self.store.get(path)
