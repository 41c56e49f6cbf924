"""Where records and files may lie: paths of this machine. An address of elsewhere is never taken for one."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

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

# What a url may hold that nobody else may read.
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})


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


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of a PostgreSQL database, as libpq takes it. Only `text` has its password, and shows it nowhere."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        # As libpq reads it: name and password end at the first `@`, unless a `/` comes before it.
        if "@" in self._parts[1] or not self.text.isprintable():
            raise UsageError(
                "--state postgresql://…: in a name or a password an @, a / and what cannot be seen is written as "
                "in any url: %40, %2F"
            )

    def __str__(self) -> str:
        hosts, _, path = self._parts[1].partition("?")[0].partition("/")
        given = dict(self._parameters())
        hosts = given.get("host") or given.get("hostaddr") or unquote(hosts)
        return printable(f"postgresql://{hosts}/{given.get('dbname') or unquote(path)}", 200)

    def without_secrets(self, text: str) -> str:
        """`text`, a driver's message say, with nothing of the password in it."""
        password = self._parts[0].partition(":")[2]
        secrets = [password, *(value for name, value in self._parameters() if name in _SECRET_PARAMETERS)]
        for secret in sorted({*secrets, *map(unquote, secrets)} - {""}, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    @property
    def _parts(self) -> tuple[str, str]:
        """Name and password, and what comes after them."""
        after = self.text.partition("://")[2]
        user, at, rest = after.partition("@")
        return (user, rest) if at and "/" not in user else ("", after)

    def _parameters(self) -> list[tuple[str, str]]:
        return parse_qsl(self._parts[1].partition("?")[2])


def part_name(campaign: str, part: str | None) -> str:
    """What a database calls the state of a part of a campaign; no campaign has a `/` in its name."""
    return campaign if part is None else f"{campaign}/{part}"


# Where a state lies: a file of this machine, or a database that a team shares.
StateLocation = Path | DatabaseUrl
