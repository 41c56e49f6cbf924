"""Prints which results have purchases that are unknown here.

    git diff-tree -r --raw --no-abbrev -z … | lost.py RESULTS…       RESULTS: those that are known
    git log --raw --no-abbrev -z --format= … | lost.py RESULTS…      newest first

For each file of results in what git shows, as it was before the change: its blob, its path and that of its manifest.

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

# The status of each purchase, by its id, and its workflow at the vendor.
Purchases = dict[str, tuple[str, str | None]]


def main(known: list[str]) -> int:
    """Print what is not known."""
    for blob, path, content in _unknown(_changes(sys.stdin.buffer.read()), known):
        line = f"{blob}\t{path}\t{_manifest(path, content)}\n"
        sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape"))
    return 0


def _unknown(changes: Iterator[tuple[str, str, str]], paths: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Each blob that has other purchases than the files at `paths`, its path and content.

    What was never bought (void) may go.
    """
    known = _known(paths)
    looked_at: Counter[str] = Counter()
    void: defaultdict[str, set[str]] = defaultdict(set)
    for change, blob, path in changes:
        is_changed = change == "M"
        looked_at[path] += is_changed
        if is_changed and looked_at[path] > _VERSIONS:
            continue
        content = _content(blob)
        found = _purchases(content)
        # Nobody knows what one held that cannot be read. One that was mended has versions before it.
        if found is None and is_changed:
            continue
        if found is None or known is None or _bought(found, void[path]) - known:
            yield blob, path, content
        void[path] |= {each for each, (status, _) in (found or {}).items() if status == "void"}


def _bought(found: Purchases, void: set[str]) -> set[str]:
    """What of `found` was bought or may have been, if later versions of its file have `void` as void.

    Its ids, and the workflows of those that have one.
    """
    bought = {
        each: workflow
        for each, (status, workflow) in found.items()
        if status != "void" and not (status == "submitting" and each in void)
    }
    return bought.keys() | {_workflow_of(each) for each, workflow in bought.items() if workflow}


def _workflow_of(bought: str) -> str:
    return f"{bought} has a workflow"


def _changes(log: bytes) -> Iterator[tuple[str, str, str]]:
    """Each change of a regular file, since runs publish only those: its status, the blob before it, and the path."""
    words = iter(log.decode("utf-8", "surrogateescape").split("\0"))
    for about in words:
        if about:
            was, _, blob, _, status = about.removeprefix(":").split()
            path = next(words)
            if was.startswith("100"):
                yield status[0], blob, path


def _content(blob: str) -> bytes:
    # A partial clone fetches it, without the hooks of the checkout, and with the same credentials as `records.sh`.
    own = ["-c", "core.hooksPath=/dev/null"]
    if os.environ.get("CAMPAIGN_PUSH_TOKEN"):
        own += ["-c", "credential.helper="]
    command = ["git", *own, "cat-file", "blob", blob]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout  # noqa: S603 - git's own id


def _manifest(path: str, content: bytes) -> str:
    """The manifest that the results at `path` name; without one, their own path.

    Of a branch for results, the path is as if its folder were the top of the checkout.
    """
    with suppress(ValueError, KeyError, TypeError):
        path = posixpath.join(posixpath.dirname(path), json.loads(content)["manifest"])
    return posixpath.normpath(path).removeprefix("../")


def _known(paths: list[str]) -> set[str] | None:
    known: set[str] = set()
    for path in paths:
        found = _purchases(Path(path).read_bytes())
        if found is None:
            return None
        known |= found.keys()
        # Where it is still open whether a purchase was made, its workflow is not known.
        known |= {
            _workflow_of(each)
            for each, (status, workflow) in found.items()
            if workflow or status not in ("submitting", "attention")
        }
    return known


def _purchases(content: bytes) -> Purchases | None:
    """The purchases in results; None if they cannot be read."""
    try:
        found = json.loads(content)["purchases"]
        return {each["id"]: (each["status"], each.get("workflow_id")) for each in found}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
