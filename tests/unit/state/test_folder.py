from pathlib import Path

import pytest
from support.protection import fails_without

from pipeline.errors import InvalidInput
from pipeline.state.folder import DEFAULT_FOLDER, make_folder, refuse_network_file_system
from pipeline.state.opening import open_store
from state.conftest import NOW, StateHarness, buy


@pytest.mark.parametrize(
    ("name", "is_there"), [("states", False), (DEFAULT_FOLDER, False), (DEFAULT_FOLDER, True)]
)
def test_git_ignores_a_folder_that_is_new_or_ours(tmp_path: Path, name: str, is_there: bool) -> None:
    folder = tmp_path / name
    if is_there:
        folder.mkdir()

    make_folder(folder)

    assert (folder / ".gitignore").read_text() == "*\n"


def mounts(tmp_path: Path, *lines: str) -> Path:
    table = tmp_path / "mounts"
    table.write_text("".join(f"{line} rw 0 0\n" for line in ("/dev/vda / ext4", *lines)))
    return table


@fails_without("pipeline.state.folder:refuse_network_file_system", "if kind in _NETWORK:")
@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "lustre"])
def test_network_file_system_is_rejected(tmp_path: Path, kind: str) -> None:
    table = mounts(tmp_path, f"server:/x {tmp_path} {kind}")
    with pytest.raises(InvalidInput, match="PIPELINE_ALLOW_NETWORK_FS=1"):
        refuse_network_file_system(tmp_path / "deep" / "s.db", table)


def test_local_file_system_below_a_network_one_is_accepted(tmp_path: Path) -> None:
    table = mounts(tmp_path, f"server:/x {tmp_path} nfs4", f"/dev/vdb {tmp_path}/deep xfs")
    refuse_network_file_system(tmp_path / "deep" / "s.db", table)
    refuse_network_file_system(tmp_path.parent / "deeper" / "s.db", table)


@fails_without("pipeline.state.folder:_file_system", "if real.is_relative_to(point", swap=(">=", ">"))
def test_later_of_two_mounts_on_one_path_counts(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path, mounts(tmp_path, f"a {tmp_path} nfs", f"b {tmp_path} ext4"))
    with pytest.raises(InvalidInput):
        refuse_network_file_system(tmp_path, mounts(tmp_path, f"b {tmp_path} ext4", f"a {tmp_path} nfs"))


def test_mount_point_with_a_space_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "my disk"
    escaped = str(folder).replace(" ", r"\040")
    with pytest.raises(InvalidInput):
        refuse_network_file_system(folder / "s.db", mounts(tmp_path, f"server:/x {escaped} nfs"))


def test_unrelated_network_file_system_is_ignored(tmp_path: Path) -> None:
    elsewhere = tmp_path.with_name("elsewhere") / "and" / "deeper"
    refuse_network_file_system(tmp_path / "s.db", mounts(tmp_path, f"server:/x {elsewhere} nfs"))


def test_malformed_mount_line_is_skipped(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"broken line\nserver:/x {tmp_path} nfs")
    with pytest.raises(InvalidInput):
        refuse_network_file_system(tmp_path / "s.db", table)


def test_missing_mount_table_rejects_nothing(tmp_path: Path) -> None:
    refuse_network_file_system(tmp_path, tmp_path / "missing")


@fails_without(
    "pipeline.state.opening:open_store", "if not allow_network:", swap=("not allow_network", "True")
)
def test_nothing_is_created_on_a_network_file_system_unless_allowed(
    harness: StateHarness, tmp_path: Path
) -> None:
    table = mounts(tmp_path, f"server:/x {harness.folder} nfs")

    def attempt(*, allow_network: bool) -> None:
        store = open_store(
            harness.state,
            campaign="spring",
            manifest=harness.manifest,
            run="r",
            writable=True,
            now=NOW,
            allow_network=allow_network,
            mounts=table,
        )
        buy(store)
        store.close()

    with pytest.raises(InvalidInput):
        attempt(allow_network=False)
    assert not harness.state.parent.exists()
    attempt(allow_network=True)
    assert harness.state.exists()
