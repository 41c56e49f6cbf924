"""A shared state: runs that sleep, a server that dies, a network that drops data, fifty campaigns."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.checks import assert_nothing_bought_twice, assert_nothing_forgotten, assert_whole
from support.pooler import Pooler
from support.postgres import Database, PostgresServer
from support.processes import PATIENCE, Running, until
from support.proxy import Proxy

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json
from pipeline.purchases import PurchaseId
from pipeline.schemes import DatabaseUrl
from pipeline.webhooks.receipt import Receipt
from pipeline.webhooks.spool import spool_at

Start = Callable[..., Running]

NEVER_ENDS: Json = {"on": "get", "do": {"patch": {"processing_status": "processing"}}}
LEASE = "3"


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.database()


def many(number: int) -> dict[str, object]:
    """A campaign of `number` jobs."""
    return spring(prompts={f"p{each}": f"prompt {each}" for each in range(number)})


def is_free(database: Database) -> bool:
    """Whether the lease of the stopped run has expired."""
    return database.rows("SELECT until < clock_timestamp() FROM pipeline.leases") == [(True,)]


def test_clone_without_any_file_knows_all_purchases(
    project: Project, pipeline: Pipeline, vendor: Emulator, database: Database
) -> None:
    state = ("--state", database.url)
    assert pipeline("run", project.manifest, *state).code == 0
    clone = campaign(project.folder / "clone", {"images/red.png": picture()})

    assert pipeline("run", clone.manifest, *state, "--frozen").code == 0
    ended = pipeline("collect", clone.manifest, *state)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert set(clone.statuses().values()) == {"done"}
    assert_whole(clone)
    assert pipeline("verify", clone.manifest, *state).code == 0
    assert not project.state.exists()


def test_missing_state_is_read_as_empty_and_not_created(
    project: Project, pipeline: Pipeline, database: Database
) -> None:
    assert pipeline("plan", project.manifest, "--state", database.url).code == 0
    assert database.rows("SELECT to_regnamespace('pipeline')") == [(None,)]
    required = pipeline("run", project.manifest, "--state", database.url, "--require-results")
    assert required.code == 3, required.output


def test_second_run_names_the_holder_and_readers_are_not_blocked(
    project: Project, pipeline: Pipeline, start: Start, vendor: Emulator, database: Database
) -> None:
    vendor.fail(NEVER_ENDS)
    first = start("run", project.manifest, PIPELINE_STATE=database.url)
    first.hear("bought as")
    pipeline.set("PIPELINE_STATE", database.url)

    second = pipeline("run", project.manifest)

    assert second.code == 6, second.output
    assert f"(pid {first.process.pid} on " in second.err
    assert f"pipeline run {project.manifest}" in second.err
    assert pipeline("status", project.manifest).code == 0
    vendor.clear_faults()
    assert first.ended().code == 0


@pytest.mark.parametrize("from_environment", [True, False])
def test_suggested_command_works_on_the_same_state_as_printed(
    project: Project, pipeline: Pipeline, vendor: Emulator, database: Database, from_environment: bool
) -> None:
    given = () if from_environment else ("--state", database.url)
    if from_environment:
        pipeline.set("PIPELINE_STATE", database.url)
    vendor.fail({"on": "create", "do": "reset-after-processing", "times": 1})
    assert pipeline("run", project.manifest, *given).code == 7
    said = pipeline("status", project.manifest, *given).out
    hint = re.search(r"`pipeline (resolve [^`]*) --workflow-id ID`", said)
    assert hint is not None, said
    assert ("--state" in hint[1]) != from_environment
    refused = pipeline("run", project.manifest, *given, "--replace", "**").err
    in_error = re.search(r"`pipeline (resolve [^`]*) --workflow-id ID`", refused)
    assert in_error is not None, refused
    assert shlex.split(in_error[1])[:-1] == shlex.split(hint[1])[:-1]

    resolved = pipeline(*shlex.split(hint[1]), "--not-bought")

    assert resolved.code == 0, resolved.output
    assert pipeline("status", project.manifest, *given).code == 0


def test_run_that_slept_past_its_lease_buys_nothing_more(
    project: Project, pipeline: Pipeline, start: Start, vendor: Emulator, database: Database
) -> None:
    vendor.fail(NEVER_ENDS)
    flags = ("run", project.manifest, "--state", database.url)
    first = start(*flags, "--in-flight", "1", PIPELINE_LEASE_SECONDS=LEASE)
    first.hear("bought as")
    first.signal(signal.SIGSTOP)
    vendor.clear_faults()
    until(lambda: is_free(database), "the end of the lease")

    second = pipeline(*flags)
    held = database.rows("SELECT * FROM pipeline.purchases_of_all ORDER BY id")
    first.signal(signal.SIGCONT)
    ended = first.ended()

    assert second.code == 0, second.output
    assert ended.code == 6, ended.output
    assert "no longer holds the state of 'spring'" in ended.output
    assert len(vendor.ledger.entries) == 2
    assert database.rows("SELECT * FROM pipeline.purchases_of_all ORDER BY id") == held
    assert_nothing_bought_twice(vendor)
    again = pipeline(*flags)
    assert again.code == 0, again.output
    assert len(vendor.ledger.entries) == 2
    assert_whole(project)


def test_answer_after_the_lease_expired_is_not_lost(
    project: Project, pipeline: Pipeline, start: Start, vendor: Emulator, database: Database
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": {"stall": 600, "at": "after-processing"}})
    flags = ("run", project.manifest, "--state", database.url)
    first = start(*flags, "--concurrency", "1", PIPELINE_LEASE_SECONDS=LEASE)
    until(lambda: len(vendor.ledger.entries) == 1, "the create to be under way")
    first.signal(signal.SIGSTOP)
    vendor.clear_faults()
    until(lambda: is_free(database), "the end of the lease")

    second = pipeline(*flags)
    first.signal(signal.SIGCONT)
    ended = first.ended()
    third = pipeline(*flags)

    # The successor cannot know its outcome, and buys only the other one.
    assert second.code == 7, second.output
    assert ended.code == 6, ended.output
    assert third.code == 0, third.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.entries) == 2
    assert_nothing_bought_twice(vendor)
    assert_nothing_forgotten(project, vendor)
    assert len(database.rows("SELECT 1 FROM pipeline.receipts_taken")) == 1


def test_server_killed_twenty_times_costs_nothing(
    folder: Path, start: Start, vendor: Emulator, postgres: PostgresServer, database: Database
) -> None:
    if postgres.data is None:
        pytest.skip("the server that PIPELINE_TEST_POSTGRES_URL names cannot be killed")
    project = campaign(folder, {"campaign.yaml": many(40)})
    run = start("run", project.manifest, "--state", database.url, "--in-flight", "2", "--concurrency", "4")

    for _ in range(20):
        run.hear("bought as")
        postgres.kill()
        postgres.start()
    ended = run.ended()

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 40
    assert_nothing_bought_twice(vendor)
    assert set(project.statuses().values()) == {"done"}
    assert_whole(project)


def test_network_that_drops_data_does_not_end_a_run(
    folder: Path, start: Start, vendor: Emulator, postgres: PostgresServer, database: Database
) -> None:
    project = campaign(folder, {"campaign.yaml": many(6)})
    with Proxy(*postgres.socket) as proxy:
        url = database.behind(proxy.host, proxy.port)
        run = start("run", project.manifest, "--state", url, "--in-flight", "1", PIPELINE_LEASE_SECONDS="9")
        run.hear("bought as")
        proxy.swallow()
        ended = run.ended()

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 6
    assert_nothing_bought_twice(vendor)
    assert_whole(project)


def test_server_that_stays_down_ends_the_run_cleanly(
    folder: Path,
    start: Start,
    pipeline: Pipeline,
    vendor: Emulator,
    postgres: PostgresServer,
    database: Database,
) -> None:
    project = campaign(folder, {"campaign.yaml": many(6)})
    with Proxy(*postgres.socket) as proxy:
        url = database.behind(proxy.host, proxy.port)
        run = start("run", project.manifest, "--state", url, "--in-flight", "1", PIPELINE_LEASE_SECONDS=LEASE)
        run.hear("bought as")
        proxy.close()
        ended = run.ended()

    assert ended.code in {6, 8}, ended.output
    assert "Traceback" not in ended.output
    bought = len(vendor.ledger.entries)
    until(lambda: is_free(database), "the end of the lease")
    again = pipeline("run", project.manifest, "--state", database.url)
    assert again.code in {0, 7}, again.output
    assert bought < 6
    assert len(vendor.ledger.entries) == 6
    assert_nothing_bought_twice(vendor)


BUYS = """
import os, sys, tempfile
from pathlib import Path
from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Status
from pipeline.schemes import DatabaseUrl
from pipeline.state.opening import open_store
from pipeline.state.postgres import team_state
from pipeline.state.store import Caps, Intent, Turn

