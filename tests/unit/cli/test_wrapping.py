"""Lines are broken between words, and never within a command."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.terminal import width, wrapped

letters = st.text(st.characters(categories=["L", "N", "P"], exclude_characters="`"), min_size=1, max_size=12)
lines = st.lists(letters, max_size=30).map(" ".join)


@given(lines, st.integers(0, 8), st.integers(1, 60))
def test_no_word_is_broken_lost_or_moved(line: str, indent: int, columns: int) -> None:
    shown = list(wrapped(" " * indent + line, columns))

    assert " ".join(shown).split() == line.split()
    for each in shown:
        before, _, _word = each.rpartition(" ")
        has_no_more_room_below = len(before) + 1 <= min(indent + 2, columns // 2)
        assert width(each) <= columns or not before.strip() or has_no_more_room_below


def test_continuation_lines_are_indented_further() -> None:
    assert list(wrapped("  hero/a: failed: the reason is long", 20)) == [
        "  hero/a: failed:",
        "    the reason is",
        "    long",
    ]


def test_command_is_not_broken() -> None:
    shown = list(
        wrapped("Settle each: `pipeline resolve campaign.yaml 'a b' --workflow-id ID`, then go on", 60)
    )

    assert "  `pipeline resolve campaign.yaml 'a b' --workflow-id ID`," in shown


def test_command_longer_than_a_line_is_continued_so_that_it_can_be_pasted() -> None:
    key = "hero/one two/locale=fr"
    line = f"Resolve it: `pipeline resolve launch.yaml {shlex.quote(key)} --workflow-id ID` (see docs)"

    shown = list(wrapped(line, 46))

    assert shown == [
        "Resolve it:",
        "  `pipeline resolve launch.yaml \\",
        "  'hero/one two/locale=fr' --workflow-id ID`",
        "  (see docs)",
    ]
    pasted = "\n".join(shown).split("`")[1].replace("\\\n", "")
    assert shlex.split(pasted) == ["pipeline", "resolve", "launch.yaml", key, "--workflow-id", "ID"]


def test_quoted_text_that_is_not_a_command_is_unchanged() -> None:
    assert "  `{{ a value of some length }}`" in list(
        wrapped("It says `{{ a value of some length }}` here", 20)
    )


def test_short_line_is_unchanged() -> None:
    assert list(wrapped("a   b  ", 7)) == ["a   b  "]
    assert list(wrapped("", 5)) == [""]


def test_colours_have_no_width_and_wide_characters_count_twice() -> None:
    assert width("\x1b[31mred\x1b[0m") == 3
    assert width("靴 é") == 4
    assert list(wrapped("靴靴 靴靴", 8)) == ["靴靴", "  靴靴"]


def test_sign_stays_beside_a_key_that_is_wider_than_the_terminal() -> None:
    """On a line of its own, nothing would say what it is about, and the key would have no more room."""
    assert list(wrapped(f"  + {'k' * 30}  create (100 credits): new", 24)) == [
        f"  + {'k' * 30}",
        "    create (100",
        "    credits): new",
    ]
