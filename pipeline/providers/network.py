"""How this machine reaches the outside: proxies and the bundle of certificates, told explicitly.

The HTTP library's own reading of the environment is switched off, as it also takes credentials from `.netrc`.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pipeline.errors import UsageError, printable
from pipeline.providers.address import is_loopback_host

_SCHEMES = ("http", "https", "all")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True, slots=True)
class Network:
    """`proxies` by scheme (`http`, `https`, `all`), the hosts that go without one, and a CA bundle's path.

    A proxy's url may hold a password, so it is not shown. `ca_bundle` None: the bundle that is built in. What cannot
    be used is reported where it would be used, as a setting that is meant for other addresses stops nothing.
    """

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    direct: tuple[str, ...] = ()
    ca_bundle: str | None = None

    def check(self, url: str) -> None:
        """Make sure that all that is needed to reach `url` can be used.

        Raises:
            UsageError: its proxy's url cannot be one, or there is no such bundle of certificates.
        """
        proxy = self.proxy_for(url)
        if _is_secure(url) or (proxy is not None and _is_secure(proxy)):
            self.trusted()

    def proxy_for(self, url: str) -> str | None:
        """The proxy to reach `url` through; None to go there directly, as always to this machine.

        Raises:
            UsageError: its url cannot be one.
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
        """The bundle of certificates to trust, None for the one that is built in.

        Raises:
            UsageError: it cannot be read.
        """
        if self.ca_bundle is not None and not os.access(self.ca_bundle, os.R_OK):
            shown = printable(self.ca_bundle, 200)
            raise UsageError(f"cannot read a bundle of certificates at {shown}: set REQUESTS_CA_BUNDLE again")
        return self.ca_bundle


def network_from(environment: Mapping[str, str]) -> Network:
    """The network as the usual variables tell it: `HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE` and kin.

    A name in small letters wins over the same in capitals, as with curl.
    """

    def told(name: str) -> str:
        return (environment.get(name.lower()) or environment.get(name.upper()) or "").strip()

    proxies = {
        scheme: proxy if "://" in proxy else f"http://{proxy}"
        for scheme in _SCHEMES
        if (proxy := told(f"{scheme}_proxy"))
    }
    direct = tuple(entry for part in told("no_proxy").split(",") if (entry := part.strip()))
    bundle = next((path for name in _BUNDLES if (path := environment.get(name, "").strip())), None)
    return Network(proxies, direct, bundle)


def _is_secure(url: str) -> bool:
    return url[:6].lower() == "https:"


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _covers(entry: str, host: str, port: int | None) -> bool:
    """Whether an entry of `NO_PROXY` means this host: `*`, a domain (and port), an address or a range."""
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
