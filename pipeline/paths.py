"""Decides which paths may be used: those inside the project and not hidden in it, after following links."""

import errno
import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath

# So many links are followed on the way to one file: no system follows more.
_MAX_LINKS = 64
_OTHER_LOCALE = "set one that has UTF-8 (LC_ALL=C.UTF-8), or PYTHONUTF8=1"


def real_path(path: Path) -> Path:
    """`path` with its links followed. A circle of links stays as it is: opening it gives a better error message.

    So does a relative path if the working folder was deleted, and one that no file can have under this locale:
    nothing exists at it.
    """
    try:
        return Path(os.path.realpath(path))
    except (FileNotFoundError, UnicodeEncodeError):
        return path


def status_at(path: Path | str) -> os.stat_result | None:
    """The status of what is at `path`, itself or a link; None if nothing can be seen there.

    For paths from records: another machine may have written a name for which this one's locale has no bytes.
    """
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def project_root(manifest: Path) -> Path:
    """The nearest folder above `manifest` that contains a `.git`, or else the manifest's own folder."""
    return project_of(real_path(manifest).parent)


def project_of(folder: Path) -> Path:
    """The nearest of `folder` (a real path) and its parents that contains a `.git`, or else `folder`."""
    # Unlike pathlib's method, this returns False for a name that is too long.
    return next((each for each in (folder, *folder.parents) if os.path.exists(each / ".git")), folder)  # noqa: PTH110


def confined(path: str, base: Path, root: Path) -> Path:
    """The real path of `path`, which a file in `base` names, and which must be inside `root`.

    Links in `root` are allowed if their targets are inside it too. The path need not exist.

    Raises:
        ValueError: it is absolute, contains a NUL or a backslash, is outside the root, or is unreachable; the message
        says which.
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
        # A name that is too long, a folder without access, or a circle of links.
        reason = error.strerror if isinstance(error, OSError) else "its links form a circle"
        raise ValueError(f"no file can be reached there: {reason}") from None
    if not real.is_relative_to(root.resolve()):
        raise ValueError(f"it leads outside the project ({root.name or root}/)")
    return real


def readable(path: str, base: Path, root: Path) -> Path:
    """The real path of a file to read, which a file in `base` names: inside `root`, and not hidden in it.

    In the Unicode normal form in which it exists. It need not exist.

    Raises:
        ValueError: as `confined`; or it is hidden or in a hidden folder, even through a link.
    """
    refuse_hidden(PurePosixPath(path))
    real = confined(path, base, root)
    if not real.exists():
        real = confined(Path(os.path.relpath(as_on_disk(real), base)).as_posix(), base, root)
    refuse_hidden(real.relative_to(root.resolve()))
    return real


def writable(path: str, base: Path, root: Path) -> Path:
    """The real path of a folder to write to, which a file in `base` names: inside `root`, and not hidden in it.

    `base` itself may be hidden: whoever put the file there chose that.

    Raises:
        ValueError: as `confined`; or it is hidden, even through a link: files in `.git` would break the repository.
    """
    real, folder = confined(path, base, root), base.resolve()
    below = real.relative_to(folder if real.is_relative_to(folder) else root.resolve())
    if hidden := _hidden_part(PurePosixPath(path)) or _hidden_part(below):
        raise ValueError(f"'{hidden}' is hidden, and nothing is written there")
    return real


def refuse_hidden(path: PurePath) -> None:
    """Refuse hidden files and folders, such as `.git`, `.env` or `.ssh`.

    Raises:
        ValueError: a part of the path begins with a dot.
    """
    if hidden := _hidden_part(path):
        raise ValueError(f"'{hidden}' is hidden, and hidden files are not read")


def _hidden_part(path: PurePath) -> str | None:
    return next((part for part in path.parts if part.startswith(".") and part != ".."), None)


def check_name(path: str) -> None:
    """Refuse a path that cannot be written as text, and so in no manifest or record.

    Raises:
        ValueError: it is not UTF-8 or contains a NUL character; or the locale's encoding is not UTF-8.
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
    """Advice for a valid name that cannot be used because the locale's encoding is not UTF-8; else None."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8" or path.isascii():
        return None
    try:
        # A name from a manifest is plain text; one from the system has its bytes escaped.
        name = os.fsencode(path).decode()
    except UnicodeDecodeError:
        return None
    except UnicodeEncodeError:
        name = path
    return f"the name of {name} needs UTF-8, and this locale has {encoding}; {_OTHER_LOCALE}"


def unencodable(path: str) -> str | None:
    """What to do where no file can be called so, as the locale has no bytes for the name; else None."""
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        # The name is left out: a thousand jobs have one mistake.
        encoding = sys.getfilesystemencoding()
        return (
            f"no file can have this path, as this locale has {encoding} for names of files; {_OTHER_LOCALE}"
        )
    return None


def follow_links(path: Path) -> Path:
    """The real path of a path that the operator names; any path is allowed, but its links may be a stranger's.

    A link in a project may only lead to a path inside the project that is not hidden in it. The last part of the path
    always counts as in a project, as a manifest does.

    Raises:
        ValueError: a link leads outside the project, or to something hidden.
    """
    try:
        folder = Path(os.path.realpath(path.anchor.replace("//", "/") or "."))
    except FileNotFoundError:
        return path  # the working folder was deleted, so there is no link to follow
    parts = [part for part in path.parts if part != path.anchor]
    for index, part in enumerate(parts):
        if part == "..":
            folder = folder.parent
            continue
        entry = folder / part
        if os.path.islink(entry):  # noqa: PTH114 - unlike pathlib's, this accepts a name that is too long
            real = real_path(entry)
            project = project_of(folder)
            if index == len(parts) - 1 or os.path.exists(project / ".git"):  # noqa: PTH110 - as above
                _refuse_link(folder, real, project)
            entry = real
        folder = entry
    return folder


def behind_links(path: Path) -> Path:
    """The file to write for a record at `path`; if that is a link, its target, so that the link stays.

    Raises:
        OSError: a link is refused, as in `follow_links`.
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


