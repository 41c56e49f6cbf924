"""`pipeline show` prints everything known about a job or a purchase; it calls nobody and writes nothing."""

import re
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, spring

from pipeline.emulator.embedded import Emulator

DANCE, WALK = "main/loop/red/dance", "main/loop/red/walk"


@pytest.fixture
def bought(project: Project, pipeline: Pipeline) -> Project:
    """A campaign after a complete run."""
    ended = pipeline("run", project.manifest)
    assert ended.code == 0, ended.output
    return project


def purchase(project: Project, key: str) -> str:
    mark: str = project.jobs()[key]["purchase"]
    return mark


def test_unbought_job_shows_its_request_and_what_a_run_would_do(project: Project, offline: Pipeline) -> None:
    ended = offline("show", project.manifest, WALK)

    assert ended.code == 0, ended.output
    for line in (
        WALK,
        "  template_id: each_explodedloop_0226",
        "  options:",
        "    prompt: a walk in the park",
        "  plan: create (100 credits): new",
        "  nothing was bought for it",
    ):
        assert line in ended.out.splitlines()
    assert "images/red.png" in ended.out


def test_finished_job_shows_its_purchase_history_and_files(bought: Project, offline: Pipeline) -> None:
    out = offline("show", bought.manifest, WALK).out

    mark = purchase(bought, WALK)
    assert "  plan: keep: up to date" in out.splitlines()
    assert f"purchase {mark}: done" in out
    assert f"  serves: {WALK}" in out
    assert f"  workflow: {bought.jobs()[WALK]['workflow_id']}" in out
    assert f"  file output/spring/{WALK}.mp4: here" in out
    history = [line for line in out.splitlines() if "→" in line]
    # The number of polls depends on the machine.
    statuses = dict.fromkeys(line.rpartition("→ ")[2] for line in history)
    assert list(statuses) == ["submitting", "submitted", "succeeded", "done"]
    assert DANCE not in out


def test_purchase_is_found_by_its_id_or_a_prefix(bought: Project, offline: Pipeline) -> None:
    mark = purchase(bought, DANCE)

    for name in (mark, mark[:6], mark[:6].upper()):
        ended = offline("show", bought.manifest, name)
        assert ended.code == 0, ended.output
        assert ended.out.startswith(f"purchase {mark}: done")


def test_all_purchases_of_a_job_are_listed_with_the_serving_one_first(
    bought: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    first = purchase(bought, WALK)
    bought.write({"campaign.yaml": spring(prompts={"walk": "a run", "dance": "a dance in the rain"})})
    pipeline("run", bought.manifest)

    out = pipeline("show", bought.manifest, WALK).out

    assert out.index(f"purchase {purchase(bought, WALK)}") < out.index(f"purchase {first}")
    assert "  serves: no job now" in out


def test_orphan_is_shown_by_the_key_it_was_bought_for(bought: Project, offline: Pipeline) -> None:
    mark = purchase(bought, WALK)
    bought.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    ended = offline("show", bought.manifest, WALK)

    assert ended.code == 0, ended.output
    assert f"purchase {mark}: done" in ended.out
    assert "serves: no job now" in ended.out


def test_stage_shows_what_it_was_made_from(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder, {"campaign.yaml": chained()})
    pipeline("run", project.manifest)

    out = pipeline("show", project.manifest, "film/film/red/spin").out

    assert f"  made from: {purchase(project, 'sketch/sketch/red')}" in out


def test_failure_is_shown_with_its_reason(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "do": "fail"})
    pipeline("run", project.manifest)

    out = pipeline("show", project.manifest, WALK).out

    assert ": failed (vendor)" in out
    assert "  error: " in out


def test_altered_file_is_called_that(bought: Project, offline: Pipeline) -> None:
    walk, dance = (bought.folder / "output" / "spring" / f"{key}.mp4" for key in (WALK, DANCE))
    walk.write_bytes(b"x")
    dance.unlink()

    assert re.search(
        r"^  file .*walk\.mp4: altered$", offline("show", bought.manifest, WALK).out, re.MULTILINE
    )
    assert re.search(
        r"^  file .*dance\.mp4: not here$", offline("show", bought.manifest, DANCE).out, re.MULTILINE
    )


def test_void_purchase_is_not_called_bought(project: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    vendor.fail({"on": "create", "do": {"status": 402}})
    pipeline("run", project.manifest, "--concurrency", "1")

    out = pipeline("show", project.manifest, DANCE).out

    assert ": void" in out
    assert "  sent " in out
    assert "  bought " not in out


def test_show_writes_nothing(bought: Project, offline: Pipeline) -> None:
    before = bought.tree()

    assert offline("show", bought.manifest, WALK).code == 0
    assert bought.tree() == before


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("main/loop/red/wlak", f"did you mean '{WALK}'?"),
        ("abc", "no job or purchase 'abc'"),
        ("", "an argument is empty"),
    ],
)
def test_unknown_name_is_wrong_usage(bought: Project, offline: Pipeline, name: str, expected: str) -> None:
    ended = offline("show", bought.manifest, name)

    assert ended.code == 64
    assert expected in ended.err
    assert ended.out == ""


def test_secret_url_is_never_shown(bought: Project, pipeline: Pipeline, vendor: Emulator) -> None:
    out = pipeline("show", bought.manifest, WALK).out

    assert "?" not in out
    assert "canary" not in out


def test_unreadable_response_is_kept_for_whoever_resolves_it(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    vendor.fail({"on": "create", "do": "html"})
    assert pipeline("run", project.manifest).code == 7

    assert "502 Bad Gateway" in pipeline("show", project.manifest, WALK).out


def test_sent_back_purchase_is_shown_for_every_job_that_shared_it(
    project: Project, pipeline: Pipeline
) -> None:
    """Both have the same request, so one purchase, under the key of the first, served both."""
    project.write({"campaign.yaml": spring(prompts={"dance": "the same", "walk": "the same"})})
    assert pipeline("run", project.manifest).code == 0
    mark = purchase(project, WALK)
    assert pipeline("redo", project.manifest, DANCE).code == 0

    out = pipeline("show", project.manifest, WALK).out

    assert "nothing was bought for it" not in out
    assert f"purchase {mark}: done" in out
    assert "  status: " in out


def test_what_a_shared_purchase_replaced_is_shown_for_every_job_that_shares_it(
    project: Project, pipeline: Pipeline
) -> None:
    project.write({"campaign.yaml": spring(prompts={"dance": "the same", "walk": "the same"})})
    marks = []
    for _ in range(3):
        assert pipeline("run", project.manifest).code == 0
        marks.append(purchase(project, WALK))
        assert pipeline("redo", project.manifest, DANCE).code == 0
    assert pipeline("undecide", project.manifest, marks[-1]).code == 0

    for key in (DANCE, WALK):
        shown = pipeline("show", project.manifest, key).out
        listed = [line.split()[1].rstrip(":") for line in shown.splitlines() if line.startswith("purchase ")]
        assert listed == [marks[2], marks[0], marks[1]]
