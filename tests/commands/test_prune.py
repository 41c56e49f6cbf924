"""`prune` deletes what is not needed, `destroy` everything; neither deletes what a job needs or what others own."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, chained, picture, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
WITHOUT_WALK = spring(prompts={"dance": "a dance in the rain"})
CHANGED = spring(prompts={"walk": "a run", "dance": "a dance in the rain"})

IN_FOLDERS = {"path": "{{ prompt.name }}/film.{{ ext }}", "steps": True}


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


@pytest.fixture
def orphaned(bought: Project) -> Project:
    """One of its two jobs was removed from the manifest."""
    bought.write({"campaign.yaml": WITHOUT_WALK})
    return bought


def purchases(project: Project) -> dict[str, dict[str, object]]:
    return {each["id"]: each for each in project.results()["purchases"]}


def deleted(project: Project) -> set[object]:
    """The keys of the purchases marked as deleted in the results."""
    return {each["key"] for each in purchases(project).values() if each.get("deleted")}


def prune(pipeline: Pipeline, project: Project, *flags: str) -> Ended:
    return pipeline("prune", project.manifest, "--yes", *flags)


def test_orphan_is_deleted_here_and_at_the_vendor_and_its_record_keeps_its_credits(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = prune(pipeline, orphaned)

    assert ended.code == 0, ended.output
    assert WALK in ended.out
    assert "1 deleted." in ended.out
    assert len(vendor.store.workflows()) == 1
    assert sorted(orphaned.output()) == [f"{DANCE}.mp4"]
    assert deleted(orphaned) == {WALK}
    assert orphaned.results()["summary"]["credits"] == 200
    assert prune(pipeline, orphaned).out == "Nothing to delete.\n"


def folders(project: Project) -> set[str]:
    root = project.folder / "output" / "spring"
    return {each.relative_to(root).as_posix() for each in root.rglob("*") if each.is_dir()}


@pytest.fixture
def with_steps(folder: Path, pipeline: Pipeline) -> Project:
    """A campaign of two jobs in folders of their own, with the files of their steps."""
    project = campaign(folder, {"campaign.yaml": spring(output=IN_FOLDERS)})
    assert pipeline("run", project.manifest).code == 0
    assert {"walk", "walk/film.steps", "dance", "dance/film.steps"} <= folders(project)
    return project


def test_folders_that_deleted_files_leave_empty_are_deleted(with_steps: Project, pipeline: Pipeline) -> None:
    root = with_steps.folder / "output" / "spring"
    (root / "walk" / "mine").mkdir()
    (root / "my folder").mkdir()
    with_steps.write({"campaign.yaml": {**WITHOUT_WALK, "output": IN_FOLDERS}})

    ended = prune(pipeline, with_steps)

    assert ended.code == 0, ended.output
    assert folders(with_steps) == {"walk", "walk/mine", "my folder", "dance", "dance/film.steps"}
    assert pipeline("destroy", with_steps.manifest, "--yes").code == 0
    assert folders(with_steps) == {"walk", "walk/mine", "my folder"}


def test_folder_behind_a_link_stays(with_steps: Project, pipeline: Pipeline) -> None:
    root = with_steps.folder / "output" / "spring"
    (root / "dance").rename(root / "disk")
    (root / "dance").symlink_to("disk")

    assert pipeline("destroy", with_steps.manifest, "--yes").code == 0

    assert folders(with_steps) == {"disk", "dance"}


def test_deleted_purchase_does_not_serve_a_job_that_returns(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    prune(pipeline, orphaned)
    orphaned.write({"campaign.yaml": spring()})

    assert (
        f"{WALK}  re-create (100 credits): what served it was deleted"
        in pipeline("plan", orphaned.manifest).out
    )
    assert pipeline("run", orphaned.manifest).code == 0
    assert len(vendor.ledger.entries) == 3


def test_destroy_names_and_keeps_purchases_with_unknown_outcome(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    unknown(bought, pipeline, vendor)
    lost = next(each["id"] for each in bought.results()["purchases"] if each["status"] == "attention")

    for deleted in ("2 deleted.", "Nothing to delete."):
        ended = pipeline("destroy", bought.manifest, "--yes")

        assert ended.code == 7, ended.output
        assert deleted in ended.out
        assert (
            f"main/loop/red/run ({lost}): left alone, because it is unknown whether it was bought"
            in ended.err
        )
        assert f"`pipeline resolve campaign.yaml {lost} --workflow-id ID`" in ended.err
    assert [each["status"] for each in bought.results()["purchases"] if each["id"] == lost] == ["attention"]


# What is never deleted


def nothing_left(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """Every job exists."""


def replaced(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """One was replaced; it is deleted only with --replaced."""
    project.write({"campaign.yaml": CHANGED})
    assert pipeline("run", project.manifest).code == 0


def approved(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """The orphan was approved."""
    assert pipeline("approve", project.manifest, WALK).code == 0
    project.write({"campaign.yaml": WITHOUT_WALK})


def served_elsewhere(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """Its key is gone, but another job has the same request."""
    project.write(
        {"campaign.yaml": spring(prompts={"stroll": "a walk in the park", "dance": "a dance in the rain"})}
    )


def still_running(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """It has not finished."""
    prompts = {"walk": "a walk in the park", "dance": "a dance in the rain", "run": "a run"}
    project.write({"campaign.yaml": spring(prompts=prompts)})
    assert pipeline("run", project.manifest, "--no-wait").code == 0
    project.write({"campaign.yaml": spring()})


def unknown(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    """It is unknown whether it was bought."""
    prompts = {"walk": "a walk in the park", "dance": "a dance in the rain", "run": "a run"}
    project.write({"campaign.yaml": spring(prompts=prompts)})
    vendor.fail({"on": "create", "do": "html"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    project.write({"campaign.yaml": spring()})


@pytest.mark.parametrize(
    "history", [nothing_left, replaced, approved, served_elsewhere, still_running, unknown]
)
def test_prune_never_deletes(
    bought: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    history: Callable[[Project, Pipeline, Emulator], None],
) -> None:
    history(bought, pipeline, vendor)
    before = len(vendor.store.workflows()), bought.output()

    ended = prune(pipeline, bought)

    assert ended.code == 0, ended.output
    assert ended.out == "Nothing to delete.\n"
    assert (len(vendor.store.workflows()), bought.output()) == before
    assert deleted(bought) == set()


def test_upstream_of_a_job_is_kept_even_if_its_own_job_is_gone(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, "film/film/red/spin").code == 0
    # The sketch has changed; the video is kept, as it is approved, and so is the sketch it was made from.
    changed = chained()
    changed["templates"]["sketch"]["options"]["aspect_ratio"] = "1:1"
    project.write({"campaign.yaml": changed})
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 3

    assert prune(pipeline, project, "--replaced").out == "Nothing to delete.\n"
    assert len(vendor.store.workflows()) == 3


def test_replaced_also_deletes_replaced_purchases(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    replaced(bought, pipeline, vendor)
    assert len(bought.output()) == 3

    ended = prune(pipeline, bought, "--replaced")

    assert ended.code == 0, ended.output
    assert len(vendor.store.workflows()) == 2
    assert sorted(bought.output()) == [f"{DANCE}.mp4", f"{WALK}.mp4"]
    assert pipeline("verify", bought.manifest, "--files").code == 0


def test_replaced_also_deletes_copies_that_no_job_needs(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    """Two jobs shared a purchase; one now has another request, and its copy remained."""
    project = campaign(
        folder,
        {"campaign.yaml": spring(prompts={"walk": "a walk", "dance": "a walk"}), "images/red.png": picture()},
    )
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk", "dance": "a dance"})})
    assert pipeline("run", project.manifest).code == 0
    [copy] = set(project.output()) - {f"{DANCE}.mp4", f"{WALK}.mp4"}
    assert prune(pipeline, project).out == "Nothing to delete.\n"
    asked = pipeline("prune", project.manifest, "--replaced")
    assert asked.code == 64
    assert "1 unneeded file would be deleted" in asked.err

    ended = prune(pipeline, project, "--replaced")

    assert ended.code == 0, ended.output
    assert ended.out == f"  - {copy}: a copy that no job needs\n1 unneeded file deleted.\n"
    assert set(project.output()) == {f"{DANCE}.mp4", f"{WALK}.mp4"}
    assert len(vendor.store.workflows()) == 2
    assert prune(pipeline, project, "--replaced").out == "Nothing to delete.\n"
    assert pipeline("verify", project.manifest, "--files").code == 0


@pytest.mark.parametrize(("prompt", "is_deleted"), [("walk", True), ("dance", True), ("run", False)])
def test_selection_deletes_copies_of_what_serves_or_was_bought_for_its_jobs(
    folder: Path, pipeline: Pipeline, prompt: str, is_deleted: bool
) -> None:
    prompts = {"dance": "a walk", "walk": "a walk", "run": "a run"}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={**prompts, "dance": "a dance"})})
    assert pipeline("run", project.manifest).code == 0
    assert len(project.output()) == 4

    ended = prune(pipeline, project, "--replaced", "--select", f"prompt:{prompt}")

    assert ended.code == 0, ended.output
    assert len(project.output()) == (3 if is_deleted else 4)
    assert pipeline("verify", project.manifest, "--files").code == 0


# What others own


@fails_without(
    "pipeline.operations.delete:delete",
    "assert_own(workflow, purchase",
)
def test_workflow_of_another_campaign_is_not_deleted(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """A foreign workflow was written into the results: a GET shows that it is not the one that was bought."""
    foreign = next(each for each in vendor.store.workflows() if "dance" in each.title)
    own = next(each for each in vendor.store.workflows() if "walk" in each.title)
    shutil.rmtree(orphaned.folder / ".pipeline")
    text = orphaned.results_file.read_text()
    # The purchase that serves the other job must not also have this workflow.
    orphaned.results_file.write_text(text.replace(foreign.id, "unheard-of").replace(own.id, foreign.id))

    ended = prune(pipeline, orphaned)

    assert ended.code == 8, ended.output
    assert "not deleted" in ended.err
    assert {each.id for each in vendor.store.workflows()} == {foreign.id, own.id}


@fails_without(
    "pipeline.planning.prune:kept_by_prune",
    "return lambda purchase",
    swap=(" or purchase.workflow_id in shared", ""),
)
def test_workflow_that_another_purchase_also_has_is_not_deleted(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assignment, own = (
        next(each.id for each in vendor.store.workflows() if word in each.title) for word in ("dance", "walk")
    )
    shutil.rmtree(orphaned.folder / ".pipeline")
    orphaned.results_file.write_text(orphaned.results_file.read_text().replace(own, assignment))

    assert prune(pipeline, orphaned).out == "Nothing to delete.\n"
    assert len(vendor.store.workflows()) == 2


def test_unknown_files_and_paths_needed_by_a_job_are_kept(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought.write({"output/spring/main/loop/red/notes.txt": "ours"})
    (bought.folder / "output/spring/main/loop/red/walk.mp4").write_bytes(b"edited by hand")
    bought.write({"campaign.yaml": WITHOUT_WALK})

    assert prune(pipeline, bought).code == 0

    files = bought.output()
    assert files["main/loop/red/notes.txt"] == b"ours"
    assert files["main/loop/red/walk.mp4"] == b"edited by hand"
    assert f"{DANCE}.mp4" in files


def test_link_in_the_output_folder_deletes_nothing_behind_it(
    bought: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.mp4"
    place = bought.folder / "output/spring/main/loop/red/walk.mp4"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    bought.write({"campaign.yaml": WITHOUT_WALK})

    assert prune(pipeline, bought).code == 0
    assert elsewhere.exists()


# When the vendor does not answer


def test_unanswered_deletion_is_recorded_and_repeated(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "delete", "do": {"status": 503}})
    first = prune(pipeline, orphaned)
    assert first.code == 8, first.output
    assert "1 could not be deleted yet: run again" in first.out
    assert deleted(orphaned) == {WALK}
    assert len(vendor.store.workflows()) == 2
    vendor.clear_faults()

    asked = pipeline("prune", orphaned.manifest)
    second = prune(pipeline, orphaned)

    assert asked.code == 64
    assert "1 purchase would be deleted" in asked.err
    assert second.code == 0, second.output
    assert second.out.startswith(f"  - again: {WALK} (")
    assert "1 deleted." in second.out
    assert len(vendor.store.workflows()) == 1
    assert sorted(orphaned.output()) == [f"{DANCE}.mp4"]
    assert prune(pipeline, orphaned).out == "Nothing to delete.\n"


def test_purchase_already_gone_at_the_vendor_is_deleted(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.store.delete(next(each.id for each in vendor.store.workflows() if "walk" in each.title))

    assert prune(pipeline, orphaned).code == 0
    assert deleted(orphaned) == {WALK}


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_exits_with_its_code_and_the_deletion_stays_recorded(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator, status: int
) -> None:
    vendor.fail({"on": "any", "do": {"status": status, "body": {"message": "FORBIDDEN"}}})

    ended = prune(pipeline, orphaned)

    assert ended.code == 5, ended.output
    assert deleted(orphaned) == {WALK}
    vendor.clear_faults()
    assert prune(pipeline, orphaned).code == 0
    assert len(vendor.store.workflows()) == 1


def test_without_a_key_no_deletion_is_recorded(orphaned: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)

    assert prune(pipeline, orphaned).code == 5
    assert deleted(orphaned) == set()
    orphaned.write({"campaign.yaml": spring()})
    assert pipeline("plan", orphaned.manifest, "--detailed-exitcode").code == 0


def test_recorded_deletion_is_not_a_purchase_on_a_machine_with_the_results(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "delete", "do": {"status": 503}})
    prune(pipeline, orphaned)
    vendor.clear_faults()
    shutil.rmtree(orphaned.folder / ".pipeline")

    assert prune(pipeline, orphaned).code == 0
    assert len(vendor.store.workflows()) == 1


def test_deletion_that_the_vendor_has_acknowledged_is_not_repeated_on_a_machine_with_only_the_results(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    prune(pipeline, orphaned)
    shutil.rmtree(orphaned.folder / ".pipeline")

    ended = pipeline("prune", orphaned.manifest)

    assert ended.code == 0, ended.output
    assert "again:" not in ended.out


# Deletions that the results of somebody else request


def forget_removals(project: Project) -> None:
    """Leave only results that do not say what the vendor has deleted, as an older version wrote them."""
    document = project.results()
    for purchase in document["purchases"]:
        purchase.pop("removed", None)
    project.results_file.write_text(json.dumps(document))
    shutil.rmtree(project.folder / ".pipeline")


def set_deleted(project: Project) -> None:
    """Set all purchases in the results to deleted, as a `destroy` elsewhere does that the vendor refuses."""
    document = project.results()
    for purchase in document["purchases"]:
        purchase["deleted"] = True
    project.results_file.write_text(json.dumps(document))


def test_deletion_that_others_requested_is_listed_and_asked_about(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    set_deleted(bought)
    files = bought.output()

    for command in ("prune", "destroy"):
        ended = pipeline(command, bought.manifest)

        assert ended.code == 64, ended.output
        assert [line[: line.index(" (")] for line in ended.out.splitlines()] == [
            f"  - again: {DANCE}",
            f"  - again: {WALK}",
        ]
    assert len(vendor.store.workflows()) == 2
    assert bought.output() == files


@pytest.mark.parametrize("is_orphan", [False, True])
@fails_without(
    "pipeline.operations.delete:to_prune",
    "deletions =",
    swap=("_of_keys(again, keys)", "again"),
)
def test_deletion_that_others_requested_is_repeated_only_within_the_selection(
    bought: Project, pipeline: Pipeline, vendor: Emulator, is_orphan: bool
) -> None:
    set_deleted(bought)
    if is_orphan:
        bought.write({"campaign.yaml": WITHOUT_WALK})

    ended = prune(pipeline, bought, "--select", WALK)

    assert ended.code == 0, ended.output
    assert ended.out.endswith("1 deleted.\n")
    [left] = vendor.store.workflows()
    assert "dance" in left.title
    assert sorted(bought.output()) == [f"{DANCE}.mp4"]


def test_deletion_that_others_requested_spares_an_approved_purchase_but_for_destroy(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("approve", bought.manifest, WALK).code == 0
    approved = next(each for each, known in purchases(bought).items() if known["key"] == WALK)
    set_deleted(bought)

    named = prune(pipeline, bought, approved)
    pruned = prune(pipeline, bought)
    left = [each.title for each in vendor.store.workflows()]
    destroyed = pipeline("destroy", bought.manifest, "--yes")

    assert named.code == 64
    assert "cannot be pruned" in named.err
    assert pruned.code == 0, pruned.output
    assert ["walk" in title for title in left] == [True]
    assert f"again: {WALK} ({approved}): done, approved" in destroyed.out
    assert vendor.store.workflows() == ()


def test_what_is_gone_already_is_not_counted_as_deleted(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    prune(pipeline, orphaned)
    forget_removals(orphaned)

    ended = pipeline("destroy", orphaned.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert ended.out.endswith("1 deleted, 1 had been deleted before.\n")
    assert pipeline("destroy", orphaned.manifest).out == "Nothing to delete.\n"


def test_what_is_marked_and_was_never_at_the_vendor_is_not_listed(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought.write({"campaign.yaml": CHANGED})
    vendor.fail({"on": "create", "do": {"status": 400}})
    assert pipeline("run", bought.manifest).code == 1
    vendor.clear_faults()
    prune(pipeline, bought, "--replaced")
    bought.write({"campaign.yaml": WITHOUT_WALK})
    prune(pipeline, bought)
    forget_removals(bought)

    assert "again: " in pipeline("prune", bought.manifest).out
    assert "failed" not in pipeline("prune", bought.manifest).out


# Confirmation


@pytest.mark.parametrize("command", ["prune", "destroy"])
def test_without_a_terminal_yes_is_required(
    orphaned: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline(command, orphaned.manifest)

    assert ended.code == 64
    assert "--yes" in ended.err
    assert len(vendor.store.workflows()) == 2
    assert deleted(orphaned) == set()


# Destroy


def test_destroy_deletes_everything_and_keeps_the_records(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought.write({"images/blue.png": picture("blue"), "output/spring/notes.txt": "ours"})
    replaced(bought, pipeline, vendor)

    ended = pipeline("destroy", bought.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert vendor.store.workflows() == ()
    assert bought.output() == {"notes.txt": b"ours"}
    assert len(purchases(bought)) == 3
    assert deleted(bought) == {DANCE, WALK}
    assert bought.results()["summary"] == {"jobs": {"pending": 2}, "credits": 300}


def test_destroy_shows_what_is_approved_before_deleting(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("approve", bought.manifest, WALK).code == 0
    ids = {each["key"]: each["id"] for each in purchases(bought).values()}

    asked = pipeline("destroy", bought.manifest)
    destroyed = pipeline("destroy", bought.manifest, "--yes")

    assert asked.code == 64
    assert destroyed.code == 0, destroyed.output
    for ended in (asked, destroyed):
        assert ended.out.splitlines()[:3] == [
            f"  - {DANCE} ({ids[DANCE]}): done",
            f"  - {WALK} ({ids[WALK]}): done, approved",
            "1 of them is approved.",
        ]


def test_run_after_destroy_buys_everything_again_and_says_why(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("destroy", bought.manifest, "--yes")

    shown = pipeline("plan", bought.manifest).out

    assert shown.count("what served it was deleted") == 2
    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 4
    assert len(bought.output()) == 2


# The last good take of a job whose replacement is still missing


def without_credit(pipeline: Pipeline, project: Project, vendor: Emulator, *flags: str) -> None:
    vendor.store.credits = 0
    ended = pipeline("run", project.manifest, *flags)
    assert ended.code == 4, ended.output
    vendor.store.credits = None


@pytest.mark.parametrize(
    "how", ["replace", "renamed and replace", "redo", "edited", "failed", "not fetched", "none fetched"]
)
def test_only_good_take_is_kept_until_its_successor_is_made(
    bought: Project, pipeline: Pipeline, vendor: Emulator, how: str
) -> None:
    """`--replace` that was not carried out, also after a rename; sent back; edited; or its successor is not done."""
    walk = next(each for each, known in purchases(bought).items() if known["key"] == WALK)
    match how:
        case "replace":
            without_credit(pipeline, bought, vendor, "--replace", WALK)
        case "renamed and replace":
            prompts = {"stroll": "a walk in the park", "dance": "a dance in the rain"}
            bought.write({"campaign.yaml": spring(prompts=prompts)})
            without_credit(pipeline, bought, vendor, "--replace", "prompt:stroll")
        case "redo":
            assert pipeline("redo", bought.manifest, WALK).code == 0
        case "edited":
            bought.write({"campaign.yaml": CHANGED})
        case "failed":
            bought.write({"campaign.yaml": CHANGED})
            vendor.fail({"on": "create", "times": 1, "do": "fail"})
            assert pipeline("run", bought.manifest).code == 1
        case "not fetched" | "none fetched":
            bought.write({"campaign.yaml": CHANGED})
            assert pipeline("run", bought.manifest, "--no-download").code == 0
            if how == "none fetched":
                assert pipeline("redo", bought.manifest, WALK).code == 0

    output = pipeline("status", bought.manifest).out
    pruned = prune(pipeline, bought, "--replaced")
    named = prune(pipeline, bought, walk)

    assert "replaced take" not in output
    job = "main/loop/red/stroll" if "renamed" in how else WALK
    assert f"  {job}: last take {walk} (done" in output
    assert pruned.out == "Nothing to delete.\n"
    assert f"{walk} (done) cannot be pruned: " in named.err
    assert named.code == 64
    assert len(vendor.store.workflows()) == len(vendor.ledger.bought)
    assert pipeline("run", bought.manifest, "--retry-failed").code == 0
    assert prune(pipeline, bought, "--replaced").code == 0
    assert purchases(bought)[walk].get("deleted")


RENAMED = {"stroll": "a walk in the park", "dance": "a dance in the rain"}
SWAPPED = {"walk": "a dance in the rain", "dance": "a walk in the park"}


def under_another_key(project: Project, pipeline: Pipeline, prompts: dict[str, str]) -> tuple[str, str]:
    """Rename or swap jobs, so that what was bought for `WALK` serves another job: its id, and the key of that job."""
    walk = next(each for each, known in purchases(project).items() if known["key"] == WALK)
    project.write({"campaign.yaml": spring(prompts=prompts)})
    assert pipeline("run", project.manifest).code == 0
    return walk, next(key for key, job in project.jobs().items() if job["purchase"] == walk)


@pytest.mark.parametrize("prompts", [RENAMED, SWAPPED])
@pytest.mark.parametrize(
    "how", ["failed", "failed twice", "refused", "not bought", "under way", "not fetched"]
)
@fails_without("pipeline.engine.create:new_purchase", "return Purchase(", swap=("tuple(replaces)", "()"))
def test_only_good_take_bought_for_another_job_is_kept_until_its_successor_is_made(
    bought: Project, pipeline: Pipeline, vendor: Emulator, prompts: dict[str, str], how: str
) -> None:
    walk, key = under_another_key(bought, pipeline, prompts)
    bought.write({"campaign.yaml": spring(prompts={**prompts, key.rpartition("/")[2]: "a run"})})
    flags: tuple[str, ...] = ()
    match how:
        case "failed" | "failed twice":
            vendor.fail({"on": "create", "do": "fail"})
        case "refused":
            vendor.fail({"on": "create", "do": {"status": 422}})
        case "not bought":
            vendor.fail({"on": "create", "do": "html"})
        case "under way":
            flags = ("--no-wait",)
        case "not fetched":
            flags = ("--no-download",)
    pipeline("run", bought.manifest, *flags)
    if how == "failed twice":
        assert pipeline("run", bought.manifest, "--retry-failed").code == 1
    if how == "not bought":
        assert pipeline("resolve", bought.manifest, key, "--not-bought", "--now").code == 0
    vendor.clear_faults()
    files = bought.output()

    for is_known in (True, False):
        if not is_known:
            shutil.rmtree(bought.folder / ".pipeline")
        assert f"  {key}: last take {walk} (done): " in pipeline("status", bought.manifest).out
        assert f"({walk})" not in prune(pipeline, bought, "--replaced").out
        assert f"{walk} (done) cannot be pruned: " in prune(pipeline, bought, walk).err
        assert bought.output() == files

    assert pipeline("run", bought.manifest, "--retry-failed").code == 0
    assert prune(pipeline, bought, "--replaced").code == 0
    assert purchases(bought)[walk].get("deleted")
    assert len(bought.output()) == 2


def test_only_good_take_bought_for_another_job_is_approved_for_the_job_that_it_served_last(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    walk, key = under_another_key(bought, pipeline, RENAMED)
    bought.write({"campaign.yaml": spring(prompts={**RENAMED, "stroll": "a run"})})
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    assert pipeline("run", bought.manifest).code == 1

    assert walk in pipeline("show", bought.manifest, key).out
    assert pipeline("approve", bought.manifest, walk).code == 0

    assert pipeline("run", bought.manifest).code == 0
    assert bought.jobs()[key]["purchase"] == walk
    assert len(vendor.ledger.entries) == 3


@pytest.mark.parametrize("is_there_and_back", [False, True])
def test_only_good_take_is_kept_if_its_job_is_renamed_after_an_edit_that_failed(
    bought: Project, pipeline: Pipeline, vendor: Emulator, is_there_and_back: bool
) -> None:
    name, text = "walk", "a walk in the park"
    if is_there_and_back:
        bought.write({"campaign.yaml": spring(prompts=RENAMED)})
        assert pipeline("run", bought.manifest).code == 0
        name, text = "stroll", "a stroll"
        bought.write({"campaign.yaml": spring(prompts={**RENAMED, "stroll": text})})
        assert pipeline("run", bought.manifest).code == 0
    good = bought.jobs()[f"main/loop/red/{name}"]["purchase"]
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain", name: "a run"})})
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    assert pipeline("run", bought.manifest).code == 1
    renamed = "walk" if is_there_and_back else "stroll"
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain", renamed: "a run"})})
    files = bought.output()

    pruned = prune(pipeline, bought)

    assert f"({good})" not in pruned.out
    assert not purchases(bought)[good].get("deleted")
    assert bought.output() == files
    assert good in pipeline("status", bought.manifest).out
    assert pipeline("run", bought.manifest, "--retry-failed").code == 0
    assert prune(pipeline, bought, "--replaced").code == 0
    assert purchases(bought)[good].get("deleted")


@pytest.mark.parametrize("runs", [0, 1, 2])
def test_only_good_take_is_kept_if_an_older_failure_serves_its_job_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, runs: int
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "times": 1, "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    prompts, first, last = {"dance": "a dance in the rain"}, "a walk in the park", "a run"
    for name, text, code in (("stroll", first, 1), ("stroll", last, 0), ("turn", last, 0)):
        project.write({"campaign.yaml": spring(prompts={**prompts, name: text})})
        assert pipeline("run", project.manifest).code == code
    good = project.jobs()["main/loop/red/turn"]["purchase"]
    project.write({"campaign.yaml": spring(prompts={**prompts, "turn": first})})
    files = project.output()

    for _ in range(runs):
        pipeline("run", project.manifest)

    assert f"({good})" not in prune(pipeline, project, "--replaced").out
    assert f"main/loop/red/turn: last take {good} (done): " in pipeline("status", project.manifest).out
    assert project.output() == files
    assert pipeline("run", project.manifest, "--retry-failed").code == 0
    assert prune(pipeline, project, "--replaced").code == 0
    assert purchases(project)[good].get("deleted")


@pytest.mark.parametrize("how", ["results", "import"])
def test_only_good_take_is_kept_if_other_commands_than_a_run_publish_that_an_older_failure_serves(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    prompts = {"dance": "a dance in the rain"}
    for text, code in (("a walk", 0), ("a run", 1), ("a jump", 0)):
        if code:
            vendor.fail({"on": "create", "times": 1, "do": "fail"})
        project.write({"campaign.yaml": spring(prompts={**prompts, "walk": text})})
        assert pipeline("run", project.manifest).code == code
    good = project.jobs()[WALK]["purchase"]
    exported = pipeline("state", "export", project.manifest).out
    project.write({"campaign.yaml": spring(prompts={**prompts, "walk": "a run"})})
    if how == "import":
        shutil.rmtree(project.folder / ".pipeline")
        (project.folder / "spring.results.json").unlink()
        monkeypatch.setattr("sys.stdin", io.StringIO(exported))
        ended = pipeline("state", "import", project.manifest)
    else:
        ended = pipeline("results", project.manifest)
    assert ended.code == 0, ended.output
    shutil.rmtree(project.folder / ".pipeline")

    assert f"({good})" not in prune(pipeline, project, "--replaced").out

    published = project.results()
    assert pipeline("run", project.manifest).code == 1
    assert project.results()["purchases"] == published["purchases"]


def test_only_good_take_is_kept_if_jobs_that_share_a_failed_edit_are_renamed(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    good = set(purchases(bought))
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a run"})})
    assert pipeline("run", bought.manifest).code == 1
    bought.write({"campaign.yaml": spring(prompts={"stroll": "a run", "turn": "a run"})})

    assert prune(pipeline, bought, "--replaced").out == "Nothing to delete.\n"
    assert pipeline("run", bought.manifest, "--retry-failed").code == 0
    assert prune(pipeline, bought, "--replaced").code == 0
    assert {each for each, known in purchases(bought).items() if known.get("deleted")} >= good


@pytest.mark.parametrize("other", ["a dance in the rain", "a jump"])
def test_only_good_take_is_kept_if_its_job_is_given_a_text_that_failed_and_is_renamed(
    bought: Project, pipeline: Pipeline, vendor: Emulator, other: str
) -> None:
    dance = bought.jobs()["main/loop/red/dance"]["purchase"]
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})
    assert pipeline("run", bought.manifest).code == 1
    for name in ("dance", "turn"):
        bought.write({"campaign.yaml": spring(prompts={"walk": other, name: "a run"})})
        pipeline("run", bought.manifest)

    pruned = prune(pipeline, bought)

    assert f"({dance})" not in pruned.out
    assert not purchases(bought)[dance].get("deleted")


def test_earlier_take_is_approved_for_its_job_that_was_renamed_after_a_failed_edit(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    walk, dance = bought.jobs()["main/loop/red/walk"]["purchase"], "a dance in the rain"
    bought.write({"campaign.yaml": spring(prompts={"dance": dance, "walk": "a run"})})
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    assert pipeline("run", bought.manifest).code == 1
    for prompt in ("a run", "a jump"):
        bought.write({"campaign.yaml": spring(prompts={"dance": dance, "stroll": prompt})})
        pipeline("run", bought.manifest)
    key, made = "main/loop/red/stroll", len(vendor.ledger.entries)
    assert bought.statuses()[key] == "done"

    assert walk in pipeline("show", bought.manifest, key).out
    assert pipeline("approve", bought.manifest, walk).code == 0

    assert pipeline("run", bought.manifest).code == 0
    assert bought.jobs()[key]["purchase"] == walk
    assert len(vendor.ledger.entries) == made


@pytest.mark.parametrize("prompts", [RENAMED, SWAPPED])
@pytest.mark.parametrize("edits", [1, 2])
def test_earlier_take_bought_for_another_job_is_approved_for_the_job_whose_successors_are_done(
    bought: Project, pipeline: Pipeline, vendor: Emulator, prompts: dict[str, str], edits: int
) -> None:
    walk, key = under_another_key(bought, pipeline, prompts)
    for number in range(edits):
        edited = {**prompts, key.rpartition("/")[2]: f"a run {number}"}
        bought.write({"campaign.yaml": spring(prompts=edited)})
        assert pipeline("run", bought.manifest).code == 0
    made = len(vendor.ledger.entries)

    assert walk in pipeline("show", bought.manifest, key).out
    assert pipeline("approve", bought.manifest, walk).code == 0

    assert pipeline("run", bought.manifest).code == 0
    assert bought.jobs()[key]["purchase"] == walk
    assert len(vendor.ledger.entries) == made


def test_older_good_take_is_deleted_before_the_successor_of_the_last_is_made(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    first = next(each for each, known in purchases(bought).items() if known["key"] == WALK)
    assert pipeline("run", bought.manifest, "--replace", WALK).code == 0
    without_credit(pipeline, bought, vendor, "--replace", WALK)

    assert prune(pipeline, bought, "--replaced").code == 0

    assert [each for each, known in purchases(bought).items() if known.get("deleted")] == [first]


def test_earlier_take_is_deleted_if_another_is_approved(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(
        folder, {"campaign.yaml": spring(jobs=[{"id": "main", "prompts": ["walk"], "repeat": 2}])}
    )
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("approve", project.manifest, WALK).code == 0
    project.write({"campaign.yaml": {**CHANGED, "jobs": [{"id": "main", "prompts": ["walk"], "repeat": 2}]}})

    assert prune(pipeline, project, "--replaced").code == 0

    assert deleted(project) == {f"{WALK}#2"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("destroy", "--select", "x"), "error: no such option '--select'\nUsage: pipeline destroy "),
        (("destry",), "error: no such command 'destry'; did you mean"),
        (("plan", "--format", "pdf"), "error: invalid value for '--format': 'pdf' is not one of"),
        (("destroy", "--state"), "error: option '--state' requires an argument"),
    ],
)
def test_wrong_usage_is_told_as_every_other_error(
    pipeline: Pipeline, arguments: tuple[str, ...], said: str
) -> None:
    ended = pipeline(*arguments)

    assert ended.code == 64
    assert ended.err.startswith(said)


@pytest.fixture
def of_two_cuts(folder: Path, pipeline: Pipeline) -> Project:
    """A campaign after a run, of which one of two axis values was then removed: one orphan for each image."""
    manifest = spring(
        image_sets={"shoes": ["images/red.png", "images/blue.png"]},
        prompts={"walk": "a walk"},
        jobs=[{"id": "main", "matrix": {"cut": ["a", "b"]}}],
    )
    manifest["templates"]["loop"]["options"]["prompt"] = "{{ prompt }} {{ cut }}"
    project = campaign(folder, {"campaign.yaml": manifest, "images/blue.png": picture("blue")})
    assert pipeline("run", project.manifest).code == 0
    manifest["jobs"][0]["matrix"]["cut"] = ["a"]
    project.write({"campaign.yaml": manifest})
    return project


BLUE_B, RED_B = "main/loop/blue/walk/cut=b", "main/loop/red/walk/cut=b"


@pytest.mark.parametrize(
    ("flags", "gone"),
    [
        (["--exclude", "image:blue"], {RED_B}),
        (["--select", "image:blue"], {BLUE_B}),
        (["--exclude", "prompt:walk"], set()),
        (["--select", "prompt:walk,image:r*"], {RED_B}),
        (["--select", "matrix.cut:b", "--exclude", "image:red"], {BLUE_B}),
        (["--exclude", "job:main,template:loop,image:red"], {BLUE_B}),
    ],
)
def test_orphans_are_selected_by_the_names_in_their_keys(
    of_two_cuts: Project, pipeline: Pipeline, flags: list[str], gone: set[str]
) -> None:
    ended = prune(pipeline, of_two_cuts, *flags)

    assert ended.code == (0 if gone else 64), ended.output
    assert deleted(of_two_cuts) == gone


def test_orphan_is_left_alone_where_its_records_do_not_tell_whether_it_is_meant(
    of_two_cuts: Project, pipeline: Pipeline
) -> None:
    results = of_two_cuts.results()
    for purchase in results["purchases"]:
        purchase["request"]["images"][0]["id"] = "green"  # not the name in its key
    of_two_cuts.results_file.write_text(json.dumps(results))
    of_two_cuts.state.unlink()

    for flag in ("--select", "--exclude"):
        ended = prune(pipeline, of_two_cuts, flag, "image:blue")

        assert ended.code == 0, ended.output
        assert (
            "'image:blue': 2 orphans left alone, because the records do not tell whether it matches"
            in ended.err
        )
        assert deleted(of_two_cuts) == set()
    assert prune(pipeline, of_two_cuts, "--select", "image:blue", "--select", BLUE_B).code == 0
    assert deleted(of_two_cuts) == {BLUE_B}


def test_source_that_is_gone_at_the_vendor_is_pruned_by_id_where_only_an_approved_take_was_made_from_it(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    assert pipeline("run", project.manifest, "--no-download").code == 0
    sketch, clip = sorted(project.jobs(), key=lambda key: not key.startswith("sketch"))
    assert pipeline("approve", project.manifest, clip).code == 0
    gone = project.jobs()[sketch]["purchase"]
    for workflow in vendor.store.workflows():
        if gone in workflow.title:
            vendor.store.delete(workflow.id)
    assert "cannot be pruned" in prune(pipeline, project, gone).err
    assert pipeline("redo", project.manifest, sketch).code == 0
    ended = pipeline("run", project.manifest)
    assert f"`pipeline prune campaign.yaml {gone}` records that it is gone" in ended.out

    pruned = prune(pipeline, project, gone)

    assert pruned.code == 0, pruned.output
    assert pipeline("run", project.manifest).code == 0
    assert project.statuses() == {sketch: "done", clip: "done"}
    assert len(vendor.ledger.entries) == 3
