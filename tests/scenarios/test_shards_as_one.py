"""Shards of a campaign are one campaign: what any of them recorded counts for every command."""

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, picture, spring
from support.postgres import PostgresServer
from support.processes import PATIENCE, Running, until
from support.protection import fails_without
from support.shards import PROMPTS, run_all, shard_file

from pipeline.emulator.embedded import Emulator
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.state.rescue import RescueFile

Start = Callable[..., Running]


def titled(title: str) -> dict[str, Any]:
    """A campaign that only its states can prove the workflows of: title and description name no purchase."""
    template = {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}"}}
    return spring(
        prompts=PROMPTS, templates={"loop": {**template, "title": title, "description": "of a dog"}}
    )


@pytest.fixture
def own_words(twelve: Project, pipeline: Pipeline) -> Project:
    """Twelve jobs, bought in shards under a title that names no purchase."""
    twelve.write({"campaign.yaml": titled("a walk")})
    assert [each.code for each in run_all(pipeline, twelve, 2)] == [0, 0]
    return twelve


@fails_without(
    "pipeline.operations.campaign_state:CampaignState._recorded",
    "return self.store.recorded()",
    swap=(" | self.recorded_by_others", ""),
)
@pytest.mark.parametrize("title", ["another walk", "a long walk"], ids=["sorts after", "sorts before"])
def test_plan_updates_what_the_run_does(own_words: Project, pipeline: Pipeline, title: str) -> None:
    own_words.write({"campaign.yaml": titled(title)})

    planned = pipeline("plan", own_words.manifest, "--detailed-exitcode", "--out", "plan.json")
    ended = pipeline("run", "plan.json")

    assert planned.code == 2, planned.output
    assert "Plan: 12 to update.\n" in planned.out
    assert "nothing proves" not in planned.output
    assert ended.code == 0, ended.output
    assert ended.output.count("updated at the vendor") == 12
    assert pipeline("plan", own_words.manifest).out == "Plan: 12 to keep.\nNothing to buy.\n"


@pytest.mark.parametrize("title", ["another walk", "a long walk"], ids=["sorts after", "sorts before"])
def test_change_that_the_vendor_gives_no_later_time_is_sent_once(
    own_words: Project, pipeline: Pipeline, vendor: Emulator, title: str
) -> None:
    vendor.fail({"on": "put", "do": {"patch": {"updated_at": None}}})
    own_words.write({"campaign.yaml": titled(title)})

    ended = pipeline("run", own_words.manifest)

    assert ended.code == 0, ended.output
    assert ended.output.count("updated at the vendor") == 12
    # The results of the shards still have the old title.
    assert pipeline("plan", own_words.manifest).out == "Plan: 12 to keep.\nNothing to buy.\n"


def test_export_has_what_every_shard_recorded(
    own_words: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = json.loads(pipeline("state", "export", own_words.manifest).out)

    ids = {each["id"] for each in exported["purchases"]}
    assert len(ids) == 12
    assert {*exported["recorded"]} == ids
    told = [each["event"] for each in exported["events"]]
    assert told.count("intent") == told.count("fetched") == 12
    assert "joined" not in told
    assert exported["durations"].keys() == {"each_explodedloop_0226"}

    monkeypatch.delenv("PIPELINE_STATE", raising=False)
    shutil.rmtree(own_words.folder / ".pipeline", ignore_errors=True)
    for file in own_words.folder.glob("*.results.*"):
        file.unlink()
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(exported)))
    assert pipeline("state", "import", own_words.manifest).code == 0
    again = json.loads(pipeline("state", "export", own_words.manifest).out)
    assert {**again, "events": [each for each in again["events"] if each["event"] != "joined"]} == exported
    own_words.write({"campaign.yaml": titled("another walk")})
    assert "Plan: 12 to update.\n" in pipeline("plan", own_words.manifest).out


