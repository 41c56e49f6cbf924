"""5,000 jobs: the page and the document stay within bounds, and everything still works."""

from collections.abc import Callable
from pathlib import Path

import pytest

from browser.conftest import Tab
from browser.samples import spring_drop
from pipeline.operations.report import gallery_campaign, media_reader
from pipeline.operations.report_records import of_results
from pipeline.report.writing import write_folder

Make = Callable[..., Tab]
JOBS = 5_000
MAX_BYTES = 3_000_000
MAX_CARDS = 400


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sample = spring_drop(tmp_path_factory.mktemp("many"), JOBS, videos=False)
    sample.write()
    source = gallery_campaign(of_results(sample.folder / f"{sample.name}.results.json"), (), ())
    return write_folder(
        sample.output / "report",
        [source],
        media_reader(),
        bundle=False,
        on_progress=lambda _number, _of: None,
    ).page


def test_page_and_data_stay_within_three_megabytes(many: Path) -> None:
    assert sum(path.stat().st_size for path in many.parent.rglob("*") if path.is_file()) <= MAX_BYTES


def test_document_never_has_more_than_400_cards(tab: Make, many: Path) -> None:
    page = tab(width=1440, height=900).open(many)
    cards = "document.querySelectorAll('article').length"
    assert page.locator("[role=status]").inner_text() == f"{JOBS:,} of {JOBS:,}"
    assert 0 < page.evaluate(cards) <= MAX_CARDS

    for part in (0.1, 0.37, 0.9, 1):
        page.evaluate("part => scrollTo(0, part * document.documentElement.scrollHeight)", part)
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert 0 < page.evaluate(cards) <= MAX_CARDS
        seen = page.evaluate(
            "[...document.querySelectorAll('article')].filter(each => {"
            " const { top, bottom } = each.getBoundingClientRect(); return bottom > 0 && top < innerHeight; }).length"
        )
        assert seen >= 3
    assert page.evaluate("document.querySelector('article:last-of-type').ariaPosInSet") == str(JOBS)

    # Whatever the height of the window; drawing a real one takes long.
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("() => { Object.defineProperty(window, 'innerHeight', { value: 60000 }); grid.layout(); }")
    assert MAX_CARDS / 2 < page.evaluate(cards) <= MAX_CARDS


def test_filter_narrows_thousands_and_the_last_card_is_reached_by_keyboard(tab: Make, many: Path) -> None:
    page = tab(width=1440, height=900).open(many, "#sort=key")
    total = page.evaluate(
        "app.model.jobs.filter(each => each.image === 'red' && each.decision === 'approved').length"
    )
    assert total > 100

    page.fill("input[type=search]", "image:red decision:approved")

    assert page.locator("[role=status]").inner_text() == f"{total:,} of {JOBS:,}"
    page.fill("input[type=search]", "")
    page.locator("input[type=search]").blur()
    page.evaluate("grid.focus(grid.jobs.length - 2)")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.closest('article').ariaPosInSet") == str(JOBS)


def test_filter_creates_only_visible_cards_and_keeps_those_that_stay(tab: Make, many: Path) -> None:
    page = tab(width=1440, height=900).open(many, "#q=image%3Ared")
    kept = page.evaluate("() => (window.kept = document.querySelector('article')).dataset.key")

    # All in one task of the page: it creates the rest when it is idle.
    made, found = page.evaluate(
        """words => {
            const search = document.querySelector("input[type=search]"), before = cardsMade;
            search.value = words;
            search.dispatchEvent(new Event("input", {bubbles: true}));
            return [cardsMade - before, grid.jobs.length];
        }""",
        f"image:red {kept.split('/')[3]}",
    )

    assert 100 < found <= 300
    assert made <= 50
    assert page.evaluate("window.kept.isConnected && document.querySelector('article') === window.kept")
    # The rest follows, so that the browser's own search finds it.
    page.wait_for_function("count => document.querySelectorAll('article').length === count", arg=found)


def test_facets_with_many_values_are_folded(tab: Make, many: Path) -> None:
    page = tab().open(many)
    variants = '.facets input[data-field="matrix.variant"]'

    assert page.locator(variants).count() == 8
    page.get_by_role("button", name="All 26").click()
    assert page.locator(variants).count() == 26


def test_back_from_a_job_far_down_shows_its_card_again(tab: Make, many: Path) -> None:
    page = tab(width=1440, height=900).open(many)
    focused = "document.activeElement.closest('article')?.dataset.key"
    page.evaluate("grid.focus(3000)")
    key = page.evaluate(focused)
    stood = page.evaluate("scrollY")

    page.keyboard.press("Enter")
    page.keyboard.press("Escape")

    assert page.evaluate(focused) == key
    assert page.evaluate("scrollY") == stood
