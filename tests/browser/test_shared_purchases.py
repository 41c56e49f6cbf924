"""Money belongs to purchases: the page counts each of them once, however many jobs it serves."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect
from support.processes import Running, environment

from browser.conftest import Gallery, Serve, Tab
from browser.live import LiveCampaign

Make = Callable[..., Tab]


def once(gallery: Gallery, jobs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The purchases that serve these jobs, each once."""
    serving = {job["purchase"] for job in jobs if "purchase" in job}
    return [each for each in gallery.results["purchases"] if each["id"] in serving]


def test_failures_count_a_purchase_of_several_jobs_once(tab: Make, gallery: Gallery) -> None:
    failed = [job for job in gallery.results["jobs"] if job["status"] == "failed"]
    bought = once(gallery, failed)
    assert len(bought) < len(failed)
    lost = sum(each["credits"] for each in bought if each["reason"] != "rejected")
    again = sum(each["credits"] for each in bought)

    page = tab().open(gallery.index, "#view=failures")

    expect(page.locator("h1:visible")).to_have_text(
        f"{len(failed)} jobs failed. Trying again costs at most {again:,} credits."
    )
    expect(page.locator(".cost:visible")).to_contain_text(f"{lost:,} credits went into failures.")
    page.evaluate("go({ view: 'browse' })")
    row = page.locator("#overview .todo li", has_text="--retry-failed")
    expect(row).to_contain_text(f"Trying again costs at most {again:,} credits.")


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
    with campaign.run() as run:
        run.buy(campaign.jobs[0], ago=20)
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")

        expect(page.locator(".cost:visible")).to_contain_text(
            re.compile(r"^(\d+) credits spent, \1 of them for 3 under way\.")
        )


def test_page_of_a_selection_buys_what_its_jobs_share_with_others(tmp_path: Path, tab: Make) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", sharing=2, limits={"max_credits": 500})
    # The jobs that would buy in a run of everything are not selected.
    arguments = ("report", campaign.manifest, "--select", "matrix.channel:c1", "--out", tmp_path / "page")
    assert Running(arguments, environment("http://127.0.0.1:1")).ended().code == 0

    page = tab().open(tmp_path / "page" / "index.html")

    # The prices of twelve jobs are known.
    expect(page.locator(".empty")).to_contain_text("48 jobs are planned for 1,200 credits")
    row = page.locator(".empty .todo li", has_text="Buy and make them")
    expect(row).to_contain_text("It would exceed the limit of a run by 700: raise it, or select fewer.")