url, number = sys.argv[1], int(sys.argv[2])
now = "2026-03-01T12:00:00Z"
folder = Path(tempfile.mkdtemp())

def buy(name):
    store = open_store(
        DatabaseUrl(url), campaign=name, manifest=folder / f"{name}.yaml", run=name, writable=True, now=now
    )
    for each in range(3):
        purchase = Purchase(
            id=PurchaseId(f"{each:016x}"), key=JobKey("a"), fingerprint="v1:" + "f" * 64,
            status=Status.SUBMITTING, bought_at=now, template_id="t", credits=1,
        )
        assert store.commit_turn(Turn(intents=[Intent(purchase=purchase, at=now)]), Caps())
    return store

start, end = os.pipe(), os.pipe()
for each in range(number):
    if os.fork() == 0:
        code = 1
        try:
            os.close(start[1]), os.close(end[1])
            os.read(start[0], 1)
            store = buy(f"c{each}")
            os.write(1, b"bought\\n")
            os.read(end[0], 1)
            store.close()
            code = 0
        finally:
            os._exit(code)
os.close(start[1])
sys.stdin.readline()
os.close(end[1])
for _ in range(number):
    assert os.wait()[1] == 0
"""


def campaigns_at_once(url: str, number: int) -> None:
    """Processes that each open their own campaign at the same moment, buy, and hold it until all have."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUYS, url, str(number)],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(number)]
    process.communicate("go on\n", timeout=PATIENCE)
    assert said == ["bought\n"] * number
    assert process.returncode == 0