def test_history_of_a_purchase_is_that_of_all_shards(own_words: Project, pipeline: Pipeline) -> None:
    own_words.write({"campaign.yaml": titled("another walk")})
    assert pipeline("run", own_words.manifest).code == 0

    shown = json.loads(pipeline("show", own_words.manifest, "main/loop/red/p0", "--format", "json").out)

    (purchase,) = shown["purchases"]
    events = [each["event"] for each in purchase["events"]]
    assert events[0] == "intent"
    assert events[-1] == "reworded"
    assert events.index("fetched") < events.index("joined")


@pytest.mark.parametrize("is_dead", [True, False])
def test_create_of_a_shard_is_under_way_as_long_as_its_run_goes_on(
    project: Project, start: Start, pipeline: Pipeline, vendor: Emulator, *, is_dead: bool
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 600, "at": "after-processing"}})
    shard = start("run", project.manifest, "--shard", "1/1", "--in-flight", "1")
    until(lambda: bool(vendor.ledger.entries), "the create to be sent")
    if is_dead:
        shard.kill()

    stands = pipeline("status", project.manifest)

    assert ("dance: attention" in stands.out) == is_dead, stands.out
    assert ("dance: under way elsewhere" in stands.out) == (not is_dead), stands.out


def test_who_finds_nothing_bought_says_so_to_every_machine(
    twelve: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.fail({"on": "create", "times": 1, "do": "close-after-reading"})
    assert sorted(each.code for each in run_all(pipeline, twelve, 2, "--concurrency", "1")) == [0, 7]
    stands = json.loads(pipeline("status", twelve.manifest, "--format", "json").out)
    (key,) = (job["key"] for job in stands["jobs"] if job["status"] == "attention")
    assert pipeline("resolve", twelve.manifest, key, "--not-bought", "--now").code == 0
    monkeypatch.delenv("PIPELINE_STATE", raising=False)

    shutil.rmtree(twelve.folder / ".pipeline", ignore_errors=True)

    assert "attention" not in pipeline("status", twelve.manifest).out
    assert pipeline("verify", twelve.manifest).code == 0
    assert pipeline("run", twelve.manifest).code == 0
    assert len(vendor.ledger.bought) == 12


class SlowRefusal(ThreadingHTTPServer):
    """A vendor that has no credit for anybody, and takes its time to say so."""

    def __init__(self) -> None:
        self.has_arrived, self.may_answer = threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), _Refusal)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Refusal(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        vendor = self.server
        assert isinstance(vendor, SlowRefusal)
        self.rfile.read(int(self.headers["Content-Length"]))
        vendor.has_arrived.set()
        vendor.may_answer.wait(PATIENCE)
        body = b'{"message": "INSUFFICIENT_CREDIT"}'
        self.send_response(402)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[SlowRefusal]:
    with SlowRefusal() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_answer.set()
        server.shutdown()


@pytest.mark.parametrize("refused", ["after the results were written", "before"])
@pytest.mark.parametrize("shard", [("--shard", "1/1"), ()])
def test_refusal_reaches_who_read_of_the_create_in_results_written_meanwhile(
    project: Project,
    start: Start,
    pipeline: Pipeline,
    refusing: SlowRefusal,
    monkeypatch: pytest.MonkeyPatch,
    refused: str,
    shard: tuple[str, ...],
) -> None:
    run = start("run", project.manifest, *shard, "--in-flight", "1", url=refusing.url)
    assert refusing.has_arrived.wait(PATIENCE)
    ends: list[int] = []

    def let_it_end(_: str = "") -> None:
        if not ends:
            refusing.may_answer.set()
            ends.append(run.ended().code)

    if refused == "before":
        monkeypatch.setattr("pipeline.operations.results_publisher.failpoints.reach", let_it_end)
    assert pipeline("results", project.manifest).code == 0
    let_it_end()

    assert ends == [4]
    shutil.rmtree(project.folder / ".pipeline")
    stands = pipeline("status", project.manifest)
    assert "spring: 2 pending. Spent in all: 0 credits.\n" in stands.out


@pytest.mark.parametrize("source", ["manifest", "state of a shard", "results of a shard"])
def test_collect_without_the_manifest_fetches_what_all_shards_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator, source: str
) -> None:
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2, "--no-wait")] == [0, 0]
    shutil.rmtree(project.folder / "images")
    given = {
        "manifest": project.manifest,
        "state of a shard": project.folder / ".pipeline" / "spring.2-of-2.db",
        "results of a shard": shard_file(project, 2, 2),
    }[source]

    ended = pipeline("collect", given)

    assert ended.code == 0, ended.output
    if source == "manifest":
        assert "that .pipeline/spring.1-of-2.db and 1 other state of it know is collected" in ended.err
    assert len(project.output()) == 12
    assert set(project.statuses().values()) == {"done"}
    assert "shard" not in project.results()
    assert len(vendor.ledger.bought) == 12
    project.write({"images/red.png": picture()})
    assert pipeline("plan", project.manifest).out == "Plan: 12 to keep.\nNothing to buy.\n"


