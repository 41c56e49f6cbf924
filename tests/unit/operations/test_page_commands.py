"""The flags of commands on a page."""

from pathlib import Path

from pipeline.operations.page_commands import page_flags
from pipeline.schemes import DatabaseUrl


def test_database_is_named_without_its_password(tmp_path: Path) -> None:
    state = DatabaseUrl("postgresql://team:hunter2@/x?host=/run/postgresql&port=5433")

    flags = page_flags({"--state": state}, tmp_path, emulated=False)

    assert flags == "--state 'postgresql://team@/x?host=/run/postgresql&port=5433'"
