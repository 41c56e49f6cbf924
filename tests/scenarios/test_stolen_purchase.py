"""A purchase of another campaign was copied into our results: its workflow is neither changed nor deleted."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.no_purchases import write_results

from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"
# Its texts name neither campaign nor purchase, so they prove nothing.
ANONYMOUS = {"title": "a film", "description": "for the shop"}


def titled(texts: dict[str, str], **changes: Any) -> dict[str, Any]:
    """The campaign with titles and descriptions of its own."""
    loop = {**spring()["templates"]["loop"], **texts}
    return spring(templates={"loop": loop}, **changes)


@pytest.fixture
def victim(tmp_path: Path, pipeline: Pipeline) -> Project:
    """Another campaign of the same account, after a complete run."""
    (tmp_path / "victim").mkdir()
    project = campaign(tmp_path / "victim", {"campaign.yaml": spring(name="victim")})
    assert pipeline("run", project.manifest).code == 0
    return project


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def steal(victim: Project, thief: Project, **edit: Any) -> list[str]:
    """Copy the victim's purchases into the thief's results; returns their workflow ids."""
    document = thief.results()
    stolen = [{**each, **edit} for each in victim.results()["purchases"]]
    document["purchases"] += stolen
    thief.results_file.write_text(json.dumps(document))
    return [each["workflow_id"] for each in stolen]


def at_vendor(vendor: Emulator, workflow_ids: list[str]) -> list[str | None]:
    """The titles of these workflows at the vendor."""
    return [None if (found := vendor.store.get(each)) is None else found.title for each in workflow_ids]


@pytest.mark.parametrize("run_first", [False, True], ids=["at once", "after a run that joined it"])
@pytest.mark.parametrize(
    ("command", "edit"),
    [
        (("prune", "--yes"), {"key": "main/loop/red/gone"}),
        (("prune", "--yes", "--replaced"), {}),
        (("destroy", "--yes"), {}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_stolen_purchase_is_named_and_left_alone(
    victim: Project,
    bought: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    command: tuple[str, ...],
    edit: dict[str, str],
    run_first: bool,
) -> None:
    stolen = steal(victim, bought, **edit)
    before = at_vendor(vendor, stolen)
    if run_first:
        assert pipeline("run", bought.manifest).code == 0

    ended = pipeline(command[0], bought.manifest, *command[1:])

    assert ended.code == 0, ended.output
    assert at_vendor(vendor, stolen) == before
    for purchase in victim.results()["purchases"]:
        assert f"({purchase['id']}): left" in ended.err
    assert not [
        each
        for each in bought.results()["purchases"]
        if each.get("deleted") and each["workflow_id"] in stolen
    ]


@pytest.mark.parametrize("texts", [{}, {"title": "walk with the red shoe"}], ids=["default", "own title"])
@pytest.mark.parametrize("name", ["main", "red", "walk"])
def test_campaign_named_like_a_part_of_a_key_proves_nothing(
    tmp_path: Path, folder: Path, pipeline: Pipeline, vendor: Emulator, name: str, texts: dict[str, str]
) -> None:
    """The victim's title has the rule, image and prompt, or its own words: none of these identifies a campaign."""
    (tmp_path / "victim").mkdir()
    victim = campaign(tmp_path / "victim", {"campaign.yaml": titled(texts, name="victim")})
    assert pipeline("run", victim.manifest).code == 0
    thief = campaign(folder, {"campaign.yaml": spring(name=name, prompts={"jump": "jump"})})
    write_results(thief)
    stolen = steal(victim, thief, key="main/loop/red/gone")
    before = at_vendor(vendor, stolen)

    ended = pipeline("prune", thief.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert at_vendor(vendor, stolen) == before


def test_forged_title_is_detected_by_the_title_at_the_vendor(
    victim: Project, bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """The copied purchase has a title with our name and its id; the workflow at the vendor does not."""
    [first, _] = victim.results()["purchases"]
    request = {**first["request"], "title": f"spring: {WALK} ({first['id']})"}
    stolen = steal(victim, bought, key="main/loop/red/gone", request=request)

    ended = pipeline("prune", bought.manifest, "--yes")

    assert ended.code == 8, ended.output
    assert "not deleted" in ended.err
    assert None not in at_vendor(vendor, stolen)


def test_purchase_named_by_the_user_is_deleted(
    victim: Project, bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    stolen = steal(victim, bought, key="main/loop/red/gone")
    [purchase, other] = [each["id"] for each in victim.results()["purchases"]]

    assert (
        pipeline("prune", bought.manifest, purchase).code == 64
    )  # nobody can be asked for confirmation here
    ended = pipeline("prune", bought.manifest, purchase[:8], "--yes")

    assert ended.code == 0, ended.output
    gone = [vendor.store.get(each) is None for each in stolen]
    assert gone == [True, False]
    assert {each["id"] for each in bought.results()["purchases"] if each.get("deleted")} == {purchase}
    assert other


@pytest.mark.parametrize("name", ["serving", "unknown"])
def test_purchase_that_serves_a_job_is_not_deleted_even_if_named(
    bought: Project, pipeline: Pipeline, vendor: Emulator, name: str
) -> None:
    purchase = {"serving": bought.jobs()[WALK]["purchase"], "unknown": "0123456789abcdef"}[name]

    ended = pipeline("prune", bought.manifest, purchase, "--yes")

    assert ended.code == 64, ended.output
    assert purchase in ended.err
    assert len(vendor.store.workflows()) == 2


def test_stolen_purchase_is_not_rated(
    victim: Project, bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    [stolen, _] = steal(victim, bought)
    [purchase, _] = victim.results()["purchases"]

    ended = pipeline("rate", bought.manifest, purchase["id"], "--rating", "1")

    assert ended.code == 3, ended.output
    assert "nothing proves" in ended.err
    found = vendor.store.get(stolen)
    assert found is not None
    assert not found.rating


def test_stolen_purchase_that_serves_a_job_is_not_retitled(
    victim: Project, project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    """The request is the same, so it serves: nothing is bought, and the vendor is not called."""
    write_results(project)
    stolen = steal(victim, project)
    before = at_vendor(vendor, stolen)
    project.write({"campaign.yaml": titled({"title": "owned: {{ purchase }}"})})

    planned = pipeline("plan", project.manifest)
    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert (
        "2 jobs have a new title, description or visibility, which is not sent to the vendor" in planned.out
    )
    assert at_vendor(vendor, stolen) == before
    assert len(vendor.ledger.entries) == 2


# Our own purchases


def test_fresh_clone_proves_its_own_purchases_by_title(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    shutil.rmtree(bought.folder / ".pipeline")
    bought.write({"campaign.yaml": titled({"title": "new: {{ campaign.name }} {{ purchase }}"})})

    assert pipeline("run", bought.manifest).code == 0
    assert {each.title.split()[0] for each in vendor.store.workflows()} == {"new:"}
    assert pipeline("rate", bought.manifest, WALK, "--rating", "5").code == 0
    assert pipeline("destroy", bought.manifest, "--yes").code == 0
    assert vendor.store.workflows() == ()


@pytest.mark.parametrize("how", ["state", "import", "clone"])
def test_uninformative_titles_suffice_only_for_the_state_that_bought(
    folder: Path,
    pipeline: Pipeline,
    vendor: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    project = campaign(folder, {"campaign.yaml": titled(ANONYMOUS, prompts={"walk": "a walk"})})
    assert pipeline("run", project.manifest).code == 0
    exported = pipeline("state", "export", project.manifest).out
    if how != "state":
        shutil.rmtree(project.folder / ".pipeline")
    if how == "import":
        monkeypatch.setattr("sys.stdin", io.StringIO(exported))
        assert pipeline("state", "import", project.manifest).code == 0

    ended = pipeline("destroy", project.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert (vendor.store.workflows() == ()) == (how != "clone")


def test_export_of_a_fresh_clone_contains_what_its_results_know(bought: Project, pipeline: Pipeline) -> None:
    shutil.rmtree(bought.folder / ".pipeline")

    exported = pipeline("state", "export", bought.manifest).document

    assert {each["id"] for each in exported["purchases"]} == {
        each["id"] for each in bought.results()["purchases"]
    }
    assert exported["recorded"] == []
    assert not (bought.folder / ".pipeline").exists()
