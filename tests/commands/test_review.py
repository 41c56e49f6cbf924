"""`approve`, `reject`, `redo` and the decisions file: reviews of takes, and what they cost."""

import fcntl
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, spring
from support.processes import Running
from support.protection import fails_without

from pipeline.documents.yaml_reader import read_yaml
from pipeline.emulator.embedded import Emulator
from pipeline.results.decisions import Decision, write

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"
CHANGED = spring(prompts={"walk": "a run", "dance": "a dance in the rain"})


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def decided(project: Project) -> list[Any]:
    """The decisions in the file."""
    path = project.folder / f"{project.name}.decisions.yaml"
    document: Any = read_yaml(path, path.name).root.plain()
    assert document["version"] == 1
    rows: list[Any] = document["decisions"]
    return rows


def decide(project: Project, *rows: dict[str, Any]) -> None:
    """Write the decisions file by hand."""
    project.write({f"{project.name}.decisions.yaml": {"version": 1, "decisions": list(rows)}})


def row(project: Project, key: str, decision: str) -> dict[str, Any]:
    return {"purchase": purchase(project, key), "key": key, "decision": decision}


def purchase(project: Project, key: str) -> str:
    mark: str = project.jobs()[key]["purchase"]
    return mark


def actions(pipeline: Pipeline, project: Project, *flags: str) -> dict[str, str]:
    ended = pipeline("plan", project.manifest, "--format", "json", *flags)
    assert ended.code == 0, ended.output
    return {each["key"]: each["action"] for each in ended.document["actions"]}


# What is written


@pytest.mark.parametrize(
    ("command", "word"), [("approve", "approved"), ("reject", "rejected"), ("redo", "redo")]
)
def test_decision_is_written_beside_the_manifest_and_costs_nothing(
    bought: Project, pipeline: Pipeline, vendor: Emulator, command: str, word: str
) -> None:
    before = bought.tree()

    said = ("--note", "as it is: fine", "--rating", "4", "--as", "ana")
    ended = pipeline(command, bought.manifest, WALK, *said)

    assert ended.code == 0, ended.output
    assert WALK in ended.out
    (written,) = decided(bought)
    decided_at = datetime.fromisoformat(written.pop("at"))
    assert abs(datetime.now(UTC) - decided_at) < timedelta(minutes=5)
    assert written == {**row(bought, WALK, word), "rating": 4, "note": "as it is: fine", "by": "ana"}
    assert set(bought.tree()) - set(before) == {"spring.decisions.yaml"}
    assert len(vendor.ledger.entries) == 2


def test_purchase_is_named_by_its_key_or_an_id_prefix(bought: Project, pipeline: Pipeline) -> None:
    mark = purchase(bought, DANCE)

    assert pipeline("approve", bought.manifest, mark[:8], WALK).code == 0

    assert [(each["purchase"], each["key"]) for each in decided(bought)] == [
        (mark, DANCE),
        (purchase(bought, WALK), WALK),
    ]


def test_last_decision_on_a_purchase_replaces_the_first(bought: Project, pipeline: Pipeline) -> None:
    pipeline("approve", bought.manifest, WALK)
    pipeline("redo", bought.manifest, DANCE)
    pipeline("reject", bought.manifest, WALK)

    assert [(each["key"], each["decision"]) for each in decided(bought)] == [
        (DANCE, "redo"),
        (WALK, "rejected"),
    ]


@fails_without("pipeline.results.decisions:record", "with alone(path):")
def test_simultaneous_decisions_of_two_people_are_both_kept(
    bought: Project, pipeline: Pipeline, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    other: list[Running] = []

    def write_late(path: Path, name: str, written: Iterable[Decision]) -> None:
        other.append(start("approve", bought.manifest, DANCE))
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)  # the other one must wait for us
        else:
            os.close(folder)
            other[0].ended()
        write(path, name, written)

    monkeypatch.setattr("pipeline.results.decisions.write", write_late)
    assert pipeline("approve", bought.manifest, WALK).code == 0
    ended = other[0].ended()

    assert ended.code == 0, ended.output
    assert {each["key"] for each in decided(bought)} == {DANCE, WALK}


def test_last_of_several_decisions_in_the_file_counts(bought: Project, pipeline: Pipeline) -> None:
    decide(bought, row(bought, WALK, "redo"), row(bought, DANCE, "redo"), row(bought, WALK, "rejected"))

    assert actions(pipeline, bought) == {DANCE: "replace", WALK: "keep"}


def test_results_name_the_decision(bought: Project, pipeline: Pipeline) -> None:
    pipeline("approve", bought.manifest, WALK)
    pipeline("reject", bought.manifest, DANCE)
    assert pipeline("run", bought.manifest).code == 0

    assert {key: job["decision"] for key, job in bought.jobs().items()} == {
        DANCE: "rejected",
        WALK: "approved",
    }


@pytest.mark.parametrize("command", ["approve", "reject", "redo"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("main/loop/red/wlak", f"did you mean '{WALK}'?"), ("ffff", "no job or purchase 'ffff'")],
)
def test_decision_on_a_missing_job_is_refused_and_nothing_is_written(
    bought: Project, pipeline: Pipeline, command: str, name: str, expected: str
) -> None:
    ended = pipeline(command, bought.manifest, WALK, name)

    assert ended.code == 64
    assert expected in ended.err
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_only_successful_purchases_can_be_approved(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    pipeline("run", project.manifest)

    ended = pipeline("approve", project.manifest, WALK)

    assert ended.code == 64
    assert " has failed: only what has succeeded can be approved" in ended.err


@pytest.mark.parametrize("arguments", [("--rating", "6"), ("--rating", "0"), ("--rating", "good")])
def test_rating_is_one_to_five_stars(bought: Project, pipeline: Pipeline, arguments: tuple[str, str]) -> None:
    assert pipeline("approve", bought.manifest, WALK, *arguments).code == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\ndecisions:\n  - {purchase: 1234, key: a, decision: approved}\n", ":3:"),
        ("version: 1\ndecisions:\n  - {purchase: 0123456789abcdef, key: a, decision: aproved}\n", ":3:"),
        ("version: 1\ndecisions:\n  - key: a\n    decision: redo\n", ":3:"),
        ("version: 2\ndecisions: []\n", ":1:"),
        ("version: 1\ndecisions: [\n", "spring.decisions.yaml:"),
        ("version: 1\n<<<<<<< ours\ndecisions: []\n", ":2:"),
        ("[]", "spring.decisions.yaml:1:"),
        ("", "spring.decisions.yaml"),
        ("\x00", "spring.decisions.yaml"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "run", "approve"])