def test_fifty_campaigns_that_start_at_once_do_not_block_each_other(database: Database) -> None:
    campaigns_at_once(database.url, 50)

    bought = "SELECT campaign, count(*) FROM pipeline.purchases_of_all GROUP BY campaign"
    assert sorted(database.rows(bought)) == sorted((f"c{each}", 3) for each in range(50))


def test_pooler_serves_more_campaigns_than_it_has_connections(database: Database, pooler: Pooler) -> None:
    campaigns_at_once(database.behind(pooler.host, pooler.port), 12)

    assert len(database.rows("SELECT 1 FROM pipeline.purchases_of_all")) == 36


def test_run_works_behind_a_pooler(
    folder: Path, start: Start, vendor: Emulator, database: Database, pooler: Pooler
) -> None:
    project = campaign(folder, {"campaign.yaml": many(12)})
    url = database.behind(pooler.host, pooler.port)
    run = start("run", project.manifest, "--state", url, "--in-flight", "2")

    run.hear("bought as")
    pooler.restart()
    ended = run.ended()

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 12
    assert_nothing_bought_twice(vendor)
    assert_whole(project)


def test_password_is_shown_and_written_nowhere(
    project: Project, pipeline: Pipeline, start: Start, vendor: Emulator, database: Database, tmp_path: Path
) -> None:
    url = database.url.replace("postgres:@", "postgres:correct%2Dhunter2@")
    assert url != database.url
    vendor.fail(NEVER_ENDS)
    first = start(
        "run", project.manifest, "--state", url, "--events", "events.jsonl", "--junit", "junit.xml", "-v"
    )
    first.hear("bought as")
    looks = (
        ("run", project.manifest, "--state", url),
        ("plan", project.manifest, "--state", url, "--out", "saved.plan"),
        ("status", project.manifest, "-v", "--state", url),
        ("run", project.manifest, "--state", url.replace("host=", "host=/nowhere")),
        ("state", "export", project.manifest, "--state", url),
    )
    shown = [pipeline(*arguments).output for arguments in looks]
    vendor.clear_faults()
    shown.append(first.ended().output)
    saves = ("--checkpoint", "env > environment.txt")
    shown.append(pipeline("run", project.manifest, "--state", url, *saves, "--replace", "*").output)
    bug = start("run", project.manifest, "--state", url, "--replace", "*", PIPELINE_FAIL_AT="3:raise").ended()
    assert bug.code == 70, bug.output
    shown.append(bug.output)
    ((tables,),) = database.rows(
        "SELECT json_agg(each) FROM (SELECT to_json(l) AS each FROM pipeline.leases l "
        "UNION ALL SELECT to_json(p) FROM pipeline.purchases_of_all p "
        "UNION ALL SELECT to_json(e) FROM pipeline.events_of_all e) AS everything"
    )

    assert "hunter2" not in json.dumps(tables)
    for text in shown:
        assert "hunter2" not in text
    for path, (_, content) in project.tree().items():
        assert b"hunter2" not in content, path


