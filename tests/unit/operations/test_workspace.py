"""A campaign and its records on this machine."""

from pathlib import Path

import pytest
from support.campaigns import Project, spring

from pipeline.manifest.load import load
from pipeline.operations.environment import Environment
from pipeline.operations.given_variables import GivenVariables
from pipeline.operations.record_paths import RecordPaths
from pipeline.operations.workspace import Workspace, workspace_of

DECISIONS = "version: 1\ndecisions: []\n"


class TestInputs:
    """The files that say what is bought, as the checkpoint command gets them."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        (tmp_path / ".git").mkdir()
        project = Project(tmp_path / "campaigns", "spring")
        project.write({"campaign.yaml": spring(image_sets={"shoes": ["https://images.test/red.png"]})})
        return project

    @staticmethod
    def opened(project: Project, *files: str, emulate: bool = False) -> Workspace:
        given = GivenVariables(files=files)
        return workspace_of(load(project.manifest), RecordPaths(emulate=emulate), Environment({}), given)

    @pytest.mark.parametrize("exist", [True, False])
    @pytest.mark.parametrize(
        ("emulate", "name"), [(False, "spring.decisions.yaml"), (True, "spring.emulated.decisions.yaml")]
    )
    def test_decisions_count_even_if_there_are_none_yet(
        self, project: Project, exist: bool, emulate: bool, name: str
    ) -> None:
        if exist:
            project.write({name: DECISIONS})

        assert self.opened(project, emulate=emulate).inputs == (
            "campaigns/campaign.yaml",
            f"campaigns/{name}",
        )

    def test_linked_decisions_count_with_their_link(self, project: Project) -> None:
        project.write({"../common/decisions.yaml": DECISIONS})
        (project.folder / "spring.decisions.yaml").symlink_to("../common/decisions.yaml")

        assert self.opened(project).inputs == (
            "campaigns/campaign.yaml",
            "campaigns/spring.decisions.yaml",
            "common/decisions.yaml",
        )

    def test_files_of_vars_in_the_project_count(
        self, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(project.folder)

        found = self.opened(project, "../vars.yaml", str(tmp_path / "more.yaml"), "../../outside.yaml").inputs

        assert found == (
            "campaigns/campaign.yaml",
            "campaigns/spring.decisions.yaml",
            "more.yaml",
            "vars.yaml",
        )
