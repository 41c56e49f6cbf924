"""Encodes requests: a create as a form (multipart) for v1, as JSON for v2. Pure functions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.jobs import LocalFile, Option, Visibility
from pipeline.providers.base import Attachment, CallRefused, Changes, CreateRequest

if TYPE_CHECKING:
    from pipeline.json_values import Json

# A name and a text; or a name, and a file's name, bytes and content type.
Field = tuple[str, str] | tuple[str, tuple[str, bytes, str]]

# Characters that would end a quoted name.
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def multipart(fields: Sequence[Field]) -> tuple[bytes, str]:
    """The body of a `multipart/form-data` with these fields in order, and its content type.

    Raises:
        ValueError: a text that cannot be encoded.
    """
    boundary = secrets.token_hex(16)
    parts: list[bytes] = []
    for name, value in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
        if isinstance(value, str):
            parts.append(f"{head}\r\n\r\n{value}\r\n".encode())
        else:
            file_name, content, content_type = value
            file = f'filename="{file_name.translate(_ESCAPES)}"\r\nContent-Type: {content_type}'
            parts += (f"{head}; {file}\r\n\r\n".encode(), content, b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


_VISIBILITY = {Visibility.PRIVATE: "0", Visibility.UNLISTED: "1", Visibility.PUBLIC: "2"}
_SUFFIXES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request, and their content type."""

    content: bytes = field(repr=False)
    content_type: str


def json_body(value: Mapping[str, Json]) -> Body:
    """`value` as JSON.

    Raises:
        CallRefused: it contains a value that JSON or UTF-8 cannot represent.
    """
    return Body(_encoded(_json(value)), "application/json")


def form_of(request: CreateRequest) -> Body:
    """A create for v1.

    Raises:
        CallRefused: the request cannot be sent as it is; the message says why.
    """
    fields: list[Field] = list(_texts(request).items())
    fields.append(("options", _json(_options(request))))
    for number, image in enumerate(request.images, start=1):
        fields.append(
            ("image_urls", image) if isinstance(image, str) else ("image_files", _file(image, number))
        )
    if len({name for name, _ in fields if name.startswith("image_")}) > 1:
        raise CallRefused("local and remote images cannot go in one form: prepare the request first")
    return _form(fields)


def json_of(request: CreateRequest) -> Body:
    """A create for v2, which takes images as urls only.

    Raises:
        CallRefused: the request cannot be sent as it is; the message says why.
    """
    urls: list[Json] = [image for image in request.images if isinstance(image, str)]
    if len(urls) != len(request.images):
        raise CallRefused("v2 takes no files: prepare the request first")
    images: dict[str, Json] = {"image_urls": urls} if urls else {}
    return json_body({**_texts(request), "options": _options(request), **images})


def upload_of(attachment: Attachment) -> Body:
    """An upload of one image, under a name of ours: a file's own name can contain anything."""
    return _form([("image_file", _file(attachment, 1))])


def changes_as_json(changes: Changes) -> dict[str, Json]:
    """The fields of a PUT, without those that do not change."""
    rating = None if changes.rating is None else str(changes.rating)
    written: dict[str, Json] = {
        "title": changes.title,
        "description": changes.description,
        "visibility_status": None if changes.visibility is None else _VISIBILITY[changes.visibility],
        "rating": rating,
        "delivered_at": changes.delivered_at,
    }
    return {name: value for name, value in written.items() if value is not None}


def _texts(request: CreateRequest) -> dict[str, str]:
    written = {
        "template_id": request.template_id,
        "title": request.title,
        "description": request.description,
        "visibility_status": _VISIBILITY[request.visibility],
    }
    # A missing field means the vendor's default; an empty one would mean something else.
    optional = {"event_id": request.event_id, "webhook_url": request.webhook_url}
    return written | {name: value for name, value in optional.items() if value is not None}


def _options(request: CreateRequest) -> dict[str, Json]:
    return {
        name: _joined(name, value)
        if name in request.joined and isinstance(value, list)
        else _plain(name, value)
        for name, value in request.options.items()
    }


def _joined(name: str, items: list[Option]) -> str:
    texts = []
    for item in items:
        text = item if isinstance(item, str) else _json(_plain(name, item))
        if "," in text:
            raise CallRefused(
                f"options.{name}: an item holds a comma, which would make it two items at the vendor"
            )
        texts.append(text)
    return ",".join(texts)


def _plain(name: str, value: Option) -> Json:
    match value:
        case LocalFile():
            raise CallRefused(f"options.{name}: a file that is not uploaded: prepare the request first")
        case list():
            return [_plain(name, item) for item in value]
        case dict():
            return {key: _plain(name, item) for key, item in value.items()}
        case _:
            return value


def _file(image: Attachment, number: int) -> tuple[str, bytes, str]:
    name = f"image-{number}.{_SUFFIXES.get(image.content_type, 'bin')}"
    return name, image.content, image.content_type


def _form(fields: list[Field]) -> Body:
    try:
        return Body(*multipart(fields))
    except ValueError:
        raise CallRefused("a text holds half of a surrogate pair, which cannot be sent") from None


def _json(value: Json | Mapping[str, Json]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise CallRefused("an option is not a number that JSON can write") from None


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except ValueError:
        raise CallRefused("a text holds half of a surrogate pair, which cannot be sent") from None
