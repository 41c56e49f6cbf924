"""Files are found only where the campaign puts them, whatever the results say."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.protection import fails_without

from pipeline.jobs import JobKey
from pipeline.purchases import Output, Purchase, PurchaseId, Status
from pipeline.report.video_files import Foreign, foreign, located

CONTENT = b"film"
LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4\n"
SHA = hashlib.sha256(CONTENT).hexdigest()


def bought(path: str, size: int | None = len(CONTENT)) -> Purchase:
    return Purchase(
        id=PurchaseId("1234567890abcdef"),
        key=JobKey("k"),
        fingerprint="v1:x",
        status=Status.DONE,
        bought_at="2026-11-28T12:00:00.000Z",
        template_id="t",
        outputs=(Output(content_type="video/mp4", sha256=SHA, bytes=size),),
        path=path,
    )


def row(path: str, **changes: Any) -> dict[str, Any]:
    return {"key": "k", "outputs": [{"path": path, "sha256": SHA, "bytes": len(CONTENT), **changes}]}


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    return path


def test_file_in_place_is_found(tmp_path: Path) -> None:
    file = put(tmp_path / "output/spring/hero.mp4")

    assert located([row("output/spring/hero.mp4")], [], tmp_path, tmp_path / "output/spring") == {SHA: file}


def test_part_that_is_set_aside_is_not_taken_for_the_earlier_take(tmp_path: Path) -> None:
    first, part = bought("hero"), replace(bought("hero"), id=PurchaseId("2" * 16), status=Status.SUCCEEDED)
    missing = replace(part.outputs[0], sha256=None)
    part = replace(part, outputs=(missing, replace(part.outputs[0], sha256="0" * 64)))
    films = [
        put(tmp_path / "output/spring" / name) for name in ("hero.mp4", "hero-2.mp4", "hero-2~2222222.mp4")
    ]
    first = replace(first, outputs=(*first.outputs, replace(first.outputs[0], sha256="1" * 64)))

    for purchases in ([first, part], [part, first]):
        found = located([], purchases, tmp_path, tmp_path / "output/spring")
        assert found == dict(zip((SHA, "1" * 64, "0" * 64), films, strict=True))
    films[2].unlink()
    assert "0" * 64 not in located([], [part, first], tmp_path, tmp_path / "output/spring")


def test_second_file_of_a_purchase_that_served_no_job_is_found(tmp_path: Path) -> None:
    film = bought("hero").outputs[0]
    purchase = replace(bought("hero"), outputs=(replace(film, sha256="0" * 64), film))
    file = put(tmp_path / "output/spring/hero~1234567-2.mp4")

    assert located([], [purchase], tmp_path, tmp_path / "output/spring") == {SHA: file}


@pytest.mark.parametrize("name", ["hero.mp4", "hero~1234567.mp4"])
def test_file_of_a_former_job_is_found(tmp_path: Path, name: str) -> None:
    file = put(tmp_path / "output/spring" / name)

    assert located([], [bought("hero")], tmp_path, tmp_path / "output/spring") == {SHA: file}


def test_file_of_another_size_is_not_found(tmp_path: Path) -> None:
    put(tmp_path / "output/spring/hero.mp4").write_bytes(b"altered!")

    assert (
        located([row("output/spring/hero.mp4")], [bought("hero")], tmp_path, tmp_path / "output/spring") == {}
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"longer than before", {SHA}),
        # Another purchase's file, as after a job was sent back: this one has to be fetched.
        (b"other", set()),
        # `git lfs pull` brings it.
        (LFS_POINTER, set()),
        (None, set()),
    ],
)
def test_file_that_someone_changed_is_altered_and_not_missing(
    tmp_path: Path, content: bytes | None, expected: set[str]
) -> None:
    output = tmp_path / "output/spring"
    if content is not None:
        put(output / "hero.mp4").write_bytes(content)
    other = replace(
        bought("story"),
        id=PurchaseId("f" * 16),
        outputs=(Output(content_type="video/mp4", sha256="b" * 64, bytes=5),),
    )
    purchases = [bought("hero"), other]

    pointers = {SHA: output / "hero.mp4"} if content == LFS_POINTER else {}
    found = Foreign(frozenset(expected), pointers)
    jobs = [row("output/spring/hero.mp4")]
    assert foreign(jobs, purchases, (), tmp_path, output) == found
    assert foreign([], purchases, (), tmp_path, output) == found
    assert foreign(jobs, purchases, {SHA}, tmp_path, output) == Foreign(frozenset(), {})


def test_path_recorded_for_another_file_is_not_used_for_an_earlier_one(
    tmp_path: Path,
) -> None:
    put(tmp_path / "output/spring/hero.mp4")
    now = row("output/spring/hero.mp4", sha256="b" * 64)

    found = located([now], [bought("hero")], tmp_path, tmp_path / "output/spring")

    assert set(found) == {"b" * 64}


@fails_without(
    "pipeline.report.video_files:_FolderLookup._is_inside", "if not folder.is_relative_to(self._output)"
)
@fails_without("pipeline.report.video_files:_FolderLookup._is_inside", "if any(")
@fails_without("pipeline.report.video_files:_FolderLookup.size_at", "if path.name.startswith")
@pytest.mark.parametrize(
    "path",
    [
        "../secret.mp4",
        "output/spring/../../secret.mp4",
        "output/spring/.hidden/secret.mp4",
        "output/spring/.secret.mp4",
        "/etc/hostname",
    ],
)
def test_no_path_leads_outside_the_output_folder_or_to_a_hidden_file(tmp_path: Path, path: str) -> None:
    project = tmp_path / "project"
    for secret in ("../secret.mp4", "secret.mp4", ".hidden/secret.mp4", ".secret.mp4"):
        put(project / "output/spring" / secret)
        put(project / secret)

    assert located([row(path)], [bought(path)], project, project / "output/spring") == {}


@fails_without("pipeline.report.video_files:_FolderLookup.size_at", "if not self._is_open(path.parent)")
def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.mp4")
    output = tmp_path / "project/output/spring"
    output.mkdir(parents=True)
    (output / "hero.mp4").symlink_to(secret)
    (output / "folder").symlink_to(tmp_path)

    rows = [row("output/spring/hero.mp4"), row("output/spring/folder/secret.mp4")]

    assert located(rows, [], tmp_path / "project", output) == {}
