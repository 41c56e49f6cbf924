"""One word for one thing: no name in the code contains a word that was replaced by another."""

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"
FOLDERS = ("pipeline", "tests", "ci", "benchmarks", "docs", "examples")

# The current words. A name is split at `_` and at capitals, so `poll_ceiling` contains `ceiling`.
GIVEN_UP = {
    "mark": "purchase_id",
    "marks": "purchase_ids",
    "marked": "to be bought again",
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
# Names in which the new word, or a word of the contract, contains an old one.
STILL_GOOD = {"in_flight", "InFlight", "in_place", "IN_PLACE", "is_in_place", "assert_in_place"}
CLASSES_GIVEN_UP = {"Answer", "Contents", "Known", "Line", "Notes", "Order", "OutcomeLost"}


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The names of its classes, their fields, functions and parameters; a test's own name is an English sentence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    yield each.target.id, each.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("test_"):
                yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno


def _plain_ids(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Parameters that hold the id of a purchase but do not have its type."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg.strip("_") in {"purchase", "purchase_id"}:
            annotation = "" if node.annotation is None else ast.unparse(node.annotation)
            if annotation in {"str", "str | None"}:
                yield node.arg, node.lineno


def _good_here(path: Path) -> set[str]:
    """Old words with a meaning of their own in a module: media facts are the contract's, a scene is filmed."""
    if not path.is_relative_to(PACKAGE):
        return {"facts", "scene"}
    return {"facts"} if path.relative_to(PACKAGE).parts[0] in {"media", "report", "serve"} else set()


def _old_words(path: str, source: bytes, good_here: Collection[str] = ()) -> Iterator[str]:
    tree = ast.parse(source)
    for name, line in [(Path(path).stem, 0), *_names(tree)]:
        rest = name
        for good in STILL_GOOD:
            rest = rest.replace(good, "")
        old = [word for word in _words(rest) if word in GIVEN_UP and word not in good_here]
        if old:
            yield f"{path}:{line}: {name}: say {GIVEN_UP[old[0]]}"
        elif name.strip("_") in CLASSES_GIVEN_UP:
            yield f"{path}:{line}: {name}: given up for another word"
    for name, line in _plain_ids(tree):
        yield f"{path}:{line}: {name}: say purchase_id: PurchaseId"


def test_no_name_contains_a_discarded_word() -> None:
    found = [
        each
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        for each in _old_words(path.relative_to(ROOT).as_posix(), path.read_bytes(), _good_here(path))
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "class _Answer: ...",
        "class A:\n    marked: int = 0",
        "def settled(): ...",
        "async def settled(): ...",
        "async def f(*, poll_ceiling): ...",
        "def f(purchase: str): ...",
        "def f(_purchase_id: str | None = None): ...",
    ],
)
def test_no_form_of_a_name_hides_a_discarded_word(source: str) -> None:
    assert len(list(_old_words("pipeline/new.py", source.encode()))) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("poll_ceiling", ["poll", "ceiling"]), ("HTTPLine", ["http", "line"]), ("as2", ["as2"])],
)
def test_names_are_split_into_words(name: str, words: list[str]) -> None:
    assert _words(name) == words
