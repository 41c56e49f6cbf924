"""Full disks and missing permissions at every critical moment: nothing unpaid is bought, nothing paid is lost."""

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, spring
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten, assert_whole
from support.limits import bound, crowded, leave_room
from support.processes import PATIENCE, Running
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import LedgerEntry
from pipeline.json_values import Json

P = ParamSpec("P")
T = TypeVar("T")

WALK = "main/loop/red/walk"
WALKS: dict[str, Json] = {"walk": "a walk"}


def creates(vendor: Emulator) -> int:
    """The number of creates that reached the vendor."""
    return len(vendor.ledger.entries)


class Starving:
    """A run whose disk fills up right after the vendor has acted and before it answers."""

    def __init__(self, start: Callable[..., Running], room: int) -> None:
        self._start = start
        self._room = room
        self._runs: SimpleQueue[int] = SimpleQueue()

    def after(self, done: Callable[P, T], when: Callable[P, bool] = lambda *_, **__: True) -> Callable[P, T]:
        """The vendor's function `done`, which also fills the disk; `when` chooses the calls."""

        def struck(*args: P.args, **kwargs: P.kwargs) -> T:
            answer = done(*args, **kwargs)
            if when(*args, **kwargs):
                run = self._runs.get(timeout=PATIENCE)
                leave_room(run, self._room)
                self._runs.put(run)
            return answer

        return struck

    def run(self, project: Project) -> Ended:
        """Run it to its end."""
        running = self._start("run", project.manifest)
        self._runs.put(running.process.pid)
        return running.ended()


def test_full_disk_at_the_intent_sends_nothing(
    folder: Path, start: Callable[..., Running], vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # v2 uploads the image right before the intent.
    project = campaign(folder, {"campaign.yaml": spring(prompts=WALKS, provider={"api": "v2"})})
    starving = Starving(start, room=0)
    with monkeypatch.context() as patched:
        patched.setattr(vendor.store.media, "add_image", starving.after(vendor.store.media.add_image))
        first = starving.run(project)

    assert first.code == 8, first.output
    assert "spring.db: disk I/O error" in first.output
    assert creates(vendor) == 0

    second = start("run", project.manifest).ended()

    assert second.code == 0, second.output
    assert creates(vendor) == 1
    assert_whole(project)


def test_id_that_does_not_fit_into_the_state_is_rescued_and_reported(
    folder: Path, start: Callable[..., Running], vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts=WALKS)})
    starving = Starving(start, room=4096)
    with monkeypatch.context() as patched:
        patched.setattr(vendor.ledger, "append", starving.after(vendor.ledger.append))
        first = starving.run(project)

    (bought,) = vendor.ledger.bought
    workflow = str(bought.workflow_id)
    assert first.code == 8, first.output
    assert workflow in first.err
    assert workflow in (project.folder / ".pipeline" / "spring.db.rescue.jsonl").read_text()

    status = start("status", project.manifest, "--format", "json").ended().document
    assert [(job["status"], job.get("workflow_id")) for job in status["jobs"] if job["key"] == WALK] == [
        ("submitted", workflow)
    ]
    exported = start("state", "export", project.manifest).ended().document
    assert workflow in [each.get("workflow_id") for each in exported["purchases"]]

    second = start("run", project.manifest).ended()

    assert second.code == 0, second.output
    assert vendor.ledger.entries == (bought,)
    assert project.jobs()[WALK]["workflow_id"] == workflow
    assert_whole(project)


def test_download_on_a_full_disk_keeps_its_part_and_is_resumed(
    folder: Path, start: Callable[..., Running], vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts=WALKS)})
    starving = Starving(start, room=512)
    with monkeypatch.context() as patched:
        # The template that it renders is not part of the request.
        fetched = starving.after(vendor.store.media.find, lambda media_id, name: not name.startswith("input"))
        patched.setattr(vendor.store.media, "find", fetched)
        first = starving.run(project)

    assert first.code == 8, first.output
    assert "finished, not downloaded" in first.out
    (part,) = [content for name, content in project.output().items() if name.endswith(".part")]
    assert len(part) == 512

    second = start("run", project.manifest).ended()

    assert second.code == 0, second.output
    assert creates(vendor) == 1
    assert_whole(project)


