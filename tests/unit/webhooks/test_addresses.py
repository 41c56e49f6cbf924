"""Nobody can make an address that is accepted as ours without knowing the secret."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.errors import UsageError
from pipeline.purchases import PurchaseId
from pipeline.webhooks.addresses import Addresses, checked_url

SECRET = b"correct horse battery staple"
OURS = Addresses(secret=SECRET, url="https://hooks.example.com/spring")
PURCHASE = PurchaseId("00112233445566aa")
ids = st.from_regex(r"[0-9a-f]{16}", fullmatch=True).map(PurchaseId)


def path_of(purchase: PurchaseId, addresses: Addresses = OURS) -> str:
    return addresses.of(purchase).removeprefix(addresses.url)


def test_address_consists_of_url_purchase_and_hmac() -> None:
    proof = hmac.digest(SECRET, PURCHASE.encode(), "sha256").hex()

    assert OURS.of(PURCHASE) == f"https://hooks.example.com/spring/hooks/{PURCHASE}/{proof}"


@given(ids)
def test_address_resolves_to_its_purchase(purchase: PurchaseId) -> None:
    assert OURS.purchase_at(path_of(purchase)) == purchase


@fails_without(
    "pipeline.webhooks.addresses:Addresses.purchase_at",
    "return purchase_id if",
    swap=("hmac.compare_digest(self._proof(purchase_id), found[2])", "True"),
)
@given(ids, st.integers(0, 200), st.sampled_from("0123456789abcdefg/%?. "))
def test_address_with_one_changed_letter_is_rejected(purchase: PurchaseId, at: int, letter: str) -> None:
    path = path_of(purchase)
    at %= len(path)
    changed = f"{path[:at]}{letter}{path[at + 1 :]}"

    assert changed == path or OURS.purchase_at(changed) is None


@given(ids, ids)
def test_hmac_of_one_purchase_is_invalid_for_another(one: PurchaseId, other: PurchaseId) -> None:
    proof = path_of(one).rpartition("/")[2]

    assert one == other or OURS.purchase_at(f"/hooks/{other}/{proof}") is None


@given(ids)
def test_other_secret_gives_other_addresses(purchase: PurchaseId) -> None:
    assert OURS.purchase_at(path_of(purchase, Addresses(secret=SECRET + b"!"))) is None


def test_secret_is_not_shown() -> None:
    assert SECRET.decode() not in repr(OURS)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://hooks.example.com/", "https://hooks.example.com"),
        ("https://hooks.example.com:8443/a/b", "https://hooks.example.com:8443/a/b"),
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
    ],
)
def test_trailing_slash_of_a_url_is_dropped(url: str, kept: str) -> None:
    assert checked_url(url) == kept


@pytest.mark.parametrize(
    "url",
    [
        *(
            "hooks.example.com",
            "ftp://hooks.example.com",
            "https://",
            "https://h.example/?a=b",
            "https://h.example/#a",
        ),
        *(
            "https://user:key@h.example",
            "https://h.example/\n",
            "https://h.example:port",
            "https://h.example/a b",
        ),
        # The proof that it is the vendor who calls must not be sent in plain text.
        *("http://hooks.example.com", "http://10.0.0.7"),
    ],
)
def test_unusable_url_is_rejected(url: str) -> None:
    with pytest.raises(UsageError, match="--webhook-url"):
        checked_url(url)
