"""Writes the reports that a command was asked for."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import Unfinished
from pipeline.files import write_atomically
from pipeline.jobs import JobKey
from pipeline.results.junit import as_junit
from pipeline.results.standing import Standing


def write_junit(path: Path, campaign: str, stands: Mapping[JobKey, Standing]) -> None:
    """The jobs as a JUnit report.

    Raises:
        Unfinished: it cannot be written.
    """
    try:
        write_atomically(path, as_junit(campaign, stands))
    except OSError as error:
        raise Unfinished(f"{path}: cannot be written: {error.strerror}") from error
