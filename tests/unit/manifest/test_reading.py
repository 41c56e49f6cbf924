"""What is read wherever a manifest names a file, and what YAML does to a text that nobody sees."""

import pytest

from manifest.authoring import ANYTHING, READERS, Project
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


class TestOwnKeys:
    def test_keys_that_begin_with_x_are_the_users_for_anchors(self, project: Project) -> None:
        project.write("base.yaml", "version: 1\nx-base: [1]\n")
        (job,) = project.jobs(
            "extends: base.yaml\nx-options: &shared {o: shared}\nx-null:\n"
            "templates: {any: {template_id: something_new, options: *shared}}\n"
        )
        assert job.request.options == {"o": "shared"}

    def test_beside_them_an_unknown_key_is_told_by_itself(self, project: Project) -> None:
        told = project.told("x-a: 1\ny-b: 2\nX-c: 3\n" + ANYTHING)
        assert [line.split(": ")[1] for line in told.splitlines() if "unknown key" in line] == ["y-b", "X-c"]

    def test_they_are_allowed_at_the_top_only(self, project: Project) -> None:
        assert "limits.x-a: unknown key" in project.told("limits: {x-a: 1}\n" + ANYTHING)

    def test_a_column_for_a_further_image_is_known_beside_one_that_is_not(self, project: Project) -> None:
        project.write("rows.csv", "a,b\nhttps://a.example/1.png,https://a.example/2.png\n")
        told = project.told(
            ANYTHING + "image_sets: {shoes: {csv: rows.csv, columns: {url: a, url_2: b, ulr: b}}}\n"
        )
        assert "image_sets.shoes.columns.ulr: unknown key; did you mean 'url'?" in told
        assert "url_2" not in told
