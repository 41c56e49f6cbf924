"""Money belongs to purchases: the page counts each of them once, however many jobs it serves."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from playwright.sync_api import expect
from support.campaigns import campaign as project_at
from support.campaigns import chained
from support.processes import Running, environment

from browser.conftest import Gallery, Serve, Tab
from browser.live import LiveCampaign
from browser.samples import COARSE, Sample, spring_drop
from pipeline.operations.clock import now
from pipeline.operations.report import gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.operations.run_note import NoteWriter
from pipeline.report.writing import write_folder

Make = Callable[..., Tab]


def page_of(sample: Sample, before: Path | None = None) -> Path:
    """The page that shows a sample that is written, maybe compared with the results `before`."""
    results = of_results(sample.folder / f"{sample.name}.results.json")
    source = gallery_campaign(results, (), (), before)
    written = write_folder(
        sample.output / "report",
        [source],
        media_reader(),
        bundle=False,
        on_progress=lambda _number, _of: None,
    )
    return written.page


def once(gallery: Gallery, jobs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The purchases that serve these jobs, each once."""
    serving = {job["purchase"] for job in jobs if "purchase" in job}
    return [each for each in gallery.results["purchases"] if each["id"] in serving]


def test_failures_count_a_purchase_of_several_jobs_once(tab: Make, gallery: Gallery) -> None:
    failed = [job for job in gallery.results["jobs"] if job["status"] == "failed"]
    bought = once(gallery, failed)
    assert len(bought) < len(failed)
    # The attempts before the last one went into failures, too.
    lost = sum(
        each["credits"]
        for each in gallery.results["purchases"]
        if each["status"] == "failed" and each["reason"] != "rejected"
    )
    again = sum(each["credits"] for each in bought)

    page = tab().open(gallery.index, "#view=failures")

    expect(page.locator("h1:visible")).to_have_text(
        f"{len(failed)} jobs failed. Trying again costs at most {again:,} credits."
    )
    expect(page.locator(".cost:visible")).to_contain_text(f"{lost:,} credits went into failures.")
    # What two jobs share has its amount once.
    rows = page.locator("tbody", has_text="The vendor gave up").locator("tr:not(.group)")
    amounts = rows.locator("td.number").all_inner_texts()
    vendor = [each for each in bought if each["reason"] == "vendor"]
    assert sum(int(each) for each in amounts if each) == sum(each["credits"] for each in vendor)
    expect(rows.filter(has_text="Shared with")).to_have_count(len(amounts) - len(vendor))
    # A phone has no heading over the amounts, so each says its unit; what has no amount says nothing.
    page.set_viewport_size({"width": 390, "height": 844})
    units = "cells => cells.map(cell => [cell.innerText !== '', getComputedStyle(cell, '::after').content])"
    assert {tuple(each) for each in page.locator("td.number").evaluate_all(units)} == {
        (True, '" credits"'),
        (False, "none"),
    }
    page.set_viewport_size({"width": 1280, "height": 800})
    page.evaluate("go({ view: 'browse' })")
    row = page.locator("#overview .todo li", has_text="--retry-failed")
    expect(row).to_contain_text(f"Trying again costs at most {again:,} credits.")


