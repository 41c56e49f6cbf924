"""Files that this machine did not put where they are: another did, or a person, or a command that was killed."""

import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.checks import assert_nothing_bought_twice
from support.fork_server import Child, ForkServer
from support.processes import until
from support.protection import fails_without
from support.s3 import BUCKET, Asked, S3Server

from pipeline.emulator.embedded import Emulator


@dataclass(frozen=True)
class Output:
    """Where several machines keep their files."""

    name: str
    files: Callable[[], Mapping[str, bytes]]


@pytest.fixture(params=["folder", "store"])
def output(request: pytest.FixtureRequest, folder: Path, bucket: S3Server) -> Output:
    if request.param == "store":
        return Output(f"s3://{BUCKET}/shared", lambda: _below("shared/", bucket.objects()))
    shared = folder.parent / "shared"
    return Output(
        str(shared),
        lambda: {
            each.relative_to(shared).as_posix(): each.read_bytes()
            for each in sorted(shared.rglob("*"))
            if each.is_file()
        },
    )


def _below(prefix: str, objects: Mapping[str, bytes]) -> dict[str, bytes]:
    return {key.removeprefix(prefix): content for key, content in objects.items() if key.startswith(prefix)}


def named_below(name: str) -> dict[str, object]:
    """The campaign with its files below a folder `name`."""
    return spring(output={"path": f"{name}/{{{{ job.key }}}}.{{{{ ext }}}}"})


def clone_of(project: Project, name: str, manifest: Mapping[str, object] | None = None) -> Project:
    """A checkout of what a machine has committed, on another machine."""
    clone = campaign(project.folder.parent / name, {"images/red.png": picture()})
    clone.manifest.write_bytes(project.manifest.read_bytes())
    clone.results_file.write_bytes(project.results_file.read_bytes())
    if manifest is not None:
        clone.write({"campaign.yaml": manifest})
    return clone


def succeeded(ended: Ended) -> Ended:
    assert ended.code == 0, ended.output
    return ended


@dataclass
class Machines:
    """Two that have a campaign, of which the second has moved the files and the first has pulled that."""

    first: Project
    second: Project


@pytest.fixture
def moved(folder: Path, pipeline: Pipeline, vendor: Emulator, output: Output) -> Machines:
    first = campaign(folder)
    succeeded(pipeline("run", first.manifest, "--output", output.name))
    second = clone_of(first, "second", named_below("new"))
    succeeded(pipeline("run", second.manifest, "--output", output.name, "--frozen"))
    assert all(path.startswith("new/") for path in output.files())
    first.manifest.write_bytes(second.manifest.read_bytes())
    first.results_file.write_bytes(second.results_file.read_bytes())
    return Machines(first, second)


@fails_without(
    "pipeline.artifacts.output_folder:OutputFolder._possible_paths",
    "stems =",
    swap=("self.inventory.stems(purchase)", "[purchase.path]"),
)
def test_what_another_machine_moved_is_destroyed(
    moved: Machines, pipeline: Pipeline, vendor: Emulator, output: Output
) -> None:
    moved.first.results_file.unlink()  # so that only the manifest says where they are
    destroyed = succeeded(pipeline("destroy", moved.first.manifest, "--output", output.name, "--yes"))

    assert "2 deleted." in destroyed.out
    assert output.files() == {}
    assert not vendor.store.workflows()


def test_what_another_machine_moved_is_destroyed_after_a_run_with_nothing_to_do(
    moved: Machines, pipeline: Pipeline, output: Output
) -> None:
    succeeded(pipeline("run", moved.first.manifest, "--output", output.name, "--frozen"))
    succeeded(pipeline("destroy", moved.first.manifest, "--output", output.name, "--yes"))

    assert output.files() == {}


@pytest.mark.parametrize("has_run", [False, True])
def test_what_another_machine_moved_is_found_after_the_next_rename(
    moved: Machines, pipeline: Pipeline, vendor: Emulator, output: Output, has_run: bool
) -> None:
    if has_run:
        succeeded(pipeline("run", moved.first.manifest, "--output", output.name, "--frozen"))
        # Only this machine's own state knows it now.
        moved.first.results_file.unlink()
    before = output.files()
    moved.first.write({"campaign.yaml": named_below("newer")})
    for workflow in vendor.store.workflows():
        vendor.store.delete(workflow.id)

    planned = succeeded(pipeline("plan", moved.first.manifest, "--output", output.name))
    assert "2 to move" in planned.out
    assert output.files() == before
    succeeded(pipeline("run", moved.first.manifest, "--output", output.name, "--frozen"))

    assert sorted(output.files().values()) == sorted(before.values())
    assert all(path.startswith("newer/") for path in output.files())
    succeeded(pipeline("verify", moved.first.manifest, "--files", "--output", output.name))


