"""The problems reported for each manifest in `tests/manifests/invalid`, kept in a file beside it.

To add a case, put a file there and run `python tests/unit/manifest/golden.py`, which writes what is missing or has
changed; then review it. Files without their own `name` are bases, not cases.
"""

import shutil
import tempfile
from pathlib import Path

from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load

MANIFESTS = Path(__file__).parents[2] / "manifests"


def cases(folder: str) -> list[str]:
    """The names of the campaigns in one of the folders; files in its subfolders belong to them."""
    return sorted(path.name for path in (MANIFESTS / folder).glob("*.yaml"))


def project(parent: Path) -> Path:
    """A copy of the example manifests as a separate project, wherever this checkout is."""
    root = parent / "project"
    shutil.copytree(MANIFESTS, root, symlinks=True)
    (root / ".git").mkdir()
    return root


def report(manifest: Path) -> str:
    """The report on a manifest: each problem, and below it the line that it concerns."""
    problems: list[Problem] = []
    try:
        campaign = load(manifest, name=manifest.name)
        problems += campaign.warnings
        for _ in expand(campaign, problems.append):
            pass
    except InvalidInput as error:
        problems += error.problems
    return "".join(f"{problem.severity}: {problem}\n{_quoted(problem)}" for problem in problems)


def _quoted(problem: Problem) -> str:
    return f"    {problem.source.strip()}\n" if problem.source.strip() else ""


def main() -> None:
    """Write the report on each invalid manifest."""
    with tempfile.TemporaryDirectory() as parent:
        root = project(Path(parent))
        for name in cases("invalid"):
            beside = (MANIFESTS / "invalid" / name).with_suffix(".txt")
            beside.write_text(report(root / "invalid" / name), encoding="utf-8")


if __name__ == "__main__":
    main()
