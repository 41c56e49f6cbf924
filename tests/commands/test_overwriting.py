"""An output file replaces an older file of its kind, and never one of another kind."""

import os

import pytest
from support.calling import Pipeline
from support.campaigns import Project

_NOT_OURS = "precious: true\n"


@pytest.mark.parametrize(
    ("command", "flag", "name"),
    [
        ("plan", "--out", "campaign.yaml"),
        ("plan", "--out", "spring.results.json"),
        ("run", "--junit", "campaign.yaml"),
        ("run", "--events", "campaign.yaml"),
        ("run", "--events", "spring.results.json"),
        ("run", "--metrics-file", "notes.prom"),
        ("report", "--single", "campaign.yaml"),
    ],
)
def test_file_of_another_kind_is_left_alone(
    project: Project, pipeline: Pipeline, command: str, flag: str, name: str
) -> None:
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0
    if name == "notes.prom":
        project.write({name: _NOT_OURS})
    before = (project.folder / name).read_bytes()

    ended = pipeline(command, project.manifest, flag, project.folder / name)

    assert ended.code == 64, ended.output
    assert "so it is not overwritten; choose another" in ended.err
    assert (project.folder / name).read_bytes() == before
    assert sorted(project.statuses().values()) == ["done", "pending"]


@pytest.mark.parametrize(
    ("command", "flag", "name"),
    [
        ("plan", "--out", "spring.plan.json"),
        ("run", "--junit", "report.xml"),
        ("run", "--events", "events.jsonl"),
        ("run", "--metrics-file", "spring.prom"),
        ("report", "--single", "page.html"),
    ],
)
def test_older_file_of_the_same_kind_and_an_empty_file_are_overwritten(
    project: Project, pipeline: Pipeline, command: str, flag: str, name: str
) -> None:
    file = project.folder / name
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0
    assert pipeline(command, project.manifest, flag, file).code == 0
    assert pipeline(command, project.manifest, flag, file).code == 0

    file.write_bytes(b"")
    assert pipeline(command, project.manifest, flag, file).code == 0


@pytest.mark.parametrize(("command", "flag"), [("plan", "--out"), ("run", "--junit"), ("report", "--single")])
def test_non_file_is_neither_read_nor_replaced(
    project: Project, pipeline: Pipeline, command: str, flag: str
) -> None:
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0
    pipe = project.folder / "pipe"
    os.mkfifo(pipe)

    ended = pipeline(command, project.manifest, flag, pipe)

    assert ended.code in {8, 64}, ended.output
    assert "not a regular file" in ended.err
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("words", "name", "kind"),
    [
        ("run --results", "x.decisions.yaml", "decisions"),
        ("plan --results", "x.db", "a state"),
        ("run --state", "x.results.json", "results"),
        ("plan --state", "x.Decisions.yml", "decisions"),
        ("run --output", "x.results.json", "results"),
        ("run --junit", "x.results.json", "results"),
        ("run --events", "x.decisions.yaml", "decisions"),
        ("plan --out", "x.results.yaml", "results"),
        ("report --single", "x.db", "a state"),
    ],
)
def test_new_file_may_not_have_the_name_of_another_kind_of_record(
    project: Project, pipeline: Pipeline, words: str, name: str, kind: str
) -> None:
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0
    command, flag = words.split()

    ended = pipeline(command, project.manifest, flag, name)

    assert ended.code == 64, ended.output
    assert f"{name}: that is a name for {kind}; choose another" in ended.err
    assert not (project.folder / name).exists()
    assert sorted(project.statuses().values()) == ["done", "pending"]


def test_existing_file_is_recognised_by_its_content(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.state.rename(project.folder / "old.results.db.decisions.yaml")
    project.results_file.rename(project.folder / "kept.db")

    ended = pipeline(
        "verify", project.manifest, "--state", "old.results.db.decisions.yaml", "--results", "kept.db"
    )

    assert ended.code == 0, ended.output
