"""The page served by a run, and what remains of it after the run and its server have ended."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.campaigns import Project, campaign, spring
from support.fixtures import folder, project, start, vendor
from support.processes import Running

from browser.conftest import Tab
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.planning.shards import Shard
from pipeline.planning.split import Split

__all__ = ["folder", "project", "start", "vendor"]

expect.set_options(timeout=30_000)

Start = Callable[..., Running]
MakeTab = Callable[..., Tab]
_WAITS = "while [ ! -e go ]; do sleep 0.02; done"
_LOADED = "each => each.complete && each.naturalWidth > 0"


def ended_run(project: Project, start: Callable[..., Running], tab: Tab, address: str) -> Page:
    """A run of two jobs whose page was open at `address` until it ended."""
    running = start("run", project.manifest, "--yes", "--serve", "127.0.0.1:0", "--checkpoint", _WAITS)
    tab.loses_server = True
    page = tab.visit(running.hear("The page is at").split()[-1], address)
    Path(project.folder / "go").touch()
    ended = running.ended()
    assert ended.code == 0, ended.output
    expect(page.locator("#connection")).to_have_text("Ended")
    return page


@pytest.mark.parametrize("address", ["#", "#view=live"])
def test_stills_of_the_last_results_are_shown_though_the_server_ends_with_the_run(
    project: Project, start: Callable[..., Running], tab: MakeTab, address: str
) -> None:
    page = ended_run(project, start, tab(), address)

    expect(page.locator("h1:visible")).to_contain_text(re.compile("^All 2 "))
    # The grid is opened now, from the data of the page: there is no server to ask.
    page.evaluate("go({ view: 'browse', q: '' })")
    stills = page.locator("article .media img")
    expect(stills).to_have_count(2)
    for still in stills.all():
        still.scroll_into_view_if_needed()
        assert still.evaluate(_LOADED)
    assert page.get_by_text("No still").count() == 0
    assert {each.inner_text() for each in page.locator("article .length").all()} != {""}


def test_review_is_not_offered_after_the_server_has_ended(
    project: Project, start: Callable[..., Running], tab: MakeTab
) -> None:
    page = ended_run(project, start, tab(), "#")

    row = page.locator("#overview .todo li", has_text="2 videos to decide")
    expect(row).to_contain_text("The server of this page has ended")
    expect(row.locator("code")).to_have_text(re.compile(r"^pipeline serve \S*campaign\.yaml"))
    assert page.get_by_role("button", name="Review").count() == 0
    page.keyboard.press("n")
    bar = page.get_by_role("group", name="Decide")
    expect(bar).to_contain_text("Each button copies a command.")
    assert bar.get_by_label("Note at this moment").count() == 0
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_contain_text("pipeline approve")


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Emulator]:
    """A vendor that finishes nothing during a test."""
    with Emulator(EmulatorSettings.tiny(tmp_path / "slow", duration=3600)) as running:
        yield running


def at_the_vendor(page: Page, jobs: int) -> None:
    """Wait until so many jobs are at the vendor: the outcome of a create that a kill overtakes would be unknown."""
    expect(page.locator(".under-way .doing:empty")).to_have_count(jobs)


def test_interrupted_run_leaves_the_command_that_continues(
    project: Project, start: Start, tab: MakeTab, slow: Emulator
) -> None:
    running = start("run", project.manifest, "--yes", "--serve", "127.0.0.1:0", url=slow.url)
    here = tab()
    here.loses_server = True
    page = here.visit(running.hear("The page is at").split()[-1], "#view=live")
    at_the_vendor(page, 2)
    assert page.locator(".command:visible").count() == 0

    running.signal(signal.SIGINT)
    assert running.ended().code == 130

    expect(page.locator("#connection")).to_have_text("Ended")
    expect(page.locator(".todo:visible")).to_contain_text("Go on with 2")
    expect(page.locator(".todo:visible code")).to_have_text(re.compile(r"^pipeline run \S*campaign\.yaml"))


def test_page_of_a_shard_is_about_that_shard(
    folder: Path, start: Start, tab: MakeTab, slow: Emulator
) -> None:
    prompts = {f"p{number}": f"a walk, number {number}" for number in range(12)}
    # A shard gets half of the in-flight limit: one.
    limits = {"max_credits": 5_000, "in_flight": 2}
    project = campaign(folder, {"campaign.yaml": spring(prompts=prompts, limits=limits)})
    jobs = list(expand(load(project.manifest)))
    own = [job for job in jobs if Split(Shard.parse("1/2"), jobs).has_job(job.key)]
    assert 1 < len(own) < len(jobs)
    flags = ("--yes", "--shard", "1/2", "--serve", "127.0.0.1:0")
    running = start("run", project.manifest, *flags, url=slow.url)
    here = tab()
    here.loses_server = True
    page = here.visit(running.hear("The page is at").split()[-1], "#")

    bar = page.locator(".bars div", has_text="This run").locator(".bar")
    to_come = f"{(len(own) - 1) * 100:,} still to come"
    expect(bar).to_have_attribute("title", f"100 of at most 5,000, {to_come}")

    running.signal(signal.SIGINT)
    assert running.ended().code == 130

    expect(page.locator("#connection")).to_have_text("Ended")
    command = page.locator(".todo:visible code", has_text=re.compile(r"^pipeline run"))
    expect(command.first).to_have_text(re.compile(r"campaign\.yaml --shard 1/2$"))


def test_killed_run_is_not_shown_as_running(
    project: Project, start: Start, tab: MakeTab, slow: Emulator
) -> None:
    served = start("serve", project.manifest, "--listen", "127.0.0.1:0")
    url = served.first_line().split()[-1]
    running = start("run", project.manifest, "--yes", url=slow.url)
    page = tab().visit(url, "#view=live")
    at_the_vendor(page, 2)
    command = page.locator(".todo:visible code", has_text=re.compile(r"^pipeline run \S*campaign\.yaml"))
    expect(command).to_have_count(0)

    running.kill()

    expect(command).to_be_visible()
    expect(page.locator(".todo:visible")).to_contain_text("Go on with 2")
    # A newly opened page shows the same.
    page.reload()
    expect(command).to_be_visible()


def test_rehearsal_shows_no_prices_and_what_is_to_be_remade(folder: Path, start: Start, tab: MakeTab) -> None:
    # The vendor publishes no price for this template.
    options = {"motion_type": "Auto", "background_urls": ["https://cdn.example.com/beach.mp4"]}
    overlay = {"template_id": "overlay_gray_5443", "options": {**options, "prompt": "{{ prompt }}"}}
    project = campaign(folder, {"campaign.yaml": spring(templates={"overlay": overlay})})
    key = next(iter(expand(load(project.manifest)))).key
    assert start("run", project.manifest, "--emulate").ended().code == 0
    assert start("redo", project.manifest, key, "--emulate").ended().code == 0

    site = start("serve", project.manifest, "--emulate", "--listen", "127.0.0.1:0")
    page = tab().visit(site.first_line().split()[-1], "#")

    expect(page.locator("#overview .cost")).to_contain_text("1 job to make again.")
    expect(page.locator("#overview .todo")).to_contain_text("Make 1 again")
    assert page.get_by_text("no known price").count() == 0
