"""Locations of records and files: paths on this machine or addresses, also for a part of a campaign.

An address is never treated as a path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from pipeline.errors import UsageError, printable

_PART = re.compile(r".*\.([1-9]\d*-of-[1-9]\d*(?:-by-credits)?)")
# Schemes of databases, which can hold a state, and of all supported stores.
_DATABASES = frozenset({"postgres", "postgresql"})
_STORES = _DATABASES | {"s3"}
_KNOWN = "|".join(sorted(_STORES, reverse=True))
# Also matches with a missing slash: nobody means a file by `s3:/bucket`.
_ADDRESS = re.compile(rf"(?P<scheme>[^/\\]*?)://|(?P<known>{_KNOWN}):", re.IGNORECASE)
# Words before `//` that people mean for an address, though the colon is missing.
_SCHEMES = f"{_KNOWN}|https?|gs|gcs|azure|abfss?|file|ftp|sftp|mysql|mariadb|sqlite|redis|mongodb"
# Keywords of the form `host=… dbname=…`, in which libpq also accepts the address of a database.
_KEYWORDS = "host|hostaddr|port|dbname|user|password|passfile|service|servicefile|sslpassword"
# What looks like an address without a known scheme, unless it begins with `./` or `/`. `C:\` is a drive of Windows.
_UNCLEAR = re.compile(
    rf"(?![a-z]:[/\\])[^/\\]*:|//|[^/\\]*//[^/]*[:@]|\s*(?:{_SCHEMES})//|[^/\\]*@[^/\\]*/.|"
    rf"\s*(?:{_KEYWORDS})\s*=|\s*\w+\s*=.*[\s;]\w+\s*=",
    re.IGNORECASE | re.DOTALL,
)
# What is no file even where no address is expected: a known scheme, a user with a password, keywords with one.
_NO_FILE = re.compile(
    rf"\s*(?:{_SCHEMES})(?::|//)|[^/\\]*:[^/\\]*@|[^/\\]*//[^/]*:[^/]*@|.*\bpassword\s*=",
    re.IGNORECASE | re.DOTALL,
)
# The addresses that a flag takes.
_TAKEN = {"--state": _DATABASES, "--output": frozenset({"s3"})}
_WORD = re.compile(r"[a-z][a-z0-9+.-]*", re.IGNORECASE)
_DATABASE = re.compile(rf"({'|'.join(sorted(_DATABASES, reverse=True))})://", re.IGNORECASE)
# Addresses in a command line: what follows the scheme may be a password, and so may the path of a webhook's url.
_IN_A_LINE = re.compile(
    rf"\b({'|'.join(sorted(_DATABASES, reverse=True))}):\S*|(?<![a-z0-9+.-])([a-z][a-z0-9+.-]*)://\S*|"
    r"(?<=--webhook-url[ =])\S+",
    re.IGNORECASE,
)

# By kind of record, the endings of file names.
_ENDS = {
    "results": (".results.json", ".results.yaml", ".results.yml"),
    "decisions": (".decisions.yaml", ".decisions.yml"),
    "a state": (".db",),
}
# Url parameters that must not be shown.
_SECRET_PARAMETERS = frozenset({"password", "sslpassword"})
# The address of a database as `DatabaseUrl.argument` writes it, for suggested commands: it stays, so that they can be
# pasted. Anything more up to the next space could be the rest of a password.
_PARAMETER = rf"(?!(?:{'|'.join(sorted(_SECRET_PARAMETERS))})=)[a-z_]+=[\w.,:/%~+-]*"
_WITHOUT_PASSWORD = (
    rf"(?:{'|'.join(sorted(_DATABASES, reverse=True))})://(?:[\w.~%+-]+@)?[\w.,:/%~\[\]-]*"
    rf"(?:\?{_PARAMETER}(?:&{_PARAMETER})*)?['\"`,;:).]*(?:\s|$)"
)
# A scheme is looked for where a word begins, not at each of its letters: that would take minutes for a long word.
_BEGINS = r"(?<![a-z0-9+.-])"
_SCHEME = rf"{_BEGINS}(?![0-9+.-]*[+.-]{_WITHOUT_PASSWORD})[0-9+.-]*[a-z][a-z0-9+.-]*+://"
# A possible password ends at the last `@` before a space; quotes and a colon after the address belong to the message.
_WITH_SECRETS = re.compile(
    rf"(?P<kept>\b{_WITHOUT_PASSWORD})|"
    rf"(?P<scheme>{_SCHEME}|\b(?:{_KNOWN}):)\S*[@?#…](?:[^\s'\"`,;)]*[^\s'\"`,;):])?",
    re.IGNORECASE,
)

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 500


def is_database(value: str) -> bool:
    """Whether `value` is the address of a database that can hold a state."""
    return _DATABASE.match(value) is not None


def is_object_store(value: str) -> bool:
    """Whether `value` is the address of an object store that can hold files."""
    return value.startswith("s3://")


def without_addresses(line: str) -> str:
    """A command line with addresses reduced to their scheme, as any part of one may be a secret."""

    def scheme_only(found: re.Match[str]) -> str:
        scheme = found[1] or found[2]
        return f"{scheme}://…" if scheme else "…"

    return without_secrets(_IN_A_LINE.sub(scheme_only, line))


def without_secrets(text: str) -> str:
    """A message with addresses that name a user, have parameters or a fragment, or were cut reduced to their scheme.

    That of a database stays if it has no password: commands that the message suggests contain it.
    """
    return _WITH_SECRETS.sub(lambda found: found["kept"] or f"{found['scheme']}…", text)


def assert_path(name: str, value: str | None, *, is_only_path: bool = False) -> None:
    """Check that `value`, given for the flag `name`, is a path, not an address.

    `is_only_path`: the flag accepts no addresses at all, so the message suggests none.

    Raises:
        UsageError: it is an address; the message shows only its scheme, as the rest may contain a password.
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
    # Without a word for a scheme, what precedes `://` may be a password too.
    shown = f"{printable(scheme, 40)}://…" if _WORD.fullmatch(scheme) else "…://…"
    if is_only_path or name not in _TAKEN:
        raise UsageError(f"{name} {shown}: expected a path, not an address")
    raise UsageError(f"{name} {shown}: expected {_expected(name)}")


