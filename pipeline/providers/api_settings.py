"""Settings of the API: address, key and network (proxies, certificates). The operator sets them, never a manifest.

The HTTP library must not read the environment itself, because it would also take credentials from `.netrc`.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pipeline.errors import AccountError, UsageError, printable
from pipeline.providers.address import Guard, is_loopback_host, shown_url

# The longest that one call may take, in seconds, unless a flag says otherwise.
REQUEST_TIMEOUT = 60.0
_SCHEMES = ("http", "https", "all")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Network:
    """Proxies by scheme (`http`, `https`, `all`), the hosts to reach directly, and the path of a CA bundle.

    A proxy's url may contain a password, so it is not shown. `ca_bundle` None means the built-in bundle;
    `bundle_variable` is where its path came from. An invalid setting is reported only when it is used, because it may
    be meant for other addresses.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    direct: tuple[str, ...] = ()
    ca_bundle: str | None = None
    bundle_variable: str = _BUNDLES[0]

    def check(self, url: str) -> None:
        """Check that the settings needed to reach `url` can be used.

        Raises:
            UsageError: its proxy's url is invalid, or the bundle of certificates cannot be read.
        """
        proxy = self.proxy_for(url)
        if _is_secure(url) or (proxy is not None and _is_secure(proxy)):
            self.trusted()

    def proxy_for(self, url: str) -> str | None:
        """The proxy for `url`; None to connect directly, as always to this machine.

        Raises:
            UsageError: the proxy's url is invalid.
        """
        parts = urlsplit(url)
        host = parts.hostname or ""
        if is_loopback_host(host) or any(_covers(entry, host, parts.port) for entry in self.direct):
            return None
        scheme = parts.scheme if self.proxies.get(parts.scheme) else "all"
        proxy = self.proxies.get(scheme)
        if proxy is not None and not _is_proxy(proxy):
            raise UsageError(f"the proxy for {scheme} must be a url like http://proxy.example.com:3128")
        return proxy

    def trusted(self) -> str | None:
        """The bundle of certificates to trust; None for the built-in one.

        Raises:
            UsageError: it cannot be read.
        """
        if self.ca_bundle is not None and not os.access(self.ca_bundle, os.R_OK):
            shown = printable(self.ca_bundle, 200)
            raise UsageError(
                f"cannot read a bundle of certificates at {shown}: set {self.bundle_variable} again"
            )
        return self.ca_bundle


def network_from(environment: Mapping[str, str]) -> Network:
    """The network settings from the usual variables: `HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE` and the like.

    A lowercase name takes precedence over the uppercase one, as with curl.
    """

    def value(name: str) -> str:
        return (environment.get(name.lower()) or environment.get(name.upper()) or "").strip()

    proxies = {
        scheme: proxy if "://" in proxy else f"http://{proxy}"
        for scheme in _SCHEMES
        if (proxy := value(f"{scheme}_proxy"))
    }
    direct = tuple(entry for part in value("no_proxy").split(",") if (entry := part.strip()))
    variable = next((name for name in _BUNDLES if environment.get(name, "").strip()), None)
    if variable is None:
        return Network(proxies, direct)
    return Network(proxies, direct, environment[variable].strip(), variable)


def _is_secure(url: str) -> bool:
    return url[:6].lower() == "https:"


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` covers this host: `*`, a domain (and port), an address or a range."""
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass
    domain, separator, wanted = entry.lower().rpartition(":")
    if separator and wanted.isdigit():
        if port is not None and int(wanted) != port:
            return False
    else:
        domain = entry.lower()
    domain = domain.removeprefix("*").strip(".")
    name = host.lower().rstrip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


VENDOR = "https://api.vimmerse.net"

_KEY = re.compile(r"[\x21-\x7e]+")


def clean_key(text: str, variable: str = "VIMMERSE_API_KEY") -> str:
    """A key read from `variable` or a file, without surrounding white space such as an editor's newline.

    Raises:
        AccountError: it is empty, or has characters that a header cannot carry. The message never contains the key.
    """
    key = text.strip(" \t\r\n")
    if not key:
        raise AccountError(f"there is no API key: set {variable}")
    if not _KEY.fullmatch(key):
        raise AccountError(
            f"the key contains a space, a line break or a non-ASCII character: set {variable} again"
        )
    return key


class InvalidAddress(UsageError):
    """The API's address cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The API's address and version, the key, and the timeout of one call, in seconds.

    Key or address are empty if the provider names no variable for them.

    Raises:
        InvalidAddress: the address is invalid, or not https (http is allowed only on this machine).
        UsageError: a proxy or a bundle of certificates that it needs cannot be used.
        AccountError: the key is invalid.
    """

    key: str = field(repr=False)
    base_url: str = VENDOR
    api: Literal["v1", "v2"] = "v1"
    request_timeout: float = REQUEST_TIMEOUT
    network: Network = Network()
    name: str = "vimmerse"

    def __post_init__(self) -> None:
        if self.key and clean_key(self.key) != self.key:
            raise AccountError("the key has leading or trailing white space")
        if self.base_url:
            self._check_address()

    def _check_address(self) -> None:
        # Without a scheme, it may be something else that was meant for another variable, such as the key.
        shown = shown_url(self.base_url) if "://" in self.base_url else "…"
        try:
            parts = urlsplit(self.base_url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise InvalidAddress(f"the API's address is not a url: {shown}") from None
        if parts.scheme not in ("http", "https") or not host:
            raise InvalidAddress(f"the API's address must begin with https://, not {shown}")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise InvalidAddress(
                f"the API's address is a host and a path, without user, query or fragment: {shown}"
            )
        if parts.scheme == "http" and not is_loopback_host(host):
            raise InvalidAddress(f"the key is not sent without encryption: {shown} must be https")
        self.network.check(self.base_url)

    @property
    def guard(self) -> Guard:
        """The guard for downloads: it allows this machine's addresses only if the API itself is on this machine."""
        return Guard(loopback=is_loopback_host(urlsplit(self.base_url).hostname or ""))
