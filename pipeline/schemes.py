"""Where records and files may lie: paths of this machine. An address of elsewhere is never taken for one."""

import re

from pipeline.errors import UsageError, printable

# By scheme: what it stands for, and the extra that brings it.
_DATABASES = {
    "postgres": ("a state on PostgreSQL", "postgres"),
    "postgresql": ("a state on PostgreSQL", "postgres"),
}
_STORES = {**_DATABASES, "s3": ("files in an object store", "s3")}
_KNOWN = "|".join(_STORES)
# Also where a slash was forgotten: no file is meant by `s3:/bucket`.
_ADDRESS = re.compile(rf"(?P<scheme>[^/\\]*?)://|(?P<known>{_KNOWN}):", re.IGNORECASE)
_DATABASE = re.compile(rf"({'|'.join(_DATABASES)})://")
# As they may stand in a command line: what follows the scheme may be a password.
_IN_A_LINE = re.compile(rf"\b({'|'.join(_DATABASES)}):\S*", re.IGNORECASE)


def is_database(value: str) -> bool:
    """Whether `value` is the address of a database that can hold a state."""
    return _DATABASE.match(value) is not None


def without_addresses(line: str) -> str:
    """A command line in which nothing is left of the addresses of databases but that they are some."""
    return _IN_A_LINE.sub(r"\1://…", line)


def assert_path(name: str, value: str | None) -> None:
    """Make sure that `value`, given as the flag `name`, is a path. What stands behind a scheme may be a password.

    Raises:
        UsageError: it is an address; names the extra that could use it, and never the rest of it.
    """
    found = _ADDRESS.match(value or "")
    if found is None:
        return
    scheme = (found["scheme"] if found["known"] is None else found["known"]).lower()
    if scheme in _DATABASES:
        raise UsageError(
            f"{name} {scheme}:…: only `--state {scheme}://…` names a database; a path is expected here"
        )
    if scheme in _STORES:
        what, extra = _STORES[scheme]
        raise UsageError(
            f"{name} {scheme}://…: {what} needs the extra '{extra}': pip install 'campaign-pipeline[{extra}]'"
        )
    known = ", ".join(f"{each}://" for each in sorted(_STORES))
    shown = f"{printable(scheme, 40)}://…" if scheme else "://…"
    raise UsageError(f"{name} {shown}: expected a path, or an address that begins with one of {known}")
