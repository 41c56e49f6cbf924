"""The flags of `run` and the corresponding settings of a manifest."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.protection import fails_without

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


def several(number: int, **changes: Any) -> dict[str, Any]:
    """A campaign with `number` jobs of one template."""
    return spring(prompts={f"p{each}": f"prompt {each}" for each in range(number)}, **changes)


def one(**rule: Any) -> dict[str, Any]:
    """A campaign of one job."""
    return spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", **rule}])


def creates(vendor: Emulator) -> int:
    """The number of creates that reached the vendor."""
    return len(vendor.ledger.entries)


# --frozen


def test_frozen_exits_4_and_does_nothing_if_something_would_be_bought(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    assert pipeline("run", project.manifest, "--select", "prompt:walk", "--no-wait").code == 0

    ended = pipeline("run", project.manifest, "--frozen")

    assert ended.code == 4
    assert "1 to buy, but --frozen: nothing was done" in ended.output
    assert creates(vendor) == 1
    assert project.output() == {}
    assert project.statuses() == {DANCE: "pending", WALK: "submitted"}


def test_frozen_finishes_what_is_paid_for(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    assert pipeline("run", project.manifest, "--no-wait").code == 0

    assert pipeline("run", project.manifest, "--frozen").code == 0
    assert len(project.output()) == creates(vendor) == 2


# --no-wait, --no-download, --require-results


def test_no_wait_buys_and_exits_and_the_next_run_continues(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    left = pipeline("run", project.manifest, "--no-wait")
    assert left.code == 0, left.output
    assert project.statuses() == {DANCE: "submitted", WALK: "submitted"}

    assert pipeline("run", project.manifest).code == 0
    assert project.statuses() == {DANCE: "done", WALK: "done"}
    assert creates(vendor) == 2


def test_no_download_leaves_files_for_collect(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    left = pipeline("run", project.manifest, "--no-download")
    assert left.code == 0, left.output
    assert project.statuses() == {DANCE: "succeeded", WALK: "succeeded"}
    assert project.output() == {}
    assert pipeline("run", project.manifest, "--no-download").code == 0

    assert pipeline("collect", project.manifest).code == 0
    assert project.statuses() == {DANCE: "done", WALK: "done"}
    assert creates(vendor) == 2


def test_require_results_refuses_to_buy_again(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    ended = pipeline("run", project.manifest, "--require-results")
    assert ended.code == 3
    assert "spring.results.json: missing, and there is no state with a purchase" in ended.err
    assert not vendor.ledger.entries

    assert pipeline("run", project.manifest).code == 0
    shutil.rmtree(project.folder / ".pipeline")
    assert pipeline("run", project.manifest, "--require-results").code == 0
    assert creates(vendor) == 2


# Failures


def test_fail_fast_stops_buying_after_a_failure(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": several(6)})
    vendor.fail({"on": "create", "nth": 2, "do": {"status": 422, "body": {"detail": []}}})

    ended = pipeline("run", project.manifest, "--fail-fast", "--concurrency", "1", "--in-flight", "1")

    assert ended.code == 1, ended.output
    assert creates(vendor) == 2
    assert sorted(project.statuses().values()) == ["done", "failed", *["pending"] * 4]


def test_without_fail_fast_other_jobs_are_bought(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": several(6)})
    vendor.fail({"on": "create", "nth": 2, "do": {"status": 422, "body": {"detail": []}}})

    assert pipeline("run", project.manifest, "--concurrency", "1").code == 1
    assert sorted(project.statuses().values()) == [*["done"] * 5, "failed"]


@pytest.mark.parametrize(
    ("limit", "flag", "code"),
    [(None, None, 1), (0.25, None, 0), (0.2, None, 1), (None, "0.25", 0), (1.0, "0", 1), (0, "1", 0)],
)
def test_failures_within_the_threshold_do_not_fail_the_run(
    folder: Path, pipeline: Pipeline, vendor: Emulator, limit: float | None, flag: str | None, code: int
) -> None:
    limits = {} if limit is None else {"fail_threshold": limit}
    project = campaign(folder, {"campaign.yaml": several(4, limits=limits)})
    vendor.fail({"on": "create", "nth": 1, "do": "fail"})

    ended = pipeline("run", project.manifest, *([] if flag is None else ["--fail-threshold", flag]))

    assert ended.code == code, ended.output
    assert sorted(project.statuses().values()) == ["done", "done", "done", "failed"]


def test_failed_job_is_not_bought_again_by_default(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    pipeline("run", project.manifest)
    vendor.clear_faults()

    again = pipeline("run", project.manifest)
    assert again.code == 1
    assert "--retry-failed buys it again" in again.out
    assert creates(vendor) == 2

    assert pipeline("run", project.manifest, "--retry-failed").code == 0
    assert creates(vendor) == 4
    assert project.results()["summary"]["credits"] == 400


# retries


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_bought_at_once_up_to_the_limit(
    folder: Path, pipeline: Pipeline, vendor: Emulator, retries: int
) -> None:
    project = campaign(folder, {"campaign.yaml": one(retries=retries)})
    vendor.fail({"on": "create", "do": "fail"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 1, ended.output
    assert len(vendor.ledger.bought) == 1 + retries
    assert pipeline("run", project.manifest).code == 1
    assert len(vendor.ledger.bought) == 1 + retries


def test_successful_retry_exits_0(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": one(retries=2)})
    vendor.fail({"on": "create", "nth": 1, "do": "fail"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 2
    assert project.statuses() == {WALK: "done"}


def test_retries_are_counted_over_all_runs_and_machines(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": one()})
    vendor.fail({"on": "create", "do": "fail"})
    assert pipeline("run", project.manifest).code == 1
    shutil.rmtree(project.folder / ".pipeline")
    project.write({"campaign.yaml": one(retries=2)})

    shown = pipeline("plan", project.manifest, "--format", "json").document
    assert [(each["action"], each["credits"]) for each in shown["actions"]] == [("retry", 100)]
    assert pipeline("run", project.manifest).code == 1
    assert len(vendor.ledger.bought) == 3


def test_rejected_by_the_vendor_is_not_retried(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": one(retries=3)})
    vendor.fail({"on": "create", "do": {"status": 422, "body": {"detail": []}}})

    assert pipeline("run", project.manifest).code == 1
    assert creates(vendor) == 1


@fails_without(
    "pipeline.engine.failures:Failures._retry",
    "if not jobs or self._is_served_otherwise",
    swap=("not jobs or self._is_served_otherwise(jobs[0])", "not jobs"),
)
def test_failed_job_is_not_retried_if_another_machine_bought_the_same(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": one(retries=3)})
    vendor.fail({"on": "create", "do": "fail", "nth": 2})
    theirs = folder / "theirs.json"
    elsewhere = ("--state", folder / "theirs.db", "--results", theirs)
    for where in (elsewhere, ()):
        assert pipeline("run", project.manifest, "--no-wait", *where).code == 0
    assert pipeline("merge", project.results_file, theirs, "--out", project.results_file).code == 0

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 2
    assert project.statuses() == {WALK: "done"}


@pytest.mark.parametrize(
    ("limits", "most"), [({"max_creates": 2}, 2), ({"max_credits": 200}, 2), ({"budget": 300}, 3)]
)
def test_retries_stay_within_the_caps(
    folder: Path, pipeline: Pipeline, vendor: Emulator, limits: dict[str, int], most: int
) -> None:
    project = campaign(folder, {"campaign.yaml": {**one(retries=9), "limits": limits}})
    vendor.fail({"on": "create", "do": "fail"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 4, ended.output
    assert len(vendor.ledger.bought) == most


# Canary


def test_canary_goes_first_and_the_rest_after_it_succeeds(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    project = campaign(folder, {"campaign.yaml": several(5, limits={"canary": True})})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.bought) == 5


def test_failed_canary_stops_the_rest_of_its_template(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    manifest = several(5, limits={"canary": True})
    manifest["templates"]["moon"] = {"template_id": "each_moonwalk_0226"}
    project = campaign(folder, {"campaign.yaml": manifest})
    vendor.fail({"on": "create", "match": {"template": "each_explodedloop_0226"}, "do": "fail"})

    ended = pipeline("run", project.manifest)

    assert ended.code == 1, ended.output
    by_template = [entry.template_id for entry in vendor.ledger.bought]
    assert by_template.count("each_explodedloop_0226") == 1
    assert by_template.count("each_moonwalk_0226") == 1
    loops = [status for key, status in project.statuses().items() if "/loop/" in key]
    assert sorted(loops) == ["failed", *["pending"] * 4]


# --max-creates, --max-credits


@pytest.mark.parametrize(
    ("flag", "value", "code"),
    [
        ("--max-creates", 1, 4),
        ("--max-creates", 2, 0),
        ("--max-creates", 0, 4),
        ("--max-credits", 199, 4),
        ("--max-credits", 200, 0),
    ],
)
def test_cap_of_one_run_stops_before_the_first_create(
    project: Project, pipeline: Pipeline, vendor: Emulator, flag: str, value: int, code: int
) -> None:
    ended = pipeline("run", project.manifest, flag, str(value))

    assert ended.code == code, ended.output
    assert creates(vendor) == (2 if code == 0 else 0)


@pytest.mark.parametrize(
    ("flag", "limits"), [("--max-creates", {"max_creates": 5}), ("--max-credits", {"max_credits": 500})]
)
def test_flag_may_only_lower_the_limit_of_the_manifest(
    folder: Path, pipeline: Pipeline, vendor: Emulator, flag: str, limits: dict[str, int]
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(limits=limits)})
    [limit] = limits.values()

    ended = pipeline("run", project.manifest, flag, str(limit + 1))

    assert ended.code == 64
    assert "it can only be lowered" in ended.err
    assert not vendor.ledger.entries
    assert pipeline("run", project.manifest, flag, str(limit)).code == 0


@pytest.mark.parametrize("command", ["", " "])
@fails_without(
    "pipeline.cli.parameters:_NeverEmpty._assert_says_something",
    "if isinstance(word, str) and (not word.strip()):",
)
def test_checkpoint_that_does_nothing_is_refused(
    project: Project, pipeline: Pipeline, vendor: Emulator, command: str
) -> None:
    ended = pipeline("run", project.manifest, "--yes", "--checkpoint", command)

    assert ended.code == 64, ended.output
    assert "--checkpoint" in ended.err
    assert creates(vendor) == 0


def test_failed_checkpoint_is_told_once(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    ended = pipeline("run", project.manifest, "--yes", "--checkpoint", "echo no way; exit 1")

    assert ended.code == 8, ended.output
    assert ended.output.count("the checkpoint command failed with exit code 1: no way") == 1
    assert creates(vendor) == 0


def test_flag_overrides_its_environment_variable(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline.set("PIPELINE_MAX_CREATES", "1")
    assert pipeline("run", project.manifest).code == 4

    assert pipeline("run", project.manifest, "--max-creates", "2").code == 0
    assert creates(vendor) == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CONCURRENCY", "many", "'--concurrency': 'many' is not a whole number (from PIPELINE_CONCURRENCY)"),
        ("RATE", "fast", "'--rate': 'fast' is not a number (from PIPELINE_RATE)"),
        ("CONCURRENCY", "0", "is not in the range 1<=x<=256 (from PIPELINE_CONCURRENCY)"),
    ],
)
def test_wrong_value_in_the_environment_is_named_as_such(
    project: Project, offline: Pipeline, name: str, value: str, said: str
) -> None:
    flag = f"--{name.lower()}"
    of_flag = offline("run", project.manifest, flag, value)
    assert of_flag.code == 64
    assert "(from" not in of_flag.err

    offline.set(f"PIPELINE_{name}", value)
    ended = offline("run", project.manifest)
    assert ended.code == 64
    assert said in ended.err


# --replace


def test_replace_buys_again_once_each_time_it_is_given(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("run", project.manifest)
    for number in (3, 4):
        assert pipeline("run", project.manifest, "--replace", "prompt:walk").code == 0
        assert creates(vendor) == number

    assert pipeline("run", project.manifest).code == 0
    assert creates(vendor) == 4


def test_shared_purchase_is_replaced_once(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    manifest = spring(prompts={"walk": "a walk"}, jobs=[{"id": "main", "matrix": {"locale": ["en", "fr"]}}])
    project = campaign(folder, {"campaign.yaml": manifest})
    pipeline("run", project.manifest)
    assert creates(vendor) == 1

    assert pipeline("run", project.manifest, "--replace", "matrix.locale:fr").code == 0

    assert creates(vendor) == 2
    assert len({job["purchase"] for job in project.jobs().values()}) == 1


# Where records lie


@pytest.mark.parametrize("flag", ["--state", "--results", "--output"])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgres:/u:hunter2@db/x", "only `--state postgres://…`"),
        ("S3://hunter2/films", "only `--output s3://BUCKET/PREFIX`"),
        ("s3:hunter2/films", "only `--output s3://BUCKET/PREFIX`"),
        ("ftp://u:hunter2@host/x", "expected a path"),
        ("mysql+driver://u:hunter2@host/x", "mysql+driver://…: expected a path"),
        ("://u:hunter2@host/x", "expected a path"),
    ],
)
def test_url_is_never_treated_as_a_path(
    project: Project, pipeline: Pipeline, vendor: Emulator, flag: str, address: str, expected: str
) -> None:
    before = project.tree()

    ended = pipeline("run", project.manifest, flag, address)

    assert ended.code == 64, ended.output
    assert expected in ended.err
    assert flag in ended.err
    assert "hunter2" not in ended.output
    assert project.tree() == before
    assert creates(vendor) == 0


@pytest.mark.parametrize("flag", ["--results", "--output"])
def test_database_url_is_not_a_path(project: Project, pipeline: Pipeline, flag: str) -> None:
    ended = pipeline("run", project.manifest, flag, "postgresql://u:hunter2@db/x")

    assert ended.code == 64, ended.output
    assert "only `--state postgresql://…` names a database" in ended.err
    assert "hunter2" not in ended.output


@pytest.mark.parametrize(
    "address",
    ["postgresql://u:hunter2@x@db/x", "postgresql://u:hunt/er2@db/x", "postgresql://u:hunter2\n@db/x"],
)
def test_password_that_cannot_be_delimited_is_refused(
    project: Project, pipeline: Pipeline, address: str
) -> None:
    ended = pipeline("plan", project.manifest, "--state", address)

    assert ended.code == 64, ended.output
    assert "er2" not in ended.output


def test_database_url_in_the_environment_needs_its_extra(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra, every command refuses a database URL and names the extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "pipeline.state.postgres", raising=False)
    pipeline.set("PIPELINE_STATE", "postgresql://u:hunter2@db/x")

    for command in (("plan", project.manifest), ("collect", project.manifest), ("status", project.manifest)):
        ended = pipeline(*command)
        assert ended.code == 64, ended.output
        assert "campaign-pipeline[postgres]" in ended.err
        assert "hunter2" not in ended.output


def test_records_at_a_url_are_not_collected(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("collect", "postgresql://u:hunter2@db/x")

    assert ended.code == 64
    assert "hunter2" not in ended.output


@pytest.mark.parametrize("name", ["./with:colon.db", "./https:", "a/b:c//d.db"])
def test_path_may_contain_a_colon(project: Project, pipeline: Pipeline, name: str) -> None:
    assert pipeline("run", project.manifest, "--state", name).code == 0
    assert (project.folder / name).exists()


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://hunter2/films", "only `--output s3://BUCKET/PREFIX` names an object store"),
        ("ftp://u:hunter2@host/x", "ftp://…: expected a path, not an address"),
    ],
)
def test_url_as_output_folder_in_a_manifest_is_refused(
    folder: Path, pipeline: Pipeline, command: str, address: str, expected: str
) -> None:
    project = campaign(folder, {"campaign.yaml": spring(output={"dir": address})})

    ended = pipeline(command, project.manifest)

    assert ended.code == 64, ended.output
    assert "output.dir" in ended.err
    assert expected in ended.err
    assert "hunter2" not in ended.output


@pytest.mark.parametrize("flag", ["--fail-threshold", "--rate", "--request-timeout", "--poll-interval"])
def test_nan_is_refused_by_numeric_flags(
    project: Project, pipeline: Pipeline, vendor: Emulator, flag: str
) -> None:
    ended = pipeline("run", project.manifest, flag, "nan")

    assert ended.code == 64, ended.output
    assert "'nan' is not a number" in ended.err
    assert not vendor.ledger.entries


# Impossible paths


@pytest.mark.parametrize("flag", ["--state", "--results", "--output", "--events", "--junit", "--checkpoint"])
@pytest.mark.parametrize("value", ["a\0b", "a\ud800b"], ids=["NUL", "surrogate"])
def test_argument_with_a_nul_is_wrong_usage(
    project: Project, pipeline: Pipeline, flag: str, value: str
) -> None:
    ended = pipeline("run", project.manifest, flag, value)

    assert ended.code == 64, ended.output
    assert "NUL" in ended.err


@pytest.mark.parametrize(
    "command", ["validate", "plan", "run", "collect", "expand", "status", "doctor", "init"]
)
def test_overlong_path_is_reported_as_such(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(project.folder)
    for path in ("a" * 300, "a/" * 3000 + "b"):
        ended = pipeline(command, f"{path}.yaml")

        assert ended.code in {3, 8, 64}, ended.output
        assert "Traceback" not in ended.err


def test_state_with_a_non_utf8_name_works(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    state = project.folder / "caf\udce9.db"
    for _ in range(2):
        assert pipeline("run", project.manifest, "--state", state).code == 0

    assert state.exists()
    assert creates(vendor) == 2


def test_folder_deeper_than_the_recursion_limit_is_searched(
    project: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    for _ in range(1100):
        Path("a").mkdir()
        monkeypatch.chdir("a")
    monkeypatch.chdir(project.folder)

    ended = pipeline("validate", ".")

    # pytest's removal of temporary folders is recursive and would fail too.
    subprocess.run(["rm", "-rf", str(project.folder / "a")], check=True)
    assert ended.code == 0, ended.output
    assert "spring is valid" in ended.out
