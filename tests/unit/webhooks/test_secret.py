"""The secret is made once and readable only by its owner; the operator's own secret takes precedence."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput, Unfinished, UsageError
from pipeline.webhooks.addresses import secret_in


def test_secret_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / ".pipeline"

    made = secret_in(None, folder)

    assert len(made) == 64
    assert secret_in(None, folder) == made
    path = folder / "webhook-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    assert sorted(each.name for each in folder.iterdir()) == [".gitignore", "webhook-secret"]


def test_concurrent_processes_share_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secret_in(None, tmp_path / ".pipeline"), range(32)))

    assert len(made) == 1


def test_secret_of_the_operator_takes_precedence_and_creates_no_file(tmp_path: Path) -> None:
    assert secret_in("sixteen-letters!\n", tmp_path / "folder") == b"sixteen-letters!"
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("given", ["", "short", "with a blank in it all", "ünprintable-letters"])
def test_guessable_secret_is_rejected(tmp_path: Path, given: str) -> None:
    with pytest.raises(UsageError, match="PIPELINE_WEBHOOK_SECRET") as refused:
        secret_in(given, tmp_path)
    assert not given or given not in str(refused.value)


@fails_without(
    "pipeline.webhooks.addresses:_read",
    "if not stat.S_ISREG(status.st_mode) or",
    swap=("status.st_mode & 63", "False"),
)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_readable_by_others_is_rejected(tmp_path: Path, mode: int) -> None:
    secret_in(None, tmp_path)
    (tmp_path / "webhook-secret").chmod(mode)

    with pytest.raises(InvalidInput, match="mode 0600"):
        secret_in(None, tmp_path)


def test_link_folder_or_empty_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "webhook-secret"
    (tmp_path / "other").write_text("a" * 64)
    path.symlink_to(tmp_path / "other")
    with pytest.raises(Unfinished):
        secret_in(None, tmp_path)

    path.unlink()
    path.mkdir()
    with pytest.raises((InvalidInput, Unfinished)):
        secret_in(None, tmp_path)

    path.rmdir()
    path.touch(mode=0o600)
    with pytest.raises(InvalidInput, match="contains no secret"):
        secret_in(None, tmp_path)
