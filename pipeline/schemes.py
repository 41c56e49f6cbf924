"""Where records and files may lie: paths of this machine. An address of elsewhere is never taken for one."""

import re

from pipeline.errors import UsageError, printable

# By scheme: what it stands for, and the extra that brings it.
_STORES = {
    "postgres": ("a state on PostgreSQL", "postgres"),
    "postgresql": ("a state on PostgreSQL", "postgres"),
    "s3": ("files in an object store", "s3"),
}
_KNOWN = "|".join(_STORES)
# Also where a slash was forgotten: no file is meant by `s3:/bucket`.
_ADDRESS = re.compile(rf"(?P<scheme>[^/\\]*?)://|(?P<known>{_KNOWN}):", re.IGNORECASE)


def assert_path(name: str, value: str | None) -> None:
    """Make sure that `value`, given as the flag `name`, is a path. What stands behind a scheme may be a password.

    Raises:
        UsageError: it is an address; names the extra that could use it, and never the rest of it.
    """
    found = _ADDRESS.match(value or "")
    if found is None:
        return
    scheme = (found["scheme"] if found["known"] is None else found["known"]).lower()
    if scheme in _STORES:
        what, extra = _STORES[scheme]
        raise UsageError(
            f"{name} {scheme}://…: {what} needs the extra '{extra}': pip install 'campaign-pipeline[{extra}]'"
        )
    known = ", ".join(f"{each}://" for each in sorted(_STORES))
    shown = f"{printable(scheme, 40)}://…" if scheme else "://…"
    raise UsageError(f"{name} {shown}: expected a path, or an address that begins with one of {known}")
