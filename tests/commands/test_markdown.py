"""`plan --format markdown` is one pull request comment: bounded, escaped, and recognisable for updates."""

import re
from pathlib import Path

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, spring
from support.hostile import outside_of_fences

import pipeline as face
from pipeline.planning.markdown import LONGEST, MARKER, as_markdown

CODE = ("<code>", "</code>")
HOSTILE = "</summary></details> <script>alert(1)</script> ```` ~~~ <!-- --> @team ![x](https://x.test/x.png)"


def comment(line: Pipeline, *arguments: str | Path) -> str:
    ended = line("plan", *arguments, "--format", "markdown")
    assert ended.code == 0, ended.output
    assert ended.err == ""
    assert len(ended.out) <= LONGEST
    return ended.out


def test_totals_come_first_and_details_are_folded(project: Project, offline: Pipeline) -> None:
    text = comment(offline, project.manifest)

    assert text.startswith(f"{MARKER}\n## Campaign plan\n\n- `spring`: 2 create; **buys 2: 200 credits**\n")
    assert (
        text.index("**buys 2")
        < text.index("<details><summary><code>spring</code>: ")
        < text.index("+ main/loop/red/walk")
    )
    assert text.rstrip().endswith("</details>")


def test_unknown_or_free_changes_take_one_line(folder: Path, pipeline: Pipeline) -> None:
    project = campaign(folder)
    assert pipeline("run", project.manifest).code == 0
    arctic = spring(name="arctic", templates={"arctic": {"template_id": "vim_arctic"}}, prompts={})
    project.write({"arctic.yaml": arctic})

    text = comment(pipeline, ".")

    assert text.count(MARKER) == 1
    assert "\n- `spring`: nothing to do\n" in text
    assert "\n- `arctic`: 1 create; **buys 1: 1 with no known price**\n" in text
    assert text.count("<details>") == 1


def test_names_are_code_and_shown_as_they_are(folder: Path, offline: Pipeline) -> None:
    limits = {"max_creates": 1}
    project = campaign(folder, {"campaign.yaml": spring(name="spring_drop_2", limits=limits)})

    text = comment(offline, project.manifest)

    assert (
        "\n- `spring_drop_2`: 2 create; **buys 2: 200 credits**; "
        "**limit:** `2 creates would exceed max_creates (1)` (exit code 4)\n"
    ) in text
    assert "<details><summary><code>spring_drop_2</code>: " in text
    assert "\\" not in outside_of_fences(text)


@pytest.mark.parametrize("jobs", [50, 2_000])
def test_comment_is_bounded_and_says_how_much_is_shown(folder: Path, offline: Pipeline, jobs: int) -> None:
    prompts = {f"prompt-{number:05}": f"prompt {number}" for number in range(jobs)}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, limits={"max_creates": jobs})})

    text = comment(offline, project.manifest)

    [(shown, whole)] = set(re.findall(r"(\d+) of (\d+) lines shown", text))
    assert int(whole) == jobs + 4
    assert (int(shown) < int(whole)) == (jobs == 2_000)
    assert text.count("create (100 credits)") <= int(shown)
    assert f"**buys {jobs}: {jobs * 100:,} credits**" in text


def test_hostile_campaign_remains_text(folder: Path, offline: Pipeline) -> None:
    odd = {"path": "images/red.png", "id": HOSTILE}
    project = campaign(folder, {"campaign.yaml": spring(image_sets={"odd": [odd]})})

    text = comment(offline, project.manifest)

    left = outside_of_fences(text)
    assert set(re.findall(r"<[^>]*>", left)) == {
        MARKER,
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
        *CODE,
    }
    assert "script" not in left
    assert "script" in text


def test_long_run_of_backticks_does_not_exceed_the_bound(folder: Path, offline: Pipeline) -> None:
    items = [{"path": "images/red.png", "id": f"{number:04}{'`' * 180}"} for number in range(400)]
    project = campaign(folder, {"campaign.yaml": spring(image_sets={"odd": items})})

    text = comment(offline, project.manifest)

    assert "main/" not in outside_of_fences(text)
    assert re.search(r"\d+ of 804 lines shown", text)


def test_changes_are_shown_in_a_fence_that_they_cannot_close(project: Project, pipeline: Pipeline) -> None:
    assert pipeline("run", project.manifest).code == 0
    prompts = {"walk": f"`````\n{HOSTILE}", "dance": "a dance in the rain"}
    project.write({"campaign.yaml": spring(prompts=prompts)})

    left = outside_of_fences(comment(pipeline, project.manifest))

    assert "script" not in left
    assert "1 replace; **buys 1: 100 credits**" in left


def test_several_campaigns_share_one_comment(project: Project, offline: Pipeline) -> None:
    project.write({"autumn.yaml": spring(name="autumn")})

    text = comment(offline, ".")

    assert text.count(MARKER) == 1
    assert text.count("<details>") == text.count("lines shown</summary>") == 2


@pytest.mark.parametrize("number", [40, 700, 5_000])
def test_many_campaigns_do_not_exceed_the_bound(project: Project, number: int) -> None:
    planned = face.plan(project.manifest)

    text = as_markdown({f"campaign-with-a-long-name_{each:04}": planned for each in range(number)})

    assert len(text) <= LONGEST
    assert "main/" not in outside_of_fences(text)
    assert text.count("<details>") == text.count("</details>")
    assert ("campaigns shown" in text) == (number > 40)
