"""The page that a run serves itself, and what stays of it when the run, and the server with it, has ended."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.campaigns import Project
from support.fixtures import folder, project, start, vendor
from support.processes import Running

from browser.conftest import Tab

__all__ = ["folder", "project", "start", "vendor"]

expect.set_options(timeout=30_000)

MakeTab = Callable[..., Tab]
_WAITS = "while [ ! -e go ]; do sleep 0.02; done"
_LOADED = "each => each.complete && each.naturalWidth > 0"


def ended_run(project: Project, start: Callable[..., Running], tab: Tab, address: str) -> Page:
    """A run of two jobs whose page was open at `address` until it had ended."""
    running = start("run", project.manifest, "--yes", "--serve", "127.0.0.1:0", "--checkpoint", _WAITS)
    tab.loses_server = True
    page = tab.visit(running.hear("The page is at").split()[-1], address)
    Path(project.folder / "go").touch()
    ended = running.ended()
    assert ended.code == 0, ended.said
    expect(page.locator("#connection")).to_have_text("Ended")
    return page


@pytest.mark.parametrize("address", ["#", "#view=live"])
def test_the_stills_of_what_was_made_last_are_shown_though_the_server_ends_with_the_run(
    project: Project, start: Callable[..., Running], tab: MakeTab, address: str
) -> None:
    page = ended_run(project, start, tab(), address)

    expect(page.locator("h1:visible")).to_contain_text(re.compile("^All 2 "))
    # The grid is opened now, from what the page has: nobody is there to ask.
    page.evaluate("go({ view: 'browse', q: '' })")
    stills = page.locator("article .media img")
    expect(stills).to_have_count(2)
    for still in stills.all():
        still.scroll_into_view_if_needed()
        assert still.evaluate(_LOADED)
    assert page.get_by_text("No still").count() == 0
    assert {each.inner_text() for each in page.locator("article .length").all()} != {""}


def test_when_the_server_has_ended_no_review_is_offered_that_could_not_be_saved(
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
