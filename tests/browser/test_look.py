"""Viewing: videos play, comparisons are in sync, the detail is complete, and the keyboard does everything."""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from browser.conftest import Gallery, Tab, rows_of
from browser.samples import COARSE, Sample, key_of, spring_drop
from pipeline.operations.report import gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.report.writing import write_folder, write_single
from pipeline.schemes import ObjectUrl

Make = Callable[..., Tab]
FIRST = "hero/overlay/red/stroll/background=beach/locale=en"
FRAME = 1 / 24


def purchases_of(gallery: Gallery, key: str) -> list[dict[str, Any]]:
    found = [each for each in gallery.results["purchases"] if each["key"] == key]
    return sorted(found, key=lambda each: str(each["bought_at"]))


def compared(gallery: Gallery) -> str:
    return ",".join(each["id"] for each in purchases_of(gallery, FIRST))


def times(page: Page) -> list[float]:
    """The position of each video, all at one moment."""
    found: list[float] = page.evaluate(
        "[...document.querySelectorAll('video')].map(each => each.currentTime)"
    )
    return found


def apart(page: Page) -> float:
    stands = times(page)
    return max(stands) - min(stands)


def until(page: Page, condition: str) -> None:
    """Wait for a condition. Playwright's own way makes the page evaluate a string, which its policy forbids."""
    page.evaluate(
        f"""new Promise((resolve, reject) => {{
            setTimeout(() => reject(new Error({condition!r})), 20000);
            const look = () => (({condition}) ? resolve() : setTimeout(look, 20));
            look();
        }})"""
    )


ALL_READY = "[...document.querySelectorAll('video')].every(each => each.readyState >= 2)"
AT_REST = "!reel.playing && reel.target === undefined"


