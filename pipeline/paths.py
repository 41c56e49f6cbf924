"""Which paths may be used: those inside the project and not hidden there, whatever links lie on the way."""

import errno
import os
import re
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath


def real_path(path: Path) -> Path:
    """`path` with its links followed. Links in a circle stay: opening them fails with a better message.

    So does a relative path where the working folder is gone: nothing is found at it.
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError:
        return path


def project_root(manifest: Path) -> Path:
    """The nearest folder above `manifest` that holds a `.git`, else the manifest's own folder."""
    return project_of(real_path(manifest).parent)


def project_of(folder: Path) -> Path:
    """The nearest of a real `folder` and those above it that holds a `.git`, else the folder itself."""
    # Unlike pathlib's, this takes a name that is too long for one that is absent.
    return next((each for each in (folder, *folder.parents) if os.path.exists(each / ".git")), folder)  # noqa: PTH110


def confined(path: str, base: Path, root: Path) -> Path:
    """The real path of `path`, written in a file that lies in `base`, which must stay inside `root`.

    Links inside the root are fine; what they point to must lie inside it too. It need not exist.

    Raises:
        ValueError: absolute, with a NUL or a backslash, outside the root, or unreachable; the message says which.
    """
    check_name(path)
    if "\\" in path:
        raise ValueError("write paths with '/', so that they work on every system")
    if PurePosixPath(path).is_absolute() or re.match(r"[A-Za-z]:", path):
        raise ValueError("a path may not be absolute")
    try:
        real = (base / path).resolve()
        real.exists()
    except (OSError, RuntimeError) as error:
        # Too long a name, a folder that may not be entered, or links in a circle.
        reason = error.strerror if isinstance(error, OSError) else "its links form a circle"
        raise ValueError(f"no file can be reached there: {reason}") from None
    if not real.is_relative_to(root.resolve()):
        raise ValueError(f"it leads outside the project ({root.name or root}/)")
    return real


def readable(path: str, base: Path, root: Path) -> Path:
    """The real path of a file that a file in `base` names to be read: inside `root` and not hidden below it.

    In the normal form of unicode in which it exists. It need not exist.

    Raises:
        ValueError: as `confined`; or it is hidden, or lies in a hidden folder, also by a link.
    """
    refuse_hidden(PurePosixPath(path))
    real = confined(path, base, root)
    if not real.exists():
        real = confined(Path(os.path.relpath(as_on_disk(real), base)).as_posix(), base, root)
    refuse_hidden(real.relative_to(root.resolve()))
    return real


def writable(path: str, base: Path, root: Path) -> Path:
    """The real path of a folder that a file in `base` names to be written to: inside `root` and not hidden below it.

    That `base` itself is hidden is the choice of who put the file there.

    Raises:
        ValueError: as `confined`; or it is hidden, also by a link: files in `.git` would break the repository.
    """
    real, folder = confined(path, base, root), base.resolve()
    below = real.relative_to(folder if real.is_relative_to(folder) else root.resolve())
    if hidden := _hidden_part(PurePosixPath(path)) or _hidden_part(below):
        raise ValueError(f"'{hidden}' is hidden, and nothing is written there")
    return real


def refuse_hidden(path: PurePath) -> None:
    """Keep away from what people hide: `.git`, `.env`, `.ssh`.

    Raises:
        ValueError: a part of the path begins with a dot.
    """
    if hidden := _hidden_part(path):
        raise ValueError(f"'{hidden}' is hidden, and hidden files are not read")


def _hidden_part(path: PurePath) -> str | None:
    return next((part for part in path.parts if part.startswith(".") and part != ".."), None)


def check_name(path: str) -> None:
    """Refuse a path that no text can hold, and so neither a manifest nor a record.

    Raises:
        ValueError: it is not UTF-8, which the message names, or holds a NUL character; or the locale is another.
    """
    if "\0" in path:
        raise ValueError("a path cannot hold a NUL character")
    if (misread := of_another_locale(path)) is not None:
        raise ValueError(misread)
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="surrogatepass").decode(errors="backslashreplace")
        with suppress(UnicodeEncodeError):
            shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ValueError(f"the name of {shown} is not UTF-8; rename it") from None


def of_another_locale(path: str) -> str | None:
    """What to do about a sound name that cannot be used, as the locale says that names are not UTF-8; else None."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8" or path.isascii():
        return None
    try:
        # From a manifest it comes as it is, from the system with its bytes escaped.
        name = os.fsencode(path).decode()
    except UnicodeDecodeError:
        return None
    except UnicodeEncodeError:
        name = path
    return (
        f"the name of {name} needs UTF-8, and this locale has {encoding}; set one that has it "
        "(LC_ALL=C.UTF-8), or PYTHONUTF8=1"
    )


def follow_links(path: Path) -> Path:
    """The real path of what an operator names, who may name anything: but the links on the way may be a stranger's.

    A link that lies in a project is followed only to what is in the project and not hidden there. The last part of
    the path counts as in a project wherever it lies, as a manifest does.

    Raises:
        ValueError: a link leads elsewhere.
    """
    try:
        folder = Path(os.path.realpath(path.anchor.replace("//", "/") or "."))
    except FileNotFoundError:
        return path  # the working folder is gone, so nothing lies in it and no link is followed
    parts = [part for part in path.parts if part != path.anchor]
    for index, part in enumerate(parts):
        if part == "..":
            folder = folder.parent
            continue
        entry = folder / part
        if os.path.islink(entry):  # noqa: PTH114 - unlike pathlib's, this takes a name that is too long
            real = real_path(entry)
            project = project_of(folder)
            if index == len(parts) - 1 or os.path.exists(project / ".git"):  # noqa: PTH110 - as above
                _refuse_link(folder, real, project)
            entry = real
        folder = entry
    return folder


def behind_links(path: Path) -> Path:
    """The file to write for a record at `path`: where a link stands in its place, what that leads to, and it stays.

    Raises:
        OSError: a link leads elsewhere, as in `follow_links`.
    """
    try:
        return follow_links(path)
    except ValueError as error:
        raise OSError(errno.EPERM, str(error)) from None


def _refuse_link(folder: Path, target: Path, project: Path) -> None:
    if not target.is_relative_to(project):
        raise ValueError(
            f"this link leads outside the project ({project.name or project}/); name the file itself"
        )
    hidden = _hidden_part(target.relative_to(project))
    if hidden and not _hidden_part(folder.relative_to(project)):
        raise ValueError(f"this link leads to '{hidden}', which is hidden; name the file itself")


def is_too_long(path: Path) -> bool:
    """Whether this system takes no such path, as it is or a name in it is too long, whatever is there now."""
    existing = next((each for each in path.parents if os.path.isdir(each)), Path())  # noqa: PTH112 - as above
    # What is missing above it would be reported first of the whole.
    for each in (path, *(existing / name for name in path.relative_to(existing).parts)):
        try:
            os.lstat(each)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


def as_on_disk(path: Path) -> Path:
    """`path` in the normal form of unicode in which it exists, which differs from system to system.

    As it is given where it exists so, or not at all.
    """
    forms = (path, *(Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD")))
    # Unlike pathlib's, this takes a name that becomes too long for one that is absent.
    return next((form for form in forms if os.path.exists(form)), path)  # noqa: PTH110