def test_invalid_decisions_file_is_refused_with_its_position_and_left_alone(
    bought: Project, pipeline: Pipeline, vendor: Emulator, command: str, text: str, expected: str
) -> None:
    bought.write({"spring.decisions.yaml": text})

    ended = pipeline(command, bought.manifest, *([WALK] if command == "approve" else []))

    assert ended.code == 3, ended.output
    assert expected in ended.err
    assert "Traceback" not in ended.err
    assert (bought.folder / "spring.decisions.yaml").read_text() == text
    assert len(vendor.ledger.entries) == 2


def test_decision_on_an_unknown_purchase_changes_nothing(bought: Project, pipeline: Pipeline) -> None:
    unknown = {"purchase": "0123456789abcdef", "key": WALK}
    for decision in ("approved", "redo", "rejected"):
        decide(bought, {**unknown, "decision": decision})
        assert actions(pipeline, bought) == {DANCE: "keep", WALK: "keep"}


# Who, when and where


def test_note_has_its_time_and_author(bought: Project, pipeline: Pipeline) -> None:
    for name, moment, text in (
        ("ana", "1.25", "logo cut off"),
        ("jonas", "0.35049", "sole leaves the frame"),
    ):
        ended = pipeline("redo", bought.manifest, WALK, "--at", moment, "--note", text, "--as", name)
        assert ended.code == 0, ended.output

    (written,) = decided(bought)
    assert written["notes"] == [
        {"at": 1.25, "text": "logo cut off", "by": "ana"},
        {"at": 0.35, "text": "sole leaves the frame", "by": "jonas"},
    ]
    assert (written["by"], "note" in written) == ("jonas", False)
    shown = pipeline("show", bought.manifest, WALK).out
    assert "status: pending (redo: sole leaves the frame)" in shown
    assert "at 1.25 s: “logo cut off” (ana)" in shown


def test_author_defaults_to_the_git_user(
    bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Ana Ruiz")

    assert pipeline("approve", bought.manifest, WALK).code == 0

    assert decided(bought)[0]["by"] == "Ana Ruiz"


def test_author_is_empty_without_git(
    bought: Project, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(bought.folder))

    assert pipeline("approve", bought.manifest, WALK).code == 0

    assert "by" not in decided(bought)[0]


def test_decisions_of_others_are_kept(bought: Project, pipeline: Pipeline) -> None:
    pipeline("redo", bought.manifest, WALK, "--note", "logo cut off", "--rating", "2", "--as", "ana")
    pipeline("approve", bought.manifest, WALK, "--as", "jonas")

    (written, stars) = decided(bought)
    assert (written["decision"], written["by"]) == ("approved", "jonas")
    assert (stars["rating"], stars["by"]) == (2, "ana")
    assert written["notes"] == [{"text": "logo cut off", "by": "ana"}]
    assert "note" not in written


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--at", "1"), "--at needs --note"),
        (("--at", "-1", "--note", "x"), "seconds from the start of the video"),
        (("--at", "nan", "--note", "x"), "seconds from the start of the video"),
        (("--at", "soon", "--note", "x"), "--at"),
        (("--at", "99", "--note", "x"), "s long: it has no moment at 99 s"),
        (("--note", "x" * 4001), "4,000 characters"),
        (("--note", "  "), "--note is blank"),
        (("--as", "a\nb"), "one line"),
        (("--as", "a" * 201), "200 characters"),
    ],
)
def test_unrecordable_note_is_wrong_usage_and_nothing_is_written(
    bought: Project, pipeline: Pipeline, arguments: tuple[str, ...], expected: str
) -> None:
    ended = pipeline("reject", bought.manifest, WALK, *arguments)

    assert ended.code == 64
    assert expected in ended.err
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_status_shows_decisions_and_notes(bought: Project, pipeline: Pipeline) -> None:
    pipeline("redo", bought.manifest, WALK, "--note", "logo cut off", "--as", "ana")
    pipeline("approve", bought.manifest, DANCE, "--at", "0.5", "--note", "keep this", "--as", "jonas")

    ended = pipeline("status", bought.manifest)
    document = pipeline("status", bought.manifest, "--format", "json").document

    assert f"  {WALK}: pending (redo: logo cut off)\n" in ended.out
    assert f"  {DANCE}: done, approved by jonas\n    at 0.5 s: “keep this” (jonas)\n" in ended.out
    of = {each["key"]: each for each in document["jobs"]}
    assert (of[WALK]["decision"], of[WALK]["by"], of[WALK]["note"]) == ("redo", "ana", "logo cut off")
    assert of[DANCE]["notes"] == [{"at": 0.5, "text": "keep this", "by": "jonas"}]


def test_status_shows_note_and_stars_of_approved_and_sent_back_takes(
    bought: Project, pipeline: Pipeline
) -> None:
    pipeline("approve", bought.manifest, DANCE, "--note", "by command", "--as", "Bo")
    assert f"  {DANCE}: done, approved “by command” by Bo\n" in pipeline("status", bought.manifest).out
    pipeline("approve", bought.manifest, WALK, "--rating", "4", "--as", "Bo")
    assert f"  {WALK}: done, approved ★★★★ by Bo\n" in pipeline("status", bought.manifest).out

    pipeline("redo", bought.manifest, WALK, "--note", "too slow", "--rating", "2")
    assert f"  {WALK}: pending (redo: too slow), ★★\n" in pipeline("status", bought.manifest).out


