"""Urls in a manifest: sent to the vendor byte for byte, and never fetched by us."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from pipeline.record_limits import LONGEST_URL

# Most urls match this, and none that does is refused by `_check`, which is slower.
_PLAIN = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~/%?&=+-]*")
_BLANK = re.compile(r"[\s\x00-\x20\x7f]")
_ANOTHER = re.compile(r"[\s,;|]https?://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Whether a text counts as a url where a path is allowed too."""
    return text[:8].lower().startswith(("http://", "https://"))


def are_several(text: str) -> bool:
    """Whether a text that begins with a url continues with another, as in feeds that list several in one cell."""
    return is_url(text) and _ANOTHER.search(text) is not None


def if_it_is_one(text: str) -> str:
    """How to write a url that was taken for several, the end of a message.

    Nothing tells `?layers=1.png,https://…`, which is one, from `?v=1,https://…`, which are two.
    """
    another = _ANOTHER.search(text)
    separator = another[0][0] if another else " "
    return (
        ""
        if separator.isspace()
        else f"; if it is one url, write the '{separator}' in it as {quote(separator)}"
    )


def check_url(url: str) -> None:
    """Refuse a url that no vendor could fetch.

    Raises:
        ValueError: it is two urls, has blanks or no host, or is far too long.
    """
    if len(url) > LONGEST_URL or not _PLAIN.fullmatch(url):
        _check(url)


def _check(url: str) -> None:
    if are_several(url):
        several = "two urls in one text; several images are a list: {images: […]}"
        raise ValueError(several + if_it_is_one(url))
    if len(url) > LONGEST_URL:
        raise ValueError(f"a url of {len(url):,} characters; at most {LONGEST_URL:,} are allowed")
    if _BLANK.search(url):
        raise ValueError("a url cannot hold white space; write it percent-encoded")
    try:
        host = urlsplit(url).hostname
    except ValueError as error:
        raise ValueError(f"this is not a url: {error}") from None
    if not host:
        raise ValueError("this url has no host")


def stem(url: str) -> str:
    """The last name in a url's path without its suffix; empty if there is none."""
    path = url.partition("://")[2].partition("#")[0].partition("?")[0].partition("/")[2]
    return PurePosixPath(unquote(path)).stem
