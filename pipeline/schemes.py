"""Where records and files may lie: paths of this machine, or addresses, and the same for a part of a campaign.

An address is never taken for a path.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from pipeline.errors import UsageError, printable

_PART = re.compile(r".*\.([1-9]\d*-of-[1-9]\d*(?:-by-credits)?)")
# Schemes of what can hold a state, and of all that can hold something.
_DATABASES = frozenset({"postgres", "postgresql"})
_STORES = _DATABASES | {"s3"}
_KNOWN = "|".join(sorted(_STORES, reverse=True))
# Also where a slash was forgotten: no file is meant by `s3:/bucket`.
_ADDRESS = re.compile(rf"(?P<scheme>[^/\\]*?)://|(?P<known>{_KNOWN}):", re.IGNORECASE)
_DATABASE = re.compile(rf"({'|'.join(sorted(_DATABASES, reverse=True))})://")
# As they may stand in a command line: what follows the scheme may be a password.
_IN_A_LINE = re.compile(rf"\b({'|'.join(sorted(_DATABASES, reverse=True))}):\S*", re.IGNORECASE)

# By what they hold, the ends of the names of records.
_ENDS = {
    "results": (".results.json", ".results.yaml", ".results.yml"),
    "decisions": (".decisions.yaml", ".decisions.yml"),
    "a state": (".db",),
}
# What may be a password ends at the last `@` before a blank; quotes and a colon behind the address are the message's.
_WITH_SECRETS = re.compile(
    rf"([a-z][a-z0-9+.-]*://|\b(?:{_KNOWN}):)\S*[@?…](?:[^\s'\"`,;)]*[^\s'\"`,;):])?", re.IGNORECASE
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 500

# Parameters of a url that must not be shown.
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})


def is_database(value: str) -> bool:
    """Whether `value` is the address of a database that can hold a state."""
    return _DATABASE.match(value) is not None


def is_object_store(value: str) -> bool:
    """Whether `value` is the address of an object store that can hold files."""
    return value.startswith("s3://")


def without_addresses(line: str) -> str:
    """A command line in which nothing is left of addresses that may hold a password but that they are some."""
    return without_secrets(_IN_A_LINE.sub(r"\1://…", line))


def without_secrets(text: str) -> str:
    """A message in which nothing is left of an address that names a user, has parameters or was cut."""
    return _WITH_SECRETS.sub(r"\1…", text)


def assert_path(name: str, value: str | None, *, is_only_path: bool = False) -> None:
    """Make sure that `value`, given as the flag `name`, is a path. What stands behind a scheme may be a password.

    Only a path will do for most flags, and an address of some kind for others.

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
        raise UsageError(
            f"{name} {scheme}:…: only `--output s3://BUCKET/PREFIX` names an object store; a path is expected here"
        )
    known = ", ".join(f"{each}://" for each in sorted(_STORES))
    shown = f"{printable(scheme, 40)}://…" if scheme else "://…"
    if is_only_path:
        raise UsageError(f"{name} {shown}: expected a path, not an address")
    raise UsageError(f"{name} {shown}: expected a path, or an address that begins with one of {known}")


def kind_named(path: Path) -> str | None:
    """The kind of record that the name of `path` is for: results, decisions, or a state; None for none of them."""
    name = path.name.lower()
    return next((kind for kind, ends in _ENDS.items() if name.endswith(ends)), None)


def assert_named_as(path: Path, kind: str = "") -> None:
    """Refuse the name of another kind of record than `kind` for a new file.

    What reads that kind, also another command or a person, would take it for one.

    Raises:
        UsageError: the name is that of results, decisions or a state.
    """
    other = kind_named(path)
    if other not in {None, kind}:
        raise UsageError(f"{printable(str(path))}: that is a name for {other}; choose another")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of a PostgreSQL database, as libpq takes it. Only `text` has its password, and shows it nowhere."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        # As libpq reads it: name and password end at the first `@`, unless a `/` comes before it.
        if "@" in self._parts[1] or not self.text.isprintable():
            raise UsageError(
                "--state postgresql://…: in a name or password, write @, / and invisible characters percent-encoded: "
                "%40, %2F"
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


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A place in an object store: a bucket, and the key of an object there, or what several begin with."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, given: str) -> "ObjectUrl":
        """The place that `s3://bucket/prefix` names.

        Raises:
            UsageError: it names none. Of what is given nothing is shown, as it may be a key.
        """
        bucket, _, prefix = given.removeprefix("s3://").partition("/")
        prefix = prefix.rstrip("/")
        parts = prefix.split("/") if prefix else []
        is_sound = prefix.isprintable() and "\\" not in prefix and not {"", ".", ".."} & set(parts)
        if not _BUCKET.fullmatch(bucket) or not is_sound or len(prefix.encode()) > _LONGEST_PREFIX:
            raise UsageError(
                "--output s3://…: expected s3://BUCKET/PREFIX, with a bucket name of 3 to 63 lower-case letters, "
                "digits, dots and dashes, and a prefix of plain names; credentials come from the usual places for AWS"
            )
        return cls(bucket, prefix)

    def __truediv__(self, path: str) -> "ObjectUrl":
        return ObjectUrl(self.bucket, f"{self.key}/{path}" if self.key else path)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


def part_name(campaign: str, part: str | None) -> str:
    """The name in a database for the state of a part of a campaign; no campaign has a `/` in its name."""
    return campaign if part is None else f"{campaign}/{part}"


# Where a state lies: a file of this machine, or a database that a team shares.
StateLocation = Path | DatabaseUrl

# Where files lie: a folder of this machine, or an object store; and one of them.
OutputLocation = Path | ObjectUrl


def part_path(path: Path, part: str | None) -> Path:
    """The path of a part of the file at `path`: `spring.2-of-8.db` for `spring.db`. None is the whole."""
    return path if part is None else path.with_name(f"{path.stem}.{part}{path.suffix}")


def part_location(whole: StateLocation, part: str | None) -> StateLocation:
    """The location of a part's state: a file of its own, or the same database."""
    return part_path(whole, part) if isinstance(whole, Path) else whole


def part_named(path: Path) -> str | None:
    """The part in the name of a file, as in `2-of-8`; None where there is none."""
    found = _PART.fullmatch(path.stem)
    return None if found is None else found[1]


def parts_beside(path: Path) -> list[str | None]:
    """The parts of `path` that exist: None for the whole, `2-of-8` for one of eight."""
    if not path.parent.is_dir():
        return []
    here = {each.name for each in path.parent.iterdir()}
    found = sorted({part for name in here if (part := part_named(Path(name))) is not None})
    return [part for part in (None, *found) if part_path(path, part).name in here]
