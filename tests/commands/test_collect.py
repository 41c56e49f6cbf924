"""`pipeline collect` fetches what is paid for: by the manifest, the state or the results alone. It buys nothing."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.hostile import MANIFESTS_ELSEWHERE, assert_refuses_manifest_elsewhere
from support.protection import fails_without

import pipeline as package
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.json_values import Json

WALK = "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A finished campaign whose files are not on this machine."""
    assert pipeline("run", project.manifest).code == 0
    shutil.rmtree(project.folder / "output")
    return project


def test_missing_files_are_fetched_again_unchanged(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest).code == 0
    files, results = project.output(), project.results_file.read_bytes()
    shutil.rmtree(project.folder / "output")

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert project.output() == files
    assert project.results_file.read_bytes() == results
    assert len(vendor.ledger.entries) == 2


def test_altered_file_is_left_alone(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    path = next((project.folder / "output").rglob("walk.mp4"))
    path.write_bytes(b"cut by hand")

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert path.read_bytes() == b"cut by hand"
    told = f"{path.relative_to(project.folder)}: differs from what was downloaded, so it is left alone"
    assert ended.out.count(told) == 1
    assert told in pipeline("collect", project.manifest, "--format", "json").document["notes"][0]
    # The way that it names.
    path.unlink()
    assert told not in pipeline("collect", project.manifest).output
    assert pipeline("verify", project.manifest, "--files").code == 0


def test_git_lfs_pointer_in_the_place_of_a_file_is_named(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    path = next((project.folder / "output").rglob("walk.mp4"))
    film = path.read_bytes()
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n")

    told = {
        ("collect",): 0,
        ("run",): 0,
        ("plan",): 0,
        ("plan", "--format", "json"): 0,
        ("verify", "--files"): 1,
        ("show", "main/loop/red/walk"): 0,
        ("report",): 0,
    }
    for command, code in told.items():
        ended = pipeline(command[0], project.manifest, *command[1:])
        assert ended.code == code, ended.output
        assert "Git LFS pointer" in ended.output, command
        assert "git lfs pull" in ended.output, command
        assert "altered here" not in ended.output, command
        assert "differs from what was downloaded" not in ended.output, command
    assert path.read_bytes() != film
    path.write_bytes(film)
    assert "LFS" not in pipeline("collect", project.manifest).output


def test_many_altered_files_are_counted(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(prompts={f"walk{number}": "a walk" for number in range(25)})})
    assert pipeline("run", project.manifest).code == 0
    for path in (project.folder / "output").rglob("*.mp4"):
        path.write_bytes(b"cut by hand")

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert ended.out.count(": differs from what was downloaded") == 20
    assert "and 5 more files: `pipeline verify campaign.yaml --files` names all of them" in ended.out


@fails_without("pipeline.planning.make:paid_for", "return replace", swap=(", retries=False", ""))
@fails_without("pipeline.operations.run:CampaignRun.plan", "if self._options.frozen")
@fails_without("pipeline.engine.failures:Failures.add", "if self.retries", swap=("self.retries and ", ""))
@pytest.mark.parametrize("command", ["collect", "run --frozen", "Python"])
def test_what_fails_meanwhile_is_not_bought_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    """Its `retries` are left to the next run."""
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "retries": 1}])})
    vendor.fail({"on": "create", "nth": 1, "do": {"ends": "fail"}})
    assert pipeline("run", project.manifest, "--no-wait").code == 0

    if command == "Python":
        assert package.collect(project.manifest).code == 1
    else:
        assert pipeline(*command.split(), project.manifest).code == 1

    assert len(vendor.ledger.bought) == 2
    assert sorted(project.statuses().values()) == ["done", "failed"]
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 3


def test_nothing_bought_leaves_nothing_to_collect(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("collect", project.manifest).out == "Nothing to collect.\n"
    assert pipeline("collect", project.manifest, "--select", "status:failed").out == "Nothing to collect.\n"


def test_nothing_to_collect_when_all_files_are_present(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest).code == 0

    ended = pipeline("collect", project.manifest)

    assert ended.out.splitlines()[:2] == ["2 done.", "Nothing to collect."]
    assert "bought before" not in ended.out
    for records in (project.state, project.results_file):
        assert pipeline("collect", records).out == "Nothing to collect.\n"


def test_files_collected_for_no_job_are_counted(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"campaign.yaml": spring(prompts={"run": "a run"})})

    ended = pipeline("collect", bought.manifest)

    assert ended.out.splitlines()[0] == "2 purchases that serve no job checked."
    assert len(bought.output()) == 2