def assert_file(name: str, value: str) -> None:
    """Check, as `assert_path` does, that `value` is a path, where no address is taken and file names are free.

    Raises:
        UsageError: it is an address, or certainly meant for one; the message shows nothing that may be a password.
    """
    assert_path(name, value, is_only_path=True)
    if _NO_FILE.match(value):
        raise _looks_like_an_address(name, "a path")


def _expected(name: str) -> str:
    """What the flag `name` takes."""
    taken = " or ".join(f"{each}://" for each in sorted(_TAKEN.get(name, ())))
    return f"a path, or an address that begins with {taken}" if taken else "a path"


def _looks_like_an_address(name: str, expected: str) -> UsageError:
    return UsageError(
        f"{name} …: this looks like an address, of a kind that is not known: expected {expected}; "
        "a file or folder that has such a name is written as ./NAME"
    )


def assert_location(name: str, value: str | None, *, is_only_path: bool = False) -> None:
    """Check, as `assert_path` does, that `value` is a path, where people may well mean an address.

    What only looks like an address is refused too: `gs:bucket`, `user:password@host/db`, `host=db password=…`.

    Raises:
        UsageError: it is an address or looks like one; the message shows nothing that may be a password.
    """
    assert_path(name, value, is_only_path=is_only_path)
    if _UNCLEAR.match(value or ""):
        raise _looks_like_an_address(name, "a path" if is_only_path else _expected(name))


def path_argument(path: str) -> str:
    """`path` as an argument that `assert_location` does not take for an address; it begins with `./` if needed."""
    return f"./{path}" if _UNCLEAR.match(path) and not _ADDRESS.match(path) else path


def kind_named(path: Path) -> str | None:
    """The kind of record that the name of `path` stands for: results, decisions or a state; else None."""
    name = path.name.lower()
    return next((kind for kind, ends in _ENDS.items() if name.endswith(ends)), None)


