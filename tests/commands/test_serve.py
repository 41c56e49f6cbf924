"""`serve` over real HTTP: access, content, what is written, and how it ends."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.processes import Running, environment, until
from support.protection import fails_without

from pipeline.documents.yaml_reader import read_yaml
from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
PATIENCE = 30


@dataclass
class Site:
    """A running server and a browser's session with it."""

    running: Running
    url: str
    session: requests.Session

    @property
    def origin(self) -> str:
        return self.url.partition("/?")[0]

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(f"{self.origin}{path}", timeout=PATIENCE, **more)

    def data(self) -> dict[str, Any]:
        document: dict[str, Any] = self.get("/data").json()
        return document

    def review(self, **said: Any) -> requests.Response:
        return self.session.post(f"{self.origin}/decisions", json=said, timeout=PATIENCE)

    def purchase(self, key: str) -> str:
        purchases = self.data()["campaigns"][0]["purchases"]
        (purchase,) = [each["id"] for each in purchases if each["key"] == key]
        return str(purchase)


Serve = Callable[..., Site]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers; all of them have ended after the test."""
    started: list[Running] = []

    def start(project: Project, *flags: str) -> Site:
        arguments: tuple[str | Path, ...] = ("serve", project.manifest, "--listen", "127.0.0.1:0", *flags)
        running = Running(arguments, environment("http://127.0.0.1:1"), project.folder)
        started.append(running)
        line = running.first_line()
        assert line.startswith("The page is at http://127.0.0.1:"), running.ended().output
        site = Site(running, line.split()[-1], requests.Session())
        assert site.session.get(site.url, timeout=PATIENCE).status_code == 200
        return site

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def decided(project: Project) -> list[Any]:
    path = project.folder / f"{project.name}.decisions.yaml"
    document: Any = read_yaml(path, path.name).root.plain()
    rows: list[Any] = document["decisions"]
    return rows


# Access


def test_printed_url_opens_the_page_and_sets_a_strict_cookie(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    answer = requests.get(site.url, timeout=PATIENCE)

    assert "HttpOnly; SameSite=Strict" in answer.headers["set-cookie"]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert site.data()["campaigns"][0]["name"] == "spring"


def test_commands_on_the_page_keep_the_flags_that_locate_the_records(bought: Project, serve: Serve) -> None:
    (bought.folder / "records").mkdir()
    bought.results_file.rename(bought.folder / "records" / bought.results_file.name)

    site = serve(bought, "--results", "records")

    assert site.data()["campaigns"][0]["flags"] == "--results records/spring.results.json"


def test_commands_on_the_page_give_the_vars(bought: Project, serve: Serve) -> None:
    bought.write({"campaign.yaml": spring(prompts={"walk": "a walk in {{ season }}"})})

    site = serve(bought, "--var", "season=late summer")

    assert site.data()["campaigns"][0]["vars"] == ["--var 'season=late summer'"]


@pytest.mark.parametrize(
    "path", ["/", "/data", "/events", "/gallery.css", "/posters/0123456789abcdef.webp", "/videos/0/a"]
)
def test_requests_without_the_token_get_403(bought: Project, serve: Serve, path: str) -> None:
    site = serve(bought)

    assert requests.get(f"{site.origin}{path}", timeout=PATIENCE).status_code == 403
    assert requests.post(f"{site.origin}/decisions", json={}, timeout=PATIENCE).status_code == 403


@fails_without(
    "pipeline.serve.access:TokenGuard.__call__",
    "refused = self._error_response(request)",
    swap=("self._error_response(request)", "None"),
)
def test_another_host_or_origin_gets_403(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    purchase = site.purchase(WALK)

    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert site.get("/data", headers=headers).status_code == 403
        said = {"purchase": purchase, "decision": "approved"}
        answer = site.session.post(f"{site.origin}/decisions", json=said, headers=headers, timeout=PATIENCE)
        assert answer.status_code == 403
    assert not (bought.folder / "spring.decisions.yaml").exists()


# Content


def test_videos_are_sent_by_range_and_only_from_the_output_folder(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    (campaign,) = site.data()["campaigns"]
    file = campaign["files"][0]
    whole = site.get(f"/{file['href']}")
    part = site.get(f"/{file['href']}", headers={"Range": "bytes=10-19"})

    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    for path in (
        "/videos/0/../../spring.results.json",
        "/videos/0/%2e%2e%2f%2e%2e%2fspring.results.json",
        "/videos/9/" + file["href"].rpartition("/")[2],
        "/videos/0/" + "0" * 64,
        "/../campaign.yaml",
        "/campaign.yaml",
        "/source.py",
    ):
        assert site.get(path).status_code == 404, path


def test_purchase_of_a_trial_is_not_decided_for_the_campaign(
    bought: Project, pipeline: Pipeline, serve: Serve
) -> None:
    trial = ("--state", "trial/state.db", "--results", "trial/", "--output", "trial/")
    (bought.folder / "trial").mkdir()
    assert pipeline("run", bought.manifest, "--yes", *trial).code == 0
    site = serve(bought, *trial)

    answer = site.review(purchase=site.purchase(WALK), decision="approved")

    assert answer.status_code == 400
    assert "these are not the campaign's records" in answer.json()["problem"]
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_altered_file_is_not_served_and_called_altered(bought: Project, serve: Serve) -> None:
    changed, *_ = (bought.folder / "output").rglob("*.mp4")
    with changed.open("ab") as file:
        file.write(b"X")

    files = serve(bought).data()["campaigns"][0]["files"]

    assert sorted(("href" in each, each.get("altered")) for each in files if "id" in each) == [
        (False, True),
        (True, None),
    ]


def test_altered_file_is_missing_while_the_output_folder_is_gone(bought: Project, serve: Serve) -> None:
    output = bought.folder / "output"
    changed, *_ = output.rglob("*.mp4")
    with changed.open("ab") as file:
        file.write(b"X")
    site = serve(bought)

    def states() -> set[tuple[bool, bool]]:
        files = site.data()["campaigns"][0]["files"]
        return {("href" in each, "altered" in each) for each in files if "id" in each}

    output.rename(bought.folder / "elsewhere")
    until(lambda: states() == {(False, False)}, "all files to be missing")
    (bought.folder / "elsewhere").rename(output)
    until(lambda: states() == {(False, True), (True, False)}, "the altered file to be found again")


@fails_without("pipeline.serve.app:_Handlers.video", "if path is None or output is None")
def test_video_replaced_by_a_link_is_not_followed(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    href = site.data()["campaigns"][0]["files"][0]["href"]
    secret = bought.folder / "secret"
    secret.write_text("secret")
    for path in (bought.folder / "output").rglob("*.mp4"):
        path.unlink()
        path.symlink_to(secret)

    assert site.get(f"/{href}").status_code == 404


def test_changes_arrive_as_events_and_a_reconnecting_client_misses_none(
    bought: Project, serve: Serve, pipeline: Pipeline
) -> None:
    site = serve(bought)
    seen = site.data()["live"]["event"]
    for verdict, key in (("approve", WALK), ("reject", DANCE)):
        assert pipeline(verdict, bought.manifest, key).code == 0
        until(lambda: site.data()["live"]["event"] != seen, "an event")

    with site.get("/events", headers={"Last-Event-ID": seen}, stream=True) as answer:
        decisions: dict[str, str] = {}
        lines = answer.iter_lines(decode_unicode=True)
        while len(decisions) < 2:
            line = next(lines)
            assert "reset" not in line
            if line.startswith("data: {"):
                for change in json.loads(line.removeprefix("data: "))["campaigns"]:
                    decisions |= {
                        each["key"]: each["decision"]
                        for each in change.get("jobs", ())  # some events only change the heading
                        if "decision" in each
                    }
    assert decisions == {WALK: "approved", DANCE: "rejected"}


def test_files_are_missing_while_their_folder_is_away(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    (output,) = (bought.folder / "output").iterdir()
    away = output.with_name("away")

    def playable() -> int:
        return sum("href" in each for each in site.data()["campaigns"][0]["files"])

    assert playable() == 2
    output.rename(away)
    until(lambda: playable() == 0, "the files to be missing")
    away.rename(output)

    until(lambda: playable() == 2, "the files to be back")


def test_server_does_not_block_a_run(project: Project, serve: Serve, pipeline: Pipeline) -> None:
    site = serve(project)
    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    until(
        lambda: [each["status"] for each in site.data()["campaigns"][0]["jobs"]] == ["done", "done"],
        "the page to show what was made",
    )


def test_shards_finished_and_under_way_are_on_the_page(
    project: Project, serve: Serve, pipeline: Pipeline
) -> None:
    site = serve(project)

    def done() -> int:
        return [each["status"] for each in site.data()["campaigns"][0]["jobs"]].count("done")

    for index in (1, 2):
        assert pipeline("run", project.manifest, "--shard", f"{index}/2").code == 0
    until(lambda: done() == 2, "the jobs of both shards")
    spent = site.data()["campaigns"][0]["spent"]
    assert spent == 200

    # They are also known from the results alone: in a fresh clone, say.
    # The first server still writes its cache there, so that only the states are deleted.
    for state in (project.folder / ".pipeline").glob("*.db*"):
        state.unlink()
    elsewhere = serve(project).data()["campaigns"][0]
    assert elsewhere["spent"] == spent
    assert [each["status"] for each in elsewhere["jobs"]] == ["done", "done"]


def test_pending_create_of_a_shard_is_under_way_on_the_page(
    project: Project, serve: Serve, start: Callable[..., Running], vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": {"stall": 60}})
    runs = [start("run", project.manifest, "--yes", "--shard", f"{index}/2") for index in (1, 2)]
    site = serve(project)

    def statuses() -> set[str]:
        return {each["status"] for each in site.data()["campaigns"][0]["jobs"]}

    until(lambda: statuses() == {"submitting"}, "both creates")
    assert site.data()["campaigns"][0]["goes_on"] is True

    for run in runs:
        run.kill()

    until(lambda: statuses() == {"attention"}, "both shards to have died")
    assert site.data()["campaigns"][0]["goes_on"] is False


def test_concurrent_shards_are_one_run_on_the_page(
    folder: Path, serve: Serve, start: Callable[..., Running], vendor: Emulator
) -> None:
    prompts = {f"p{number}": f"a walk, number {number}" for number in range(12)}
    limits = {"in_flight": 4, "max_credits": 5_000}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, limits=limits)})
    vendor.fail({"on": "create", "do": "stuck"})
    site = serve(project)
    # The second one reads the purchases of the first, and counts them as recorded.
    start("run", project.manifest, "--yes", "--shard", "1/2")
    until(lambda: site.data()["campaigns"][0]["spent"] == 200, "what the first may have in flight")
    start("run", project.manifest, "--yes", "--shard", "2/2")
    until(lambda: site.data()["campaigns"][0]["spent"] == 400, "what both may have in flight")

    until(lambda: site.data()["campaigns"][0]["run"]["spent"] == 400, "the notes of both")
    run = site.data()["campaigns"][0]["run"]
    assert (run["in_flight"], run["max_credits"], run["waiting"]) == (4, 5_000, {"loop": 8})


def test_purchase_to_be_made_for_several_jobs_waits_once(
    folder: Path, serve: Serve, start: Callable[..., Running], vendor: Emulator
) -> None:
    texts = {f"{what}{number}": f"a {what}" for what in ("walk", "dance") for number in range(4)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=texts, limits={"in_flight": 1})})
    vendor.fail({"on": "create", "do": "stuck"})
    site = serve(project)

    start("run", project.manifest, "--yes", "--shard", "1/1")
    until(lambda: site.data()["campaigns"][0]["spent"] == 100, "the first of two purchases")

    until(lambda: (site.data()["campaigns"][0]["run"] or {}).get("spent") == 100, "the note of the run")
    assert site.data()["campaigns"][0]["run"]["waiting"] == {"loop": 1}


@pytest.mark.parametrize("part", [("--select", "prompt:walk"), ("--shard", "1/1")])
def test_run_refused_by_its_cap_is_not_the_last_run(
    project: Project, serve: Serve, pipeline: Pipeline, part: tuple[str, str]
) -> None:
    assert pipeline("run", project.manifest, *part, "--max-credits", "50").code == 4

    assert serve(project).data()["campaigns"][0].get("run") is None


def test_run_in_another_process_shows_its_limits_and_calls(
    project: Project, serve: Serve, pipeline: Pipeline, vendor: Emulator
) -> None:
    site = serve(project)
    assert site.data()["campaigns"][0].get("calls") is None
    vendor.fail({"on": "create", "nth": 1, "do": {"status": 429}})

    ended = pipeline("run", project.manifest, "--max-credits", "300", "--in-flight", "3")

    assert ended.code == 0, ended.output

    def is_told() -> bool:
        (campaign,) = site.data()["campaigns"]
        calls = campaign.get("calls") or {}
        return (campaign.get("run") or {}).get("spent") == 200 and sum(calls.values()) >= 4

    until(is_told, "the page to show what the run called and spent")
    (campaign,) = site.data()["campaigns"]
    assert (campaign["run"]["max_credits"], campaign["run"]["in_flight"]) == (300, 3)
    assert [*campaign["deferred"].values()] == [1]


def test_manifest_that_became_unreadable_is_reported_and_the_data_stays(
    bought: Project, serve: Serve
) -> None:
    site = serve(bought)
    whole = bought.manifest.read_text()
    bought.manifest.write_text("version: [")

    until(
        lambda: "campaign.yaml" in str(site.data()["campaigns"][0].get("trouble")), "the problem to be shown"
    )
    assert len(site.data()["campaigns"][0]["jobs"]) == 2
    # The server continues, and the error remains visible.
    assert site.review(purchase=site.purchase(WALK), decision="approved").status_code == 200
    (campaign,) = site.data()["campaigns"]
    assert [each.get("decision") for each in campaign["jobs"] if each["key"] == WALK] == ["approved"]
    assert "campaign.yaml" in campaign["trouble"]
    bought.manifest.write_text(whole)
    until(lambda: "trouble" not in site.data()["campaigns"][0], "the problem to be gone")


def test_lost_approvals_are_told_at_the_start_and_on_the_page(bought: Project, serve: Serve) -> None:
    decisions = bought.folder / "spring.decisions.yaml"
    for words in (("approve", bought.manifest, WALK), ("results", bought.manifest)):
        Running(words, environment("http://127.0.0.1:1"), bought.folder).ended()
    kept = decisions.read_bytes()
    decisions.unlink()
    lacks = "spring.decisions.yaml: lacks 1 approval that spring.results.json shows"

    site = serve(bought)

    assert lacks in site.data()["campaigns"][0]["lost_approvals"]
    decisions.write_bytes(kept)
    until(lambda: "lost_approvals" not in site.data()["campaigns"][0], "the decisions to be found")
    decisions.unlink()
    until(lambda: lacks in str(site.data()["campaigns"][0].get("lost_approvals")), "the loss to be told")
    site.running.signal(signal.SIGINT)
    assert f"warning: {lacks}" in site.running.ended().err


# Writing


def test_take_made_after_a_failure_is_redone_and_undone_from_the_page_too(
    project: Project, serve: Serve, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "times": 1, "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    assert pipeline("run", project.manifest, "--retry-failed").code == 0
    take = project.jobs()[WALK]["purchase"]
    site = serve(project)

    def planned() -> list[str]:
        return [
            each["action"]
            for each in pipeline("plan", project.manifest, "--format", "json").document["actions"]
            if each["key"] == WALK
        ]

    assert site.review(purchase=take, decision="redo").json()["saved"] is True
    assert planned() == ["replace"]
    assert site.review(purchase=take, decision="undecided").json()["saved"] is True
    assert planned() == ["keep"]
    assert "decision: redo" not in (project.folder / "spring.decisions.yaml").read_text()


def test_last_good_take_of_a_renamed_job_is_approved_for_that_job(
    bought: Project, serve: Serve, pipeline: Pipeline, vendor: Emulator
) -> None:
    take, prompts = bought.jobs()[WALK]["purchase"], {"dance": "a dance in the rain"}
    bought.write({"campaign.yaml": spring(prompts={**prompts, "stroll": "a walk in the park"})})
    assert pipeline("run", bought.manifest).code == 0
    bought.write({"campaign.yaml": spring(prompts={**prompts, "stroll": "a run"})})
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    assert pipeline("run", bought.manifest).code == 1

    assert serve(bought).review(purchase=take, decision="approved").json()["saved"] is True

    assert pipeline("run", bought.manifest, "--retry-failed").code == 0
    assert bought.jobs()["main/loop/red/stroll"]["purchase"] == take
    assert len(vendor.ledger.entries) == 3


def test_undo_without_a_decision_changes_nothing(bought: Project, serve: Serve) -> None:
    path = bought.folder / "spring.decisions.yaml"
    site = serve(bought)
    take = site.purchase(WALK)
    assert site.review(purchase=take, decision="undecided").json()["saved"] is True
    assert not path.exists()

    assert site.review(purchase=take, decision="undecided", rating=4).json()["saved"] is True
    rated = path.read_bytes()
    assert b"rating: 4" in rated
    assert site.review(purchase=take, decision="undecided").json()["saved"] is True
    assert path.read_bytes() == rated


@pytest.mark.parametrize(("at", "typed"), [(1.25, "1.25"), (0, "0"), (1, "1.0"), (-0.0, "0")])
def test_decision_writes_the_same_bytes_as_the_command(
    bought: Project, serve: Serve, pipeline: Pipeline, at: float, typed: str
) -> None:
    path = bought.folder / "spring.decisions.yaml"
    site = serve(bought, "--as", "ana")
    answer = site.review(purchase=site.purchase(WALK), decision="redo", rating=4, note="logo cut off", at=at)
    assert answer.json()["saved"] is True
    by_page = path.read_text()
    path.unlink()
    said = ("--rating", "4", "--note", "logo cut off", "--at", typed, "--as", "ana")
    assert pipeline("redo", bought.manifest, WALK, *said).code == 0

    def without_time(text: str) -> list[str]:
        return [line for line in text.splitlines() if "20" not in line or "at:" not in line]

    assert without_time(path.read_text()) == without_time(by_page)
    assert len(without_time(by_page)) == len(by_page.splitlines()) - 1


def test_decision_is_on_disk_before_it_is_answered(bought: Project, serve: Serve) -> None:
    site = serve(bought, "--as", "ana")
    for number, key in enumerate((WALK, DANCE), start=1):
        answer = site.review(purchase=site.purchase(key), decision="approved")
        assert len(decided(bought)) == number
        (change,) = answer.json()["changes"]
        assert [each["decision"] for each in change["jobs"]] == ["approved"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "holds a decision"),
        ({"decision": "bought"}, "one of approved"),
        ({"decision": "approved", "purchase": "0" * 16}, "no purchase"),
        ({"decision": "approved", "campaign": 1}, "no such campaign"),
        ({"decision": "approved", "campaign": True}, "wrong type"),
        ({"rating": 6}, "1 to 5 stars"),
        ({"rating": "5"}, "wrong type"),
        ({"note": ""}, "characters of text"),
        ({"note": "x" * 4001}, "characters of text"),
        ({"note": "\ud800"}, "characters of text"),
        ({"note": "x", "at": -1}, "seconds from the start of the video"),
        ({"note": "x", "at": float("nan")}, "seconds from the start of the video"),
        ({"note": "x", "at": 99}, "s long: it has no moment at 99 s"),
        ({"note": "x", "at": 10**400}, "seconds from the start of the video"),
        ({"rating": 3, "at": 1.0}, "--at needs --note"),
        ({"rating": 3, "by": "somebody else"}, "JSON object of"),
    ],
)
def test_invalid_review_gets_400_and_writes_nothing(
    bought: Project, serve: Serve, said: dict[str, Any], expected: str
) -> None:
    site = serve(bought)
    body = {"purchase": site.purchase(WALK), **said}
    answer = site.session.post(
        f"{site.origin}/decisions",
        data=json.dumps(body),
        headers={"Content-Type": "application/json"},
        timeout=PATIENCE,
    )

    assert answer.status_code == 400
    assert expected in answer.json()["problem"]
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_request_bodies_are_limited_in_size_and_type(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    where = f"{site.origin}/decisions"

    def sent(data: Any, kind: str = "application/json") -> int:
        headers = {"Content-Type": kind}
        return site.session.post(where, data=data, headers=headers, timeout=PATIENCE).status_code

    assert sent(b"x" * (1 << 20)) == 413
    assert sent(b"x" * 4096 for _ in range(64)) == 413  # its length is not declared
    assert sent(b"{}", "text/plain") == 415
    assert sent(b"[" * 30_000) == 400
    assert sent(b"\xff") == 400
    assert site.get("/data").status_code == 200


def test_only_successful_purchases_can_be_approved(
    project: Project, pipeline: Pipeline, vendor: Emulator, serve: Serve
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    pipeline("run", project.manifest)
    site = serve(project)

    answer = site.review(purchase=site.purchase(WALK), decision="approved")

    assert answer.status_code == 400
    assert "only what has succeeded can be approved" in answer.json()["problem"]


def test_unknown_outcome_cannot_be_sent_back(
    project: Project, pipeline: Pipeline, vendor: Emulator, serve: Serve
) -> None:
    vendor.fail({"on": "create", "times": 1, "do": "close-after-processing"})
    pipeline("run", project.manifest)
    unknown = next(key for key, status in project.statuses().items() if status == "attention")
    site = serve(project)

    answer = site.review(purchase=site.purchase(unknown), decision="redo")

    assert answer.status_code == 400
    assert "it is unknown whether it was bought; resolve it first" in answer.json()["problem"]
    assert not (project.folder / "spring.decisions.yaml").exists()


@fails_without("pipeline.serve.app:_Handlers.decide", "if not self._watcher.can_decide:")
def test_read_only_page_accepts_no_review(bought: Project, serve: Serve) -> None:
    site = serve(bought, "--read-only")

    assert site.review(purchase=site.purchase(WALK), decision="approved").status_code == 403
    assert site.data()["live"]["can_decide"] is False
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_invalid_decisions_file_is_reported_and_left_alone(bought: Project, serve: Serve) -> None:
    site = serve(bought)
    path = bought.folder / "spring.decisions.yaml"
    path.write_text("version: 1\n<<<<<<< ours\ndecisions: []\n")

    answer = site.review(purchase=site.purchase(WALK), decision="approved")

    assert answer.status_code == 409
    assert "spring.decisions.yaml:2:" in answer.json()["problem"]
    assert path.read_text().startswith("version: 1\n<<<<<<<")


# The end


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_the_server_with_streams_open(
    bought: Project, serve: Serve, number: signal.Signals, code: int
) -> None:
    site = serve(bought)
    streams = [site.get("/events", stream=True) for _ in range(3)]
    for each in streams:
        next(each.iter_lines())
    site.running.signal(number)

    ended = site.running.ended()

    assert ended.code == code
    assert "Traceback" not in ended.err
    assert "Stopped; every decision is saved." in ended.err
    assert "error" not in ended.err
    for each in streams:
        each.close()


def test_port_in_use_is_wrong_usage(bought: Project, serve: Serve, pipeline: Pipeline) -> None:
    site = serve(bought)
    where = site.origin.removeprefix("http://")

    ended = pipeline("serve", bought.manifest, "--listen", where)

    assert ended.code == 64
    assert f"{where} cannot be used" in ended.err


def test_listening_beyond_loopback_needs_a_token_file(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline("serve", bought.manifest, "--listen", "0.0.0.0:0")

    assert ended.code == 64
    assert "--token-file" in ended.err


def test_missing_extra_is_named(bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [each for each in sys.modules if each.startswith("pipeline.serve")]:
        monkeypatch.delitem(sys.modules, name)

    ended = pipeline("serve", bought.manifest)

    assert ended.code == 64
    assert "campaign-pipeline[serve]" in ended.err


def test_several_campaigns_share_one_page(bought: Project, serve: Serve) -> None:
    other = bought.folder / "autumn.yaml"
    other.write_text(bought.manifest.read_text().replace("spring", "autumn"))
    site = serve(bought, str(other))

    assert [each["name"] for each in site.data()["campaigns"]] == ["spring", "autumn"]
    assert site.review(campaign=0, purchase=site.purchase(WALK), decision="approved").status_code == 200
    assert [each["key"] for each in decided(bought)] == [WALK]


def test_prompt_is_shown_whatever_the_option_is_called_that_sends_it(
    project: Project, serve: Serve, pipeline: Pipeline
) -> None:
    options = {"song_theme": "{{ prompt }}", "genre_style": "a slow bossa nova in a small bar"}
    song = {"template_id": "each_createsong_0226", "options": options}
    project.write({"campaign.yaml": spring(templates={"loop": song})})
    assert pipeline("run", project.manifest, "--select", WALK).code == 0

    [shown] = serve(project).data()["campaigns"]

    assert [each["text"] for each in shown["purchases"]] == ["a walk in the park"]
    assert {each["key"]: each.get("text") for each in shown["jobs"]} == {
        WALK: None,
        DANCE: "a dance in the rain",
    }


def test_commands_for_several_campaigns_are_right_in_the_folder_where_the_page_is_served(
    bought: Project, serve: Serve, tmp_path: Path
) -> None:
    autumn = campaign(tmp_path / "autumn", {"campaign.yaml": spring(name="autumn")})

    shown = serve(bought, str(autumn.manifest)).data()["campaigns"]

    assert [each["command"] for each in shown] == ["campaign.yaml", "../autumn/campaign.yaml"]


# Within a run


def test_run_serves_its_own_page_until_it_ends(
    project: Project, start: Callable[..., Running], vendor: Emulator
) -> None:
    waits = "while [ ! -e go ]; do sleep 0.02; done"
    flags = ("--yes", "--serve", "127.0.0.1:0", "--checkpoint", waits)
    running = start("run", project.manifest, *flags)
    url = running.hear("The page is at").split()[-1]
    site = Site(running, url, requests.Session())
    assert site.session.get(site.url, timeout=PATIENCE).status_code == 200
    data = site.data()
    with site.get(f"/events?after={data['live']['event']}", stream=True) as answer:
        (project.folder / "go").touch()
        events = []
        lines = answer.iter_lines(chunk_size=1, decode_unicode=True)  # dropped, it would close the connection
        while (line := next(lines)) != "event: end":
            if line.startswith("data: {"):
                events.append(line)
        # A client that received the event of a still can fetch it; the server ends when all clients have left.
        still = next(each for each in _files(events) if each.get("poster"))
        assert site.get(f"/posters/{still['id']}.webp").status_code == 200

    ended = running.ended()
    assert ended.code == 0, ended.output
    stands: dict[str, str] = {}
    for line in events:
        event = json.loads(line.removeprefix("data: "))
        for change in event["campaigns"]:
            stands |= {each["key"]: each["status"] for each in change.get("jobs", ())}
            spent, calls = change["run"], change["calls"]
    assert stands == {DANCE: "done", WALK: "done"}
    assert spent["spent"] == 200
    assert sum(calls.values()) >= 4
    assert [each["width"] for each in _files(events) if each.get("poster")] == [64, 64]


def _files(events: list[str]) -> list[dict[str, Any]]:
    """The files of a page after these events."""
    files: dict[str, dict[str, Any]] = {}
    for line in events:
        for change in json.loads(line.removeprefix("data: "))["campaigns"]:
            files |= change.get("files", {})  # some events only change the heading
    return [file for _, file in sorted(files.items())]


def test_page_that_cannot_be_served_does_not_stop_a_run(
    bought: Project, serve: Serve, pipeline: Pipeline, vendor: Emulator
) -> None:
    taken = serve(bought).origin.removeprefix("http://")
    pipeline("redo", bought.manifest, WALK)

    ended = pipeline("run", "--serve", taken, bought.manifest)

    assert ended.code == 0, ended.output
    assert "the run continues without its page" in ended.err
    assert len(vendor.ledger.entries) == 3


@pytest.mark.parametrize("address", ["0.0.0.0:0", "nowhere at all"])
def test_refused_listen_address_buys_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, address: str
) -> None:
    ended = pipeline("run", "--serve", address, project.manifest)

    assert ended.code == 64
    assert len(vendor.ledger.entries) == 0


def test_address_of_a_run_page_is_optional(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("run", "--frozen", "--serve", project.manifest)

    assert ended.code == 4, ended.output


@pytest.mark.parametrize("name", ["spring.decisions.yaml", "spring.results.json"])
def test_invalid_manifest_is_refused_at_start_with_its_position(
    bought: Project, pipeline: Pipeline, name: str
) -> None:
    bought.write({name: "version: [\n"})

    ended = pipeline("serve", bought.manifest)

    assert ended.code == 3
    assert f"{name}:" in ended.err
