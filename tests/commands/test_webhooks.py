"""The vendor calls when a workflow ends: one GET follows, and polling catches lost calls."""

import http.client
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, picture, spring
from support.ports import free_port
from support.postgres import PostgresServer
from support.processes import Running, until
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.emulator.workflow import WebhookOutcome
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.webhooks.addresses import Addresses, secret_in
from pipeline.webhooks.receipt import Receipt
from pipeline.webhooks.spool import Spool

CATALOGUE = {"version": 1, "templates": {"each_explodedloop_0226": {"webhook": True}}}


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Emulator]:
    """Its workflows take a moment, so that polling too early finds nothing."""
    with Emulator(EmulatorSettings.tiny(tmp_path / "vendor", duration=0.5)) as running:
        yield running


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def hooked(project: Project) -> Project:
    """The campaign with webhooks enabled in its template."""
    return of_takes(project, 1)


def of_takes(project: Project, takes: int, **changes: Any) -> Project:
    project.write(
        {
            "my-templates.yaml": CATALOGUE,
            "campaign.yaml": spring(
                catalog={"file": "my-templates.yaml"}, jobs=[{"id": "main", "repeat": takes}], **changes
            ),
        }
    )
    return project


@pytest.fixture
def called(pipeline: Pipeline, port: int) -> Callable[..., Any]:
    """`pipeline run` with webhooks from the vendor."""

    def run(manifest: Path, *more: str) -> Any:
        return pipeline("run", manifest, "--poll-interval", "10", *flags(port), *more)

    return run


def flags(port: int) -> tuple[str, ...]:
    return ("--webhook-url", f"http://127.0.0.1:{port}/spring", "--webhook-listen", f"127.0.0.1:{port}")


def counting_gets(vendor: Emulator) -> Callable[[], int]:
    """The number of GETs for workflows from now on."""
    vendor.fail({"on": "get", "probability": 0.0, "do": "html"})
    name = vendor.faults.counts()[-1][0]
    return lambda: next(seen for rule, seen, _ in vendor.faults.counts() if rule == name)


def urls_sent(vendor: Emulator) -> list[str | None]:
    workflows = (vendor.store.get(each.workflow_id or "") for each in vendor.ledger.bought)
    return [None if each is None else each.webhook_url for each in workflows]


def calls_answered(vendor: Emulator) -> int:
    workflows = (vendor.store.get(each.workflow_id or "") for each in vendor.ledger.bought)
    return sum(each is not None and each.webhook_outcome == WebhookOutcome.SENT for each in workflows)


