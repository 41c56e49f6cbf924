"""Records without purchases do not count: a command that found nothing writes none, and none is taken for one."""

from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.no_purchases import write_results
from support.postgres import Database, PostgresServer
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.state import state_file

WALK = "main/loop/red/walk"
# Commands that find nothing for a campaign that never ran, with their exit codes.
FIND_NOTHING = [
    (["collect"], 0),
    (["prune", "--yes"], 0),
    (["destroy", "--yes"], 0),
    (["results"], 0),
    (["rate", WALK, "--rating", "5"], 64),
    (["resolve", WALK, "--abandon"], 64),
    (["run", "--frozen"], 4),
    (["run", "--max-credits", "100"], 4),
    (["run", "--select", "action:retry"], 0),
    (["verify"], 0),
]


def words(command: list[str], project: Project, *flags: str) -> list[str]:
    name, *rest = command
    return [name, str(project.manifest), *rest, *flags]


def records(project: Project) -> list[str]:
    """The states and results in the folder."""
    names = [path.relative_to(project.folder).as_posix() for path in project.folder.rglob("*")]
    return [name for name in names if ".results." in name or name.endswith((".db", "-wal", "-shm"))]


def empty_state(project: Project) -> None:
    """The state left by a command that was killed before it bought."""
    project.state.parent.mkdir()
    state_file.create(project.state, state_file.Identity("spring", "../campaign.yaml"))


@pytest.mark.parametrize(("command", "code"), FIND_NOTHING, ids=[" ".join(each) for each, _ in FIND_NOTHING])
@fails_without("pipeline.operations.results_publisher:Publisher.publish", "if not records.purchases")
@fails_without("pipeline.state.state_file:WritableFile.close", "if is_unused")
def test_command_that_found_nothing_leaves_no_records(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: list[str], code: int
) -> None:
    ended = pipeline(*words(command, project))

    assert ended.code == code, ended.output
    assert records(project) == []
    assert pipeline("run", project.manifest, "--require-results").code == 3
    assert records(project) == []
    assert not vendor.ledger.entries


@pytest.mark.parametrize("command", [["collect"], ["results"], ["run", "--frozen"]], ids=" ".join)
def test_rehearsal_that_found_nothing_leaves_no_records(
    project: Project, offline: Pipeline, command: list[str]
) -> None:
    offline(*words(command, project, "--emulate"))

    assert records(project) == []
    assert offline("run", project.manifest, "--emulate", "--require-results").code == 3


def test_run_without_a_key_leaves_nothing(project: Project, offline: Pipeline) -> None:
    assert offline("run", project.manifest).code == 5
    assert records(project) == []


def test_import_of_an_empty_state_leaves_nothing(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exported = tmp_path / "nothing.json"
    exported.write_text(pipeline("state", "export", project.manifest).out)
    with exported.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        ended = pipeline("state", "import", project.manifest)

    assert ended.code == 0, ended.output
    assert records(project) == []


@fails_without("pipeline.operations.run:require_records", "if not state.records.purchases")
def test_state_or_results_without_purchases_do_not_count_as_records(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    empty_state(project)
    write_results(project)
    write_results(project, "spring.results.1-of-2.json")

    ended = pipeline("run", project.manifest, "--require-results")

    assert ended.code == 3, ended.output
    assert "spring.results.json: has no purchases, and there is no state with any" in ended.err
    assert not vendor.ledger.entries


def test_shard_results_or_a_state_alone_count_as_records(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--shard", "1/1").code == 0
    project.state.with_name("spring.1-of-1.db").unlink()
    assert pipeline("run", project.manifest, "--require-results").code == 0
    project.results_file.unlink()
    (project.folder / "spring.results.1-of-1.json").unlink()
    assert pipeline("run", project.manifest, "--require-results").code == 0

    assert len(vendor.ledger.entries) == 2


def test_state_with_an_intent_is_kept_even_if_nothing_was_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"status": 401}})

    assert pipeline("run", project.manifest).code == 5

    assert project.state.exists()
    exported = pipeline("state", "export", project.manifest).document
    assert {each["status"] for each in exported["purchases"]} == {"void"}
    assert pipeline("collect", project.manifest).code == 0
    assert project.state.exists()


