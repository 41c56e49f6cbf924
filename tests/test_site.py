"""The documentation site: built strictly, every page in its navigation, and every link has a target."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]


class Page(HTMLParser):
    """The links, resources and anchors of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "link" and "href" in given:
            self.loaded.add(given["href"])
        elif "src" in given:
            self.loaded.add(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, ROOT / "docs" / "build_site.py", folder],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stdout + built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page(file) for file in site.rglob("*.html") if file.name != "404.html"}


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("--folder", 2)])
def test_flags_are_no_folders(tmp_path: Path, argument: str, code: int) -> None:
    asked = subprocess.run(
        [sys.executable, ROOT / "docs" / "build_site.py", argument],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )

    assert asked.returncode == code
    assert "usage: build_site.py" in asked.stdout + asked.stderr
    assert not list(tmp_path.iterdir())


def test_site_begins_with_what_the_tool_is_for(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")

    first = re.search(r"<article.*?<p>(.*?)</p>", text, re.DOTALL)
    assert first is not None
    assert first[1].startswith("<code>pipeline</code> turns a YAML file")


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Page]) -> None:
    overview = site / "index.html"
    navigated = {
        (site / urlsplit(link).path).resolve()
        for link in pages[overview].links
        if not urlsplit(link).scheme and urlsplit(link).path
    }
    written = {
        (site / file.relative_to(ROOT / "docs").with_suffix(".html"))
        for file in (ROOT / "docs").rglob("*.md")
        if file.name != "README.md"
    }

    assert written <= navigated


def test_links_of_the_site_have_targets(site: Path, pages: dict[Path, Page]) -> None:
    lost = []
    for file, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (
                parts.fragment and unquote(parts.fragment) not in pages[target].anchors
            ):
                lost.append(f"{file.relative_to(site)}: {link}")

    assert lost == []


def test_pages_load_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for file, page in pages.items():
        for address in page.loaded:
            assert not urlsplit(address).netloc, f"{file.relative_to(site)}: {address}"
            assert (file.parent / urlsplit(address).path).exists(), f"{file.relative_to(site)}: {address}"


def test_pictures_on_a_page_follow_the_theme_of_the_site(site: Path, pages: dict[Path, Page]) -> None:
    shown = {link for page in pages.values() for link in page.loaded if ".webp" in link}
    names = {Path(urlsplit(each).path).stem.rpartition("-")[0] for each in shown}

    assert names
    assert {each.rpartition("/")[2] for each in shown} == {
        f"{name}-{theme}.webp#only-{theme}" for name in names for theme in ("light", "dark")
    }
