"""What is read wherever a manifest names a file, and what YAML does to a text that nobody sees."""

import pytest

from manifest.authoring import READERS, Project
from pipeline.manifest.discover import find

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 321\n"


class TestPointers:
    @pytest.mark.parametrize("reader", READERS)
    def test_an_lfs_pointer_is_named_wherever_a_file_is_read(self, project: Project, reader: str) -> None:
        project.write("file", POINTER)
        told = "\n".join(
            str(problem) for problem in project.problems(READERS[reader].replace("PATH", "file"))
        )
        assert "Git LFS pointer" in told
        assert "fetch it with 'git lfs pull'" in told

    def test_a_manifest_that_is_one_is_found_and_told(self, project: Project) -> None:
        manifest = project.write("campaign.yaml", POINTER)
        assert find([project.root]) == [manifest]
