"""Accessibility: no serious axe issues, usable at 320 px, and text from a manifest is inert."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from browser.conftest import Gallery, Tab, Theme, rows_of
from browser.samples import Sample
from pipeline.operations.report import gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.report.writing import write_folder

Make = Callable[..., Tab]
FIRST = "hero/overlay/red/stroll/background=beach/locale=en"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def views(gallery: Gallery) -> dict[str, str]:
    bought = [each["id"] for each in gallery.results["purchases"] if each["key"] == FIRST]
    return {
        "overview": "",
        "filtered": "#q=status:done",
        "nothing": "#q=image:purple",
        "failures": "#view=failures",
        "comparable": "#view=compare",
        "detail": f"#job={FIRST}",
        "wipe": f"#compare={','.join(bought)}",
        "side": f"#compare={','.join(bought)}&mode=side",
    }


SILENT: dict[str, list[str]] = {
    name: []
    for name in ("overview", "filtered", "nothing", "failures", "comparable", "detail", "wipe", "side")
}


def go_to(page: Page, address: str) -> Page:
    """Another view of the open page."""
    page.evaluate("address => { history.pushState(null, '', address || '#'); show(); }", address)
    return page


def findings(page: Page) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)"
    )
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_issue(tab: Make, gallery: Gallery, theme: Theme) -> None:
    page = tab(theme=theme).open(gallery.index)

    assert {name: findings(go_to(page, address)) for name, address in views(gallery).items()} == SILENT
    page.keyboard.press("?")
    assert findings(page) == []


def test_axe_finds_no_serious_issue_on_a_phone(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=844).open(gallery.index)

    assert {name: findings(go_to(page, address)) for name, address in views(gallery).items()} == SILENT


@pytest.mark.parametrize("width", [320, 390, 700, 1000])
def test_nothing_scrolls_sideways(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=700).open(gallery.index)

    for name, address in views(gallery).items():
        assert go_to(page, address).evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("width", [320, 390, 660, 844])
def test_bar_below_a_video_has_enough_room(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=844).open(gallery.index)
    made = [job["purchase"] for job in gallery.results["jobs"] if job["status"] == "done"]

    for address in (f"#job={FIRST}", *(f"#compare={','.join(made[:number])}" for number in (2, 3, 4))):
        go_to(page, address)
        for button in page.locator(".decide button:visible").all():
            expect(button).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_message_in_place_of_a_video_is_not_cut_off(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=900).open(gallery.index)
    said = """all => all.map(each => [each.textContent, each.getBoundingClientRect(),
                                      each.closest(".mat").getBoundingClientRect()])
        .filter(([, text, mat]) => text.left < mat.left || text.right > mat.right)
        .map(([text]) => text)"""

    for state in ("failed", "attention", "missing", "underway"):
        go_to(page, f"#q=state:{state}")
        expect(page.locator(".mat .message").first).to_be_visible()
        assert page.eval_on_selector_all(".mat .message > *", said) == []


def test_list_of_keys_is_reached_to_its_end_and_closed_from_there(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=600).open(gallery.index)
    page.keyboard.press("?")
    last = page.locator("#keys dl > div").last
    assert "Take it back" in last.inner_text()

    last.scroll_into_view_if_needed()

    expect(last).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    assert last.evaluate("each => each.getBoundingClientRect().bottom") <= 600 - 16


def test_long_search_without_a_match_is_fully_readable_on_a_phone(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=844).open(gallery.index, f"#q=status:{'nothing_of_that_name_' * 4}")

    said = page.locator("#no-match code")
    expect(said).to_be_visible()
    assert said.evaluate("each => each.getBoundingClientRect().right") <= 390


def test_filters_and_search_are_usable_at_320_px(tab: Make, gallery: Gallery) -> None:
    page = tab(width=320, height=640, has_touch=True).open(gallery.index)

    page.fill("input[type=search]", "image:red")
    page.locator("#filters-button").tap()
    page.locator('.facets input[data-value="done"]').tap()

    assert page.input_value("input[type=search]") == "image:red status:done"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("width", [320, 390])
def test_header_on_a_phone_is_one_row_and_its_tabs_for_any_campaign_names(
    tab: Make, gallery: Gallery, tmp_path: Path, width: int
) -> None:
    results = {**gallery.results, "campaign": "a-campaign-of-the-autumn"}
    records = replace(gallery.source.records, results=results, command="autumn.yaml")
    both = [gallery.source, replace(gallery.source, name="a-campaign-of-the-autumn", records=records)]
    written = write_folder(tmp_path, both, None, bundle=False, on_progress=lambda _number, _of: None)
    page = tab(width=width, height=640).open(written.page)

    assert len(rows_of(page, "#name, .search, .top .tool:not([hidden])")) == 1
    page.evaluate("go({ q: 'campaign:a-campaign-of-the-autumn status:done' })")
    assert page.locator(".count").evaluate("each => each.getClientRects()[0].height") < 24
    page.evaluate("go({ view: 'job', job: jobsShown()[0].address })")
    place = page.locator(".sub .end span")
    assert place.inner_text().startswith("1 of ")
    assert place.evaluate("each => each.getClientRects().length") == 1


def test_legend_on_a_phone_leaves_room_for_the_next_step(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=844, has_touch=True, is_mobile=True).open(gallery.index)

    legend = page.locator("#overview .legend").bounding_box()
    first = page.locator(".todo h3").first.bounding_box()

    assert legend is not None
    assert first is not None
    assert legend["height"] <= 3 * 44
    assert first["y"] < 470


@pytest.mark.parametrize("width", [320, 390, 700, 1280, 1440])
def test_card_shows_ratio_length_and_credits(tab: Make, gallery: Gallery, width: int) -> None:
    page = tab(width=width, height=844).open(gallery.index, "#q=status:done")
    seen = page.eval_on_selector_all(
        ".card .meta",
        """all => all.map(each => {
            const { right, bottom } = each.closest(".card").getBoundingClientRect();
            return [...each.querySelectorAll(".numbers span")].filter(part => {
                const box = part.getBoundingClientRect();
                return box.width > 8 && box.right <= right + 0.5 && box.bottom <= bottom + 0.5
                    && part.scrollWidth <= part.clientWidth + 1;
            }).map(part => part.textContent).join(" ");
        })""",
    )

    complete = {each for each in seen if re.fullmatch(r"(16:9|9:16|1:1) 2\.5 s \d+ cr", each)}
    assert {each.split()[0] for each in complete} == {"16:9", "9:16", "1:1"}
    assert {each for each in seen if not re.fullmatch(r"\d+ cr", each)} == complete
    heights = page.eval_on_selector_all("article", "all => all.map(each => each.offsetHeight)")
    assert len(set(heights)) == 1


def test_unused_stars_are_outlines(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index, "#q=decision:rejected")
    page.locator("article .open").first.click()

    shapes = page.locator(".decide .stars use").evaluate_all("all => all.map(each => each.href.baseVal)")

    given = int(re.findall(r"\d", page.locator(".decide .stars").get_attribute("aria-label") or "")[0])
    assert shapes == ["#icon-star"] * given + ["#icon-star-empty"] * (5 - given)
    solid = "use => document.querySelector(use.href.baseVal).querySelector('.solid') !== null"
    assert [use.evaluate(solid) for use in page.locator(".decide .stars use").all()] == [
        star < given for star in range(5)
    ]


def test_cards_are_aligned_in_any_script(tab: Make, gallery: Gallery) -> None:
    page = tab().open(gallery.index)

    heights = set(page.eval_on_selector_all("article", "all => all.map(each => each.offsetHeight)"))

    assert len(heights) == 1
    arabic = page.locator('article[data-key*="locale=ar"] .prompt').first
    assert arabic.get_attribute("lang") == "ar"
    assert arabic.evaluate("each => getComputedStyle(each).direction") == "rtl"


HOSTILE = [
    "<img src=x onerror=fail()>",
    "</script><script>fail()</script>",
    "<!--<script>",
    "javascript:fail()",
    '"onfocus="fail()" autofocus="',
    "'; rm -rf ~ #",
    "\u202egnp.exe\u202c",
    "\u2028\u2029\u0000\u001b[2J",
    "{{constructor.constructor('fail()')()}}",
    "\ud800",
    "a" * 5000,
]


def hostile(folder: Path, texts: Sequence[str] = HOSTILE) -> Path:
    """A campaign with hostile strings everywhere: keys, names, prompts, options, errors, notes, titles."""
    sample = Sample(folder, name="hostile")
    for number, text in enumerate(texts):
        key = f"{text}/{text}#{number}"
        changes = {
            "template_id": text[:200],
            "path": text,
            "error": text,
            "request": {
                "options": {"prompt": text, text[:100]: [text, {"inner": text}]},
                "images": [{"id": text, "path": text}],
                "title": text,
            },
            "steps": [{"flow": text[:200], "outputs": []}],
            "outputs": [{"content_type": "video/mp4", "url": f"javascript:{text}"}],
            "created_at": text[:100],
            "updated_at": text[:100],
        }
        status = {"status": "failed", "reason": "vendor"} if number % 3 == 0 else {}
        purchase = sample.purchase(key, number, **{**changes, **status})
        row = {
            "key": key,
            "fingerprint": purchase["fingerprint"],
            "status": purchase["status"],
            "purchase": purchase["id"],
        }
        row |= {"reason": purchase["reason"]} if status else {}
        sample.jobs.append(
            {**row, "rule": text, "template": text, "image": text, "prompt": text, "axes": {text: text}}
        )
        sample.decisions.append(
            {
                "purchase": purchase["id"],
                "key": key,
                "decision": "rejected",
                "note": text,
                "by": text,
                "at": text,
            }
        )
    folder.mkdir(parents=True)
    (folder / "hostile.results.json").write_text(
        json.dumps({**sample.results(), "jobs": [], "purchases": []}), encoding="utf-8"
    )
    # Without its manifest, the page would have almost no commands.
    sample.manifest.touch()
    source = gallery_campaign(of_results(folder / "hostile.results.json"), (), ())
    records = replace(
        source.records,
        results=sample.results(),
        decisions={"decisions": sample.decisions},
        command=HOSTILE[5],
    )
    return write_folder(
        folder / "report",
        [replace(source, records=records)],
        media_reader(),
        bundle=False,
        on_progress=lambda *_: None,
    ).page


def test_hostile_strings_are_inert(tab: Make, tmp_path: Path) -> None:
    page = tab().open(hostile(tmp_path / "hostile"))
    page.evaluate("() => { window.fail = () => { throw new Error('acted'); }; }")
    count = len(HOSTILE)
    assert page.locator("article").count() == count

    acting = "script, iframe, object, embed, base, meta[http-equiv], style, link"
    elements = f"document.querySelectorAll('{acting}').length"
    before = page.evaluate(elements)
    page.evaluate("go({view: 'failures'})")
    page.evaluate("go({view: 'compare'})")
    for number in range(count):
        page.evaluate("number => go({view: 'job', job: app.model.jobs[number].address})", number)
        assert page.locator(".detail").is_visible()
    page.evaluate("go({view: 'compare', compare: app.model.jobs.slice(0, 3).map(each => each.purchase)})")
    for text in HOSTILE[:6]:
        page.evaluate("go({})")
        page.fill("input[type=search]", text)
    assert page.evaluate(elements) == before
    assert page.evaluate("[...document.querySelectorAll('[onerror], [onfocus], [onload]')].length") == 0
    assert page.evaluate(
        "[...document.querySelectorAll('a')].every(each => ['file:', 'about:'].includes(each.protocol))"
    )


REORDERED = {
    "a \u202egnp.exe\u202c b": ["U+202E", "U+202C"],
    "a \u202dחדש\u202c b": ["U+202D", "U+202C"],
    "\u202eיצא": ["U+202E"],
    "a \u2067exe b": ["U+2067"],
    "a\u2069 \u202b\u2066b\u202c": ["U+2069", "U+202B", "U+2066", "U+202C"],
    "\u2068a \u202ab\u2069": ["U+202A"],
    # What Arabic and Hebrew need, and what is closed where it was opened.
    "يدور الحذاء\u200f!": [],
    "a \u2067שלום \u202aexe\u202c\u2069 b \u202bשלום\u202c": [],
}


def test_characters_that_reorder_a_text_are_shown(tab: Make, tmp_path: Path) -> None:
    page = tab().open(hostile(tmp_path / "hostile", list(REORDERED)))
    prompts = page.locator(".card .prompt").all()
    marks = [each.locator(".code-point").all_inner_texts() for each in prompts]
    assert dict(zip(page.evaluate("grid.jobs.map(each => each.prose)"), marks, strict=True)) == REORDERED
    # The letters stand from left to right as they are written.
    first = page.locator(".card", has_text="gnp.exe").locator(".prompt")
    lefts = first.evaluate(
        """prompt => [...prompt.childNodes].map(each => {
          const range = document.createRange();
          range.selectNodeContents(each);
          return range.getBoundingClientRect().left;
        })"""
    )
    assert lefts == sorted(lefts)
    assert len(lefts) == 5
    # A mark says nothing on the direction of the text around it.
    for text, direction in {"יצא": "rtl", "يدور": "rtl", "gnp": "ltr"}.items():
        prompt = page.locator(".card", has_text=text).first.locator(".prompt")
        assert prompt.evaluate("each => getComputedStyle(each).direction") == direction

    bought = page.evaluate("app.model.jobs.map(each => each.purchase)")
    views = [
        "{}",
        "{view: 'failures'}",
        "{view: 'compare'}",
        f"{{view: 'compare', compare: {json.dumps(bought[:3])}}}",
        *(f"{{view: 'job', job: app.model.jobs[{number}].address}}" for number in range(len(REORDERED))),
    ]
    for view in views:
        page.evaluate(f"go({view})")
        assert page.evaluate(UNMARKED) == []


def test_long_names_run_in_the_direction_of_their_script(tab: Make, tmp_path: Path) -> None:
    names = ["הנעל האדומה הולכת", "the red shoe walks"]
    page = tab().open(hostile(tmp_path / "hostile", names))
    for shortened in (".tail span:has(> .gives), .tail:has(> .gives)", ".facets .shortened"):
        for name, is_left_first in zip(names, (False, True), strict=True):
            found = page.locator(shortened).filter(has_text=name[-4:]).filter(has_text=name[:4])
            lefts = found.first.evaluate(
                """each => [...each.children].slice(-2).map(piece => piece.getBoundingClientRect().left)"""
            )
            assert (lefts == sorted(lefts)) is is_left_first


# What a browser shows or reads out of a page, where an override or what is not closed would reorder it.
UNMARKED = """() => {
  const texts = [document.title];
  const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (all.nextNode()) if (!all.currentNode.parentElement.closest('script')) texts.push(all.currentNode.data);
  for (const name of ['title', 'aria-label', 'alt'])
    for (const each of document.querySelectorAll(`[${name}]`)) texts.push(each.getAttribute(name));
  return texts.filter((text) => /[\u202d\u202e]/.test(text));
}"""


def test_copied_text_is_safe_in_a_terminal(tab: Make, tmp_path: Path) -> None:
    page = tab().open(hostile(tmp_path / "hostile"), "#view=failures")

    titles = page.eval_on_selector_all("[aria-label^='Copy']", "all => all.map(each => each.title)")
    assert titles
    # Keys contain the id of their purchase, sixteen hex digits.
    for title in titles:
        assert not any(ord(each) < 32 or each in "\u202e\u2028" for each in title)


@pytest.mark.parametrize("width", [1440, 390])
def test_long_names_hide_neither_the_difference_of_cards_nor_facet_counts(
    tab: Make, tmp_path: Path, width: int
) -> None:
    sample = Sample(tmp_path / "long")
    prompts = [f"ein-sehr-langer-name-fuer-einen-prompt-nummer-{number}" for number in (1, 2)]
    for prompt in prompts:
        for axes in ({"look": f"value-one-that-is-long-{locale}", "zone": "b"} for locale in ("en", "fr")):
            sample.job(
                {"rule": "hero", "template": "overlay", "image": "red", "prompt": prompt, "axes": axes}
            )
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    written = write_folder(
        tmp_path / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab(width=width).open(written.page, "#q=status:pending")

    seen = page.evaluate(
        """[...document.querySelectorAll('.card .key')].map(key => {
            const { right } = key.closest('.card').getBoundingClientRect();
            return [...key.querySelectorAll('.tail span:not(.gives)')]
                .filter(each => each.getBoundingClientRect().right <= right + 0.5)
                .map(each => each.textContent).join('');
        })"""
    )
    assert len(seen) == len(set(seen)) == 4, seen
    if width < 900:
        page.get_by_role("button", name="Filter", exact=True).click()
    for count in page.locator(".facets small").all():
        inside = count.evaluate(
            "each => each.getBoundingClientRect().right <= each.closest('.facets').getBoundingClientRect().right"
        )
        assert inside, count.inner_text()
    for prompt in prompts:
        begin, end = page.locator(".facets label", has_text=prompt).locator("span span").all()
        assert begin.evaluate("each => each.scrollWidth > each.clientWidth")
        assert end.evaluate(
            "each => each.getBoundingClientRect().right <= each.parentElement.getBoundingClientRect().right"
        )


@pytest.mark.parametrize("width", [1440, 390])
def test_facet_values_that_differ_only_in_the_middle_are_fully_readable(
    tab: Make, tmp_path: Path, width: int
) -> None:
    sample = Sample(tmp_path / "alike")
    prompts = [f"a-walk-along-the-{shore}-in-the-light-of-the-evening" for shore in ("beach", "river")]
    for prompt in prompts:
        sample.job({"rule": "hero", "template": "overlay", "image": "red", "prompt": prompt, "axes": {}})
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    written = write_folder(
        tmp_path / "report", [source], None, bundle=False, on_progress=lambda _number, _of: None
    )

    page = tab(width=width).open(written.page)

    if width < 900:
        page.get_by_role("button", name="Filter", exact=True).click()
    for prompt in prompts:
        value = page.locator(".facets label", has_text=prompt).locator("span")
        assert value.evaluate(
            "each => each.scrollWidth <= each.clientWidth && each.scrollHeight <= each.clientHeight"
        )


# For each link and control: its name, and the height that a touch hits, measured from its middle.
LOW_TARGETS = """() => {
    const found = [];
    for (const each of document.querySelectorAll('a, button, select, input, label')) {
        const isOfLabel = each.tagName === 'INPUT' && each.closest('label') !== null;
        if (!each.checkVisibility() || each.disabled || isOfLabel) continue;
        each.scrollIntoView({ block: 'center' });
        const box = each.getClientRects()[0];
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        const hits = at => {
            const seen = document.elementFromPoint(x, at);
            return seen !== null && (each.contains(seen) || seen.closest('a, button, label') === each);
        };
        if (!hits(y)) continue;
        let [up, down] = [0, 0];
        while (up < 44 && hits(y - up - 1)) up++;
        while (down < 44 && hits(y + down + 1)) down++;
        const height = up + down + 1;
        if (height < 44) found.push(`${(each.ariaLabel || each.innerText || each.id).slice(0, 40)}: ${height}`);
    }
    return found;
}"""


def test_touch_targets_on_a_phone_are_large_enough(tab: Make, gallery: Gallery) -> None:
    page = tab(width=390, height=844, has_touch=True, is_mobile=True).open(gallery.index)

    page.get_by_role("button", name="Filter", exact=True).click()
    low = {name: go_to(page, address).evaluate(LOW_TARGETS) for name, address in views(gallery).items()}
    assert low == SILENT
