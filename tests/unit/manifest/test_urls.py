"""The fast check of urls agrees with the full one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest import urls
from pipeline.record_limits import LONGEST_URL

_PARTS = "https:// http:// HTTPS:// / : :80 :99999 @ [ ] a - . ? # %20 , ; | Ä ℀ = & ~ + '"
PARTS = st.sampled_from(_PARTS.split())
BLANKS = st.sampled_from(" \n\0\x7f")


@given(url=st.lists(PARTS | BLANKS, max_size=12).map("".join) | st.from_regex(urls._PLAIN, fullmatch=True))
def test_fast_path_accepts_what_the_full_check_accepts(url: str) -> None:
    assert _is_taken(urls.check_url, f"https://a.example/{url}") == _is_taken(
        urls._check, f"https://a.example/{url}"
    )
    assert _is_taken(urls.check_url, url) == _is_taken(urls._check, url)


def test_overlong_plain_url_is_rejected() -> None:
    with pytest.raises(ValueError, match="at most"):
        urls.check_url("https://a.example/".ljust(LONGEST_URL + 1, "x"))


def _is_taken(check: object, url: str) -> bool:
    assert callable(check)
    try:
        check(url)
    except ValueError:
        return False
    return True
