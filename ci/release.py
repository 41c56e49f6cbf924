"""Checks that a tag may be released, and prints what the changelog says of it.

    python ci/release.py v1.2.3

Exit code 1, with what is wrong, where it may not.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
# Where people are told which version to install.
_INSTALLED = re.compile(r"campaign-pipeline(?:\[[\w,]+\])?==([^\s'\"]+)")
_USED = re.compile(r"(?:campaign-pipeline@|rev: )v([^\s#]+)")
_PINNED = {
    "pipeline/cli/starter/workflow.yml": _INSTALLED,
    "docs/how-to/ci.md": _USED,
    "docs/how-to/cluster.md": _INSTALLED,
    "docs/how-to/gallery.md": _INSTALLED,
    "docs/how-to/object-store.md": _INSTALLED,
    "docs/how-to/recover.md": _INSTALLED,
    "docs/how-to/operations.md": _INSTALLED,
    "docs/how-to/serve.md": _INSTALLED,
    "docs/how-to/team-state.md": _INSTALLED,
    "docs/how-to/webhooks.md": _INSTALLED,
    "examples/gitops/.github/workflows/comment.yml": _USED,
    "examples/gitops/.github/workflows/plan.yml": _USED,
    "examples/gitops/.github/workflows/run.yml": _USED,
    "examples/gitops/.gitlab-ci.yml": re.compile(r"(?:ref|REF): v(\S+)"),
    "examples/shards/.github/workflows/run.yml": _USED,
    "examples/shards/Dockerfile": re.compile(r"campaign-pipeline:(\S+)"),
}


def section(changelog: str, version: str) -> tuple[str, str] | None:
    """The date and the text of a version in a changelog; None where it has none."""
    headings = list(_HEADING.finditer(changelog))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if heading["name"] == version:
            end = len(changelog) if following is None else following.start()
            return heading["date"] or "", changelog[heading.end() : end].strip()
    return None


def problems(root: Path, tag: str) -> Iterator[str]:
    """What keeps the commit in `root` from being released as `tag`."""
    version = str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"])
    if tag != f"v{version}":
        yield f"the tag is {tag}, but pyproject.toml has the version {version}: expected the tag v{version}"
    if not _VERSION.fullmatch(version):
        yield f"pyproject.toml: {version} is no version of the form 1.2.3"
    found = section((root / "CHANGELOG.md").read_text("utf-8"), version)
    if found is None:
        yield f"CHANGELOG.md: there is no section '## [{version}] - DATE'"
    else:
        date, text = found
        if not _DATE.fullmatch(date):
            yield f"CHANGELOG.md: the section of {version} has no date: '## [{version}] - YYYY-MM-DD'"
        if not text:
            yield f"CHANGELOG.md: the section of {version} says nothing"
    yield from pinned_otherwise(root, version)


def pinned_otherwise(root: Path, version: str) -> Iterator[str]:
    """Where people are told to install another version, or none."""
    for name, pattern in _PINNED.items():
        named = pattern.findall((root / name).read_text("utf-8"))
        if set(named) != {version}:
            yield f"{name}: names {', '.join(sorted(set(named))) or 'no version'}, expected {version}"


def main(arguments: list[str]) -> int:
    """Check, and print the text for the release."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: release.py TAG, such as v1.2.3", file=sys.stderr)
        return 64
    [tag] = arguments
    found = list(problems(ROOT, tag))
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    notes = section((ROOT / "CHANGELOG.md").read_text("utf-8"), tag.removeprefix("v"))
    if not found and notes is not None:
        print(notes[1])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
