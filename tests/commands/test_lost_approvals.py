"""Approvals that results show and no decisions file here has: nothing is bought again before someone says so."""

import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, spring

import pipeline as public
from pipeline.emulator.embedded import Emulator

WALK = "main/loop/red/walk"


@pytest.fixture
def approved(project: Project, pipeline: Pipeline) -> Project:
    """A campaign with an approved take, as its results say, and with a prompt that has changed since."""
    for words in (["run"], ["approve", WALK], ["results"]):
        ended = pipeline(words[0], project.manifest, *words[1:])
        assert ended.code == 0, ended.output
    assert project.jobs()[WALK]["decision"] == "approved"
    project.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})
    return project


@pytest.fixture
def lost(approved: Project) -> Project:
    """A clone of it whose decisions were not committed."""
    shutil.rmtree(approved.folder / ".pipeline")
    decisions(approved).unlink()
    return approved


def decisions(project: Project) -> Path:
    return project.folder / "spring.decisions.yaml"


@pytest.mark.parametrize(
    "command", [["run", "--yes"], ["collect"], ["results"], ["prune", "--replaced", "--yes"]]
)
def test_without_the_decisions_nothing_is_bought_or_deleted_and_the_results_stay(
    lost: Project, pipeline: Pipeline, vendor: Emulator, command: list[str]
) -> None:
    before, bought = lost.results_file.read_bytes(), len(vendor.ledger.entries)

    ended = pipeline(command[0], lost.manifest, *command[1:])

    assert ended.code == 3, ended.output
    assert "spring.decisions.yaml: lacks 1 approval that spring.results.json shows" in ended.err
    assert f"{WALK} ({lost.jobs()[WALK]['purchase']})" in ended.err
    assert lost.results_file.read_bytes() == before
    assert len(vendor.ledger.entries) == bought
    assert not (lost.folder / ".pipeline").exists()


def test_so_it_is_where_the_state_is_still_there(
    approved: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    decisions(approved).unlink()
    bought = len(vendor.ledger.entries)

    assert [pipeline("run", approved.manifest, "--yes").code for _ in range(2)] == [3, 3]
    assert len(vendor.ledger.entries) == bought


@pytest.mark.parametrize("command", ["plan", "status"])
def test_commands_that_only_read_warn(lost: Project, offline: Pipeline, command: str) -> None:
    ended = offline(command, lost.manifest)

    assert ended.code == 0, ended.output
    assert "warning: spring.decisions.yaml: lacks 1 approval" in ended.err


@pytest.mark.parametrize("approved", ["one", "both"])
def test_they_are_found_in_the_results_of_shards(project: Project, pipeline: Pipeline, approved: str) -> None:
    shards = [f"{index}/3" for index in (1, 2, 3)]
    for shard in shards:
        assert pipeline("run", project.manifest, "--shard", shard).code == 0
    keys = [WALK, "main/loop/red/dance"][: 1 if approved == "one" else 2]
    assert pipeline("approve", project.manifest, *keys).code == 0
    for shard in shards:
        assert pipeline("run", project.manifest, "--shard", shard).code == 0
    shutil.rmtree(project.folder / ".pipeline")
    decisions(project).unlink()
    showing = [
        each.name
        for each in sorted(project.folder.glob("*.results.*.json"))
        if '"approved"' in each.read_text()
    ]
    assert len(showing) == len(keys)

    warned, refused = pipeline("plan", project.manifest), pipeline("run", project.manifest)

    show = "shows" if len(keys) == 1 else "show"
    for ended in (warned, refused):
        assert f"that {' and '.join(showing)} {show}: " in ended.err
        assert "spring.results.json" not in ended.err


def test_python_functions_tell_them(lost: Project) -> None:
    purchase = lost.jobs()[WALK]["purchase"]

    planned, stands = public.plan(lost.manifest), public.status(lost.manifest)

    assert planned.lost_approvals == stands.lost_approvals == {purchase: WALK}
    assert repr(planned).endswith("; lacks 1 approval>")
    assert repr(stands).endswith("; lacks 1 approval>")


def test_verify_and_doctor_say_which_side_lacks_it(lost: Project, offline: Pipeline) -> None:
    ended = offline("verify", lost.manifest)

    assert ended.code == 1
    assert "spring.decisions.yaml: lacks 1 approval that spring.results.json shows" in ended.out
    assert "does not have the latest decisions yet" not in ended.output
    assert "spring.decisions.yaml: lacks 1 approval" in offline("doctor", lost.manifest).out


def test_with_the_file_back_it_goes_on(approved: Project, pipeline: Pipeline) -> None:
    kept = decisions(approved).read_bytes()
    decisions(approved).unlink()
    assert pipeline("run", approved.manifest, "--yes").code == 3
    decisions(approved).write_bytes(kept)

    ended = pipeline("run", approved.manifest, "--yes")

    assert ended.code == 0, ended.output
    assert "1 pinned" in pipeline("plan", approved.manifest).out


def test_who_takes_the_approval_back_buys(lost: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought = len(vendor.ledger.entries)
    purchase = lost.jobs()[WALK]["purchase"]

    ended = pipeline("undecide", lost.manifest, purchase)

    assert ended.code == 0, ended.output
    assert "no longer decided" in ended.out
    assert pipeline("run", lost.manifest, "--yes").code == 0
    assert len(vendor.ledger.entries) == bought + 1


def test_a_renamed_campaign_is_told_to_take_its_decisions_along(approved: Project, offline: Pipeline) -> None:
    manifest = approved.folder / "campaign.yaml"
    manifest.write_text(manifest.read_text().replace("spring", "fall"))

    refused = offline("run", manifest)

    assert refused.code == 3
    assert "fall.results.json, and spring.decisions.yaml to fall.decisions.yaml" in refused.err
    results = approved.results_file.read_text().replace('"campaign": "spring"', '"campaign": "fall"')
    (approved.folder / "fall.results.json").write_text(results)
    approved.results_file.unlink()
    assert "warning: fall.decisions.yaml: lacks 1 approval" in offline("plan", manifest).err
    decisions(approved).rename(approved.folder / "fall.decisions.yaml")
    ended = offline("plan", manifest)
    assert "warning" not in ended.err
    assert "1 pinned" in ended.out
