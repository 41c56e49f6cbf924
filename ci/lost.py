"""Prints which results a branch has lost: files that are gone or were replaced, with purchases that are unknown now.

    git log --raw --no-abbrev -z --format= … | lost.py RESULTS…

RESULTS are those that the branch holds now; the log, newest first, is of deleted and changed ones. Needs git and
Python's standard library only.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# So many versions of each file that is there are looked at. The next run refuses to go on once one was replaced, so a
# later look need not go further back, however often runs publish.
_VERSIONS = 20


def main(kept: list[str]) -> int:
    """Compare what the log shows with the files `kept`. What was never bought (void) may go."""
    known = _known(kept)
    looked_at: Counter[str] = Counter()
    for status, blob, path in _replaced(sys.stdin.buffer.read()):
        is_changed = status == "M"
        looked_at[path] += is_changed
        # Where results that are there cannot be read, the run says so itself.
        if is_changed and (looked_at[path] > _VERSIONS or known is None):
            continue
        held = _purchases(_content(blob))
        # Nobody knows what one held that cannot be read. One that was mended has versions before it.
        if held is None and is_changed:
            continue
        if held is None or known is None or not held <= known:
            print(f"{path} was replaced on" if is_changed else f"{path} is gone from")
    return 0


def _replaced(log: bytes) -> Iterator[tuple[str, str, str]]:
    """The status of each change, the blob before it, and the path."""
    words = iter(log.decode("utf-8", "surrogateescape").split("\0"))
    for about in words:
        if about:
            _, _, blob, _, status = about.split()
            yield status[0], blob, next(words)


def _content(blob: str) -> bytes:
    command = ["git", "cat-file", "blob", blob]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603 - git's own id


def _known(paths: list[str]) -> set[str] | None:
    known: set[str] = set()
    for path in paths:
        found = _purchases(Path(path).read_bytes(), with_void=True)
        if found is None:
            return None
        known |= found
    return known


def _purchases(content: bytes, *, with_void: bool = False) -> set[str] | None:
    """The ids of the purchases in results; None if they cannot be read."""
    try:
        purchases = json.loads(content).get("purchases", [])
        return {each["id"] for each in purchases if with_void or each["status"] != "void"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