def test_failed_attempts_count_after_a_later_one(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    job = sample.jobs[0]
    for number in (9001, 9002):
        sample.purchase(job["key"], number, status="failed", reason="vendor", credits=100)
    sample.write()

    page = tab().open(page_of(sample), "#view=failures")

    expect(page.locator("h1:visible")).to_have_text("No job failed.")
    expect(page.locator(".cost:visible")).to_contain_text("200 credits went into failed attempts.")


def test_unknown_outcomes_at_unknown_prices_are_not_said_to_cost_nothing(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    for number in range(6):
        sample.purchase(f"gone/{number}", 9000 + number, status="attention", credits=None)
    sample.write()

    page = tab().open(page_of(sample))

    row = page.locator("#overview .todo li", has_text="more with an unknown outcome")
    expect(row).to_contain_text("3 more with an unknown outcome")
    expect(row).to_contain_text("Their prices are not known.")


def test_earlier_purchase_that_several_jobs_shared_is_there_for_each(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    one, other = sample.jobs[-2:]
    sample.purchases.remove(sample.last_purchase(other["key"]))
    now = sample.last_purchase(one["key"])
    before = sample.purchase(
        one["key"],
        9001,
        path="before",
        fingerprint=now["fingerprint"],
        outputs=[sample.put("before.mp4", sample.video("red", "city", "hero"))],
    )
    sample.jobs[-1] = {**other, **{name: one[name] for name in ("fingerprint", "purchase", "outputs")}}
    sample.write()

    for key in (one["key"], other["key"]):
        page = tab().open(page_of(sample), f"#job={quote(key)}")
        expect(page.locator(".block", has_text="1 earlier purchase")).to_be_visible()
        compare = page.locator("#compare-takes").get_attribute("href") or ""
        # The older one is on the left.
        assert f"{before['id']},{now['id']}" in unquote(compare)


def test_what_a_purchase_replaced_is_there_though_it_was_bought_for_another_job(
    tab: Make, tmp_path: Path
) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    job = sample.jobs[-1]
    film = sample.put("before.mp4", sample.video("red", "city", "hero"))
    before = sample.purchase("gone", 9001, path="before", outputs=[film])
    failed = sample.purchase("gone", 9000, status="failed", reason="vendor", replaces=[before["id"]])
    sample.last_purchase(job["key"])["replaces"] = [failed["id"]]
    sample.write()

    page = tab().open(page_of(sample), f"#job={quote(job['key'])}")

    expect(page.locator(".block", has_text="2 earlier purchases")).to_be_visible()
    assert before["id"] in unquote(page.locator("#compare-takes").get_attribute("href") or "")


def test_each_template_has_the_number_of_its_purchases(tab: Make, gallery: Gallery) -> None:
    wanted = {}
    for template in ("overlay_gray_5443", "vim_arctic"):
        bought = [
            each
            for each in gallery.results["purchases"]
            if each["template_id"] == template and each.get("reason") != "rejected"
        ]
        wanted[template] = f"{len(bought)} bought, {sum(each['credits'] for each in bought):,}"

    page = tab().open(gallery.index)

    bars = page.locator("#overview .bars .template dt").all()
    assert {
        each.locator("span").first.inner_text(): each.locator("span").last.inner_text() for each in bars
    } == wanted


def test_jobs_under_way_on_one_purchase_count_its_credits_once(
    tmp_path: Path, serve: Serve, tab: Make
) -> None:
    campaign = LiveCampaign(tmp_path / "live", sharing=3)
    path = campaign.folder / ".pipeline" / "spring-drop.run.json"
    note = NoteWriter(path, campaign.run_name, None, now, in_flight=8)
    with campaign.run() as run:
        run.buy(campaign.jobs[0], ago=20)
        note.on_call("create", "bought", 0.1)
        note.finish()
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")

        expect(page.locator(".cost:visible")).to_contain_text(
            re.compile(r"^(\d+) credits spent, \1 of them for 3 under way\.")
        )
        head = page.locator(".head", has_text="Under way")
        expect(head).to_have_text("Under way3 jobs, 1 of at most 8 workflows at the vendor")


def test_page_of_a_selection_buys_what_its_jobs_share_with_others(tmp_path: Path, tab: Make) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", sharing=2, limits={"max_credits": 500})
    # The jobs that would buy in a run of everything are not selected.
    arguments = ("report", campaign.manifest, "--select", "matrix.channel:c1", "--out", tmp_path / "page")
    assert Running(arguments, environment("http://127.0.0.1:1")).ended().code == 0

    page = tab().open(tmp_path / "page" / "index.html")

    # The prices of twelve jobs are known.
    expect(page.locator(".empty")).to_contain_text("48 jobs are planned for 1,200 credits")
    row = page.locator(".empty .todo li", has_text="Buy and make them")
    expect(row).to_contain_text(
        "It would exceed the limit of a run by at least 700: raise it, or select fewer."
    )


def test_page_of_results_alone_counts_what_pending_jobs_share_once(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    for image, locale, request in (("red", "x1", "1"), ("red", "x2", "1"), ("blue", "x1", "2")):
        coordinates = {"rule": "hero", "template": "overlay", "image": image, "axes": {"locale": locale}}
        sample.job(coordinates, fingerprint="v1:" + request * 64)
    sample.write()

    page = tab().open(page_of(sample))

    # A hero costs 120.
    expect(page.locator("#overview .cost")).to_contain_text(", at most 240 still to come")
    expect(page.locator("#overview .todo")).to_contain_text("Make at most 3, 240 credits")


def test_page_of_a_selection_says_by_how_much_it_would_exceed_the_budget(tmp_path: Path, tab: Make) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", limits={"budget": 150})
    # A story costs 100.
    stories = [job for job in campaign.jobs if job.coordinates.rule == "story"]
    select = [word for job in stories[:2] for word in ("--select", job.key)]
    arguments: tuple[str | Path, ...] = ("report", campaign.manifest, *select, "--out", tmp_path / "page")
    assert Running(arguments, environment("http://127.0.0.1:1")).ended().code == 0

    page = tab().open(tmp_path / "page" / "index.html")

    row = page.locator(".empty .todo li", has_text="Buy and make them")
    expect(row).to_contain_text("It would exceed the budget by 50: raise it, or select fewer.")


def test_page_of_a_selection_does_not_count_what_waits_for_others(tmp_path: Path, tab: Make) -> None:
    project = project_at(tmp_path / "project", {"campaign.yaml": chained()})
    for select, said in (
        ("job:film", "1 job waits for what it is made from, which is not selected"),
        ("+job:film", "2 jobs are planned"),
    ):
        arguments = ("report", project.manifest, "--select", select, "--out", tmp_path / "page")
        assert Running(arguments, environment("http://127.0.0.1:1")).ended().code == 0

        page = tab().open(tmp_path / "page" / "index.html")

        expect(page.locator(".empty")).to_contain_text(said)
        expect(page.locator(".empty .command", has_text="pipeline run")).to_have_count(
            0 if select == "job:film" else 2
        )


def test_comparison_shows_what_several_jobs_share_once(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    one, other = sample.jobs[-2:]
    sample.purchases.remove(sample.last_purchase(other["key"]))
    now = sample.last_purchase(one["key"])
    film = sample.put("before.mp4", sample.video("red", "city", "hero"))
    before = sample.purchase(one["key"], 9001, path="before", fingerprint=now["fingerprint"], outputs=[film])
    shared = {**other, **{name: one[name] for name in ("fingerprint", "purchase", "outputs")}}
    sample.jobs[-2:] = [{**each, "purchase": before["id"]} for each in (one, shared)]
    sample.write()
    old = tmp_path / "old.results.json"
    old.write_bytes((tmp_path / f"{sample.name}.results.json").read_bytes())
    sample.jobs[-2:] = [one, shared]
    sample.write()

    for compared in (None, old):
        page = tab().open(page_of(sample, compared), "#view=compare")

        pair = page.locator(".pair", has=page.get_by_title(one["key"], exact=True))
        expect(pair).to_have_count(1)
        names = [each.get_attribute("title") for each in pair.locator(".key").all()]
        assert names == sorted([one["key"], other["key"]])
    expect(page.locator("h1:visible")).to_have_text("1 re-created.")
