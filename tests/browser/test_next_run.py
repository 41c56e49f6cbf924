"""What a page says of the next run: what it makes and costs, what waits and for what, and what is not made at all."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from support.campaigns import Project, campaign, spring
from support.made import PRICES, Made, stages
from support.processes import Running, environment

from browser.conftest import Serve, Tab
from browser.live import LiveCampaign
from pipeline.planning.plan import Action
from pipeline.purchases import Status
from pipeline.results.decisions import Verdict

Make = Callable[..., Tab]
Steps = list[tuple[int, Status | Verdict]]

# The jobs of the campaign, in plan order.
SKETCH, TAKE_2, FILM = 0, 1, 2
SKETCHES: Steps = [(SKETCH, Status.DONE), (TAKE_2, Status.DONE)]


def made(folder: Path, steps: Steps, *, only_approved: bool = False) -> Made:
    """A campaign of two stages after these steps."""
    only = {"only": "approved"} if only_approved else {}
    project = campaign(folder, {"campaign.yaml": stages(only=only, catalog={"credits": PRICES})})
    found = Made(project)
    for number, step in steps:
        found.do(number, step)
    found.write()
    return found


def written(*projects: Project, out: Path) -> Path:
    """The page of these campaigns."""
    return written_from(*(each.manifest for each in projects), out=out)


def written_from(*files: Path, out: Path) -> Path:
    """The page of these manifests or results."""
    ended = Running(("report", *files, "--out", out), environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output
    return out / "index.html"


def page_of(campaign_made: Made, tab: Make, view: str = "") -> Page:
    project = campaign_made.project
    page: Page = tab().open(written(project, out=project.folder / "page"), view)
    return page


def next_steps(page: Page) -> str:
    return page.locator("#overview .todo").inner_text()


def test_what_waits_for_an_approval_is_not_still_to_come_and_leads_to_the_takes(
    tmp_path: Path, tab: Make
) -> None:
    page = page_of(made(tmp_path, SKETCHES, only_approved=True), tab)

    assert "still to come" not in page.locator("#overview").inner_text()
    assert "pipeline run" not in next_steps(page)
    row = page.locator("#overview .todo li", has_text="2 jobs wait")
    expect(row).to_contain_text("They are made once a take of what they are made from is approved.")
    row.get_by_role("link").click()
    expect(page.locator("[role=status]")).to_have_text("2 of 4")

    page.evaluate("go({ view: 'job', job: app.model.jobs.find((job) => job.action === 'wait').address })")
    about = page.get_by_role("complementary", name="About this job")
    expect(about).to_contain_text("It is made once a take of what it is made from is approved.")
    expect(about).to_contain_text("120 credits when it is made")


def test_plus_adds_what_jobs_are_made_from_as_in_select(tmp_path: Path, tab: Make) -> None:
    page = page_of(made(tmp_path, SKETCHES), tab)
    films = page.evaluate("app.model.jobs.filter((job) => job.upstream).map((job) => job.key)")
    sketches = page.evaluate("app.model.jobs.filter((job) => !job.upstream).map((job) => job.key)")
    assert (len(films), len(sketches)) == (4, 2)

    page.fill("input[type=search]", f"+{films[0]}")

    expect(page.locator("[role=status]")).to_have_text("2 of 6")
    page.fill("input[type=search]", "+prompt:*")
    expect(page.locator("[role=status]")).to_have_text("6 of 6")


def test_results_alone_name_no_command_that_needs_the_manifest(tmp_path: Path, tab: Make) -> None:
    steps: Steps = [(SKETCH, Status.ATTENTION), (TAKE_2, Status.FAILED)]
    project = made(tmp_path, steps).project
    alone = tmp_path / "alone"
    alone.mkdir()
    results = project.results_file.rename(alone / project.results_file.name)

    page = tab().open(written_from(results, out=alone / "page"))

    assert "it is resolved where the manifest is" in next_steps(page)
    for view in ("browse", "failures"):
        page.evaluate("view => go({ view })", view)
        named = "all => all.map((each) => each.title || each.getAttribute('aria-label'))"
        commands = page.locator(".command, [aria-label^='Copy: ']").evaluate_all(named)
        assert [each for each in commands if not each.startswith("pipeline collect ")] == []
        assert page.locator(".answers").count() == 0
    assert "campaign.yaml" not in page.locator("body").inner_text()


@pytest.mark.parametrize("done", [(), (SKETCH,), (SKETCH, TAKE_2)])
def test_command_of_a_job_buys_that_job_and_no_other(
    tmp_path: Path, tab: Make, done: tuple[int, ...]
) -> None:
    campaign_made = made(tmp_path, [(number, Status.DONE) for number in done])
    page = page_of(campaign_made, tab)
    jobs = campaign_made.jobs
    made_keys = {jobs[number].key for number in done}
    for job in [each for each in jobs if each.key not in made_keys]:
        page.evaluate("key => go({ view: 'job', job: key })", job.key)
        command = shlex.split(page.locator("aside .command").get_attribute("title") or "")
        assert command[:3] == ["pipeline", "run", "campaign.yaml"]

        ended = Running(
            ("plan", campaign_made.project.manifest, *command[3:], "--format", "json"),
            environment("http://127.0.0.1:1"),
        ).ended()

        plan = json.loads(ended.out)
        bought = {each["key"] for each in plan["actions"] if each["action"] in ("create", "share")}
        assert bought == {job.key, job.upstream} - {None} - made_keys


def test_trying_again_costs_what_its_plan_says(tmp_path: Path, tab: Make) -> None:
    failed = made(tmp_path, [(SKETCH, Status.FAILED), (TAKE_2, Status.DONE)])
    run, retry = failed.plans()
    assert (run.credits, retry.credits) == (120, 250)

    page = page_of(failed, tab)

    row = page.locator("#overview .todo li", has_text="1 job failed")
    expect(row).to_contain_text(
        "Trying again makes 5 jobs for 250 credits, including what the next run makes."
    )
    expect(page.locator("#overview .todo li", has_text="2 jobs wait")).to_contain_text("tried again")
    expect(page.locator("#overview .cost")).to_contain_text("120 still to come")
    page.evaluate("go({ view: 'failures' })")
    expect(page.locator("h1:visible")).to_have_text(
        "1 job failed. Trying again makes 5 jobs for 250 credits, including what the next run makes."
    )


def test_trying_again_that_is_all_of_the_next_run_mentions_no_other(tmp_path: Path, tab: Make) -> None:
    failed = made(tmp_path, [(SKETCH, Status.FAILED), (TAKE_2, Status.FAILED)])
    _, retry = failed.plans()

    row = page_of(failed, tab).locator("#overview .todo li", has_text="2 jobs failed")

    expect(row).to_contain_text(f"Trying again makes 6 jobs for {retry.credits} credits.")


def test_first_page_counts_jobs_and_rehearses_what_it_would_buy(tmp_path: Path, tab: Make) -> None:
    project = campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": PRICES})})
    out = tmp_path / "page"
    words = ("report", project.manifest, "--select", "+job:film", "--out", out)
    ended = Running(words, environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output

    page: Page = tab().open(out / "index.html")

    # Two films of each sketch share a purchase.
    expect(page.locator(".empty .cost")).to_have_text("6 jobs are planned for 260 credits.")
    rehearsal = page.locator(".empty .todo li", has_text="Rehearse first").locator(".command")
    expect(rehearsal).to_have_attribute("title", "pipeline run campaign.yaml --emulate --select +job:film")


def test_page_of_one_job_speaks_of_one(tmp_path: Path, tab: Make) -> None:
    project = campaign(tmp_path, {"campaign.yaml": spring(prompts={"walk": "a walk"})})
    failed = Made(project)
    failed.do(0, Status.FAILED)
    failed.write()

    expect(page_of(failed, tab).locator("#overview h1")).to_contain_text("0 of 1 video is made.")


def test_take_that_another_approved_one_settles_is_not_made_again(
    tmp_path: Path, serve: Serve, tab: Make
) -> None:
    settled = made(tmp_path, [*SKETCHES, (TAKE_2, Verdict.APPROVED)])
    project = settled.project
    _, url = serve(project)
    page = tab().visit(url, f"#job={settled.jobs[SKETCH].key}")

    page.get_by_role("group", name="Decide").get_by_role("button", name="Redo").click()

    expect(page.locator("#toast")).to_have_text(
        "Sent back; it is not made again, as another take is approved."
    )
    about = page.get_by_role("complementary", name="About this job")
    expect(about).to_contain_text("Another take of it is approved, so it is not made again.")
    assert "to come" not in about.inner_text()


def test_verdict_says_what_the_next_run_makes_because_of_it(tmp_path: Path, serve: Serve, tab: Make) -> None:
    open_takes = made(tmp_path, SKETCHES, only_approved=True)
    _, url = serve(open_takes.project)
    page = tab().visit(url, f"#job={quote(open_takes.jobs[SKETCH].key)}")
    decide, toast = page.get_by_role("group", name="Decide"), page.locator("#toast")

    # Two films of it, which share a purchase.
    decide.get_by_role("button", name="Approve").click()
    expect(toast).to_have_text("Approved: the next run makes 2 more jobs, for 120 credits.")

    decide.get_by_role("button", name="Reject").click()
    expect(toast).to_have_text("Rejected; the next run no longer makes 2 jobs.")

    decide.get_by_role("button", name="Redo").click()
    expect(toast).to_have_text("Sent back: the next run makes it again, for 10 credits.")

    decide.get_by_role("button", name="Approve").click()
    expect(toast).to_contain_text("Approved")
    decide.get_by_role("button", name="Redo").click()
    expect(toast).to_have_text(
        "Sent back: the next run makes it again, for 10 credits; the next run no longer makes 2 jobs."
    )


def test_redo_says_what_is_made_again_with_the_take(tmp_path: Path, serve: Serve, tab: Make) -> None:
    whole = made(tmp_path, [*SKETCHES, *((number, Status.DONE) for number in range(2, 6))])
    _, url = serve(whole.project)
    page = tab().visit(url, f"#job={quote(whole.jobs[SKETCH].key)}")

    page.get_by_role("group", name="Decide").get_by_role("button", name="Redo").click()

    expect(page.locator("#toast")).to_have_text(
        "Sent back: the next run makes it again and 2 more jobs, for 130 credits."
    )


def test_manifest_that_was_edited_asks_for_more_than_the_page_shows(tmp_path: Path, tab: Make) -> None:
    whole = made(tmp_path, [*SKETCHES, *((number, Status.DONE) for number in range(2, 6))])
    edited = stages(catalog={"credits": PRICES})
    edited["prompts"] = {"spin": "it spins fast", "rest": "it rests"}
    whole.project.write({"campaign.yaml": edited})
    run, _ = whole.plans()

    page = page_of(whole, tab)

    expect(page.locator("#overview h1")).to_contain_text("6 videos are made; the next run makes 4.")
    row = page.locator("#overview .todo li", has_text=f"Make 4, {run.credits:,} credits")
    expect(row).to_contain_text("4 jobs are new or changed since the results were written.")
    expect(row.locator(".command")).to_have_attribute("title", "pipeline run campaign.yaml")


def test_template_has_one_name_before_and_after_a_job_is_made(tmp_path: Path, tab: Make) -> None:
    page = page_of(made(tmp_path, [(SKETCH, Status.DONE)]), tab)
    template = page.locator("aside dt", has_text="Template").locator("xpath=following-sibling::dd[1]")

    first = "(job) => !job.upstream && job.status === status"
    for wanted, text in (("done", "sketch (vim_sketch_me)"), ("pending", "sketch")):
        page.evaluate(f"status => go({{ view: 'job', job: app.model.jobs.find({first}).key }})", wanted)
        expect(template).to_have_text(text)


def test_next_run_of_several_kinds_of_jobs_is_told_in_words(tmp_path: Path, tab: Make) -> None:
    steps: Steps = [*SKETCHES, (FILM, Status.DONE), (FILM, Verdict.REDO)]
    campaign_made = made(tmp_path, steps)
    run, _ = campaign_made.plans()
    jobs = len(run.buying) + sum(1 for _ in run.of(Action.SHARE))

    page = page_of(campaign_made, tab)

    row = page.locator("#overview .todo li", has_text=f"Make {jobs}, {run.credits:,} credits")
    expect(row).to_contain_text(f"{jobs - 2} not made yet, 2 sent back.")


def test_headline_of_an_edited_manifest_counts_what_was_not_made_before(tmp_path: Path, tab: Make) -> None:
    partly = made(tmp_path, [*SKETCHES, (FILM, Status.DONE)])
    edited = stages(catalog={"credits": PRICES})
    edited["prompts"] = {**edited["prompts"], "rest": "it rests"}
    partly.project.write({"campaign.yaml": edited})
    run, _ = partly.plans()
    jobs = len(run.buying) + sum(1 for _ in run.of(Action.SHARE))

    page = page_of(partly, tab)

    expect(page.locator("#overview h1")).to_contain_text(f"are made; the next run makes {jobs}.")
    row = page.locator("#overview .todo li", has_text=f"Make {jobs}, {run.credits:,} credits")
    expect(row).to_contain_text("2 jobs are new or changed since the results were written.")


def test_unknown_outcomes_of_all_campaigns_come_first_and_rows_name_theirs(tmp_path: Path, tab: Make) -> None:
    first = made(tmp_path / "one", [(SKETCH, Status.FAILED), (TAKE_2, Status.DONE)])
    other = made(tmp_path / "two", [(SKETCH, Status.ATTENTION), (TAKE_2, Status.DONE)])
    document = stages(catalog={"credits": PRICES})
    document["name"] = "others"
    for each in (tmp_path / "two").glob("stages.*"):
        each.rename(each.with_name(each.name.replace("stages", "others")))
    other.project.write({"campaign.yaml": document})
    results = tmp_path / "two" / "others.results.json"
    results.write_text(
        results.read_text(encoding="utf-8").replace('"campaign": "stages"', '"campaign": "others"'),
        encoding="utf-8",
    )

    page = tab(width=390, height=844).open(written(first.project, other.project, out=tmp_path / "page"))

    titles = page.locator("#overview .todo h3").all_inner_texts()
    assert titles[0] == "others: 1 purchase with an unknown outcome"
    assert titles[1] == "stages: 1 job failed"


def test_take_sent_back_during_a_run_is_for_the_next_one(tmp_path: Path, serve: Serve, tab: Make) -> None:
    live = LiveCampaign(tmp_path / "live", prices={"overlay_gray_5443": 120})
    with live.run() as run:
        run.all_made(live.jobs[:3])
        run.buy(live.jobs[3])
        _, url = serve(live)
        page = tab().visit(url, "#")
        bars = page.locator("#overview .bars .bar")
        of_run, of_budget = bars.nth(0), bars.nth(1)
        to_come = sum(job.credits or 0 for job in live.jobs[4:])
        expect(of_run).to_have_attribute("title", f"480 of at most 5,500, {to_come:,} still to come")

        page.evaluate("key => go({ view: 'job', job: key })", live.jobs[0].key)
        page.get_by_role("group", name="Decide").get_by_role("button", name="Redo").click()
        expect(page.locator("#toast")).to_have_text(
            "Sent back: the next run makes it again, for 120 credits."
        )
        page.evaluate("go({})")

        expect(of_budget).to_have_attribute("title", f"480 of 12,000, {to_come + 120:,} still to come")
        expect(of_run).to_have_attribute("title", f"480 of at most 5,500, {to_come:,} still to come")


def test_x_selects_the_open_job_and_lets_go_of_it(tmp_path: Path, tab: Make) -> None:
    page = page_of(made(tmp_path, SKETCHES), tab)
    page.evaluate("go({ view: 'job', job: app.model.jobs.find((job) => job.status === 'done').address })")

    page.keyboard.press("x")
    expect(page.locator("#toast")).to_contain_text("1 selected")
    page.keyboard.press("x")
    expect(page.locator("#toast")).to_contain_text("No longer selected; 0 selected")


def test_budget_counts_purchases_without_a_price_as_the_plan_does(tmp_path: Path, tab: Make) -> None:
    project = campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": {}})})
    unpriced = Made(project)
    for number, step in SKETCHES:
        unpriced.do(number, step)
    unpriced.write()
    project.write({"campaign.yaml": stages(catalog={"credits": PRICES}, limits={"budget": 250})})
    run, _ = unpriced.plans()
    assert run.limit == (
        "240 credits on top of 20 spent (20 of them at today's prices) would exceed limits.budget (250)"
    )

    page = page_of(unpriced, tab)

    assert "It would exceed the budget by 10: raise it" in next_steps(page)
    expect(page.locator("#overview .cost")).to_contain_text(
        "What was bought has no known price, 240 credits still to come."
    )
    bars = page.locator("#overview .bars")
    expect(bars).to_contain_text("20 of 250, 20 of them at today’s prices")
    expect(bars).to_contain_text("All of it would exceed the budget by 10.")


def test_page_of_results_alone_says_at_most_what_the_next_run_makes(tmp_path: Path, tab: Make) -> None:
    waiting = made(tmp_path, [(SKETCH, Status.FAILED), (TAKE_2, Status.FAILED)])
    run, _ = waiting.plans()
    assert not run.buying
    (tmp_path / "alone").mkdir()
    results = waiting.project.results_file.rename(tmp_path / "alone" / waiting.project.results_file.name)

    page: Page = tab().open(written_from(results, out=tmp_path / "page"))

    expect(page.locator("#overview .cost")).to_contain_text(", at most 4 jobs still to come")
    expect(page.locator("#overview .todo li", has_text="Make at most 4")).to_be_visible()


def test_limit_of_creates_is_told_beside_those_of_credits(tmp_path: Path, tab: Make) -> None:
    limits = {"max_creates": 1, "max_credits": 130, "budget": 200}
    project = campaign(tmp_path, {"campaign.yaml": stages(catalog={"credits": PRICES}, limits=limits)})
    planned = Made(project)
    run, _ = planned.plans()
    assert run.limit == "4 creates would exceed max_creates (1)"

    row = page_of(planned, tab).locator(".empty .todo li", has_text="Buy and make them")

    expect(row).to_contain_text(f"It would be refused: {run.limit}.")
    expect(row).to_contain_text("It would exceed the limit of a run by 130 and the budget by 60: raise both")
    # The reasons are as long as sentences, so they are set like the rest of the text.
    expect(row.locator("b")).to_have_text(["It would be refused:", "It would exceed"])


def test_selection_is_held_against_what_is_left_of_the_budget(tmp_path: Path, tab: Make) -> None:
    document = stages(catalog={"credits": PRICES}, limits={"max_credits": 1000, "budget": 300})
    partly = Made(campaign(tmp_path, {"campaign.yaml": document}))
    for number, step in SKETCHES:
        partly.do(number, step)
    partly.write()
    out = tmp_path / "page"
    words = ("report", partly.project.manifest, "--select", "job:film", "--out", out)
    ended = Running(words, environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output

    page: Page = tab().open(out / "index.html")

    expect(page.locator(".empty .cost")).to_have_text(
        "4 jobs are planned for 240 credits, within the 280 left of the budget."
    )


def test_selection_that_waits_for_an_approval_says_so(tmp_path: Path, tab: Make) -> None:
    waiting = made(tmp_path, SKETCHES, only_approved=True)
    out = tmp_path / "page"
    words = ("report", waiting.project.manifest, "--select", "job:film", "--out", out)
    ended = Running(words, environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output

    page: Page = tab().open(out / "index.html")

    expect(page.locator("body")).to_contain_text(
        "2 jobs wait for what they are made from, which is not selected and not approved yet."
    )


def test_job_made_from_a_selected_one_that_waits_is_not_said_to_lack_its_selection(
    tmp_path: Path, tab: Make
) -> None:
    document = stages(only={"only": "approved"})
    document["image_sets"] |= {"fair": {"outputs_of": "fair"}}
    sketch, film = document["jobs"]
    fair = {"id": "fair", "templates": ["sketch"], "image_sets": ["sketches"], "prompts": []}
    document["jobs"] = [sketch, fair, {**film, "image_sets": ["fair"]}]
    waiting = Made(campaign(tmp_path, {"campaign.yaml": document}))
    for number, step in SKETCHES:
        waiting.do(number, step)
    waiting.write()
    out = tmp_path / "page"
    words = ("report", waiting.project.manifest, "--select", "job:fair", "--select", "job:film", "--out", out)
    ended = Running(words, environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output

    page: Page = tab().open(out / "index.html")

    rows = page.locator(".todo")
    expect(rows).to_contain_text(
        "1 job waits for what it is made from, which is not selected and not approved yet."
    )
    expect(rows).to_contain_text("They are made after what they are made from, which itself waits.")
    page.evaluate("go({ view: 'job', job: app.model.jobs.find((job) => job.rule === 'film').address })")
    expect(page.get_by_role("complementary", name="About this job")).to_contain_text(
        "It is made after what it is made from, which itself waits."
    )


def test_bar_of_a_selection_ends_where_the_first_cap_does(tmp_path: Path, tab: Make) -> None:
    document = stages(catalog={"credits": PRICES}, limits={"max_credits": 1000, "budget": 200})
    partly = Made(campaign(tmp_path, {"campaign.yaml": document}))
    for number, step in SKETCHES:
        partly.do(number, step)
    partly.write()
    out = tmp_path / "page"
    words = ("report", partly.project.manifest, "--select", "+job:film", "--out", out)
    ended = Running(words, environment("http://127.0.0.1:1")).ended()
    assert ended.code == 0, ended.output

    bars = tab().open(out / "index.html").locator("#overview .bars")

    expect(bars).to_contain_text("240 of the 180 left of the budget")
    expect(bars).to_contain_text("All of it would exceed the budget by 60.")


def test_budget_is_not_said_to_suffice_where_prices_are_not_known(tmp_path: Path, tab: Make) -> None:
    prices = {"each_explodedloop_0226": 120}
    document = stages(catalog={"credits": prices}, limits={"budget": 1000})
    planned = Made(campaign(tmp_path, {"campaign.yaml": document}))
    planned.do(SKETCH, Status.DONE)
    planned.write()
    run, _ = planned.plans()
    assert (run.credits, len(run.unpriced)) == (240, 1)

    bars = page_of(planned, tab).locator("#overview .bars")

    expect(bars).to_contain_text(
        "If all is made, at most 760 stay under the budget, as 2 purchases have no known price."
    )


def test_what_exceeds_the_budget_does_so_by_at_least_the_known_prices(tmp_path: Path, tab: Make) -> None:
    document = stages(catalog={"credits": {"each_explodedloop_0226": 120}}, limits={"budget": 200})
    planned = Made(campaign(tmp_path, {"campaign.yaml": document}))
    planned.do(SKETCH, Status.DONE)
    planned.write()

    page = page_of(planned, tab)

    expect(page.locator("#overview .bars")).to_contain_text(
        "All of it would exceed the budget by at least 40."
    )
    assert "It would exceed the budget by at least 40: raise it" in next_steps(page)


def test_failed_job_that_was_edited_since_is_made_and_not_tried_again(tmp_path: Path, tab: Make) -> None:
    failed = made(tmp_path, [*SKETCHES, (FILM, Status.FAILED)])
    edited = stages(catalog={"credits": PRICES})
    edited["prompts"] = {"spin": "it spins fast", "turn": "it turns"}
    failed.project.write({"campaign.yaml": edited})
    run, retry = failed.plans()
    assert [*run.of(Action.REPLACE)]
    assert (run.credits, retry.credits) == (480, 480)

    page = page_of(failed, tab)

    expect(page.locator("#overview h1")).to_have_text("2 of 6 videos are made.")
    expect(page.locator("#overview .todo li", has_text="Make 4, 480 credits")).to_be_visible()
    assert "again" not in next_steps(page)


def test_what_was_made_in_less_than_a_second_was_not_made_in_no_time(tmp_path: Path, tab: Make) -> None:
    quick = made(tmp_path, SKETCHES)
    results = json.loads(quick.project.results_file.read_text(encoding="utf-8"))
    results["purchases"][0] |= {
        "created_at": "2026-01-01T00:01:00.100Z",
        "updated_at": "2026-01-01T00:01:00.500Z",
    }
    quick.project.write({quick.project.results_file.name: json.dumps(results)})

    page = page_of(quick, tab, f"#job={quote(quick.jobs[SKETCH].key)}")

    expect(page.locator("dl.pairs")).to_contain_text("Made inunder 1 s")
