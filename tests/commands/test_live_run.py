"""Commands that run while a run waits for a create: its outcome is pending, not unknown."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.processes import Running, until

from pipeline.cli.process_environment import read_environment
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.engine.durations import TimeLeft
from pipeline.jobs import JobKey
from pipeline.manifest.load import load
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.watch import Watch, together
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.state.opening import open_store
from pipeline.state.store import Caps, Intent, Turn

WALK = "main/loop/red/walk"
ID = PurchaseId("a" * 16)
SINCE = "2026-01-01T00:00:00Z"


@pytest.fixture
def project(folder: Path) -> Project:
    return campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})


@contextmanager
def live_run(project: Project, pipeline: Pipeline) -> Iterator[None]:
    """A run that holds the state and has recorded an intent but no answer."""
    [job] = json.loads(pipeline("expand", project.manifest, "--format", "json").out)["jobs"]
    purchase = Purchase(
        id=ID,
        key=JobKey(WALK),
        fingerprint=job["fingerprint"],
        status=Status.SUBMITTING,
        bought_at=SINCE,
        template_id="each_explodedloop_0226",
        credits=100,
        path="walk",
    )
    opened = open_store(
        project.state, campaign="spring", manifest=project.manifest, run="live", writable=True, now=SINCE
    )
    with closing(opened) as store:
        store.commit_turn(Turn(intents=[Intent(purchase=purchase, at=SINCE)]), Caps())
        yield


def test_create_of_a_live_run_is_pending_and_needs_no_resolution(
    project: Project, pipeline: Pipeline
) -> None:
    with live_run(project, pipeline):
        planned = pipeline("plan", project.manifest)
        marked = pipeline("plan", project.manifest, "--format", "markdown")
        status = pipeline("status", project.manifest)
        shown = pipeline("show", project.manifest, WALK)
        refused = pipeline("resolve", project.manifest, WALK, "--not-bought")

    expected = f"a run in progress has been buying it since {SINCE}; its outcome is pending"
    assert f"{WALK}  under way: {expected}" in planned.out
    assert "1 under way" in planned.out
    assert "1 job is being bought by a run in progress: wait for it to end." in planned.out
    assert f"{WALK}: submitting: {expected}" in status.out
    assert expected in shown.out
    for ended in (planned, marked, status, shown):
        assert "pipeline resolve" not in ended.output
        assert "unknown" not in ended.output
        assert "attention" not in ended.output
    assert refused.code == 6, refused.output


def test_create_of_a_dead_run_is_unknown_to_every_command(project: Project, pipeline: Pipeline) -> None:
    with live_run(project, pipeline):
        pass

    planned = pipeline("plan", project.manifest)
    status = pipeline("status", project.manifest)
    shown = pipeline("show", project.manifest, WALK)

    for ended in (planned, status):
        assert "it is unknown whether it was bought (the run ended before" in ended.out
        assert f"`pipeline resolve campaign.yaml {WALK} --workflow-id ID`" in ended.out
    assert f"purchase {ID}: attention" in shown.out
    ran = pipeline("run", project.manifest)
    assert ran.code == 7
    assert f"  {WALK}: needs attention: it is unknown whether it was bought" in ran.out


def test_reading_commands_write_nothing_after_a_dead_run(project: Project, pipeline: Pipeline) -> None:
    with live_run(project, pipeline):
        pass
    before = project.tree()

    assert pipeline("plan", project.manifest).code == 0
    assert pipeline("status", project.manifest).code == 0

    assert project.tree() == before


def test_watch_counts_the_jobs_selected_by_the_run(
    folder: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    project = campaign(folder)
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=3600)) as slow:
        start("run", project.manifest, "--yes", "--select", "prompt:walk", url=slow.url)
        watch = Watch(
            workspace_of(load(project.manifest), RecordPaths(), read_environment()), lambda _state: None
        )
        until(lambda: (watch.look(), watch.tally().under_way)[1] == 1, "the create")

        # The other job is not selected, so this run does not count it.
        assert (watch.tally().waiting, watch.tally().done) == (0, 0)


def test_watch_counts_purchases_with_no_known_price(
    folder: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    arctic = {"template_id": "vim_arctic", "options": {"aspect_ratio": "16:9", "pipeline_mode": "image"}}
    prices = {"version": 1, "templates": {"vim_sketch_me": {"credits": 100}}}
    manifest = spring(templates={"arctic": arctic}, prompts={}, catalog={"file": "prices.yaml"})
    project = campaign(folder, {"campaign.yaml": manifest, "prices.yaml": prices})
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=3600)) as slow:
        start("run", project.manifest, "--yes", url=slow.url)
        watch = Watch(
            workspace_of(load(project.manifest), RecordPaths(), read_environment()), lambda _state: None
        )
        until(lambda: (watch.look(), watch.tally().under_way)[1] == 1, "the create")

        assert (watch.tally().credits, together([watch.tally()]).unpriced) == (0, 1)


def test_watch_reports_what_a_dead_run_left_even_if_nothing_was_written_since(
    project: Project, start: Callable[..., Running], vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 60}})
    running = start("run", project.manifest, "--yes")
    watch = Watch(
        workspace_of(load(project.manifest), RecordPaths(), read_environment()), lambda _state: None
    )
    until(lambda: (watch.look(), watch.tally().under_way)[1] == 1, "the create")
    # The modification time of an existing file shows whether it was written.
    for path in (*project.state.parent.iterdir(), *project.folder.glob("*.results.json")):
        os.utime(path, (0, 0))
    # As root, SQLite sets the owner of its files when it opens them, which would look like a change.
    monkeypatch.setattr("pipeline.operations.watched_runs.look.stamp", lambda *_: "as it was")
    watch.look()
    assert watch.look() == []

    running.kill()

    assert watch.look() == [(WALK, "unknown: the run ended before the vendor's answer was known")]
    assert watch.tally().unknown == 1


def watch_of(project: Project, name: str, durations: Sequence[tuple[str, float]]) -> Watch:
    """A watch that has looked once, where each template took that many seconds before."""
    opened = open_store(
        project.state, campaign=name, manifest=project.manifest, run="before", writable=True, now=SINCE
    )
    with closing(opened) as store:
        store.commit_turn(Turn(durations=durations), Caps())
    workspace = workspace_of(load(project.manifest), RecordPaths(), read_environment())
    watch = Watch(workspace, lambda _state: None)
    watch.look()
    return watch


def test_time_left_counts_a_purchase_once_for_all_jobs_that_it_serves(
    folder: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    walks, dances = {f"walk{n}": "a walk" for n in range(8)}, {f"dance{n}": "a dance" for n in range(8)}
    project = campaign(
        folder, {"campaign.yaml": spring(prompts={**walks, **dances}, limits={"in_flight": 1})}
    )
    watch = watch_of(project, "spring", [("each_explodedloop_0226", 3600.0)])
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=36000)) as slow:
        start("run", project.manifest, "--yes", url=slow.url)
        until(lambda: any("bought as" in what for _, what in watch.look()), "the workflow")

        tally = watch.tally()

        assert (tally.under_way, tally.waiting, len(slow.ledger.bought)) == (8, 8, 1)
        left = tally.time_left().seconds
        # One runs and one waits, one after the other.
        assert left is not None
        assert left < 2 * 3600


def test_time_left_goes_by_the_creates_in_flight_that_the_run_was_given(
    folder: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={f"walk{n}": f"walk {n}" for n in range(4)})})
    watch = watch_of(project, "spring", [("each_explodedloop_0226", 3600.0)])
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=36000)) as slow:
        start("run", project.manifest, "--yes", "--in-flight", "1", url=slow.url)
        until(lambda: any("bought as" in what for _, what in watch.look()), "the workflow")

        left = watch.tally().time_left().seconds

        assert left is not None
        # One after the other, although the manifest allows all at once.
        assert left > 3 * 3600


def test_time_left_is_at_least_that_of_what_is_made_one_after_another(
    folder: Path, start: Callable[..., Running], tmp_path: Path
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    watch = watch_of(project, "stages", [("vim_sketch_me", 3600.0), ("each_explodedloop_0226", 7200.0)])
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=36000)) as slow:
        start("run", project.manifest, "--yes", url=slow.url)
        until(lambda: any("bought as" in what for _, what in watch.look()), "the workflow")

        left = watch.tally().time_left().seconds

        assert left is not None
        # Nearly three hours, by the usual times with their spread; the film alone would take two.
        assert left > 2.5 * 3600


def sketches_to_approve() -> dict[str, Any]:
    """A sketch and a video that is made from it once it is approved."""
    sketches = {"outputs_of": "sketch", "only": "approved"}
    return chained(image_sets={"shoes": ["images/red.png"], "sketches": sketches})


def test_watch_counts_no_job_that_waits_for_an_approval(
    folder: Path, start: Callable[..., Running], pipeline: Pipeline
) -> None:
    project = campaign(folder, {"campaign.yaml": sketches_to_approve()})
    watch = Watch(
        workspace_of(load(project.manifest), RecordPaths(), read_environment()), lambda _state: None
    )
    totals = set()

    def looked() -> Watch:
        watch.look()
        totals.add(watch.tally().total)
        return watch

    looked()
    start("run", project.manifest, "--yes")
    until(lambda: looked().tally().done == 1, "the sketch")
    until(lambda: not looked().runs, "the end of the run")

    # An approval is for the next run.
    assert pipeline("approve", project.manifest, "sketch/sketch/red").code == 0
    assert looked().tally().done == 1
    assert totals == {1}


def test_watch_has_no_time_left_for_what_is_made_from_a_failed_job(
    folder: Path, start: Callable[..., Running], vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    watch = Watch(
        workspace_of(load(project.manifest), RecordPaths(), read_environment()), lambda _state: None
    )
    watch.look()
    vendor.fail({"on": "create", "do": "fail"})
    start("run", project.manifest, "--yes")

    until(lambda: (watch.look(), watch.tally().failed)[1] == 1, "the failure")

    # As in the run: the video is one of its jobs, though nothing is made for it.
    assert (watch.tally().waiting, watch.tally().time_left()) == (1, TimeLeft())


def failing_and_stalled(folder: Path, vendor: Emulator, manifest: dict[str, Any], fails: str) -> Workspace:
    """A campaign whose jobs of one template fail, and with a job that keeps its run under way."""
    manifest["templates"]["moon"] = {"template_id": "each_moonwalk_0226"}
    jobs = manifest.get("jobs", [{"id": "main", "templates": ["loop"]}])
    last = {"id": "last", "templates": ["moon"], "image_sets": ["shoes"], "prompts": []}
    project = campaign(folder, {"campaign.yaml": {**manifest, "jobs": [*jobs, last]}})
    vendor.fail({"on": "create", "match": {"template": fails}, "do": "fail"})
    vendor.fail({"on": "create", "match": {"template": "each_moonwalk_0226"}, "do": {"stall": 60}})
    return workspace_of(load(project.manifest), RecordPaths(), read_environment())


def test_watch_that_begins_after_a_failure_counts_as_one_that_saw_it(
    folder: Path, start: Callable[..., Running], vendor: Emulator
) -> None:
    workspace = failing_and_stalled(folder, vendor, chained(), "vim_sketch_me")
    watch = Watch(workspace, lambda _state: None)
    watch.look()
    start("run", workspace.campaign.manifest, "--yes")
    until(lambda: (watch.look(), watch.tally().failed, watch.tally().under_way)[1:] == (1, 1), "the failure")

    late = Watch(workspace, lambda _state: None)
    late.look()

    # The video that was to be made of the sketch is one of the jobs of this run.
    assert late.tally() == watch.tally()
    assert late.tally().waiting == 1


def test_watch_has_no_time_left_for_what_is_held_back_behind_a_failed_canary(
    folder: Path, start: Callable[..., Running], vendor: Emulator
) -> None:
    manifest = spring(limits={"canary": True})
    workspace = failing_and_stalled(folder, vendor, manifest, "each_explodedloop_0226")
    watch = Watch(workspace, lambda _state: None)
    watch.look()
    start("run", workspace.campaign.manifest, "--yes")

    until(lambda: (watch.look(), watch.tally().failed, watch.tally().under_way)[1:] == (1, 1), "the failure")

    # What is held back is a job of this run, but how long a loop takes is of no interest any more.
    assert watch.tally().waiting == 1
    assert watch.tally().time_left().unseen == ()
