"""Results that a state already knows are not read again; a changed file is."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline import failpoints
from pipeline.artifacts import file_names
from pipeline.emulator.embedded import Emulator
from pipeline.errors import InvalidInput
from pipeline.files import stamp
from pipeline.manifest.load import load
from pipeline.operations.background_publication import ResultsPublication
from pipeline.operations.environment import Environment
from pipeline.operations.open_campaign import open_campaign
from pipeline.operations.published_results import inputs_hash
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.results_publisher import Publisher
from pipeline.operations.workspace import workspace_of
from pipeline.purchases import Decisions, PurchaseId
from pipeline.state.events import Disowned, Superseded
from pipeline.state.store import Change, PlacedFile
from pipeline.state.transitions import advance

PROMPTS = spring()["prompts"]
THIRD = {**PROMPTS, "run": "a run through the woods"}


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    assert pipeline("run", project.manifest).code == 0
    return project


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """After it is called, any reading of results fails the test."""

    def begin() -> None:
        def fail(*_: object) -> None:
            pytest.fail("the results were read")

        monkeypatch.setattr("pipeline.results.file._read_document", fail)

    return begin


def in_process(project: Project) -> Any:
    """The campaign, opened for writing."""
    environment = Environment(variables={}, command="test")
    return open_campaign(workspace_of(load(project.manifest), RecordPaths(), environment), writable=True)


def placed(path: str) -> PlacedFile:
    purchase = PurchaseId("1" * 16)
    return PlacedFile(path=path, purchase=purchase, slot="result/0", sha256="a" * 64, bytes=1, mtime_ns=1)


def another_machine(project: Project, pipeline: Pipeline) -> Project:
    """The same campaign on another machine, without a state, which has bought one more job."""
    there = Project(project.folder.parent / "there", project.name)
    shutil.copytree(project.folder, there.folder, ignore=shutil.ignore_patterns(".pipeline"))
    there.write({"campaign.yaml": spring(prompts=THIRD)})
    assert pipeline("run", there.manifest).code == 0
    return there


def replaced(path: Path, old: bytes, new: bytes) -> None:
    """The same file with other bytes of the same length, and the same modification time."""
    before = path.stat()
    content = path.read_bytes()
    assert old in content
    with path.open("r+b") as file:
        file.write(content.replace(old, new))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )


# Known results are not read


@pytest.mark.parametrize("command", ["run", "plan", "status", "results", "collect"])
def test_command_that_changes_nothing_does_not_read_results(
    bought: Project, pipeline: Pipeline, unread: Callable[[], None], command: str
) -> None:
    before = stamp(bought.results_file)
    unread()

    assert pipeline(command, bought.manifest).code == 0

    assert stamp(bought.results_file) == before


def test_run_with_nothing_to_do_does_not_load_the_engine(bought: Project) -> None:
    program = (
        "import sys\n"
        "from pipeline.cli.main import called\n"
        "assert called(sys.argv[1:]) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, "run", bought.manifest], capture_output=True, text=True, check=True
    )

    loaded = set(ended.stderr.split())
    assert loaded & {"requests", "urllib3", "tqdm", "jinja2", "jsonschema", "pipeline.engine.runner"} == set()


def test_touched_results_are_not_read(
    bought: Project, pipeline: Pipeline, unread: Callable[[], None]
) -> None:
    bought.results_file.touch()
    shutil.copy(bought.results_file, bought.folder / "copy")
    (bought.folder / "copy").replace(bought.results_file)
    unread()

    assert pipeline("run", bought.manifest).code == 0


def test_changes_of_a_run_are_written(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"campaign.yaml": spring(prompts=THIRD)})

    assert pipeline("run", bought.manifest).code == 0

    assert len(bought.results()["purchases"]) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda given: {"workspace": replace(given["workspace"], output=Path("/elsewhere"))},
        lambda given: {"jobs": given["jobs"][:1]},
        lambda given: {"jobs": [replace(job, path=f"{job.path}-2") for job in given["jobs"]]},
        lambda given: {"jobs": [replace(job, steps=True) for job in given["jobs"]]},
        lambda given: {"decisions": Decisions(approved={PurchaseId("1" * 16): given["jobs"][0].key})},
        lambda given: {"decisions": Decisions(rejected=frozenset({PurchaseId("1" * 16)}))},
        lambda given: {"decisions": Decisions(redo=frozenset({PurchaseId("1" * 16)}))},
        lambda given: {"inputs": {given["jobs"][0].key: "no such image"}},
        lambda given: given["store"].index_files([placed("new.mp4")]) or {},
    ],
)
def test_any_changed_input_makes_results_outdated(
    bought: Project, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> None:
    with in_process(bought) as state:
        given = {name: getattr(state, name) for name in ("workspace", "jobs", "store", "decisions")}
        before = inputs_hash(**given)
        assert before == inputs_hash(**given) == state.store.known_results().inputs

        assert inputs_hash(**{**given, **change(given)}) != before


def test_installing_the_media_extra_makes_results_outdated(
    bought: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_process(bought) as state:
        publisher = Publisher(state)
        assert publisher.is_current(state)

        monkeypatch.setitem(sys.modules, "pipeline.media.read", None)

        assert not publisher.is_current(state)


def test_run_after_suffixes_were_changed_renames_the_files_and_says_so(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setitem(file_names._SUFFIXES, "video/mp4", "bin")
        before.setattr("pipeline.operations.published_results.NAMING", 0)
        assert pipeline("run", project.manifest).code == 0
    assert {Path(each).suffix for each in project.output()} == {".bin"}

    assert pipeline("run", project.manifest).code == 0

    assert {Path(each).suffix for each in project.output()} == {".mp4"}
    assert all(file["path"].endswith(".mp4") for job in project.jobs().values() for file in job["outputs"])
    assert pipeline("verify", project.manifest).code == 0


# Changed results are read


@fails_without(
    "pipeline.operations.published_results:joined_hash",
    "return _hash",
    swap=("version.digest", "''"),
)
def test_results_with_other_bytes_and_the_same_metadata_are_read(bought: Project, pipeline: Pipeline) -> None:
    replaced(bought.results_file, b'"campaign": "spring"', b'"campaign": "sprung"')

    ended = pipeline("plan", bought.manifest)

    assert ended.code == 3
    assert "the results of another campaign, 'sprung'" in ended.err


@fails_without("pipeline.files:_stamp_of", "return", swap=("status.st_ctime_ns", "0"))
def test_results_replaced_during_a_run_with_the_same_metadata_are_merged(
    bought: Project, pipeline: Pipeline
) -> None:
    with in_process(bought) as state:
        publisher = Publisher(state)
        publisher.publish(state)
        replaced(bought.results_file, b'"campaign": "spring"', b'"campaign": "sprung"')

        with pytest.raises(InvalidInput, match="the results of another campaign, 'sprung'"):
            publisher.publish(state)


@fails_without(
    "pipeline.operations.published_results:joined_hash",
    "return _hash",
    swap=(", *_decided(decisions)", ""),
)
def test_changed_decisions_make_results_read_again(
    bought: Project, pipeline: Pipeline, unread: Callable[[], None]
) -> None:
    assert pipeline("approve", bought.manifest, *bought.jobs()).code == 0
    unread()

    with pytest.raises(pytest.fail.Exception):
        pipeline("plan", bought.manifest)


@fails_without(
    "pipeline.operations.published_results:joined_hash", "return _hash", swap=(", *sorted(purchases)", "")
)
@pytest.mark.parametrize("has_served", [False, True])
def test_purchases_that_the_state_has_lost_are_not_bought_again(
    bought: Project, pipeline: Pipeline, vendor: Emulator, has_served: bool
) -> None:
    """They are read from the results, unless the state itself shows that they are missing."""
    with contextlib.closing(sqlite3.connect(bought.state)) as connection:
        for table in ("purchases", *(() if has_served else ("events", "served"))):
            connection.execute(f"DELETE FROM {table}")
        connection.commit()

    codes = {int(pipeline(*command, bought.manifest).code) for command in (["plan"], ["run", "--yes"])}

    assert codes == {3 if has_served else 0}
    assert len(vendor.ledger.entries) == len(bought.jobs())


@fails_without(
    "pipeline.operations.published_results:joined_hash", "return _hash", swap=("heading.manifest, ", "")
)
def test_results_of_a_moved_manifest_are_read(bought: Project, pipeline: Pipeline) -> None:
    there = bought.folder / "campaigns"
    shutil.copytree(bought.folder, there)

    ended = pipeline("plan", there / "campaign.yaml", "--results", bought.results_file)

    assert ended.code == 3
    assert "the results of another manifest that still exists" in ended.err


# Changes while results are written


@fails_without(
    "pipeline.operations.background_publication:ResultsPublication.note",
    "self.publisher.note(self.state, is_all=False)",
    swap=("False", "True"),
)
def test_change_during_a_write_is_published_by_the_next_write(bought: Project) -> None:
    with in_process(bought) as state:
        publisher, records = Publisher(state), state.store.records()
        publication = ResultsPublication(
            publisher=publisher, state=state, records=records, inputs={}, media={}
        )
        publication.write()
        before = next(iter(records.purchases.values()))
        after = advance(before, Superseded())
        state.store.commit([Change(before=before, after=after, at="2026-01-01", event=Superseded())])
        publication.note()
        now = state.reread()

        assert not publisher.is_current(now)
        assert publisher.publish_all(now)

    assert [each.get("again") for each in bought.results()["purchases"]].count(True) == 1


def test_writing_results_lets_other_threads_run_sooner(
    bought: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sys.getswitchinterval()
    during: list[float] = []
    monkeypatch.setattr(Publisher, "publish", lambda *_: during.append(sys.getswitchinterval()))
    with in_process(bought) as state:
        ResultsPublication(
            publisher=Publisher(state), state=state, records=state.store.records(), inputs={}, media={}
        ).write()

    [interval] = during
    assert 0 < interval < before / 5
    assert sys.getswitchinterval() == before


def test_concurrent_runs_in_one_process_restore_the_switch_interval(
    bought: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sys.getswitchinterval()
    begun, may_end = threading.Event(), threading.Event()

    def publish(*_: object) -> None:
        if threading.current_thread() is not first:
            may_end.set()
            first.join()
            return
        begun.set()
        assert may_end.wait(60)

    monkeypatch.setattr(Publisher, "publish", publish)
    with in_process(bought) as state:
        one, other = (
            ResultsPublication(
                publisher=Publisher(state), state=state, records=state.store.records(), inputs={}, media={}
            )
            for _ in range(2)
        )
        first = threading.Thread(target=one.write)
        first.start()
        assert begun.wait(60)
        other.write()

    assert sys.getswitchinterval() == before


# States


def test_state_from_a_backup_learns_later_purchases_from_the_results(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    shutil.copytree(bought.folder / ".pipeline", bought.folder / "backup")
    bought.write({"campaign.yaml": spring(prompts=THIRD)})
    assert pipeline("run", bought.manifest).code == 0
    shutil.rmtree(bought.folder / ".pipeline")
    (bought.folder / "backup").rename(bought.folder / ".pipeline")

    assert pipeline("run", bought.manifest).code == 0

    assert len(vendor.ledger.entries) == 3
    assert len(bought.results()["purchases"]) == 3


def test_new_state_learns_earlier_purchases_from_the_results(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    shutil.rmtree(bought.folder / ".pipeline")

    assert pipeline("run", bought.manifest).code == 0

    assert len(vendor.ledger.entries) == 2


def test_state_of_another_machine_learns_local_purchases_from_the_results(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    other = another_machine(bought, pipeline)
    shutil.copytree(bought.folder / ".pipeline", other.folder / ".pipeline", dirs_exist_ok=True)
    shutil.copy(bought.results_file, bought.folder / "ours")
    shutil.copy(other.results_file, bought.results_file)
    bought.write({"campaign.yaml": spring(prompts=THIRD)})

    assert pipeline("run", bought.manifest).code == 0

    assert len(vendor.ledger.entries) == 3


# Changes by others during a run


@fails_without(
    "pipeline.operations.results_publisher:Publisher.note",
    "has_all = ",
    swap=("not self._from_others.purchases", "True"),
)
def test_results_written_by_others_during_a_run_are_read_by_the_next(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    other = another_machine(bought, pipeline)
    with in_process(bought) as state:
        publisher = Publisher(state)
        shutil.copy(other.results_file, bought.results_file)
        publisher.publish_all(state)
        publisher.note(state, is_all=True)

    with in_process(bought) as state:
        assert len(state.records.purchases) == 3


def test_results_replaced_right_after_our_write_are_merged(
    bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = another_machine(bought, pipeline)
    bought.write({"campaign.yaml": spring(prompts={"walk": PROMPTS["walk"]})})

    def overtaken(_folder: Path) -> None:
        monkeypatch.undo()
        shutil.copy(other.results_file, bought.results_file)

    with in_process(bought) as state:
        publisher = Publisher(state)
        monkeypatch.setattr("pipeline.files.sync_folder", overtaken)
        assert publisher.publish(state)
        assert publisher.publish(state)

    assert len(bought.results()["purchases"]) == 3


@fails_without(
    "pipeline.operations.results_publisher:Publisher._read_what_others_wrote",
    "if found.version is None or",
    swap=("before is None or ", "True or "),
)
def test_older_copy_of_our_results_reverts_nothing(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0
    with in_process(project) as state:
        before = next(iter(state.records.purchases.values()))
        # Of two copies, a join keeps the one that has a workflow.
        disowned = Disowned("its workflow is another's")
        after = advance(before, disowned)
        state.store.commit([Change(before=before, after=after, at="2026-01-01", event=disowned)])

        assert Publisher(state).publish_all(state.reread())

    assert project.statuses()[before.key] == "attention"


# A crash between the results and the state's memory of them


@pytest.mark.parametrize("point", ["before results", "before replace", "after results"])
def test_run_that_crashes_while_publishing_is_continued(
    project: Project, pipeline: Pipeline, vendor: Emulator, point: str
) -> None:
    def lost(name: str) -> None:
        if name == point:
            raise RuntimeError(name)

    failpoints.arm(lost)
    try:
        assert pipeline("run", project.manifest).code == 70
    finally:
        failpoints.arm(None)

    assert pipeline("run", project.manifest).code == 0

    assert len(vendor.ledger.entries) == 2
    assert set(project.statuses().values()) == {"done"}
    assert pipeline("verify", project.manifest, "--files").code == 0
