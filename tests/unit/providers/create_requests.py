"""Create requests and clients as the tests need them."""

import hashlib
import re

from pipeline.jobs import LocalFile, Visibility
from pipeline.providers.api_settings import Network, Settings
from pipeline.providers.base import Attachment, CreateRequest
from pipeline.providers.vimmerse import Vimmerse

KEY = "canary-4f1d9c2e7b"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


# Characters that move a cursor, reverse text, forge a line or are invisible.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def is_harmless(text: str) -> bool:
    return not _HARMFUL.search(text)


def an_attachment(content: bytes = PNG, content_type: str = "image/png", path: str = "a.png") -> Attachment:
    return Attachment(LocalFile(path, hashlib.sha256(content).hexdigest()), content, content_type)


def a_request(**changed: object) -> CreateRequest:
    fields: dict[str, object] = {
        "template_id": "overlay_gray_5443",
        "options": {},
        "title": "a title",
        "description": "",
        "visibility": Visibility.PRIVATE,
    }
    return CreateRequest(**{**fields, **changed})  # type: ignore[arg-type]  # a test names any fields


def a_client(
    url: str, *, timeout: float = 10.0, ca_bundle: str | None = None, network: Network | None = None
) -> Vimmerse:
    network = network or Network(ca_bundle=ca_bundle)
    return Vimmerse(Settings(KEY, url, request_timeout=timeout, network=network), pause=lambda _: None)
