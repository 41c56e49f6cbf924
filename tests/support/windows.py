"""Python as on Windows, as far as another system can imitate it: without the modules and calls of POSIX.

    python -m support.windows status campaign.yaml --format json

runs a command line of `pipeline` in this way; without one, it imports every module of the package.
"""

import errno
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Modules that the standard library and other packages import late, and may import as on this system.
_OTHERS = (
    "asyncio",
    "click",
    "jinja2",
    "requests",
    "shutil",
    "sqlite3",
    "subprocess",
    "tempfile",
    "tqdm",
    "yaml",
)

_MODULES = ("crypt", "fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty")

# The attributes of `os` with the documented availability "Unix" or "not Windows".
_CALLS = frozenset(
    {
        "O_ASYNC",
        "O_CLOEXEC",
        "O_DIRECTORY",
        "O_DSYNC",
        "O_NDELAY",
        "O_NOATIME",
        "O_NOCTTY",
        "O_NOFOLLOW",
        "O_NONBLOCK",
        "O_PATH",
        "O_RSYNC",
        "O_SYNC",
        "O_TMPFILE",
        "chown",
        "chroot",
        "copy_file_range",
        "ctermid",
        "eventfd",
        "fchdir",
        "fchmod",
        "fchown",
        "fdatasync",
        "fork",
        "forkpty",
        "fpathconf",
        "fstatvfs",
        "getegid",
        "geteuid",
        "getgid",
        "getgroups",
        "getloadavg",
        "getpgid",
        "getpgrp",
        "getpriority",
        "getresuid",
        "getsid",
        "getuid",
        "getxattr",
        "initgroups",
        "killpg",
        "lchown",
        "listxattr",
        "lockf",
        "memfd_create",
        "mkfifo",
        "mknod",
        "nice",
        "openpty",
        "pathconf",
        "pipe2",
        "posix_fadvise",
        "posix_fallocate",
        "posix_spawn",
        "pread",
        "preadv",
        "pwrite",
        "pwritev",
        "readv",
        "removexattr",
        "sched_getaffinity",
        "sched_yield",
        "sendfile",
        "setegid",
        "seteuid",
        "setgid",
        "setpgid",
        "setpriority",
        "setsid",
        "setuid",
        "setxattr",
        "splice",
        "statvfs",
        "sync",
        "sysconf",
        "tcgetpgrp",
        "tcsetpgrp",
        "ttyname",
        "uname",
        "wait",
        "wait3",
        "wait4",
        "waitid",
        "writev",
    }
)

_SIGNALS = {"SIGABRT", "SIGBREAK", "SIGFPE", "SIGILL", "SIGINT", "SIGSEGV", "SIGTERM"}


def _without_folders(call: Callable[..., Any]) -> Callable[..., Any]:
    """`os.open`, which on Windows opens no folders and does not know `dir_fd`."""

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> Any:
        if dir_fd is not None:
            raise NotImplementedError("dir_fd unavailable on this platform")
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return call(path, flags, mode)

    return opened


def _closed_only(call: Callable[..., Any]) -> Callable[..., Any]:
    """`os.replace`, which on Windows moves no open file; checked if the system reports open files."""

    def moved(source: Any, target: Any, **more: Any) -> Any:
        for path in (source, target):
            if os.path.realpath(path) in map(os.path.realpath, Path("/proc/self/fd").glob("*")):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return call(source, target, **more)

    return moved


def become_windows() -> None:
    """Remove from this process what Windows lacks."""
    for name in _OTHERS:
        importlib.import_module(name)
    for name in _MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in _CALLS:
        if hasattr(os, name):
            delattr(os, name)
    for name in [name for name in dir(signal) if name.startswith("SIG") and name[3:].isalnum()]:
        if name not in _SIGNALS:
            delattr(signal, name)
    os.open = _without_folders(os.open)
    os.replace = _closed_only(os.replace)
    os.rename = _closed_only(os.rename)
    os.supports_dir_fd = set()
    os.supports_fd = set()


def _import_all() -> None:
    import pipeline

    for found in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)


if __name__ == "__main__":
    if not sys.argv[1:]:
        # On Windows it imports what exists there; here it would miss what is removed below.
        importlib.import_module("distributed")
    become_windows()
    if not sys.argv[1:]:
        _import_all()
        sys.exit()
    from pipeline.cli.main import main

    main()
