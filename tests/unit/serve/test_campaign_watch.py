"""A page updated incrementally equals a newly loaded one, whatever happens in the campaign."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.campaigns import Project, campaign, spring

from pipeline.artifacts.file_names import named
from pipeline.jobs import Job
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import Workspace, workspace_of
from pipeline.purchases import Output, Purchase, PurchaseId, Status, WorkflowId
from pipeline.report.stills import StillCache
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict
from pipeline.serve import found_files
from pipeline.serve.campaign_watch import CampaignWatch
from pipeline.serve.state_source import StateOnDisk
from pipeline.serve.stills import Stills
from pipeline.state import transitions
from pipeline.state.events import (
    Accepted,
    Event,
    Fetched,
    Finished,
    NothingBought,
    Rejected,
    Unresolved,
    VendorFailed,
)
from pipeline.state.opening import open_store
from pipeline.state.sql.store import SqlStore
from pipeline.state.store import Caps, Change, Intent, Turn

LFS_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 1\n"
NOW = "2026-03-01T12:00:00Z"
PROMPTS = {"walk": "a walk", "dance": "a dance", "leap": "a leap"}
EVENTS: dict[str, Event] = {
    "accept": Accepted(WorkflowId("w1")),
    "lose": Unresolved("no answer"),
    "void": NothingBought("it never arrived"),
    "refuse": Rejected("not this"),
    "finish": Finished((Output("video/mp4", url="https://m.example/a.mp4"),)),
    "fetch": Fetched((Output("video/mp4", sha256="a" * 64, bytes=1),)),
    "fail": VendorFailed("no frames"),
}
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["buy", *EVENTS, "approved", "rejected", "redo", "look", "plan"])
    ),
    max_size=25,
)


class Story:
    """A campaign that advances step by step, and a page of it that receives only changes."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        project = campaign(folder, {"campaign.yaml": spring(prompts=PROMPTS, **changes)})
        self.workspace = workspace_of(load(project.manifest), RecordPaths(), Environment({}))
        self.jobs: list[Job] = list(expand(self.workspace.campaign))
        self.store: SqlStore = open_store(
            self.workspace.state,
            campaign="spring",
            manifest=project.manifest,
            run=f"{NOW} 1",
            writable=True,
            now=NOW,
        )
        self.count = 0
        self.watch = self.fresh()
        self.page = self.watch.whole()

    def fresh(self) -> CampaignWatch:
        stills = Stills(StillCache(self.workspace.campaign.manifest.parent / "stills"), None)
        return CampaignWatch(self.workspace, 0, stills, StateOnDisk(self.workspace, None))

    def last(self, job: Job) -> Purchase | None:
        own = [each for each in self.store.records().purchases.values() if each.key == job.key]
        return max(own, key=lambda each: each.age, default=None)

    def do(self, job: Job, step: str) -> None:
        """Take one step, if it is possible now."""
        last = self.last(job)
        if step == "buy":
            self._buy(job)
        elif step == "look":
            self.hear()
        elif step == "plan":
            self.watch.plan()
        elif last is not None and step in EVENTS:
            self._step(last, EVENTS[step])
        elif last is not None:
            said = Decision(purchase=last.id, key=job.key, decision=Verdict(step))
            decisions.record(self.workspace.decisions, "decisions", [said])

    def _buy(self, job: Job) -> None:
        self.count += 1
        bought = Purchase(
            id=PurchaseId(f"{self.count:016x}"),
            key=job.key,
            fingerprint=job.fingerprint,
            status=Status.SUBMITTING,
            bought_at=f"2026-03-01T12:00:{self.count:02}Z",
            template_id=job.request.template_id,
            credits=100,
        )
        self.store.commit_turn(Turn(intents=[Intent(purchase=bought, at=NOW)]), Caps())

    def _step(self, before: Purchase, event: Event) -> None:
        try:
            after = transitions.advance(before, event)
        except AssertionError:
            return  # not possible from this status
        self.store.commit([Change(before=before, after=after, at=NOW, event=event)])

    def hear(self) -> None:
        """Apply the changes to the page, as a browser does."""
        told: Any = self.watch.look()
        if told is None:
            return
        page: Any = self.page
        for name in ("spent", "run", "usual"):
            page[name] = told[name]
        for row in told.get("jobs", ()):
            page["jobs"] = [each for each in page["jobs"] if each["key"] != row["key"]] + [row]
        for row in told.get("purchases", ()):
            page["purchases"] = [each for each in page["purchases"] if each["id"] != row["id"]] + [row]
        assert not told.get("gone")


def rows(page: Any, name: str, by: str) -> dict[str, Any]:
    """The rows of a page, without the numbers of files, which have no meaning by themselves."""
    return {row[by]: {n: v for n, v in row.items() if n not in {"files", "action"}} for row in page[name]}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