@pytest.mark.parametrize("source", ["manifest", "results of a shard"])
def test_collect_without_the_manifest_fetches_what_all_shards_bought_from_a_database(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    monkeypatch.setenv("PIPELINE_STATE", postgres.database().url)
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2, "--no-wait")] == [0, 0]
    shutil.rmtree(project.folder / "images")
    given = {"manifest": project.manifest, "results of a shard": shard_file(project, 1, 2)}[source]
    # The results of the second shard, which ran last, know what both have bought.
    shard_file(project, 2, 2).unlink()
    if source == "manifest":
        shard_file(project, 1, 2).unlink()

    ended = pipeline("collect", given)

    assert ended.code == 0, ended.output
    assert len(project.output()) == 12
    assert len(vendor.ledger.bought) == 12
    project.write({"images/red.png": picture()})
    assert pipeline("plan", project.manifest).out == "Plan: 12 to keep.\nNothing to buy.\n"


@pytest.mark.parametrize("source", ["manifest", "results of a shard"])
@pytest.mark.parametrize("shards", [0, 2])
def test_collect_without_the_manifest_finds_late_responses_that_the_database_could_not_take(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    shards: int,
    source: str,
) -> None:
    monkeypatch.setenv("PIPELINE_STATE", postgres.database().url)
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    ended = run_all(pipeline, project, shards) if shards else [pipeline("run", project.manifest)]
    assert ended[0].code == 7
    (lost,) = (each for each in vendor.ledger.bought if each.fault)
    [purchase] = (
        each["id"]
        for each in json.loads(results_of(project, shards).read_text())["purchases"]
        if each["status"] == "attention"
    )
    part = ".1-of-2" if shards else ""
    kept = RescueFile.open(project.folder / ".pipeline" / f"spring{part}.team.rescue.jsonl")
    kept.append(PurchaseId(purchase), WorkflowId(str(lost.workflow_id)))
    kept.close()
    shutil.rmtree(project.folder / "images")

    collected = pipeline("collect", project.manifest if source == "manifest" else results_of(project, shards))

    assert collected.code == 0, collected.output
    assert len(project.output()) == 12


def results_of(project: Project, shards: int) -> Path:
    return shard_file(project, 1, 2) if shards else project.results_file


def test_collect_names_each_campaign_of_a_database_once(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIPELINE_STATE", postgres.database().url)
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2, "--no-wait")] == [0, 0]
    project.write({"other.yaml": spring(name="autumn")})
    assert pipeline("run", "other.yaml").code == 0
    (project.folder / "images/red.png").unlink()

    ended = pipeline("collect", project.manifest)

    assert ended.code == 3, ended.output
    assert "several campaigns or of none (autumn, spring)" in ended.err


