"""A real Chromium, pages that must be silent and make no other requests, and a campaign to show."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.processes import Running, environment

from browser.live import LiveCampaign
from browser.samples import COARSE, spring_drop, with_notes
from pipeline.operations.report import gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.report.gallery_campaign import GalleryCampaign
from pipeline.report.writing import write_folder

# The first is the same browser without a window, which takes half the CPU.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    "--autoplay-policy=no-user-gesture-required",
)
# A message on the page lasts four seconds (`TOAST_MS`), a long one longer, and a busy machine may look for it later.
_MESSAGES_STAY = """
const { setTimeout } = window;
window.setTimeout = (act, ms, ...given) => (ms >= 4000 && ms < 20000 ? 0 : setTimeout(act, ms, ...given));
"""
# How long a busy machine may take; usually the result is there at once.
expect.set_options(timeout=30_000)

Theme = Literal["light", "dark"]
Serve = Callable[..., tuple[Running, str]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this machine, one for all tests of a process."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page with its console messages and requests."""

    page: Page
    console: list[str]
    asked: list[str]
    # The only server that it may call, besides files from disk.
    origin: str = "file:"
    # A browser logs an error when its server is gone.
    loses_server: bool = False

    def open(self, index: Path, address: str = "") -> Page:
        """Open a gallery from disk and wait until it is loaded."""
        self.page.goto(f"{index.as_uri()}{address}")
        self.page.wait_for_selector("body[data-view]")
        return self.page

    def visit(self, url: str, address: str = "") -> Page:
        """Open a served page at its printed URL."""
        self.origin = url.partition("?")[0]
        self.page.goto(f"{url}{address}")
        self.page.wait_for_selector("body[data-view]")
        return self.page

    @property
    def complaints(self) -> list[str]:
        """Its console messages, except those about a missing server."""
        return [each for each in self.console if not (self.loses_server and "net::ERR_" in each)]


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Tab]]:
    """Creates tabs, and checks that none logged anything or requested anything but files from disk."""
    tabs: list[Tab] = []

    def make(width: int = 1280, height: int = 800, theme: Theme = "light", **more: Any) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **more
        )
        context.add_init_script(_MESSAGES_STAY)
        made = Tab(context.new_page(), [], [])
        made.page.set_default_timeout(20_000)
        made.page.on("console", lambda message: made.console.append(message.text))
        made.page.on("pageerror", lambda error: made.console.append(str(error)))
        made.page.on("request", lambda request: made.asked.append(request.url))
        tabs.append(made)
        return made

    yield make
    for each in tabs:
        each.page.context.close()
        assert each.complaints == []
        assert [url for url in each.asked if not url.startswith((each.origin, "file:", "data:"))] == []


def rows_of(page: Page, selector: str) -> set[int]:
    """The heights of the middles of the visible ones."""
    boxes = [each.bounding_box() for each in page.locator(selector).all() if each.is_visible()]
    return {round(each["y"] + each["height"] / 2) for each in boxes if each is not None}


@dataclass(frozen=True)
class Gallery:
    """A page on disk with the records that it shows."""

    index: Path
    source: GalleryCampaign
    results: dict[str, Any]
    decisions: dict[str, Any]

    @property
    def keys(self) -> list[str]:
        return [job["key"] for job in self.results["jobs"]]


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """A campaign in progress, with notes at positions in its videos."""
    sample = with_notes(spring_drop(tmp_path_factory.mktemp("gallery"), 48, shorter_side=COARSE))
    decisions = {"version": 1, "decisions": sample.decisions}
    sample.decisions = []
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    source = replace(source, records=replace(source.records, decisions=decisions))
    written = write_folder(
        sample.output / "report",
        [source],
        media_reader(),
        bundle=False,
        on_progress=lambda _number, _of: None,
    )
    return Gallery(written.page, source, sample.results(), decisions)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers of pages, each with its process and printed URL; all have ended after the test."""
    started: list[Running] = []

    def start(campaign: LiveCampaign, *flags: str) -> tuple[Running, str]:
        arguments: tuple[str | Path, ...] = ("serve", campaign.manifest, *flags)
        if "--listen" not in flags:
            arguments += ("--listen", "127.0.0.1:0")
        running = Running(arguments, environment("http://127.0.0.1:1"))
        started.append(running)
        line = running.first_line()
        assert "http://" in line, running.ended().output
        return running, line.split()[-1]

    yield start
    for each in started:
        each.kill()
