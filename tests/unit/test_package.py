"""The package as others import it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "statement",
    [
        "import pipeline.files",
        "import pipeline.engine.served_jobs",
        "from pipeline import failpoints",
        "from pipeline import jobs, api",
        "import pipeline; pipeline.plan",
    ],
)
def test_any_module_can_be_imported_first(statement: str) -> None:
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_unknown_attribute_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import pipeline; pipeline.surprise"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "module 'pipeline' has no attribute 'surprise'" in done.stderr