@pytest.mark.parametrize("arguments", [(), ("--at", "0.5")])
def test_status_shows_once_why_a_take_was_sent_back(
    bought: Project, pipeline: Pipeline, arguments: tuple[str, ...]
) -> None:
    pipeline("redo", bought.manifest, WALK, "--note", "logo cut off", "--as", "ana", *arguments)

    output = pipeline("status", bought.manifest).out

    at = ", at 0.5 s" if arguments else ""
    assert f"  {WALK}: pending (redo: logo cut off){at}\n" in output
    assert re.search(rf"  {WALK}: last take \w+ \(done, sent back by ana\): ", output)
    assert output.count("logo cut off") == 1


def test_note_from_before_a_redo_is_shown_beside_its_reason(bought: Project, pipeline: Pipeline) -> None:
    pipeline("reject", bought.manifest, WALK, "--at", "0.25", "--note", "too dark", "--as", "jonas")
    pipeline("redo", bought.manifest, WALK, "--note", "logo cut off", "--as", "ana")

    output = pipeline("status", bought.manifest).out

    assert f"  {WALK}: pending (redo: logo cut off)\n    at 0.25 s: “too dark” (jonas)\n" in output
    assert output.count("too dark") == 1


def test_status_shows_notes_on_a_replaced_take(bought: Project, pipeline: Pipeline) -> None:
    pipeline("redo", bought.manifest, WALK, "--at", "0.5", "--note", "logo cut off", "--as", "ana")
    assert pipeline("run", bought.manifest, "--yes").code == 0

    output = pipeline("status", bought.manifest).out

    assert re.search(
        rf"  {WALK}: replaced take \w+ \(.*\): .*\n    at 0.5 s: “logo cut off” \(ana\)\n", output
    )


def test_rated_take_is_still_undecided(bought: Project, pipeline: Pipeline) -> None:
    said = {"purchase": purchase(bought, WALK), "key": WALK, "rating": 3, "notes": [{"text": "nice"}]}
    decide(bought, said)

    assert actions(pipeline, bought) == {DANCE: "keep", WALK: "keep"}
    assert f"  {WALK}: done, ★★★\n    “nice”\n" in pipeline("status", bought.manifest).out
    assert pipeline("show", bought.manifest, WALK).code == 0
    assert pipeline("approve", bought.manifest, WALK).code == 0
    assert decided(bought)[0]["notes"] == [{"text": "nice"}]


# Approved


def test_approved_take_is_kept_after_any_edit(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    kept, files = purchase(bought, WALK), bought.output()
    pipeline("approve", bought.manifest, WALK)
    bought.write({"campaign.yaml": CHANGED})

    shown = pipeline("plan", bought.manifest)

    assert f"* {WALK}  pinned: approved, so it stays although options.prompt changed" in shown.out
    assert "options.prompt: a walk in the park → a run" in shown.out
    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 2
    assert purchase(bought, WALK) == kept
    assert bought.output() == files


def test_plan_says_that_the_file_of_an_approved_earlier_take_is_to_be_put_in_place(
    bought: Project, pipeline: Pipeline
) -> None:
    kept = purchase(bought, WALK)
    bought.write({"campaign.yaml": CHANGED})
    assert pipeline("run", bought.manifest).code == 0
    assert pipeline("approve", bought.manifest, kept).code == 0

    planned = pipeline("plan", bought.manifest, "--detailed-exitcode")

    assert "its file is here, at another path: a run puts it in place" in planned.out
    assert planned.code == 2
    assert pipeline("run", bought.manifest).code == 0
    planned = pipeline("plan", bought.manifest, "--detailed-exitcode")
    assert "another path" not in planned.out
    assert planned.code == 0


def test_plan_says_that_an_approved_take_is_to_be_downloaded(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"campaign.yaml": CHANGED})
    assert pipeline("run", bought.manifest, "--no-download").code == 0
    assert pipeline("approve", bought.manifest, WALK).code == 0
    bought.write({"campaign.yaml": spring()})

    planned = pipeline("plan", bought.manifest, "--detailed-exitcode")

    assert "its files are not downloaded yet" in planned.out
    assert planned.code == 2


def test_approval_follows_a_rename(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    kept = purchase(bought, WALK)
    pipeline("approve", bought.manifest, WALK)
    bought.write({"campaign.yaml": spring(prompts={"stroll": "a walk in the park"})})
    assert pipeline("run", bought.manifest).code == 0
    bought.write({"campaign.yaml": spring(prompts={"stroll": "a slow walk"})})

    assert actions(pipeline, bought)["main/loop/red/stroll"] == "pinned"
    assert pipeline("run", bought.manifest).code == 0
    assert purchase(bought, "main/loop/red/stroll") == kept
    assert len(vendor.ledger.entries) == 2


def test_edit_is_bought_after_its_approval_is_withdrawn(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("approve", bought.manifest, WALK)
    bought.write({"campaign.yaml": CHANGED})
    pipeline("reject", bought.manifest, WALK)

    assert actions(pipeline, bought) == {DANCE: "keep", WALK: "replace"}
    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 3


def test_approved_take_is_not_replaced_until_its_approval_is_withdrawn(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("approve", bought.manifest, WALK)

    for command in ("plan", "run"):
        ended = pipeline(command, bought.manifest, "--replace", "prompt:walk")
        assert ended.code == 64
        assert f"{purchase(bought, WALK)} is approved; withdraw the approval first" in ended.err
    assert pipeline("run", bought.manifest, "--replace", "**", "--select", "prompt:dance").code == 0
    assert len(vendor.ledger.entries) == 3


def test_other_takes_of_an_approved_job_are_not_bought(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    rule = {"id": "main", "repeat": 2}
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[rule])})
    assert pipeline("run", project.manifest).code == 0
    pipeline("approve", project.manifest, WALK)
    rule["repeat"] = 4
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[rule])})

    assert actions(pipeline, project) == {
        WALK: "keep",
        f"{WALK}#2": "keep",
        f"{WALK}#3": "pinned",
        f"{WALK}#4": "pinned",
    }
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    assert (
        "2 done.\n2 jobs are not bought: another take of each is approved.\nNothing was bought.\n"
        in ended.out
    )
    assert len(vendor.ledger.entries) == 2


