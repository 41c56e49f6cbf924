"""Tells the steps that follow what saved plans hold, one NAME=VALUE a line, as GITHUB_OUTPUT takes them.

    plans.py FOLDER           of all plans in a folder, and which campaigns they are: `all`, `matrix`
    plans.py --field NAME FILE   one text of one plan

Needs Python's standard library only.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = ".plan.json"
# What a run would do nothing about.
_UNCHANGED = frozenset({"keep", "orphan", "pinned", "wait"})


def main(arguments: list[str]) -> int:
    """Print what is asked for."""
    match arguments:
        case ["--field", name, file]:
            print(json.loads(Path(file).read_text("utf-8"))[name])
        case [folder] if not folder.startswith("-"):
            for name, value in outputs(Path(folder)).items():
                print(f"{name}={value}")
        case _:
            print("usage: plans.py FOLDER, or plans.py --field NAME FILE", file=sys.stderr)
            return 64
    return 0


def outputs(folder: Path) -> dict[str, str]:
    """What the plans in `folder` come to. `credits` is empty where a price is not known."""
    plans = dict(_plans(folder))
    summaries = [plan["summary"] for plan in plans.values()]
    known = all(not each["unpriced"] for each in summaries)
    every = [
        {
            "campaign": plan["campaign"],
            "manifest": _in_checkout(path.parent / plan["manifest"]),
            "plan": path.as_posix(),
        }
        for path, plan in plans.items()
    ]
    changed = [each for each, plan in zip(every, plans.values(), strict=True) if _changes(plan)]
    return {
        "changes": json.dumps(bool(changed)),
        "creates": str(sum(each["creates"] for each in summaries)),
        "credits": str(sum(each["credits"] or 0 for each in summaries)) if known else "",
        # One line: line breaks are escaped in it.
        "matrix": json.dumps(changed),
        "all": json.dumps(every),
        "plan-json": folder.as_posix(),
    }


def _in_checkout(manifest: Path) -> str:
    """The path of a manifest from the top of the checkout; ends the program if it is elsewhere."""
    try:
        return manifest.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        print(f"{manifest.resolve()} is outside this checkout, so it cannot run in CI.", file=sys.stderr)
        sys.exit(64)


def _plans(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        yield path, json.loads(path.read_text("utf-8"))


def _changes(plan: dict[str, Any]) -> bool:
    return any(each["action"] not in _UNCHANGED for each in plan["actions"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
