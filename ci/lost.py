"""Prints which results a branch has lost: files that are gone or were replaced, with purchases that are unknown now.

    git log --raw --no-abbrev -z --format= … | lost.py RESULTS…   RESULTS: those that the branch holds now; the log,
                                                                  newest first, is of deleted and changed ones
    git diff-tree -r --raw --no-abbrev -z … | lost.py --missing RESULTS…   instead, for each that is gone: the blob,
                                                                           its path and the folder of its manifest
    git log --raw --no-abbrev -z --format= … | lost.py --ever     instead, those that ever held a purchase

Needs git and Python's standard library only.
"""

import json
import os
import posixpath
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# So many versions of each file that is there are looked at. The next run refuses to go on once one was replaced, so a
# later look need not go further back, however often runs publish.
_VERSIONS = 20


# Its status, the blob before and after it, and the path.
_Change = tuple[str, str, str, str]


def main(arguments: list[str]) -> int:
    """Print what is asked for."""
    changes = _changes(sys.stdin.buffer.read())
    if arguments == ["--ever"]:
        lines = _ever_held(changes)
    elif arguments[:1] == ["--missing"]:
        gone = _lost(changes, kept=arguments[1:])
        lines = (f"{blob}\t{path}\t{_folder_of_manifest(path, _content(blob))}" for blob, path, _ in gone)
    else:
        lines = (f"{path} {what}" for _, path, what in _lost(changes, kept=arguments))
    for line in lines:
        print(line)
    return 0


def _ever_held(changes: Iterator[_Change]) -> Iterator[str]:
    """The files that held a purchase, or of which nobody can know it."""
    for status, _, blob, path in changes:
        if blob and status != "D" and not _is_without_purchases(_content(blob)):
            yield path


def _lost(changes: Iterator[_Change], kept: list[str]) -> Iterator[tuple[str, str, str]]:
    """Compare what the log shows with the files `kept`. What was never bought (void) may go.

    Yields each blob, its path, and what happened to it.
    """
    known = _known(kept)
    looked_at: Counter[str] = Counter()
    void: defaultdict[str, set[str]] = defaultdict(set)
    for change, blob, _, path in changes:
        if not blob:
            continue
        is_changed = change == "M"
        looked_at[path] += is_changed
        # Where results that are there cannot be read, the run says so itself.
        if is_changed and (looked_at[path] > _VERSIONS or known is None):
            continue
        found = _purchases(_content(blob))
        # Nobody knows what one held that cannot be read. One that was mended has versions before it.
        if found is None and is_changed:
            continue
        if found is None or known is None or _bought(found, void[path]) - known:
            yield blob, path, "was replaced on" if is_changed else "is gone from"
        void[path] |= {each for each, status in (found or {}).items() if status == "void"}


def _bought(found: dict[str, str], void: set[str]) -> set[str]:
    """What of `found` was bought or may have been, if later versions of its file have `void` as void."""
    return {
        each
        for each, status in found.items()
        if status != "void" and not (status == "submitting" and each in void)
    }


def _changes(log: bytes) -> Iterator[_Change]:
    """Each change in the output of git; no blob stands for what is no regular file, since runs publish only those."""
    words = iter(log.decode("utf-8", "surrogateescape").split("\0"))
    for about in words:
        if about:
            was, became, before, after, status = about.removeprefix(":").split()
            is_file, is_one_now = was.startswith("100"), became.startswith("100")
            yield status[0], before if is_file else "", after if is_one_now else "", next(words)


def _content(blob: str) -> bytes:
    # A partial clone fetches it, without the hooks of the checkout, and with the same credentials as `records.sh`.
    own = ["-c", "core.hooksPath=/dev/null"]
    if os.environ.get("CAMPAIGN_PUSH_TOKEN"):
        own += ["-c", "credential.helper="]
    command = ["git", *own, "cat-file", "blob", blob]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603 - git's own id


def _folder_of_manifest(path: str, content: bytes) -> str:
    """The folder that had the manifest of the results at `path`: as they say, or else theirs.

    Of a branch for results, the path is as if its folder were the top of the checkout.
    """
    with suppress(ValueError, KeyError, TypeError):
        path = posixpath.join(posixpath.dirname(path), json.loads(content)["manifest"])
    folder = posixpath.dirname(posixpath.normpath(path).removeprefix("../"))
    return f"{folder}/" if folder else ""


def _known(paths: list[str]) -> set[str] | None:
    known: set[str] = set()
    for path in paths:
        found = _purchases(Path(path).read_bytes())
        if found is None:
            return None
        known |= found.keys()
    return known


def _is_without_purchases(content: bytes) -> bool:
    try:
        return bool(json.loads(content)["purchases"] == [])
    except (ValueError, KeyError, TypeError):
        return False


def _purchases(content: bytes) -> dict[str, str] | None:
    """The status of each purchase in results, by its id; None if they cannot be read."""
    try:
        return {each["id"]: each["status"] for each in json.loads(content).get("purchases", [])}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
