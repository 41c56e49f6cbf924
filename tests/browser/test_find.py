"""Finding jobs: the grammar of --select, words, facets, sorting, and an address that stores it all."""

import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from browser.conftest import Gallery, Tab
from browser.samples import COARSE, Sample, spring_drop
from pipeline.errors import UsageError
from pipeline.jobs import encode_part
from pipeline.operations.report import candidates, gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.planning.select import matching_keys
from pipeline.report.writing import write_folder

Make = Callable[..., Tab]
LFS_POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
BEACH = "hero/overlay/red/stroll/background=beach/locale=en"


def shown(page: Page) -> list[str]:
    """The keys of the cards, in their order."""
    keys: list[str] = page.eval_on_selector_all("article", "all => all.map(each => each.dataset.key)")
    return keys


def count(page: Page) -> str:
    return page.locator("[role=status]").inner_text()


def search(page: Page, text: str) -> None:
    page.fill("input[type=search]", text)


def by_python(gallery: Gallery, *expressions: str) -> set[str]:
    return set(matching_keys(candidates(gallery.results, {}, {}), expressions, ()))


def undecided(sample: Sample) -> list[dict[str, Any]]:
    """The jobs with files on which nobody has decided."""
    decided = {each["key"] for each in sample.decisions}
    return [job for job in sample.jobs if job["key"] not in decided and job.get("outputs")]


def page_of(sample: Sample, folder: Path, *, bundle: bool = False) -> Path:
    """The page of a campaign, as its files are now."""
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    return write_folder(folder, [source], None, bundle=bundle, on_progress=lambda *_: None).page