def test_results_of_all_shards_are_the_results_that_verify_checks(
    project: Project, pipeline: Pipeline
) -> None:
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2)] == [0, 0]

    verified = pipeline("verify", project.manifest)

    assert verified.code == 0, verified.output
    assert pipeline("approve", project.manifest, "main/loop/red/p0").code == 0
    noted = pipeline("verify", project.manifest)
    assert noted.code == 0, noted.output
    assert "the results of the shards do not have the latest decisions yet" in noted.output
    assert pipeline("results", project.manifest).code == 0
    agreed = pipeline("verify", project.manifest)
    assert (agreed.code, agreed.out.splitlines()) == (0, ["Manifest, state and results agree."])
    # The results of the whole are older than those of the shards now.
    project.write({"campaign.yaml": spring(prompts={**PROMPTS, "late": "a late walk"})})
    assert [each.code for each in run_all(pipeline, project, 2)] == [0, 0]
    assert pipeline("verify", project.manifest).code == 0
    project.results_file.unlink()
    shard_file(project, 2, 2).unlink()
    differing = pipeline("verify", project.manifest)
    assert differing.code == 1
    assert ": not in the results" in differing.out


@pytest.mark.parametrize("wrong", ["-sorts-before", "zz-sorts-after"])
@pytest.mark.parametrize("known", ["by the states", "by the results alone", "by the results of the whole"])
def test_verify_names_what_the_results_of_one_shard_have_wrong(
    project: Project, pipeline: Pipeline, known: str, wrong: str
) -> None:
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2)] == [0, 0]
    if known == "by the results of the whole":
        assert pipeline("results", project.manifest).code == 0
    if known != "by the states":
        shutil.rmtree(project.folder / ".pipeline")
    path = shard_file(project, 1, 2)
    document = json.loads(path.read_text())
    (job, purchase), *_ = (
        (job, each)
        for job in document["jobs"]
        for each in document["purchases"]
        if each["id"] == job["purchase"]
    )
    job["workflow_id"] = purchase["workflow_id"] = wrong
    path.write_text(json.dumps(document))

    ended = pipeline("verify", project.manifest)

    assert ended.code == 1, ended.output
    (told, count) = ended.out.splitlines()
    assert f"purchase {purchase['id']}: workflow_id is " in told
    assert "1-of-2.json" in told
    assert count == "1 difference."


def test_verify_names_a_job_of_a_shard_that_is_not_as_its_purchase(
    project: Project, pipeline: Pipeline
) -> None:
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2)] == [0, 0]
    path = shard_file(project, 1, 2)
    document = json.loads(path.read_text())
    job = document["jobs"][0]
    job["workflow_id"] = "another"
    path.write_text(json.dumps(document))

    ended = pipeline("verify", project.manifest)

    assert ended.code == 1, ended.output
    assert (
        f'spring.results.1-of-2.json: job {job["key"]}: workflow_id is "another" in the results' in ended.out
    )


def test_stale_job_in_the_results_of_a_shard_that_those_of_the_whole_followed_is_no_difference(
    project: Project, pipeline: Pipeline
) -> None:
    project.write({"campaign.yaml": spring(prompts=PROMPTS)})
    assert [each.code for each in run_all(pipeline, project, 2)] == [0, 0]
    stale = {
        index: {job["prompt"] for job in json.loads(shard_file(project, index, 2).read_text())["jobs"]}
        for index in (1, 2)
    }
    gone = min(stale[2])
    left = {name: prompt for name, prompt in PROMPTS.items() if name != gone}
    project.write({"campaign.yaml": spring(prompts=left)})
    assert pipeline("run", project.manifest).code == 0
    # Only the first shard writes its results again, which makes them newer than those of the whole.
    late = {f"late{number}": f"a late walk, number {number}" for number in range(4)}
    project.write({"campaign.yaml": spring(prompts={**left, **late})})
    assert pipeline("run", project.manifest, "--shard", "1/2").code == 0
    first = {job["prompt"] for job in json.loads(shard_file(project, 1, 2).read_text())["jobs"]}
    bought = {name: prompt for name, prompt in late.items() if name in first}
    assert bought
    project.write({"campaign.yaml": spring(prompts={**left, **bought})})

    ended = pipeline("verify", project.manifest)

    assert ended.code == 0, ended.output
