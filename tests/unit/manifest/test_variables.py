"""The values that `--var` takes."""

import pytest

from pipeline.errors import UsageError
from pipeline.manifest.variables import read_variables


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("'tis the season", "the quotes do not match"),
        ('"\\0"', "NUL"),
        ('"\\ud800"', "an escape that stands for no character"),
        ('"\\ud83d\\udc4d \\udc00', "an escape that stands for no character"),
        ('"\\U00110000"', "an escape that stands for no character"),
        ('"\\q"', "an unknown escape"),
        ('"\\xZZ"', "an escape with too few hexadecimal digits"),
        ('"\x01"', "a control character in quotes; write it as an escape"),
        ('"a" b', "expected one value"),
        ('"a', "the quotes do not match"),
        ("a\udcffb", "half of a surrogate pair"),
        ("1" * 20, "a number of 20 digits; at most 18 are kept; quote it if it is text"),
        ("1" * 5000, "a number of 5,000 digits"),
        ("017", "leading zero"),
    ],
)
def test_unrepresentable_value_is_a_usage_error(value: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_variables((f"season={value}",), ())

    assert str(refused.value).startswith("--var season: ")
    assert told in str(refused.value)
    str(refused.value).encode()


def test_recordable_number_is_accepted() -> None:
    assert read_variables(("season=" + "9" * 18,), ()) == {"season": int("9" * 18)}


def test_matching_quotes_make_a_number_a_string() -> None:
    assert read_variables((f"season='{'1' * 20}'",), ()) == {"season": "1" * 20}