def test_existing_results_without_purchases_are_kept_up_to_date(project: Project, pipeline: Pipeline) -> None:
    write_results(project)
    project.write({"campaign.yaml": spring(prompts={"run": "a run"})})

    assert pipeline("results", project.manifest).code == 0
    assert list(project.jobs()) == ["main/loop/red/run"]


def test_shard_without_jobs_gets_results_only_from_its_run(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    for shard in ("1/2", "2/2"):
        assert pipeline("results", project.manifest, "--shard", shard).code == 0
        assert pipeline("run", project.manifest, "--shard", shard, "--frozen").code in {0, 4}
    assert pipeline("run", project.manifest, "--require-results").code == 3
    for shard in ("1/2", "2/2"):
        assert pipeline("run", project.manifest, "--shard", shard).code == 0

    written = sorted(project.folder.glob("spring.results.*-of-2.json"))
    assert len(written) == 2
    assert pipeline("merge", *written, "--out", project.results_file).code == 0


class TestFrozen:
    """`run --frozen` does nothing if something would be bought."""

    @pytest.mark.parametrize("case", ["first", "part is bought", "its state is lost"])
    def test_nothing_is_written(
        self, project: Project, pipeline: Pipeline, vendor: Emulator, case: str
    ) -> None:
        if case != "first":
            assert pipeline("run", project.manifest, "--select", "prompt:walk", "--no-wait").code == 0
        if case == "its state is lost":
            for path in project.state.parent.iterdir():
                path.unlink()
        before, bought = project.tree(), len(vendor.ledger.entries)

        ended = pipeline("run", project.manifest, "--frozen")

        assert ended.code == 4, ended.output
        assert "to buy, but --frozen: nothing was done" in ended.output
        assert "Results:" not in ended.output
        assert project.tree() == before
        assert len(vendor.ledger.entries) == bought

    def test_checkpoint_is_not_run(self, project: Project, pipeline: Pipeline, tmp_path: Path) -> None:
        ended = pipeline(
            "run", project.manifest, "--frozen", "--checkpoint", f"touch {tmp_path / 'published'}"
        )

        assert ended.code == 4, ended.output
        assert not (tmp_path / "published").exists()

    def test_python_api_writes_nothing_either(
        self, project: Project, pipeline: Pipeline, vendor: Emulator, folder: Path
    ) -> None:
        import pipeline as package

        before = project.tree()
        with pytest.raises(package.BuyingStopped, match="frozen"):
            package.run(project.manifest, frozen=True)

        assert project.tree() == before

    def test_require_results_reports_that_there_are_none(self, project: Project, pipeline: Pipeline) -> None:
        before = project.tree()

        assert pipeline("run", project.manifest, "--frozen", "--require-results").code == 3
        assert project.tree() == before


class TestDatabase:
    """A state shared by a team."""

    @pytest.fixture
    def database(self, postgres: PostgresServer) -> Database:
        return postgres.database()

    @pytest.mark.parametrize("command", [["collect"], ["prune", "--yes"], ["run", "--frozen"]], ids=" ".join)
    def test_command_that_found_nothing_leaves_no_records(
        self, project: Project, pipeline: Pipeline, database: Database, vendor: Emulator, command: list[str]
    ) -> None:
        state = ("--state", database.url)
        pipeline(*words(command, project, *state))

        assert records(project) == []
        required = pipeline("run", project.manifest, *state, "--require-results")
        assert required.code == 3, required.output
        assert not vendor.ledger.entries
        assert pipeline("run", project.manifest, *state).code == 0
        project.results_file.unlink()
        assert pipeline("run", project.manifest, *state, "--require-results").code == 0

    def test_frozen_creates_no_tables(self, project: Project, pipeline: Pipeline, database: Database) -> None:
        assert pipeline("run", project.manifest, "--state", database.url, "--frozen").code == 4
        assert database.rows("SELECT to_regnamespace('pipeline')") == [(None,)]
