"""The comment shows what `pipeline plan` shows, made from saved plans where nothing is installed."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ci.hosting import ROOT, bare_environment
from pipeline.planning.sides import shown_sides

WORDS = [f"word{number}" for number in range(200)]


def rendered(folder: Path) -> str:
    """The comment on the plans in `folder`."""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "ci" / "render.py"],
        env={
            **bare_environment(),
            "CAMPAIGN_PLANS": str(folder),
            "CAMPAIGN_COMMENT_ID": "campaigns/",
            "CAMPAIGN_HEAD_SHA": "a" * 40,
            "CAMPAIGN_REQUEST": "7",
        },
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


def action(key: str, *changes: tuple[Any, Any], name: str = "replace") -> dict[str, Any]:
    return {
        "key": key,
        "action": name,
        "reason": "the request changed",
        "credits": 100,
        "changes": [{"name": "options.prompt", "old": old, "new": new} for old, new in changes],
    }


def save(folder: Path, *actions: Mapping[str, Any], campaign: str = "spring", **summary: Any) -> Path:
    saved = {
        "version": 1,
        "campaign": campaign,
        "manifest": "../spring.yaml",
        "actions": actions,
        "summary": {
            "actions": {"replace": len(actions)},
            "creates": len(actions),
            "credits": 100 * len(actions),
            "unpriced": 0,
            "templates": {},
            **summary,
        },
    }
    path = folder / f"{campaign}.plan.json"
    path.write_text(json.dumps(saved))
    return path


def changed(**new: str) -> str:
    return " ".join(new.get(word, word) for word in WORDS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (changed(), changed(word3="THREE", word180="SECRET BRAND")),
        ("one line", "one\nline"),
        ("a cat", "a\u00a0cat"),
        ("cafe\u0301", "caf\u00e9"),
        ("a cat", "a cat "),
        (["a" * 200, "b"], ["a" * 200, "c"]),
        ("5", 5),
        (None, "new"),
    ],
)
def test_every_change_is_shown_as_the_plan_shows_it(tmp_path: Path, old: object, new: object) -> None:
    save(tmp_path, action("hero/a", (old, new)))

    text = rendered(tmp_path)

    for sides in shown_sides(old, new):
        before, after = sides.split(" → ")
        assert before != after
        assert f"      options.prompt: {sides}\n" in text


def test_last_change_of_a_long_text_is_shown(tmp_path: Path) -> None:
    save(tmp_path, action("hero/a", (changed(), changed(word3="THREE", word180="SECRET BRAND"))))

    assert "SECRET BRAND" in rendered(tmp_path)


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    save(tmp_path, *(action(f"hero/{number}", (changed(), "short")) for number in range(1000)))

    text = rendered(tmp_path)

    assert len(text) <= 60_000
    shown = text.count("  re-create (100 credits)")
    assert 0 < shown < 1000
    assert re.search(f"<code>spring</code>: ({shown - 1}|{shown}) of 1,000 shown", text)


def test_totals_of_a_plan_that_is_too_large_are_shown(tmp_path: Path) -> None:
    # Vars and templates may have the names of the plan's own members.
    save(
        tmp_path,
        *(action(f"hero/{number}", ('"summary": {} }' + "x" * 1_000_000, "new")) for number in range(18)),
        templates={"summary": {"creates": 18, "credits": 1800, "unpriced": 0}},
    )
    save(tmp_path, action("hero/a", ("old", "new")), campaign="small")

    text = rendered(tmp_path)

    assert "- `spring`: 18 replace; **buys 18: 1,800 credits**" in text
    assert "`spring`: 0 of 18 shown; the plan is in the summary or log of its job" in text
    assert "<summary><code>small</code>: 1 of 1 shown</summary>" in text


def test_too_many_problems_replace_an_older_plan_too(tmp_path: Path) -> None:
    problem = {"severity": "error", "summary": "x" * 1_000_000}
    (tmp_path / "problems.json").write_text(json.dumps({"diagnostics": [problem] * 18}))

    assert "**Not valid:**" in rendered(tmp_path)


def test_actions_and_notes_are_worded_as_in_the_plan(tmp_path: Path) -> None:
    free = {**action("hero/b", name="orphan"), "credits": 0, "reason": "orphan: its job has left"}
    update = {**action("hero/c", ("a", "b"), name="update"), "credits": 0, "reason": "the title changed"}
    notes: dict[str, Any] = {"prices_of": "2026-01-02", "missing": 1, "altered": 2}
    save(tmp_path, action("hero/a", ("a", "b")), free, update, **notes)

    text = rendered(tmp_path)

    assert "-/+ hero/a  re-create (100 credits): the request changed\n" in text
    assert "  - hero/b  orphan: its job has left\n" in text
    assert "  ~ hero/c  update in place (free): the title changed\n" in text
    assert "Prices as of 2026-01-02.\n1 finished job has no file" in text
    assert "2 finished jobs have a file that was altered" in text


def warn(path: Path, *warnings: str) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "warnings": warnings}))


def test_warnings_of_all_plans_are_folded(tmp_path: Path) -> None:
    warn(save(tmp_path), "warning: spring.yaml:3:1: the prompt 'sit' is empty")
    warn(save(tmp_path, campaign="summer"), "warning: summer.yaml:4:1: " + "x" * 1_000)

    text = rendered(tmp_path)

    assert "<summary>2 warnings: 2 of 2 shown</summary>" in text
    assert "\nwarning: spring.yaml:3:1: the prompt 'sit' is empty\n" in text
    assert f"\nwarning: summer.yaml:4:1: {'x' * 1_000}\n" in text


@pytest.mark.parametrize("warning", ["x" * 10_000, "`" * 10_000, "", "</details>\n```"], ids=range(4))
def test_many_warnings_leave_room_for_the_actions(tmp_path: Path, warning: str) -> None:
    actions = (action(f"hero/{number}", (changed(), "short")) for number in range(1000))
    warn(save(tmp_path, *actions), *[warning] * 1_000)

    text = rendered(tmp_path)

    assert len(text) <= 60_000
    assert re.search(r"<summary>1,000 warnings: [1-9][0-9,]* of 1,000 shown</summary>", text)
    assert re.search(r"<code>spring</code>: [1-9][0-9]* of 1,000 shown", text)


@pytest.mark.parametrize(
    "name",
    [
        "@org/team",
        "#12",
        "org/repo#12",
        "GH-12",
        "!12 ~label %1 &2 $3",
        "https://forge.test/org/repo/issues/12",
        "`@org/team`",
        "``` @org/team",
        "</code></summary>@org/team",
        "<!-- @org/team",
        "**@org/team**",
        "\n@org/team\n\n#12",
    ],
)
def test_text_of_a_stranger_calls_nobody(tmp_path: Path, name: str) -> None:
    """Forges look for names and numbers in the text that is shown, where an escape has left no trace."""
    path = save(tmp_path, {**action("hero/a"), "reason": name, "key": name}, limit=name, prices_of=name)
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "campaign": name, "warnings": [name]}))

    text = rendered(tmp_path)

    in_code = text
    for code in (
        r"^(?P<fence>`{3,})\n.*?^(?P=fence)$",
        r"(?<!`)(?P<fence>`+)(?!`).*?(?<!`)(?P=fence)(?!`)",
        r"<code>[^<]*</code>",
    ):
        in_code = re.sub(code, "", in_code, flags=re.DOTALL | re.MULTILINE)
    assert "Campaign plan" in in_code
    assert "of 1 shown" in in_code
    assert not re.search(r"[@~%&$]|(?<!#)#\d|12|//", in_code), in_code