def test_approval_says_that_the_take_sent_back_is_not_bought_again(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    rule = {"id": "main", "repeat": 2}
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk"}, jobs=[rule])})
    assert pipeline("run", project.manifest).code == 0
    assert "the next run buys it again" in pipeline("redo", project.manifest, WALK).out

    said = pipeline("approve", project.manifest, f"{WALK}#2").out

    assert f"Because of that, the next run no longer buys {WALK}." in said
    assert actions(pipeline, project) == {WALK: "pinned", f"{WALK}#2": "keep"}
    ended = pipeline("run", project.manifest)
    assert "1 job is not bought: another take of it is approved.\n" in ended.out
    assert len(vendor.ledger.entries) == 2


# Rejected and redo


def test_rejected_take_is_kept_and_nothing_is_bought(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("reject", bought.manifest, WALK)

    assert actions(pipeline, bought) == {DANCE: "keep", WALK: "keep"}
    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


def test_redo_buys_again_once_and_shows_the_price_first(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    old = purchase(bought, WALK)
    pipeline("redo", bought.manifest, WALK)

    shown = pipeline("plan", bought.manifest)
    assert f"-/+ {WALK}  re-create (100 credits): sent back (redo)" in shown.out
    for _ in range(2):
        assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 3
    assert purchase(bought, WALK) != old
    assert actions(pipeline, bought) == {DANCE: "keep", WALK: "keep"}


@pytest.mark.parametrize(("command", "now"), [("approve", "approved: it stays"), ("reject", "rejected")])
def test_other_verdict_on_what_was_sent_back_says_that_it_withdraws_that(
    bought: Project, pipeline: Pipeline, command: str, now: str
) -> None:
    take = purchase(bought, WALK)
    pipeline("redo", bought.manifest, WALK)

    ended = pipeline(command, bought.manifest, "status:pending" if command == "approve" else take)

    assert f"{WALK} ({take}): was sent back, is now {now}" in ended.out
    assert "sent back" not in pipeline(command, bought.manifest, take).out


def test_redo_buys_again_even_if_an_earlier_take_was_sent_back_and_then_rejected(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    first = purchase(bought, WALK)
    pipeline("redo", bought.manifest, WALK)
    pipeline("run", bought.manifest)
    assert pipeline("reject", bought.manifest, first).code == 0
    assert actions(pipeline, bought)[WALK] == "keep"

    pipeline("redo", bought.manifest, WALK)

    assert f"-/+ {WALK}  re-create (100 credits): sent back (redo)" in pipeline("plan", bought.manifest).out
    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 4
    assert pipeline("reject", bought.manifest, WALK).code == 0
    assert actions(pipeline, bought)[WALK] == "keep"


@pytest.fixture
def with_an_older_take(bought: Project, pipeline: Pipeline) -> str:
    """An older take that fits the job again: it was sent back, another was bought, and the redo was undone."""
    first = purchase(bought, WALK)
    assert "sent back: the next run buys it again" in pipeline("redo", bought.manifest, WALK).out
    assert pipeline("run", bought.manifest).code == 0
    ended = pipeline("undecide", bought.manifest, first)
    assert ended.out == f"{WALK} ({first}): no longer decided\n"
    return first


def test_take_sent_back_during_a_run_is_pending_in_the_results_of_that_run(
    project: Project, pipeline: Pipeline, start: Callable[..., Running]
) -> None:
    assert pipeline("run", project.manifest, "--select", "prompt:walk").code == 0
    redo = shlex.join([sys.executable, "-m", "pipeline", "redo", "campaign.yaml", WALK])

    ended = start("run", project.manifest, "--yes", "--checkpoint", redo).ended()

    assert ended.code == 0, ended.output
    assert "1 take was sent back during this run: `pipeline run campaign.yaml` makes it again" in ended.output
    assert project.statuses() == {WALK: "pending", DANCE: "done"}
    assert pipeline("verify", project.manifest).out == "Manifest, state and results agree.\n"


def test_decisions_that_became_invalid_during_a_run_lose_no_result(
    project: Project, start: Callable[..., Running]
) -> None:
    # The command runs before each create is sent.
    damage = "if test -e one; then echo x: > spring.decisions.yaml; else touch one; fi"
    ended = start("run", project.manifest, "--yes", "--in-flight", "1", "--checkpoint", damage).ended()

    assert ended.code == 3, ended.output
    assert "spring.decisions.yaml:1:" in ended.output
    assert "the results have only the decisions from before this run" in ended.output
    assert project.statuses() == {WALK: "pending", DANCE: "done"}


def test_redo_reports_if_another_take_serves_instead_and_nothing_is_bought(
    bought: Project, pipeline: Pipeline, vendor: Emulator, with_an_older_take: str
) -> None:
    second = purchase(bought, WALK)

    ended = pipeline("redo", bought.manifest, WALK)

    assert ended.out == (
        f"{WALK} ({second}): sent back; nothing is bought, as {with_an_older_take} serves in its place "
        f"(to buy it again: `pipeline redo campaign.yaml {with_an_older_take}`)\n"
    )
    assert pipeline("run", bought.manifest).code == 0
    assert (len(vendor.ledger.entries), purchase(bought, WALK)) == (3, with_an_older_take)
    assert "the next run buys it again" in pipeline("redo", bought.manifest, with_an_older_take).out
    assert actions(pipeline, bought)[WALK] == "replace"


def test_rejecting_a_take_that_serves_instead_of_one_sent_back_buys_nothing(
    bought: Project, pipeline: Pipeline, with_an_older_take: str
) -> None:
    pipeline("redo", bought.manifest, WALK)

    ended = pipeline("reject", bought.manifest, with_an_older_take)

    assert ended.out == f"{WALK} ({with_an_older_take}): rejected; nothing is bought because of it\n"
    assert actions(pipeline, bought)[WALK] == "move"


@pytest.mark.parametrize(("command", "word"), [("reject", "rejected"), ("undecide", "no longer decided")])
def test_withdrawing_an_approval_reports_what_will_be_bought(
    bought: Project, pipeline: Pipeline, command: str, word: str
) -> None:
    pipeline("approve", bought.manifest, WALK)
    bought.write({"campaign.yaml": CHANGED})

    ended = pipeline(command, bought.manifest, WALK)

    assert ended.out.splitlines() == [
        f"{WALK} ({purchase(bought, WALK)}): {word}",
        "The next run buys 1 job because of that: `pipeline plan campaign.yaml` shows it.",
    ]


@pytest.fixture(params=[("fail", 1), ("fail", 3), ({"status": 422}, 1)], ids=["failed", "thrice", "rejected"])
def after_failures(
    project: Project, pipeline: Pipeline, vendor: Emulator, request: pytest.FixtureRequest
) -> Project:
    """A campaign of one job, finished after failures."""
    fault, times = request.param
    project.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})
    vendor.fail({"on": "create", "times": times, "do": fault})
    codes = [pipeline("run", project.manifest, "--retry-failed").code for _ in range(times + 1)]
    assert codes == [*[1] * times, 0]
    return project


@pytest.mark.parametrize("by_hand", [False, True])
def test_redo_buys_again_after_failures(
    after_failures: Project, pipeline: Pipeline, vendor: Emulator, by_hand: bool
) -> None:
    project, old, bought_before = after_failures, purchase(after_failures, WALK), len(vendor.ledger.entries)
    if by_hand:
        decide(project, row(project, WALK, "redo"))
        assert (
            actions(pipeline, project)[WALK] == "keep"
        )  # a failure serves, and it is not known which came first

    ended = pipeline("redo", project.manifest, WALK)

    assert ": sent back: the next run buys it again\n" in ended.out.partition("\n")[0] + "\n"
    assert {each["decision"] for each in decided(project)} == {"redo"}
    assert f"-/+ {WALK}  re-create (100 credits): sent back (redo)" in pipeline("plan", project.manifest).out
    for _ in range(2):
        assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == bought_before + 1
    assert purchase(project, WALK) != old


def test_redo_in_the_file_behind_a_failure_suggests_the_command_for_both(
    after_failures: Project, pipeline: Pipeline
) -> None:
    project = after_failures
    expected = (
        "1 job was sent back, but a failure from before serves in its place, so nothing is bought: "
        f"`pipeline redo campaign.yaml {WALK}` sends both back.\n"
    )
    for command in ("plan", "status"):
        assert "sends both back" not in pipeline(command, project.manifest).out

    decide(project, row(project, WALK, "redo"))

    for command in ("plan", "status"):
        assert expected in pipeline(command, project.manifest).out
    assert pipeline("redo", project.manifest, WALK).code == 0
    assert actions(pipeline, project)[WALK] == "replace"
    for command in ("plan", "status"):
        assert "sends both back" not in pipeline(command, project.manifest).out


def test_failed_replacement_blocks_nothing(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    decide(bought, row(bought, WALK, "redo"))
    vendor.fail({"on": "create", "do": "fail"})
    assert pipeline("run", bought.manifest).code == 1

    for command in ("plan", "status"):
        assert "sends both back" not in pipeline(command, bought.manifest).out


def test_failed_replacement_is_not_bought_again(
    after_failures: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    bought_before = len(vendor.ledger.entries)
    pipeline("redo", after_failures.manifest, WALK)
    vendor.fail({"on": "create", "do": "fail"})

    codes = [pipeline("run", after_failures.manifest).code for _ in range(3)]

    assert codes == [1, 1, 1]
    assert len(vendor.ledger.entries) == bought_before + 1


@pytest.mark.parametrize("by_hand", [False, True])
def test_redo_can_be_undone_by_key_despite_earlier_failures(
    after_failures: Project, pipeline: Pipeline, vendor: Emulator, by_hand: bool
) -> None:
    old, bought_before = purchase(after_failures, WALK), len(vendor.ledger.entries)
    if by_hand:
        decide(after_failures, row(after_failures, WALK, "redo"))
    else:
        pipeline("redo", after_failures.manifest, WALK)

    ended = pipeline("undecide", after_failures.manifest, WALK)

    assert f"{WALK} ({old}): no longer decided\n" in ended.out
    assert not [each for each in decided(after_failures) if each.get("decision", "undecided") != "undecided"]
    assert pipeline("run", after_failures.manifest).code == 0
    assert len(vendor.ledger.entries) == bought_before
    assert purchase(after_failures, WALK) == old


STROLL = "main/loop/red/stroll"


@pytest.mark.parametrize("is_shared", [False, True], ids=["alone", "shared"])
def test_redo_after_a_rename_is_a_replacement_and_can_be_undone_by_the_new_key(
    folder: Path, pipeline: Pipeline, vendor: Emulator, is_shared: bool
) -> None:
    shared = {"jog": "a walk in the park"} if is_shared else {}
    project = campaign(folder, {"campaign.yaml": spring(prompts={"walk": "a walk in the park", **shared})})
    assert pipeline("run", project.manifest).code == 0
    project.write({"campaign.yaml": spring(prompts={"a-walk": "a walk in the park", **shared})})
    renamed = "main/loop/red/a-walk"
    sent_back = pipeline("redo", project.manifest, renamed)
    assert f"{renamed} (" in sent_back.out
    assert "sent back: the next run buys it again\n" in sent_back.out

    planned = pipeline("plan", project.manifest)
    ended = pipeline("undecide", project.manifest, renamed)

    assert f"-/+ {renamed}  re-create (100 credits): sent back (redo)" in planned.out
    assert ended.code == 0, ended.output
    assert "no longer decided\n" in ended.out
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 1


def test_redo_in_the_file_can_be_undone_by_the_new_key_despite_earlier_failures(
    after_failures: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    old, bought_before = purchase(after_failures, WALK), len(vendor.ledger.entries)
    after_failures.write({"campaign.yaml": spring(prompts={"stroll": "a walk in the park"})})
    decide(after_failures, {"purchase": old, "key": STROLL, "decision": "redo"})
    assert actions(pipeline, after_failures)[STROLL] == "keep"  # a failure serves

    ended = pipeline("undecide", after_failures.manifest, STROLL)

    assert f"{STROLL} ({old}): no longer decided\n" in ended.out
    assert pipeline("run", after_failures.manifest).code == 0
    assert purchase(after_failures, STROLL) == old
    assert len(vendor.ledger.entries) == bought_before


@pytest.mark.parametrize("prompt", ["jog", "walk"])
def test_sent_back_failures_are_undone_for_all_jobs_that_share_them(
    folder: Path, pipeline: Pipeline, vendor: Emulator, prompt: str
) -> None:
    """Under any of the keys: the first of the jobs that share bought, and a failure fits the others too."""
    shared = spring(prompts=dict.fromkeys(("jog", "walk"), "a walk in the park"))
    project, key = campaign(folder, {"campaign.yaml": shared}), f"main/loop/red/{prompt}"
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    codes = [pipeline("run", project.manifest, "--retry-failed").code for _ in range(2)]
    assert codes == [1, 0]
    old = purchase(project, key)

    sent_back = pipeline("redo", project.manifest, key)

    assert f"{key} ({old}): sent back: the next run buys it again" in sent_back.out
    assert sent_back.out.count("sent back too") == 1
    assert [each["key"] for each in decided(project)] == [key, key]
    ended = pipeline("undecide", project.manifest, key)
    assert ended.out.count("no longer decided") == 2
    assert not [each for each in decided(project) if each.get("decision", "undecided") != "undecided"]


@pytest.mark.parametrize("prompt", ["jog", "walk"])
@pytest.mark.parametrize("of_failure", ["jog", "walk", None])
@pytest.mark.parametrize("of_take", ["jog", "walk"])
def test_failures_can_be_undone_by_the_key_of_any_job_that_shares_them(
    folder: Path, pipeline: Pipeline, vendor: Emulator, prompt: str, of_failure: str | None, of_take: str
) -> None:
    shared = spring(prompts=dict.fromkeys(("jog", "walk"), "a walk in the park"))
    project = campaign(folder, {"campaign.yaml": shared})
    vendor.fail({"on": "create", "times": 1, "do": "fail"})
    assert [pipeline("run", project.manifest, "--retry-failed").code for _ in range(2)] == [1, 0]
    ids = {each["status"]: each["id"] for each in project.results()["purchases"]}
    said = {ids["failed"]: of_failure, ids["done"]: of_take}
    rows = [
        {"purchase": purchase_id, "key": f"main/loop/red/{name}", "decision": "redo"}
        for purchase_id, name in said.items()
        if name is not None
    ]
    decide(project, *rows)

    ended = pipeline("undecide", project.manifest, f"main/loop/red/{prompt}")

    assert ended.out.count("no longer decided") == len(rows), ended.output
    assert not [each for each in decided(project) if each.get("decision", "undecided") != "undecided"]
    bought_before = len(vendor.ledger.entries)
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == bought_before


def test_undo_without_a_decision_changes_nothing(
    bought: Project, pipeline: Pipeline, with_an_older_take: str
) -> None:
    path = bought.folder / f"{bought.name}.decisions.yaml"
    before = path.read_bytes()

    for name in (WALK, purchase(bought, WALK)):
        ended = pipeline("undecide", bought.manifest, name)
        assert (ended.code, ended.out) == (
            0,
            f"{WALK} ({purchase(bought, WALK)}): nothing was decided on it\n",
        )

    assert path.read_bytes() == before


def test_redo_of_an_orphan_buys_nothing_and_says_so(bought: Project, pipeline: Pipeline) -> None:
    old = purchase(bought, DANCE)
    bought.write({"campaign.yaml": spring(prompts={"walk": "a walk in the park"})})

    ended = pipeline("redo", bought.manifest, old)

    assert ended.out == f"{DANCE} ({old}): sent back; nothing is bought, as no job asks for it now\n"


def test_redo_for_a_job_with_another_approved_take_buys_nothing_and_says_so(
    bought: Project, pipeline: Pipeline, with_an_older_take: str
) -> None:
    second = purchase(bought, WALK)
    pipeline("approve", bought.manifest, WALK)

    ended = pipeline("redo", bought.manifest, with_an_older_take)

    assert f"sent back; nothing is bought, as {second} is approved" in ended.out


def test_redo_counts_downstream_jobs(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    assert pipeline("run", project.manifest).code == 0

    ended = pipeline("redo", project.manifest, "sketch/sketch/red")

    assert "sent back: the next run buys it again\n" in ended.out
    assert "The next run buys 2 jobs because of that: `pipeline plan campaign.yaml` shows them." in ended.out


def test_approving_an_older_take_reports_which_approved_take_serves(
    bought: Project, pipeline: Pipeline, with_an_older_take: str
) -> None:
    second = purchase(bought, WALK)
    pipeline("approve", bought.manifest, WALK)

    ended = pipeline("approve", bought.manifest, with_an_older_take)

    assert f"({with_an_older_take}): approved, but {second}, which is newer, is approved too and serves" in (
        ended.out
    )


def test_redo_undone_before_it_is_carried_out_buys_nothing(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    pipeline("redo", bought.manifest, WALK)
    pipeline("approve", bought.manifest, WALK)

    assert pipeline("run", bought.manifest).code == 0
    assert len(vendor.ledger.entries) == 2


@pytest.mark.parametrize(
    ("how", "code", "action"),
    [("bought", 0, "move"), ("no credit", 4, "keep"), ("no checkpoint", 8, "keep")],
    ids=["bought", "no credit", "no checkpoint"],
)
def test_approval_undoes_a_replace(
    bought: Project, pipeline: Pipeline, vendor: Emulator, how: str, code: int, action: str
) -> None:
    old = purchase(bought, WALK)
    if how == "no credit":
        vendor.store.credits = 0
    flags = ("--checkpoint", "false") if how == "no checkpoint" else ()
    assert pipeline("run", bought.manifest, "--replace", WALK, *flags).code == code
    vendor.store.credits = None
    sent = len(vendor.ledger.bought)

    approved = pipeline("approve", bought.manifest, old)

    assert f"{WALK} ({old}): approved: it stays, whatever is edited later\n" in approved.out
    assert actions(pipeline, bought)[WALK] == action
    assert "to be bought again" not in pipeline("show", bought.manifest, old).out
    assert pipeline("run", bought.manifest).code == 0
    assert purchase(bought, WALK) == old
    assert len(vendor.ledger.bought) == sent
    refused = pipeline("run", bought.manifest, "--replace", WALK)
    assert refused.code == 64
    assert f"{old} is approved; withdraw the approval first" in refused.err


def test_withdrawing_the_approval_of_a_replaced_take_reports_what_will_be_bought(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    old = purchase(bought, WALK)
    vendor.store.credits = 0
    pipeline("run", bought.manifest, "--replace", WALK)
    vendor.store.credits = None
    pipeline("approve", bought.manifest, old)

    ended = pipeline("undecide", bought.manifest, WALK)

    assert "The next run buys 1 job because of that" in ended.out
    assert actions(pipeline, bought)[WALK] == "replace"


def test_take_approved_after_its_replacement_feeds_the_next_stage(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": staged(repeat=1)})
    assert pipeline("run", project.manifest).code == 0
    sketch = next(key for key in project.jobs() if key.startswith("sketch/"))
    old = purchase(project, sketch)
    assert pipeline("run", project.manifest, "--replace", sketch).code == 0

    pipeline("approve", project.manifest, old)
    assert pipeline("run", project.manifest).code == 0

    assert set(project.statuses().values()) == {"done"}
    made_from = {each["inputs"][0] for each in project.results()["purchases"] if each.get("inputs")}
    assert made_from == {old}


@pytest.mark.parametrize("command", ["approve", "reject", "redo", "undecide"])
@pytest.mark.parametrize("name", ["status:failed", "action:replace", "status:failed,prompt:walk"])
def test_selection_by_status_that_matches_nothing_is_not_an_error(
    bought: Project, pipeline: Pipeline, command: str, name: str
) -> None:
    ended = pipeline(command, bought.manifest, name)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"'{name}': nothing is that now, so nothing is decided\n"
    assert not (bought.folder / f"{bought.name}.decisions.yaml").exists()
    assert pipeline(command, bought.manifest, name, WALK).code == 0


@pytest.mark.parametrize("name", ["status:faild", "prompt:wlk", "status:failed,prompt:wlk"])
def test_selection_that_can_never_match_is_an_error(bought: Project, pipeline: Pipeline, name: str) -> None:
    assert pipeline("redo", bought.manifest, name).code == 64


def test_only_successful_purchases_of_a_selection_are_approved(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    assert pipeline("run", project.manifest).code == 1

    ended = pipeline("approve", project.manifest, "status:failed")

    assert ended.code == 64
    assert "'status:failed': none of it has succeeded, and only that can be approved" in ended.err
    assert pipeline("redo", project.manifest, "status:failed").code == 0


def test_unbought_jobs_of_a_selection_cannot_be_decided(project: Project, pipeline: Pipeline) -> None:
    ended = pipeline("redo", project.manifest, "status:pending")

    assert ended.code == 64
    assert "'status:pending': nothing has been bought for it yet" in ended.err


# Between stages


def staged(repeat: int = 2) -> dict[str, Any]:
    """A video is made only from an approved sketch."""
    manifest = chained(
        image_sets={"shoes": ["images/red.png"], "sketches": {"outputs_of": "sketch", "only": "approved"}}
    )
    manifest["jobs"][0]["repeat"] = repeat
    return manifest


def test_undone_decision_keeps_stars_and_notes(bought: Project, pipeline: Pipeline) -> None:
    assert pipeline("redo", bought.manifest, WALK, "--rating", "2", "--note", "too slow").code == 0
    assert actions(pipeline, bought)[WALK] == "replace"

    ended = pipeline("undecide", bought.manifest, WALK, "--as", "ana")

    assert ended.code == 0, ended.output
    assert "no longer decided" in ended.out
    assert actions(pipeline, bought)[WALK] == "keep"
    (written, stars) = decided(bought)
    assert written["decision"] == "undecided"
    assert (stars["rating"], [each["text"] for each in written["notes"]]) == (2, ["too slow"])
    assert "redo" not in pipeline("status", bought.manifest).out


def test_only_an_approved_take_feeds_the_next_stage(
    folder: Path, pipeline: Pipeline, vendor: Emulator
) -> None:
    sketch, film = "sketch/sketch/red", "film/film/red/spin"
    project = campaign(folder, {"campaign.yaml": staged()})
    waits = pipeline("run", project.manifest)
    assert waits.code == 0, waits.output
    assert f"no take of {sketch} is approved" in waits.output
    assert "1 job waits for someone to approve" in waits.out
    assert len(vendor.ledger.entries) == 2

    pipeline("approve", project.manifest, f"{sketch}#2")
    assert actions(pipeline, project)[film] == "create"
    assert pipeline("run", project.manifest).code == 0
    made = {each["key"]: each for each in project.results()["purchases"]}
    assert made[film]["inputs"] == [purchase(project, f"{sketch}#2")]

    # Another one is approved: the video is made again from that.
    pipeline("reject", project.manifest, f"{sketch}#2")
    pipeline("approve", project.manifest, sketch)
    assert actions(pipeline, project)[film] == "replace"
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 4


# Selections and files


def test_selection_decides_all_matching_jobs(bought: Project, pipeline: Pipeline) -> None:
    ended = pipeline("approve", bought.manifest, "image:red")

    assert ended.code == 0, ended.output
    assert [(each["key"], each["decision"]) for each in decided(bought)] == [
        (DANCE, "approved"),
        (WALK, "approved"),
    ]
    assert pipeline("redo", bought.manifest, "**/walk").code == 0
    assert [(each["key"], each["decision"]) for each in decided(bought)] == [
        (DANCE, "approved"),
        (WALK, "redo"),
    ]


def test_approving_a_selection_skips_unsuccessful_purchases(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "match": {"title": "walk"}, "do": {"status": 422}})
    assert pipeline("run", project.manifest).code == 1

    assert pipeline("approve", project.manifest, "main").code == 0

    assert [each["key"] for each in decided(project)] == [DANCE]
    assert pipeline("approve", project.manifest, "status:failed").code == 64
    assert pipeline("reject", project.manifest, "status:failed").code == 0


def test_selection_without_matches_decides_nothing(bought: Project, pipeline: Pipeline) -> None:
    for selection in ("image:green", "status:failed,image:green", "hero/**"):
        ended = pipeline("reject", bought.manifest, selection)
        assert ended.code == 64, ended.output
    assert not (bought.folder / "spring.decisions.yaml").exists()


def test_take_can_be_named_by_its_file(bought: Project, pipeline: Pipeline) -> None:
    """Also without a manifest: a video is not one."""
    old = purchase(bought, WALK)
    assert pipeline("run", bought.manifest, "--replace", WALK).code == 0

    assert pipeline("approve", f"output/spring/{WALK}.mp4").code == 0
    assert pipeline("reject", f"output/spring/{WALK}~{old[:7]}.mp4", "--note", "too dark").code == 0

    assert [(each["purchase"], each["decision"]) for each in decided(bought)] == [
        (purchase(bought, WALK), "approved"),
        (old, "rejected"),
    ]


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_file_of_a_shared_purchase_decides_for_its_own_job(
    folder: Path, pipeline: Pipeline, vendor: Emulator, locale: str
) -> None:
    project = campaign(
        folder,
        {
            "campaign.yaml": spring(
                jobs=[{"id": "main", "prompts": ["walk"], "matrix": {"locale": ["en", "fr"]}}]
            )
        },
    )
    assert pipeline("run", project.manifest).code == 0
    assert len(vendor.ledger.entries) == 1
    key = f"{WALK}/locale={locale}"

    for command in ("approve", "reject", "redo", "undecide"):
        ended = pipeline(command, project.manifest, f"output/spring/{key}.mp4")
        assert ended.out.startswith(f"{key} ("), ended.output
    assert [each["key"] for each in decided(project)] == [key]


def test_file_identical_in_two_takes_means_the_one_that_serves(bought: Project, pipeline: Pipeline) -> None:
    """On a machine that does not know which of them it stored there."""
    first, second = (purchase(bought, key) for key in (DANCE, WALK))
    document = bought.results()
    outputs = {each["key"]: each["outputs"] for each in document["purchases"]}
    for each in document["purchases"]:
        each["outputs"][0].update({name: outputs[DANCE][0][name] for name in ("sha256", "bytes")})
    bought.results_file.write_text(json.dumps(document))
    shutil.rmtree(bought.folder / ".pipeline")
    video = bought.output()[f"{DANCE}.mp4"]
    bought.write({f"output/spring/{WALK}.mp4": video})

    for key, mark in ((DANCE, first), (WALK, second)):
        ended = pipeline("reject", bought.manifest, f"output/spring/{key}.mp4")
        assert ended.out.startswith(f"{key} ({mark})"), ended.output


def test_unknown_file_decides_nothing(bought: Project, pipeline: Pipeline) -> None:
    bought.write({"output/spring/mine.mp4": "mine", "other.mp4": "other"})

    for file in ("output/spring/mine.mp4", "other.mp4", f"output/spring/{WALK}.mov"):
        assert pipeline("approve", bought.manifest, file).code == 64


# Decisions are shown


def test_status_and_show_list_comments_and_replaced_takes(bought: Project, pipeline: Pipeline) -> None:
    old = purchase(bought, WALK)
    pipeline("reject", bought.manifest, WALK, "--note", "too dark", "--rating", "2", "--as", "ana")
    pipeline("approve", bought.manifest, DANCE)

    status = pipeline("status", bought.manifest).out
    assert f"  {WALK}: done, rejected ★★ “too dark”" in status
    assert f"  {DANCE}:" not in status
    assert "2 done, 1 approved, 1 rejected." in status
    assert "  decision: rejected ★★ “too dark”" in pipeline("show", bought.manifest, WALK).out

    pipeline("redo", bought.manifest, WALK, "--note", "again, please", "--as", "ana")
    sent_back = pipeline("status", bought.manifest)
    assert f"  {WALK}: pending (redo: again, please)" in sent_back.out

    assert pipeline("run", bought.manifest).code == 0
    after = pipeline("status", bought.manifest)
    kept = f"output/spring/{WALK}~{old[:7]}.mp4"
    assert f"  {WALK}: replaced take {old} (done, sent back ★★ “again, please” by ana): {kept}" in after.out
    shown = pipeline("show", bought.manifest, WALK).out
    assert f"  file {kept}: here" in shown
    document = pipeline("status", bought.manifest, "--format", "json").document
    [walk] = [job for job in document["jobs"] if job["key"] == WALK]
    [earlier] = walk["earlier"]
    assert (earlier["purchase"], earlier["status"], earlier["files"]) == (old, "done", [kept])
    assert (earlier["decision"], earlier["note"], earlier["by"]) == ("redo", "again, please", "ana")
    assert earlier["notes"] == [{"text": "too dark", "by": "ana"}]


def test_redo_reports_purchases_of_a_later_stage(folder: Path, pipeline: Pipeline, vendor: Emulator) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    assert pipeline("run", project.manifest).code == 0
    [sketch] = [key for key in project.jobs() if key.startswith("sketch/")]
    first = purchase(project, sketch)
    assert pipeline("redo", project.manifest, sketch).code == 0
    assert pipeline("run", project.manifest).code == 0
    assert pipeline("undecide", project.manifest, first).code == 0
    project.write({"campaign.yaml": chained(prompts={"spin": "it spins", "jump": "it jumps"})})
    assert pipeline("run", project.manifest).code == 0
    second = purchase(project, sketch)
    assert second != first

    ended = pipeline("redo", project.manifest, second)

    assert f"sent back; it is not bought again, as {first} serves in its place" in ended.out
    assert "nothing is bought" not in ended.out
    assert "The next run buys 1 job because of that" in ended.out
