from pathlib import Path

import pytest

from manifest.authoring import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    return Project(tmp_path / "project")