def test_card_plays_while_hovered_or_focused(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    card = page.locator(f'article[data-key="{FIRST}"]')

    card.hover()
    until(page, "document.querySelector('.card video')?.currentTime > 0.1")
    assert page.locator(".card video").count() == 1

    page.mouse.move(0, 0)
    expect(page.locator(".card video")).to_have_count(0)

    card.locator(".open").focus()
    until(page, "document.querySelector('.card video')?.currentTime > 0.1")


def test_playing_card_opens_by_click_while_another_has_the_focus(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=status:done")
    page.keyboard.press("ArrowDown")
    other = page.locator("article").nth(2)
    other.hover()
    expect(other.locator("video")).to_be_visible()

    other.locator(".open").click()

    expect(page.locator(".detail")).to_be_visible()


def test_reduced_motion_disables_autoplay_and_space_still_plays(tab: Make, gallery: Gallery) -> None:
    page = tab(reduced_motion="reduce").open(gallery.index)
    card = page.locator(f'article[data-key="{FIRST}"]')

    card.hover()
    card.locator(".open").focus()
    assert page.locator(".card video").count() == 0

    page.keyboard.press(" ")
    until(page, "document.querySelector('.card video')?.currentTime > 0.1")


def test_video_plays_pauses_and_steps_by_keyboard(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#job={FIRST}")
    until(page, ALL_READY)

    page.keyboard.press(" ")
    until(page, "reel.time > 0.3")
    page.keyboard.press(" ")
    until(page, AT_REST)
    stood = times(page)[0]
    assert 0.3 <= stood < 2.5

    page.keyboard.press(".")
    until(page, AT_REST)
    assert 0 < times(page)[0] - stood <= 2 * FRAME
    page.keyboard.press(",")
    until(page, AT_REST)
    assert abs(times(page)[0] - stood) <= FRAME


def test_two_purchases_stay_within_a_frame_after_play_and_three_seeks(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")
    until(page, ALL_READY)
    assert page.locator("video").count() == 2

    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "reel.time > 0.4")
    assert apart(page) <= FRAME
    for moment in (1.7, 0.3, 1.1):
        page.evaluate("moment => reel.seek(moment)", moment)
        assert apart(page) <= FRAME
        until(page, f"reel.time > {moment} + 0.15")
        assert apart(page) <= FRAME
    page.keyboard.press(" ")
    until(page, AT_REST)
    assert apart(page) <= FRAME / 2


def test_four_purchases_play_in_sync(tab: Make, gallery: Gallery) -> None:
    ids = [each["id"] for key in (FIRST, f"{FIRST}#2", f"{FIRST}#3") for each in purchases_of(gallery, key)]
    assert len(ids) == 4
    page = tab().open(gallery.index, f"#compare={','.join(ids)}")
    until(page, ALL_READY)
    assert page.locator("video").count() == 4

    page.keyboard.press(" ")
    until(page, "reel.time > 0.4")
    page.keyboard.press(" ")
    until(page, AT_REST)

    assert apart(page) <= FRAME / 2
    # At most one of them has sound.
    assert page.evaluate("[...document.querySelectorAll('video')].filter(each => !each.muted).length") <= 1


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("number", [3, 4])
def test_four_purchases_on_a_phone_are_compared_in_pairs(
    tab: Make, gallery: Gallery, width: int, number: int
) -> None:
    files = {each["purchase"]: each for each in gallery.results["jobs"] if each["status"] == "done"}
    ids = [*files][1 : 1 + number]
    page = tab(width=width, height=844, has_touch=True, is_mobile=True).open(
        gallery.index, f"#compare={','.join(ids)}"
    )
    panes = [each.bounding_box() for each in page.locator(".pane").all()]
    seen = [each for each in panes if each is not None]

    assert len(seen) == number
    assert len({each["x"] for each in seen}) == len({each["y"] for each in seen}) == 2
    assert min(each["width"] for each in seen) > (width - 20) / 2
    bar = page.locator(".decide").bounding_box()
    assert bar is not None
    assert max(each["y"] + each["height"] for each in seen) <= bar["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator(".decide button").all():
        expect(button).to_be_in_viewport(ratio=1)
    names = page.locator(".side-name b")
    assert names.count() == number
    broken = """each => [...each.childNodes].filter(part => {
        const range = document.createRange();
        range.selectNodeContents(part);
        return range.getClientRects().length > 1 || range.getBoundingClientRect().right > innerWidth;
    }).map(part => part.textContent)"""
    for each in page.locator(".side-name :is(b, span):visible").all():
        assert each.evaluate(broken) == []


def test_wipe_moves_by_keyboard_and_mouse(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")
    grip = page.get_by_role("slider", name="Wipe between A and B")
    grip.focus()

    page.keyboard.press("ArrowLeft")
    assert grip.get_attribute("aria-valuenow") == "48"
    page.keyboard.press("End")
    assert grip.get_attribute("aria-valuenow") == "100"

    box = page.locator(".wiping").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 40, steps=4)
    page.mouse.up()
    assert grip.get_attribute("aria-valuenow") == "25"


@pytest.mark.parametrize("wide_first", [True, False])
def test_each_side_of_a_wipe_shows_only_its_video_even_with_two_ratios(
    tab: Make, gallery: Gallery, wide_first: bool
) -> None:
    page = tab().open(gallery.index)
    wide, tall = (
        page.evaluate(f"app.model.jobs.find((job) => job.file?.here && {has_ratio}).purchase")
        for has_ratio in ("job.ratio > 1.2", "job.ratio > 0 && job.ratio < 0.9")
    )
    page.evaluate("compare => go({ view: 'compare', compare })", [wide, tall] if wide_first else [tall, wide])
    until(page, ALL_READY)
    grip = page.get_by_role("slider", name="Wipe between A and B")
    box = page.locator(".wiping").bounding_box()
    assert box is not None
    assert box["width"] > box["height"]

    def beside_the_tall_one() -> object:
        """The pixel on the side of the tall one, near the edge, where only the wide one has a picture."""
        place = box["width"] * (0.92 if wide_first else 0.08), box["height"] * 0.6
        picture = Image.open(BytesIO(page.locator(".wiping").screenshot())).convert("RGB")
        return picture.getpixel((int(place[0]), int(place[1])))

    half = beside_the_tall_one()
    grip.focus()
    page.keyboard.press("Home" if wide_first else "End")
    only_the_tall_one = beside_the_tall_one()
    page.keyboard.press("End" if wide_first else "Home")

    assert half == only_the_tall_one
    assert beside_the_tall_one() != half


@pytest.mark.parametrize(("key", "covered"), [("Home", "A"), ("End", "B")])
def test_label_is_not_shown_on_the_other_side_of_a_wipe(
    tab: Make, gallery: Gallery, key: str, covered: str
) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")
    page.get_by_role("slider", name="Wipe between A and B").focus()

    page.keyboard.press(key)

    seen = page.locator(".wiping .tag").evaluate_all(
        """tags => tags.filter(tag => {
            const { left, top, width, height } = tag.getBoundingClientRect();
            return document.elementsFromPoint(left + width / 2, top + height / 2).includes(tag);
        }).map(tag => tag.textContent)"""
    )
    assert seen == [each for each in "AB" if each != covered]


def test_wipe_and_side_by_side_are_in_the_address(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")
    assert page.locator(".grip").count() == 1

    page.keyboard.press("s")
    assert page.locator(".grip").count() == 0
    assert "mode=side" in page.url
    page.keyboard.press("w")
    assert page.locator(".grip").count() == 1
    page.get_by_role("button", name="Swap A and B").click()
    assert page.url.endswith(",".join(reversed(compared(gallery).split(","))))


def test_old_and_new_are_compared_with_one_click(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#job={FIRST}")

    page.locator(".thumb.earlier").click()

    assert page.url.endswith(f"compare={compared(gallery)}")
    expect(page.locator(".side-name").first).to_contain_text("Earlier")
    expect(page.locator(".side-name").last).to_contain_text("Take 1")


def test_comparison_shows_what_is_new_gone_or_remade(tab: Make, gallery: Gallery, tmp_path: Path) -> None:
    [before, now] = purchases_of(gallery, FIRST)
    [came, made, anew_since, *_] = [
        job for job in gallery.results["jobs"] if job["status"] == "done" and job["key"] != FIRST
    ]
    gone = {**now, "id": "e" * 16, "key": "hero/overlay/red/gone", "template_id": "vim_gone"}
    gone["bought_at"] = "2026-12-24T12:00:00.000Z"
    jobs = [
        {**job, "purchase": before["id"]} if job["key"] == FIRST else job
        for job in gallery.results["jobs"]
        if job["key"] not in {came["key"], made["key"]}
    ]
    jobs.append({"key": made["key"], "status": "pending"})
    # Sent back there, and made again since.
    jobs = [
        {"key": job["key"], "status": "pending", "last": gone["id"]}
        if job["key"] == anew_since["key"]
        else job
        for job in jobs
    ]
    # A take sent back is not gone: it is to be replaced.
    again = next(each for each in gallery.decisions["decisions"] if each["decision"] == "redo")
    jobs = [
        {**job, "status": "done", "purchase": again["purchase"]} if job["key"] == again["key"] else job
        for job in jobs
    ]
    jobs.append({"key": gone["key"], "status": "done", "purchase": gone["id"]})
    other = {**gallery.results, "jobs": jobs, "purchases": [before, gone]}
    records = replace(gallery.source.records, before=other, before_name="main.results.json")
    source = replace(gallery.source, records=records)
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, "#view=compare")

    assert page.locator("h1").last.inner_text() == "2 re-created, 1 to re-create, 1 made, 1 new, 1 gone."
    pairs = {each.locator(".key").get_attribute("title"): each for each in page.locator(".pair").all()}
    assert set(pairs) == {FIRST, anew_since["key"], again["key"]}
    anew, to_come = pairs[FIRST], pairs[again["key"]]
    since = pairs[anew_since["key"]]
    assert since.get_attribute("href") == f"#compare={gone['id']},{anew_since['purchase']}"
    assert anew.get_attribute("href") == f"#compare={before['id']},{now['id']}"
    assert anew.locator("img").count() == 2
    assert page.locator(".block", has_text="To re-create").locator(".pair").count() == 1
    assert to_come.locator("img").count() == 1
    expect(to_come).to_contain_text("Sent back")
    when = r"\d+ \w+ \d\d:\d\d"
    assert re.fullmatch(f"{when} → {when}", anew.locator("p").inner_text())
    assert re.fullmatch(f"{when} → sent back", to_come.locator("p").inner_text())

    def block(title: str) -> Locator:
        return page.locator(".block", has=page.get_by_role("heading", name=title, exact=True))

    new_block, gone_block = block("New"), block("Gone")
    assert new_block.locator("b").get_attribute("title") == came["key"]
    assert new_block.locator("small").inner_text() == "not in main.results.json"
    assert block("Made").locator("b").get_attribute("title") == made["key"]
    assert block("Made").locator("small").inner_text() == "not made yet in main.results.json"
    assert gone_block.locator("b").get_attribute("title") == gone["key"]
    assert gone_block.locator("img").count() == 1
    assert (gone_block.locator("a").get_attribute("href") or "").endswith(".mp4")

    page.evaluate("go({view: 'browse'})")
    # What only the other campaigns bought does not count as cost of this one.
    assert "24 Dec" not in page.locator("#overview .cost").inner_text()
    assert "vim_gone" not in page.locator("#overview .bars").inner_text()


@pytest.mark.parametrize("compares", [True, False], ids=["with other results", "without"])
def test_comparison_shows_a_take_that_was_made_and_sent_back_since(
    tab: Make, tmp_path: Path, compares: bool
) -> None:
    sample = Sample(tmp_path, shorter_side=COARSE)
    here = Sample(tmp_path)
    pairs = {}
    # How the other results have each job: nothing has been made since for the last one.
    for prompt, stood in (("dusk", "done"), ("leap", "sent back"), ("rain", "unmade"), ("walk", "the same")):
        coordinates = {"rule": "hero", "template": "overlay", "image": "red", "prompt": prompt}
        key = key_of(coordinates)
        before, now = [_sent_back(sample, key, number) for number in (600, 700)]
        pairs[key] = f"#compare={before['id']},{now['id']}"
        if stood == "done":
            sample.job(coordinates, before)
        else:
            sample.job(coordinates, last={"sent back": before["id"], "the same": now["id"]}.get(stood))
        here.job(coordinates, last=now["id"])
    sample.write()
    results = tmp_path / f"{sample.name}.results.json"
    other = tmp_path / "other.results.json"
    other.write_bytes(results.read_bytes())
    sample.jobs = here.jobs
    sample.write()
    source = gallery_campaign(of_results(results), (), (), other if compares else None)
    written = write_folder(
        tmp_path / "page", [source], media_reader(), bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab().open(written.page, "#view=compare")

    [dusk, leap, rain, _walk] = pairs
    found = page.locator(".pair").all()
    assert {each.locator(".key").get_attribute("title"): each.get_attribute("href") for each in found} == {
        key: pair for key, pair in pairs.items() if not compares or key in {dusk, leap}
    }
    for each in found:
        assert each.locator("img").count() == 2
        assert re.fullmatch(r"28 Nov 10:00 → 28 Nov 11:40, sent back", each.locator("p").inner_text())
    if compares:
        assert page.locator("h1:visible").inner_text() == "2 re-created, 1 made."
        assert page.locator(".thumb .tail").get_attribute("title") == rain


def _made(sample: Sample, key: str, number: int, **more: Any) -> dict[str, Any]:
    path = f"{key}{number}"
    film = sample.put(f"{path}.mp4", sample.video("red", "beach", "hero", number))
    return sample.purchase(key, number, path=path, outputs=[film], **more)


def _sent_back(sample: Sample, key: str, number: int) -> dict[str, Any]:
    made = _made(sample, key, number)
    sample.decisions.append({"purchase": made["id"], "key": key, "decision": "redo", "note": "again"})
    return made


def _hero(prompt: str) -> dict[str, Any]:
    return {"rule": "hero", "template": "overlay", "image": "red", "prompt": prompt}


def _compare(tab: Make, there: Sample, here: Sample, *, compares: bool = True) -> Page:
    """The list of differences between two states of a campaign in one folder, with all purchases of `here`."""
    results = here.folder / f"{here.name}.results.json"
    other = here.folder / "other.results.json"
    there.write()
    other.write_bytes(results.read_bytes())
    here.write()
    source = gallery_campaign(of_results(results), (), (), other if compares else None)
    written = write_folder(
        here.folder / "page", [source], media_reader(), bundle=False, on_progress=lambda _number, _of: None
    )
    return tab().open(written.page, "#view=compare")


def _lines(page: Page) -> dict[str, tuple[str, str]]:
    """Of each pair, by key: its block, and the line below it."""
    return {
        each.locator(".key").get_attribute("title") or "": (
            each.locator("xpath=ancestor::section").locator("h2").inner_text(),
            each.locator("p").last.inner_text(),
        )
        for each in page.locator(".pair").all()
    }


@pytest.mark.parametrize(
    ("status", "word"),
    [("failed", "failed"), ("attention", "needs you"), ("submitted", "under way")],
)
def test_comparison_counts_only_takes_as_made(tab: Make, tmp_path: Path, status: str, word: str) -> None:
    there, here = Sample(tmp_path, shorter_side=COARSE), Sample(tmp_path)
    [never, once, twice, since, finished] = [_hero(each) for each in ("dusk", "leap", "rain", "turn", "walk")]

    def unmade(job: dict[str, Any], number: int, status: str = status) -> dict[str, Any]:
        reason = "vendor" if status == "failed" else None
        return there.purchase(key_of(job), number, status=status, reason=reason)

    there.job(never)
    here.job(never, unmade(never, 700))
    there.job(once, _sent_back(there, key_of(once), 600))
    here.job(once, unmade(once, 700))
    # Made again before that.
    there.job(twice, _sent_back(there, key_of(twice), 600))
    _sent_back(there, key_of(twice), 650)
    here.job(twice, unmade(twice, 700))
    # The other results have it so, and it was made since.
    _sent_back(there, key_of(since), 600)
    there.job(since, unmade(since, 650))
    here.job(since, _made(there, key_of(since), 700))
    # Under way there, as the same purchase.
    made = _made(there, key_of(finished), 700)
    there.job(finished, made, status=status, outputs=None)
    here.job(finished, made)
    here.purchases, here.decisions = there.purchases, there.decisions

    page = _compare(tab, there, here)

    assert page.locator("h1:visible").inner_text() == "2 re-created, 1 to re-create, 1 made."
    assert page.locator(".thumb .tail").get_attribute("title") == key_of(finished)
    assert _lines(page) == {
        key_of(once): ("To re-create", f"28 Nov 10:00 → {word}"),
        key_of(twice): ("Re-created", f"28 Nov 10:00 → 28 Nov 10:50, {word}"),
        key_of(since): ("Re-created", "28 Nov 10:00 → 28 Nov 11:40"),
    }
    pair = page.locator(".pair", has=page.locator(f".key[title='{key_of(twice)}']"))
    assert pair.locator("img").count() == 2


def test_failure_after_a_take_is_not_re_created(tab: Make, tmp_path: Path) -> None:
    sample = Sample(tmp_path, shorter_side=COARSE)
    for prompt, takes in (("leap", (600,)), ("rain", (600, 650))):
        key = key_of(_hero(prompt))
        for number in takes:
            _sent_back(sample, key, number)
        sample.job(_hero(prompt), sample.purchase(key, 700, status="failed", reason="vendor"))

    page = _compare(tab, sample, sample, compares=False)

    assert _lines(page) == {
        key_of(_hero("rain")): ("Re-created", "28 Nov 10:00 → 28 Nov 10:50, failed"),
    }


@pytest.mark.parametrize("since", ["sent back", "made again", "failed again", "sent back there too"])
def test_job_renamed_and_sent_back_is_neither_new_nor_gone(tab: Make, tmp_path: Path, since: str) -> None:
    there, here = Sample(tmp_path, shorter_side=COARSE), Sample(tmp_path)
    old, new = _hero("walk"), {**_hero("walk"), "rule": "main"}
    old_key, new_key = key_of(old), key_of(new)
    take = _sent_back(there, old_key, 600)
    if since == "made again":
        here.job(new, _made(there, new_key, 700, replaces=[take["id"]]))
    elif since == "failed again":
        fingerprint = take["fingerprint"]
        failed = there.purchase(new_key, 700, status="failed", reason="vendor", fingerprint=fingerprint)
        here.job(new, failed)
    else:
        here.job(new, last=take["id"])
    if since == "sent back there too":
        there.job(old, last=take["id"])
    else:
        there.job(old, take)
    here.purchases, here.decisions = there.purchases, there.decisions

    page = _compare(tab, there, here)

    heading, lines = {
        "sent back": ("1 to re-create.", ("To re-create", "28 Nov 10:00 → sent back")),
        "made again": ("1 re-created.", ("Re-created", "28 Nov 10:00 → 28 Nov 11:40")),
        "failed again": ("1 to re-create.", ("To re-create", "28 Nov 10:00 → failed")),
        "sent back there too": ("1 renamed.", None),
    }[since]
    assert page.locator("h1:visible").inner_text() == heading
    assert _lines(page) == ({new_key: lines} if lines else {})
    assert page.locator(".was").inner_text() == f"was {old_key}"


def test_take_sent_back_has_the_same_name_in_a_comparison_as_on_the_page_of_its_job(
    tab: Make, tmp_path: Path
) -> None:
    sample = Sample(tmp_path, shorter_side=COARSE)
    before, now = [_sent_back(sample, key_of(_hero("walk")), number) for number in (600, 700)]
    sample.job(_hero("walk"), last=now["id"])
    page = _compare(tab, sample, sample, compares=False)

    page.locator(".pair").click()

    expect(page.locator(".side-name b")).to_have_text(["Earlier", "Now"])
    assert page.url.endswith(f"#compare={before['id']},{now['id']}")


def test_legend_counts_a_purchase_of_no_job_that_needs_someone_as_the_headline_does(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    lost = next(each for each in gallery.results["purchases"] if each["status"] == "attention")
    other = {**lost, "id": "e" * 16, "key": "hero/overlay/red/gone"}
    results = {**gallery.results, "purchases": [*gallery.results["purchases"], other]}
    source = replace(gallery.source, records=replace(gallery.source.records, results=results))
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page)

    expect(page.locator(".sentence .amber")).to_have_text("3 need you")
    assert page.locator(".legend a").all_inner_texts()[-2:] == ["2 need you", "1 needs you, of no job"]
    page.locator(".legend a").last.click()
    expect(page.locator("#view")).to_contain_text("gone")


@pytest.mark.parametrize("count", [0, 1])
def test_page_of_a_selection_has_the_next_run_only_if_that_buys_something(
    tab: Make, gallery: Gallery, tmp_path: Path, count: int
) -> None:
    refused = next(each["key"] for each in gallery.results["jobs"] if each.get("reason") == "rejected")
    coming: dict[str, Any] = {"jobs": count, "purchases": count, "credits": 120 * count, "unknown": 0}
    records = replace(
        gallery.source.records,
        keys={FIRST, refused},
        budget=20_000,
        budget_left=12_060,
        forecast={"next_run": coming},
    )
    source = replace(gallery.source, records=records)
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    bars = tab().open(written.page).locator("#overview .bars")

    expect(bars).to_contain_text("120 of the 12,060 left of the budget" if count else "Spent")
    expect(bars.locator("dt", has_text="left of the budget")).to_have_count(count)


def test_ratio_at_the_end_of_a_key_is_shown_whole_on_a_phone(tab: Make, tmp_path: Path) -> None:
    sample = Sample(tmp_path)
    for take in (1, 2):
        axes = {"pipeline_mode": "video", "ratio": "9:16"}
        sample.job({"rule": "story", "template": "tall", "image": "red-runner", "axes": axes, "take": take})
    film = sample.put("film.mp4", sample.video("red", "beach", "hero"))
    sample.jobs[0] |= {
        "status": "done",
        "purchase": sample.purchase("story", 1, outputs=[film], path="film")["id"],
    }
    sample.write()
    source = gallery_campaign(of_results(tmp_path / f"{sample.name}.results.json"), (), ())
    written = write_folder(
        tmp_path / "page", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab(width=390, height=844, has_touch=True, is_mobile=True).open(written.page)

    names = page.locator(".card .tail")
    assert sorted(names.all_text_contents()) == ["red-runner/video/9:16", "red-runner/video/9:16#2"]
    cut = "each => [...each.children].some((part) => part.scrollWidth > part.clientWidth && part.clientWidth)"
    assert not any(names.nth(number).evaluate(cut) for number in range(2))


def test_stills_of_one_prompt_are_distinguished_by_their_image(tab: Make, tmp_path: Path) -> None:
    sample = Sample(tmp_path / "images")
    for image, prompt in (("red", "stroll"), ("blue", "stroll"), ("red", "leap")):
        job = {"rule": "hero", "template": "overlay", "image": image, "prompt": prompt}
        sample.job({**job, "axes": {"background": "beach"}})
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    before = {**sample.results(), "jobs": [], "purchases": []}
    source = replace(source, records=replace(source.records, before=before, before_name="main.results.json"))
    written = write_folder(
        tmp_path / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab().open(written.page, "#view=compare")

    assert page.locator(".thumb .tail").all_text_contents() == [
        "blue/stroll/beach",
        "leap/beach",
        "red/stroll/beach",
    ]


def test_purchase_under_another_key_is_renamed_and_neither_new_nor_gone(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    [one, two, three, *_] = [job for job in gallery.results["jobs"] if job["status"] == "done"]
    # One had another key, and two prompts were swapped: nothing was bought since.
    old_key = one["key"].rpartition("/")[0] + "/elsewhere"
    before = {
        one["key"]: {**one, "key": old_key},
        two["key"]: {**two, "purchase": three["purchase"]},
        three["key"]: {**three, "purchase": two["purchase"]},
    }
    jobs = [before.get(job["key"], job) for job in gallery.results["jobs"]]
    records = replace(
        gallery.source.records, before={**gallery.results, "jobs": jobs}, before_name="old.results.json"
    )
    source = replace(gallery.source, records=records)
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, "#view=compare")

    assert page.locator("h1").last.inner_text() == "3 renamed."
    [block] = page.locator(".block").all()
    assert block.locator("h2").inner_text() == "Renamed"
    assert {each.get_attribute("title") for each in block.locator("b").all()} == set(before)
    expect(block).to_contain_text(f"was {old_key}")


def test_unlinked_files_in_an_object_store_are_not_offered_for_collect(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    place = ObjectUrl.parse("s3://films/spring")
    stored = dict.fromkeys(gallery.source.files, place / "a.mp4")
    records = replace(gallery.source.records, flags="--output s3://films/spring", stored=frozenset(stored))
    source = replace(gallery.source, records=records, files=stored, output=place)
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, "#")

    row = page.locator("#overview .todo li", has_text="in the object store")
    expect(row).to_contain_text("this page does not link to them")
    expect(row.locator("code")).to_have_text(
        re.compile("^pipeline report .* --sign 24h --output s3://films/spring$")
    )

    page = tab().open(written.page, f"#job={FIRST}")
    expect(page.locator("#view")).to_contain_text("in the object store")
    assert "collect" not in page.locator("#view").inner_text()


def test_any_selected_purchases_can_be_compared(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=status:done")
    for place in (0, 3):
        page.locator("article .open").nth(place).focus()
        page.keyboard.press("x")
    assert [page.locator(".card.selected .select").nth(n).inner_text() for n in (0, 1)] == ["A", "B"]

    page.keyboard.press("c")

    assert page.locator(".letter").count() == 2
    page.go_back()
    assert page.locator(".card.selected").count() == 2


def test_touch_screen_shows_no_controls_on_a_video_before_selecting(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=844, has_touch=True, is_mobile=True).open(gallery.index, "#q=status:done")
    boxes = page.locator("#grid .select:visible")
    selecting = page.get_by_role("button", name="Select", exact=True)
    assert boxes.count() == 0

    selecting.tap()
    assert boxes.count() == page.locator("article").count()
    for card in page.locator("article .open").all()[:2]:
        card.tap()
    assert page.locator(".card.selected .select").all_inner_texts() == ["A", "B"]
    expect(page.locator("#browse")).to_be_visible()
    page.get_by_role("button", name="Done", exact=True).tap()
    assert boxes.all_inner_texts() == ["A", "B"]

    for each in page.locator("#selection button:visible").all():
        expect(each).to_be_in_viewport(ratio=1)
    page.locator("#selection").get_by_role("button", name="Compare").tap()
    assert page.locator(".side-name").count() == 2


@pytest.mark.parametrize("width", [320, 390])
def test_header_of_the_jobs_on_a_phone_has_enough_room(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=844, has_touch=True, is_mobile=True).open(gallery.index, "#q=status:done")

    for each in page.locator(".results-head > *:visible").all():
        expect(each).to_be_in_viewport(ratio=1)
    assert len(rows_of(page, ".results-head > *")) == 1
    page.get_by_label("Sort").select_option("length")
    assert len(rows_of(page, ".results-head > *")) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_touch_screen_mentions_no_keys(tab: Make, gallery: Gallery) -> None:
    said = "To compare anything else, "
    page = tab(width=390, height=844, has_touch=True, is_mobile=True).open(gallery.index, "#view=compare")
    other = tab().open(gallery.index, "#view=compare")

    expect(page.locator("#view .cost")).to_have_text(
        f"{said}tap Select above the jobs of the overview, then two to four of them, then Compare."
    )
    expect(other.locator("#view .cost")).to_have_text(
        f"{said}select two to four cards (x), then Compare (c)."
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_rows_of_a_request_are_equally_far_apart(tab: Make, gallery: Gallery, width: int) -> None:
    """Also where some of them are buttons, which are higher under a finger."""
    page = tab(width=width, height=844).open(gallery.index, f"#job={FIRST}")
    tops = "all => all.map((each) => Math.round(each.getBoundingClientRect().top))"

    names = page.eval_on_selector_all(".pairs dt", tops)
    assert len({after - before for before, after in pairwise(names)}) == 1
    # A name and its value are on one line.
    lines = """all => all.map((each) => {
      const name = each.previousElementSibling;
      const middle = (of) => {
        const range = document.createRange();
        range.selectNodeContents(of);
        const box = range.getBoundingClientRect();
        return box.top + box.height / 2;
      };
      return Math.abs(middle(name) - middle(each.firstElementChild));
    })"""
    assert max(page.eval_on_selector_all(".pairs dd", lines)) <= 2


def test_detail_shows_takes_steps_change_notes_and_request(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#job={FIRST}")
    [before, now] = purchases_of(gallery, FIRST)

    assert page.locator(".thumb").count() >= 4
    # The winner is shown first.
    assert "Approved" in page.locator(".thumb").first.inner_text()
    assert [each.inner_text() for each in page.locator("del").all()][:2] == ["walks", "noon"]
    assert "strolls" in [each.inner_text() for each in page.locator("ins").all()]
    assert page.locator(".side-column h2").first.inner_text() == "Changed since 22 Nov"
    notes = page.locator(".notes li")
    assert [each.locator("span[dir]").inner_text() for each in notes.all()] == [
        "Sole leaves the frame on the left",
        "Logo cut off; keep the toe inside",
    ]
    notes.nth(1).get_by_role("button").click()
    until(page, AT_REST)
    assert abs(times(page)[0] - 1.25) <= FRAME
    pairs = page.locator(".pairs").inner_text()
    for part in (
        "overlay_gray_5443",
        "images/red.png",
        "cdn.example.com/beach.mp4",
        "Auto",
        now["id"],
        now["workflow_id"],
    ):
        assert part in pairs
    assert "sig=abc" not in page.content()
    assert before["id"] not in pairs
    assert "crop_to_content" in page.locator(".more").inner_text()


def test_missing_file_is_shown_with_the_way_to_get_it(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=state:missing")
    card = page.locator("article").first

    assert "File not on this machine" in card.inner_text()
    card.locator(".open").click()
    expect(page.locator(".side-column .command")).to_contain_text("pipeline collect spring-drop.yaml")
    assert page.locator("video").count() == 0


def test_bundle_addresses_someone_who_has_only_the_gallery(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    folder = tmp_path / "bundle"
    written = write_folder(folder, [gallery.source], None, bundle=True, on_progress=lambda *_: None)
    page = tab().open(written.page)
    machine = "() => document.body.innerText.match(/.*this machine.*|.*pipeline serve.*/g)"

    todo = page.locator(".todo").locator("xpath=..")
    expect(todo.locator("small")).to_have_text("The commands are for whoever runs the campaign.")
    row = page.locator(".todo li", has_text="files are not in this gallery")
    expect(row).to_contain_text(
        "fetching costs nothing. Whoever runs the campaign can fetch them and make the gallery again."
    )
    # What needs attention has its command nevertheless.
    assert page.locator(".todo .answers").count() == 2
    assert page.evaluate(machine) is None

    for address in ("#q=state:missing", "#q=status:done"):
        page.evaluate("address => { history.pushState(null, '', address); show(); }", address)
        assert page.evaluate(machine) is None
        page.locator("article .open").first.click()
        assert page.evaluate(machine) is None
    expect(page.locator(".decide .hint")).to_have_text(
        "Each button copies a command for whoever runs the campaign."
    )


def test_page_in_one_file_says_what_is_true_on_any_machine(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    written = write_single(tmp_path / "page.html", [gallery.source], None, on_progress=lambda *_: None)
    page = tab().open(written.page)
    machine = "() => document.body.innerText.match(/.*this machine.*|.*pipeline serve.*/g)"

    expect(page.locator("#overview small").first).to_have_text(
        "The commands are for whoever runs the campaign."
    )
    row = page.locator(".todo li", has_text="files were missing when this page was made")
    expect(row).to_contain_text("Whoever runs the campaign can fetch them and make the gallery again.")
    assert page.evaluate(machine) is None
    for address in ("#q=state:missing", "#q=status:done"):
        page.evaluate("address => { history.pushState(null, '', address); show(); }", address)
        assert page.evaluate(machine) is None
        page.locator("article .open").first.click()
        assert page.evaluate(machine) is None
    page.evaluate("go({ q: 'state:missing' })")
    expect(page.locator("article .message").first).to_have_text("File missingwhen this page was made")
    page.locator("article .open").first.click()
    expect(page.locator(".side-column")).to_contain_text("its file was missing when this page was made.")


def test_card_of_a_job_under_way_shows_since_when(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=state:underway")

    said = page.locator("article .message").first
    expect(said).to_have_text(re.compile(r"^since 28 Nov \d\d:\d\d UTC$"))


def test_failures_are_a_table_with_reasons_and_commands(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#view=failures")

    groups = [each.inner_text() for each in page.locator(".group b").all()]
    assert groups == ["Outcome unknown", "Vendor", "Refused", "Lost"]
    assert page.locator("tbody tr:not(.group)").count() == 6
    assert "create_media gave no frames" in page.locator("table").inner_text()
    unknown = [each for each in gallery.results["purchases"] if each["status"] == "attention"]
    commands = [each.get_attribute("title") or "" for each in page.locator("tbody button").all()]
    for purchase in unknown:
        assert f"pipeline resolve spring-drop.yaml {purchase['id']} --workflow-id ID" in commands


@pytest.mark.parametrize("width", [390, 1280])
def test_each_group_of_failures_has_its_icon_beside_its_name(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width).open(gallery.index, "#view=failures")

    groups = page.locator(".group").all()
    assert len(groups) == 4
    for group in groups:
        sign, name = group.locator("svg").first.bounding_box(), group.locator("b").bounding_box()
        assert sign is not None
        assert name is not None
        assert abs(sign["y"] + sign["height"] / 2 - name["y"] - name["height"] / 2) < 2


def test_text_that_begins_with_an_address_is_shown_as_it_is(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    texts = ["http://example.com is refused", "max_length is 4", "no answer came"]
    begun = page.evaluate("texts => texts.map(begun)", texts)
    assert begun == ["http://example.com is refused", "max_length is 4", "No answer came"]


def test_limit_of_a_selection_is_not_said_in_the_next_view(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=status:done")
    for number in range(5):
        page.locator("article .open").nth(number).focus()
        page.keyboard.press("x")
    expect(page.locator("#toast")).to_have_text("Four can be compared at most.")

    page.keyboard.press("c")

    expect(page.locator(".compare")).to_be_visible()
    assert page.locator("#toast").inner_text() == ""


@pytest.mark.parametrize("where", ["#", "#view=failures", "#job="])
def test_unknown_outcome_has_a_command_for_each_answer(tab: Make, gallery: Gallery, where: str) -> None:
    unknown = next(each for each in gallery.results["purchases"] if each["status"] == "attention")
    page = tab().open(gallery.index, f"{where}{unknown['key']}" if where == "#job=" else where)

    answers = page.locator(".answers:visible", has_text=unknown["id"])
    resolve = f"pipeline resolve spring-drop.yaml {unknown['id']}"
    expect(answers.locator("span", has_text="If it is")).to_have_text(["If it is there", "If it is not"])
    commands = [each.get_attribute("title") for each in answers.locator(".command").all()]
    assert commands == [f"{resolve} --workflow-id ID", f"{resolve} --not-bought"]
    assert "PURCHASE" not in page.locator("#main").inner_text()


def test_cost_of_retrying_failures_is_shown_beside_the_command(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#view=failures")
    found = re.search(r"Trying again costs at most [\d,]+ credits\.", page.locator("h1:visible").inner_text())
    assert found is not None

    page.evaluate("go({ view: 'browse' })")
    row = page.locator("#overview .todo li", has_text="--retry-failed")
    expect(row).to_contain_text(found[0])


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("rejected", "pipeline plan spring-drop.yaml"),
        ("lost", "pipeline collect spring-drop.yaml"),
        ("vendor", "pipeline run spring-drop.yaml --retry-failed"),
    ],
)
def test_failures_of_one_reason_have_the_same_advice_on_both_pages(
    tab: Make, tmp_path: Path, reason: str, command: str
) -> None:
    sample = Sample(tmp_path / "failed")
    for image in ("red", "blue"):
        job = {"rule": "hero", "template": "overlay", "image": image, "prompt": "stroll"}
        sample.job(job, sample.purchase(key_of(job), 1, status="failed", reason=reason))
    manifest = sample.write()
    source = gallery_campaign(of_results(manifest.with_name(f"{sample.name}.results.json")), (), ())
    written = write_folder(
        tmp_path / "page", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab().open(written.page)

    commands = page.locator("#overview .todo li", has_text="failed").locator(".command")
    assert [each.get_attribute("title") for each in commands.all()] == [command]
    page.evaluate("go({ view: 'failures' })")
    assert page.locator("tr.group .command").get_attribute("title") == command
    said = page.locator("h1:visible").inner_text()
    assert ("Trying again costs at most 240 credits." in said) == (reason == "vendor")


def test_each_group_of_failures_has_the_command_of_its_campaign(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    results = {**gallery.results, "campaign": "autumn"}
    records = replace(gallery.source.records, results=results, command="autumn.yaml")
    both = [gallery.source, replace(gallery.source, name="autumn", records=records)]
    written = write_folder(tmp_path, both, None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, "#view=failures")

    commands = [each.get_attribute("title") or "" for each in page.locator("tr.group .command").all()]
    assert [each for each in commands if "--retry-failed" in each] == [
        f"pipeline run {each}.yaml --retry-failed" for each in ("spring-drop", "autumn")
    ]
    assert sum("autumn.yaml" in each for each in commands) * 2 == len(commands)
    assert (
        page.locator("tr.group small", has_text="of autumn").count() * 2 == page.locator("tr.group").count()
    )


def test_jobs_with_the_same_key_name_their_campaign(tab: Make, gallery: Gallery, tmp_path: Path) -> None:
    results = {**gallery.results, "campaign": "autumn"}
    records = replace(gallery.source.records, results=results, command="autumn.yaml")
    both = [gallery.source, replace(gallery.source, name="autumn", records=records)]
    written = write_folder(tmp_path, both, None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, "#")
    for name in ("spring-drop", "autumn"):
        card = page.locator(f"article[data-address='{name} {FIRST}']")
        expect(card.get_by_role("heading", name=f"{name} {FIRST}")).to_contain_text(f"{name}: ")

    page = tab().open(written.page, f"#job={FIRST}")
    notice = page.locator("#unknown")
    expect(notice).to_contain_text(f"Several campaigns have a job {FIRST}: spring-drop, autumn.")
    notice.get_by_role("link", name="autumn").click()
    assert page.url.endswith(f"#job=autumn+{FIRST}")
    expect(page.locator("#view")).to_be_visible()


def test_job_named_without_its_campaign_is_found_if_unique(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    jobs = [job for job in gallery.results["jobs"] if job["key"] != FIRST]
    results = {**gallery.results, "campaign": "autumn", "jobs": jobs}
    records = replace(gallery.source.records, results=results, command="autumn.yaml")
    both = [gallery.source, replace(gallery.source, name="autumn", records=records)]
    written = write_folder(tmp_path, both, None, bundle=False, on_progress=lambda _number, _of: None)

    page = tab().open(written.page, f"#job={FIRST}")

    expect(page.locator("#view")).to_be_visible()
    expect(page.locator("#unknown")).to_be_hidden()
    assert page.url.endswith(f"#job=spring-drop+{FIRST}")


def test_page_of_a_failed_job_gives_the_command_for_its_reason(tab: Make, gallery: Gallery) -> None:
    refused = next(each for each in gallery.results["jobs"] if each.get("reason") == "rejected")

    page = tab().open(gallery.index, f"#job={refused['key']}")

    command = page.locator(".side-column .command").get_attribute("title")
    assert command == f"pipeline plan spring-drop.yaml --select {refused['key']}"


@pytest.mark.parametrize("view", ["job", "compare"])
def test_space_plays_after_a_click_on_the_timeline_or_a_button(
    tab: Make, gallery: Gallery, view: str
) -> None:
    address = f"#job={FIRST}" if view == "job" else f"#compare={compared(gallery)}"
    page = tab().open(gallery.index, address)
    until(page, ALL_READY)
    for pressed in (page.get_by_label("Moment"), page.get_by_label("Frame on"), page.get_by_label("Loop")):
        pressed.click(position={"x": 8, "y": 8})
        until(page, AT_REST)
        page.keyboard.press(" ")
        until(page, "reel.playing")
        page.keyboard.press(" ")
        until(page, AT_REST)

    page.get_by_label("Moment").click(position={"x": 8, "y": 8})
    until(page, AT_REST)
    before = times(page)[0]
    page.keyboard.press("ArrowRight")
    until(page, AT_REST)
    assert times(page)[0] == pytest.approx(before + 1, abs=FRAME)


def test_space_plays_the_card_selected_with_the_mouse(tab: Make, gallery: Gallery) -> None:
    page = tab(reduced_motion="reduce").open(gallery.index)
    card = page.locator(f'article[data-key="{FIRST}"]')

    card.hover()
    card.locator(".select").click()
    page.keyboard.press(" ")

    until(page, "document.querySelector('.card video')?.currentTime > 0.1")
    expect(card.locator(".select")).to_have_attribute("aria-pressed", "true")


def test_commands_are_copied(tab: Make, gallery: Gallery) -> None:
    page = tab(permissions=["clipboard-read", "clipboard-write"]).open(gallery.index)

    page.locator(".todo .command").first.click()

    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("pipeline resolve spring-drop.yaml ")
    expect(page.locator("#toast")).to_contain_text(copied)


def test_page_that_cannot_save_gives_the_command_that_decides(tab: Make, gallery: Gallery) -> None:
    page = tab(permissions=["clipboard-read", "clipboard-write"]).open(gallery.index)

    page.keyboard.press("n")
    expect(page.locator(".decide")).to_contain_text("Each button copies a command")
    first = page.title()
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_contain_text("pipeline approve spring-drop.yaml ")
    page.keyboard.press("n")
    assert page.title() != first


def test_grid_is_navigated_by_keyboard(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    focused = "document.activeElement.closest('article')?.ariaPosInSet"

    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "1"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "2"
    columns = page.evaluate("grid.columns()")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == str(2 + columns)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "1"
    page.keyboard.press("Enter")
    expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#browse")).to_be_visible()

    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("status:done")
    page.keyboard.press("Escape")
    assert page.input_value("input[type=search]") == ""
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


@pytest.mark.parametrize("kept", ["dark", "light"])
def test_theme_follows_the_system_until_one_is_chosen(tab: Make, gallery: Gallery, kept: str) -> None:
    page = tab(theme="light" if kept == "dark" else "dark").open(gallery.index)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light, dark = "rgb(250, 250, 250)", "rgb(21, 21, 21)"
    assert page.evaluate(ground) == (light if kept == "dark" else dark)

    page.click("#theme-button")

    assert page.evaluate(ground) == (dark if kept == "dark" else light)


FOCUSED = "document.activeElement.closest('article')?.dataset.key"


def walked(page: Page, rows: int) -> str:
    """The grid after moving down by keyboard: returns the key of the focused card."""
    for _ in range(rows + 1):
        page.keyboard.press("ArrowDown")
    key: str = page.evaluate(FOCUSED)
    return key


@pytest.mark.parametrize("back", ["Escape", "click", "browser"])
def test_back_from_a_job_restores_the_scroll_position_of_the_grid(
    tab: Make, gallery: Gallery, back: str
) -> None:
    page = tab().open(gallery.index)
    key = walked(page, 6)
    stood = page.evaluate("scrollY")
    assert stood > 400

    page.keyboard.press("Enter")
    expect(page.locator(".detail")).to_be_visible()
    if back == "Escape":
        page.keyboard.press("Escape")
    elif back == "click":
        page.get_by_role("link", name="Back").click()
    else:
        page.go_back()

    expect(page.locator("#browse")).to_be_visible()
    assert page.evaluate(FOCUSED) == key
    assert page.evaluate("scrollY") == stood
    page.keyboard.press("ArrowRight")
    assert page.evaluate(FOCUSED) == gallery_order(page)[gallery_order(page).index(key) + 1]


def gallery_order(page: Page) -> list[str]:
    found: list[str] = page.evaluate("grid.jobs.map(each => each.key)")
    return found


@pytest.mark.parametrize("address", ["#q=status:done", "#job="])
def test_reload_keeps_the_scroll_position(tab: Make, gallery: Gallery, address: str) -> None:
    page = tab(height=500).open(gallery.index, address + (FIRST if "job" in address else ""))
    stood = page.evaluate("scrollTo(0, 150), scrollY")
    assert stood == 150

    page.reload()
    page.wait_for_selector("body[data-view]")

    assert page.evaluate("scrollY") == stood
    # Another view begins at its top.
    page.evaluate("go({ view: 'failures' })")
    assert page.evaluate("scrollY") == 0


def test_back_from_a_neighbouring_job_scrolls_to_its_card(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    walked(page, 2)
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("j")
    key = page.locator("h1.unseen").inner_text()

    page.keyboard.press("Escape")

    assert page.evaluate(FOCUSED) == key
    expect(page.locator(f'article[data-key="{key}"] .key')).to_be_in_viewport()


def test_back_returns_to_where_a_view_was_opened(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=status:done")
    page.locator(f'article[data-key="{FIRST}"] .open').click()
    page.keyboard.press("c")
    expect(page.locator(".compare")).to_be_visible()

    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "compare-takes"
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == FIRST
    assert page.input_value("input[type=search]") == "status:done"

    page.evaluate("go({ view: 'failures' })")
    link = page.locator("tbody tr:not(.group) a").last
    opened = link.get_attribute("href")
    link.click()
    page.keyboard.press("Escape")
    assert page.evaluate("app.view.view") == "failures"
    assert page.evaluate("document.activeElement.getAttribute('href')") == opened


def test_position_is_kept_when_the_kind_of_comparison_changes(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")
    [before, now] = compared(gallery).split(",")
    until(page, ALL_READY)
    grip = page.get_by_role("slider", name="Wipe between A and B")
    grip.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Loop").click()
    page.keyboard.press("[")
    page.evaluate("reel.seek(1.4)")

    first = page.locator("video").first.evaluate_handle("each => each")
    page.keyboard.press("w")  # already the current mode
    assert first.evaluate("each => each.isConnected")
    presses: tuple[Callable[[], object], ...] = (
        lambda: page.keyboard.press("s"),
        page.get_by_role("button", name="Swap A and B").click,
        lambda: page.keyboard.press("w"),
    )
    for press in presses:
        press()
        until(page, f"{ALL_READY} && {AT_REST}")
        assert all(abs(each - 1.4) <= FRAME for each in times(page))
        assert page.evaluate("deciding.id") == before
    assert page.url.endswith(f"{now},{before}")
    assert grip.get_attribute("aria-valuenow") == "52"
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")

    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "reel.time > 1.6")
    page.keyboard.press("s")
    until(page, "reel.playing && reel.time > 1.7")


Again = Callable[..., tuple[Page, str]]


@pytest.fixture
def made_again(tab: Make, tmp_path: Path) -> Again:
    """Opens the page of a job that was made three times on one day, and returns its last two purchases.

    The digests are those of its image each time.
    """

    def open_it(*digests: str) -> tuple[Page, str]:
        sample = Sample(tmp_path / "again")
        job = {"rule": "hero", "template": "overlay", "image": "red", "prompt": "stroll", "axes": {}}
        key = key_of(job)
        made = []
        for number, digest in zip((610, 720, 731), digests, strict=True):
            image = {"id": "red", "path": "images/red.png", "sha256": digest}
            request = {"options": {"prompt": "A stroll", "motion_type": "Auto"}, "images": [image]}
            made.append(sample.purchase(key, number, request=request, path=f"again-{number}"))
        for each in made:
            each["outputs"] = [sample.put(f"{each['path']}.mp4", sample.video("red", "beach", "hero"))]
        sample.job(job, made[-1])
        sample.write()
        source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
        written = write_folder(
            sample.output / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
        )
        return tab(width=1440).open(written.page, f"#job={key}"), ",".join(each["id"] for each in made[-2:])

    return open_it


def test_remade_request_is_not_called_changed(made_again: Again) -> None:
    page, both = made_again("a" * 64, "b" * 64, "b" * 64)

    head = page.locator(".side-column h2").first
    expect(head).to_have_text("The same request as 28 Nov 12:00")
    page.evaluate("both => go({ view: 'compare', compare: both.split(',') })", both)
    expect(page.locator(".two-columns h2").first).to_have_text("A and B: the same request")


def test_changed_image_content_is_a_change(made_again: Again) -> None:
    page, both = made_again("a" * 64, "a" * 64, "b" * 64)

    block = page.locator(".side-column .block").first
    expect(block.locator("h2")).to_have_text("Changed since 28 Nov 12:00")
    expect(block.locator(".changes")).to_contain_text("other content of the image")
    page.evaluate("both => go({ view: 'compare', compare: both.split(',') })", both)
    expect(page.locator(".two-columns .changes").first).to_contain_text("other content of the image")


def test_times_that_distinguish_earlier_purchases_are_fully_visible(made_again: Again) -> None:
    page, _ = made_again("a" * 64, "b" * 64, "b" * 64)

    names = page.locator(".thumb.earlier b").all()
    assert [each.inner_text().split(",")[-1].strip() for each in names] == ["28 Nov 12:00", "28 Nov 10:10"]
    assert all(each.evaluate("each => each.scrollWidth <= each.clientWidth") for each in names)


def test_title_of_the_browser_tab_names_the_view(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    titles = {}
    for view in ("browse", "failures", "compare"):
        page.evaluate("view => go({ view })", view)
        titles[view] = page.title()

    assert titles == {
        "browse": "spring-drop",
        "failures": "Failures · spring-drop",
        "compare": "Compare · spring-drop",
    }


@pytest.mark.parametrize("is_first_here", [True, False])
def test_file_that_is_here_is_shown_while_others_of_its_purchase_are_missing(
    tab: Make, gallery: Gallery, tmp_path: Path, is_first_here: bool
) -> None:
    results = deepcopy(gallery.results)
    [job] = [each for each in results["jobs"] if each["key"] == FIRST]
    [purchase] = [each for each in results["purchases"] if each["id"] == job["purchase"]]
    job["status"] = purchase["status"] = "succeeded"
    purchase["outputs"].insert(1 if is_first_here else 0, {"content_type": "video/mp4"})
    source = replace(gallery.source, records=replace(gallery.source.records, results=results))
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda _number, _of: None)

    card = tab().open(written.page).locator(f'.card:has(a[href="#job={FIRST}"])')

    if is_first_here:
        expect(card.locator("img")).to_be_visible()
    else:
        expect(card).to_contain_text("made, not all downloaded yet")
    expect(card).to_contain_text("Under way")


def test_takes_side_by_side_are_alike_and_not_as_before(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, f"#compare={compared(gallery)}")

    expect(page.locator(".changes").first).to_contain_text("The same in A and B: ")
    expect(page.locator("#view")).not_to_contain_text("As before")


def test_unchanged_options_are_named_as_written(made_again: Again) -> None:
    page, _ = made_again("a" * 64, "b" * 64, "b" * 64)

    expect(page.locator(".side-column .changes").first).to_have_text("As before: image, motion_type.")


def test_rejected_job_without_a_still_has_no_line_through_its_text(made_again: Again) -> None:
    page, _ = made_again("a" * 64, "b" * 64, "b" * 64)
    page.evaluate("app.model.jobs[0].state = 'rejected'; grid.remove(app.model.jobs[0].address); go({})")

    expect(page.locator(".card")).to_contain_text("Rejected")
    expect(page.locator(".card .message")).to_have_text("No still")
    assert page.locator(".card .diagonal").count() == 0


def test_each_selected_purchase_of_a_job_is_marked_on_its_card(made_again: Again) -> None:
    page, both = made_again("a" * 64, "b" * 64, "b" * 64)
    page.evaluate("both => go({ view: 'compare', compare: both.split(',') })", both)
    page.get_by_role("button", name="Add a purchase").click()

    select = page.locator(".card.selected .select")
    expect(select).to_have_text("AB")
    expect(page.locator("#selection")).to_contain_text("2 selected")
    select.click()
    expect(page.locator("#selection")).to_be_hidden()
    select = page.locator(".card .select")
    select.click()
    expect(select).to_have_text("A")


Sent = Callable[..., Page]


@pytest.fixture
def only_purchase(tab: Make, tmp_path: Path) -> Sent:
    """Opens the page of a job that was bought once and is pending again, because of a decision or another request."""

    def open_it(decision: str | None) -> Page:
        sample = Sample(tmp_path / "once")
        job = {"rule": "hero", "template": "overlay", "image": "red", "prompt": "stroll", "axes": {}}
        key = key_of(job)
        output = sample.put("once.mp4", sample.video("red", "beach", "hero"))
        made = sample.purchase(key, 720, path="once", outputs=[output])
        sample.job(job, None, last=made["id"])
        if decision:
            sample.decisions.append({"purchase": made["id"], "key": key, "decision": decision})
        sample.write()
        source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
        written = write_folder(
            sample.output / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
        )
        return tab().open(written.page, f"#job={key}")

    return open_it


def test_take_sent_back_can_still_be_seen_until_it_is_made_again(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=state:redo")

    card = page.locator(".card").first
    expect(card.locator(".word")).to_have_text("Sent back")
    expect(card.locator(".word")).to_have_attribute("title", "“logo cut off”")
    expect(card.locator(".mat img")).to_be_visible()
    expect(card.locator(".corner .icon")).to_be_visible()
    assert card.get_attribute("data-status") == "pending"
    expect(card.locator(".numbers")).to_contain_text("to come")
    card.locator(".open").focus()
    expect(card.locator(".mat video")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".stage video")).to_be_visible()
    expect(page.locator(".side-column .facts")).to_contain_text("2.5 s")


def test_purchase_sent_back_is_not_compared_with_itself(only_purchase: Sent) -> None:
    page = only_purchase("redo")

    expect(page.locator(".stage video")).to_be_visible()
    assert page.locator("#compare-takes").count() == 0
    assert page.locator("#view [href*='compare=']").count() == 0
    page.keyboard.press("c")
    assert "#job=" in page.url


def test_only_purchase_of_a_changed_request_is_opened_and_not_compared(only_purchase: Sent) -> None:
    page = only_purchase(None)

    assert page.locator("#view [href*='compare=']").count() == 0
    earlier = page.locator(".thumb.earlier")
    expect(earlier).to_contain_text("28 Nov")
    assert (earlier.get_attribute("href") or "").endswith("once.mp4")


Opens = Callable[..., Page]


@pytest.fixture
def of_files(tab: Make, tmp_path: Path) -> Opens:
    """Opens the page of a job with these files, each given by type, content and media facts."""

    def open_it(*files: tuple[str, bytes, dict[str, Any]]) -> Page:
        sample = Sample(tmp_path / "files")
        job = {"rule": "hero", "template": "overlay", "image": "red", "prompt": "stroll", "axes": {}}
        key = key_of(job)
        outputs = []
        media = {}
        for number, (content_type, content, facts) in enumerate(files, start=1):
            suffix = "mp4" if content_type == "video/mp4" else "bin"
            put = sample.put(f"files{f'-{number}' if number > 1 else ''}.{suffix}", content)
            outputs.append({**put, "content_type": content_type})
            media[put["sha256"]] = {"rule": 1, **facts}
        sample.job(job, sample.purchase(key, 720, path="files", outputs=outputs))
        sample.write()
        path = sample.folder / f"{sample.name}.results.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "media": media}))
        source = gallery_campaign(of_results(path), (), ())
        written = write_folder(
            sample.output / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
        )
        return tab().open(written.page, f"#job={key}")

    return open_it


WIDE = {"width": 640, "height": 360, "duration": 2.5, "frame_rate": 24.0, "audio": False}


def test_unplayable_video_is_reported_and_can_be_opened(of_files: Opens) -> None:
    page = of_files(("video/mp4", b"no codec of this browser", WIDE))

    said = page.locator(".stage .unplayable")
    expect(said).to_contain_text("this browser cannot play this file (video/mp4).")
    assert (said.get_by_role("link", name="Open the file").get_attribute("href") or "").endswith("files.mp4")
    page.evaluate(
        "go({ view: 'compare', compare: [app.model.jobs[0].serving.id, app.model.jobs[0].serving.id] })"
    )
    expect(page.locator(".stage .unplayable").first).to_contain_text("this browser cannot play this file")


@pytest.mark.parametrize("bundle", [False, True])
def test_page_that_was_sent_on_without_its_videos_says_so(tab: Make, tmp_path: Path, bundle: bool) -> None:
    sample = spring_drop(tmp_path / "made", 8, shorter_side=COARSE)
    manifest = sample.write()
    source = gallery_campaign(of_results(manifest.with_name(f"{sample.name}.results.json")), (), ())
    written = write_folder(
        sample.output / "report", [source], None, bundle=bundle, on_progress=lambda _number, _of: None
    )
    sent = written.page.rename(tmp_path / "index.html")
    job = next(each for each in sample.jobs if each.get("outputs"))

    opened = tab()
    opened.loses_server = True  # the browser logs each file that is not there

    page = opened.open(sent, f"#job={job['key']}")

    said = page.locator(".stage .unplayable")
    expect(said).to_contain_text("The file is no longer where this page looks for it, or this browser cannot")
    expect(said).to_contain_text("report --bundle" if not bundle else "Open the file")
    assert ("report --bundle" in said.inner_text()) is not bundle


@pytest.mark.parametrize("mode", ["wipe", "side"])
@pytest.mark.parametrize("begins", [False, True], ids=["no-video", "truncated-video"])
@pytest.mark.parametrize("broken", [0, 1])
def test_unplayable_video_does_not_hold_up_others(
    tab: Make, tmp_path: Path, mode: str, begins: bool, broken: int
) -> None:
    sample = Sample(tmp_path / "broken")
    job = {"rule": "hero", "template": "overlay", "image": "red", "prompt": "stroll", "axes": {}}
    whole = sample.video("red", "beach", "hero")
    made = []
    for number in (0, 1):
        content = broken_off(whole) if begins else b"no codec of this browser"
        put = sample.put(f"{number}.mp4", content if number == broken else whole)
        made.append(sample.purchase(key_of(job), 610 + 60 * number, path=f"{number}", outputs=[put]))
    sample.job(job, made[-1])
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    written = write_folder(
        sample.output / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )
    page = tab().open(written.page, f"#compare={made[0]['id']},{made[1]['id']}&mode={mode}")

    page.keyboard.press("Space")

    page.evaluate(f"window.other = document.querySelectorAll('video')[{1 - broken}]")
    until(page, "other.currentTime > other.duration - 2 * reel.frame")
    until(page, AT_REST)
    pane = page.locator(".half, .pane").nth(broken)
    expect(pane.locator(".unplayable")).to_contain_text("his browser cannot play this file (video/mp4).")
    assert page.locator(".unplayable").count() == 1


def broken_off(video: bytes) -> bytes:
    """The video with the second half of its frames zeroed."""
    begin = video.index(b"mdat")
    end = begin - 4 + int.from_bytes(video[begin - 4 : begin])
    half = (begin + end) // 2
    return video[:half] + bytes(end - half) + video[end:]


SOUND = {"duration": 2.3, "audio": True}


@pytest.mark.parametrize("content_type", ["video/mp4", "audio/mpeg"])
def test_sound_without_a_picture_is_called_sound(of_files: Opens, content_type: str) -> None:
    page = of_files((content_type, b"a tone", SOUND), (content_type, b"another", SOUND))

    expect(page.locator(".stage .message")).to_have_text("Sound")
    expect(page.locator(".more .message").first).to_have_text("Sound")
    page.evaluate("go({})")
    expect(page.locator(".card .message")).to_have_text("Sound")


def test_chosen_side_is_heard_unless_it_is_silent(tab: Make, tmp_path: Path) -> None:
    page, (first, second, silent) = takes_of(tab, tmp_path, SOUND, SOUND, WIDE)
    heard = "[...document.querySelectorAll('video')].flatMap(each => each.muted ? [] : [each.dataset.letter])"

    page.evaluate("compare => go({ view: 'compare', compare })", [first, second])
    assert page.evaluate(heard) == ["B"]
    page.keyboard.press("[")
    assert page.evaluate(heard) == ["A"]
    page.get_by_role("button", name="Sound off: A is heard").click()
    assert page.evaluate(heard) == []
    page.keyboard.press("]")
    assert page.evaluate(heard) == []
    page.get_by_role("button", name="Sound on").click()
    assert page.evaluate(heard) == ["B"]
    # It is still the one that the buttons below decide on.
    page.get_by_role("button", name="Swap A and B").click()
    assert page.evaluate(heard) == ["A"]

    page.evaluate("compare => go({ view: 'compare', compare })", [silent, first])
    page.keyboard.press("[")
    assert page.evaluate(heard) == ["B"]
    page.evaluate("compare => go({ view: 'compare', compare })", [silent, silent])
    assert page.evaluate(heard) == []
    expect(page.get_by_role("button", name="No sound")).to_be_disabled()


def test_only_pictures_are_compared_with_a_wipe(tab: Make, tmp_path: Path) -> None:
    page, (first, second, silent) = takes_of(tab, tmp_path, SOUND, SOUND, WIDE)

    for of in ([first, second], [first, silent]):
        page.evaluate("compare => go({ view: 'compare', compare })", of)
        expect(page.locator(".stage.side .pane")).to_have_count(2)
        assert page.locator(".grip, [aria-label='How to compare']").count() == 0


def takes_of(tab: Make, folder: Path, *facts: dict[str, Any]) -> tuple[Page, list[str]]:
    """The page of a job with a purchase of each of these media facts, and their ids."""
    sample = Sample(folder / "takes")
    job = {"rule": "hero", "template": "overlay", "image": "red", "prompt": "stroll", "axes": {}}
    video, media = sample.video("red", "beach", "hero"), {}
    for number, of_it in enumerate(facts):
        put = sample.put(f"{number}.mp4", video + bytes(number))
        media[put["sha256"]] = {"rule": 1, **of_it}
        sample.purchase(key_of(job), 610 + 60 * number, path=f"{number}", outputs=[put])
    sample.job(job, sample.purchases[-1])
    sample.write()
    path = sample.folder / f"{sample.name}.results.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "media": media}))
    written = write_folder(
        sample.output / "report",
        [gallery_campaign(of_results(path), (), ())],
        None,
        bundle=False,
        on_progress=lambda _number, _of: None,
    )
    return tab().open(written.page), [each["id"] for each in sample.purchases]


def test_printed_page_is_light_whichever_theme_was_chosen(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(colour)
    page.get_by_role("button", name="Theme").click()
    assert page.evaluate(colour) != light

    page.emulate_media(media="print")

    assert page.evaluate(colour) == light


def test_each_of_several_files_has_its_own_facts_and_address(of_files: Opens) -> None:
    tall = {**WIDE, "width": 360, "height": 640, "duration": 4.0, "frame_rate": 30.0}
    page = of_files(("video/mp4", b"one", WIDE), ("video/mp4", b"the second", tall))
    column = page.locator(".side-column")
    expect(column).to_contain_text("3 bytes, 640 × 360, 24 fps")
    page.get_by_role("button", name="File 2").click()

    for _ in range(2):
        expect(column).to_contain_text("10 bytes, 360 × 640, 30 fps")
        expect(column.locator(".facts")).to_contain_text("9:16")
        expect(column.locator(".facts")).to_contain_text("4 s")
        assert (page.locator(".stage video").get_attribute("src") or "").endswith("files-2.mp4")
        expect(page.get_by_role("button", name="File 2")).to_have_attribute("aria-pressed", "true")
        page.reload()
        page.wait_for_selector(".stage")
    page.get_by_role("button", name="File 1").click()
    expect(column).to_contain_text("3 bytes, 640 × 360, 24 fps")
    assert "file=" not in page.url


@pytest.mark.parametrize("width", [320, 390])
def test_video_controls_on_a_narrow_phone_are_in_one_row(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=640).open(gallery.index, f"#job={FIRST}")
    until(page, ALL_READY)

    rows = {
        round(each["y"] + each["height"] / 2)
        for tool in page.locator(".transport > .tool:visible").all()
        if (each := tool.bounding_box()) is not None
    }
    assert len(rows) == 1
