"""The addresses that the vendor calls, one per purchase, and the secret that makes them unguessable."""

import hmac
import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import system
from pipeline.errors import InvalidInput, Unfinished, UsageError
from pipeline.files import write_atomically
from pipeline.purchases import PurchaseId

VARIABLE = "PIPELINE_WEBHOOK_SECRET"
_NAME = "webhook-secret"
_SECRET = re.compile(r"[\x21-\x7e]{16,1000}")
_PATH = re.compile(r"/hooks/([0-9a-f]{16})/([0-9a-f]{64})")
_URL = re.compile(r"[\x21-\x7e]{1,1000}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses below `url`, each with a proof that can be computed only with `secret`."""

    secret: bytes = field(repr=False)
    url: str = ""

    def of(self, purchase_id: PurchaseId) -> str:
        """The address that the vendor is to call when the workflow of a purchase ends."""
        return f"{self.url}/hooks/{purchase_id}/{self._proof(purchase_id)}"

    def purchase_at(self, path: str) -> PurchaseId | None:
        """The purchase whose address has this path; None if it is not such an address, or its proof is wrong."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        purchase_id = PurchaseId(found[1])
        # Compared in constant time, so that a proof cannot be guessed digit by digit.
        return purchase_id if hmac.compare_digest(self._proof(purchase_id), found[2]) else None

    def _proof(self, purchase_id: PurchaseId) -> str:
        return hmac.new(self.secret, purchase_id.encode(), sha256).hexdigest()


def checked_url(url: str) -> str:
    """Check `url`, and return it in the form that precedes `/hooks/…`.

    Raises:
        UsageError: it is not a url that may be sent to the vendor.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - raises if the port is invalid
    except ValueError:
        host = None
    if not host or not _URL.fullmatch(url) or parts.scheme not in {"http", "https"}:
        raise UsageError("--webhook-url: expected an address such as https://hooks.example.com/campaigns")
    if parts.query or parts.fragment or parts.username is not None:
        raise UsageError("--webhook-url: expected an address without query, fragment and user")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise UsageError(
            "--webhook-url: http is allowed for this machine only, because the address is secret; use https"
        )
    return url.rstrip("/")


def secret_in(variable: str | None, folder: Path) -> bytes:
    """The secret from the environment's `variable`, or else from a file in `folder`, which is created if missing.

    Raises:
        UsageError: the variable is too short, or has other characters than a secret may have.
        InvalidInput: the file is accessible to others than its owner, or contains no secret.
        Unfinished: the file cannot be created or read.
    """
    if variable is not None:
        if not _SECRET.fullmatch(variable.strip()):
            raise UsageError(f"{VARIABLE}: expected 16 to 1,000 printable characters without spaces")
        return variable.strip().encode()
    path = folder / _NAME
    try:
        if not os.path.lexists(path):
            _make(path)
        return _read(path)
    except OSError as error:
        raise Unfinished(f"{path}: the secret of the webhooks cannot be stored: {error.strerror}") from error


def _make(path: Path) -> None:
    """Create the file atomically, accessible only to its owner; if another process was faster, its secret stays."""
    is_new = not path.parent.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_new:
        write_atomically(path.parent / ".gitignore", b"*\n")
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.PRIVATE, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | system.NO_FOLLOW | system.PRIVATE | system.NON_BLOCKING)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077 or system.belongs_to_another(status):
            raise InvalidInput(
                f"{path}: anyone who can read it can pass for the vendor: it must be your own file with mode 0600; "
                "delete it, and a new one is created"
            )
        content = file.read(2000).decode("latin-1").strip()
    if not _SECRET.fullmatch(content):
        raise InvalidInput(f"{path}: contains no secret; delete it, and a new one is created")
    return content.encode()