def test_secret_in_the_address_stays_in_no_file_that_names_the_command(
    hooked: Project, called: Callable[..., Any], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline", "run", "campaign.yaml", *flags(port)])

    assert called(hooked.manifest).code == 0

    locks = list(Path(".pipeline").glob("*.lock"))
    assert any(each.read_bytes() for each in locks)
    assert not any(b"/spring" in each.read_bytes() for each in locks)


class Flood:
    """Calls unassigned webhook URLs, one after another, until it is closed."""

    def __init__(self, port: int) -> None:
        self.answers: list[int] = []
        self._port = port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call_all)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _call_all(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            try:
                self.answers.append(self.call(self._port, f"/spring/hooks/{number:016x}/{number:064x}"))
            except OSError:
                self._ended.wait(0.01)  # nobody listens yet, or any longer

    @staticmethod
    def call(port: int, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", path, b'{"workflow_id": "wf", "status": "success"}')
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def flood(port: int) -> Iterator[Flood]:
    flooding = Flood(port)
    yield flooding
    flooding.close()


def test_lost_duplicate_or_forged_calls_cost_few_gets_and_none_is_trusted(
    project: Project, called: Callable[..., Any], vendor: Emulator, flood: Flood
) -> None:
    takes = of_takes(project, 50)
    jobs = 100
    lost, twice, forged = ([*range(at, jobs + 1, step)] for at, step in ((3, 10), (5, 10), (7, 20)))
    vendor.fail(
        {"on": "webhook", "nth": [*lost], "do": "drop"},
        {"on": "webhook", "nth": [*twice], "do": "twice"},
        {"on": "webhook", "nth": [*forged], "do": "forged"},
    )
    gets = counting_gets(vendor)

    ended = called(takes.manifest)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.entries) == len(project.jobs()) == jobs
    assert gets() <= 1.2 * jobs
    flood.close()
    assert len(flood.answers) > 20
    assert set(flood.answers) == {404}


def test_each_purchase_has_its_own_url_which_is_written_nowhere(
    hooked: Project, called: Callable[..., Any], pipeline: Pipeline, vendor: Emulator, port: int
) -> None:
    assert called(hooked.manifest, "--events", "events.jsonl", "-vv").code == 0

    urls = urls_sent(vendor)
    purchases = {each["id"] for each in hooked.results()["purchases"]}
    assert {str(url).split("/")[5] for url in urls} == purchases
    assert all(str(url).startswith(f"http://127.0.0.1:{port}/spring/hooks/") for url in urls)
    secret = (hooked.folder / ".pipeline" / "webhook-secret").read_bytes().strip()
    proofs = [str(url).rpartition("/")[2].encode() for url in urls]
    for path in hooked.folder.rglob("*"):
        if path.is_file() and path.name != "webhook-secret":
            content = path.read_bytes()
            assert not any(each in content for each in (secret, *proofs)), path


def test_secret_from_the_environment_is_in_no_file_and_gives_the_same_urls_elsewhere(
    hooked: Project, called: Callable[..., Any], pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline.set("PIPELINE_WEBHOOK_SECRET", "canary-of-the-webhooks")

    ended = called(hooked.manifest, "-vv", "--checkpoint", 'test -z "$PIPELINE_WEBHOOK_SECRET"')

    assert ended.code == 0, ended.output
    assert "canary" not in ended.output
    assert all(urls_sent(vendor))
    assert not any(b"canary-of" in path.read_bytes() for path in hooked.folder.rglob("*") if path.is_file())


def test_webhook_url_is_not_part_of_the_request(
    hooked: Project, called: Callable[..., Any], pipeline: Pipeline
) -> None:
    assert called(hooked.manifest).code == 0

    assert "2 to keep" in pipeline("plan", hooked.manifest).out
    assert "hooks" not in hooked.results_file.read_text()


def test_template_without_webhooks_is_sent_none(
    project: Project, called: Callable[..., Any], vendor: Emulator
) -> None:
    ended = called(project.manifest)

    assert ended.code == 0
    assert "no template of this campaign as taking a webhook" in ended.err
    assert urls_sent(vendor) == [None, None]


def test_rehearsal_is_called_too(hooked: Project, pipeline: Pipeline, port: int) -> None:
    ended = pipeline("run", hooked.manifest, "--emulate", *flags(port))

    assert ended.code == 0, ended.output


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--webhook-listen", "127.0.0.1:0"], "--webhook-url says where it calls"),
        (["--webhook-url", "hooks.example.com"], "expected an address such as"),
        (["--webhook-url", "http://hooks.example.com"], "use https"),
        (["--webhook-url", "https://h.example", "--webhook-listen", "nowhere"], "expected HOST:PORT"),
    ],
)
def test_invalid_webhook_url_is_wrong_usage(
    hooked: Project, pipeline: Pipeline, vendor: Emulator, given: list[str], expected: str
) -> None:
    ended = pipeline("run", hooked.manifest, *given)

    assert ended.code == 64
    assert expected in ended.err
    assert len(vendor.ledger.entries) == 0


def spool_of(project: Project) -> Spool:
    return Spool(project.folder / ".pipeline" / "webhooks")


def let_receipts_age(project: Project) -> None:
    """Let ten minutes pass since the vendor called."""
    then = time.time() - 600
    for path in (project.folder / ".pipeline" / "webhooks").glob("*.json"):
        os.utime(path, (then, then))


def lose_an_answer(project: Project, pipeline: Pipeline, vendor: Emulator) -> tuple[PurchaseId, WorkflowId]:
    """A purchase with an unknown outcome, and its workflow at the vendor."""
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "reset-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    (purchase,) = [each for each in project.results()["purchases"] if each["status"] == "attention"]
    (entry,) = [each for each in vendor.ledger.bought if "walk" in each.title]
    assert entry.workflow_id is not None
    return PurchaseId(purchase["id"]), entry.workflow_id


