#!/usr/bin/env python3
"""Builds the site of the documentation, strictly: a warning is an error.

`python docs/build_site.py [FOLDER]` empties the folder (`build/site` by default) and writes the site to its `html`.

The pages are those of `docs/`, in the order of the index in `docs/README.md`. What they link to elsewhere in the
repository (an example, a source file) becomes a page of the site too, so that a link holds here as it does on GitHub.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"

FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
# A picture of the page, of which there is one for each theme.
PICTURE = re.compile(r"(!\[[^\]]*\]\()([^)\s#]+)-(?:light|dark)\.webp\)")
SECTION = re.compile(r"^\*\*(.+)\*\*$")
ENTRY = re.compile(r"^- \[(.+?)\]\(([^)]+)\)")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".csv": "text", ".tsv": "text"}


class Site:
    """The pages as they are written, each once; what a page links to is written when the page is."""

    def __init__(self, pages: Path) -> None:
        self.pages = pages
        self._written: set[Path] = set()

    def page(self, source: Path) -> Path:
        """Where `source`, a file or folder of the repository, stands in the site."""
        target = self.pages / _name(source)
        if source not in self._written:
            self._written.add(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.suffix == ".md":
                target.write_text(self._linked(source.read_text("utf-8"), source.parent, target), "utf-8")
            elif source.is_dir():
                target.write_text(self._folder(source, target), "utf-8")
            elif target.suffix == ".md":
                target.write_text(f"# {source.name}\n\n{_fenced(source)}\n", "utf-8")
            else:
                shutil.copy(source, target)
        return target

    def _folder(self, source: Path, target: Path) -> str:
        readme = source / "README.md"
        text = readme.read_text("utf-8") if readme.exists() else f"# {source.name}\n"
        files = "\n\n".join(f"## `{file.relative_to(source)}`\n\n{_fenced(file)}" for file in _texts(source))
        return f"{self._linked(text, source, target)}\n{files}\n"

    def _linked(self, text: str, folder: Path, target: Path) -> str:
        """`text` with its links to files of the repository, as seen from `folder`, made links of the site."""

        def linked(found: re.Match[str]) -> str:
            if "://" in found[2]:
                return found[0]
            to = self.page((folder / found[2]).resolve())
            return f"{found[1]}{os.path.relpath(to, target.parent)}{found[3]}"

        # The site shows that of its own theme; on GitHub, Markdown can name only one.
        text = PICTURE.sub(r"\1\2-light.webp#only-light)\n\1\2-dark.webp#only-dark)", text)
        fences = [match.span() for match in FENCE.finditer(text)]
        return LINK.sub(
            lambda found: found[0] if any(a < found.start() < b for a, b in fences) else linked(found), text
        )


def _name(source: Path) -> Path:
    """The name of a page, relative to those of the site."""
    if source == INDEX:
        return Path("index.md")
    inside = source.is_relative_to(DOCS)
    name = source.relative_to(DOCS) if inside else Path("repository", source.relative_to(ROOT))
    if source.is_dir():
        return name / "index.md"
    if source.name == "README.md" and not inside:
        return name.with_name("readme.md")
    return name if inside or source.suffix in {".md", ".png", ".webp"} else name.with_name(f"{name.name}.md")


def _texts(folder: Path) -> Iterator[Path]:
    """What somebody reads in a folder: what git knows of it, without its README and its images."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", "."], cwd=folder, check=True, capture_output=True, encoding="utf-8"
    )
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        if Path(name).suffix in LANGUAGES:
            yield folder / name


def _fenced(file: Path) -> str:
    return f"````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text('utf-8').rstrip()}\n````"


def navigation(site: Site) -> list[dict[str, object]]:
    """The index of `docs/README.md`: its sections, each with its pages."""
    parts: list[dict[str, object]] = [{"Overview": str(site.page(INDEX).relative_to(site.pages))}]
    entries: list[dict[str, str]] = []
    for line in INDEX.read_text("utf-8").splitlines():
        if found := SECTION.match(line):
            entries = []
            parts.append({found[1]: entries})
        elif found := ENTRY.match(line):
            to = site.page((DOCS / found[2]).resolve())
            entries.append({found[1]: str(to.relative_to(site.pages))})
    return parts


def main() -> int:
    """Write the pages, then have zensical build them; its exit code."""
    parser = argparse.ArgumentParser(description="Build the site of the documentation, strictly.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=ROOT / "build" / "site",
        help="where to build: it is emptied, and the site is written to its html (default: build/site)",
    )
    build: Path = parser.parse_args().folder.resolve()
    shutil.rmtree(build, ignore_errors=True)
    pages = build / "pages"
    pages.mkdir(parents=True)
    settings = {
        "INHERIT": os.path.relpath(ROOT / "mkdocs.yml", build),
        "docs_dir": pages.name,
        "site_dir": "html",
        "nav": navigation(Site(pages)),
    }
    config = build / "mkdocs.yml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), "utf-8")
    program = Path(sys.executable).with_name("zensical")
    return subprocess.run([program, "build", "--strict", "--config-file", config], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
