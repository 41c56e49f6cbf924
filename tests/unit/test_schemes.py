"""Addresses of databases, as they are shown and suggested."""

import pytest

from pipeline.schemes import DatabaseUrl, is_database


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        (
            "postgresql://team:hunter2@db:5433/x?sslmode=require",
            "postgresql://team@db:5433/x?sslmode=require",
        ),
        ("postgres://db/x?password=hunter2&port=5433&ssl%70assword=hunter2", "postgres://db/x?port=5433"),
        ("postgresql:///x?host=/run/postgresql", "postgresql:///x?host=/run/postgresql"),
        ("postgresql://:hunter2@db/x", "postgresql://db/x"),
        ("postgresql://db", "postgresql://db"),
    ],
)
def test_argument_form_of_an_address_omits_only_the_password(given: str, argument: str) -> None:
    assert DatabaseUrl(given).argument == argument


def test_scheme_of_a_database_may_be_written_in_capitals() -> None:
    assert is_database("PostgreSQL://team:Secret@db/X")
    assert DatabaseUrl("PostgreSQL://team:Secret@db/X").text == "postgresql://team:Secret@db/X"