@fails_without(
    "pipeline.operations.run:CampaignRun._execute", "self._spool.forget(runner.receipts_left_over())"
)
@pytest.mark.parametrize("command", ["run", "collect"])
def test_receipt_from_another_process_resolves_an_unknown_outcome(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    purchase_id, workflow_id = lose_an_answer(project, pipeline, vendor)
    spool_of(project).put(Receipt(purchase_id, (workflow_id,)))

    ended = pipeline(command, project.manifest)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2
    assert list(spool_of(project).receipts()) == []


def test_receipt_resolves_it_with_only_the_state_left(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase_id, workflow_id = lose_an_answer(project, pipeline, vendor)
    spool_of(project).put(Receipt(purchase_id, (workflow_id,)))
    project.manifest.unlink()

    ended = pipeline("collect", project.state)

    assert ended.code == 0, ended.output
    assert list(spool_of(project).receipts()) == []


def test_receipt_with_another_workflow_resolves_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    purchase_id, _ = lose_an_answer(project, pipeline, vendor)
    (dance,) = [each for each in vendor.ledger.bought if "dance" in each.title]
    spool_of(project).put(Receipt(purchase_id, (WorkflowId("made-up"), dance.workflow_id or WorkflowId(""))))

    ended = pipeline("run", project.manifest)

    assert ended.code == 7, ended.output
    assert "a webhook named made-up as its workflow" in ended.output
    # The vendor may find it later; until the outcome is resolved, it is polled again.
    assert list(spool_of(project).receipts()) == [Receipt(purchase_id, (WorkflowId("made-up"),))]
    pipeline("resolve", project.manifest, purchase_id, "--abandon")
    let_receipts_age(project)
    pipeline("run", project.manifest)
    assert list(spool_of(project).receipts()) == []


@pytest.mark.parametrize("answer", ["--not-bought", "--abandon"])
@pytest.mark.parametrize("command", ["run", "collect"])
def test_late_receipt_identifies_a_purchase_that_was_settled_without_its_workflow(
    project: Project, pipeline: Pipeline, vendor: Emulator, answer: str, command: str
) -> None:
    """The person was wrong: it is neither lost nor bought a second time."""
    purchase_id, workflow_id = lose_an_answer(project, pipeline, vendor)
    now = ["--now"] if answer == "--not-bought" else []
    assert pipeline("resolve", project.manifest, purchase_id, answer, *now).code == 0
    spool_of(project).put(Receipt(purchase_id, (workflow_id,)))

    first = pipeline(command, project.manifest)
    ended = pipeline("run", project.manifest)

    assert "was bought after all" in first.output
    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2
    assert list(spool_of(project).receipts()) == []


@pytest.mark.parametrize("answer", ["--not-bought", "--abandon"])
def test_late_receipt_that_names_anothers_workflow_identifies_no_settled_purchase(
    project: Project, pipeline: Pipeline, vendor: Emulator, answer: str
) -> None:
    purchase_id, _ = lose_an_answer(project, pipeline, vendor)
    (dance,) = [each for each in vendor.ledger.bought if "dance" in each.title]
    now = ["--now"] if answer == "--not-bought" else []
    assert pipeline("resolve", project.manifest, purchase_id, answer, *now).code == 0
    spool_of(project).put(Receipt(purchase_id, (WorkflowId("made-up"), dance.workflow_id or WorkflowId(""))))

    first = pipeline("collect", project.manifest)

    # The vendor may still find it, as long as the call is recent.
    assert "made-up as its workflow, but checking it failed" in first.output
    (receipt,) = spool_of(project).receipts()
    assert receipt == Receipt(purchase_id, (WorkflowId("made-up"),))
    let_receipts_age(project)

    ended = pipeline("collect", project.manifest)

    assert "made-up as its workflow, but the vendor knows none" in ended.output
    assert "was bought after all" not in first.output + ended.output
    assert list(spool_of(project).receipts()) == []


@fails_without("pipeline.operations.webhooks:receiving", "stack.callback(_store,")
def test_receipt_during_the_last_checkpoint_is_left_to_the_next_run(
    hooked: Project, called: Callable[..., Any], pipeline: Pipeline, vendor: Emulator, port: int
) -> None:
    purchase_id, workflow_id = lose_an_answer(hooked, pipeline, vendor)
    secret = secret_in(None, hooked.folder / ".pipeline")
    address = Addresses(secret=secret, url=f"http://127.0.0.1:{port}/spring").of(purchase_id)
    body = f'{{"workflow_id": "{workflow_id}"}}'
    call = hooked.folder / "call.py"
    call.write_text(f"import urllib.request\nurllib.request.urlopen({address!r}, {body.encode()!r})\n")

    first = called(hooked.manifest, "--checkpoint", f"{sys.executable} {call}")

    assert first.code == 7, first.output
    assert list(spool_of(hooked).receipts()) == [Receipt(purchase_id, (workflow_id,))]
    assert pipeline("run", hooked.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


@fails_without("pipeline.engine.receipts:ReceiptHandler._decide_on_held", "self.serve(entry.job, serving)")
@pytest.mark.parametrize(
    ("answer", "flags_of_run"), [("--not-bought", ()), ("--abandon", ()), ("--abandon", ("--retry-failed",))]
)
def test_receipt_settles_a_renamed_job_in_one_run(
    project: Project, pipeline: Pipeline, vendor: Emulator, answer: str, flags_of_run: tuple[str, ...]
) -> None:
    purchase_id, workflow_id = lose_an_answer(project, pipeline, vendor)
    now = ["--now"] if answer == "--not-bought" else []
    assert pipeline("resolve", project.manifest, purchase_id, answer, *now).code == 0
    project.write({"campaign.yaml": spring(jobs=[{"id": "renamed"}])})
    spool_of(project).put(Receipt(purchase_id, (workflow_id,)))

    ended = pipeline("run", project.manifest, *flags_of_run)

    assert "was bought after all" in ended.output
    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2
    assert "Plan: 1 to update, 1 to keep." in pipeline("plan", project.manifest).out


def test_receipts_of_other_campaigns_in_the_folder_are_left_to_them(
    project: Project, pipeline: Pipeline
) -> None:
    other = Receipt(PurchaseId("f" * 16), (WorkflowId("wf-1"),))
    spool_of(project).put(other)

    assert pipeline("run", project.manifest).code == 0

    assert list(spool_of(project).receipts()) == [other]


def test_run_takes_receipts_of_another_process_while_running(
    hooked: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    def hear() -> None:
        until(lambda: len(vendor.ledger.bought) == 2, "two creates")
        for url in urls_sent(vendor):
            spool_of(hooked).put(Receipt(PurchaseId(str(url).split("/")[4]), ()))

    vendor.fail({"on": "webhook", "do": "drop"})
    gets = counting_gets(vendor)
    hearing = threading.Thread(target=hear)
    hearing.start()

    ended = pipeline(
        "run", hooked.manifest, "--poll-interval", "10", "--webhook-url", "https://hooks.example.com"
    )

    hearing.join()
    assert ended.code == 0, ended.output
    assert gets() >= 2
    assert list(spool_of(hooked).receipts()) == []


def test_late_receipt_for_a_finished_purchase_is_removed(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    (one, _) = project.results()["purchases"]
    spool_of(project).put(Receipt(PurchaseId(one["id"]), (WorkflowId(one["workflow_id"]),)))

    assert pipeline("run", project.manifest).code == 0

    assert list(spool_of(project).receipts()) == []


def test_receipts_heard_by_serve_are_used_by_a_later_run(
    hooked: Project, pipeline: Pipeline, vendor: Emulator, port: int, start: Callable[..., Running]
) -> None:
    url = f"http://127.0.0.1:{port}/spring"
    serving = start("serve", hooked.manifest, "--listen", f"127.0.0.1:{port}", "--webhook-url", url)
    assert serving.first_line().startswith("The page is at ")
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "reset-after-processing"})

    assert pipeline("run", hooked.manifest, "--no-wait", "--webhook-url", url).code == 7
    until(lambda: len(list(spool_of(hooked).receipts())) == 2, "both calls")
    vendor.clear_faults()
    ended = pipeline("run", hooked.manifest)

    assert ended.code == 0, ended.output
    assert set(hooked.statuses().values()) == {"done"}
    assert len(vendor.ledger.bought) == 2
    assert list(spool_of(hooked).receipts()) == []


@pytest.mark.parametrize("served", [["spring", "other"], ["other", "spring"]])
@pytest.mark.parametrize(("where", "beside"), [("database", ""), ("files", "elsewhere/")])
def test_calls_for_several_campaigns_with_one_secret_reach_the_campaign_they_are_for(
    hooked: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    port: int,
    start: Callable[..., Running],
    postgres: PostgresServer,
    served: list[str],
    where: str,
    beside: str,
) -> None:
    around = {"PIPELINE_WEBHOOK_SECRET": "the-same-for-both-campaigns"}
    if where == "database":
        around["PIPELINE_STATE"] = postgres.database().url
    for name, value in around.items():
        pipeline.set(name, value)
    hooked.write({f"{beside}other.yaml": spring(name="other"), f"{beside}images/red.png": picture()})
    manifests = {"spring": hooked.manifest, "other": hooked.folder / f"{beside}other.yaml"}
    url = f"http://127.0.0.1:{port}"
    listening = ("--listen", f"127.0.0.1:{port}", "--webhook-url", url)
    serving = start("serve", *(manifests[each] for each in served), *listening, **around)
    assert serving.first_line().startswith("The page is at ")
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "reset-after-processing"})

    assert pipeline("run", hooked.manifest, "--no-wait", "--webhook-url", url).code == 7
    until(lambda: calls_answered(vendor) == 2, "both calls")
    vendor.clear_faults()
    ended = pipeline("collect", hooked.manifest)

    assert ended.code == 0, ended.output
    assert "was bought after all" in ended.output


def test_serve_tells_an_unauthenticated_caller_nothing(
    hooked: Project, port: int, start: Callable[..., Running]
) -> None:
    flags = ("--listen", f"127.0.0.1:{port}", "--webhook-url", "https://hooks.example.com/spring")
    serving = start("serve", hooked.manifest, *flags)
    assert serving.first_line().startswith("The page is at ")

    statuses = {Flood.call(port, f"{before}/hooks/{1:016x}/{1:064x}") for before in ("", "/spring")}

    assert statuses == {404}
    assert Flood.call(port, "/other/hooks/x/y") == 403  # the page's own access check, as for any other path
    assert list(spool_of(hooked).receipts()) == []
