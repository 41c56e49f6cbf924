"""The flags that give the vars of a command to a suggested one."""

import shlex

from hypothesis import given
from hypothesis import strategies as st

from pipeline.json_values import Json
from pipeline.manifest.variables import read_variable_pairs
from pipeline.operations.given_variables import GivenVariables, quoted

SCALARS = st.none() | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1) | st.floats() | st.text()


@given(SCALARS)
def test_flag_gives_the_same_value_or_is_refused(value: Json) -> None:
    [(flag, pair)] = GivenVariables(values={"x": value}).flags()
    [text] = quoted([(flag, pair)])

    assert shlex.split(text) == ["--var", pair]
    assert text.isprintable()
    if pair == "x":
        assert not isinstance(value, bool | int | None)
    else:
        read = read_variable_pairs([pair])["x"]
        assert (type(read), read) == (type(value), value)


def test_texts_that_look_like_something_else_are_quoted() -> None:
    values: dict[str, Json] = {
        "a": "1",
        "b": "true",
        "c": "",
        "d": " x",
        "e": "two\nlines",
        "f": "‮",
        "g": 1.5,
    }

    flags = [pair for _, pair in GivenVariables(values=values).flags()]

    assert flags == ['a="1"', 'b="true"', 'c=""', 'd=" x"', r'e="two\nlines"', r'f="\u202e"', "g=1.5"]


def test_values_that_cannot_be_shown_are_left_to_the_user() -> None:
    values: dict[str, Json] = {
        "a": [1],
        "b": "x" * 5000,
        "c": "https://user:word@host/",
        "d": "https://host/",
    }

    flags = [pair for _, pair in GivenVariables(values=values).flags()]

    assert flags == ["a", "b", "c", "d=https://host/"]


def test_values_after_a_long_one_are_shown() -> None:
    values: dict[str, Json] = {"a": "x" * 5000, "b": "y"}

    assert [pair for _, pair in GivenVariables(values=values).flags()] == ["a", "b=y"]
