"""What each manifest in `tests/manifests/invalid` is told, kept in a file beside it.

To add a case, drop a file there and run `python tests/unit/manifest/golden.py`, which writes what is missing or
has changed; then read it. Files without a `name` of their own are bases, and no cases.
"""

import shutil
import tempfile
from pathlib import Path

from pipeline.errors import InvalidInput, Problem
from pipeline.manifest.expand import expand
from pipeline.manifest.load import load

MANIFESTS = Path(__file__).parents[2] / "manifests"


def cases(folder: str) -> list[str]:
    """The names of the campaigns in one of the folders; what lies below it belongs to them."""
    return sorted(path.name for path in (MANIFESTS / folder).glob("*.yaml"))


def project(parent: Path) -> Path:
    """A copy of the example manifests that is a project of its own, wherever this checkout lies."""
    root = parent / "project"
    shutil.copytree(MANIFESTS, root, symlinks=True)
    (root / ".git").mkdir()
    return root


def told(manifest: Path) -> str:
    """What a person is told of a manifest: each problem, and under it the line that it speaks of."""
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
    """Write what each invalid manifest is told."""
    with tempfile.TemporaryDirectory() as parent:
        root = project(Path(parent))
        for name in cases("invalid"):
            beside = (MANIFESTS / "invalid" / name).with_suffix(".txt")
            beside.write_text(told(root / "invalid" / name), encoding="utf-8")


if __name__ == "__main__":
    main()
