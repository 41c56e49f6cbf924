"""Where a state lies: a file of this machine, or a database that a team shares."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from pipeline.errors import UsageError, printable
from pipeline.files import real_path
from pipeline.schemes import is_database

# How long a run holds a state that a team shares, if it does not renew that.
LEASE_SECONDS = 60.0

# What a url may hold that nobody else may read.
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})


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


StateLocation = Path | DatabaseUrl


def state_location(given: str) -> StateLocation:
    """What `--state` names.

    Raises:
        UsageError: a url whose password cannot be told from the rest.
    """
    return DatabaseUrl(given) if is_database(given) else real_path(Path(given))
