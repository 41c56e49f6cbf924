"""Records beside a manifest come with its repository: a stranger's link in their place has nothing quoted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.results import decisions, file

SECRET = "{token: s3cret, "


@pytest.mark.parametrize("target", [".git/config", "../outside"])
@pytest.mark.parametrize(
    ("read", "name"),
    [(decisions.read, "c.decisions.yaml"), (file.read, "c.results.json"), (file.read, "c.results.yaml")],
)
def test_a_link_to_what_is_hidden_or_outside_is_refused_unread(
    tmp_path: Path, read: Callable[[Path, str], object], name: str, target: str
) -> None:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / target).write_text(SECRET)
    (folder / name).symlink_to(target)

    with pytest.raises(InvalidInput, match="this link leads") as raised:
        read(folder / name, name)

    assert "s3cret" not in str([(problem, problem.source) for problem in raised.value.problems])


def test_no_file_is_no_decision(tmp_path: Path) -> None:
    assert decisions.read(tmp_path / "c.decisions.yaml", "c.decisions.yaml") == ()