def assert_named_as(path: Path, kind: str = "") -> None:
    """Refuse a name for a new file that stands for another kind of record than `kind`.

    Commands and people would take the file for a record of that kind.

    Raises:
        UsageError: it is a name for results, decisions or a state.
    """
    other = kind_named(path)
    if other not in {None, kind}:
        raise UsageError(f"{printable(str(path))}: that is a name for {other}; choose another")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """The address of a PostgreSQL database, as libpq accepts it. Only `text` has the password; no repr shows it.

    Its scheme, whose case does not matter, is in lower case.
    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        scheme, separator, rest = self.text.partition("://")
        # The class is frozen; libpq takes no other spelling.
        object.__setattr__(self, "text", f"{scheme.lower()}{separator}{rest}")
        # As in libpq, name and password end at the first `@`, unless a `/` precedes it.
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

    @property
    def argument(self) -> str:
        """The address as an argument of a command, without the password: that comes from PGPASSWORD or a file."""
        user, (rest, _, query) = self._parts[0].partition(":")[0], self._parts[1].partition("?")
        kept = "&".join(
            each for each in query.split("&") if unquote(each.partition("=")[0]) not in _SECRET_PARAMETERS
        )
        scheme = self.text.partition("://")[0]
        return f"{scheme}://{user and f'{user}@'}{rest}{kept and f'?{kept}'}"

    def without_secrets(self, text: str) -> str:
        """`text`, such as a driver's message, without the password."""
        password = self._parts[0].partition(":")[2]
        secrets = [password, *(value for name, value in self._parameters() if name in _SECRET_PARAMETERS)]
        for secret in sorted({*secrets, *map(unquote, secrets)} - {""}, key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    @property
    def _parts(self) -> tuple[str, str]:
        """Name and password, and the rest of the address."""
        after = self.text.partition("://")[2]
        user, at, rest = after.partition("@")
        return (user, rest) if at and "/" not in user else ("", after)

    def _parameters(self) -> list[tuple[str, str]]:
        return parse_qsl(self._parts[1].partition("?")[2])


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """A location in an object store: a bucket, and an object's key or a prefix of keys."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, given: str) -> ObjectUrl:
        """Parse `s3://bucket/prefix`.

        Raises:
            UsageError: it is invalid. The message does not show it, as it may contain a key.
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

    def __truediv__(self, path: str) -> ObjectUrl:
        return ObjectUrl(self.bucket, f"{self.key}/{path}" if self.key else path)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]


def part_name(campaign: str, part: str | None) -> str:
    """The name of the state of a campaign's part in a database; no campaign has a `/` in its name."""
    return campaign if part is None else f"{campaign}/{part}"


# The location of a state: a file on this machine, or a database that a team shares.
StateLocation = Path | DatabaseUrl

# The location of output: a folder on this machine or an object store, or one file in either.
OutputLocation = Path | ObjectUrl


def part_path(path: Path, part: str | None) -> Path:
    """The path of a part's file: `spring.2-of-8.db` for `spring.db`. None means the whole."""
    return path if part is None else path.with_name(f"{path.stem}.{part}{path.suffix}")


def part_location(whole: StateLocation, part: str | None) -> StateLocation:
    """The location of a part's state: its own file, or the same database."""
    return part_path(whole, part) if isinstance(whole, Path) else whole


def part_named(path: Path) -> str | None:
    """The part in the name of a file, such as `2-of-8`; None if there is none."""
    found = _PART.fullmatch(path.stem)
    return None if found is None else found[1]


def whole_path(path: Path) -> Path:
    """The path for the whole campaign of a file that may be a part's: `spring.db` for `spring.2-of-8.db`."""
    part = part_named(path)
    return path if part is None else path.with_name(f"{path.stem.removesuffix(f'.{part}')}{path.suffix}")


def parts_beside(path: Path) -> list[str | None]:
    """The parts of `path` that exist: None for the whole, `2-of-8` for one of eight parts."""
    if not path.parent.is_dir():
        return []
    here = {each.name for each in path.parent.iterdir()}
    found = sorted({part for name in here if (part := part_named(Path(name))) is not None})
    return [part for part in (None, *found) if part_path(path, part).name in here]
