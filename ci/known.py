"""Tells by its exit code whether other results know every purchase of some results: 0 if they do, else 1.

    known.py RESULTS OTHERS…

Needs Python's standard library only.
"""

import json
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Compare the files. Where one cannot be read as results, nobody knows; what was never bought (void) may go."""
    try:
        bought = _purchases(arguments[0])
        known = {each for path in arguments[1:] for each in _purchases(path)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return 1
    return 0 if all(each in known or status == "void" for each, status in bought.items()) else 1


def _purchases(path: str) -> dict[str, str]:
    """The status of each purchase, by its id."""
    results = json.loads(Path(path).read_text("utf-8"))
    return {each["id"]: each["status"] for each in results.get("purchases", [])}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
