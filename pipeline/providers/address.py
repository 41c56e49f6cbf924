"""Decides which addresses may be connected to: a name is judged by what it resolves to, not by its spelling."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import printable

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# The scheme, if there is one, the host with its user, and the rest.
_PARTS = re.compile(r"((?:[a-z][a-z0-9+.-]*:)?//?|)([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::[0-9]*)?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressRefused(ValueError):
    """The url or host must not be contacted; the message is safe to show."""


def without_query_and_user(url: str) -> str:
    """`url` without query, fragment and user, which can be secrets; only its scheme if a password is odd."""
    scheme, host, rest = _PARTS.fullmatch(url).groups()  # type: ignore[union-attr]  # it matches any text
    if "@" in rest and "@" not in host and not _HOST.fullmatch(host):
        return f"{scheme}…"  # what looks like a host is the beginning of a password with a `/`
    path = rest.partition("#")[0].partition("?")[0]
    return f"{scheme}{host.rpartition('@')[2]}{path}"


def shown_url(url: str) -> str:
    """`url` in a form that is safe to show: short, printable, `without_query_and_user`."""
    return printable(without_query_and_user(url), limit=200)


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine by its name alone; nothing is resolved."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """Addresses that a vendor's urls may lead to: public ones by https; and, only if `loopback`, this machine."""

    loopback: bool

    def check(self, url: str) -> None:
        """Check the url alone, before it is resolved.

        Raises:
            AddressRefused: it is not a valid http(s) url, contains a user, or is http where only https is allowed.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise AddressRefused(f"{shown_url(url)} is not a valid url") from None
        if parts.scheme not in ("http", "https") or not host:
            raise AddressRefused(f"{shown_url(url)} is not an https url")
        if "@" in parts.netloc:
            raise AddressRefused(f"{shown_url(url)} contains a user name, which the url of a file must not")
        if parts.scheme == "http" and not self.loopback:
            raise AddressRefused(f"{shown_url(url)} is http; files are downloaded by https only")

    def addresses(self, host: str, port: int | None, *, tls: bool) -> list[str]:
        """Resolve `host` once, check its addresses, and return them to connect to directly.

        Raises:
            AddressRefused: one of them is not allowed (a public name must not lead to a private address).
            OSError: it cannot be resolved.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
        for address in addresses:
            if not self._allows(ipaddress.ip_address(address), tls=tls):
                where = "" if address == host else f", which is {address},"
                raise AddressRefused(f"{printable(host, 100)}{where} is not a public address")
        return list(dict.fromkeys(addresses))

    def _allows(self, address: _Address, *, tls: bool) -> bool:
        if self.loopback and _is_loopback(address):
            return True
        return tls and _is_public(address)


def _is_loopback(address: _Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv4 address embedded in an IPv6 address is as private as the IPv4 address itself.
        if address.ipv4_mapped:
            return _is_public(address.ipv4_mapped)
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour:
            return _is_public(address.sixtofour)
        if address.is_site_local:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)
