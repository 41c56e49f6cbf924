"""A plan as shown to people and as JSON for scripts."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.json_values import Json
from pipeline.planning import show
from pipeline.planning.markdown import as_markdown
from pipeline.planning.plan import Presence
from pipeline.planning.show import as_json, as_text, totals
from pipeline.purchases import Decisions, Purchase, Reason, Status
from planning.campaign import bought, job, plan


def lost(purchase: Purchase, error: str) -> Purchase:
    return replace(purchase, error=error)


def test_plan_as_text() -> None:
    changed = job("changed", "dance", price=320)
    fresh, alike = job("fresh", "run"), job("fresh-too", "run")
    unpriced = job("unpriced", "jump", price=None, template="other")
    sketch = job("sketch", "sketch")
    film = job("film", "film", sketch)
    unknown, failed, kept = job("unknown", "u"), job("failed", "f"), job("kept", "k")
    made = plan(
        [changed, fresh, alike, unpriced, sketch, film, unknown, failed, kept],
        bought(1, job("changed", "walk")),
        lost(bought(2, unknown, Status.ATTENTION), "a time-out after sending"),
        lost(bought(3, failed, Status.FAILED), "no face found"),
        bought(4, kept),
        bought(5, sketch, Status.SUBMITTED),
        bought(6, job("gone", "gone")),
    )
    assert "\n".join(as_text(made)) == (
        "  + hero/other/unpriced  create (price unknown): new\n"
        "-/+ hero/overlay/changed  re-create (320 credits): changed: options.prompt\n"
        "      options.prompt: walk → dance\n"
        "  ✗ hero/overlay/failed  failed (vendor): no face found; --retry-failed buys it again\n"
        "  + hero/overlay/film  create (10 credits): new, after hero/overlay/sketch\n"
        "  + hero/overlay/fresh  create (10 credits): new\n"
        "  = hero/overlay/fresh-too  share (free): asks for the same as hero/overlay/fresh\n"
        "  » hero/overlay/sketch  resume (paid): bought 2026-01-01T00:05:00Z, not finished\n"
        "  ! hero/overlay/unknown  needs attention: it is unknown whether it was bought (a time-out after sending)\n"
        "  - hero/overlay/gone  orphan: its job is no longer in the manifest, and it is done\n"
        "Plan: 1 needing attention, 1 to resume, 1 to share, 1 to replace, 3 to create, 2 to keep, 1 orphan.\n"
        "  other: 1 to buy, price unknown\n"
        "  overlay: 3 to buy, 340 credits\n"
        "Buys 4: 340 credits + 1 job with no known price.\n"
        "Add the prices you know under `catalog.credits` in the manifest. The vendor publishes some, which "
        "`pipeline templates --refresh --write prices.yaml` gets; the others can only be set by hand.\n"
        "1 finished job has no file on this machine: `pipeline collect MANIFEST` downloads what is missing.\n"
        "1 create with an unknown outcome: look on the vendor's site, "
        "then resolve it: `pipeline resolve MANIFEST hero/overlay/unknown --workflow-id ID` "
        "(see docs/how-to/attention.md)\n"
        "1 job failed before: `pipeline run MANIFEST --retry-failed` buys it again."
    )


def test_unknown_price_is_never_shown_as_zero() -> None:
    made = plan([job(name, name, price=None) for name in "abcd"])
    shown = list(totals(made))
    assert "Buys 4: price unknown." in shown
    assert not any("0 credits" in line for line in shown)
    summary = as_json(made)["summary"]
    assert isinstance(summary, dict)
    assert (summary["credits"], summary["unpriced"]) == (None, 4)


def test_zero_price_is_known_and_shown() -> None:
    assert "Buys 1: 0 credits." in list(totals(plan([job("a", price=0)])))


def test_plan_that_buys_nothing_says_so() -> None:
    a = job("a")
    shown = list(as_text(plan([a], bought(1, a), presence={a.key: Presence.IN_PLACE})))
    assert shown == ["Plan: 1 to keep.", "Nothing to buy."]
    assert next(iter(totals(plan([])))) == "Plan: nothing to do."


def test_failed_job_that_is_bought_again_gets_no_retry_advice() -> None:
    a, b = job("a", "walk"), job("b", "run")
    failed = [bought(1, a, Status.FAILED), bought(2, b, Status.FAILED)]
    asked = list(totals(plan([a, b], *failed, retry_failed=True)))
    assert "Plan: 2 to retry." in asked
    assert not any("--retry-failed" in line for line in asked)
    again = list(totals(plan([a, b], replace(failed[0], again=True), failed[1])))
    assert "1 job failed before: `pipeline run MANIFEST --retry-failed` buys it again." in again


def test_rejected_job_is_to_be_edited() -> None:
    a, b, c = job("a", "walk"), job("b", "run"), job("c", "dance")
    rejected = [
        replace(bought(number, each, Status.FAILED), reason=Reason.REJECTED)
        for number, each in enumerate((a, b), 1)
    ]

    shown = list(as_text(plan([a, b, c], *rejected, bought(3, c, Status.FAILED))))

    assert "  ✗ hero/overlay/a  failed (rejected); change what it asks for" in shown
    assert (
        "2 jobs were rejected before: change what they ask for, such as the prompt, and run again." in shown
    )
    assert "1 job failed before: `pipeline run MANIFEST --retry-failed` buys it again." in shown


def test_altered_file_is_counted() -> None:
    a = job("a")
    shown = list(totals(plan([a], bought(1, a), presence={a.key: Presence.ALTERED})))
    assert any("altered" in line for line in shown)


def test_long_value_is_truncated_and_a_hostile_one_is_escaped() -> None:
    before, after = job("a", "x" * 500), job("a", "red\x1b[31m\nfake line")
    shown = list(as_text(plan([after], bought(1, before))))
    assert not any("\x1b" in line or "\n" in line for line in shown)
    assert all(len(line) < 400 for line in shown)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a cat", "a cat ", 'a cat → "a cat "'),
        (" a cat", "a cat", '" a cat" → a cat'),
        ("a cat", "a\u00a0cat", r"a cat → a\xa0cat"),
        ("cafe\u0301 au lait", "caf\u00e9 au lait", r"cafe\u0301 au lait → caf\xe9 au lait"),
        ("cafe\u0301 noir", "caf\u00e9 crème", "cafe\u0301 noir → caf\u00e9 crème"),
        ("a cat", "a\u3000cat", r"a cat → a\u3000cat"),
        ("a \u2764", "a \u2764\ufe0f", "a \u2764 → a \u2764\\ufe0f"),
        ("a cat", "a \u3164cat", r"a cat → a \u3164cat"),
        ("aa", "a\u0430", r"aa → a\u0430"),
        ("\u0421\u041e\u0420 car", "COP car", r"\u0421\u041e\u0420 car → COP car"),
        ("color", "c\u03bflor", r"color → c\u03bflor"),
        ("\u03b1pe", "ape", r"\u03b1pe → ape"),
        ("a 50mm lens", "a \uff15\uff10mm lens", r"a 50mm lens → a \uff15\uff10mm lens"),
        ("a \ufb01lm", "a film", r"a \ufb01lm → a film"),
        ("a \U0001d41carpet", "a carpet", r"a \U0001d41carpet → a carpet"),
        ("a m\u00b2", "a m2", "a m\u00b2 → a m2"),
        ("", " ", '"" → " "'),
    ],
)
def test_texts_that_look_the_same_are_shown_escaped(old: str, new: str, expected: str) -> None:
    shown = list(as_text(plan([job("a", new)], bought(1, job("a", old)))))
    assert shown[1] == f"      options.prompt: {expected}"


def test_colours_come_from_the_painter() -> None:
    shown = list(as_text(plan([job("a")]), lambda text, colour: f"<{colour}>{text}</{colour}>"))
    assert shown[0].startswith("<green>  + hero/overlay/a</green>")


def test_json_has_every_entry_and_the_totals() -> None:
    changed = job("changed", "dance", price=320)
    fresh, alike = job("fresh", "run"), job("fresh-too", "run")
    old = bought(1, job("changed", "walk"))
    made: Json = as_json(plan([changed, fresh, alike], old))
    assert made == {
        "actions": [
            {
                "key": changed.key,
                "action": "replace",
                "reason": "changed: options.prompt",
                "credits": 320,
                "changes": [{"name": "options.prompt", "old": "walk", "new": "dance"}],
                "purchase": old.id,
            },
            {"key": fresh.key, "action": "create", "reason": "new", "credits": 10, "changes": []},
            {
                "key": alike.key,
                "action": "share",
                "reason": f"asks for the same as {fresh.key}",
                "credits": 0,
                "changes": [],
                "buyer": fresh.key,
            },
        ],
        "summary": {
            "actions": {"create": 1, "replace": 1, "share": 1},
            "creates": 2,
            "credits": 330,
            "unpriced": 0,
            "templates": {"overlay": {"creates": 2, "credits": 330, "unpriced": 0}},
        },
    }


@pytest.mark.parametrize(("price", "shown"), [(None, None), (10, 10)])
def test_json_has_null_for_an_unknown_price(price: int | None, shown: int | None) -> None:
    actions = as_json(plan([job("a", price=price)]))["actions"]
    assert isinstance(actions, list)
    assert isinstance(actions[0], dict)
    assert actions[0]["credits"] == shown


def test_comments_of_ci_name_actions_as_plans_do() -> None:
    render = runpy.run_path(str(Path(__file__).parents[3] / "ci" / "render.py"))
    titles = {action.value: (symbol, title) for action, (symbol, _, title) in show.LOOK.items()}

    assert render["LOOK"] == titles


def test_comments_say_of_each_job_what_the_text_says(tmp_path: Path) -> None:
    render = runpy.run_path(str(Path(__file__).parents[3] / "ci" / "render.py"))
    failed, edited, kept = job("failed", "f"), job("edited", "now"), job("kept", "k")
    before = job("edited", "before")
    approved = bought(2, before)
    made = plan(
        [failed, job("waits", "w", failed), edited, kept],
        lost(bought(1, failed, Status.FAILED), "no face found"),
        approved,
        bought(3, kept),
        lost(bought(4, job("gone", "gone"), Status.ATTENTION), "a time-out"),
        decisions=Decisions(approved={approved.id: edited.key}),
    )
    (tmp_path / "spring.plan.json").write_text(json.dumps({"campaign": "spring", **as_json(made)}))

    of_text = list(as_text(made))
    of_jobs = of_text[: next(number for number, line in enumerate(of_text) if line.startswith("Plan: "))]
    comment = render["rendered"](tmp_path, comment_id="", sha="", from_fork=False)
    markdown = as_markdown({"spring": made})

    assert [line[:3].strip() for line in of_jobs if not line.startswith("      ")] == [
        "*",
        "✗",
        "·",
        "-",
        "!",
    ]
    for line in of_jobs:
        # The saved plan does not have the reason of a purchase that serves no job.
        assert f"\n{line.partition(', serves no job now')[0]}" in comment
    for line in of_text:
        assert f"\n{line}\n" in markdown
    summary = "1 attention, 1 failed, 1 orphan, 1 pinned, 1 wait; buys nothing\n"
    assert all(f"- `spring`: {summary}" in each for each in (comment, markdown))
    assert "\n1 job failed before: `--retry-failed` buys it again.\n" in comment
