"""The data of the page: what the records say, in the page's own format, and nothing that the page does not show."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.gallery_records import KEY, OTHER, SHA, job, purchase, records

from pipeline.report.data import GalleryRecords, build, files_on_page
from pipeline.report.gallery_rows import PlannedJob
from pipeline.report.parts import parts_of


def shown(*given: GalleryRecords) -> Any:
    data = build(given, makes_stills=True, holds_videos=True, is_bundle=False)
    assert json.loads(json.dumps(data)) == data
    campaigns: Any = data["campaigns"]
    return campaigns[0]


def test_job_shows_its_purchase_and_its_parts() -> None:
    [shown_job] = shown(records())["jobs"]

    assert shown_job == {
        "key": KEY,
        "status": "done",
        "purchase": "1" * 16,
        "rule": "hero",
        "template": "overlay",
        "image": "red",
        "prompt": "walk",
        "axes": {"locale": "en"},
    }


def test_prompt_is_separate_and_url_queries_are_removed() -> None:
    data = shown(records())
    [shown_purchase] = data["purchases"]

    assert shown_purchase["text"] == "a walk"
    assert shown_purchase["request"] == {
        "options": {"background_urls": ["https://cdn.example.com/a.mp4"]},
        "images": [{"id": "red", "source": "https://cdn.example.com/red.png"}],
    }
    assert "secret" not in json.dumps(data)
    assert "v.example.com" not in json.dumps(data)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"prompt": "p", "text_prompt": "t"}, "p"),
        ({"text_prompt": "t", "negative_prompt": "n"}, "t"),
        ({"negative_prompt": "n"}, None),
        ({"prompt": ["not", "a", "text"]}, None),
    ],
)
def test_prompt_option_is_recognised(options: dict[str, Any], text: str | None) -> None:
    data = shown(records(purchases=[purchase(request={"options": options})]))

    assert data["purchases"][0].get("text") == text


@pytest.mark.parametrize(
    ("options", "sent_in", "text"),
    [
        ({"song_theme": "shoes", "genre_style": "a long text"}, {"song_theme"}, "shoes"),
        ({"text_prompt": "the same in each job", "theme": "shoes"}, {"theme"}, "shoes"),
        # The name of the prompt, or words about it, are shorter than the prompt.
        ({"label": "walk", "theme": "a walk in the rain"}, {"label", "theme"}, "a walk in the rain"),
        ({"prompt": "p", "theme": "p, in the rain"}, {"prompt", "theme"}, "p"),
        ({"negative_prompt": "no walk", "theme": "walk"}, {"negative_prompt", "theme"}, "walk"),
        ({"prompt": "of an older manifest"}, {"theme"}, "of an older manifest"),
        ({"scenes": ["a walk"]}, {"scenes"}, None),
    ],
)
def test_option_in_which_the_manifest_sends_the_prompt_is_the_prompt(
    options: dict[str, Any], sent_in: set[str], text: str | None
) -> None:
    request = {"options": options}
    pending = {"key": KEY, "fingerprint": "v1:" + "0" * 64, "status": "pending"}
    planned = {KEY: PlannedJob(request=request, template_id="song")}
    song = purchase(request=request, template_id="song")
    data = shown(
        records(
            [pending], [song], planned=planned, prompt_options={"song": sent_in, "other": {"genre_style"}}
        )
    )

    assert data["purchases"][0].get("text") == text
    assert data["jobs"][0].get("text") == text


def test_files_are_listed_once_with_path_and_facts() -> None:
    given = records(
        purchases=[purchase(), purchase(id="2" * 16)],
        hrefs={SHA: "../a.mp4"},
        stills={SHA},
        media={SHA: {"rule": 1, "width": 640, "height": 360, "duration": 2.5}},
    )
    data = shown(given)

    assert data["files"] == [
        {
            "id": SHA[:16],
            "type": "video/mp4",
            "bytes": 9,
            "here": True,
            "href": "../a.mp4",
            "poster": True,
            "width": 640,
            "height": 360,
            "duration": 2.5,
        }
    ]
    assert [each["files"] for each in data["purchases"]] == [[0], [0]]


def test_file_absent_from_this_machine_has_no_link() -> None:
    [file] = shown(records())["files"]

    assert "here" not in file
    assert "href" not in file
    assert "poster" not in file


def test_steps_are_names_with_their_downloaded_files() -> None:
    steps = [
        {"flow": "crop", "outputs": [{"content_type": "image/png"}]},
        {"flow": "animate", "outputs": [{"content_type": "video/mp4", "sha256": OTHER}]},
    ]
    data = shown(records(purchases=[purchase(steps=steps)], hrefs={OTHER: "../x.steps/02-animate.mp4"}))

    assert data["purchases"][0]["steps"] == ["crop", {"flow": "animate", "files": [1]}]
    assert data["files"][1]["href"] == "../x.steps/02-animate.mp4"


def test_last_decision_on_a_purchase_counts_and_is_shown_whole() -> None:
    decided = {
        "decisions": [
            {"purchase": "1" * 16, "key": KEY, "decision": "rejected", "rating": 1},
            {
                "purchase": "1" * 16,
                "key": KEY,
                "decision": "approved",
                "rating": 5,
                "by": "ana",
                "notes": [{"at": 1.25, "text": "logo", "by": "ana"}],
            },
        ]
    }
    data = shown(records(decisions=decided))

    assert data["jobs"][0]["decision"] == "approved"
    assert {name: data["purchases"][0][name] for name in ("decision", "rating", "by", "notes")} == {
        "decision": "approved",
        "rating": 5,
        "by": "ana",
        "notes": [{"at": 1.25, "text": "logo", "by": "ana"}],
    }


def test_job_sent_back_shows_the_decision_on_its_last_purchase() -> None:
    pending = {"key": KEY, "fingerprint": "v1:" + "0" * 64, "status": "pending", "last": "1" * 16}
    decided = {"decisions": [{"purchase": "1" * 16, "key": KEY, "decision": "redo"}]}

    assert shown(records(jobs=[pending], decisions=decided))["jobs"][0]["decision"] == "redo"


def test_job_without_purchase_shows_its_planned_request() -> None:
    pending = {"key": KEY, "fingerprint": "v1:" + "0" * 64, "status": "pending"}
    planned = {KEY: PlannedJob(request={"options": {"prompt": "a run"}}, credits=80, action="create")}
    [shown_job] = shown(records(jobs=[pending], purchases=[], planned=planned))["jobs"]

    assert (shown_job["text"], shown_job["price"], shown_job["action"]) == ("a run", 80, "create")


def test_refused_and_void_purchases_cost_nothing() -> None:
    given = [
        purchase(),
        purchase(id="2" * 16, status="failed", reason="rejected"),
        purchase(id="3" * 16, status="failed", reason="vendor"),
        purchase(id="4" * 16, status="void"),
    ]

    assert shown(records(purchases=given))["spent"] == 240


def test_selection_excludes_other_jobs() -> None:
    other = {**job(), "key": "hero/overlay/blue/walk/locale=en", "purchase": "2" * 16}
    others = purchase(id="2" * 16, key=other["key"], outputs=[{"content_type": "video/mp4", "sha256": OTHER}])
    given = records(
        jobs=[job(), other], purchases=[purchase(), others], keys={KEY}, budget=500, max_credits=400
    )
    data = shown(given)

    assert [each["key"] for each in data["jobs"]] == [KEY]
    assert [each["id"] for each in data["purchases"]] == ["1" * 16]
    assert data["selected_of"] == 2
    # Its own cost, without the budget, which is for the whole campaign; a run of the selection has the same limit.
    assert (data["spent"], data["max_credits"]) == (120, 400)
    assert "budget" not in data
    assert files_on_page(given) == {SHA: "video/mp4"}
    assert set(files_on_page(replace(given, keys=None))) == {SHA, OTHER}


def test_selection_has_what_served_its_jobs_before_in_the_name_of_another() -> None:
    other = {**job(), "key": "hero/overlay/blue/walk/locale=en"}
    earlier = purchase(id="8" * 16, key=other["key"], bought_at="2026-11-27T12:00:00.000Z")
    film = {"content_type": "video/mp4", "sha256": OTHER}
    unlike = {**earlier, "id": "7" * 16, "fingerprint": "v1:" + "1" * 64}
    made_from = {**earlier, "id": "6" * 16, "inputs": ["5" * 16]}
    given = records(
        jobs=[job(), other],
        purchases=[purchase(), {**earlier, "outputs": [film]}, unlike, made_from],
        keys={KEY},
    )

    assert [each["id"] for each in shown(given)["purchases"]] == ["1" * 16, "8" * 16]
    assert set(files_on_page(given)) == {SHA, OTHER}


def test_selection_has_what_was_replaced_in_its_jobs_though_it_was_bought_for_another() -> None:
    first = purchase(id="8" * 16, key="hero/overlay/blue/run", fingerprint="v1:" + "1" * 64)
    second = {**first, "id": "7" * 16, "replaces": ["8" * 16]}
    last = purchase(replaces=["7" * 16])
    given = records(purchases=[first, second, {**first, "id": "6" * 16}, last], keys={KEY})

    shown_here = shown(given)["purchases"]
    assert {each["id"] for each in shown_here} == {last["id"], "7" * 16, "8" * 16}
    assert next(each for each in shown_here if each["id"] == last["id"])["replaces"] == ["7" * 16]


def test_selection_shows_no_budget_but_what_is_left_of_it() -> None:
    given = records(budget=500, budget_left=260)

    page = shown(replace(given, keys={KEY}))
    assert "budget" not in page
    assert (page["budget_left"], shown(given)["budget"]) == (260, 500)


def test_earlier_results_add_only_what_is_unknown() -> None:
    sent_back = {"key": "hero/overlay/blue", "fingerprint": "v1:", "status": "pending", "last": "9" * 16}
    jobs = [job(purchase="9" * 16), sent_back]
    before = {"jobs": jobs, "purchases": [purchase(), purchase(id="9" * 16)]}
    data = shown(records(before=before, before_name="old.json"))

    assert data["before"]["name"] == "old.json"
    assert data["before"]["jobs"] == [
        {"key": KEY, "status": "done", "purchase": "9" * 16},
        {"key": "hero/overlay/blue", "status": "pending", "last": "9" * 16},
    ]
    assert [each["id"] for each in data["before"]["purchases"]] == ["9" * 16]


def test_selection_excludes_other_jobs_of_earlier_results() -> None:
    other = {**job(), "key": "hero/overlay/blue/walk/locale=en", "purchase": "2" * 16}
    film = {"content_type": "video/mp4", "sha256": OTHER}
    before = {
        "jobs": [job(purchase="9" * 16), other],
        "purchases": [purchase(id="9" * 16), purchase(id="2" * 16, key=other["key"], outputs=[film])],
    }
    given = records(before=before, before_name="old.json", keys={KEY})
    data = shown(given)

    assert [each["key"] for each in data["before"]["jobs"]] == [KEY]
    assert [each["id"] for each in data["before"]["purchases"]] == ["9" * 16]


def test_a_comparison_changes_nothing_in_what_a_selection_cost() -> None:
    gone = purchase(id="9" * 16, key="hero/overlay/red/gone")
    before = {
        "jobs": [job(), job(key=gone["key"], purchase=gone["id"])],
        "purchases": [purchase(), gone],
    }
    given = records(purchases=[purchase(), gone], keys={KEY, gone["key"]}, before=before)

    data = shown(given)

    assert data["spent"] == shown(records(purchases=[purchase(), gone], keys={KEY}))["spent"]
    assert [each["key"] for each in data["purchases"]] == [KEY]
    assert [each["id"] for each in data["before"]["purchases"]] == [gone["id"]]
    assert files_on_page(given) == {SHA: "video/mp4"}


def test_upstream_is_the_job_of_the_input_purchase() -> None:
    upstream = purchase(id="2" * 16, key="sketch/s/red")
    data = shown(records(purchases=[purchase(inputs=["2" * 16]), upstream]))

    assert data["jobs"][0]["upstream"] == "sketch/s/red"


@pytest.mark.parametrize(
    ("row", "has_image", "parts"),
    [
        (
            {"key": "hero/overlay/red/walk/background=beach/n=5#3"},
            True,
            {
                "rule": "hero",
                "template": "overlay",
                "image": "red",
                "prompt": "walk",
                "take": 3,
                "axes": {"background": "beach", "n": "5"},
            },
        ),
        ({"key": "hero/overlay/red"}, True, {"rule": "hero", "template": "overlay", "image": "red"}),
        ({"key": "hero/overlay/walk"}, False, {"rule": "hero", "template": "overlay", "prompt": "walk"}),
        ({"key": "hero/over%2Flay"}, False, {"rule": "hero", "template": "over/lay"}),
        (
            {
                "key": "x",
                "rule": "a",
                "template": "b",
                "prompt": "c",
                "axes": {"n": 5, "on": True},
                "take": 2,
            },
            True,
            {"rule": "a", "template": "b", "prompt": "c", "take": 2, "axes": {"n": "5", "on": "true"}},
        ),
    ],
)
def test_parts_of_a_job(row: dict[str, Any], has_image: bool, parts: dict[str, Any]) -> None:
    images = [{"id": "red"}] if has_image else []

    assert parts_of(row, {"request": {"images": images}}) == parts
