"""A campaign's output folder, with files of purchases in it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.artifacts.inventory import needed
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.assignment import Assignment, assign
from pipeline.jobs import Coordinates, Job, Request
from pipeline.planning.plan import Presence
from pipeline.purchases import Output, Purchase, PurchaseId, Records, Status, Step, WorkflowId
from pipeline.state.store import PlacedFile


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def film(content: str, content_type: str = "video/mp4") -> Output:
    """A fetched file with `content`."""
    return Output(content_type, sha256=digest(content), bytes=len(content))


def job(name: str, path: str | None = None, asks: str = "", steps: bool = False) -> Job:
    request = Request("vimmerse", "t", {"prompt": asks or name})
    return Job(Coordinates("r", "t", name), request, path=path or f"r/{name}", steps=steps)


def bought(number: int, for_job: Job, *inventory: str, steps: tuple[Step, ...] = ()) -> Purchase:
    """A finished purchase that brought files with these contents; its id begins with its number."""
    return Purchase(
        id=PurchaseId(f"{number:07}{0:09}"),
        key=for_job.key,
        fingerprint=for_job.fingerprint,
        status=Status.DONE,
        bought_at=f"2026-01-01T00:{number:02}:00Z",
        template_id="t",
        workflow_id=WorkflowId(f"wf-{number}"),
        outputs=tuple(film(content) for content in inventory),
        steps=steps,
        path=for_job.path,
    )


@dataclass
class Campaign:
    """The folder, and the state's index of the files in it."""

    folder: Path
    purchases: list[Purchase]
    placed: dict[str, PlacedFile] = field(default_factory=dict)

    def assignment(self, *jobs: Job) -> Assignment:
        return assign(jobs, Records({each.id: each for each in self.purchases}))

    def outputs(self) -> OutputFolder:
        """The output folder as the next command opens it."""
        return OutputFolder(
            self.folder,
            self.placed.values(),
            {each.id: each for each in self.purchases},
            record=lambda expected: self.placed.update({each.path: each for each in expected}),
        )

    def keep(self, outputs: OutputFolder) -> None:
        """Have the state remember the changes of the output folder."""
        moved, removed = outputs.index.changes()
        outputs.index.forget_changes()
        for path in removed:
            self.placed.pop(path, None)
        self.placed.update({each.path: each for each in moved})

    def fetch(self, purchase: Purchase, path: str, content: str, slot: str = "result/0") -> None:
        """Put a file from the vendor at `path`."""
        outputs = self.outputs()
        temporary = outputs.temporary_folder(path) / ".fresh"
        temporary.write_text(content)
        outputs.install(temporary, path, purchase.id, slot, digest(content))
        self.keep(outputs)

    def survey(self, *jobs: Job) -> dict[str, Presence]:
        return {
            key.removeprefix("r/t/"): each
            for key, each in self.outputs().inventory.survey(self.assignment(*jobs)).items()
        }

    def put(self, *jobs: Job) -> list[bool]:
        """Put in place the files that are here at other paths, for each job in turn, as a run does."""
        assignment, outputs = self.assignment(*jobs), self.outputs()
        try:
            return [outputs.put(each, assignment.by_key[each.key], needed(assignment)) for each in jobs]
        finally:
            self.keep(outputs)

    def files(self) -> dict[str, str]:
        return {
            path.relative_to(self.folder).as_posix(): path.read_text()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
