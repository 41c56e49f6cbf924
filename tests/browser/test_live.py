"""The served page: following a run, review by keyboard alone, and a server that stops and returns."""

import re
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Locator, Page, Request, Route, expect
from support.campaigns import campaign as campaign_of
from support.campaigns import chained
from support.ports import free_port
from support.processes import Running, environment, until

from browser.conftest import Serve, Tab, rows_of
from browser.live import LiveCampaign, in_the_middle
from pipeline.jobs import Job, in_plan_order
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load
from pipeline.operations.clock import now
from pipeline.operations.run_note import NoteWriter
from pipeline.purchases import Output, Purchase, PurchaseId, Status, WorkflowId
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Verdict
from pipeline.state import transitions
from pipeline.state.events import Accepted, Finished
from pipeline.state.opening import open_store
from pipeline.state.store import Caps, Change, Intent, Turn

MakeTab = Callable[..., Tab]

# The page waits for an answer until `giveUp()`, and not for 20 seconds.
GIVES_UP_WHEN_TOLD = """
const { setTimeout } = window;
window.setTimeout = (act, ms, ...given) =>
  ms === 20_000 ? ((window.giveUp = act), 0) : setTimeout(act, ms, ...given);
"""


@pytest.fixture
def campaign(tmp_path: Path) -> LiveCampaign:
    return LiveCampaign(tmp_path / "campaign")


def decided(campaign: LiveCampaign) -> list[Decision]:
    return list(decisions.read(campaign.decisions, campaign.decisions.name))


def made(campaign: LiveCampaign, jobs: int) -> None:
    """The first `jobs` of the campaign were bought and finished by a run that has ended."""
    with campaign.run() as run:
        run.all_made(campaign.jobs[:jobs])


def of_both_templates(campaign: LiveCampaign, jobs: int) -> list[Job]:
    """The first jobs and one of the other template: after these, the time left is known."""
    other = next(each for each in campaign.jobs if each.coordinates.template == "arctic")
    return [*campaign.jobs[: jobs - 1], other]


def verdict(page: Page, name: str) -> Any:
    return page.get_by_role("group", name="Decide").get_by_role("button", name=name)


# A live run