def test_full_disk_leaves_the_old_results_whole(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    templates: Json = {
        "loop": {
            "template_id": "each_explodedloop_0226",
            "options": {"prompt": "{{ prompt }}"},
            "description": "many words " * 5000,
        }
    }
    project = campaign(folder, {"campaign.yaml": spring(templates=templates)})
    assert pipeline("run", project.manifest).code == 0
    old = project.results_file.read_bytes()
    room = 80_000
    assert len(old) > room
    project.write({"campaign.yaml": spring(templates=templates, prompts={"walk": "a walk in the park"})})

    ended = crowded(room, "run", project.manifest, url=vendor.url, folder=folder)

    assert ended.code == 8, ended.output
    assert "spring.results.json: cannot be written" in ended.output
    assert "Results: " not in ended.output
    assert project.results_file.read_bytes() == old
    assert list(folder.glob(".*.tmp")) == []
    assert pipeline("run", project.manifest).code == 0
    assert list(project.jobs()) == [WALK]


@pytest.mark.parametrize("what", ["state", "output"])
@pytest.mark.parametrize("here", ["read-only", "a file"])
def test_unwritable_folder_is_refused_before_buying(
    project: Project, pipeline: Pipeline, vendor: Emulator, what: str, here: str
) -> None:
    folder = project.folder / (".pipeline" if what == "state" else "output")
    if here == "a file":
        folder.write_text("not a folder")
    else:
        folder.mkdir(mode=0o555)

    ended = bound("run", project.manifest, url=vendor.url, folder=project.folder)

    assert ended.code == 3, ended.output
    assert str(folder) in ended.err
    assert creates(vendor) == 0
    folder.unlink() if here == "a file" else folder.chmod(0o755)
    assert pipeline("run", project.manifest).code == 0
    assert_whole(project)


@fails_without("pipeline.operations.run:CampaignRun._execute", "self._publisher.assert_writable")
@pytest.mark.parametrize("here", ["read-only", "a file"])
def test_unwritable_results_are_refused_before_buying(project: Project, vendor: Emulator, here: str) -> None:
    """Otherwise a machine without a state would buy again what it could not publish."""
    folder = project.folder / "published"
    if here == "a file":
        folder.write_text("not a folder")
    else:
        folder.mkdir(mode=0o555)
    results = folder / "spring.results.json"

    ended = bound("run", project.manifest, "--results", results, url=vendor.url, folder=project.folder)

    folder.chmod(0o755)
    assert ended.code == 3, ended.output
    assert results.name in ended.err
    assert creates(vendor) == 0


def test_state_in_a_folder_that_became_read_only_is_refused_and_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest).code == 0
    folder = project.state.parent
    before = project.state.read_bytes()
    project.write({"campaign.yaml": spring(prompts={"fly": "a flight"})})
    folder.chmod(0o555)

    ended = bound("run", project.manifest, url=vendor.url, folder=project.folder)

    folder.chmod(0o755)
    assert ended.code == 3, ended.output
    assert project.state.read_bytes() == before
    assert creates(vendor) == 2
    assert pipeline("run", project.manifest).code == 0
    assert creates(vendor) == 3
    assert_nothing_bought_twice(vendor)
    assert_nothing_forgotten(project, vendor)


def test_wave_that_cannot_be_written_to_the_results_is_not_sent(
    folder: Path, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = campaign(folder, {"campaign.yaml": spring()})
    append = vendor.ledger.append

    def blocking(entry: LedgerEntry) -> None:
        """Once the first wave is sent, writing there fails."""
        append(entry)
        project.results_file.unlink()
        project.results_file.mkdir()

    with monkeypatch.context() as patched:
        patched.setattr(vendor.ledger, "append", blocking)
        # The command succeeds, whatever there is to publish.
        first = pipeline("run", project.manifest, "--in-flight", "1", "--checkpoint", "true")

    assert first.code == 3, first.output
    assert creates(vendor) == 1
    project.results_file.rmdir()

    second = pipeline("run", project.manifest)

    assert second.code == 0, second.output
    assert creates(vendor) == 2
    assert_whole(project)
