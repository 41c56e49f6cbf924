"""A damaged, lost or foreign state is refused and left alone, or replaced safely."""

import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten
from support.processes import Running

from pipeline import jobs
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.ledger import LedgerEntry
from pipeline.state.folder import refuse_network_file_system
from pipeline.state.opening import open_store

RUN_AGAIN = {"walk": "a walk in the park", "dance": "a dance in the rain", "run": "a run"}


def another_application(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()


def written_by_a_newer_tool(path: Path) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(">i", content, 60, 99)
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-4096]),
    "text": lambda path: path.write_text("purchases: none\n" * 20),
    "a header only": lambda path: path.write_bytes(path.read_bytes()[:100] + b"x" * path.stat().st_size),
    "another application's": another_application,
    "newer": written_by_a_newer_tool,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_incomplete_state_is_refused_and_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator, damage: str
) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts=RUN_AGAIN)})
    DAMAGES[damage](project.state)
    before = project.state.read_bytes()

    for command in ("run", "plan", "collect"):
        ended = pipeline(command, project.manifest)

        assert ended.code == 3, ended.output
        assert "spring.db" in ended.err
    assert project.state.read_bytes() == before
    assert len(vendor.ledger.entries) == 2


def test_folder_in_place_of_the_state_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.state.mkdir(parents=True)

    ended = pipeline("run", project.manifest)

    assert ended.code == 3, ended.output
    assert "--state names the state file" in ended.err
    assert list(project.state.iterdir()) == []
    assert not vendor.ledger.entries


def test_state_of_a_killed_run_without_its_wal_is_refused(
    project: Project, start: Callable[..., Running], pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    run = start("run", project.manifest)
    run.hear("bought as")
    run.hear("bought as")
    run.kill()
    vendor.clear_faults()
    wal = project.state.with_name("spring.db-wal")
    content = wal.read_bytes()
    wal.unlink()

    refused = pipeline("run", project.manifest)

    assert refused.code == 3, refused.output
    assert "-wal" in refused.err
    assert len(vendor.ledger.entries) == 2
    wal.write_bytes(content)
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_run_whose_state_is_deleted_stops_buying_and_forgets_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = vendor.ledger.append

    def deleted_meanwhile(entry: LedgerEntry) -> None:
        append(entry)
        project.state.unlink()

    with monkeypatch.context() as patched:
        patched.setattr(vendor.ledger, "append", deleted_meanwhile)
        ended = pipeline("run", project.manifest, "--concurrency", "1", "--in-flight", "1")

    assert ended.code == 3, ended.output
    assert "deleted or replaced" in ended.output
    (sent,) = vendor.ledger.entries
    assert f"bought as workflow {sent.workflow_id}" in ended.err

    # Its remains prevent a new one until somebody has looked.
    assert pipeline("run", project.manifest).code == 3
    shutil.move(project.state.with_name("spring.db-wal"), project.folder / "kept")
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2
    assert_nothing_bought_twice(vendor)
    assert_nothing_forgotten(project, vendor)


def test_state_on_a_network_file_system_needs_permission(
    project: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/share {project.folder} nfs4 rw 0 0\n")
    monkeypatch.setattr(refuse_network_file_system, "__defaults__", (table,))
    monkeypatch.setattr(open_store, "__kwdefaults__", {**(open_store.__kwdefaults__ or {}), "mounts": table})

    refused = pipeline("run", project.manifest)

    assert refused.code == 3, refused.output
    assert "PIPELINE_ALLOW_NETWORK_FS=1" in refused.err
    assert not vendor.ledger.entries
    assert not project.state.parent.exists()
    pipeline.set("PIPELINE_ALLOW_NETWORK_FS", "1")
    assert pipeline("run", project.manifest).code == 0


def test_newer_fingerprint_rule_buys_nothing_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    newer = {"v2": lambda request: b"v2" + jobs.FINGERPRINTS["v1"](request)}
    monkeypatch.setattr(jobs, "FINGERPRINTS", {**jobs.FINGERPRINTS, **newer})
    monkeypatch.setattr(jobs, "CURRENT", "v2")

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert "Nothing was bought" in ended.out
    assert len(vendor.ledger.entries) == 2


BEHIND_ITS_BACK = {
    "a document": "UPDATE purchases SET document = replace(document, '\"key\"', '\"kex\"')",
    "a document of bytes": "UPDATE purchases SET document = x'ff'",
    "a key": "UPDATE purchases SET key = CAST(x'ff' AS TEXT)",
    "a status": "UPDATE purchases SET status = 'paid'",
    "an id": "UPDATE purchases SET id = 'x' || id",
    "a price": "UPDATE purchases SET cost = cost + 1",
    "a revision": "UPDATE purchases SET revision = 'one'",
    "what serves": "UPDATE served SET purchase = 'nobody'",
    "where a file lies": "UPDATE files SET bytes = 'many'",
    "whose a file is": "UPDATE files SET purchase = 'nobody'",
    "a duration": "UPDATE durations SET mean = 'long'",
    "whose it is": "UPDATE meta SET campaign = x'ff'",
    "no owner": "DELETE FROM meta",
    "a table": "ALTER TABLE events RENAME TO stories",
}


@pytest.mark.parametrize("what", BEHIND_ITS_BACK)
def test_changed_value_is_reported_by_every_command_that_needs_it(
    project: Project, pipeline: Pipeline, vendor: Emulator, what: str
) -> None:
    assert pipeline("run", project.manifest).code == 0
    with closing(sqlite3.connect(project.state)) as connection:
        connection.execute(BEHIND_ITS_BACK[what])
        connection.commit()
    before = project.state.read_bytes()
    project.write({"campaign.yaml": spring(prompts=RUN_AGAIN)})

    ended = {
        command: pipeline(*command.split(), project.manifest)
        for command in ("run", "plan", "status", "collect", "state export")
    }

    refused = {command: each for command, each in ended.items() if each.code == 3}
    assert "run" in refused or "state export" in refused
    for command, each in ended.items():
        assert each.code in {0, 3}, f"{command}: {each.output}"
        assert "Traceback" not in each.output
    for each in refused.values():
        assert "spring.db: the state file is damaged" in each.err
    if "run" in refused:
        assert project.state.read_bytes() == before
        assert len(vendor.ledger.entries) == 2


def test_changed_event_is_reported_by_commands_that_show_it(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    with closing(sqlite3.connect(project.state)) as connection:
        connection.execute("UPDATE events SET at = x'ff'")
        connection.commit()

    for arguments in (["state", "export"], ["show"]):
        ended = pipeline(
            *arguments, project.manifest, *(["main/loop/red/walk"] if arguments == ["show"] else [])
        )
        assert ended.code == 3, ended.output
        assert "spring.db: the state file is damaged (events" in ended.err