def test_page_follows_a_run(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    with campaign.run() as run:
        run.all_made(of_both_templates(campaign, 6))
        run.buy(campaign.jobs[6], ago=30)
        _, url = serve(campaign)
        page = tab().visit(url)

        # Something is under way, so the page opens with the run.
        expect(page.locator("h1:visible")).to_contain_text(
            re.compile(r"^6 of 48 made, about \d+ min left\.$")
        )
        expect(page.locator(".under-way li")).to_have_count(1)
        run.make(campaign.jobs[6])
        expect(page.locator("h1:visible")).to_contain_text("7 of 48 made")
        run.buy(campaign.jobs[7], ago=300)
        expect(page.locator(".under-way .amber")).to_contain_text("of usually 1:42")
        run.refuse(campaign.jobs[8], "the prompt is refused")
        expect(page.locator("h1:visible")).to_contain_text("1 failed")
        run.lose(campaign.jobs[9])
        expect(page.locator("h1:visible")).to_contain_text("1 needs you")
        expect(page.locator(".command:visible").first).to_contain_text("pipeline resolve")

        page.goto(f"{url.partition('?')[0]}#")
        card = page.locator(f'article[data-key="{campaign.jobs[7].key}"]')
        expect(card).to_have_attribute("data-status", "submitted")
        run.make(campaign.jobs[7])
        expect(card).to_have_attribute("data-status", "done")
        expect(card.locator("img")).to_be_visible()  # its still is loaded automatically


def test_card_under_way_says_how_long_and_how_long_it_usually_takes(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    first, late, early, other = of_both_templates(campaign, 4)
    with campaign.run() as run:
        run.buy(late, ago=4000)
        run.buy(early, ago=2)
        run.buy(other, ago=65)
        _, url = serve(campaign)
        page = tab().visit(url, "#q=status:submitted")
        ages = {
            job.key: page.locator(f'article[data-key="{job.key}"] .message .age')
            for job in (late, early, other)
        }
        # No template has made anything yet.
        expect(ages[other.key]).to_have_text(re.compile(r"^1:\d\d so far$"))
        expect(ages[other.key]).to_have_attribute("title", re.compile(r"^since \d+ \w+ \d\d:\d\d UTC$"))

        run.buy(first, ago=30)
        run.make(first)

        expect(ages[late.key]).to_have_text("1 h 06 min of usually 1:42")
        expect(ages[late.key]).to_have_class(re.compile("amber"))
        expect(ages[early.key]).to_have_text(re.compile(r"^0:\d\d of usually 1:42$"))
        expect(ages[early.key]).not_to_have_class(re.compile("amber"))
        # It goes on with the time.
        before = ages[early.key].inner_text()
        expect(ages[early.key]).not_to_have_text(before)
        card = page.locator(f'article[data-key="{late.key}"]').inner_text()
        words = next(line for line in card.splitlines() if "usually" in line)
        # The Live view says the same of it.
        page.evaluate("go({ view: 'live', q: '' })")
        expect(page.locator(".under-way li .age").first).to_have_text(words)


def test_decision_is_a_change_too(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    [job, *_] = campaign.jobs
    with campaign.run() as run:
        run.buy(job, ago=3000)
        run.make(job)
    _, url = serve(campaign)
    page = tab().visit(url, f"#job={job.key}")
    expect(page.locator(".last-change")).to_have_text("last change 50 min ago")

    verdict(page, "Approve").click()

    expect(page.locator(".last-change")).to_have_text(re.compile(r"^last change (now|\d+ s ago)$"))


def test_time_left_is_hidden_with_a_reason_while_a_template_has_no_known_duration(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    [overlay, *_] = [job for job in campaign.jobs if job.coordinates.template == "overlay"]
    [arctic, other, *_] = [job for job in campaign.jobs if job.coordinates.template == "arctic"]
    note = NoteWriter(
        campaign.folder / ".pipeline" / "spring-drop.run.json", campaign.run_name, None, now, in_flight=500
    )
    with campaign.run() as run:
        run.all_made([overlay])
        run.buy(arctic)
        _, url = serve(campaign)
        page = tab().visit(url)
        expect(page.locator("h1:visible")).to_have_text("1 of 48 made.")
        why = page.locator(".cost:visible")
        expect(why).to_contain_text("The time left is known once one arctic is made.")
        run.make(arctic)
        run.buy(other)
        note.on_call("create", "bought", 0.1)
        note.finish()
        # Everything that waits fits beside what is under way: it takes as long as the slowest.
        expect(page.locator("h1:visible")).to_have_text("2 of 48 made, about 2 min left.")
        expect(why).not_to_contain_text("The time left is known")


def test_unanswered_create_is_under_way_until_its_run_dies(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        run.all_made(campaign.jobs[:2])
        run.send(campaign.jobs[2])
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        expect(page.locator(".under-way li")).to_contain_text("being sent")
        assert "need" not in page.locator("h1:visible").inner_text()
        assert page.locator(".command:visible", has_text="resolve").count() == 0
        page.evaluate("go({ view: 'browse' })")
        card = page.locator(f'article[data-key="{campaign.jobs[2].key}"]')
        expect(card).to_contain_text("Under way")

    expect(page.locator("h1:visible")).to_contain_text("1 needs you")
    expect(card).to_have_attribute("data-status", "attention")
    expect(page.locator(".command:visible").first).to_contain_text("pipeline resolve")


@pytest.mark.parametrize("view", ["live", "browse"])
def test_page_of_a_dead_run_shows_no_time_left_and_the_command_that_continues(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, view: str
) -> None:
    run_again = re.compile(r"^pipeline run \S*campaign\.yaml$")
    with campaign.run() as run:
        run.all_made(of_both_templates(campaign, 6))
        run.buy(campaign.jobs[6], ago=30)
        run.buy(campaign.jobs[7])
        run.fail(campaign.jobs[7], "it did not work out")
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        expect(page.locator("h1:visible")).to_contain_text("left")
        expect(page.locator(".todo:visible")).to_contain_text("when this run has ended")
        page.evaluate("view => go({ view })", view)
        commands = page.locator(".todo:visible .command code")
        assert not [each for each in commands.all_inner_texts() if each.startswith("pipeline run")]

    expect(commands.filter(has_text=run_again)).to_be_visible()
    expect(commands.filter(has_text="--retry-failed")).to_be_visible()
    expect(page.locator(".todo:visible")).not_to_contain_text("when this run has ended")
    expect(page.locator("h1:visible")).not_to_contain_text("left")
    if view == "live":
        expect(page.locator(".cost:visible")).to_contain_text("No run goes on now")
        bar = page.locator(".bars > div", has_text="The last run")
        expect(bar).to_be_visible()
        expect(bar.locator(".to-come")).to_have_count(0)
    with campaign.run():
        expect(commands.filter(has_text="pipeline run")).to_have_count(0)


def test_time_left_is_that_of_the_jobs_selected_by_the_run(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    note = NoteWriter(campaign.folder / ".pipeline" / "spring-drop.run.json", campaign.run_name, None, now)
    each_template = [
        next(job for job in campaign.jobs if job.coordinates.template == name)
        for name in ("overlay", "arctic")
    ]
    left = [job for job in campaign.jobs if job not in each_template]
    with campaign.run() as run:
        run.all_made(each_template)
        run.buy(left[0], ago=100)
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        expect(page.locator("h1:visible")).to_contain_text(re.compile("about [0-9h ]+ min left"))

        note.select({left[0].key})

        expect(page.locator("h1:visible")).to_contain_text("less than a minute left")
        note.select({each.key for each in [left[0], *left[-4:]]})
        expect(page.locator("h1:visible")).to_contain_text(re.compile("about [567] min left"))


def test_time_left_is_at_least_that_of_what_is_made_one_after_another(
    tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    project = campaign_of(tmp_path, {"campaign.yaml": chained()})
    sketch, _film = in_plan_order(expand(load(project.manifest)))
    bought = Purchase(
        id=PurchaseId("a" * 16),
        key=sketch.key,
        fingerprint=sketch.fingerprint,
        status=Status.SUBMITTING,
        bought_at=now(),
        template_id=sketch.request.template_id,
        credits=10,
        path=sketch.path,
    )
    usual = [("vim_sketch_me", 600.0), ("each_explodedloop_0226", 1200.0)]
    opened = open_store(
        project.state, campaign="stages", manifest=project.manifest, run="live", writable=True, now=now()
    )
    with closing(opened) as store:
        intents = [Intent(purchase=bought, at=bought.bought_at)]
        store.commit_turn(Turn(intents=intents, durations=usual), Caps())
        accepted = Accepted(WorkflowId("wf-1"))
        taken = transitions.advance(bought, accepted)
        store.commit([Change(before=bought, after=taken, at=now(), event=accepted)])
        _, url = serve(project)
        page = tab().visit(url, "#view=live")

        # The film alone would take 20 minutes.
        expect(page.locator("h1:visible")).to_contain_text(re.compile("about (29|30) min left"))


def test_time_left_grows_while_a_run_is_slower_than_usual(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    run_note = campaign.folder / ".pipeline" / "spring-drop.run.json"
    NoteWriter(run_note, campaign.run_name, None, now, in_flight=8).select({job.key for job in campaign.jobs})
    made = of_both_templates(campaign, 2)
    slow = [job for job in campaign.jobs if job.coordinates.template == "overlay" and job not in made]
    with campaign.run() as run:
        run.all_made(made)
        for job in slow[:8]:
            run.buy(job, ago=420)
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")

        # By the usual 1:42, it would be 7 minutes.
        expect(page.locator("h1:visible")).to_contain_text(re.compile("about [34][0-9] min left"))


def test_run_that_has_not_bought_yet_is_not_offered_to_be_started_again(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run():
        _, url = serve(campaign)
        page = tab().visit(url)

        expect(page.locator(".todo:visible")).to_contain_text("A run goes on; what it makes is shown here.")
        expect(page.locator(".command:visible")).to_have_count(0)
    expect(page.locator(".command:visible code").first).to_have_text(re.compile("^pipeline run "))


def test_invisible_run_counts_as_running_while_something_changes(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        run.all_made(of_both_templates(campaign, 2))
        run.buy(campaign.jobs[2])
        lock = campaign.folder / ".pipeline" / "spring-drop.db.lock"
        lock.write_text(lock.read_text().replace('"host": "', '"host": "not-'))
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        expect(page.locator("h1:visible")).to_contain_text("left")
        command = page.locator(".command:visible code", has_text="pipeline run")
        expect(command).to_have_count(0)

        page.evaluate("source.now = () => Date.now() + 4 * 60_000")

        expect(page.locator("h1:visible")).not_to_contain_text("left")
        expect(command).to_be_visible()


def test_in_flight_limit_and_delayed_creates_are_shown(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    note = NoteWriter(
        campaign.folder / ".pipeline" / "spring-drop.run.json", campaign.run_name, None, now, in_flight=8
    )
    with campaign.run() as run:
        run.buy(campaign.jobs[0])
        run.buy(campaign.jobs[1])
        note.on_call("create", "bought", 0.1)
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        head = page.locator(".head", has_text="Under way")
        expect(head).to_have_text("Under way2 of at most 8 workflows at the vendor")
        rate = page.locator("section", has_text="Rate").locator(".pairs")
        expect(rate).to_contain_text(re.compile(r"Calls.*; none held back"))
        assert " 1 " in rate.inner_text().replace("Calls\n", " ").replace(",", " ")

        for _ in range(2):
            note.on_call("create", "deferred", 0.1)
        note.finish()
        expect(rate).to_contain_text(
            re.compile(r"Held back2 creates, last at \d\d:\d\d: the vendor asked to slow down")
        )

        # Downloads are under way too, but do not count towards the vendor's limit.
        finished = Output("video/mp4", url="https://media.example.com/film.mp4")
        run.step(campaign.jobs[1], Finished((finished,)))
        expect(page.locator(".legend:visible")).to_contain_text("2 under way")
        expect(head).to_have_text("Under way1 of at most 8 workflows at the vendor, 1 to download")


def test_each_task_has_its_icon_beside_its_first_line(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign)
    page = tab().visit(url, "#")
    expect(page.locator("#overview .todo li h3")).to_have_text(["Make 46", "2 videos to decide"])

    for row in page.locator("#overview .todo li").all():
        sign, line = row.locator("svg").first.bounding_box(), row.locator("h3").bounding_box()
        assert sign is not None
        assert line is not None
        assert abs(sign["y"] + sign["height"] / 2 - line["y"] - line["height"] / 2) < 2


@pytest.mark.parametrize(
    ("limits", "exceeds", "bars"),
    [
        ({"budget": 1_000}, "the budget by 4,520: raise it", ["Budget, all runs"]),
        ({"max_credits": 500}, "the limit of a run by 4,780: raise it", ["Next run"]),
        ({"budget": 12_000, "max_credits": 500}, "the limit of a run by 4,780: raise it", ["Next run"]),
        (
            {"budget": 1_000, "max_credits": 500},
            "the limit of a run by 4,780 and the budget by 4,520: raise both",
            ["Next run", "Budget, all runs"],
        ),
    ],
)
def test_next_step_says_by_how_much_it_exceeds_a_limit(
    tmp_path: Path, serve: Serve, tab: MakeTab, limits: dict[str, int], exceeds: str, bars: list[str]
) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", limits=limits, prices={"overlay_gray_5443": 120})
    made(campaign, 2)
    _, url = serve(campaign)
    page = tab().visit(url, "#")

    row = page.locator("#overview .todo li", has_text="Make 46, 5,280 credits")
    expect(row).to_contain_text(f"It would exceed {exceeds}, or select fewer.")
    foot = page.locator("#overview .bars .foot.over")
    expect(foot).to_contain_text(f"All of it would exceed {exceeds.split(':')[0]}.")
    # The cap stands within the bar, before what exceeds it.
    over = page.locator("#overview .bars .over:not(.foot)")
    assert [each.locator("dt span").first.inner_text() for each in over.all()] == bars
    for each in over.all():
        whole, cap = each.locator(".bar").bounding_box(), each.locator(".cap").bounding_box()
        assert whole is not None
        assert cap is not None
        assert cap["x"] < whole["x"] + whole["width"] * 0.9


def test_open_page_follows_edited_limits(tmp_path: Path, serve: Serve, tab: MakeTab) -> None:
    prices = {"overlay_gray_5443": 120}
    campaign = LiveCampaign(
        tmp_path / "campaign", limits={"max_credits": 9_000, "budget": 9_000}, prices=prices
    )
    made(campaign, 2)
    _, url = serve(campaign)
    page = tab().visit(url, "#")
    bars = page.locator("#overview .bars")
    expect(bars).to_contain_text("5,280 of at most 9,000")

    LiveCampaign(tmp_path / "campaign", limits={"max_credits": 5_000, "budget": 6_000}, prices=prices)
    expect(bars).to_contain_text("5,280 of at most 5,000")
    expect(bars).to_contain_text("240 of 6,000")
    expect(bars).to_contain_text("All of it would exceed the limit of a run by 280.")

    LiveCampaign(tmp_path / "campaign", limits={}, prices=prices)
    expect(bars).to_contain_text("Spent, no cap")
    expect(bars).not_to_contain_text("at most")


@pytest.mark.parametrize(
    ("limits", "exceeds"),
    [
        ({"max_credits": 500}, "the limit of a run by at least 700: raise it"),
        ({"max_credits": 5_000, "budget": 500}, "the budget by at least 700: raise it"),
    ],
)
def test_first_step_says_by_how_much_it_exceeds_a_limit(
    tmp_path: Path, serve: Serve, tab: MakeTab, limits: dict[str, int], exceeds: str
) -> None:
    _, url = serve(LiveCampaign(tmp_path / "campaign", limits=limits))
    page = tab().visit(url, "#")

    # The prices of twelve jobs are known.
    row = page.locator(".empty .todo li", has_text="Buy and make them")
    expect(row).to_contain_text(f"It would exceed {exceeds}, or select fewer.")


def test_rehearsal_is_held_to_the_limits(tmp_path: Path, serve: Serve, tab: MakeTab) -> None:
    _, url = serve(LiveCampaign(tmp_path / "campaign", limits={"max_credits": 500}), "--emulate")
    page = tab().visit(url, "#")

    row = page.locator(".empty .todo li", has_text="Buy and make them")
    expect(row.locator("code")).to_contain_text("--emulate")
    expect(row).to_contain_text(
        "It would exceed the limit of a run by at least 700: raise it, or select fewer."
    )


def test_rate_matches_its_bars_and_advances_with_time(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        for number, job in enumerate(campaign.jobs[:24]):
            run.buy(job, ago=number * 7)
        _, url = serve(campaign)
        page = tab().visit(url, "#view=live")
        # Simulates the middle of the next minute.
        ahead = "60_000 - Date.now() % 60_000 + 30_000"
        page.evaluate(f"() => {{ const then = Date.now() + {ahead}; source.now = () => then; }}")

        rate = page.locator("section", has=page.get_by_role("heading", name="Rate"))
        expect(rate.locator("dd")).to_have_text(re.compile("^0 this minute, "))
        bars = [int(each.replace(",", "")) for each in re.findall(r"[\d,]*\d", label_of(rate).split(":")[1])]
        assert len(bars) == 20
        assert rate.locator("dd").inner_text() == f"0 this minute, {bars[-2]:,} in the one before"
        assert max(bars) > 0
        expect(rate.locator(".head")).to_contain_text(f"most in a minute: {max(bars):,}")

        page.evaluate("() => { const then = source.now() + 60_000; source.now = () => then; }")
        expect(rate.locator("dd")).to_have_text("0 this minute, 0 in the one before")


def label_of(rate: Locator) -> str:
    return rate.get_by_role("img").get_attribute("aria-label") or ""


def test_nothing_unfinished_is_called_finished_during_a_run(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        run.buy(campaign.jobs[0])
        _, url = serve(campaign)
        page = tab().visit(url, "#")

        row = page.locator(".todo li")
        expect(row).to_contain_text("A run goes on; what it makes is shown here.")
        bars = page.locator("#overview .bars")
        expect(bars).to_contain_text("This run120 of at most 5,500")
        assert "Next run" not in bars.inner_text()


def test_view_opened_while_data_loads_is_not_replaced(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        in_the_middle(campaign, run)
        _, url = serve(campaign)
        browser = tab()
        page = browser.page
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/data", hold)
        browser.origin = here = url.partition("?")[0]
        page.goto(url)
        until(lambda: bool(held or page.evaluate("0")), "the page to ask for its data")
        page.goto(f"{here}#view=failures")
        held[0].continue_()

        expect(page.locator("body")).to_have_attribute("data-view", "failures")
        expect(page.locator("#connection")).to_contain_text("Live")
        assert page.url == f"{here}#view=failures"


def test_recent_results_are_distinguished_by_their_image(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 4)
    _, url = serve(campaign)

    page = tab().visit(url, "#view=live")

    names = page.locator(".just-made .name-line")
    expect(names).to_have_count(4)
    images = {job.key: job.key.split("/")[2] for job in campaign.jobs[:4]}
    assert all(
        any(text.startswith(f"{each}/") for each in images.values()) for text in names.all_inner_texts()
    )


@pytest.mark.parametrize("looks", ["with the pointer", "with the focus"])
def test_cards_keep_their_places_while_they_are_looked_at(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, looks: str
) -> None:
    with campaign.run() as run:
        run.all_made(campaign.jobs[:20])
        _, url = serve(campaign)
        page = tab().visit(url, "#")
        card = page.locator("article").nth(13)
        # Both scroll to the card, and find it again if it is drawn anew as its still arrives.
        if looks == "with the pointer":
            card.hover()
        else:
            card.locator(".open").focus()
        key, place = card.get_attribute("data-key"), card.bounding_box()
        own = page.locator(f'article[data-key="{key}"]')
        again = page.get_by_role("button", name="Sort again")
        expect(again).to_be_hidden()

        for job in campaign.jobs[20:26]:
            run.buy(job)
            run.make(job)

        for job in campaign.jobs[20:26]:
            made_card = page.locator(f'article[data-key="{job.key}"]')
            expect(made_card).to_have_attribute("data-status", "done")
        assert own.bounding_box() == place
        again.click()
        expect(page.locator("article").first).to_have_attribute("data-key", campaign.jobs[25].key)
        expect(again).to_be_hidden()


def test_new_results_come_first_while_nobody_looks_at_the_grid(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        run.all_made(campaign.jobs[:8])
        _, url = serve(campaign)
        page = tab().visit(url, "#")
        run.buy(campaign.jobs[8])
        run.make(campaign.jobs[8])

        expect(page.locator("article").first).to_have_attribute("data-key", campaign.jobs[8].key)
        expect(page.get_by_role("button", name="Sort again")).to_be_hidden()


def test_video_keeps_playing_while_other_jobs_change(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    with campaign.run() as run:
        run.all_made(campaign.jobs[:3])
        _, url = serve(campaign)
        page = tab().visit(url, "#")
        page.keyboard.press("n")
        video = page.locator("video")
        video.evaluate("video => { video.loop = true; video.dataset.own = 'mine' }")
        page.get_by_label("Note at this moment").fill("half a thou")

        run.buy(campaign.jobs[3])
        run.make(campaign.jobs[3])

        expect(page.locator(".decide .left")).to_have_text("4 left to decide")
        assert video.evaluate("video => video.dataset.own") == "mine"
        expect(page.get_by_label("Note at this moment")).to_have_value("half a thou")


def test_only_changed_jobs_are_sent(tmp_path: Path, serve: Serve, tab: MakeTab) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", variants=42, videos=False)
    assert len(campaign.jobs) == 2016
    with campaign.run() as run:
        for job in campaign.jobs[:40]:
            run.buy(job)
        _, url = serve(campaign)
        here = tab()
        here.page.add_init_script(
            """const Before = window.EventSource;
            window.told = [];
            window.EventSource = class extends Before {
              constructor(...given) {
                super(...given);
                this.addEventListener("message", (event) => window.told.push(event.data.length));
              }
            };"""
        )
        page = here.visit(url, "#")
        page.evaluate("window.told.length = 0")
        for job in campaign.jobs[:40]:
            run.make(job)
        expect(page.locator("h1:visible")).to_contain_text("40 of 2,016 videos are made")

        sizes = page.evaluate("window.told")
        bodies = [each for each in here.asked if each.endswith("/data")]
        # Eighty transitions: a few small events, and the rest is not sent again.
        assert 1 <= len(sizes) <= 80
        assert sum(sizes) < 40 * 4_000
        assert len(bodies) == 1
        assert page.locator("article").count() <= 400


# Review


def test_hundred_takes_are_reviewed_by_keyboard_and_a_kill_loses_nothing(
    tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    campaign = LiveCampaign(tmp_path / "campaign", variants=3)
    made(campaign, 100)
    flags = ("--listen", f"127.0.0.1:{free_port()}", "--token-file", str(tmp_path / "token"), "--as", "ana")
    running, url = serve(campaign, *flags)
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#")
    keys = {
        "a": ("Approved", Verdict.APPROVED),
        "r": ("Rejected", Verdict.REJECTED),
        "d": ("Sent back", Verdict.REDO),
    }
    said: list[Verdict] = []
    for number in range(100):
        page.keyboard.press("n")
        expect(page.locator(".decide .left")).to_have_text(f"{100 - number} left to decide")
        key = "ard"[number % 3]
        if number == 50:
            running.kill()
            page.keyboard.press(key)
            expect(page.locator("#toast")).to_contain_text("Not saved")
            assert verdict(page, "Approve").get_attribute("aria-pressed") == "false"
            assert len(decided(campaign)) == 50
            running, _ = serve(campaign, *flags)
            expect(page.locator("#lost")).to_be_hidden()
        page.keyboard.press(key)
        expect(verdict(page, keys[key][0])).to_have_attribute("aria-pressed", "true")
        said.append(keys[key][1])
        # Everything shown as saved is on disk.
        assert len(decided(campaign)) == number + 1

    written = decided(campaign)
    assert [each.decision for each in written] == said
    assert {each.by for each in written} == {"ana"}
    before = campaign.decisions.read_bytes()
    decisions.write(campaign.decisions, campaign.decisions.name, written)
    assert campaign.decisions.read_bytes() == before
    page.keyboard.press("n")
    expect(page.locator("#toast")).to_contain_text("Nothing is left to decide")


def test_decision_is_undone_by_its_key_and_its_button(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    for takes_back in (
        lambda: page.keyboard.press("u"),
        lambda: verdict(page, "Sent back").click(),
    ):
        page.keyboard.press("d")
        expect(verdict(page, "Sent back")).to_have_attribute("aria-pressed", "true")
        page.keyboard.press("4")
        expect(page.get_by_role("button", name="4 stars")).to_have_attribute("aria-pressed", "true")
        takes_back()
        expect(verdict(page, "Redo")).to_have_attribute("aria-pressed", "false")
        expect(page.locator(".decide .left")).to_have_text("2 left to decide")
        (own,) = decisions.by_purchase(decided(campaign)).values()
        assert (own.decision, own.rating) == (None, 4)
    page.keyboard.press("u")  # there is nothing to undo
    page.keyboard.press("a")
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")


def test_space_after_a_click_plays_and_undoes_no_decision(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    approved = verdict(page, "Approved")
    verdict(page, "Approve").click()
    expect(approved).to_have_attribute("aria-pressed", "true")
    until(lambda: bool(page.evaluate("reel.duration > 0")), "the video's length")

    page.keyboard.press(" ")

    until(lambda: bool(page.evaluate("reel.playing")), "the video")
    assert [each.decision for each in decided(campaign)] == [Verdict.APPROVED]
    page.get_by_role("button", name="3 stars").click()
    expect(page.get_by_role("button", name="3 stars")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(" ")
    until(lambda: not page.evaluate("reel.playing"), "the video's pause")
    # The keyboard activates the focused control.
    verdict(page, "Reject").focus()
    page.keyboard.press(" ")
    expect(verdict(page, "Rejected")).to_be_focused()


def test_double_click_decides_once(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    page.evaluate(
        """() => {
          window.sent = 0;
          const real = window.fetch;
          window.fetch = (...given) => ((window.sent += given[0] === "decisions"), real(...given));
        }"""
    )
    # The second one comes after the first is saved.
    place = verdict(page, "Approve").bounding_box()
    x, y = place["x"] + 20, place["y"] + place["height"] / 2
    page.mouse.click(x, y)
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    page.mouse.move(x, y)
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    page.keyboard.press("4")
    expect(page.get_by_role("button", name="4 stars")).to_have_attribute("aria-pressed", "true")

    assert page.evaluate("window.sent") == 2
    (own,) = decisions.by_purchase(decided(campaign)).values()
    assert (own.decision, own.rating) == (Verdict.APPROVED, 4)


def test_stars_and_notes_by_keyboard_keep_their_position(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, "#")
    page.keyboard.press("n")
    page.keyboard.press("4")
    expect(page.get_by_role("button", name="4 stars")).to_have_attribute("aria-pressed", "true")
    until(lambda: bool(page.evaluate("document.querySelector('video').readyState > 0")), "the video's length")
    for _ in range(12):
        page.keyboard.press(".")
    page.keyboard.press("m")
    page.keyboard.type("logo cut off & <b>bold</b>, a1r2")
    page.keyboard.press("Enter")

    expect(page.locator(".notes")).to_contain_text("logo cut off & <b>bold</b>, a1r2")
    expect(page.locator(".timeline .pin")).to_have_count(1)
    (written,) = decided(campaign)
    (note,) = written.notes
    assert (written.decision, written.rating, note.by) == (None, 4, "ana")
    assert note.at == pytest.approx(12.5 / 24, abs=1 / 24)
    page.keyboard.press("d")  # the field no longer has the focus
    expect(verdict(page, "Sent back")).to_have_attribute("aria-pressed", "true")
    expect(
        page.locator("video")
    ).to_be_visible()  # takes sent back are still visible and can be decided again
    page.keyboard.press("a")
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    assert decided(campaign)[0].notes == (note,)


def test_decision_includes_the_typed_note(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    until(lambda: bool(page.evaluate("reel.duration > 0")), "the video's length")
    for _ in range(12):
        page.keyboard.press(".")
    page.keyboard.press("m")
    page.keyboard.type("logo cut off")

    verdict(page, "Redo").click()

    expect(verdict(page, "Sent back")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Note at this moment")).to_have_value("")
    expect(page.locator(".notes li")).to_have_count(1)
    (written,) = decided(campaign)
    (note,) = written.notes
    assert (written.decision, note.text) == (Verdict.REDO, "logo cut off")
    assert note.at == pytest.approx(12.5 / 24, abs=1 / 24)


def test_typed_note_is_kept_while_another_take_is_open(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 3)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    field = page.get_by_label("Note at this moment")
    field.fill("logo cut off")
    page.get_by_role("button", name="Next").click()

    expect(page.locator("#toast")).to_contain_text("Not saved yet: the note on")
    expect(field).to_have_value("")
    page.go_back()
    expect(field).to_have_value("logo cut off")
    # In a comparison each side has its own.
    ids = page.evaluate("app.model.jobs.filter(each => each.serving).map(each => each.serving.id)")
    page.evaluate("ids => go({ view: 'compare', compare: ids.slice(0, 2) })", ids)
    page.keyboard.press("[")
    page.get_by_label("Note at this moment").fill("side A is too dark")
    page.locator(".decide .segmented button").nth(1).click()
    expect(field).not_to_have_value("side A is too dark")
    page.locator(".decide .segmented button").nth(0).click()
    expect(field).to_have_value("side A is too dark")
    field.press("Enter")
    expect(page.locator(".notes li")).to_have_count(1)
    assert [note.text for each in decided(campaign) for note in each.notes] == ["side A is too dark"]


def test_side_of_a_comparison_is_chosen_with_the_focus_on_its_switch(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign)
    page = tab().visit(url, "#")
    ids = page.evaluate("app.model.jobs.filter(each => each.serving).map(each => each.serving.id)")
    page.evaluate("ids => go({ view: 'compare', compare: ids })", ids)
    sides = page.locator(".decide .segmented button")
    for number in (0, 1):
        sides.nth(number).focus()
        page.keyboard.press("Enter")
        expect(sides.nth(number)).to_have_attribute("aria-pressed", "true")
        expect(sides.nth(number)).to_be_focused()


@pytest.mark.parametrize("how", ["reloaded", "closed"])
def test_typed_note_survives_a_reload(campaign: LiveCampaign, serve: Serve, tab: MakeTab, how: str) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    here = tab()
    page = here.visit(url, f"#job={campaign.jobs[0].key}")
    page.get_by_label("Note at this moment").fill("logo cut off")

    if how == "closed":
        page.close()
        page = page.context.new_page()
        page.goto(f"{url}#job={campaign.jobs[0].key}")
    else:
        page.reload()

    field = page.get_by_label("Note at this moment")
    expect(field).to_have_value("logo cut off")
    field.press("Enter")
    expect(page.locator(".notes li")).to_have_count(1)
    page.reload()
    expect(page.locator(".notes li")).to_have_count(1)
    expect(field).to_have_value("")


def without_answers(page: Page) -> None:
    """The server takes what this page decides, and the page never hears of it."""
    page.route("**/decisions", lambda route: route.fetch())


@pytest.mark.parametrize("by", ["Enter", "Redo"])
def test_note_is_no_draft_once_it_is_shown_though_its_answer_is_lost(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, by: str
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    without_answers(page)
    field = page.get_by_label("Note at this moment")
    field.fill("logo cut off")
    if by == "Enter":
        field.press("Enter")
    else:
        verdict(page, by).click()
    expect(page.locator(".notes li")).to_have_count(1)  # an event tells it

    page.reload()

    expect(page.locator(".notes li")).to_have_count(1)
    expect(field).to_have_value("")


def sent_note(page: Page, text: str) -> Request:
    """A note leaves the page, but does not arrive at the server."""
    held: list[Route] = []
    page.route("**/decisions", lambda route: held.append(route))
    page.get_by_label("Note at this moment").fill(text)
    page.get_by_label("Note at this moment").press("Enter")
    until(lambda: bool(held or page.evaluate("0")), "the page to send the note")
    return held[0].request


@pytest.mark.parametrize("how", ["reloaded", "opened again"])
def test_note_that_was_sent_is_a_draft_until_it_is_known_to_be_saved(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, how: str
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    sent = sent_note(page, "logo cut off")
    if how == "reloaded":
        page.reload()
    else:
        # In another tab: nothing was heard there when the request of this one broke off.
        page = page.context.new_page()
        page.goto(f"{url}#job={campaign.jobs[0].key}")
    field = page.get_by_label("Note at this moment")
    expect(field).to_have_value("logo cut off")

    page.request.post(sent.url, data=sent.post_data, headers=sent.headers)

    expect(page.locator(".notes li")).to_have_count(1)
    expect(field).to_have_value("")


def test_note_that_was_sent_and_is_discarded_does_not_come_back(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    sent_note(page, "logo cut off")
    page.reload()
    field = page.get_by_label("Note at this moment")
    expect(field).to_have_value("logo cut off")
    field.press("Escape")

    page.reload()

    expect(page.locator(".detail")).to_be_visible()
    expect(field).to_have_value("")


def test_refused_note_stays_a_draft(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    here = tab()
    page = here.visit(url, f"#job={campaign.jobs[0].key}")
    said = {"problem": "spring-drop.decisions.yaml: cannot be written: No space left on device"}
    page.route("**/decisions", lambda route: route.fulfill(status=503, json=said), times=1)
    field = page.get_by_label("Note at this moment")
    field.fill("logo cut off")
    field.press("Enter")

    expect(page.locator("#toast")).to_have_text(f"Not saved: {said['problem']}")
    expect(field).to_have_value("logo cut off")
    page.reload()
    expect(field).to_have_value("logo cut off")
    field.press("Enter")
    expect(page.locator("#toast")).to_have_text("Noted.")
    expect(field).to_have_value("")
    assert [note.text for each in decided(campaign) for note in each.notes] == ["logo cut off"]
    here.console = [each for each in here.console if "503" not in each]  # the browser logs it


def test_draft_leaves_all_tabs_once_one_of_them_has_saved_it(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    field = page.get_by_label("Note at this moment")
    field.fill("logo cut off")
    other = page.context.new_page()
    other.goto(f"{url}#job={campaign.jobs[0].key}")
    expect(other.get_by_label("Note at this moment")).to_have_value("logo cut off")

    field.press("Enter")

    expect(page.locator(".notes li")).to_have_count(1)
    expect(other.get_by_label("Note at this moment")).to_have_value("")
    other.reload()
    expect(other.locator(".notes li")).to_have_count(1)
    expect(other.get_by_label("Note at this moment")).to_have_value("")


def test_typed_note_survives_its_server(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 2)
    running, url = serve(campaign, "--as", "ana")
    here = tab()
    here.loses_server = True
    page = here.visit(url, f"#job={campaign.jobs[0].key}")
    field = page.get_by_label("Note at this moment")
    field.fill("logo cut off")

    running.signal(signal.SIGINT)
    running.ended()

    expect(page.locator("#connection")).to_have_text("Ended")
    expect(field).to_have_value("logo cut off")
    expect(field).to_be_focused()
    field.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Not saved")
    expect(field).to_have_value("logo cut off")


def test_confirmation_of_one_take_is_not_shown_over_the_next(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, f"#job={campaign.jobs[0].key}")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("Approved.")

    page.keyboard.press("n")

    expect(verdict(page, "Approve")).to_have_attribute("aria-pressed", "false")
    assert page.locator("#toast").inner_text() == ""


def test_escape_discards_a_note(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, "#")
    page.keyboard.press("n")
    page.keyboard.press("m")
    page.keyboard.type("not what I meant")
    page.keyboard.press("Escape")

    expect(page.locator(".detail")).to_be_visible()
    field = page.get_by_label("Note at this moment")
    expect(field).to_have_value("")
    page.keyboard.press("m")
    page.keyboard.type("logo cut off")
    page.keyboard.press("Enter")
    expect(page.locator(".notes li")).to_have_count(1)
    assert [each.text for each in decided(campaign)[0].notes] == ["logo cut off"]


@pytest.mark.parametrize(
    ("asked", "key", "word"), [("", "d", "Sent back"), ("q=decision:none&", "a", "Approved")]
)
def test_review_continues_at_the_same_place_after_a_decision(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, asked: str, key: str, word: str
) -> None:
    made(campaign, 6)
    _, url = serve(campaign)
    page = tab().visit(url, f"#{asked}sort=newest")
    order = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    total = len(order)
    page.locator("article .open").nth(1).click()
    place = page.locator(".sub .end span")
    expect(place).to_have_text(f"2 of {total}")

    page.keyboard.press(key)
    expect(verdict(page, word)).to_have_attribute("aria-pressed", "true")

    expect(place).to_have_text(f"2 of {total}")
    page.keyboard.press("j")
    expect(place).to_have_text(f"3 of {total}")
    assert page.title().startswith(f"{order[2]} ")
    page.keyboard.press("k")
    assert page.title().startswith(f"{order[1]} ")
    page.keyboard.press("n")
    assert page.title().startswith(f"{order[2]} ")

    # Opened from the current list, it has its position in that.
    page.keyboard.press("Escape")
    now = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    assert now == (order if key == "d" else [order[0], *order[2:]])
    page.locator(f'article[data-key="{order[2]}"] .open').click()
    expect(place).to_have_text(f"{now.index(order[2]) + 1} of {len(now)}")


def test_decision_on_the_page_of_a_job_is_visible_back_in_the_grid(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 3)
    _, url = serve(campaign)
    page = tab().visit(url, "#")
    job = campaign.jobs[1]
    card = page.locator(f'article[data-key="{job.key}"]')
    card.locator(".open").click()
    page.keyboard.press("a")
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    page.go_back()

    expect(card).to_have_attribute("data-decision", "approved")
    page.fill("input[type=search]", "decision:approved")
    expect(page.locator("article")).to_have_count(1)


def selected_by_key(page: Page, jobs: list[Job]) -> None:
    """The cards of these jobs are selected, each by its key."""
    for job in jobs:
        page.locator(f'article[data-key="{job.key}"] .open').focus()
        page.keyboard.press("x")


def test_verdict_on_selected_cards_ends_their_selection(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 5)
    _, url = serve(campaign)
    page = tab().visit(url, "#q=decision:none")
    selected_by_key(page, campaign.jobs[:3])
    page.keyboard.press("a")

    expect(page.locator("#toast")).to_have_text("3 approved.")
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator("#selection")).to_be_hidden()
    page.locator("article .open").first.focus()
    page.keyboard.press("r")
    expect(page.locator("article")).to_have_count(1)
    verdicts = [each.decision for each in decided(campaign)]
    assert verdicts == [*[Verdict.APPROVED] * 3, Verdict.REJECTED]


def test_of_several_decisions_those_not_saved_are_counted_and_stay_selected(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 4)
    _, url = serve(campaign)
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#q=decision:none")
    third = campaign.jobs[2]
    lost = page.evaluate("key => app.model.byAddress.get(key).shown.id", third.key)

    def all_but_one(route: Route) -> None:
        if lost in (route.request.post_data or ""):
            route.abort()
        else:
            route.continue_()

    page.route("**/decisions", all_but_one)
    selected_by_key(page, campaign.jobs[:3])
    page.keyboard.press("a")

    expect(page.locator("#toast")).to_have_text("2 approved. 1 not saved: the server does not answer.")
    expect(page.locator("#selection")).to_contain_text("1 selected")
    expect(page.locator("article.selected")).to_have_attribute("data-key", third.key)
    page.unroute("**/decisions")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("Approved.")
    expect(page.locator("article")).to_have_count(1)


def test_what_could_not_be_taken_back_is_taken_back_with_the_same_key(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 4)
    _, url = serve(campaign)
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#q=decision:none")
    selected_by_key(page, campaign.jobs[:3])
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("3 approved.")

    page.route("**/decisions", lambda route: route.abort(), times=1)
    page.keyboard.press("u")
    expect(page.locator("#toast")).to_have_text(
        "2 decisions taken back. 1 not saved: the server does not answer."
    )
    page.keyboard.press("u")

    expect(page.locator("#toast")).to_have_text("Decision taken back.")
    expect(page.locator("article")).to_have_count(4)


@pytest.mark.parametrize(
    ("key", "said", "less"),
    [
        ("a", "3 approved.", ""),
        (
            "d",
            "3 sent back: the next run makes 3 more jobs at prices that are not known.",
            "; the next run no longer makes 3 jobs",
        ),
    ],
)
@pytest.mark.parametrize("asked", ["", "q=decision:none"])
def test_what_was_decided_with_one_key_is_taken_back_with_one_key(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, asked: str, key: str, said: str, less: str
) -> None:
    made(campaign, 6)
    _, url = serve(campaign)
    page = tab().visit(url, f"#{asked}")
    other, own = campaign.jobs[4], campaign.jobs[:3]
    page.locator(f'article[data-key="{other.key}"] .open').focus()
    page.keyboard.press("r")
    expect(page.locator("#toast")).to_have_text("Rejected.")
    selected_by_key(page, own)
    page.keyboard.press(key)
    expect(page.locator("#toast")).to_have_text(said)
    assert len(decided(campaign)) == 4
    if asked:
        expect(page.locator("article")).to_have_count(2)
    else:
        decision = {"a": "approved", "d": "redo"}[key]
        expect(page.locator(f'article[data-decision="{decision}"]')).to_have_count(3)

    page.keyboard.press("u")

    expect(page.locator("#toast")).to_have_text(f"3 decisions taken back{less}.")
    assert {each.key for each in decided(campaign) if each.decision is not None} == {other.key}
    if asked:
        expect(page.locator("article")).to_have_count(5)
    # There is no more to take back, and nothing is said.
    page.locator("article .open").first.focus()
    page.keyboard.press("u")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("Approved.")
    # A card with a verdict of its own is taken back alone.
    page.keyboard.press("u")
    expect(page.locator("#toast")).to_have_text("Decision taken back.")
    assert {each.key for each in decided(campaign) if each.decision is not None} == {other.key}


def test_verdict_given_before_is_not_taken_back_with_a_later_one(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 5)
    _, url = serve(campaign)
    page = tab().visit(url)
    approved, rejected, *undecided = (job.key for job in campaign.jobs[:4])

    def verdicts() -> dict[str, Verdict]:
        return {each.key: each.decision for each in decided(campaign) if each.decision is not None}

    for key, pressed, word in ((approved, "a", "Approved."), (rejected, "r", "Rejected.")):
        page.locator(f'article[data-key="{key}"] .open').focus()
        page.keyboard.press(pressed)
        expect(page.locator("#toast")).to_have_text(word)
    before = verdicts()
    assert before == {approved: Verdict.APPROVED, rejected: Verdict.REJECTED}
    selected_by_key(page, campaign.jobs[:4])
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_have_text("4 approved.")
    assert verdicts() == dict.fromkeys([approved, rejected, *undecided], Verdict.APPROVED)
    # Its verdict was given with the others, so it is not taken back alone.
    page.locator(f'article[data-key="{approved}"] .open').focus()

    page.keyboard.press("u")

    expect(page.locator("#toast")).to_have_text("3 decisions taken back.")
    assert verdicts() == before
    expect(page.locator(f'article[data-key="{rejected}"]')).to_have_attribute("data-decision", "rejected")

    page.locator(f'article[data-key="{rejected}"] .open').focus()
    page.keyboard.press("d")
    expect(page.locator("#toast")).to_have_text(
        "Sent back: the next run makes it again at a price that is not known."
    )
    page.keyboard.press("u")
    expect(page.locator("#toast")).to_have_text("Rejected again; the next run no longer makes 1 job.")
    assert verdicts() == before


def focused(page: Page) -> str:
    """The key of the card that has the focus."""
    key: str = page.evaluate("document.activeElement.closest('article')?.dataset.key ?? ''")
    return key


def test_card_that_leaves_the_filter_passes_the_focus_on(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 5)
    _, url = serve(campaign)
    page = tab().visit(url, "#q=decision:none&sort=key")
    order = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    page.locator("article .open").nth(1).focus()
    for left, key, following in ((4, "a", order[2]), (3, "r", order[3]), (2, "d", order[4])):
        page.keyboard.press(key)
        expect(page.locator("article")).to_have_count(left)
        assert focused(page) == following
    # After the last card comes the one before it; without any, what ends the search.
    page.keyboard.press("a")
    expect(page.locator("article")).to_have_count(1)
    assert focused(page) == order[0]
    page.keyboard.press("a")
    expect(page.locator("article")).to_have_count(0)
    expect(page.get_by_role("button", name="Clear the search")).to_be_focused()
    # A card that is brought back gets it again.
    page.keyboard.press("u")
    expect(page.locator("article .open")).to_be_focused()
    assert focused(page) == order[0]


def test_focus_goes_to_the_next_card_to_decide(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 4)
    _, url = serve(campaign)
    page = tab().visit(url, "#sort=key&q=status:done")
    keys = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    page.locator("article .open").nth(1).focus()
    page.keyboard.press("a")
    expect(page.locator("article").nth(1)).to_have_attribute("data-decision", "approved")
    assert focused(page) == keys[1]
    page.locator("article .open").nth(0).focus()

    # Sent back, it is no longer made.
    page.keyboard.press("d")

    expect(page.locator("article")).to_have_count(3)
    assert focused(page) == keys[2]


def test_focus_returns_from_the_bar_of_the_selected_to_a_card(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 4)
    _, url = serve(campaign)
    page = tab().visit(url, "#q=decision:none&sort=key")
    keys = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    for number in range(2):
        page.locator("article .open").nth(number).focus()
        page.keyboard.press("x")
    page.locator("#selection").get_by_role("button", name="Approve").focus()
    page.keyboard.press("Enter")

    expect(page.locator("article")).to_have_count(2)
    expect(page.locator("#selection")).to_be_hidden()
    assert focused(page) == keys[2]


def test_verdict_reaches_no_selected_card_that_a_filter_hides(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 5)
    _, url = serve(campaign)
    page = tab().visit(url, "#")
    selected_by_key(page, campaign.jobs[:3])
    page.fill("input[type=search]", campaign.jobs[0].key)
    expect(page.locator("article")).to_have_count(1)
    bar = page.locator("#selection")
    expect(bar).to_contain_text("3 selected, 2 hidden")
    bar.get_by_role("button", name="Approve").click()

    expect(page.locator("#toast")).to_have_text("Approved.")
    assert [each.key for each in decided(campaign)] == [campaign.jobs[0].key]
    # Those that are hidden stay selected, to be compared, and take no verdict; the card that has the focus does.
    page.fill("input[type=search]", campaign.jobs[3].key)
    expect(bar).to_contain_text("2 selected, 2 hidden")
    bar.get_by_role("button", name="Reject").click()
    expect(page.locator("#toast")).to_have_text("The filter hides all that is selected.")
    page.locator("article .open").focus()
    page.keyboard.press("r")
    expect(page.locator("article")).to_have_attribute("data-decision", "rejected")
    assert [each.key for each in decided(campaign)] == [campaign.jobs[0].key, campaign.jobs[3].key]


def test_escape_ends_a_selection_before_it_ends_a_search(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 3)
    _, url = serve(campaign)
    page = tab().visit(url, "#q=decision:none")
    selected_by_key(page, campaign.jobs[:2])
    page.keyboard.press("Escape")

    expect(page.locator("#selection")).to_be_hidden()
    expect(page.locator(".card.selected")).to_have_count(0)
    expect(page.locator("article")).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator("article")).to_have_count(48)


def test_two_simultaneous_reviewers_lose_nothing_and_see_each_other(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 8)
    addresses = [serve(campaign, "--as", name)[1] for name in ("ana", "jonas")]
    pages = [tab().visit(url, f"#job={campaign.jobs[0].key}") for url in addresses]
    for number, job in enumerate(campaign.jobs[:8]):
        for page in pages:
            page.evaluate("key => go({ view: 'job', job: key })", job.key)
        pages[0].keyboard.press("ar"[number % 2])
        pages[1].keyboard.press(str(number % 5 + 1))
        for page in pages:
            expect(page.get_by_role("button", name=f"{number % 5 + 1} star")).to_have_attribute(
                "aria-pressed", "true"
            )
            expect(verdict(page, ("Approved", "Rejected")[number % 2])).to_have_attribute(
                "aria-pressed", "true"
            )

    # Stars that came after the verdict have an entry of their own.
    written = decisions.by_purchase(decided(campaign)).values()
    assert len(written) == 8
    for number, job in enumerate(campaign.jobs[:8]):
        (own,) = [each for each in written if each.key == job.key]
        assert (own.rating, own.by) == (number % 5 + 1, "ana")
        assert own.decision == (Verdict.APPROVED, Verdict.REJECTED)[number % 2]


def test_late_answer_hides_no_later_decision(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 1)
    _, url = serve(campaign, "--as", "ana")
    page = tab().visit(url, "#")
    page.keyboard.press("n")
    page.evaluate(
        """() => {
          const real = window.fetch;
          window.fetch = async (...given) => {
            const answer = await real(...given);
            if (given[0] === "decisions") await new Promise((resolve) => (window.answered = resolve));
            return answer;
          };
        }"""
    )
    page.keyboard.press("a")
    until(lambda: bool(page.evaluate("Boolean(window.answered)")), "the answer")
    (own,) = decided(campaign)
    rated = Decision(purchase=own.purchase, key=own.key, rating=5, by="jonas")
    decisions.record(campaign.decisions, campaign.decisions.name, [rated])
    stars = page.get_by_role("button", name="5 stars")
    expect(stars).to_have_attribute("aria-pressed", "true")
    page.evaluate("window.answered()")

    expect(page.locator("#toast")).to_have_text("Approved.")
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    assert stars.get_attribute("aria-pressed") == "true"


def test_decision_that_gets_no_answer_is_not_saved_and_not_counted(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign)
    here = tab()
    here.loses_server = True
    here.page.add_init_script(GIVES_UP_WHEN_TOLD)
    page = here.visit(url, "#")
    page.keyboard.press("n")
    page.route("**/decisions", lambda _: None)  # the request leaves, but nothing answers
    page.keyboard.press("a")
    expect(page.get_by_role("group", name="Decide")).to_have_attribute("aria-busy", "true")

    expect(page.locator(".decide .left")).to_have_text("2 left to decide")
    page.evaluate("giveUp()")

    expect(page.locator("#toast")).to_contain_text("Not saved: no answer within 20 s.")
    expect(page.locator(".decide .left")).to_have_text("2 left to decide")
    page.unroute("**/decisions")
    page.keyboard.press("a")
    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".decide .left")).to_have_text("1 left to decide")


def test_review_that_is_shown_is_saved_though_its_answer_is_lost(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    here = tab()
    here.loses_server = True
    here.page.add_init_script(GIVES_UP_WHEN_TOLD)
    page = here.visit(url, f"#job={campaign.jobs[0].key}")
    without_answers(page)
    page.get_by_label("Note at this moment").fill("logo cut off")
    verdict(page, "Redo").click()
    expect(page.locator(".notes li")).to_have_count(1)  # an event tells it

    page.evaluate("giveUp()")

    expect(page.locator("#toast")).to_have_text("Sent back, with the note: the next run makes it again.")
    expect(page.get_by_label("Note at this moment")).to_have_value("")


@pytest.mark.parametrize("has_locks", [True, False])
def test_any_number_of_tabs_of_one_browser_can_be_open(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, has_locks: bool
) -> None:
    """A browser opens six connections to a server, and each tab that is looked at has a stream of events."""
    made(campaign, 2)
    _, url = serve(campaign)
    first = tab()
    # Without a window, every tab counts as looked at.
    first.page.context.add_init_script(
        """
        let isHidden = false;
        Object.defineProperty(document, "hidden", { get: () => isHidden });
        window.beShown = (is) => { isHidden = !is; document.dispatchEvent(new Event("visibilitychange")); };
        """
    )
    if not has_locks:  # as in an insecure context
        first.page.context.add_init_script("delete Navigator.prototype.locks")
    page = first.visit(url, f"#job={campaign.jobs[0].key}")
    pages = [page]
    for _ in range(7):
        pages[-1].evaluate("beShown(false)")
        pages.append(page.context.new_page())
        pages[-1].goto(f"{first.origin}#job={campaign.jobs[0].key}")
        expect(verdict(pages[-1], "Approve")).to_be_visible()

    pages[-1].keyboard.press("a")
    expect(verdict(pages[-1], "Approved")).to_have_attribute("aria-pressed", "true")
    pages[-1].evaluate("beShown(false)")
    page.evaluate("beShown(true)")

    expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("u")
    expect(verdict(page, "Approve")).to_have_attribute("aria-pressed", "false")


def test_any_number_of_visible_windows_of_one_browser_can_be_open(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    """Four of them keep a stream of events, and the others look now and then."""
    made(campaign, 2)
    running, url = serve(campaign)
    first = tab()
    address = f"#job={campaign.jobs[0].key}"
    pages = [first.visit(url, address)]
    for _ in range(7):
        pages.append(first.page.context.new_page())
        pages[-1].goto(f"{first.origin}{address}")
        expect(verdict(pages[-1], "Approve")).to_be_visible()
    # A context without windows counts each page as visible.
    assert not any(page.evaluate("document.hidden") for page in pages)

    pages[-1].keyboard.press("a")

    for page in pages:
        expect(verdict(page, "Approved")).to_have_attribute("aria-pressed", "true")
    holders = "navigator.locks.query().then(({ held }) => held.map(({ clientId }) => clientId))"
    before = set(pages[-1].evaluate(holders))
    assert len(before) == 4
    # What one of the four leaves, another one takes.
    pages[0].close()
    pages[-1].wait_for_function(
        f"before => {holders}.then((now) => now.length === 4 && now.some((each) => !before.includes(each)))",
        arg=list(before),
    )
    pages[1].keyboard.press("u")
    for page in pages[1:]:
        expect(verdict(page, "Approve")).to_have_attribute("aria-pressed", "false")
    running.signal(signal.SIGTERM)
    for page in pages[1:]:
        expect(page.locator("#connection")).to_have_text("Ended")


def test_only_tab_hears_of_the_end_of_its_server_while_it_is_hidden(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 1)
    running, url = serve(campaign)
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#")
    expect(page.locator("#connection")).to_have_text(re.compile("Live"))
    page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { get: () => true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )

    running.signal(signal.SIGTERM)
    running.ended()

    expect(page.locator("#connection")).to_have_text("Ended")


def test_read_only_page_gives_the_command(campaign: LiveCampaign, serve: Serve, tab: MakeTab) -> None:
    made(campaign, 1)
    _, url = serve(campaign, "--read-only")
    page = tab().visit(url, "#")
    page.keyboard.press("n")
    page.keyboard.press("a")

    expect(page.locator("#toast")).to_contain_text("pipeline approve")
    assert page.get_by_label("Note at this moment").count() == 0
    assert not campaign.decisions.exists()


# The server stops and returns


def test_changes_missed_while_the_server_was_down_are_shown_when_it_is_back(
    campaign: LiveCampaign, tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    flags = ("--listen", f"127.0.0.1:{free_port()}", "--token-file", str(tmp_path / "token"))
    with campaign.run() as run:
        run.all_made(campaign.jobs[:3])
        running, url = serve(campaign, *flags)
        here = tab()
        here.loses_server = True
        page = here.visit(url, "#")
        running.kill()
        expect(page.locator("#lost")).to_contain_text("No connection to the server")
        # Its age changes in place: a new line each second would be read aloud each second.
        page.locator("#lost .since").evaluate("each => { each.dataset.own = 'mine' }")
        expect(page.locator("#lost [data-own]")).to_have_text(re.compile("^ for 0:0[2-9]"))
        run.buy(campaign.jobs[3])
        run.make(campaign.jobs[3])
        serve(campaign, *flags)

        expect(page.locator("h1:visible")).to_contain_text("4 of 48 videos are made")
        expect(page.locator("#lost")).to_be_hidden()
        run.buy(campaign.jobs[4])
        run.make(campaign.jobs[4])
        expect(page.locator("h1:visible")).to_contain_text("5 of 48 videos are made")


def test_lost_approvals_are_told_until_the_file_is_back(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 2)
    kept = []
    for job in campaign.jobs[:2]:
        for words in (("approve", campaign.manifest, job.key), ("results", campaign.manifest)):
            assert Running(words, environment("http://127.0.0.1:1")).ended().code == 0
        kept.append(campaign.decisions.read_bytes())
    campaign.decisions.unlink()

    _, url = serve(campaign)
    page = tab().visit(url, "#")

    told, all_of_it = page.locator("#lost summary"), page.locator("#lost p")
    expect(told).to_contain_text("lacks approvals that its results show")
    expect(all_of_it).to_be_hidden()
    told.click()
    expect(all_of_it).to_be_visible()
    expect(all_of_it).to_contain_text("lacks 2 approvals that")
    expect(all_of_it).to_contain_text("pipeline undecide")
    campaign.decisions.write_bytes(kept[0])
    expect(all_of_it).to_contain_text("lacks 1 approval that")
    campaign.decisions.write_bytes(kept[1])
    expect(page.locator("#lost")).to_be_hidden()
    campaign.decisions.unlink()
    expect(told).to_be_visible()


def test_live_view_of_several_campaigns_names_that_of_each_result(
    campaign: LiveCampaign, tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 1)
    other = tmp_path / "campaign" / "other.yaml"
    text = campaign.manifest.read_text("utf-8").replace('"budget": 12000', '"max_creates": 99')
    other.write_text(text.replace('"name": "spring-drop"', '"name": "other"'))
    _, url = serve(campaign, str(other))

    page = tab().visit(url, "#view=live")

    result = page.locator(".just-made .thumb")
    expect(result).to_have_text(re.compile(r"spring-drop, \d+ \w+ ago$"))
    # It has a limit of a run, and none goes on.
    spent = page.locator(".bars dt", has_text="other: Spent")
    expect(spent).to_be_visible()
    expect(spent).not_to_contain_text("no cap")


def test_commands_for_all_campaigns_of_a_page_give_the_vars_of_each(
    campaign: LiveCampaign, tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 1)
    other = tmp_path / "campaign" / "other.yaml"
    text = campaign.manifest.read_text("utf-8")
    other.write_text(text.replace('"name": "spring-drop"', '"name": "other"'))
    campaign.manifest.write_text(text.replace("{{ prompt }}", "{{ prompt }} in {{ season }}"), "utf-8")
    other.write_text(other.read_text("utf-8").replace("{{ prompt }}", "{{ prompt }} at {{ place }}"), "utf-8")
    running, url = serve(campaign, str(other), "--var", "season=the fall", "--var", "place=sea")
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#")

    running.signal(signal.SIGTERM)
    running.ended()

    given = "--var 'season=the fall' --var place=sea"
    expect(page.locator("#lost code")).to_have_text(re.compile(rf"other\.yaml {given}$"))


def test_page_reports_a_stopped_server_and_continues_when_it_is_back(
    campaign: LiveCampaign, tmp_path: Path, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 1)
    flags = ("--listen", f"127.0.0.1:{free_port()}", "--token-file", str(tmp_path / "token"))
    running, url = serve(campaign, *flags)
    here = tab()
    here.loses_server = True
    page = here.visit(url, "#")

    running.signal(signal.SIGTERM)
    running.ended()

    expect(page.locator("#lost")).to_contain_text("The server has ended")
    expect(page.locator("#lost code")).to_have_text(re.compile(r"^pipeline serve \S*campaign\.yaml$"))
    expect(page.locator("#connection")).to_have_text("Ended")
    review = page.get_by_role("button", name="Review 1")
    expect(review).to_have_count(0)
    serve(campaign, *flags)
    expect(page.locator("#lost")).to_be_hidden()
    expect(review).to_be_visible()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_age_of_a_job_stands_still_once_the_server_is_gone(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, how: signal.Signals
) -> None:
    job = campaign.jobs[0]
    with campaign.run() as run:
        run.buy(job, ago=30)
        running, url = serve(campaign)
        here = tab()
        here.loses_server = True
        page = here.visit(url, "#q=status:submitted")
        age = page.locator(f'article[data-key="{job.key}"] .age')
        expect(age).to_have_text(re.compile(r"^0:\d\d so far$"))
        running.signal(how)
        running.ended()
        expect(page.locator("#lost")).to_be_visible()

        page.evaluate("source.now = () => Date.now() + 3_600_000")
        page.evaluate("tick()")

        expect(age).to_have_text(re.compile(r"^[01]:\d\d so far$"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_video_opened_without_its_server_is_played_when_the_server_is_back(
    campaign: LiveCampaign, tmp_path: Path, serve: Serve, tab: MakeTab, how: signal.Signals
) -> None:
    made(campaign, 2)
    flags = ("--listen", f"127.0.0.1:{free_port()}", "--token-file", str(tmp_path / "token"))
    running, url = serve(campaign, *flags)
    here = tab()
    here.loses_server = True
    page = here.visit(url, f"#job={campaign.jobs[0].key}")
    running.signal(how)
    running.ended()
    expect(page.locator("#lost")).to_be_visible()

    page.evaluate("key => go({ view: 'job', job: key })", campaign.jobs[1].key)

    why = page.locator(".unplayable")
    expect(why).to_have_text("The server of this page does not answer: this file is played when it is back.")
    serve(campaign, *flags)
    expect(why).to_have_count(0)
    until(lambda: bool(page.evaluate("reel.duration > 0")), "the film's length")
    page.keyboard.press(" ")
    until(lambda: bool(page.evaluate("reel.playing && reel.time > 0.1")), "the film")


def test_server_with_another_token_explains_what_to_do(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab
) -> None:
    made(campaign, 1)
    listen = ("--listen", f"127.0.0.1:{free_port()}")
    running, url = serve(campaign, *listen)
    here = tab()
    page = here.visit(url, "#")
    running.kill()
    expect(page.locator("#lost")).to_be_visible()
    serve(campaign, *listen)

    expect(page.locator("#lost")).to_contain_text("open the address that it printed")
    here.console.clear()


# Accessibility


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 1000), (390, 844)])
def test_live_view_and_review_have_no_serious_accessibility_issue(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, width: int, height: int, theme: str
) -> None:
    with campaign.run() as run:
        in_the_middle(campaign, run)
    _, url = serve(campaign)
    page = tab(width, height, theme).visit(url, "#view=live")
    expect(page.locator(".just-made img").first).to_be_visible()
    for keys in ((), ("n",), ("a", "4")):
        for key in keys:
            page.keyboard.press(key)
        found = Axe().run(page).response["violations"]
        assert [each for each in found if each["impact"] in {"serious", "critical"}] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# For each of these controls: its name, and the width that a touch hits, measured from its middle.
NARROW_TARGETS = """names => {
    const found = [];
    for (const each of document.querySelectorAll(names)) {
        if (!each.checkVisibility()) continue;
        each.scrollIntoView({ block: 'center' });
        const box = each.getBoundingClientRect();
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        const hits = at => document.elementFromPoint(at, y)?.closest(names) === each;
        let [left, right] = [0, 0];
        while (left < 44 && hits(x - left - 1)) left++;
        while (right < 44 && hits(x + right + 1)) right++;
        const name = each.ariaLabel || each.innerText;
        found.push([name.slice(0, 40), Math.min(left + right + 1, 44)]);
    }
    return found;
}"""


@pytest.mark.parametrize("width", [320, 390])
def test_review_controls_on_a_phone_are_wide_enough_for_a_finger(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, width: int
) -> None:
    made(campaign, 2)
    _, url = serve(campaign, "--as", "ana")
    page = tab(width=width, height=800, has_touch=True, is_mobile=True).visit(
        url, f"#job={campaign.jobs[0].key}"
    )
    until(lambda: bool(page.evaluate("reel.duration > 0")), "the video's length")
    page.get_by_label("Note at this moment").fill("logo cut off")
    page.keyboard.press("Enter")
    expect(page.locator(".notes .quiet")).to_be_visible()

    hit = page.evaluate(NARROW_TARGETS, ".decide .stars button, .notes .quiet")
    assert len(hit) == 6
    ids = page.evaluate("app.model.jobs.filter(each => each.serving).map(each => each.serving.id)")
    page.evaluate("ids => go({ view: 'compare', compare: ids })", ids)
    hit += page.evaluate(NARROW_TARGETS, ".decide .segmented button, .grip")
    page.evaluate("go({ view: 'live' })")
    hit += page.evaluate(NARROW_TARGETS, "#tabs a")
    assert len(hit) == 13
    assert [each for each in hit if each[1] < 44] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [320, 390])
def test_connection_status_on_a_phone_is_in_the_first_row(
    campaign: LiveCampaign, serve: Serve, tab: MakeTab, width: int
) -> None:
    made(campaign, 2)
    _, url = serve(campaign)
    page = tab(width=width, height=640).visit(url, "#view=browse")
    page.evaluate("document.getElementById('name').textContent = 'spring-drop, a-campaign-of-the-autumn'")

    assert len(rows_of(page, "#name, #connection, .search, .top .tool")) == 1
    assert (page.locator("#name").bounding_box() or {"width": 0})["width"] > 40
    assert page.locator("#connection").inner_text() == "Live"


def test_strings_of_manifest_and_reviewers_are_inert(tmp_path: Path, serve: Serve, tab: MakeTab) -> None:
    campaign = LiveCampaign(tmp_path / "campaign")
    made(campaign, 1)
    evil = "</script><img src=x onerror=alert(1)><svg onload=alert(2)>"
    written = campaign.manifest.read_text(encoding="utf-8").replace("Three shoes stacked", evil)
    campaign.manifest.write_text(written, encoding="utf-8")
    with campaign.run() as run:
        job = next(each for each in campaign.jobs if each.coordinates.prompt == "stack")
        run.buy(job)
        run.fail(job, evil)
    _, url = serve(campaign, "--as", evil)
    page = tab().visit(url, "#")
    page.keyboard.press("n")
    page.keyboard.press("m")
    page.keyboard.type(evil)
    page.keyboard.press("Enter")
    expect(page.locator(".notes")).to_contain_text(evil)
    for address in ("#view=failures", "#view=live", f"#job={job.key}"):
        page.goto(f"{url.partition('?')[0]}{address}")
        expect(page.locator("#main")).to_contain_text("onerror=alert(1)")
        assert page.locator("img[onerror], svg[onload]").count() == 0
