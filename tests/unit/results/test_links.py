"""Records beside a manifest come with its repository, and may be links.

Their targets are read and written only within the project; nothing of a file outside it is quoted.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.jobs import JobKey
from pipeline.purchases import PurchaseId
from pipeline.results import decisions, file
from results.campaign import document, job

SECRET = "{token: s3cret, "


@pytest.mark.parametrize("target", [".git/config", "../outside"])
@pytest.mark.parametrize(
    ("read", "name"),
    [(decisions.read, "c.decisions.yaml"), (file.read, "c.results.json"), (file.read, "c.results.yaml")],
)
def test_link_to_hidden_or_outside_file_is_rejected_unread(
    tmp_path: Path, read: Callable[[Path, str], object], name: str, target: str
) -> None:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / target).write_text(SECRET)
    (folder / name).symlink_to(target)

    with pytest.raises(InvalidInput, match="this link leads") as raised:
        read(folder / name, name)

    assert "s3cret" not in str([(problem, problem.source) for problem in raised.value.problems])


def test_missing_file_means_no_decisions(tmp_path: Path) -> None:
    assert decisions.read(tmp_path / "c.decisions.yaml", "c.decisions.yaml") == ()


def write_results(path: Path) -> None:
    file.write(path, document([job("a")]), None)


def write_decisions(path: Path) -> None:
    decisions.record(path, path.name, [decisions.Decision(purchase=PurchaseId("0" * 16), key=JobKey("a"))])


WRITERS = [
    (write_results, "c.results.json"),
    (write_results, "c.results.yaml"),
    (write_decisions, "c.decisions.yaml"),
]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_writing_through_a_link_keeps_the_link(
    tmp_path: Path, write: Callable[[Path], None], name: str
) -> None:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "records").mkdir()
    target, link, plain = folder / "records" / name, folder / name, folder / f"plain-{name}"
    write(target)
    first = target.read_bytes()
    target.write_bytes(first.replace(b"\n", b"\n\n", 1))
    link.symlink_to(f"records/{name}")

    write(link)
    write(plain)

    assert link.is_symlink()
    assert target.read_bytes() == plain.read_bytes()
    assert sorted(each.name for each in (folder / "records").iterdir()) == [name]


@pytest.mark.parametrize("target", [".git/config", "../outside"])
@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_link_to_a_disallowed_target_is_not_written_through(
    tmp_path: Path, write: Callable[[Path], None], name: str, target: str
) -> None:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / target).write_text(SECRET)
    (folder / name).symlink_to(target)

    with pytest.raises((InvalidInput, OSError), match="this link leads"):
        write(folder / name)

    assert (folder / name).is_symlink()
    assert (folder / target).read_text() == SECRET


def test_dangling_link_is_not_taken_for_no_decisions(tmp_path: Path) -> None:
    link = tmp_path / "c.decisions.yaml"
    link.symlink_to("gone.yaml")

    with pytest.raises(InvalidInput, match="this link leads to no file"):
        decisions.read(link, link.name)