def test_state_alone_is_enough(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought.manifest.unlink()
    shutil.rmtree(bought.folder / "images")

    ended = pipeline("collect", bought.state)

    assert ended.code == 0, ended.output
    assert len(bought.output()) == 2
    assert len(vendor.ledger.entries) == 2


def test_results_alone_are_enough(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    results = bought.results_file.read_bytes()
    shutil.rmtree(bought.folder / ".pipeline")
    bought.manifest.unlink()

    ended = pipeline("collect", bought.results_file)

    assert ended.code == 0, ended.output
    assert len(bought.output()) == 2
    assert bought.results_file.read_bytes() == results
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize(("manifest", "expected"), MANIFESTS_ELSEWHERE)
def test_untrusted_results_cannot_choose_where_files_go(
    bought: Project, pipeline: Pipeline, manifest: str, expected: str
) -> None:
    assert_refuses_manifest_elsewhere("collect", bought, pipeline, manifest, expected)


def test_operator_may_keep_results_elsewhere(project: Project, pipeline: Pipeline, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    assert pipeline("run", project.manifest, "--results", kept).code == 0
    shutil.rmtree(project.folder / "output")

    ended = pipeline("collect", kept / "spring.results.json")

    assert ended.code == 0, ended.output
    assert len(project.output()) == 2


@pytest.mark.parametrize("name", ["out.yaml", "out.yml", "out.json"])
def test_results_are_recognised_by_what_they_hold_whatever_their_name(
    project: Project, pipeline: Pipeline, vendor: Emulator, name: str
) -> None:
    (project.folder / "kept").mkdir()
    kept = project.folder / "kept" / name
    assert pipeline("run", project.manifest, "--results", kept).code == 0
    shutil.rmtree(project.folder / "output")
    shutil.rmtree(project.folder / ".pipeline")

    ended = pipeline("collect", kept)

    assert ended.code == 0, ended.output
    assert len(project.output()) == 2
    assert len(vendor.ledger.entries) == 2
    assert pipeline("report", kept).code == 0


def test_a_conflict_in_results_of_any_name_leads_to_merge(project: Project, pipeline: Pipeline) -> None:
    kept = project.folder / "out.yaml"
    assert pipeline("run", project.manifest, "--results", kept).code == 0
    kept.write_text(f"{kept.read_text()}<<<<<<< HEAD\n=======\n>>>>>>> theirs\n")

    ended = pipeline("collect", kept)

    assert ended.code == 3, ended.output
    assert "`pipeline merge OURS THEIRS --out FILE` joins both sides" in ended.err


def test_state_is_not_merged_with_results_of_another_campaign(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"autumn.yaml": spring(name="autumn", prompts={"fly": "a flight"})})
    assert pipeline("run", "autumn.yaml").code == 0
    others = bought.folder / "autumn.results.json"
    before = others.read_bytes()

    ended = pipeline("collect", bought.state, "--results", others)

    assert ended.code == 3, ended.output
    assert "the results of another campaign, 'autumn', not of 'spring'" in ended.err
    assert others.read_bytes() == before
    assert len(pipeline("state", "export", bought.manifest).document["purchases"]) == 2


def test_unreadable_manifest_falls_back_to_the_state_beside_it(bought: Project, pipeline: Pipeline) -> None:
    bought.manifest.write_text("version: [")

    ended = pipeline("collect", bought.manifest)

    assert ended.code == 0, ended.output
    assert "campaign.yaml:2:1: a bracket" in ended.err
    assert "so everything that .pipeline/spring.db knows is collected" in ended.err
    assert len(bought.output()) == 2


def test_unreadable_manifest_without_a_state_is_an_error(folder: Path, pipeline: Pipeline) -> None:
    manifest = folder / "campaign.yaml"
    manifest.write_text("version: [")

    assert pipeline("collect", manifest).code == 3


@pytest.mark.parametrize(
    "name", ["nosuch.db", ".pipeline/nosuch.db", "nosuch.results.json", "nosuch.json", "nosuch"]
)
def test_missing_file_does_not_fall_back_to_other_records(
    bought: Project, pipeline: Pipeline, name: str
) -> None:
    """The state beside a manifest is used if the manifest is unreadable, but not if its path is misspelled."""
    ended = pipeline("collect", name)

    assert ended.code == 3, ended.output
    assert f"{name}: there is no such file" in ended.err
    assert bought.output() == {}


def test_deleted_manifest_falls_back_to_the_state_beside_it(bought: Project, pipeline: Pipeline) -> None:
    bought.manifest.unlink()

    assert pipeline("collect", bought.manifest).code == 0
    assert len(bought.output()) == 2


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0 cut"])
def test_damaged_state_is_not_treated_as_an_unreadable_manifest(
    bought: Project, pipeline: Pipeline, content: bytes
) -> None:
    (bought.folder / "other.db").write_bytes(content)

    ended = pipeline("collect", "other.db")

    assert ended.code == 3, ended.output
    assert "other.db: " in ended.err
    assert "UTF-8" not in ended.err
    assert bought.output() == {}


def test_purchases_of_an_interrupted_run_are_followed_to_their_end(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.entries) == 2


def test_missing_credit_for_a_poll_leaves_nothing_behind(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    no_credit: Json = {
        "on": "get",
        "times": 1,
        "do": {"status": 402, "body": {"message": "INSUFFICIENT_CREDIT"}},
    }
    vendor.fail(no_credit)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert ended.output.count("your credit is used up") == 1
    assert set(project.statuses().values()) == {"done"}


def test_missing_credit_does_not_end_a_collect(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0
    vendor.fail({"on": "get", "times": 1, "do": {"status": 402}})

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}


def test_job_removed_from_the_manifest_is_fetched_too(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert set(project.output()) == {"main/loop/red/dance.mp4", f"{WALK}.mp4"}


def test_files_of_orphans_are_fetched_too(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance"}), "images/red.png": picture("blue")})
    assert pipeline("run", project.manifest).code == 0
    everything = project.output()
    shutil.rmtree(project.folder / "output")

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert {path: hash(content) for path, content in project.output().items()} == {
        path: hash(content) for path, content in everything.items()
    }
    assert len(everything) == 3  # one for a job, one replaced, one whose job is gone
    assert any("~" in path for path in everything)
    assert len(vendor.ledger.entries) == 3


def test_altered_file_of_an_orphan_is_left_alone(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance"}), "images/red.png": picture("blue")})
    assert pipeline("run", project.manifest).code == 0
    unused = [path for path in (project.folder / "output").rglob("*.mp4") if path.name != "dance.mp4"]
    assert len(unused) == 2
    for path in unused:
        path.write_bytes(b"cut by hand")

    assert pipeline("collect", project.manifest).code == 0
    assert [path.read_bytes() for path in unused] == [b"cut by hand"] * 2


@pytest.mark.parametrize(
    ("source", "flags", "shown"),
    [
        ("STATE", (), "campaign.yaml"),
        ("STATE", ("--output", "films"), "campaign.yaml --output films"),
        ("MANIFEST", (), "campaign.yaml"),
        ("RESULTS", (), "campaign.yaml"),
        ("kept.db", (), "campaign.yaml --state kept.db"),
        (
            "kept.results.json",
            ("--state", "kept.db"),
            "campaign.yaml --state kept.db --results kept.results.json",
        ),
    ],
)
def test_suggested_command_finds_the_same_records(
    project: Project, pipeline: Pipeline, vendor: Emulator, source: str, flags: tuple[str, ...], shown: str
) -> None:
    vendor.fail({"on": "create", "do": "reset-after-processing", "times": 1})
    state = ("--state", "kept.db") if "kept" in source else ()
    results = ("--results", source) if source.endswith(".json") else ()
    assert pipeline("run", project.manifest, *state, *results).code == 7
    text = project.manifest.read_text()
    project.manifest.write_text("version: [")
    given = {"STATE": project.state, "MANIFEST": project.manifest, "RESULTS": project.results_file}

    ended = pipeline("collect", given.get(source, source), *flags)

    assert ended.code == 7, ended.output
    hint = re.search(r"`pipeline resolve ([^`]*) (\w{16}) --workflow-id ID`", ended.out)
    assert hint is not None, ended.output
    assert hint[1] == shown
    project.manifest.write_text(text)
    assert pipeline("resolve", *shlex.split(hint[1]), hint[2], "--not-bought").code == 0


def test_selection_leaves_other_jobs_untouched(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance"}), "images/red.png": picture("blue")})
    assert pipeline("run", project.manifest).code == 0
    shutil.rmtree(project.folder / "output")

    assert pipeline("collect", project.manifest, "--select", WALK).code == 0

    assert set(project.output()) == {f"{WALK}.mp4"}


@pytest.mark.parametrize("flag", ["--select", "--exclude"])
@pytest.mark.parametrize("source", ["state", "results", "manifest that cannot be read"])
def test_selection_without_a_manifest_is_refused(
    bought: Project, pipeline: Pipeline, source: str, flag: str
) -> None:
    """It would be ignored: a selection never widens."""
    if source == "manifest that cannot be read":
        bought.manifest.write_text("jobs: [")
    path = {"state": bought.state, "results": bought.results_file}.get(source, bought.manifest)

    ended = pipeline("collect", path, flag, WALK)

    assert ended.code == 64, ended.output
    assert f"{flag} needs a manifest" in ended.err
    assert bought.output() == {}


def test_success_without_a_result_is_polled_again(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    """The vendor failed it, but has a result the next day: it is paid, so it is downloaded."""
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "fail"}}})
    assert pipeline("run", project.manifest).code == 1
    assert project.statuses() == {WALK: "failed"}
    vendor.clear_faults()

    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert project.statuses() == {WALK: "done"}
    assert len(vendor.ledger.entries) == 1


def test_nothing_is_bought_for_pending_jobs(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert not vendor.ledger.entries


def test_different_file_at_the_vendor_does_not_replace_the_one_bought(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    assert pipeline("run", project.manifest).code == 0
    shutil.rmtree(project.folder / "output")
    media = next(path for path in (vendor.settings.folder / "media").rglob("*.mp4"))
    content = media.read_bytes()
    media.write_bytes(content[:-4] + b"\0\0\0\0")

    ended = pipeline("collect", project.manifest)

    assert ended.code == 8, ended.output
    assert "not the file that was downloaded before" in ended.output
    assert project.output() == {}


def test_campaign_without_purchases_gets_no_results(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("collect", project.manifest)

    assert ended.code == 0, ended.output
    assert not project.results_file.exists()
    assert "Results:" not in ended.out


def test_command_suggested_by_a_rehearsal_works_on_the_rehearsal(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.emulator.settings.EmulatorSettings", EmulatorSettings.tiny)
    assert pipeline("run", project.manifest, "--emulate").code == 0
    shutil.rmtree(project.folder / "output")
    suggested = re.search("`pipeline (collect [^`]+)`", pipeline("plan", project.manifest, "--emulate").out)
    assert suggested is not None

    ended = pipeline(*shlex.split(suggested[1]))

    assert ended.code == 0, ended.output
    assert len(list((project.folder / "output").rglob("*.mp4"))) == 2
    assert not project.results_file.exists()


def test_suggested_command_keeps_the_flags_that_locate_the_records(
    project: Project, pipeline: Pipeline
) -> None:
    flags = ("--state", "a b.db", "--results", "other.json", "--output", "elsewhere")
    assert pipeline("run", project.manifest, *flags).code == 0
    shutil.rmtree(project.folder / "elsewhere")
    suggested = re.search("`pipeline (collect [^`]+)`", pipeline("plan", project.manifest, *flags).out)
    assert suggested is not None

    ended = pipeline(*shlex.split(suggested[1]))

    assert ended.code == 0, ended.output
    assert len(list((project.folder / "elsewhere").rglob("*.mp4"))) == 2
    assert not project.results_file.exists()