def test_receipt_heard_by_another_machine_resolves_an_unknown_outcome(
    project: Project, pipeline: Pipeline, vendor: Emulator, database: Database
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "reset-after-processing"})
    assert pipeline("run", project.manifest, "--state", database.url).code == 7
    vendor.clear_faults()
    (lost,) = [each for each in project.results()["purchases"] if each["status"] == "attention"]
    (entry,) = [each for each in vendor.ledger.bought if "walk" in each.title]
    assert entry.workflow_id is not None
    heard = spool_at(DatabaseUrl(database.url), project.folder / "elsewhere", "spring", None)
    heard.put(Receipt(PurchaseId(lost["id"]), (entry.workflow_id,)))

    ended = pipeline("run", project.manifest, "--state", database.url)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2
    assert list(heard.receipts()) == []


def test_doctor_and_watch_read_the_shared_state(
    project: Project, pipeline: Pipeline, start: Start, vendor: Emulator, database: Database
) -> None:
    pipeline.set("PIPELINE_STATE", database.url)
    assert "is not there yet" in pipeline("doctor", project.manifest).output
    vendor.fail(NEVER_ENDS)
    run = start("run", project.manifest, PIPELINE_STATE=database.url)
    run.hear("bought as")

    during = pipeline("doctor", project.manifest)

    assert during.code == 6, during.output
    assert f"(pid {run.process.pid} on " in during.output
    vendor.clear_faults()
    assert run.ended().code == 0
    after = pipeline("doctor", project.manifest)
    assert "2 purchases known" in after.output


@pytest.mark.parametrize("command", ["prune", "destroy"])
def test_files_of_what_another_machine_pruned_are_deleted_here_too(
    folder: Path, pipeline: Pipeline, vendor: Emulator, database: Database, command: str
) -> None:
    pipeline.set("PIPELINE_STATE", database.url)
    one, other = (campaign(folder / name, {"campaign.yaml": many(3)}) for name in ("one", "other"))
    for machine in (one, other):
        assert pipeline("run", machine.manifest).code == 0
        machine.write({"campaign.yaml": many(1)})
    assert pipeline("collect", one.manifest).code == 0
    assert len(one.output()) == 3
    assert pipeline("prune", other.manifest, "--yes").code == 0

    asked = pipeline(command, one.manifest)

    assert asked.code == 64, asked.output
    left = "a file of a purchase that is deleted at the vendor"
    assert f"  - main/loop/red/p1.mp4: {left}\n  - main/loop/red/p2.mp4: {left}\n" in asked.out
    assert len(one.output()) == 3
    if command == "prune":
        one_of_them = pipeline("prune", one.manifest, "--yes", "--select", "main/loop/red/p1")
        assert one_of_them.code == 0, one_of_them.output
        assert one_of_them.out.endswith("1 unneeded file deleted.\n")
        assert sorted(one.output()) == ["main/loop/red/p0.mp4", "main/loop/red/p2.mp4"]
    ended = pipeline(command, one.manifest, "--yes")
    assert ended.code == 0, ended.output
    assert sorted(one.output()) == (["main/loop/red/p0.mp4"] if command == "prune" else [])
    deleted = [each["key"] for each in one.results()["purchases"] if each.get("deleted")]
    assert len(deleted) == (2 if command == "prune" else 3)
    assert pipeline(command, one.manifest, "--yes").out == "Nothing to delete.\n"
    assert len(vendor.store.workflows()) == (1 if command == "prune" else 0)
