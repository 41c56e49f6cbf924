"""From which addresses files may be fetched, and how urls are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.providers.address import AddressRefused, Guard, is_loopback_host, shown_url
from providers.create_requests import is_harmless

OUTSIDE = Guard(loopback=False)
REHEARSING = Guard(loopback=True)

THIS_MACHINE = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "①②⑦.⓪.⓪.①",
    "::1",
    "::ffff:127.0.0.1",
]
PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@fails_without(
    "pipeline.providers.address:_is_public",
    "return address.is_global",
    swap=(
        "address.is_global and (not (address.is_multicast or address.is_reserved)",
        "not (address.is_multicast or address.is_reserved",
    ),
)
@pytest.mark.parametrize("host", THIS_MACHINE + PRIVATE)
def test_non_public_address_is_rejected_in_any_notation(host: str) -> None:
    with pytest.raises(AddressRefused, match="not a public address"):
        OUTSIDE.addresses(host, 443, tls=True)


def test_error_shows_the_address_only_beside_a_name() -> None:
    with pytest.raises(AddressRefused, match=r"^10\.0\.0\.1 is not a public address"):
        OUTSIDE.addresses("10.0.0.1", 443, tls=True)
    with pytest.raises(
        AddressRefused, match=r"^localhost, which is (127\.0\.0\.1|::1), is not a public address"
    ):
        OUTSIDE.addresses("localhost", 443, tls=True)


@pytest.mark.parametrize("host", PUBLIC)
def test_public_address_is_allowed_by_https_only(host: str) -> None:
    assert OUTSIDE.addresses(host, 443, tls=True) == [host]
    with pytest.raises(AddressRefused):
        REHEARSING.addresses(host, 80, tls=False)


@pytest.mark.parametrize("host", THIS_MACHINE)
def test_loopback_is_allowed_if_the_api_is_on_it(host: str) -> None:
    assert REHEARSING.addresses(host, 80, tls=False)


@pytest.mark.parametrize("host", PRIVATE)
def test_other_private_addresses_are_rejected_even_then(host: str) -> None:
    with pytest.raises(AddressRefused):
        REHEARSING.addresses(host, 443, tls=True)


@fails_without(
    "pipeline.providers.address:Guard.check",
    "if parts.scheme not in (",
    swap=("not in ('http', 'https') or not host", "is None"),
)
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "ftp://example.com/x",
        "//example.com/x",
        "https://",
        "https:///x",
        "https://user:pass@example.com/x",
        "https://media@127.0.0.1",
        "https://[::1",
        "https://example.com:99999/x",
        "https://example.com:x/",
        "http://example.com/x",
        "",
    ],
)
def test_disallowed_url_is_rejected(url: str) -> None:
    with pytest.raises(AddressRefused):
        OUTSIDE.check(url)


def test_valid_url_is_accepted() -> None:
    OUTSIDE.check("https://media.example.com/f.mp4?sig=1")
    REHEARSING.check("http://127.0.0.1:8000/f.mp4")


def test_url_is_shown_without_secrets() -> None:
    shown = shown_url("https://user:pass@media.example.com/a\x1b[31m.mp4?X-Signature=s3cret#t")
    assert shown == "https://media.example.com/a\\x1b[31m.mp4"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("user:s3cret@h/x", "h/x"),
        ("//user:s3cret@h/x", "//h/x"),
        ("https:/user:s3cret@h/x", "https:/h/x"),
        ("https:user:s3cret@h/x", "h/x"),
        ("https://user:s3/cret@h/x", "https://…"),
        ("https://user:s3?cret@h/x", "https://…"),
        ("https://user:s3#cret@h/x", "https://…"),
        ("https://user:s3@cret@h/x?e=a@s3cret", "https://h/x"),
        ("https://h/@user/x.mp4?e=a@s3cret", "https://h/@user/x.mp4"),
        ("https://h:8000/@user", "https://h:8000/@user"),
        ("https://[::1]:80/@user", "https://[::1]:80/@user"),
        ("file:///a@b", "file:///a@b"),
        ("a/b.mp4?sig=s3cret", "a/b.mp4"),
    ],
)
def test_url_without_a_scheme_or_with_an_odd_password_is_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@given(st.text(max_size=400))
def test_any_text_is_shown_short_and_on_one_line(text: str) -> None:
    shown = shown_url(text)
    assert len(shown) <= 200
    assert is_harmless(shown)
    assert "?" not in shown


@given(st.text(max_size=60))
def test_any_url_is_accepted_or_rejected_without_crashing(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        refusal = ""
        try:
            OUTSIDE.check(url)
        except AddressRefused as error:
            refusal = str(error)
        assert is_harmless(refusal)


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("example.com", False),
        ("", False),
    ],
)
def test_loopback_is_recognised_by_its_notation(host: str, is_here: bool) -> None:
    assert is_loopback_host(host) is is_here