def test_removed_job_whose_file_another_machine_moved_is_pruned(
    moved: Machines, pipeline: Pipeline, output: Output
) -> None:
    succeeded(pipeline("run", moved.first.manifest, "--output", output.name, "--frozen"))
    moved.first.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
    pruned = succeeded(pipeline("prune", moved.first.manifest, "--output", output.name, "--yes"))

    assert "1 deleted." in pruned.out
    assert len(output.files()) == 1
    assert not [path for path in output.files() if "walk" in path]


def test_results_alone_find_what_was_moved(
    moved: Machines, pipeline: Pipeline, vendor: Emulator, output: Output
) -> None:
    alone, before = moved.first.folder.parent / "alone" / "spring.results.json", output.files()
    alone.parent.mkdir()
    alone.write_bytes(moved.second.results_file.read_bytes())
    for workflow in vendor.store.workflows():
        vendor.store.delete(workflow.id)

    succeeded(pipeline("collect", alone, "--output", output.name))

    assert output.files() == before


@pytest.mark.parametrize("is_pruned", [True, False])
def test_new_checkout_deletes_what_was_moved(
    moved: Machines, pipeline: Pipeline, output: Output, is_pruned: bool
) -> None:
    checkout = clone_of(moved.second, "checkout")
    if is_pruned:
        checkout.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
        (walk,) = (each["id"] for each in checkout.results()["purchases"] if "walk" in each["key"])
        succeeded(pipeline("prune", checkout.manifest, walk, "--output", output.name, "--yes"))
        assert ["dance" in path for path in output.files()] == [True]
    else:
        succeeded(pipeline("destroy", checkout.manifest, "--output", output.name, "--yes"))
        assert output.files() == {}


def test_move_that_is_killed_before_it_is_recorded_loses_nothing(
    folder: Path, pipeline: Pipeline, vendor: Emulator, fork_server: ForkServer, bucket: S3Server
) -> None:
    project, place = campaign(folder), f"s3://{BUCKET}/shared"
    succeeded(pipeline("run", project.manifest, "--output", place))
    before = sorted(_below("shared/", bucket.objects()).values())
    for workflow in vendor.store.workflows():
        vendor.store.delete(workflow.id)
    project.write({"campaign.yaml": named_below("new")})
    running: SimpleQueue[Child] = SimpleQueue()

    def strike(asked: Asked) -> None:
        if asked.method == "DELETE":
            running.get().signal(signal.SIGKILL)
            bucket.meet = lambda _asked: None

    bucket.meet = strike
    child = fork_server.start(
        *("run", project.manifest, "--output", place, "--frozen"),
        url=vendor.url,
        folder=folder,
        log=folder.parent / "killed",
        **bucket.environment,
    )
    running.put(child)
    assert child.ended().code == -signal.SIGKILL
    until(lambda: bucket.is_idle, "the server to delete the object")
    assert len(bucket.objects()) == 2
    assert len([key for key in bucket.objects() if key.startswith("shared/new/")]) == 1
    project.write({"campaign.yaml": named_below("newer")})

    succeeded(pipeline("run", project.manifest, "--output", place, "--frozen"))

    left = _below("shared/", bucket.objects())
    assert sorted(left.values()) == before
    assert all(path.startswith("newer/") for path in left)
    assert_nothing_bought_twice(vendor)


def test_what_could_not_be_moved_is_destroyed_or_named(
    folder: Path, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    project, place = campaign(folder), f"s3://{BUCKET}/shared"
    succeeded(pipeline("run", project.manifest, "--output", place))
    project.write({"campaign.yaml": named_below("new")})
    bucket.meet = lambda asked: 403 if asked.method == "DELETE" else None
    assert pipeline("run", project.manifest, "--output", place, "--frozen").code != 0
    assert len(bucket.objects()) > 2

    refused = pipeline("destroy", project.manifest, "--output", place, "--yes")
    assert refused.code == 8, refused.output
    assert f"not deleted: {place}" in refused.output
    bucket.meet = lambda _asked: None
    again = pipeline("destroy", project.manifest, "--output", place, "--yes")

    assert again.code == 0, again.output
    assert bucket.objects() == {}


def test_folder_that_a_person_renamed_is_destroyed(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    succeeded(pipeline("run", project.manifest))
    output, old = project.folder / "output" / "spring", project.folder / "old"
    shutil.move(output, old)
    output.mkdir()
    shutil.move(old, output / "by-hand")
    project.write({"campaign.yaml": named_below("by-hand")})
    assert "2 to keep" in succeeded(pipeline("plan", project.manifest)).out

    succeeded(pipeline("destroy", project.manifest, "--yes"))

    assert project.output() == {}
