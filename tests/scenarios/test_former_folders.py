"""What was downloaded is not downloaded again once the output folder is another, or the campaign has another name."""

import json
import shutil
import signal
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
FILMS = spring(output={"dir": "films"})


def videos(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their path there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def adopt(project: Project, name: str, **changes: object) -> Project:
    """Rename the campaign, and adopt its results as the message says."""
    project.write({"campaign.yaml": spring(name=name, **changes)})
    renamed = Project(project.folder, name)
    text = project.results_file.read_text().replace(f'"campaign": "{project.name}"', f'"campaign": "{name}"')
    renamed.results_file.write_text(text)
    project.results_file.unlink()
    return renamed


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A finished campaign, whose media the vendor has lost since."""
    assert pipeline("run", project.manifest).code == 0
    return project


@pytest.fixture
def without_media(bought: Project, vendor: Emulator) -> Project:
    shutil.rmtree(vendor.settings.folder / "media")
    return bought


@pytest.mark.parametrize("command", ["run", "collect"])
@pytest.mark.parametrize("directory", ["films", "output", "output/spring/new", "output/more"])
def test_files_are_taken_over_from_the_former_output_folder(
    without_media: Project, pipeline: Pipeline, command: str, directory: str
) -> None:
    project, before = without_media, videos(without_media.folder / "output/spring")
    project.write({"campaign.yaml": spring(output={"dir": directory})})

    planned = pipeline("plan", project.manifest, "--format", "json").document
    ended = pipeline(command, project.manifest)

    assert {each["action"] for each in planned["actions"]} == {"move"}
    assert ended.code == 0, ended.output
    assert before.items() <= videos(project.folder / directory).items()
    assert pipeline("verify", project.manifest, "--files").code == 0
    assert "2 to keep" in pipeline("plan", project.manifest).out


@fails_without(
    "pipeline.artifacts.output_folder:OutputFolder._possible_paths",
    "return",
    swap=(" if not is_outside(path)", ""),
)
@fails_without("pipeline.artifacts.inventory:Inventory.find_spare", "if is_outside(path)")
@fails_without(
    "pipeline.artifacts.inventory:Inventory.spare_copies",
    "unwanted",
    swap=(" and (not is_outside(path))", ""),
)
def test_files_in_the_former_folder_are_the_users(bought: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", bought.manifest, "--replace", WALK).code == 0
    before = videos(bought.folder / "output/spring")
    bought.write({"campaign.yaml": FILMS})

    for command in (["run"], ["prune", "--replaced", "--yes"], ["destroy", "--yes"]):
        ended = pipeline(command[0], bought.manifest, *command[1:])
        assert ended.code == 0, ended.output
        assert videos(bought.folder / "output/spring") == before
    assert not videos(bought.folder / "films")


@pytest.mark.parametrize(
    ("former", "present"),
    [("output/spring", "output"), ("films/all/a", "films"), ("films/a", "films"), ("films", ".")],
)
def test_former_folder_inside_the_present_one_stays_as_it_is(
    project: Project, pipeline: Pipeline, vendor: Emulator, former: str, present: str
) -> None:
    project.write({"campaign.yaml": spring(output={"dir": former})})
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("run", project.manifest, "--replace", WALK).code == 0
    before = videos(project.folder / former)
    shutil.rmtree(vendor.settings.folder / "media")
    project.write({"campaign.yaml": spring(output={"dir": present})})

    for command in (["run"], ["run"], ["collect"], ["verify", "--files"]):
        ended = pipeline(command[0], project.manifest, *command[1:])
        assert ended.code == 0, ended.output
        assert videos(project.folder / former) == before
    taken_over = {path: content for path, content in before.items() if "~" not in path}
    assert taken_over.items() <= videos(project.folder / present).items()

    project.write({"campaign.yaml": spring(output={"dir": former})})
    assert "2 to keep" in pipeline("plan", project.manifest).out
    project.write({"campaign.yaml": spring(output={"dir": present})})
    for command in (["run"], ["prune", "--replaced", "--yes"], ["destroy", "--yes"]):
        ended = pipeline(command[0], project.manifest, *command[1:])
        assert ended.code == 0, ended.output
        assert videos(project.folder / former) == before


@fails_without(
    "pipeline.operations.former_folders:files_in_former_folders",
    "found.append",
    swap=("path=led_out", "path=path"),
)
@pytest.mark.parametrize(
    "outputs",
    [
        ({"dir": "output/spring"}, {"dir": "films"}, {"dir": "output"}),
        ({"dir": "output/mon"}, {"dir": "output/tue"}, {"dir": "output"}),
        ({"dir": "all/mon"}, {"dir": "films"}, {"dir": "clips"}, {"dir": "all"}),
        ({"dir": "output", "path": "spring/sub/{{ prompt.name }}.{{ ext }}"}, {"dir": "output/spring"}),
    ],
    ids=lambda each: " ".join(output["dir"] for output in each),
)
def test_every_former_folder_stays_as_it_is(
    project: Project, pipeline: Pipeline, outputs: tuple[dict[str, str], ...]
) -> None:
    *formers, last = outputs
    before: dict[str, dict[str, bytes]] = {}
    for number, output in enumerate(formers):
        project.write({"campaign.yaml": spring(output={"path": "{{ prompt.name }}.{{ ext }}", **output})})
        assert pipeline("run", project.manifest).code == 0
        if number == 0:
            replaced = next(key for key in project.jobs() if key.endswith("walk"))
            assert pipeline("run", project.manifest, "--replace", replaced).code == 0
        before[output["dir"]] = videos(project.folder / output["dir"])
    project.write({"campaign.yaml": spring(output={"path": "{{ prompt.name }}.{{ ext }}", **last})})

    for command in (["run"], ["run"], ["collect"], ["prune", "--replaced", "--yes"], ["destroy", "--yes"]):
        ended = pipeline(command[0], project.manifest, *command[1:])
        assert ended.code == 0, ended.output
        for former, files in before.items():
            assert files.items() <= videos(project.folder / former).items()


@fails_without(
    "pipeline.operations.campaign_state:CampaignState._published_paths",
    "return {digest",
    swap=(" if from_outside(path, folder=output.name) not in former", ""),
)
def test_former_folder_stays_as_it_is_where_another_file_is_missing(
    bought: Project, pipeline: Pipeline
) -> None:
    (bought.folder / "output/spring/main/loop/red/dance.mp4").unlink()
    before = videos(bought.folder / "output/spring")
    bought.write({"campaign.yaml": spring(output={"dir": "output"})})

    ended = pipeline("collect", bought.manifest)

    assert ended.code == 0, ended.output
    assert videos(bought.folder / "output/spring") == before
    assert pipeline("verify", bought.manifest, "--files").code == 0


@fails_without(
    "pipeline.artifacts.local_folder:LocalFolder._status", "return status if", swap=("None", "status")
)
@pytest.mark.parametrize("linked", ["films", "films/main"])
def test_link_in_the_place_of_a_former_folder_is_not_followed(
    project: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path, linked: str
) -> None:
    project.write({"campaign.yaml": FILMS})
    assert pipeline("run", project.manifest).code == 0
    shutil.rmtree(vendor.settings.folder / "media")
    project.write({"campaign.yaml": spring(output={"dir": "clips"})})
    assert pipeline("results", project.manifest).code == 0
    shutil.move(project.folder / linked, tmp_path / "elsewhere")
    (project.folder / linked).symlink_to(tmp_path / "elsewhere")

    ended = pipeline("run", project.manifest)

    assert "2 finished jobs have no file on this machine" in ended.out
    assert not (project.folder / "clips").exists() or not videos(project.folder / "clips")


@fails_without("pipeline.operations.open_campaign:open_campaign", "if writable and former:")
@fails_without("pipeline.operations.results_publisher:rewrite", "if state.former:")
@fails_without(
    "pipeline.operations.published_results:joined_hash", "return _hash", swap=("heading.output, ", "")
)
@pytest.mark.parametrize(
    "first",
    [("run", "campaign.yaml", "--select", WALK), ("results", "campaign.yaml")],
    ids=lambda each: each[0],
)
def test_former_folder_is_remembered_when_the_results_name_the_new_one(
    project: Project, pipeline: Pipeline, vendor: Emulator, first: tuple[str, ...]
) -> None:
    project.write({"campaign.yaml": spring(output={"dir": "clips"})})
    assert pipeline("run", project.manifest).code == 0
    before = videos(project.folder / "clips")
    shutil.rmtree(vendor.settings.folder / "media")
    project.write({"campaign.yaml": FILMS})

    assert pipeline(*first).code == 0
    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert videos(project.folder / "films") == before


@fails_without(
    "pipeline.engine.runner:Runner._put_files_in_place", "for entry, job, ", swap=("break", "pass")
)
def test_ctrl_c_between_two_copies_leaves_the_rest_to_the_next_run(
    without_media: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, before = without_media, videos(without_media.folder / "output/spring")
    project.write({"campaign.yaml": FILMS})
    pressed: list[str] = []

    def press_once(name: str) -> None:
        if name == "copied" and not pressed:
            pressed.append(name)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.artifacts.local_folder.failpoints.reach", press_once)
        stopped = pipeline("run", project.manifest)

    assert stopped.code == 130, stopped.output
    assert len(videos(project.folder / "films")) == 1
    assert pipeline("run", project.manifest).code == 0
    assert videos(project.folder / "films") == before


def test_output_folder_is_changed_twice(without_media: Project, pipeline: Pipeline) -> None:
    project, before = without_media, videos(without_media.folder / "output/spring")
    project.write({"campaign.yaml": FILMS})
    assert pipeline("run", project.manifest, "--select", WALK).code == 0
    project.write({"campaign.yaml": spring(output={"dir": "one/more"})})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert f"{WALK}.mp4" in videos(project.folder / "one/more")
    project.write({"campaign.yaml": FILMS})
    assert pipeline("run", project.manifest).code == 0
    assert videos(project.folder / "films") == before


def test_earlier_takes_stay_on_this_machine(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("run", bought.manifest, "--replace", WALK).code == 0
    earlier = next(iter(bought.folder.glob("output/spring/main/loop/red/walk~*.mp4")))
    shutil.rmtree(vendor.settings.folder / "media")
    bought.write({"campaign.yaml": FILMS})

    assert pipeline("run", bought.manifest).code == 0
    collected = pipeline("collect", bought.manifest)

    assert collected.code == 0, collected.output
    assert str(earlier.relative_to(bought.folder)) in pipeline("show", bought.manifest, WALK).out


def test_verify_says_where_a_file_is(without_media: Project, pipeline: Pipeline) -> None:
    without_media.write({"campaign.yaml": FILMS})

    found = pipeline("verify", without_media.manifest, "--files")

    assert found.code == 1
    here, there = f"films/{WALK}.mp4", f"output/spring/{WALK}.mp4"
    assert f"{here}: missing; it is at {there}, and `pipeline run campaign.yaml` copies it" in found.out


def test_verify_says_what_keeps_a_file_from_being_copied(project: Project, pipeline: Pipeline) -> None:
    project.write({"campaign.yaml": spring(output={"dir": "clips", "steps": True})})
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(output={"dir": "films", "steps": True})})
    altered = project.folder / f"films/{WALK}.mp4"
    altered.parent.mkdir(parents=True)
    altered.write_bytes(b"mine")
    step = min(path for path in videos(project.folder / "clips") if path.startswith(f"{WALK}.steps/"))

    ran = pipeline("run", project.manifest)
    found = pipeline("verify", project.manifest, "--files")

    assert ran.code == 0, ran.output
    advice = f"once films/{WALK}.mp4 is moved away, `pipeline run campaign.yaml` copies it"
    assert f"films/{step}: missing; it is at clips/{step}: {advice}" in found.out
    altered.rename(project.folder / "mine.mp4")
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("verify", project.manifest, "--files").code == 0


@pytest.mark.parametrize(
    ("output", "there"),
    [({}, "output/spring"), ({"output": {"dir": "films"}}, "films")],
    ids=["default", "named"],
)
def test_campaign_that_was_renamed_keeps_its_files(
    project: Project, pipeline: Pipeline, vendor: Emulator, output: dict[str, object], there: str
) -> None:
    project.write({"campaign.yaml": spring(**output)})
    assert pipeline("run", project.manifest).code == 0
    before = videos(project.folder / there)
    shutil.rmtree(vendor.settings.folder / "media")
    adopt(project, "fall", **output)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert videos(project.folder / ("films" if output else "output/fall")) == before
    assert pipeline("verify", project.manifest, "--files").code == 0


@fails_without("pipeline.operations.open_campaign:open_campaign", "if not store.records().purchases:")
@pytest.mark.parametrize("manifest", ["campaign.yaml", "fall.yaml"])
def test_what_the_state_of_the_old_name_recorded_is_still_the_campaigns_own(
    bought: Project, pipeline: Pipeline, vendor: Emulator, manifest: str
) -> None:
    assert pipeline("run", bought.manifest, "--replace", WALK).code == 0
    renamed = adopt(bought, "fall")
    if manifest != "campaign.yaml":
        bought.manifest.rename(bought.folder / manifest)
        text = renamed.results_file.read_text().replace("campaign.yaml", manifest)
        renamed.results_file.write_text(text)

    planned = pipeline("plan", manifest)
    ran = pipeline("run", manifest)
    pruned = pipeline("prune", manifest, "--replaced", "--yes")

    assert planned.code == ran.code == pruned.code == 0, planned.output + ran.output + pruned.output
    assert "nothing proves" not in planned.output + ran.output + pruned.output
    assert len(list(vendor.store.workflows())) == 2


def test_what_was_not_adopted_is_not_the_campaigns_own(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    archived = bought.folder / "archive"
    archived.mkdir()
    bought.results_file.rename(archived / bought.results_file.name)
    bought.write({"campaign.yaml": spring(name="fall", prompts={"run": "a run"})})
    assert pipeline("run", bought.manifest).code == 0

    assert pipeline("destroy", bought.manifest, "--yes").code == 0

    assert len(list(vendor.store.workflows())) == 2


# Results may be a stranger's


@fails_without(
    "pipeline.operations.earlier_names:known_before",
    "same = ",
    swap=(" and known[each.id].workflow_id == each.workflow_id", ""),
)
def test_adopted_results_with_another_workflow_prove_nothing(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    dance = "main/loop/red/dance"
    own, other = (bought.jobs()[key]["workflow_id"] for key in (WALK, dance))
    renamed = adopt(bought, "fall", prompts={"dance": "a dance in the rain"})
    text = renamed.results_file.read_text()
    renamed.results_file.write_text(text.replace(own, "?").replace(other, own).replace("?", other))
    document = renamed.results()
    sent = {each["key"]: each["request"] for each in document["purchases"]}
    for each in document["purchases"]:
        each["request"] = sent[dance]
    renamed.results_file.write_text(json.dumps(document))

    ended = pipeline("prune", bought.manifest, "--yes")

    assert "nothing proves" in ended.output
    assert {own, other} <= {each.id for each in vendor.store.workflows()}


@pytest.mark.parametrize("directory", ["../elsewhere", ".hidden", "linked", "absolute"])
def test_file_that_is_not_plainly_below_the_manifests_folder_is_not_used(
    without_media: Project, pipeline: Pipeline, tmp_path: Path, directory: str
) -> None:
    project = without_media
    real = {"linked": tmp_path / "elsewhere", "absolute": tmp_path / "elsewhere"}.get(
        directory, project.folder / directory
    )
    shutil.move(project.folder / "output/spring", real)
    if directory == "linked":
        (project.folder / "linked").symlink_to(real)
    named = str(real) if directory == "absolute" else directory
    project.results_file.write_text(project.results_file.read_text().replace("output/spring", named))
    project.write({"campaign.yaml": FILMS})

    ended = pipeline("run", project.manifest)

    assert "2 finished jobs have no file on this machine" in ended.out
    assert not (project.folder / "films").exists() or not videos(project.folder / "films")


def test_what_only_results_know_is_used_inside_the_output_folder_only(
    without_media: Project, pipeline: Pipeline
) -> None:
    shutil.rmtree(without_media.folder / ".pipeline")
    without_media.write({"campaign.yaml": FILMS})

    assert "2 finished jobs have no file on this machine" in pipeline("run", without_media.manifest).out


def test_other_bytes_in_the_former_folder_are_not_used(without_media: Project, pipeline: Pipeline) -> None:
    for path in without_media.folder.glob("output/spring/**/*.mp4"):
        path.write_bytes(b"something else")
    without_media.write({"campaign.yaml": FILMS})

    assert "2 finished jobs have no file on this machine" in pipeline("run", without_media.manifest).out


def test_rehearsal_takes_over_its_own_files_only(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest, "--emulate").code == 0
    before = json.loads((project.folder / "spring.emulated.results.json").read_text())
    project.write({"campaign.yaml": FILMS})

    ended = pipeline("run", project.manifest, "--emulate")

    assert ended.code == 0, ended.output
    assert len(videos(project.folder / "films/emulated")) == len(before["jobs"])
