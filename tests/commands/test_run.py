"""`pipeline run` buys what is missing, once, and downloads it."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, picture, spring
from support.checks import assert_nothing_forgotten, assert_valid, assert_whole
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def test_first_run_buys_each_job_once_and_downloads_whole_files(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == len(vendor.ledger.bought) == 2
    assert sorted(project.output()) == [f"{DANCE}.mp4", f"{WALK}.mp4"]
    assert project.statuses() == {DANCE: "done", WALK: "done"}
    assert project.results()["summary"] == {"jobs": {"done": 2}, "credits": 200}
    assert_whole(project)
    assert_nothing_forgotten(project, vendor)


def test_second_run_buys_nothing_and_leaves_the_results_unchanged(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    results = bought.results_file.read_bytes(), bought.results_file.stat().st_mtime_ns

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0
    assert "Nothing was bought" in ended.out
    assert len(vendor.ledger.entries) == 2
    assert (bought.results_file.read_bytes(), bought.results_file.stat().st_mtime_ns) == results


@fails_without("pipeline.operations.run:CampaignRun._execute", "if not plan.asks_vendor and")
def test_run_with_nothing_to_do_needs_neither_key_nor_network(bought: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")

    assert pipeline("run", bought.manifest).code == 0


def forget_the_state(project: Project) -> None:
    shutil.rmtree(project.folder / ".pipeline")


def forget_the_results(project: Project) -> None:
    project.results_file.unlink()


@fails_without(
    "pipeline.operations.open_campaign:_joined",
    "theirs = ",
    swap=("*(each.records for each in results), ", ""),
)
@pytest.mark.parametrize("forget", [forget_the_state, forget_the_results])
def test_either_state_or_results_prevent_buying_again(
    bought: Project, pipeline: Pipeline, vendor: Emulator, forget: Callable[[Project], None]
) -> None:
    before = bought.results_file.read_bytes()
    forget(bought)

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert bought.results_file.read_bytes() == before


@pytest.mark.parametrize("stale", ["state", "results"])
def test_stale_state_or_results_forget_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path, stale: str
) -> None:
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})
    pipeline("run", project.manifest)
    old = tmp_path / "old"
    shutil.copytree(project.folder, old)
    project.write({"campaign.yaml": spring()})
    pipeline("run", project.manifest)
    if stale == "state":
        forget_the_state(project)
        shutil.copytree(old / ".pipeline", project.folder / ".pipeline")
    else:
        shutil.copy(old / "spring.results.json", project.results_file)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert project.statuses() == {DANCE: "done", WALK: "done"}


def test_fresh_clone_resumes_submitted_purchases(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.write({"campaign.yaml": spring(jobs=[{"id": "main", "timeout": "1s"}])})
    vendor.fail({"on": "get", "do": {"patch": {"processing_status": "processing"}}})
    assert pipeline("run", project.manifest).code == 8
    assert project.statuses() == {DANCE: "submitted", WALK: "submitted"}
    vendor.clear_faults()
    forget_the_state(project)

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert_whole(project)


# Edits


def test_renamed_prompt_buys_nothing_and_its_file_is_moved(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files = bought.output()
    bought.write(
        {"campaign.yaml": spring(prompts={"stroll": "a walk in the park", "dance": "a dance in the rain"})}
    )

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert bought.output() == {
        f"{DANCE}.mp4": files[f"{DANCE}.mp4"],
        "main/loop/red/stroll.mp4": files[f"{WALK}.mp4"],
    }


def test_renamed_image_buys_nothing_and_its_files_are_moved(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files = bought.output()
    bought.write(
        {"campaign.yaml": spring(image_sets={"shoes": [{"path": "images/red.png", "id": "runner"}]})}
    )

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert bought.output() == {name.replace("/red/", "/runner/"): content for name, content in files.items()}


def test_swapped_prompts_buy_nothing_and_their_files_are_swapped(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files = bought.output()
    bought.write(
        {"campaign.yaml": spring(prompts={"walk": "a dance in the rain", "dance": "a walk in the park"})}
    )

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    now = bought.output()
    assert (now[f"{WALK}.mp4"], now[f"{DANCE}.mp4"]) == (files[f"{DANCE}.mp4"], files[f"{WALK}.mp4"])
    assert pipeline("plan", bought.manifest, "--detailed-exitcode").code == 0


def test_changed_prompt_is_one_create_and_the_old_file_is_kept(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files, old = bought.output(), bought.jobs()[WALK]["purchase"]
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3
    now = bought.output()
    assert now[f"{WALK}~{old[:7]}.mp4"] == files[f"{WALK}.mp4"]
    assert now[f"{WALK}.mp4"] != files[f"{WALK}.mp4"]
    assert now[f"{DANCE}.mp4"] == files[f"{DANCE}.mp4"]
    assert_whole(bought)


def test_reverted_change_buys_nothing_and_restores_the_first_file(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files = bought.output()
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})
    pipeline("run", bought.manifest)
    bought.write({"campaign.yaml": spring()})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 3
    assert bought.output()[f"{WALK}.mp4"] == files[f"{WALK}.mp4"]


def test_changed_image_is_bought_again(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought.write({"images/red.png": picture("green")})

    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 4


def test_removed_job_is_reported_and_kept_as_an_orphan(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    files = bought.output()
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert "orphan" in ended.out
    assert WALK in ended.out
    assert len(vendor.ledger.entries) == len(vendor.store.workflows()) == 2
    assert bought.output() == files
    assert list(bought.jobs()) == [DANCE]
    assert len(bought.results()["purchases"]) == 2


def test_returning_job_is_served_by_its_orphan(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})
    pipeline("run", bought.manifest)
    bought.write({"campaign.yaml": spring()})

    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


# Sharing and takes


def test_identical_requests_are_bought_once_with_a_file_per_job(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(
        folder,
        {
            "campaign.yaml": spring(
                prompts={"walk": "a walk"}, jobs=[{"id": "main", "matrix": {"locale": ["en", "fr"]}}]
            )
        },
    )

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert "asks for the same as" in ended.out
    assert len(vendor.ledger.entries) == 1
    files = project.output()
    assert sorted(files) == ["main/loop/red/walk/locale=en.mp4", "main/loop/red/walk/locale=fr.mp4"]
    assert len(set(files.values())) == 1
    assert len({job["purchase"] for job in project.jobs().values()}) == 1
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 1


def test_each_take_is_one_create(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    rule = {"id": "main", "repeat": 3}
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[rule])})

    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 3
    assert sorted(project.output()) == [f"main/loop/red/walk{take}.mp4" for take in ("-take2", "-take3", "")]

    rule["repeat"] = 4
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[rule])})
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 4


# Caps


@fails_without("pipeline.planning.make:_exceeded_budget", "if spent + plan.credits > budget")
@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"max_creates": 1}, "max_creates"),
        ({"max_credits": 199}, "max_credits"),
        ({"budget": 199}, "budget"),
    ],
)
def test_exceeded_cap_stops_before_the_first_create(
    folder: Path, pipeline: Pipeline, vendor: Emulator, limits: dict[str, int], named: str
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={**limits})})

    ended = pipeline("run", project.manifest)

    assert ended.code == 4, ended.output
    assert named in ended.output
    assert vendor.ledger.entries == ()
    # Nothing that would count as its records.
    assert not project.results_file.exists()
    assert not project.state.exists()


@pytest.mark.parametrize("limits", [{"max_creates": 2}, {"max_credits": 200}, {"budget": 200}])
def test_exactly_met_cap_stops_nothing(
    folder: Path, pipeline: Pipeline, vendor: Emulator, limits: dict[str, int]
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={**limits})})

    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


@pytest.mark.parametrize("cap", ["max_credits", "budget"])
def test_unknown_price_under_a_credit_cap_stops_before_the_first_create(
    folder: Path, pipeline: Pipeline, vendor: Emulator, cap: str
) -> None:
    templates = {"scene": {"template_id": "vim_arctic"}}
    project = campaign(
        folder, {"campaign.yaml": spring(templates=templates, prompts={}, limits={cap: 1_000_000})}
    )

    ended = pipeline("run", project.manifest)

    assert ended.code == 4, ended.output
    assert "vim_arctic: no known price" in ended.output
    assert "set the price that it needs" in ended.err.splitlines()[-1]
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(("price", "budget", "code"), [(100, 199, 4), (100, 200, 0), (None, 1_000_000, 4)])
def test_budget_includes_earlier_purchases_without_a_price(
    folder: Path, pipeline: Pipeline, vendor: Emulator, price: int | None, budget: int, code: int
) -> None:
    """They count at the price of today, even if no job uses their template any more."""
    scene = spring(templates={"scene": {"template_id": "vim_arctic"}}, prompts={})
    project = campaign(folder, {"campaign.yaml": scene})
    assert pipeline("run", project.manifest).code == 0
    prices = {} if price is None else {"catalog": {"credits": {"vim_arctic": price}}}
    one = spring(prompts={"walk": "a walk"}, limits={"budget": budget}, **prices)
    project.write({"campaign.yaml": one})

    planned = pipeline("plan", project.manifest, "--detailed-exitcode")
    ended = pipeline("run", project.manifest)

    assert (planned.code, ended.code) == (4 if code else 2, code), ended.output
    assert len(vendor.ledger.bought) == (1 if code else 2)
    if price is None:
        told = "vim_arctic: no known price, neither now nor when main/scene/red ("
        assert told in planned.out
        assert told in ended.output
    elif code:
        assert "100 credits on top of 100 spent (100 of them at today's prices)" in ended.output


def test_budget_includes_earlier_runs(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    prompts = {"walk": "a walk in the park", "dance": "a dance in the rain", "run": "a run"}
    bought.write({"campaign.yaml": spring(prompts=prompts, limits={"budget": 299})})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 4, ended.output
    assert len(vendor.ledger.entries) == 2


# What the vendor does


def test_buying_stops_without_credit_and_resumes_with_it(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    prompts = {f"p{number}": f"prompt {number}" for number in range(6)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    vendor.store.credits = 100

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 4, ended.output
    assert (
        "the vendor says that your credit is used up (HTTP 402: INSUFFICIENT_CREDIT): "
        "add credit to your account there, then run again"
    ) in ended.out.splitlines()
    assert len(vendor.ledger.bought) == 1
    assert len(vendor.ledger.entries) == 2
    assert sorted(project.statuses().values()) == ["done", *["pending"] * 5]

    vendor.store.credits = None
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 6


def test_no_credit_during_a_large_upload_is_not_an_unknown_outcome(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.write({"images/red.png": picture() + bytes(20_000_000)})
    refused: Json = {
        "status": 402,
        "at": "before-reading",
        "body": {"message": "INSUFFICIENT_CREDIT"},
        "headers": {"Connection": "close"},  # with unread data
    }
    vendor.fail({"on": "create", "do": refused})

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 4, ended.output
    assert "INSUFFICIENT_CREDIT" in ended.output
    assert project.statuses() == {DANCE: "pending", WALK: "pending"}
    vendor.clear_faults()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_stops_the_run_and_fails_no_job(
    project: Project, pipeline: Pipeline, vendor: Emulator, status: int
) -> None:
    vendor.fail({"on": "create", "do": {"status": status, "body": {"message": "FORBIDDEN"}}})

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 5, ended.output
    assert len(vendor.ledger.entries) == 1
    assert project.statuses() == {DANCE: "pending", WALK: "pending"}
    vendor.clear_faults()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


@pytest.mark.parametrize("key", [None, "", "  ", "two words", "clé", "line\r\nbreak"])
def test_malformed_key_is_refused_before_any_call(
    project: Project, pipeline: Pipeline, vendor: Emulator, key: str | None
) -> None:
    pipeline.set("VIMMERSE_API_KEY", key)

    ended = pipeline("run", project.manifest)

    assert ended.code == 5, ended.output
    assert "VIMMERSE_API_KEY" in ended.output
    assert not key or not key.strip() or key not in ended.output
    assert vendor.ledger.entries == ()


def test_line_end_after_the_key_is_ignored(project: Project, pipeline: Pipeline) -> None:
    pipeline.set("VIMMERSE_API_KEY", "a-key\n")

    assert pipeline("run", project.manifest).code == 0


@pytest.mark.parametrize(
    "fault",
    [
        "reset-after-processing",
        "close-after-processing",
        "reset-after-reading",
        "html",
        "garbage",
        "empty",
        "no-id",
        "odd-id",
        "truncated",
        "partial-headers",
        "partial-status-line",
        "two-lengths",
        {"status": 500, "at": "after-processing"},
        {"status": 502, "body": "<h1>Bad Gateway</h1>"},
        {"status": 503, "headers": {"Retry-After": "0"}},
        {"status": 504},
        {"status": 408},
        {"status": 409},
        {"redirect": "http://127.0.0.1:9/elsewhere"},
    ],
    ids=str,
)
def test_create_with_an_unknown_outcome_is_never_sent_again(
    folder: Path, pipeline: Pipeline, vendor: Emulator, fault: Json
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "create", "do": fault})

    first = pipeline("run", project.manifest)
    vendor.clear_faults()
    second = pipeline("run", project.manifest)

    assert (first.code, second.code) == (7, 7), first.output + second.output
    assert len(vendor.ledger.entries) == 1
    assert project.statuses() == {WALK: "attention"}
    assert_nothing_forgotten(project, vendor)


def test_unknown_outcome_does_not_hold_up_other_jobs(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 1, "do": "reset-after-processing"})

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 7, ended.output
    assert project.statuses() == {DANCE: "attention", WALK: "done"}
    assert "resolve" in ended.output


def test_id_that_another_purchase_has_needs_attention(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "nth": 2, "do": "same-id"})

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 7, ended.output
    assert project.statuses() == {DANCE: "done", WALK: "attention"}
    assert pipeline("run", project.manifest).code == 7
    assert len(vendor.ledger.entries) == 2


def test_unknown_outcome_of_an_orphan_is_named(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "close-after-processing"})
    assert pipeline("run", project.manifest).code == 7
    vendor.clear_faults()
    unknown = next(each["id"] for each in project.results()["purchases"] if each["status"] == "attention")
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    ended = pipeline("run", project.manifest)

    assert ended.code == 7
    assert f"{WALK} ({unknown}): needs attention, serves no job now" in ended.out
    planned = pipeline("plan", project.manifest).out
    assert f"{WALK}  orphan: its job is no longer in the manifest, and it needs attention" in planned


def test_three_unknown_outcomes_in_a_row_stop_buying(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    prompts = {f"p{number}": f"prompt {number}" for number in range(6)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts)})
    vendor.fail({"on": "create", "do": "close-after-processing"})

    ended = pipeline("run", project.manifest, "--concurrency", "1")

    assert ended.code == 7, ended.output
    assert len(vendor.ledger.entries) == 3
    assert sorted(project.statuses().values()) == ["attention"] * 3 + ["pending"] * 3


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 422])
def test_refused_request_fails_only_its_job_and_is_not_repeated(
    project: Project, pipeline: Pipeline, vendor: Emulator, status: int
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": status}})

    first = pipeline("run", project.manifest)
    vendor.clear_faults()
    second = pipeline("run", project.manifest)

    assert (first.code, second.code) == (1, 1), first.output + second.output
    assert "Nothing was bought.\n" in second.out
    assert len(vendor.ledger.entries) == 2
    jobs = project.jobs()
    assert jobs[DANCE]["status"] == "done"
    assert (jobs[WALK]["status"], jobs[WALK]["reason"]) == ("failed", "rejected")
    assert "; change what it asks for" in second.out


def test_huge_refusal_full_of_escapes_becomes_one_short_safe_line(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    body: Json = {"detail": "\x1b[31m" * 100_000}
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422, "body": body}})

    ended = pipeline("run", project.manifest)

    assert ended.code == 1, ended.output
    error = next(each["error"] for each in project.results()["purchases"] if each["key"] == WALK)
    assert error.startswith(r"HTTP 422: \x1b[31m")
    for text in (error, *ended.output.splitlines()):
        assert len(text) < 1000
        assert text.isprintable()


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_workflow_failed_by_the_vendor_is_paid_and_fails_its_job(
    project: Project, pipeline: Pipeline, vendor: Emulator, end: str
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": end})

    ended = pipeline("run", project.manifest)

    assert ended.code == 1, ended.output
    jobs = project.jobs()
    assert (jobs[WALK]["status"], jobs[WALK]["reason"]) == ("failed", "vendor")
    assert project.results()["summary"]["credits"] == 200


def test_rate_limited_create_waits_and_is_bought_once(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    limited: Json = {"status": 429, "headers": {"Retry-After": "0"}}
    vendor.fail({"on": "create", "times": 1, "do": limited})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 2
    assert len(vendor.ledger.entries) == 3


def test_create_that_was_not_fully_sent_is_sent_again(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline.set("VIMMERSE_BASE_URL", "http://127.0.0.1:9")
    unreachable = pipeline("run", project.manifest, "--concurrency", "1")
    assert unreachable.code == 8, unreachable.output
    assert project.statuses() == {DANCE: "pending", WALK: "pending"}

    pipeline.set("VIMMERSE_BASE_URL", vendor.url)
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_workflow_slower_than_its_timeout_is_left_to_the_next_run(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(
        folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", "timeout": "1s"}])}
    )
    vendor.fail({"on": "create", "do": "stuck"})

    first = pipeline("run", project.manifest)
    second = pipeline("run", project.manifest)

    assert (first.code, second.code) == (8, 8), first.output + second.output
    assert "run again" in first.output
    assert len(vendor.ledger.entries) == 1
    assert project.statuses() == {WALK: "submitted"}


def test_unusable_result_url_is_not_reported_as_running(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(
        folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", "timeout": "1s"}])}
    )
    ended_badly: Json = {"processing_status": "success", "result": [{"url": "file:///walk.mp4?sig=s3cret"}]}
    vendor.fail({"on": "get", "do": {"patch": ended_badly}})

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    expected = "the vendor reports success, but the url of its result cannot be used: file:///walk.mp4;"
    assert f"{WALK}: {expected}" in ended.output
    assert "1 finished without a usable result." in ended.out
    assert "s3cret" not in ended.output
    assert project.statuses() == {WALK: "submitted"}
    vendor.clear_faults()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 1


def test_temporarily_failing_poll_changes_nothing(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "get", "times": 2, "do": {"status": 500}})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize("fault", ["truncated", "expired", "reset-after-processing"])
def test_failed_download_leaves_no_file_and_is_repaired_by_the_next_run(
    folder: Path, pipeline: Pipeline, vendor: Emulator, fault: str
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "download", "do": fault})

    first = pipeline("run", project.manifest)

    assert first.code == 8, first.output
    assert project.statuses() == {WALK: "succeeded"}
    assert f"{WALK}.mp4" not in project.output()
    vendor.clear_faults()
    second = pipeline("run", project.manifest)
    assert second.code == 0, second.output
    assert len(vendor.ledger.entries) == 1
    assert_whole(project)


@fails_without(
    "pipeline.operations.record_assignment:served_by",
    "return {",
    swap=("purchase.status is not Status.SUBMITTING", "True"),
)
def test_void_wave_keeps_the_purchases_that_last_served(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk", "dance": "a dance"})})
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"stroll": "a walk", "turn": "a dance"})})
    assert pipeline("run", project.manifest).code == 0
    served = {key: job["purchase"] for key, job in project.jobs().items()}
    project.write({"campaign.yaml": spring(prompts={"stroll": "a run", "turn": "a run"})})

    ended = pipeline("run", project.manifest, "--checkpoint", "false")

    assert ended.code == 8, ended.output
    assert set(project.statuses().values()) == {"pending"}
    assert {key: job["last"] for key, job in project.jobs().items()} == served
    shutil.rmtree(project.folder / ".pipeline")
    planned = pipeline("plan", project.manifest, "--format", "json").document["actions"]
    assert {each["action"] for each in planned} == {"replace", "share", "orphan"}
    assert len(vendor.ledger.entries) == 2


def test_video_declared_as_html_is_recognised_by_its_bytes(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "download", "do": "wrong-type"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    [output] = project.jobs()[WALK]["outputs"]
    assert output["content_type"] == "video/mp4"
    assert_whole(project)


def test_retry_after_beyond_the_timeout_is_left_to_a_later_run(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    vendor.fail({"on": "create", "do": {"status": 429, "headers": {"Retry-After": "86400"}}})

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    assert "deferred by the vendor for 86,400 s" in ended.out
    for told in (pipeline("status", project.manifest).out, pipeline("show", project.manifest, WALK).out):
        assert "not bought by the last run: deferred by the vendor for 86,400 s" in told
    assert "run again later" in ended.out
    assert len(vendor.ledger.entries) == 1
    assert project.statuses() == {WALK: "pending"}


def test_list_of_many_failures_is_cut_and_counted(
    project: Project, pipeline: Pipeline, vendor: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cli.run_output._MAX_LISTED", 1)
    vendor.fail({"on": "create", "do": {"status": 422, "body": {"detail": "no"}}})

    ended = pipeline("run", project.manifest, "-q")

    assert ended.code == 1
    assert ended.out.count("failed (rejected)") == 1
    assert "and 1 more; `pipeline status campaign.yaml` lists all of them" in ended.out


def test_failures_within_the_threshold_are_reported_and_exit_0(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits={"fail_threshold": 0.5})})
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "fail"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert f"{WALK}: failed" in ended.out


@pytest.mark.parametrize("wanted", [True, False])
def test_failure_is_reported_to_the_vendor_if_configured(
    folder: Path, pipeline: Pipeline, vendor: Emulator, wanted: bool
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(provider={"report_errors": wanted})})
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": "fail"})

    assert pipeline("run", project.manifest).code == 1

    logs = [path.read_text() for path in vendor.settings.folder.rglob("errors-*.log")]
    assert len(logs) == wanted
    assert all(WALK in log and "each_explodedloop_0226" in log for log in logs)


# What is sent


def test_both_api_versions_give_the_same_result_and_share_purchases(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.write({"campaign.yaml": spring(provider={"api": "v2"})})
    assert pipeline("run", project.manifest).code == 0
    assert_whole(project)

    project.write({"campaign.yaml": spring(provider={"api": "v1"})})
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_local_file_in_an_option_is_uploaded_and_lists_are_sent_as_text(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    backgrounds = ["https://cdn.example.com/beach.mp4", {"file": "images/red.png"}]
    options = {"background_urls": backgrounds, "motion_type": "Auto"}
    templates = {"overlay": {"template_id": "overlay_gray_5443", "options": options}}
    manifest = spring(templates=templates, prompts={}, output={"steps": True})
    project = campaign(folder, {"campaign.yaml": manifest})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    sent = vendor.store.workflows()[0].options["background_urls"]
    assert isinstance(sent, str)
    beach, uploaded = sent.split(",")
    assert beach == "https://cdn.example.com/beach.mp4"
    assert uploaded.startswith(f"{vendor.url}/media/")
    # A signature is a temporary secret: the records have the file's hash instead.
    assert "signature=" not in project.results_file.read_text()
    steps = [name for name in project.output() if ".steps/" in name]
    assert [name.rpartition("/")[2] for name in steps] == [
        "01-crop_to_content.png",
        "02-replace_alpha_with_gray.png",
        "03-upscale.png",
        "04-create_media.mp4",
        "05-video_overlay.mp4",
    ]
    assert_whole(project)


def test_title_names_the_purchase_so_that_a_lost_create_can_be_found(
    bought: Project, vendor: Emulator
) -> None:
    jobs = bought.jobs()

    assert {entry.title for entry in vendor.ledger.entries} == {
        f"spring: {key} ({jobs[key]['purchase']})" for key in (DANCE, WALK)
    }


def test_nothing_is_public_unless_the_manifest_says_so(bought: Project, vendor: Emulator) -> None:
    assert {workflow.visibility for workflow in vendor.store.workflows()} == {"0"}


# Files


def test_unknown_file_at_the_output_path_is_named_and_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    project.write({f"output/spring/{WALK}.mp4": "my own film"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    assert f"{WALK}.mp4" in ended.output
    assert project.output()[f"{WALK}.mp4"] == b"my own film"
    assert project.statuses() == {DANCE: "done", WALK: "succeeded"}

    (project.folder / f"output/spring/{WALK}.mp4").unlink()
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 2
    assert_whole(project)


def test_link_at_the_output_path_and_its_target_are_left_alone(
    project: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.mp4"
    victim.write_bytes(b"a film of somebody else")
    place = project.folder / f"output/spring/{WALK}.mp4"
    place.parent.mkdir(parents=True)
    place.symlink_to(victim)

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    assert victim.read_bytes() == b"a film of somebody else"
    assert place.is_symlink()


def test_folder_at_the_output_path_is_named_and_left_alone(project: Project, pipeline: Pipeline) -> None:
    (project.folder / f"output/spring/{WALK}.mp4").mkdir(parents=True)

    ended = pipeline("run", project.manifest)

    assert ended.code == 8, ended.output
    assert f"{WALK}.mp4" in ended.output
    assert project.statuses() == {DANCE: "done", WALK: "succeeded"}


def test_link_out_of_the_output_folder_is_not_followed(
    project: Project, pipeline: Pipeline, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.folder / "output/spring").mkdir(parents=True)
    (project.folder / "output/spring/main").symlink_to(outside)

    assert pipeline("run", project.manifest).code == 8
    assert list(outside.rglob("*.mp4")) == []


def test_missing_file_is_reported_and_never_bought_again(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    (bought.folder / f"output/spring/{WALK}.mp4").unlink()

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert "collect" in ended.out
    assert len(vendor.ledger.entries) == 2


def test_altered_file_is_reported_and_left_alone(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought.write({f"output/spring/{WALK}.mp4": "cut by hand"})

    ended = pipeline("run", bought.manifest)

    assert ended.code == 0, ended.output
    assert "altered" in ended.out
    assert bought.output()[f"{WALK}.mp4"] == b"cut by hand"
    assert len(vendor.ledger.entries) == 2


def test_missing_image_stops_the_run_without_buying(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    (bought.folder / "images/red.png").unlink()

    ended = pipeline("run", bought.manifest)

    assert ended.code == 3
    assert "images/red.png" in ended.output
    assert len(vendor.ledger.entries) == 2


# Rehearsals


@pytest.fixture
def rehearsed(project: Project, pipeline: Pipeline) -> Project:
    assert pipeline("run", project.manifest, "--emulate").code == 0
    return project


@pytest.mark.parametrize("command", ["run", "plan", "status", "collect", "prune"])
def test_results_of_a_rehearsal_do_not_pass_for_real_ones(
    rehearsed: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    shutil.copy(rehearsed.folder / "spring.emulated.results.json", rehearsed.results_file)

    ended = pipeline(command, rehearsed.manifest)

    assert ended.code == 3, ended.output
    assert "spring.results.json: it is of a rehearsal" in ended.output
    assert not rehearsed.state.exists()
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize("command", ["run", "plan", "status", "collect", "prune"])
def test_real_results_do_not_pass_for_those_of_a_rehearsal(
    bought: Project, pipeline: Pipeline, command: str
) -> None:
    shutil.copy(bought.results_file, bought.folder / "spring.emulated.results.json")

    ended = pipeline(command, bought.manifest, "--emulate")

    assert ended.code == 3, ended.output
    assert "spring.emulated.results.json: it does not say that it is of a rehearsal" in ended.output
    assert not (bought.folder / ".pipeline" / "spring.emulated.db").exists()


def test_real_export_is_not_imported_into_a_rehearsal(
    bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(pipeline("state", "export", bought.manifest).out))

    ended = pipeline("state", "import", bought.manifest, "--emulate")

    assert ended.code == 3, ended.output
    assert "it does not say that it is of a rehearsal" in ended.err


def test_exported_rehearsal_is_only_imported_into_a_rehearsal(
    rehearsed: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = pipeline("state", "export", rehearsed.manifest, "--emulate").out

    monkeypatch.setattr("sys.stdin", io.StringIO(exported))
    real = pipeline("state", "import", rehearsed.manifest)
    monkeypatch.setattr("sys.stdin", io.StringIO(exported))
    again = pipeline("state", "import", rehearsed.manifest, "--emulate")

    assert real.code == 3, real.output
    assert "it is of a rehearsal" in real.err
    assert not rehearsed.results_file.exists()
    assert again.code == 0, again.output


def test_rehearsal_is_not_merged_with_real_results(
    rehearsed: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", rehearsed.manifest).code == 0
    emulated = rehearsed.folder / "spring.emulated.results.json"
    out = ("--out", str(rehearsed.folder / "joined.results.json"))

    mixed = pipeline("merge", str(rehearsed.results_file), str(emulated), *out)
    alone = pipeline("merge", str(emulated), str(emulated), *out)

    assert mixed.code == 3, mixed.output
    assert "the results of a rehearsal cannot be joined with others" in mixed.err
    assert alone.code == 0, alone.output
    joined = json.loads((rehearsed.folder / "joined.results.json").read_bytes())
    assert joined["emulated"] is True


@fails_without(
    "pipeline.operations.workspace:workspace_of",
    "name = f'{campaign.name}",
    swap=("f'{campaign.name}.emulated' if emulated else campaign", "campaign"),
)
@pytest.mark.parametrize("flags", [("--emulate",), ()], ids=["flag", "manifest"])
def test_rehearsal_makes_real_files_and_touches_no_real_record(
    project: Project, pipeline: Pipeline, vendor: Emulator, flags: tuple[str, ...]
) -> None:
    pipeline.set("VIMMERSE_API_KEY", None)
    if not flags:
        project.write({"campaign.yaml": spring(provider={"name": "emulator"})})

    ended = pipeline("run", project.manifest, *flags)

    assert ended.code == 0, ended.output
    assert vendor.ledger.entries == ()
    assert not project.results_file.exists()
    assert not project.state.exists()
    written = json.loads((project.folder / "spring.emulated.results.json").read_bytes())
    assert_valid(written, "results")
    assert written["summary"]["jobs"] == {"done": 2}
    assert sorted(project.output()) == [f"emulated/{DANCE}.mp4", f"emulated/{WALK}.mp4"]


@pytest.mark.parametrize("name", ["state", "results", "output"])
def test_rehearsal_with_real_records_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, name: str
) -> None:
    before = project.tree()

    by_flag = pipeline("run", project.manifest, "--emulate", f"--{name}", "x")
    pipeline.set(f"PIPELINE_{name.upper()}", "x")
    by_environment = pipeline("run", project.manifest, "--emulate")

    assert (by_flag.code, by_environment.code) == (64, 64)
    assert f"--{name}" in by_flag.err
    assert project.tree() == before


# Records


def test_flags_and_environment_choose_where_records_go(
    project: Project, pipeline: Pipeline, vendor: Emulator, tmp_path: Path
) -> None:
    pipeline.set("PIPELINE_OUTPUT", str(tmp_path / "films"))

    ended = pipeline(
        "run", project.manifest, "--state", tmp_path / "s.db", "--results", f"{tmp_path}/published/"
    )

    assert ended.code == 0, ended.output
    assert (tmp_path / "s.db").is_file()
    assert json.loads((tmp_path / "published/spring.results.json").read_bytes())["campaign"] == "spring"
    assert (tmp_path / f"films/{WALK}.mp4").is_file()
    assert project.output() == {}


@fails_without(
    "pipeline.operations.published_results:_assert_ours",
    "if results.campaign != campaign",
    swap=(
        'results.campaign != campaign.name:\n    raise InvalidInput(f"{name',
        'False:\n    raise InvalidInput(f"{name',
    ),
)
def test_results_of_another_campaign_are_refused_before_buying(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought.write({"campaign.yaml": spring(name="autumn")})
    renamed = pipeline("run", bought.manifest)
    bought.write({"other.yaml": spring(name="other")})
    other = pipeline("run", "other.yaml", "--results", bought.results_file)

    assert (renamed.code, other.code) == (3, 3), renamed.output + other.output
    assert "spring" in renamed.err
    assert "another campaign" in other.err
    assert len(vendor.ledger.entries) == 2


def test_renamed_campaign_with_only_shard_results_is_not_bought_again(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    for shard in ("1/2", "2/2"):
        assert pipeline("run", project.manifest, "--shard", shard).code == 0
    project.write({"campaign.yaml": spring(name="autumn")})

    whole = pipeline("run", project.manifest)
    part = pipeline("run", project.manifest, "--shard", "1/2")

    assert (whole.code, part.code) == (3, 3), whole.output + part.output
    assert "rename the file to autumn.results.1-of-2.json" in whole.err
    assert len(vendor.ledger.entries) == 2
    project.write(
        {"spring.results.old.json": project.folder.joinpath("spring.results.1-of-2.json").read_bytes()}
    )
    for each in project.folder.glob("spring.results.*-of-2.json"):
        each.unlink()
    # Their states still know the purchases.
    assert pipeline("plan", project.manifest).code == 3
    for each in project.folder.glob(".pipeline/spring.*"):
        each.unlink()
    assert pipeline("plan", project.manifest).code == 0


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"x" * 200])
def test_incomplete_state_is_refused_and_left_alone(
    project: Project, pipeline: Pipeline, vendor: Emulator, content: bytes
) -> None:
    project.write({".pipeline/spring.db": content})

    ended = pipeline("run", project.manifest)

    assert ended.code == 3, ended.output
    assert "spring.db" in ended.err
    assert project.state.read_bytes() == content
    assert vendor.ledger.entries == ()


def test_results_with_a_merge_conflict_are_refused_with_instructions(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    whole = bought.results_file.read_text()
    bought.results_file.write_text(f"<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> theirs\n")

    ended = pipeline("run", bought.manifest)

    assert ended.code == 3
    assert "merge conflict" in ended.err
    assert "pipeline merge" in ended.err
    assert len(vendor.ledger.entries) == 2


def test_unwritable_results_lose_nothing(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    project.write({"file": "no folder"})

    ended = pipeline("run", project.manifest, "--results", "file/spring.results.json")

    assert ended.code in (3, 8), ended.output
    assert "Traceback" not in ended.output
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.bought) == 2


def test_invalid_manifest_buys_nothing(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    project.write({"campaign.yaml": spring(promts={})})

    ended = pipeline("run", project.manifest)

    assert ended.code == 3
    assert "did you mean 'prompts'" in ended.err
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    "arguments",
    [("--concurrency", "0"), ("--no-such-flag",), ("--var", "season"), ("--request-timeout", "x")],
)
def test_wrong_usage_has_its_own_exit_code(
    project: Project, pipeline: Pipeline, vendor: Emulator, arguments: tuple[str, ...]
) -> None:
    assert pipeline("run", project.manifest, *arguments).code == 64
    assert vendor.ledger.entries == ()


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "http://api.example.com", "https://k@api.example.com", "//"]
)
def test_url_that_the_key_must_not_go_to_is_wrong_usage(
    project: Project, pipeline: Pipeline, url: str
) -> None:
    pipeline.set("VIMMERSE_BASE_URL", url)

    assert pipeline("run", project.manifest).code == 64


def test_video_that_is_gone_at_the_vendor_is_not_promised_for_the_next_run(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--no-download").code == 0
    for workflow in vendor.store.workflows():
        if "walk" in workflow.title:
            vendor.store.delete(workflow.id)

    for command in ("run", "collect"):
        ended = pipeline(command, project.manifest)

        assert ended.code == 8, ended.output
        assert project.statuses() == {DANCE: "done", WALK: "succeeded"}
        assert (
            "1 job has files that are not here and no workflow at the vendor, so running again does not finish it"
            in ended.out
        )
        assert f"`pipeline redo campaign.yaml {WALK}` has it bought again" in ended.out
        assert "downloads the rest" not in ended.out
    gone = project.jobs()[WALK]["purchase"]
    assert pipeline("redo", project.manifest, WALK).code == 0
    for command in ("run", "run", "collect"):
        ended = pipeline(command, project.manifest)
        assert ended.code == 8, ended.output
        assert project.statuses() == {DANCE: "done", WALK: "done"}
        # The job is done, so it is the purchase that is named, with the command that helps.
        assert f"{WALK} ({gone}): its files cannot be downloaded" in ended.out
        assert "1 purchase that serves no job has files that are not here and no workflow" in ended.out
        assert f"`pipeline prune campaign.yaml {gone}` records that it is gone" in ended.out
        assert "`redo`" not in ended.out
        assert "`pipeline redo" not in ended.out
    assert pipeline("prune", project.manifest, gone, "--yes").code == 0
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 3