@example([(0, "buy"), (0, "look"), (0, "void")])
def test_changes_add_up_to_the_full_page(tmp_path_factory: Any, steps: list[tuple[int, str]]) -> None:
    story = Story(tmp_path_factory.mktemp("story"))
    try:
        for number, step in steps:
            story.do(story.jobs[number], step)
        story.hear()

        whole = story.fresh().whole()
        assert rows(story.page, "jobs", "key") == rows(whole, "jobs", "key")
        told, known = rows(story.page, "purchases", "id"), rows(whole, "purchases", "id")
        # A page that saw it being sent learns that nothing was bought; a page loaded later need not.
        assert {each: row for each, row in told.items() if row["status"] != "void"} == known
        assert story.page["spent"] == whole["spent"]
        assert story.page.get("run") == whole.get("run")
    finally:
        story.store.close()


@pytest.mark.parametrize("lost_first", [False, True])
def test_id_found_only_in_the_rescue_file_is_sent(tmp_path: Path, lost_first: bool) -> None:
    """The state cannot be written, as on a full disk; nothing but the rescue file changes."""
    story = Story(tmp_path)
    try:
        story.do(story.jobs[0], "buy")
        if lost_first:
            story.do(story.jobs[0], "lose")
        story.hear()
        bought = story.last(story.jobs[0])
        assert bought is not None

        source = StateOnDisk(story.workspace, None)
        before = source.stamp()
        story.store.rescue(bought.id, WorkflowId("w-rescued"))
        assert source.stamp() != before
        story.hear()

        for page in (story.page, story.fresh().whole()):
            shown: Any = page["purchases"]
            assert [each["status"] for each in shown] == ["submitted"]
    finally:
        story.store.close()


@pytest.mark.parametrize("is_renamed", [False, True], ids=["as bought", "renamed"])
def test_file_that_is_deleted_or_changed_below_the_page_is_noticed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_renamed: bool
) -> None:
    """The records have the path at which a file was put first; after a rename only its job has the one of now."""
    monkeypatch.setattr(found_files, "_LOOK_AGAIN", 0.0)
    monkeypatch.setattr(found_files, "_LOOKING_SHARE", math.inf)
    story = Story(tmp_path)
    try:
        for step in ("buy", "accept", "finish", "fetch"):
            story.do(story.jobs[0], step)
        bought = story.last(story.jobs[0])
        output = story.workspace.local_output
        assert bought is not None
        assert output is not None
        [file] = named(bought, story.jobs[0].path if is_renamed else bought.id, steps=False)
        path = output / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
        watch = story.fresh()

        def heard() -> list[set[str]]:
            """Where each file is that is told anew."""
            told: Any = watch.look() or {}
            return [{"here", "altered", "pointer"} & row.keys() for row in told.get("files", {}).values()]

        heard()
        assert heard() == []
        path.unlink()
        assert heard() == [set()]
        path.write_bytes(b"1")
        assert heard() == [{"here"}]
        path.write_bytes(b"longer")
        assert heard() == [{"altered"}]
        assert heard() == []
        path.write_text(LFS_POINTER)
        assert heard() == [{"pointer"}]
        assert heard() == []
        path.write_bytes(b"1")
        assert heard() == [{"here"}]
        path.write_text(LFS_POINTER)
        assert heard() == [{"pointer"}]
        path.unlink()
        assert heard() == [set()]
        assert heard() == []
    finally:
        story.store.close()


@pytest.mark.parametrize(("canary", "left"), [(True, {}), (False, {"loop": 2})])
def test_what_is_held_back_behind_a_failed_canary_is_not_left_to_the_run(
    tmp_path: Path, canary: bool, left: dict[str, int]
) -> None:
    story = Story(tmp_path, limits={"canary": canary})
    try:
        first = story.jobs[0]
        story.do(first, "buy")
        story.do(first, "accept")
        story.hear()
        page: Any = story.page
        assert page["run"]["waiting"] == {"loop": 2}

        story.do(first, "fail")
        story.hear()

        assert (page["run"]["waiting"], page["run"]["coming"]) == (left, 100 * sum(left.values()))
    finally:
        story.store.close()


def watch_of(project: Project) -> CampaignWatch:
    """A page that reads the manifest again when it changes."""

    def opened() -> Workspace:
        return workspace_of(load(project.manifest), RecordPaths(), Environment({}))

    workspace = opened()
    stills = Stills(StillCache(project.folder / "stills"), None)
    return CampaignWatch(workspace, 0, stills, StateOnDisk(workspace, None), opened)


def test_pending_job_is_sent_again_when_its_request_changes(tmp_path: Path) -> None:
    watch = watch_of(campaign(tmp_path, {"campaign.yaml": spring(prompts=PROMPTS)}))

    campaign(tmp_path, {"campaign.yaml": spring(prompts=PROMPTS | {"walk": "a long walk"})})

    told: Any = watch.look()
    assert [each["key"].rpartition("/")[2] for each in told["jobs"]] == ["walk"]
    assert "a long walk" in json.dumps(told)


@pytest.mark.parametrize("after", [{"max_credits": 150, "budget": 600}, {"budget": 600}, {}])
def test_edited_limits_are_sent(tmp_path: Path, after: dict[str, int]) -> None:
    watch = watch_of(
        campaign(tmp_path, {"campaign.yaml": spring(limits={"max_credits": 700, "budget": 800})})
    )

    campaign(tmp_path, {"campaign.yaml": spring(limits=after)})

    told: Any = watch.look()
    assert (told["max_credits"], told["budget"]) == (after.get("max_credits"), after.get("budget"))
