"""The addresses that the vendor calls: one for each purchase, which nobody can guess who does not know the secret."""

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import urlsplit

from pipeline.errors import UsageError
from pipeline.purchases import PurchaseId

_PATH = re.compile(r"/hooks/([0-9a-f]{16})/([0-9a-f]{64})")
_URL = re.compile(r"[\x21-\x7e]{1,1000}")
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses below `url`, each with a proof that only `secret` can make."""

    secret: bytes = field(repr=False)
    url: str = ""

    def of(self, purchase_id: PurchaseId) -> str:
        """Where the vendor is to call when the workflow of a purchase ends."""
        return f"{self.url}/hooks/{purchase_id}/{self._proof(purchase_id)}"

    def purchase_at(self, path: str) -> PurchaseId | None:
        """The purchase whose address has this path; None where it is none of ours, or its proof is another's."""
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        purchase_id = PurchaseId(found[1])
        # In constant time, so that no proof can be guessed digit by digit.
        return purchase_id if hmac.compare_digest(self._proof(purchase_id), found[2]) else None

    def _proof(self, purchase_id: PurchaseId) -> str:
        return hmac.new(self.secret, purchase_id.encode(), sha256).hexdigest()


def checked_url(url: str) -> str:
    """`url` as it stands before `/hooks/…`.

    Raises:
        UsageError: the vendor cannot be given it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018 - it raises where the port is none
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
