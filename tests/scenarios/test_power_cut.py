"""The power fails at each sync in turn: the state opens, and nothing acknowledged is missing.

A file is synced before it is renamed into place, and so is its name before anything relies on it.
"""

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import campaign, spring
from support.disk import Platter, Step
from support.protection import fails_without

from pipeline.purchases import PurchaseId, Status, WorkflowId
from pipeline.state.opening import open_store
from pipeline.state.rescue import RescueFile

NOW = "2026-03-01T12:00:00Z"

# A separate process: after this, every database in the process would be opened through the recorder.
RECORDED = """
import pickle, sys
from pathlib import Path
from support.disk import Recorder
from pipeline.purchases import Purchase, Status
from pipeline.state.events import Accepted, Finished
from pipeline.state.transitions import advance
from pipeline.state.opening import open_store
from pipeline.state.store import Caps, Change, Intent, Turn

folder, log = map(Path, sys.argv[1:])
NOW = "2026-03-01T12:00:00Z"


def opened(run):
    return open_store(
        folder / ".pipeline/spring.db", campaign="spring", manifest=folder / "spring.yaml", run=run,
        writable=True, now=NOW,
    )


def bought_as(purchase_id, key):
    return Purchase(
        id=purchase_id, key=key, fingerprint="v1:" + "f" * 64, status=Status.SUBMITTING,
        bought_at=NOW, template_id="film", credits=5, request={"options": {"prompt": "x" * 3000}},
    )


made = opened("made")
# Else it would be deleted, as nothing was recorded in it.
made.commit_turn(Turn(intents=[Intent(purchase=bought_as("f" * 16, "made"), at=NOW)]), Caps())
made.close()
before = {path.name: path.read_bytes() for path in (folder / ".pipeline").glob("spring.db*")}
recorder = Recorder()
for run in range(3):
    store = opened(f"run-{run}")
    # Folded every few commits, as a long run does it.
    store._opened.database._connection.execute("PRAGMA wal_autocheckpoint=12")
    for number in range(8):
        bought = bought_as(f"{run:08x}{number:08x}", f"hero/{number}")
        store.commit_turn(Turn(intents=[Intent(purchase=bought, at=NOW)]), Caps())
        recorder.ack(f"{bought.id} submitting")
        for event in (Accepted(f"w{run}{number}"), Finished(())):
            after = advance(bought, event)
            store.commit([Change(before=bought, after=after, at=NOW, event=event)])
            bought = after
            recorder.ack(f"{bought.id} {bought.status}")
    store.close()
log.write_bytes(pickle.dumps((before, recorder.steps)))
"""

FURTHER = [Status.SUBMITTING, Status.SUBMITTED, Status.SUCCEEDED]


def recorded(folder: Path) -> tuple[dict[str, bytes], list[Step]]:
    """The files of a state before a few runs of the store, and everything these did to them."""
    (folder / "spring.yaml").write_text("version: 1\n")
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent)])
    log = folder / "log"
    command = [sys.executable, "-c", RECORDED, str(folder), str(log)]
    subprocess.run(command, cwd=folder, env={"PYTHONPATH": path}, check=True)
    before, steps = pickle.loads(log.read_bytes())
    return before, steps


def cuts(before: dict[str, bytes], steps: list[Step]) -> Iterator[tuple[dict[str, bytes], dict[str, str]]]:
    """Right before and after each sync: the possible files, and what was acknowledged as on disk."""
    platter = Platter(before)
    rng = random.Random(0)
    acknowledged: dict[str, str] = {}
    for step in steps:
        if step.what == "ack":
            purchase_id, _, status = step.name.partition(" ")
            acknowledged[purchase_id] = status
            # Acknowledged only now, with nothing pending since the sync: the strictest moment.
            yield from ((files, dict(acknowledged)) for files in platter.cut(rng))
            continue
        if step.what == "sync":
            yield from ((files, dict(acknowledged)) for files in platter.cut(rng))
        platter.take(step)


@fails_without(
    "pipeline.state.state_file:WritableFile._begin",
    "self.connection.execute('PRAGMA synchronous",
    swap=("FULL", "NORMAL"),
)
def test_power_cut_at_any_sync_keeps_all_acknowledged_data(tmp_path: Path) -> None:
    before, steps = recorded(tmp_path)
    assert sum(step.what == "ack" for step in steps) == 3 * 8 * 3
    assert any(step.what == "sync" and not step.name.endswith("-wal") for step in steps)

    tried = 0
    image = tmp_path / ".pipeline"
    for files, acknowledged in cuts(before, steps):
        tried += 1
        for leftover in image.glob("spring.db*"):
            leftover.unlink()
        for name, content in files.items():
            (image / name).write_bytes(content)

        store = open_store(
            image / "spring.db",
            campaign="spring",
            manifest=tmp_path / "spring.yaml",
            run="next",
            writable=True,
            now=NOW,
        )
        held = store.records().purchases
        store.close()

        for purchase_id, status in acknowledged.items():
            assert FURTHER.index(held[PurchaseId(purchase_id)].status) >= FURTHER.index(Status(status)), (
                tried,
                purchase_id,
            )
    assert tried > 300


def syncs_and_renames(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Records what this process syncs and renames from now on: each file by its inode."""
    done: list[tuple[str, int]] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        sync(descriptor)
        done.append(("sync", os.fstat(descriptor).st_ino))

    def replaced(source: str | Path, target: str | Path) -> None:
        done.append(("into", Path(target).parent.stat().st_ino))
        done.append(("place", Path(source).stat().st_ino))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return done


def assert_durable(done: list[tuple[str, int]], path: Path) -> None:
    """Its bytes were synced before the rename, and its name afterwards."""
    file, folder = path.stat().st_ino, path.parent.stat().st_ino
    assert ("sync", file) in done[: done.index(("place", file))], path
    last = max(number for number, step in enumerate(done) if step == ("place", file))
    assert next(what for what, inode in done[last:] if inode == folder) == "sync", path


def test_every_file_is_synced_before_it_is_renamed_into_place(
    folder: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One of two jobs that share a purchase gets a copy.
    shared = [{"id": "main", "matrix": {"locale": ["en", "fr"]}}]
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=shared)})
    done = syncs_and_renames(monkeypatch)

    assert pipeline("run", project.manifest, "--junit", "junit.xml").code == 0

    brought = [project.folder / "output" / "spring" / name for name in project.output()]
    assert len(brought) == 2
    for path in (*brought, project.results_file, folder / "junit.xml"):
        assert_durable(done, path)
    # The existence of a new state must be durable before anything is bought.
    made = done.index(("place", project.state.stat().st_ino))
    assert ("sync", project.state.parent.stat().st_ino) in done[made:]


def test_rescued_id_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rescue = RescueFile.open(tmp_path / "s.rescue.jsonl")
    done = syncs_and_renames(monkeypatch)

    rescue.append(PurchaseId("f" * 16), WorkflowId("w1"))

    assert done == [("sync", rescue.path.stat().st_ino)]
    rescue.close()