def test_every_job_has_a_machine_readable_card(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    decided = {each["purchase"]: each["decision"] for each in gallery.decisions["decisions"]}

    cards = page.eval_on_selector_all(
        "article",
        "all => all.map(each => [each.dataset.key, each.dataset.status, each.dataset.decision ?? null])",
    )

    assert sorted(cards) == sorted(
        [job["key"], job["status"], decided.get(job.get("purchase") or job.get("last"))]
        for job in gallery.results["jobs"]
    )
    assert page.locator("input[type=search]").count() == 1
    assert page.locator("[role=status]").count() == 1
    assert count(page) == f"{len(cards)} of {len(cards)}"


def test_search_accepts_the_syntax_of_select(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    expressions = [
        *(
            "hero",
            "hero/overlay/red",
            "hero/overlay/[!v]*",
            "**/background=beach",
            "*/arctic",
            "hero/overlay/?ed/**",
        ),
        *("status:failed", "status:done", "image:red", "image:[rv]*", "template:overlay", "job:story"),
        *("prompt:stroll", "matrix.locale:de", "matrix.background:[!bc]*", "image:red,matrix.locale:en"),
        *("hero,status:done", "+hero/overlay/red", BEACH, f"{BEACH}#2"),
    ]
    for expression in expressions:
        wanted = by_python(gallery, expression)
        assert wanted, expression

        search(page, expression)

        assert set(shown(page)) == wanted, expression
        assert count(page) == f"{len(wanted)} of {len(gallery.keys)}", expression


_PARTS = st.sampled_from(
    [
        "hero",
        "story",
        "feed",
        "overlay",
        "arctic",
        "red",
        "r*",
        "*",
        "**",
        "?ed",
        "[rv]*",
        "[!r-v]*",
        "a[!x]c[/#-t]ic",
        "[",
        "stroll",
        "background=b*",
        "#2",
        "x",
    ]
)
_GLOBS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_VALUES = st.text("redblues*?[]!-a/#=:", min_size=1, max_size=6).filter(lambda text: "," not in text)
_FIELDS = st.sampled_from(["status", "template", "image", "prompt", "job", "matrix.locale", "matrix.none"])
_TESTS = st.one_of(_GLOBS, st.builds("{}:{}".format, _FIELDS, _VALUES))
_EXPRESSIONS = st.builds(
    "{}{}".format, st.sampled_from(["", "+"]), st.lists(_TESTS, min_size=1, max_size=3).map(",".join)
)


def test_any_expression_has_the_same_meaning_as_on_the_command_line(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(_EXPRESSIONS)
    @example("image:[]e]d")
    @example("image:[b-a]*")
    @example("image:[!]")
    @example("image:[")
    @example("hero/*/**")
    def check(expression: str) -> None:
        try:
            wanted = by_python(gallery, expression)
        except UsageError:
            return
        found: list[str] = page.evaluate(
            "text => { const term = expression(text, app.model.jobs);"
            " return term ? app.model.jobs.filter(term.test).map(each => each.key) : []; }",
            expression,
        )
        assert set(found) == wanted

    check()


def test_exact_name_means_that_on_the_page_as_on_the_command_line(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    text = json.dumps(gallery.results)
    odd = {"red": "shoe [1]", "blue": "shoe 1", "volt": "x,y", "moss": "x*", "violet": "xy"}
    for name, other in odd.items():
        text = text.replace(f"/{name}/", f"/{encode_part(other)}/")
        text = text.replace(f'"image": "{name}"', f'"image": "{other}"')
    results = json.loads(text)
    source = replace(gallery.source, records=replace(gallery.source.records, results=results))
    written = write_folder(tmp_path, [source], None, bundle=False, on_progress=lambda *_: None)
    page = tab().open(written.page)

    for expression, images in (
        ("image:shoe [1]", {"shoe [1]"}),
        ("image:shoe [12]", {"shoe 1"}),
        ("image:shoe [[]1]", {"shoe [1]"}),
        ("image:shoe [1], prompt:*", {"shoe [1]"}),
        ("image:x,y", {"x,y"}),
        ("image:x*", {"x*"}),
        ("image:x?*", {"x,y", "x*", "xy"}),
    ):
        wanted = set(matching_keys(candidates(results, {}, {}), [expression], ()))
        assert {key.split("/")[2] for key in wanted} == set(map(encode_part, images)), expression

        search(page, expression)

        assert set(shown(page)) == wanted, expression


def test_plain_words_are_searched_in_keys_and_prompts(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    search(page, "promenade")
    assert {key.split("/")[3] for key in shown(page)} == {"stroll"}

    search(page, "Pfütze")
    assert {key.split("/")[3] for key in shown(page)} == {"leap"}

    # In another Unicode form, as some systems type it.
    search(page, unicodedata.normalize("NFD", "Pfütze"))
    assert {key.split("/")[3] for key in shown(page)} == {"leap"}

    search(page, "promenade status:failed")
    assert set(shown(page)) == {key for key in by_python(gallery, "status:failed") if "/stroll/" in key}

    # As a card shows the key.
    search(page, "red/stroll/beach/en")
    assert [key for key in shown(page) if "#" not in key] == [
        "hero/overlay/red/stroll/background=beach/locale=en"
    ]

    search(page, "雨上がり")
    assert {key.split("/")[3] for key in shown(page)} == {"rain"}


def test_terms_of_one_field_add_up_and_different_fields_must_all_match(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    search(page, "image:red image:blue status:done")

    both = by_python(gallery, "image:red,status:done") | by_python(gallery, "image:blue,status:done")
    assert set(shown(page)) == both


def test_facet_counts_match_the_filtered_jobs(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    boxes = page.eval_on_selector_all(
        ".facets input",
        "all => all.map(each => [each.dataset.field, each.dataset.value,"
        " each.parentElement.querySelector('small').textContent])",
    )
    fields = [field for field, *_ in boxes]
    assert list(dict.fromkeys(fields)) == [
        *(
            "status",
            "decision",
            "job",
            "template",
            "image",
            "prompt",
            "matrix.background",
            "matrix.locale",
            "ratio",
        )
    ]

    for field, value, number in boxes:
        box = page.locator(f'.facets input[data-field="{field}"][data-value="{value}"]')
        box.check()
        assert count(page) == f"{number} of {len(gallery.keys)}"
        assert len(shown(page)) == int(number)
        assert page.input_value("input[type=search]")
        page.locator(f'.facets input[data-field="{field}"][data-value="{value}"]').uncheck()
        assert page.input_value("input[type=search]") == ""
    # Ticking and unticking leaves nothing behind.
    assert count(page) == f"{len(gallery.keys)} of {len(gallery.keys)}"


def test_facet_counts_follow_other_facets_and_not_their_own(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=image:red")

    counts = dict(
        page.eval_on_selector_all(
            ".facets input",
            "all => all.map(each => [each.dataset.field + ':' + each.dataset.value,"
            " Number(each.parentElement.querySelector('small').textContent)])",
        )
    )

    assert counts["image:blue"] == len(by_python(gallery, "image:blue"))
    assert counts["status:done"] == len(by_python(gallery, "image:red,status:done"))


def test_address_opens_the_same_view_elsewhere(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    search(page, "status:done image:red")
    page.select_option("#sort", "rating")
    before, address = shown(page), page.url

    other = tab()
    other.page.goto(address)
    other.page.wait_for_selector("body[data-view]")

    assert shown(other.page) == before
    assert other.page.input_value("input[type=search]") == "status:done image:red"
    assert other.page.input_value("#sort") == "rating"


@pytest.mark.parametrize("way", ["typed", "ticked", "hash", "legend"])
def test_card_opens_within_the_current_filter_and_order(tab: Make, gallery: Gallery, way: str) -> None:
    page = tab().open(gallery.index)
    page.select_option("#sort", "key")
    if way == "typed":
        search(page, "image:blue")
    elif way == "ticked":
        page.locator('.facets input[data-term="image:blue"]').check()
    elif way == "hash":
        page.evaluate("location.hash = '#q=image:blue&sort=key'")
    else:
        page.locator(".legend a", has_text="to decide").first.click()
    expect(page.locator("#clear")).to_be_visible()
    (found, _all) = count(page).split(" of ")
    query, order = page.input_value("input[type=search]"), shown(page)
    assert page.input_value("#sort") == "key"

    page.locator("article .open").first.click()

    assert page.locator(".sub .end span").first.inner_text() == f"1 of {found}"
    page.keyboard.press("j")
    assert page.title().startswith(f"{order[1]} ")
    page.keyboard.press("Escape")
    assert page.input_value("input[type=search]") == query
    assert shown(page) == order


def test_cleared_filter_does_not_return_when_a_card_is_opened(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=image:blue&sort=rating")
    key = shown(page)[0]
    page.select_option("#sort", "newest")
    page.locator("#grid").press("Escape")
    expect(page.locator("#clear")).to_be_hidden()

    page.locator(f'article[data-key="{key}"] .open').click()

    assert page.evaluate("location.hash") == f"#job={key}"


def test_overview_links_keep_the_chosen_order(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=image:blue")
    search(page, "")
    page.select_option("#sort", "key")

    links = page.eval_on_selector_all("#overview a", "all => all.map(each => each.getAttribute('href'))")

    assert links
    assert [each for each in links if "sort=key" not in each or "image:blue" in each] == []


def test_back_and_forward_go_through_every_view(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    page.locator('.facets input[data-value="done"]').check()
    filtered = shown(page)
    page.select_option("#sort", "key")
    ordered = shown(page)
    page.locator("article .open").first.click()
    page.wait_for_selector(".detail")
    opened = page.title()
    page.keyboard.press("j")
    assert page.title() != opened

    page.go_back()
    assert page.title() == opened
    page.go_back()
    assert shown(page) == ordered
    page.go_back()
    assert shown(page) == filtered
    page.go_back()
    assert count(page) == f"{len(gallery.keys)} of {len(gallery.keys)}"
    assert page.locator("#overview").is_visible()
    for _ in range(3):
        page.go_forward()
    assert page.title() == opened
    assert page.locator(".detail").is_visible()


def test_filter_is_hidden_where_it_does_not_apply_and_back_in_the_overview(
    tab: Make, gallery: Gallery
) -> None:
    page = tab().open(gallery.index, "#q=image:blue")
    field = page.locator("input[type=search]")
    tabs = page.locator("#tabs")
    shown = page.locator(".count").inner_text()

    for name in ("Failures", "Compare"):
        tabs.get_by_role("link", name=name).click()
        expect(field).to_have_value("")
        tabs.get_by_role("link", name="Overview").click()
        expect(field).to_have_value("image:blue")
        expect(page.locator(".count")).to_have_text(shown)
    tabs.get_by_role("link", name="Overview").click()
    expect(field).to_have_value("")
    expect(page.locator("#overview")).to_be_visible()


def test_typing_is_one_history_entry(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    steps = page.evaluate("history.length")

    page.locator("input[type=search]").press_sequentially("status:failed")

    assert page.evaluate("history.length") == steps + 1
    page.go_back()
    assert page.input_value("input[type=search]") == ""


@pytest.mark.parametrize("key", ["Enter", "ArrowDown"])
def test_one_key_moves_from_the_search_to_its_results(tab: Make, gallery: Gallery, key: str) -> None:
    page = tab().open(gallery.index)
    focused = "document.activeElement.closest('article')?.dataset.key"

    page.keyboard.press("/")
    page.keyboard.type("image:blue")
    page.keyboard.press(key)
    assert page.evaluate(focused) == shown(page)[0]
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == shown(page)[1]

    page.keyboard.press("/")
    page.keyboard.type("nothing of that name")
    page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "search"


def test_first_tab_stop_skips_to_the_jobs(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    skip = page.get_by_role("button", name="Skip to the content")

    page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('article')?.dataset.key") == shown(page)[0]

    page.evaluate("go({ view: 'failures' })")
    skip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("order", ["key", "rating", "credits", "length", "newest"])
def test_sorting(tab: Make, gallery: Gallery, order: str) -> None:
    page = tab().open(gallery.index, f"#sort={order}")
    purchases = {each["id"]: each for each in gallery.results["purchases"]}
    rated = {each["purchase"]: each.get("rating", 0) for each in gallery.decisions["decisions"]}
    jobs = {job["key"]: job for job in gallery.results["jobs"]}

    def rank(key: str) -> Any:
        purchase = purchases.get(jobs[key].get("purchase", ""), {})
        match order:
            case "rating":
                return -rated.get(purchase.get("id", ""), 0)
            case "credits":
                free = purchase.get("reason") == "rejected"
                return -(0 if free else purchase.get("credits", -1))
            case "newest":
                return tuple(-ord(each) for each in purchase.get("bought_at", ""))
            case _:
                return 0

    keys = shown(page)
    if order == "length":
        assert [bool(page.locator(f'[data-key="{key}"] .length').count()) for key in keys] == sorted(
            (bool(page.locator(f'[data-key="{key}"] .length').count()) for key in keys), reverse=True
        )
    elif order == "newest":
        # A job that was sent back keeps the place of its last take.
        sent_back = {
            each["key"]: each["purchase"]
            for each in gallery.decisions["decisions"]
            if each.get("decision") == "redo"
        }
        takes = [jobs[key].get("purchase") or sent_back.get(key, "") for key in keys]
        bought = [purchases.get(take, {}).get("bought_at", "") for take in takes]
        assert bought == sorted(bought, reverse=True)
    else:
        assert keys == sorted(keys, key=lambda key: (rank(key), key))


def test_search_without_a_match_suggests_the_nearest(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    search(page, "status:done image:violett")

    assert count(page) == f"0 of {len(gallery.keys)}"
    expect(page.locator("#no-match")).to_contain_text("No job matches image:violett.")
    page.locator("#no-match a").click()
    assert page.input_value("input[type=search]") == "status:done image:violet"
    assert shown(page)


@pytest.mark.parametrize(("asked", "meant"), [("rule:hero", "job:hero"), ("locale:en", "matrix.locale:en")])
def test_field_name_shown_on_the_page_suggests_the_real_field(
    tab: Make, gallery: Gallery, asked: str, meant: str
) -> None:
    page = tab().open(gallery.index)

    search(page, asked)

    expect(page.locator("#no-match")).to_contain_text(f"Or is it {meant}?")
    page.locator("#no-match a").click()
    assert page.input_value("input[type=search]") == meant
    assert shown(page)


def test_term_of_an_unknown_field_is_told_the_known_ones(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    search(page, "changed:yes")

    hint = page.locator("#no-match p")
    expect(hint).to_contain_text("No key and no prompt holds it. The fields are status, action, template,")
    expect(hint).to_contain_text("ratio, state, campaign, matrix.background and matrix.locale.")
    search(page, "https://example.com")
    expect(hint).to_have_text("No key and no prompt holds it.")


def test_words_of_the_summary_and_the_legend_filter(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    assert page.locator(".sentence").inner_text() == "39 of 50 videos are made. 4 failed, 2 need you."
    for place in (".sentence a", ".legend a"):
        for number in range(page.locator(place).count()):
            link = page.locator(place).nth(number)
            [left] = re.findall(r"\d+", link.inner_text())
            link.click()
            assert count(page) == f"{left} of {len(gallery.keys)}"
            assert len(shown(page)) == int(left)
            page.go_back()


def test_words_of_the_summary_and_the_legend_use_the_syntax_of_select_if_possible(
    tab: Make, gallery: Gallery
) -> None:
    page = tab().open(gallery.index)
    # Decision terms work only on a page, and tick a filter; a missing file has no other term.
    wanted = {
        "4 failed": "status:failed",
        "2 need you": "status:attention",
        "3 under way": "status:submitted",
        "13 approved": "decision:approved",
        "19 to decide": "decision:none",
        "5 rejected": "decision:rejected",
        "2 sent back": "decision:redo",
        "2 to decide, not here": "state:missing",
    }
    found = {}
    for link in page.locator(".sentence a, .legend a").all():
        words = link.inner_text()
        link.click()
        found[words] = page.input_value("input[type=search]")
        if found[words].startswith("status:"):
            assert set(shown(page)) == by_python(gallery, found[words])
        assert page.locator(".facets input:checked").count() == (0 if "state:" in found[words] else 1)
        page.go_back()
    assert found == wanted


def test_unmade_jobs_are_separate_from_those_sent_back(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path / "some", 48, shorter_side=COARSE)
    sample.job({"rule": "hero", "template": "overlay", "image": "red", "prompt": "walk", "axes": {}})
    sample.write()
    page = tab().open(page_of(sample, tmp_path / "report"))

    page.locator(".legend a", has_text="1 not made yet").click()

    assert count(page).startswith("1 of ")


def test_number_left_to_decide_is_the_same_everywhere(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    button = page.get_by_role("button", name=re.compile(r"^Review \d+"))
    (left,) = re.findall(r"\d+", button.inner_text())

    facet = page.locator('.facets label:has(input[data-term="decision:none"]) small')
    assert facet.inner_text() == left
    assert f"{left} to decide" in page.locator(".legend a").all_inner_texts()
    # A missing file cannot be reviewed, and is not the next one.
    assert "to decide, not here" in page.locator(".legend").inner_text()
    button.click()
    assert page.locator(".decide .left").inner_text() == f"{left} left to decide"


def test_missing_file_is_to_fetch_and_not_to_decide_even_if_its_still_is_kept(
    tab: Make, tmp_path: Path
) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    sample.write()

    def written() -> Path:
        source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
        here, reader = sample.output / "report", media_reader()
        return write_folder(here, [source], reader, bundle=False, on_progress=lambda _number, _of: None).page

    written()
    decided = {each["key"]: each["decision"] for each in sample.decisions}
    [approved] = [job for job in sample.jobs if decided.get(job["key"]) == "approved"]
    open_ones = [job for job in sample.jobs if job["key"] not in decided]
    for job in (approved, *open_ones[:2]):
        (sample.folder / job["outputs"][0]["path"]).unlink()

    page = tab().open(written())

    left = len(open_ones) - 2
    legend = page.locator(".legend").inner_text().split("\n")
    assert {f"{left} to decide", "2 to decide, not here"} <= set(legend)
    assert page.get_by_role("button", name=f"Review {left}").is_visible()
    row = page.locator(".todo li", has_text="3 files are not on this machine")
    expect(row).to_contain_text("1 of them is decided.")


@pytest.mark.parametrize("bundle", [False, True])
def test_altered_file_is_left_alone_and_not_to_fetch(tab: Make, tmp_path: Path, bundle: bool) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    sample.write()
    altered = undecided(sample)[0]
    with (sample.folder / altered["outputs"][0]["path"]).open("ab") as file:
        file.write(b"X")
    where = "where this page was made" if bundle else "on this machine"

    page = tab().open(page_of(sample, tmp_path / "page", bundle=bundle))

    legend = page.locator(".legend")
    expect(legend).not_to_contain_text("not here")
    expect(legend.get_by_role("link", name="1 to decide, altered")).to_have_attribute(
        "href", "#q=state:altered"
    )
    row = page.locator(".todo li", has_text=f"1 file was altered {where}")
    expect(row).to_contain_text("It is left alone.")
    assert row.locator(".command").count() == (0 if bundle else 1)
    expect(page.locator("#overview")).not_to_contain_text("is not on this machine")
    card = page.locator("article", has_text="File altered")
    expect(card).to_have_attribute("data-key", altered["key"])
    expect(card.locator(".word")).to_have_text("Altered")
    page.evaluate("key => go({ view: 'job', job: key })", altered["key"])
    expect(page.get_by_role("complementary", name="About this job")).to_contain_text(
        f"its file was altered {where} and is left alone."
    )


@pytest.mark.parametrize("bundle", [False, True])
def test_git_lfs_pointer_is_a_missing_file_that_git_brings(tab: Make, tmp_path: Path, bundle: bool) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    sample.write()
    job = undecided(sample)[0]
    (sample.folder / job["outputs"][0]["path"]).write_text(LFS_POINTER)
    where = "not in this gallery" if bundle else "not on this machine"

    page = tab().open(page_of(sample, tmp_path / "page", bundle=bundle))

    legend = page.locator(".legend")
    expect(legend.get_by_role("link", name="1 to decide, not here")).to_have_attribute(
        "href", "#q=state:missing"
    )
    expect(legend).not_to_contain_text("altered")
    rows = page.locator(".todo li", has_text=where)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(f"1 file is {where}")
    expect(rows).to_contain_text("a Git LFS pointer is in its place")
    expect(rows.locator(".command")).to_contain_text("git lfs pull")
    card = page.locator("article", has_text="Not here")
    expect(card).to_have_attribute("data-key", job["key"])
    if not bundle:
        expect(card).to_contain_text("git lfs pull brings it")
    page.evaluate("key => go({ view: 'job', job: key })", job["key"])
    about = page.get_by_role("complementary", name="About this job")
    expect(about).to_contain_text("a Git LFS pointer is in its place")
    expect(about.locator(".command").first).to_contain_text("git lfs pull")


def test_videos_to_fetch_before_a_decision_are_counted_with_the_command(tab: Make, tmp_path: Path) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    sample.write()
    missing = undecided(sample)
    for job in missing:
        (sample.folder / job["outputs"][0]["path"]).unlink()
    page = tab().open(page_of(sample, sample.output / "report"))
    first = f"{len(missing)} videos to decide are not on this machine. Fetch them first: pipeline collect "

    page.keyboard.press("n")

    expect(page.locator("#toast")).to_contain_text(first)
    search(page, "decision:none")
    expect(page.locator("#no-match")).to_contain_text(first)


def test_video_that_git_brings_is_to_fetch_before_a_decision_with_its_command(
    tab: Make, tmp_path: Path
) -> None:
    sample = spring_drop(tmp_path, 8, shorter_side=COARSE)
    sample.write()
    first, *others = undecided(sample)
    (sample.folder / first["outputs"][0]["path"]).write_text(LFS_POINTER)
    for job in others:
        (sample.folder / job["outputs"][0]["path"]).unlink()
    page = tab().open(page_of(sample, sample.output / "report"))

    page.keyboard.press("n")

    expect(page.locator("#toast")).to_contain_text("Fetch them first: git lfs pull && pipeline collect ")


def test_unknown_job_or_purchase_in_the_address_shows_a_notice_and_is_removed(
    tab: Make, gallery: Gallery
) -> None:
    page = tab().open(gallery.index, "#job=hero/nonsense")
    notice = page.locator("#unknown")
    expect(notice).to_have_text("This page has no job hero/nonsense.")
    expect(page.locator("#browse")).to_be_visible()
    assert page.evaluate("location.hash") in ("", "#")
    page.locator("article .open").first.click()
    expect(notice).to_be_hidden()

    known = [each["id"] for each in gallery.results["purchases"][:2]]
    for asked, left, said in (
        (["abc", "def"], [], "This page has none of the purchases to compare."),
        ([known[0], "abc"], [], "Of the 2 purchases to compare, this page has only 1."),
        ([*known, "abc"], known, "Of the 3 purchases to compare, this page has only 2."),
    ):
        page.goto("about:blank")
        page.goto(f"{gallery.index.as_uri()}#compare={','.join(asked)}")
        expect(notice).to_have_text(said)
        wanted = f"#compare={','.join(left)}" if left else "#view=compare"
        assert page.evaluate("location.hash") == wanted
        expect(page.locator(".top")).to_be_visible(visible=not left)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_invalid_parts_of_an_address_are_reported_and_the_rest_is_kept(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)
    one = gallery.results["purchases"][0]["id"]
    for asked, left, said in (
        ("#view=nonsense&q=image:blue", "#q=image:blue", "This page has no view nonsense."),
        ("#sort=foo&q=image:blue", "#q=image:blue", "Jobs cannot be sorted by foo."),
        ("#job=", "#", "The address names no job."),
        ("#compare=", "#view=compare", "The address names no purchases to compare."),
        (f"#compare={one}", "#view=compare", "A comparison needs at least two purchases."),
    ):
        page.goto("about:blank")
        page.goto(f"{gallery.index.as_uri()}{asked}")
        expect(page.locator("#unknown")).to_have_text(said)
        assert page.evaluate("location.hash || '#'") == left
    page.goto("about:blank")
    page.goto(f"{gallery.index.as_uri()}#view=failures")
    expect(page.locator("#view h1")).to_contain_text("failed")
    expect(page.locator("#unknown")).to_be_hidden()


def test_selection_without_purchases_is_not_described_as_the_whole_campaign(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    first, *others = gallery.results["jobs"]
    pending = {"key": first["key"], "fingerprint": first["fingerprint"], "status": "pending"}
    bought = [each for each in gallery.results["purchases"] if each["key"] != first["key"]]
    results = {**gallery.results, "jobs": [pending, *others], "purchases": bought}
    records = replace(gallery.source.records, results=results, keys={first["key"]})
    written = write_folder(
        tmp_path, [replace(gallery.source, records=records)], None, bundle=False, on_progress=lambda *_: None
    )

    page = tab().open(written.page)

    expect(page.locator("h1:visible")).to_have_text("Nothing of this selection has been bought yet.")


def test_selection_of_no_job_is_called_that(tab: Make, gallery: Gallery, tmp_path: Path) -> None:
    records = replace(gallery.source.records, keys=frozenset(), selection="--select status:submitted")
    written = write_folder(
        tmp_path, [replace(gallery.source, records=records)], None, bundle=False, on_progress=lambda *_: None
    )

    page = tab().open(written.page)

    expect(page.locator("h1:visible")).to_have_text("No job is selected.")
    page.evaluate("go({ view: 'compare' })")
    expect(page.locator("#view .cost")).to_contain_text("To compare, select two to four cards")


def test_sums_and_commands_on_the_page_of_a_selection_are_for_the_selection(
    tab: Make, gallery: Gallery, tmp_path: Path
) -> None:
    chosen = by_python(gallery, "image:red")
    records = replace(gallery.source.records, keys=chosen, selection="--select 'image:r*d'")
    written = write_folder(
        tmp_path, [replace(gallery.source, records=records)], None, bundle=False, on_progress=lambda *_: None
    )

    page = tab().open(written.page)

    spent = sum(
        each.get("credits") or 0
        for each in gallery.results["purchases"]
        if each["key"] in chosen and each["status"] != "void" and each.get("reason") != "rejected"
    )
    cost = page.locator(".cost:visible")
    expect(cost).to_contain_text(f"{spent:,} credits spent")
    expect(cost).to_contain_text(f"A selection: {len(chosen)} of {len(gallery.keys)} jobs.")
    commands = page.locator(".todo .command").evaluate_all("all => all.map(each => each.title)")
    buying = [each for each in commands if each.startswith(("pipeline run", "pipeline collect"))]
    assert buying
    # What reduces it comes last and is not cut off.
    assert all(each.endswith(" --select 'image:r*d'") for each in buying)
