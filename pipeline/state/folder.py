"""The folder of a state, and the files beside a state: on a local disk, and accessible only to the owner."""

import errno
import re
from pathlib import Path

from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.files import write_atomically
from pipeline.paths import real_path

DEFAULT_FOLDER = ".pipeline"
MOUNTS = Path("/proc/self/mounts")

# File systems on which locks, or SQLite's shared memory, may not work between two machines.
_NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
    | {"orangefs", "pvfs2", "smb", "smb2", "smb3", "smbfs"}
    | {
        f"fuse.{name}"
        for name in ("blobfuse2", "ceph", "davfs2", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")
    }
)


def make_folder(folder: Path) -> None:
    """Make the state's folder; a new one is accessible only to its owner, and ignored by git."""
    try:
        is_new = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if (is_new or folder.name == DEFAULT_FOLDER) and not ignore.exists():
            write_atomically(ignore, b"*\n")
    except OSError as error:
        raise cannot_write(folder, error) from error


def beside(state: Path, suffix: str) -> Path:
    """The path of a file that belongs to a state: the state's full name plus `suffix`."""
    return state.with_name(state.name + suffix)


def cannot_write(path: Path, error: OSError) -> PipelineError:
    """The error for a failed write: `Unfinished` if it may pass, such as a full disk, else `InvalidInput`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE}:
        return Unfinished(f"{path}: cannot be written ({error.strerror}); fix that and run again")
    return InvalidInput(
        f"{path}: cannot be written ({error.strerror}); the state needs a folder that its owner can write to"
    )


def refuse_network_file_system(path: Path, mounts: Path = MOUNTS) -> None:
    """Refuse a state on a network file system, where two machines could both believe that they hold the lock.

    `mounts` is the kernel's table of mounts; without it, nothing is refused.

    Raises:
        InvalidInput: it is on one.
    """
    kind = _file_system(path, mounts)
    if kind in _NETWORK:
        raise InvalidInput(
            f"{path}: is on a network file system ({kind}), where two runs could buy at the same time; "
            "keep the state on a local disk (--state), or set PIPELINE_ALLOW_NETWORK_FS=1 "
            "if only one machine ever uses it (see docs/reference/errors.md#network-file-system)"
        )


def _file_system(path: Path, mounts: Path) -> str:
    """The type of the file system that holds `path`, empty if unknown."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    real, longest, kind = real_path(path), -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[1]))
        # Of two mounts at the same point, the later one hides the earlier.
        if real.is_relative_to(point) and len(point.parts) >= longest:
            longest, kind = len(point.parts), fields[2]
    return kind