def link_to_nothing(path: Path) -> Path | None:
    """The link on the way to `path` that leads to nothing; None if there is no such link."""
    for each in (path, *path.parents):
        # Unlike pathlib's methods, these return False for a name that is too long.
        if os.path.islink(each) and not os.path.exists(each):  # noqa: PTH110, PTH114
            return each
    return None


def leads_nowhere(link: Path | str) -> str:
    """Why records behind `link` cannot be used, if there is nothing."""
    return (
        f"{link}: this link leads to nothing, so what was bought is not known: is a disk not mounted? "
        "Bring back what it leads to, or remove the link to begin without it"
    )


def is_too_long(path: Path) -> bool:
    """Whether this system cannot have such a path, because it, or a name in it, is too long."""
    existing = next((each for each in path.parents if os.path.isdir(each)), Path())  # noqa: PTH112 - as above
    # Each name is checked alone too: for the whole path, a missing parent would be reported first.
    for each in (path, *(existing / name for name in path.relative_to(existing).parts)):
        try:
            os.lstat(each)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


def as_on_disk(path: Path) -> Path:
    """`path` in the Unicode normal form in which it exists, which depends on the system.

    Unchanged if it exists as given, or does not exist.
    """
    forms = (path, *(Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD")))
    # Unlike pathlib's method, this returns False for a name that becomes too long.
    return next((form for form in forms if os.path.exists(form)), path)  # noqa: PTH110


def tracked(paths: Iterable[Path], root: Path) -> tuple[str, ...]:
    """What version control has to hold unchanged for the same to be read at `paths`: relative to `root`, sorted.

    That is each link on the way, and the file behind them, which need not exist; and each submodule that one of them
    is in, as a project's commits hold a submodule instead of its files. What is outside `root` is left out.
    """
    found: set[Path] = set()
    folders: dict[Path, Path] = {}
    for path in paths:
        absolute = _absolute(path)
        parent = absolute.parent
        if parent not in folders:
            folders[parent] = _walked(Path(parent.anchor), parent.parts, found)
        found.add(_walked(folders[parent], [absolute.name], found))
    inside = {each for each in found if each.is_relative_to(root) and each != root}
    above = {folder for parent in {each.parent for each in inside} for folder in (parent, *parent.parents)}
    submodules = {
        each
        for each in above
        if each.is_relative_to(root) and each != root and os.path.lexists(each / ".git")
    }
    return tuple(sorted(each.relative_to(root).as_posix() for each in inside | submodules))


def _absolute(path: Path) -> Path:
    """`path` from the working folder, its `..` and links as they are; unchanged if that folder was deleted."""
    try:
        return Path.cwd() / path
    except FileNotFoundError:
        return path


def _walked(folder: Path, parts: Sequence[str], links: set[Path]) -> Path:
    """The path that `parts` lead to from `folder`, a real path; the links on the way are added to `links`."""
    left = [*reversed(parts)]
    followed = 0
    while left:
        part = left.pop()
        if part == "..":
            folder = folder.parent
            continue
        entry = folder / part
        try:
            target = entry.readlink()
        except (OSError, ValueError):
            folder = entry  # no link, or nothing is there
            continue
        links.add(entry)
        followed += 1
        if followed > _MAX_LINKS:
            return entry
        # The first part of an absolute target is its anchor, which replaces the folder.
        left += reversed(target.parts)
    return folder
