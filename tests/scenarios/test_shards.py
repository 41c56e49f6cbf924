"""A campaign run in shards: everything is bought once, and caps hold for all together."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from support.calling import Ended, Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.checks import assert_valid
from support.processes import Running, until
from support.protection import fails_without
from support.shards import PROMPTS, forget_all_but_results, run_all, shard_file

from pipeline.emulator.embedded import Emulator
from pipeline.operations.record_paths import state_location
from pipeline.schemes import part_location, part_name
from pipeline.state import look
from pipeline.state.postgres.connections import Connection, Server

Start = Callable[..., Running]


def shard_results(project: Project, index: int, count: int) -> Any:
    path = shard_file(project, index, count)
    document = json.loads(path.read_bytes())
    assert_valid(document, "results")
    return document


def run_once_free(pipeline: Pipeline, project: Project) -> Ended:
    """Run the whole campaign once its lease is free: a lease outlives its run for a moment."""
    ends: list[Ended] = []

    def is_free() -> bool:
        ends.append(pipeline("run", project.manifest))
        return ends[-1].code != 6

    until(is_free, "the lease to end")
    return ends[-1]


def merge(pipeline: Pipeline, project: Project, indexes: Iterable[int], count: int) -> Ended:
    files = [shard_file(project, index, count) for index in indexes]
    return pipeline("merge", *files, "--out", project.results_file)


def test_three_shards_buy_everything_once_and_report_their_own_jobs(
    twelve: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    for ended in run_all(pipeline, twelve, 3):
        assert ended.code == 0, ended.output

    files = [shard_results(twelve, index, 3) for index in (1, 2, 3)]
    assert [file["shard"] for file in files] == [{"index": index, "count": 3} for index in (1, 2, 3)]
    keys = [job["key"] for file in files for job in file["jobs"]]
    assert sorted(keys) == sorted({*keys})
    assert len(keys) == 12
    assert all({p["key"] for p in file["purchases"]} >= {j["key"] for j in file["jobs"]} for file in files)
    assert files[-1]["summary"]["credits"] == 1200
    assert len(vendor.ledger.bought) == 12
    assert len(twelve.output()) == 12
    assert not twelve.results_file.exists()


def test_a_shard_without_jobs_says_so(project: Project, pipeline: Pipeline) -> None:
    ends = run_all(pipeline, project, 3)

    assert [each.code for each in ends] == [0, 0, 0]
    assert any("No jobs in this shard.\n" in each.out for each in ends)
    assert not any("No jobs matched" in each.out for each in ends)


@fails_without(
    "pipeline.operations.results_publisher:Publisher.publish",
    "document = self._builder.build",
    swap=("records=records", "records=Records({each.id: each for each in assignment.by_key.values()})"),
)
def test_job_moved_by_an_edit_to_an_idle_shard_is_not_forgotten(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS)})
    run_all(pipeline, project, 2)
    forget_all_but_results(project)
    project.write(
        {"campaign.yaml": spring(prompts={name: f"{text}, faster" for name, text in PROMPTS.items()})}
    )
    for index in (1, 2):
        # A machine that has only what this shard published, and leaves only that.
        other = shard_file(project, 3 - index, 2)
        kept = other.read_bytes()
        other.unlink()
        ended = pipeline("run", project.manifest, "--shard", f"{index}/2")
        assert ended.code == 0, ended.output
        forget_all_but_results(project)
        other.write_bytes(kept)
    bought = len(vendor.ledger.bought)

    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    run_all(pipeline, project, 2)

    assert len(vendor.ledger.bought) == bought


@pytest.mark.parametrize("command", ["prune", "destroy"])
@fails_without(
    "pipeline.operations.open_campaign:open_campaign",
    "yield",
    swap=("parts.placed", "()"),
)
def test_file_at_a_path_that_only_the_state_of_a_shard_knows_is_deleted(
    folder: Path, pipeline: Pipeline, command: str
) -> None:
    """The file was moved when its job was renamed in a shard; then the job was removed."""
    project = campaign(folder)
    run_all(pipeline, project, 2)
    project.write(
        {"campaign.yaml": spring(prompts={"stroll": "a walk in the park", "dance": "a dance in the rain"})}
    )
    run_all(pipeline, project, 2)
    assert any("stroll" in path for path in project.output())
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
    run_all(pipeline, project, 2)

    assert pipeline(command, project.manifest, "--yes").code == 0

    assert [path for path in project.output() if command == "destroy" or "dance" not in path] == []


def test_whole_campaign_includes_the_results_of_shards(
    twelve: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    run_all(pipeline, twelve, 3)

    assert pipeline("plan", twelve.manifest, "--detailed-exitcode").code == 0
    assert json.loads(pipeline("status", twelve.manifest, "--format", "json").out)["summary"]["jobs"] == {
        "done": 12
    }
    assert pipeline("run", twelve.manifest).code == 0
    assert len(vendor.ledger.bought) == 12
    assert set(twelve.statuses().values()) == {"done"}


@pytest.mark.parametrize("count", [2, 5])
def test_another_division_buys_nothing_again(
    twelve: Project, pipeline: Pipeline, vendor: Emulator, count: int
) -> None:
    run_all(pipeline, twelve, 3)
    for ended in run_all(pipeline, twelve, count, "--shard-by", "credits"):
        assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 12


def test_page_shows_all_shards(
    twelve: Project, state: dict[str, str], pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_all(pipeline, twelve, 3)
    url, name = state.get("PIPELINE_STATE"), twelve.name
    whole = state_location(url) if url else twelve.folder / ".pipeline" / f"{name}.db"
    parts = [None, *(f"{index}-of-3" for index in (1, 2, 3))]
    alone = {each: (part_location(whole, each), part_name(name, each)) for each in parts}
    expected = {each: (look.stamp(*at), look.is_going_on(*at)) for each, at in alone.items()}
    connections: list[None] = []
    connect = Server.connect

    def counted(server: Server) -> Connection:
        connections.append(None)
        return connect(server)

    monkeypatch.setattr(Server, "connect", counted)

    seen = look.part_stamps(whole, name, also=None)

    assert seen == expected
    assert len({stamp for stamp, _ in seen.values()}) == 4
    assert len(connections) <= 1


@fails_without("pipeline.operations.state_parts:read_other_parts", "for part in other_parts(workspace)")
def test_purchases_known_only_to_a_killed_shard_are_not_bought_again(
    twelve: Project, start: Start, state: dict[str, str], pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    shard = start("run", twelve.manifest, "--shard", "1/2", **state)
    shard.hear("bought as")
    shard.kill()
    vendor.clear_faults()
    for file in twelve.folder.glob("*.results.*"):
        file.unlink()
    bought = len(vendor.ledger.bought)
    assert bought > 0

    ended = run_once_free(pipeline, twelve)

    jobs_in_doubt = [status for status in twelve.statuses().values() if status == "attention"]
    assert ended.code == (7 if jobs_in_doubt else 0), ended.output
    assert len(vendor.ledger.entries) <= 12


@pytest.mark.parametrize("other", [("--shard", "1/3"), ("--shard", "2/2", "--shard-by", "credits"), ()])
@fails_without(
    "pipeline.operations.open_campaign:_held_store",
    "hold =",
    swap=("_hold_campaign(workspace, split) if writable else nullcontext()", "nullcontext()"),
)
def test_another_division_waits_for_a_running_shard(
    twelve: Project,
    start: Start,
    state: dict[str, str],
    pipeline: Pipeline,
    vendor: Emulator,
    other: tuple[str, ...],
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    shard = start("run", twelve.manifest, "--shard", "1/2", **state)
    shard.hear("bought as")
    bought = len(vendor.ledger.entries)

    ended = pipeline("run", twelve.manifest, *other)

    assert ended.code == 6, ended.output
    assert f"pid {shard.process.pid}" in ended.err
    assert ("shard 1/2 of 'spring' is running" if state else "2 shards by requests") in ended.err
    vendor.clear_faults()
    assert pipeline("run", twelve.manifest, "--shard", "2/2").code == 0
    assert shard.ended().code == 0
    assert len(vendor.ledger.bought) == 12
    assert bought <= 12


@pytest.mark.parametrize(
    ("by", "limits"), [("credits", {}), ("requests", {"budget": 1300}), ("requests", {"max_creates": 13})]
)
@fails_without("pipeline.planning.split:Split.name", "return f", swap=("self._by_key", "{}"))
def test_shards_of_different_manifests_are_another_division(
    twelve: Project,
    start: Start,
    state: dict[str, str],
    pipeline: Pipeline,
    vendor: Emulator,
    by: str,
    limits: dict[str, int],
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    twelve.write({"campaign.yaml": spring(prompts=PROMPTS, limits=limits)})
    flags = ("run", twelve.manifest, "--shard-by", by, "--in-flight", "2", "--shard")
    shard = start(*flags, "1/2", **state)
    shard.hear("bought as")
    # Neither knows what the other is about to buy; by credits, each job may now belong to the other shard.
    twelve.write({"campaign.yaml": spring(prompts={"new": "a new walk", **PROMPTS}, limits=limits)})

    ended = pipeline(*flags, "2/2", "--no-wait")

    assert ended.code == 6, ended.output
    assert f"pid {shard.process.pid}" in ended.err
    twelve.write({"campaign.yaml": spring(prompts=PROMPTS, limits=limits)})
    vendor.clear_faults()
    assert pipeline(*flags, "2/2").code == 0
    assert shard.ended().code == 0
    assert len(vendor.ledger.bought) == len(vendor.ledger.entries) == 12


@pytest.mark.parametrize(
    ("limits", "caps"),
    [
        ({"budget": 600}, ()),
        ({"max_credits": 600}, ()),
        ({"max_creates": 6}, ()),
        ({}, ("--max-creates", "6")),
        ({}, ("--max-credits", "600")),
    ],
)
@fails_without("pipeline.planning.split:Split.name", "return f", swap=("self._asked", "str()"))
def test_shards_with_different_selections_stay_within_a_common_cap(
    twelve: Project,
    start: Start,
    state: dict[str, str],
    pipeline: Pipeline,
    vendor: Emulator,
    limits: dict[str, int],
    caps: tuple[str, ...],
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    twelve.write({"campaign.yaml": spring(prompts=PROMPTS, limits=limits)})
    first, second = list(PROMPTS)[:6], list(PROMPTS)[6:]
    flags: list[str | Path] = ["run", twelve.manifest, *caps, "--in-flight", "1"]
    # Each selection alone uses the whole cap, and its jobs are in both shards.
    shard = start(*flags, "--shard", "1/2", *(f"--select=prompt:{each}" for each in first), **state)
    shard.hear("bought as")

    ended = pipeline(*flags, "--shard", "2/2", "--no-wait", *(f"--select=prompt:{each}" for each in second))

    assert ended.code == 6, ended.output
    assert len(vendor.ledger.bought) <= 6
    same = pipeline(
        *flags, "--shard", "2/2", "--no-wait", *(f"--select=prompt:{each}" for each in first[::-1])
    )
    assert same.code in {0, 8}, same.output


@fails_without(
    "pipeline.operations.open_campaign:_split_of", "return Split", swap=("*sorted(decided.redo)", "")
)
@pytest.mark.parametrize("decision", ["redo", "approve"])
def test_decisions_made_since_a_shard_began_do_not_exceed_a_cap(
    twelve: Project,
    start: Start,
    state: dict[str, str],
    pipeline: Pipeline,
    vendor: Emulator,
    decision: str,
) -> None:
    twelve.write({"campaign.yaml": spring(prompts=PROMPTS, limits={"max_creates": 6})})
    first = list(PROMPTS)[:6]
    assert pipeline("run", twelve.manifest, *(f"--select=prompt:{each}" for each in first)).code == 0
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    shard = start("run", twelve.manifest, "--in-flight", "1", "--shard", "1/2", **state)
    shard.hear("bought as")
    # The other shard finds one job less to buy in the first, and must not make up for it.
    assert pipeline(decision, twelve.manifest, "main/loop/red/p0").code == 0

    ended = pipeline("run", twelve.manifest, "--in-flight", "1", "--shard", "2/2", "--no-wait")

    assert ended.code == 6, ended.output
    assert "decisions" in ended.err
    vendor.clear_faults()
    assert shard.ended().code == 0
    assert len(vendor.ledger.bought) < 12


def test_shard_waits_for_the_whole_campaign(
    twelve: Project, start: Start, state: dict[str, str], pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    whole = start("run", twelve.manifest, **state)
    whole.hear("bought as")

    ended = pipeline("run", twelve.manifest, "--shard", "1/2")

    assert ended.code == 6, ended.output
    assert ("a run of 'spring' without --shard is running" if state else "the whole campaign") in ended.err
    vendor.clear_faults()
    assert whole.ended().code == 0


def test_same_shard_cannot_run_twice_at_once(
    twelve: Project, start: Start, state: dict[str, str], pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    shard = start("run", twelve.manifest, "--shard", "1/2", **state)
    shard.hear("bought as")

    assert pipeline("run", twelve.manifest, "--shard", "1/2").code == 6
    vendor.clear_faults()
    assert shard.ended().code == 0


def test_no_shard_buys_if_the_whole_exceeds_a_cap(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS, limits={"budget": 1100})})
    for ended in run_all(pipeline, project, 4):
        assert ended.code == 4, ended.output
    assert not vendor.ledger.entries


def test_shards_together_buy_everything_within_a_cap(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    limits = {"budget": 1200, "max_creates": 12, "max_credits": 1200}
    project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS, limits=limits)})
    for ended in run_all(pipeline, project, 4):
        assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 12


@fails_without(
    "pipeline.operations.run_options:settings_of_shard",
    "return replace(settings",
    swap=("caps=caps_of_part(settings.caps, part)", "caps=settings.caps"),
)
def test_retries_fit_into_the_cap_of_their_shard(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    rule = {"id": "main", "retries": 2}
    project = campaign(
        folder, {"campaign.yaml": spring(prompts=PROMPTS, jobs=[rule], limits={"max_credits": 1400})}
    )
    vendor.fail({"on": "get", "times": 3, "do": {"patch": {"processing_status": "fail"}}})

    for ended in run_all(pipeline, project, 3):
        assert ended.code in {0, 4}, ended.output

    assert len(vendor.ledger.bought) == 12


def test_shard_says_that_its_part_of_the_plan_limits_its_retries(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    rule = {"id": "main", "retries": 2}
    project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS, jobs=[rule])})
    vendor.fail({"on": "create", "nth": 1, "do": {"ends": "fail"}})

    ended = pipeline("run", project.manifest, "--shard", "1/3")

    assert ended.code == 4, ended.output
    number = len(shard_results(project, 1, 3)["jobs"])
    reason = f"a shard buys no more in one run than its part of the plan, here {number} creates; run again"
    assert f": not bought: {reason}" in ended.output
    assert pipeline("run", project.manifest, "--shard", "1/3").code == 0
    assert len(vendor.ledger.bought) == number + 1


def test_chain_belongs_to_one_shard(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    for ended in run_all(pipeline, project, 4):
        assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 2
    for index in range(1, 5):
        assert len(shard_results(project, index, 4)["jobs"]) in {0, 2}


def test_merge_of_all_shards_equals_the_results_of_the_whole(
    twelve: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    run_all(pipeline, twelve, 3)

    assert merge(pipeline, twelve, (3, 1, 2), 3).code == 0

    merged = twelve.results_file.read_bytes()
    assert "shard" not in twelve.results()
    for index in (1, 2, 3):
        shard_file(twelve, index, 3).unlink()
    shutil.rmtree(twelve.folder / ".pipeline", ignore_errors=True)
    assert pipeline("run", twelve.manifest).code == 0
    assert twelve.results_file.read_bytes() == merged
    assert len(vendor.ledger.bought) == 12


@pytest.mark.parametrize(
    ("indexes", "named"),
    [
        ((1, 3), ["shard 2/3 is missing"]),
        ((1, 2, 3, 2), ["2-of-3.json", "and so is"]),
        ((2,), ["shard 1/3", "3/3"]),
    ],
)
def test_merge_names_a_missing_or_duplicate_shard(
    twelve: Project, pipeline: Pipeline, indexes: tuple[int, ...], named: list[str]
) -> None:
    run_all(pipeline, twelve, 3)

    ended = merge(pipeline, twelve, indexes, 3)

    assert ended.code == 3, ended.output
    for each in named:
        assert each in ended.err
    assert not twelve.results_file.exists()


def test_two_copies_of_one_shard_are_merged_into_that_shard(
    twelve: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    run_all(pipeline, twelve, 2, "--no-wait")
    mine, theirs = shard_file(twelve, 1, 2), tmp_path / "theirs.json"
    shutil.copy(mine, theirs)
    assert pipeline("run", twelve.manifest, "--shard", "1/2").code == 0
    newer = mine.read_bytes()

    assert pipeline("merge", mine, theirs, "--out", mine).code == 0

    assert mine.read_bytes() == newer
    assert pipeline("merge", mine, theirs, "--out", twelve.results_file).code == 3


def test_merge_refuses_shards_of_different_divisions(twelve: Project, pipeline: Pipeline) -> None:
    run_all(pipeline, twelve, 2)
    run_all(pipeline, twelve, 3)
    files = [shard_file(twelve, 1, 2), shard_file(twelve, 2, 2), shard_file(twelve, 3, 3)]

    ended = pipeline("merge", *files, "--out", twelve.results_file)

    assert ended.code == 3
    assert "3-of-3.json: shard 3/3" in ended.err


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "1/2/3", "-1/2", "1/99999", "²/3"])
def test_invalid_shard_is_wrong_usage(project: Project, offline: Pipeline, shard: str) -> None:
    ended = offline("run", project.manifest, "--shard", shard)
    assert ended.code == 64, ended.output
    assert not (project.folder / ".pipeline").exists()


def test_collect_fetches_what_shards_bought_without_waiting(
    twelve: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    run_all(pipeline, twelve, 2, "--no-wait")
    assert twelve.output() == {}

    ended = pipeline("collect", twelve.manifest)

    assert ended.code == 0, ended.output
    assert len(twelve.output()) == 12
    assert len(vendor.ledger.bought) == 12
