"""Suggestions for a name that does not exist: found among few names and among very many, at a bounded cost."""

import itertools
from collections.abc import Iterator

import pytest

from pipeline.errors import Suggestions, did_you_mean, nearest, there_are


@pytest.mark.parametrize(
    ("word", "known", "near"),
    [
        ("titel", ["title", "tags"], "title"),
        ("zebra", ["title", "tags"], None),
        ("", ["title"], None),
        ("title", [], None),
        ("x" * 100_000, ["title"], None),
        ("title", ["t" * 100_000, "titles"], "titles"),
    ],
)
def test_nearest_name_is_found_if_any_is_near(word: str, known: list[str], near: str | None) -> None:
    assert nearest(word, known) == near
    assert did_you_mean(word, known) == (f"; did you mean '{near}'?" if near else "")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("\u0455eason", "season"),
        ("season", "\u0455eason"),
        ("\u0441\u043e\u0441\u043e", "coco"),
        ("\uff41\uff42", "ab"),
    ],
)
def test_name_that_looks_the_same_is_told_apart(word: str, name: str) -> None:
    word_in_ascii, name_in_ascii = (
        each.encode("ascii", "backslashreplace").decode() for each in (word, name)
    )
    hint = f"; did you mean '{name_in_ascii}'? '{word_in_ascii}' only looks like it"
    assert did_you_mean(word, ["other", name]) == hint


def test_word_has_the_same_hint_once_no_more_are_compared() -> None:
    suggestions = Suggestions(left=2)
    hints = [suggestions.did_you_mean(word, ["title"]) for word in ("titel", "x", "titel", "titlee", "x")]
    assert hints == ["; did you mean 'title'?", "", "; did you mean 'title'?", "", ""]


def test_nearest_is_found_among_many() -> None:
    names = [f"{kind}-{number:05}" for number in range(5_000) for kind in ("shoe", "hat", "glove")]
    assert nearest("glvoe-04321", names) == "glove-04321"


def test_number_of_names_compared_is_limited() -> None:
    looked_at = itertools.count()
    names = (f"name {next(looked_at)}" for _ in itertools.count())
    assert nearest("nme 7", names) == "name 7"
    assert next(looked_at) <= 100_001


def test_message_lists_the_first_names_without_looking_at_the_others() -> None:
    class Names(dict[str, int]):
        def __iter__(self) -> Iterator[str]:
            for name in super().__iter__():
                looked_at.append(name)
                yield name

    looked_at: list[str] = []
    assert there_are(Names.fromkeys(map(str, range(10_000)), 1)).endswith("'7' and 9992 more")
    assert len(looked_at) <= 9
    assert there_are(iter(["a", "b"])) == "; there are 'a', 'b'"
    assert there_are(["a"]) == "; there is 'a'"
    assert there_are([]) == "; there is none at all"


def test_few_of_many_names_are_compared_letter_by_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(_word: str, names: list[str], **_settings: object) -> list[str]:
        compared.extend(names)
        return []

    monkeypatch.setattr("difflib.get_close_matches", compare)
    assert nearest("shoe-7x", [f"shoe-{number}" for number in range(15_000)]) is None
    assert len(compared) <= 100
