"""`pipeline state export` and `import` move the state to another machine without loss."""

import io
import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator


def test_machine_with_the_export_buys_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    exported = pipeline("state", "export", project.manifest).out
    shutil.rmtree(project.folder / ".pipeline")
    project.results_file.unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))

    ended = pipeline("state", "import", project.manifest)

    assert ended.code == 0, ended.output
    assert "2 purchases were new" in ended.out
    assert set(project.statuses().values()) == {"done"}
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_import_merges_and_drops_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    exported = pipeline("state", "export", project.manifest).out
    project.write({"campaign.yaml": spring(prompts={"walk": "another walk"})})
    assert pipeline("run", project.manifest).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))

    assert pipeline("state", "import", project.manifest).code == 0
    assert len(project.results()["purchases"]) == 3
    assert len(vendor.ledger.entries) == 3


def test_state_of_another_campaign_is_refused(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    exported = json.loads(pipeline("state", "export", project.manifest).out)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({**exported, "campaign": "autumn"})))

    ended = pipeline("state", "import", project.manifest)

    assert ended.code == 3
    assert "autumn" in ended.err


@pytest.mark.parametrize("text", ["", "{", "[]", '{"purchases": 5}', "[" * 100_000])
def test_invalid_export_is_refused_without_a_traceback(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))

    ended = pipeline("state", "import", project.manifest)

    assert ended.code == 3, ended.output
    assert ended.err.startswith("error: standard input:")
    assert "recursion" not in ended.err


def test_export_contains_every_event_of_every_purchase(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0

    exported = pipeline("state", "export", project.manifest).document

    assert len(exported["purchases"]) == 2
    names = [event["event"] for event in exported["events"]]
    assert names.count("accepted") == names.count("fetched") == 2


ODD: list[Any] = [None, True, -1, 10**30, "", "x", "\ud800", "\0", "k" * 70_000, [], {}, ["x"]]


def changes(purchase: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Copies of the purchase with one value replaced, each value by each odd one."""
    for name in [*purchase, "error", "steps", "credits", "surprise"]:
        yield from ({**purchase, name: odd} for odd in ODD)
    for part in ("request", "outputs"):
        inner = purchase[part] if isinstance(purchase[part], dict) else purchase[part][0]
        for name in inner:
            for odd in ODD:
                changed = {**inner, name: odd}
                yield {**purchase, part: changed if isinstance(purchase[part], dict) else [changed]}


@fails_without(
    "pipeline.state.snapshot:read",
    "try:",
    swap=("if (why := unrecordable_reason(purchase)):", "if (why := None):"),
)
def test_imported_state_is_refused_or_usable(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value of one purchase is replaced: the import is refused, or the campaign remains usable."""
    assert pipeline("run", project.manifest).code == 0
    exported = json.loads(pipeline("state", "export", project.manifest).out)
    first, second = exported["purchases"]
    kept = {path: path.read_bytes() for path in (project.state, project.results_file)}
    taken = 0

    for changed in changes(first):
        for path, content in kept.items():
            path.write_bytes(content)
        document = {**exported, "purchases": [changed, second]}
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document)))
        ended = pipeline("state", "import", project.manifest)
        assert ended.code in {0, 3}, (changed, ended.output)
        if ended.code == 0:
            taken += 1
            assert pipeline("status", project.manifest).code == 0, changed
        else:
            assert ended.err.startswith("error: standard input")
            assert project.state.read_bytes() == kept[project.state]
    assert 0 < taken < 30


def test_oversized_import_is_reported_as_such(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pipeline("run", project.manifest).code == 0
    exported = pipeline("state", "export", project.manifest).out
    monkeypatch.setattr("pipeline.cli.state._LARGEST", len(exported) - 1)
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))

    ended = pipeline("state", "import", project.manifest)

    assert ended.code == 3, ended.output
    assert f"standard input: more than {len(exported) - 1:,} characters" in ended.err


def test_git_lfs_pointer_in_the_place_of_a_state_is_named(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
    state = project.folder / "kept.db"
    state.write_text(pointer)
    monkeypatch.setattr("sys.stdin", io.StringIO(pointer))

    for ended, name in (
        (pipeline("plan", project.manifest, "--state", state), "kept.db"),
        (pipeline("run", project.manifest, "--state", state), "kept.db"),
        (pipeline("state", "import", project.manifest), "standard input"),
    ):
        assert ended.code == 3, ended.output
        assert f"{name}: a Git LFS pointer, not the file itself; download it with 'git lfs pull'" in ended.err
    assert state.read_text() == pointer
