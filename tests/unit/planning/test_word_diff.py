"""Changes to a text are shown word by word, and never cut off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.planning.word_diff import LONGEST_WHOLE, Span, text_changes

FILLER = "the red shoe stands in the light of an early morning and turns a little "
LONG = FILLER * 5


def side(spans: tuple[Span, ...]) -> str:
    return "".join(span.text for span in spans)


def shown(old: str, new: str) -> list[tuple[str, str]]:
    return [(side(each.old), side(each.new)) for each in text_changes(old, new)]


def changed(old: str, new: str) -> list[tuple[str, str]]:
    """The coloured words on both sides of each change."""
    return [
        (
            "|".join(span.text for span in each.old if span.changed),
            "|".join(s.text for s in each.new if s.changed),
        )
        for each in text_changes(old, new)
    ]


def test_short_texts_are_shown_whole_with_changed_words() -> None:
    assert shown("a slow walk", "a quick walk") == [("a slow walk", "a quick walk")]
    assert changed("a slow walk home", "a quick walk away") == [("slow|home", "quick|away")]


@pytest.mark.parametrize("where", ["at the start", "in the middle", "at the end"])
def test_long_text_is_shown_around_the_change(where: str) -> None:
    frames = {
        "at the start": ("{} " + LONG),
        "in the middle": (LONG + "{} " + LONG),
        "at the end": (LONG + "{}"),
    }
    old, new = frames[where].format("slowly"), frames[where].format("quickly")

    [(before, after)] = shown(old, new)

    assert "slowly" in before
    assert "quickly" in after
    assert len(before) < LONGEST_WHOLE
    assert changed(old, new) == [("slowly", "quickly")]


def test_change_in_a_text_without_spaces_is_one_of_letters() -> None:
    long = "红色的鞋子在清晨的光线下慢慢转动" * 20
    old, new = f"{long}猫{long}", f"{long}狗{long}"

    [(before, after)] = shown(old, new)

    assert changed(old, new) == [("猫", "狗")]
    assert len(before) < LONGEST_WHOLE
    assert len(after) < LONGEST_WHOLE
    assert changed("靴が歩くx", "靴は歩くy") == [("が|x", "は|y")]


def test_distant_changes_are_shown_separately() -> None:
    old, new = f"slow {LONG} red {LONG}", f"fast {LONG} blue {LONG}"

    assert changed(old, new) == [("slow", "fast"), ("red", "blue")]


def test_nearby_changes_are_shown_together() -> None:
    assert changed(f"{LONG} a slow red shoe", f"{LONG} a quick blue shoe") == [("slow red", "quick blue")]


def test_addition_is_shown_with_its_context() -> None:
    [(before, after)] = shown(f"{LONG}and stops", f"{LONG}and slowly stops")

    assert before.endswith("turns a little and stops")
    assert after.endswith("turns a little and slowly stops")


def test_changed_white_space_is_a_change() -> None:
    assert changed(f"{LONG}a walk", f"{LONG}a  walk") == [("", " ")]


def test_text_without_spaces_starts_at_the_difference() -> None:
    old, new = "光" * 3000 + "影" + "光" * 3000, "光" * 3000 + "水" + "光" * 3000

    [(before, after)] = shown(old, new)

    assert "影" in before
    assert "水" in after
    assert len(before) < 300


def test_completely_replaced_text_is_truncated() -> None:
    [(before, after)] = shown("a " * 3000, "b " * 3000)

    assert before.startswith("a ")
    assert after.startswith("b ")
    assert len(before) + len(after) < 600


words = st.lists(st.sampled_from(["a", "slow", "walk", "  ", "\n", "光", "x" * 250, "."]), max_size=80)
texts = st.one_of(st.text(max_size=400), words.map("".join), words.map(" ".join))


@given(texts, texts)
def test_both_sides_of_any_change_differ(old: str, new: str) -> None:
    found = shown(old, new)

    if old == new:
        assert [before for before, after in found if before != after] == []
    else:
        assert found
        assert all(before != after for before, after in found)
