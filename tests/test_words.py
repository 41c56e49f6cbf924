"""One word for one thing, and the field's: no name in the code bears a word that was given up for another."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"

# What they are called now. A name is taken apart at `_` and at capitals, so `poll_ceiling` has `ceiling` in it.
GIVEN_UP = {
    "mark": "purchase_id",
    "marks": "purchase_ids",
    "owner": "purchase_id",
    "scene": "workspace",
    "place": "workspace, location or phase",
    "places": "locations",
    "facts": "campaign state",
    "air": "calls",
    "till": "executor",
    "hands": "threads",
    "books": "journal",
    "customers": "served jobs",
    "settle": "apply outcome",
    "settled": "apply outcome",
    "settling": "apply outcome",
    "traffic": "in flight",
    "flight": "tracked purchase",
    "flights": "tracked purchases",
    "land": "on done",
    "landed": "downloaded",
    "landing": "downloader",
    "following": "tracker",
    "polling": "poller",
    "serving": "assignment",
    "fitting": "matcher",
    "fits": "matches",
    "shelf": "output folder",
    "incoming": "streamed response",
    "unanswered": "transport error",
    "ceiling": "max poll interval",
    "standing": "job status",
    "manner": "verbosity",
    "workplace": "what each part uses",
    "surroundings": "environment",
}
# Where the new word, or a word of the contract, holds an old one.
STILL_GOOD = {"in_flight", "InFlight", "in_place", "IN_PLACE", "is_in_place", "assert_in_place"}
CLASSES_GIVEN_UP = {"Answer", "Contents", "Known", "Line", "Notes", "Order", "OutcomeLost"}


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def _names(path: Path) -> Iterator[tuple[str, int]]:
    """Its own name, and those of its classes, functions and parameters."""
    yield path.stem, 0
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def _contract_words(path: Path) -> set[str]:
    """Old words that are the contract's there: what a file shows is called its media facts."""
    return {"facts"} if path.relative_to(PACKAGE).parts[0] in {"media", "report", "serve"} else set()


def _old_words() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, line in _names(path):
            rest = name
            for good in STILL_GOOD:
                rest = rest.replace(good, "")
            old = [word for word in _words(rest) if word in GIVEN_UP and word not in _contract_words(path)]
            where = f"{path.relative_to(ROOT)}:{line}: {name}"
            if old:
                yield f"{where}: say {GIVEN_UP[old[0]]}"
            elif name in CLASSES_GIVEN_UP:
                yield f"{where}: given up for another word"


def test_no_name_bears_a_word_that_was_given_up() -> None:
    assert list(_old_words()) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("poll_ceiling", ["poll", "ceiling"]), ("HTTPLine", ["http", "line"]), ("as2", ["as2"])],
)
def test_names_are_taken_apart_into_their_words(name: str, words: list[str]) -> None:
    assert _words(name) == words
