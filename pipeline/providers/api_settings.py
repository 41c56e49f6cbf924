"""Whom to talk to and as whom: the operator's, never a manifest's."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pipeline.errors import AccountError, UsageError
from pipeline.providers.address import Guard, is_loopback_host, shown_url
from pipeline.providers.network import Network

VENDOR = "https://api.vimmerse.net"

_KEY = re.compile(r"[\x21-\x7e]+")


def clean_key(text: str, variable: str = "VIMMERSE_API_KEY") -> str:
    """A key as it was read from `variable` or a file, without the newline that editors leave behind it.

    Raises:
        AccountError: empty, or with characters that no header can carry. The message never holds the key.
    """
    key = text.strip(" \t\r\n")
    if not key:
        raise AccountError(f"there is no key: set {variable}")
    if not _KEY.fullmatch(key):
        raise AccountError(
            f"the key contains a space, a line break or a non-ASCII character: set {variable} again"
        )
    return key


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the API is, which of its versions, the key, and how long one call may take, in seconds.

    A provider that names no variable for them has an empty key, or an empty address.

    Raises:
        UsageError: the address is not https (http only on this machine), or not that of a server's root; or a proxy
            or a bundle of certificates that it needs cannot be used.
        AccountError: a key that cannot be one.
    """

    key: str = field(repr=False)
    base_url: str = VENDOR
    api: Literal["v1", "v2"] = "v1"
    request_timeout: float = 60.0
    network: Network = Network()
    name: str = "vimmerse"

    def __post_init__(self) -> None:
        if self.key and clean_key(self.key) != self.key:
            raise AccountError("the key has leading or trailing white space")
        if self.base_url:
            self._check_address()

    def _check_address(self) -> None:
        shown = shown_url(self.base_url)
        try:
            parts = urlsplit(self.base_url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise UsageError(f"the API's address is not a url: {shown}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"the API's address must begin with https://, not {shown}")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise UsageError(
                f"the API's address is a host and a path, without user, query or fragment: {shown}"
            )
        if parts.scheme == "http" and not is_loopback_host(host):
            raise UsageError(f"the key is not sent without encryption: {shown} must be https")
        self.network.check(self.base_url)

    @property
    def guard(self) -> Guard:
        """What may be fetched: this machine's files exactly when the API itself is on this machine."""
        return Guard(loopback=is_loopback_host(urlsplit(self.base_url).hostname or ""))
