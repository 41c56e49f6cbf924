"""The operator's settings: the key, the address, proxies."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.errors import AccountError, InvalidInput, UsageError
from pipeline.providers.api_settings import Network, Settings, clean_key, network_from
from pipeline.providers.base import DownloadFailed, Media
from pipeline.providers.names import provider_names
from pipeline.providers.registry import provider_named
from pipeline.providers.vimmerse import Vimmerse


@pytest.mark.parametrize("text", ["k-1", "k-1\n", "k-1\r\n", " k-1\t\n"])
def test_key_is_stripped_of_trailing_newline(text: str) -> None:
    assert clean_key(text) == "k-1"


@fails_without(
    "pipeline.providers.api_settings:", "_KEY = re.compile('[\\\\x21", swap=("x7e", "x7e\\\\r\\\\n")
)
@fails_without(
    "pipeline.providers.api_settings:clean_key",
    "raise AccountError(f'the key",
    swap=("AccountError(f'the key", "AccountError(f'the key {key}"),
)
@pytest.mark.parametrize(
    "text", ["", " \n", "sec ret", "sec\nret", "sec\r\nX-Evil: 1", "sécret", "sec\x00ret", "sec\x7fret"]
)
def test_key_invalid_in_a_header_is_rejected_without_showing_it(text: str) -> None:
    with pytest.raises(AccountError) as raised:
        clean_key(text)
    assert "sec" not in str(raised.value).replace("VIMMERSE", "")


@given(st.text(max_size=40))
def test_clean_key_is_accepted_by_settings(text: str) -> None:
    try:
        key = clean_key(text)
    except AccountError:
        return
    assert Settings(key).key == key


@fails_without(
    "pipeline.providers.api_settings:Settings",
    "key: str = field(repr=False",
    swap=("str = field(repr=False)", "str"),
)
def test_key_is_not_in_the_repr() -> None:
    settings = Settings("canary-1", network=Network({"https": "http://u:canary-2@proxy.example:1"}))
    assert "canary" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://2130706433",
        "ftp://127.0.0.1",
        "api.example.com",
        "https://",
        "https://user@api.example.com",
        "https://api.example.com?x=1",
        "https://api.example.com#x",
        "https://[::1",
        "https://api.example.com:port",
    ],
)
def test_address_unsafe_for_the_key_is_rejected(url: str) -> None:
    with pytest.raises(UsageError):
        Settings("k", url)


@pytest.mark.parametrize(
    "url",
    ["s3cret", "user:s3cret@h", "//user:s3cret@h", "https:/u:s3cret@h", "[s3cret", "http://u:s3/cret@h"],
)
def test_what_is_no_address_is_not_shown(url: str) -> None:
    """It may be the key, or have a password in it."""
    with pytest.raises(UsageError) as raised:
        Settings("k", url)
    assert "s3" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("https://api.example.com", False),
        ("https://api.example.com/v", False),
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:80", True),
        ("https://127.0.0.1", True),
    ],
)
def test_files_may_come_from_loopback_only_if_the_api_does(url: str, loopback: bool) -> None:
    assert Settings("k", url).guard.loopback is loopback


def test_network_is_configured_by_the_usual_variables(tmp_path: Path) -> None:
    bundle = tmp_path / "corp.pem"
    bundle.touch()
    network = network_from(
        {
            "HTTPS_PROXY": "http://caps.example:1",
            "https_proxy": "http://small.example:1",
            "ALL_PROXY": "bare.example:3128",
            "no_proxy": "direct.example, .corp.example,10.0.0.0/8,port.example:8443",
            "REQUESTS_CA_BUNDLE": str(bundle),
        }
    )
    assert network.ca_bundle == str(bundle)
    assert network.proxy_for("https://api.example.com/x") == "http://small.example:1"
    assert network.proxy_for("http://api.example.com/x") == "http://bare.example:3128"


@pytest.mark.parametrize("bundle", ["/no/such/bundle.pem", "x" * 5000])
def test_error_names_the_unreadable_ca_bundle(bundle: str) -> None:
    network = network_from({"REQUESTS_CA_BUNDLE": bundle})
    with pytest.raises(UsageError, match=f"cannot read a bundle of certificates at {bundle[:100]}"):
        Settings("key", "https://api.example.com", network=network)
    Settings("key", "http://127.0.0.1:1", network=network)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        (("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), "REQUESTS_CA_BUNDLE"),
        (("CURL_CA_BUNDLE", "SSL_CERT_FILE"), "CURL_CA_BUNDLE"),
        (("SSL_CERT_FILE",), "SSL_CERT_FILE"),
    ],
)
def test_error_names_the_variable_that_the_ca_bundle_came_from(
    variables: tuple[str, ...], named: str
) -> None:
    network = network_from(dict.fromkeys(variables, "/no/such/bundle.pem"))

    with pytest.raises(UsageError, match=f"bundle.pem: set {named} again"):
        Settings("key", "https://api.example.com", network=network)


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("https://direct.example", True),
        ("https://sub.direct.example", True),
        ("https://indirect.example", False),
        ("https://corp.example", True),
        ("https://a.CORP.example/", True),
        ("https://notcorp.example", False),
        ("https://10.1.2.3", True),
        ("https://11.1.2.3", False),
        ("https://port.example:8443", True),
        ("https://port.example:9", False),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("https://[::1]:8000", True),
    ],
)
def test_no_proxy_hosts(url: str, direct: bool) -> None:
    proxy = "http://proxy.example:1"
    entries = ("direct.example", ".corp.example", "10.0.0.0/8", "port.example:8443")
    network = Network({"https": proxy, "http": proxy}, entries)
    assert network.proxy_for(url) == (None if direct else proxy)


def test_star_disables_the_proxy() -> None:
    assert Network({"all": "http://proxy.example:1"}, ("*",)).proxy_for("https://a.example") is None


@pytest.mark.parametrize("proxy", ["socks5://proxy.example:1", "http://", "http://[::1"])
def test_unusable_proxy_is_reported_without_its_password(proxy: str) -> None:
    network = network_from({"https_proxy": proxy})
    with pytest.raises(UsageError, match="the proxy for https"):
        Settings("key", "https://api.example.com", network=network)


BAD = "socks5://proxy.example:1"
NOT_USED = [
    ("https://api.example.com", {"HTTP_PROXY": BAD}),
    ("https://api.example.com", {"ALL_PROXY": BAD, "HTTPS_PROXY": "http://proxy.example:1"}),
    ("https://api.example.com", {"HTTPS_PROXY": BAD, "NO_PROXY": "example.com"}),
    ("https://api.example.com", {"ALL_PROXY": BAD, "NO_PROXY": "*"}),
    ("https://127.0.0.1:1", {"ALL_PROXY": BAD}),
    ("http://127.0.0.1:1", {"ALL_PROXY": BAD, "SSL_CERT_FILE": "/no/such/bundle.pem"}),
    ("http://localhost:1", {"REQUESTS_CA_BUNDLE": "/no/such/bundle.pem"}),
    ("http://[::1]:1", {"HTTP_PROXY": "http://[::1", "CURL_CA_BUNDLE": "/no/such/bundle.pem"}),
]


@pytest.mark.parametrize(("address", "variables"), NOT_USED)
def test_invalid_setting_that_is_not_used_is_ignored(address: str, variables: dict[str, str]) -> None:
    assert Settings("key", address, network=network_from(variables)).base_url == address


def test_provider_requires_a_key_and_an_address() -> None:
    with pytest.raises(AccountError, match="set VIMMERSE_API_KEY"):
        Vimmerse(Settings(""))
    with pytest.raises(UsageError, match="set VIMMERSE_BASE_URL"):
        Vimmerse(Settings("key", ""))


NEEDED = [
    ("https://api.example.com", {"ALL_PROXY": BAD}),
    ("https://api.example.com", {"HTTPS_PROXY": "https://[", "HTTP_PROXY": "http://proxy.example:1"}),
    ("https://127.0.0.1:1", {"REQUESTS_CA_BUNDLE": "/no/such/bundle.pem"}),
]


@pytest.mark.parametrize(("address", "variables"), NEEDED)
def test_invalid_setting_that_is_used_is_reported(address: str, variables: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"the proxy for|bundle of certificates"):
        Settings("key", address, network=network_from(variables))


def test_invalid_ca_bundle_for_media_fails_only_the_download(tmp_path: Path) -> None:
    network = network_from({"REQUESTS_CA_BUNDLE": "/no/such/bundle.pem"})
    client = Vimmerse(Settings("key", "http://127.0.0.1:1", network=network))
    with pytest.raises(DownloadFailed, match="bundle of certificates") as raised:
        client.download(Media("https://127.0.0.1:1/f.png", "image/png"), tmp_path / "f.png")
    assert raised.value.lasting


def test_emulator_uses_the_same_client() -> None:
    settings = Settings("k", "http://127.0.0.1:1", name="emulator")
    assert type(provider_named("emulator", settings)) is type(provider_named("vimmerse", settings))
    assert provider_named("emulator", settings).name == "emulator"


def test_unknown_provider_is_an_error_with_a_suggestion() -> None:
    assert {"emulator", "vimmerse"} <= set(provider_names())
    with pytest.raises(InvalidInput, match="did you mean 'vimmerse'"):
        provider_named("vimerse", Settings("k"))
    with pytest.raises(InvalidInput, match="there is no provider"):
        provider_named("os:system", Settings("k"))
