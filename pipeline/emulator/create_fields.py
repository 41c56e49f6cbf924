"""Reads the fields of a create from a form (v1) or from JSON (v2), and refuses wrong ones as FastAPI would.

Only JSON that can be stored in a file and sent back is accepted.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from pipeline.emulator.templates import EmulatedTemplate, Needs

if TYPE_CHECKING:
    from pipeline.json_values import Json

# Reading it and writing it to a workflow's file blocks every other call.
_MAX_LENGTH = 4 << 20
# Python's own limit depends on the depth of the caller's stack.
_MAX_DEPTH = 100


def parse_json(text: str | bytes) -> Json:
    """Read JSON.

    Raises:
        ValueError: it is not JSON, is too long or too deep, or has a number or a text that cannot be written again.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError("too long")
    try:
        value = cast("Json", json.loads(text, parse_constant=_refuse_constant, parse_float=_finite))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    _check(value)
    return value


def is_unicode(text: str) -> bool:
    """Whether `text` can be encoded: JSON can spell half a surrogate pair, which is not a character."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _check(value: Json) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        deeper: list[Json] = []
        for each in level:
            if isinstance(each, dict):
                deeper.extend(each)
                deeper.extend(each.values())
            elif isinstance(each, list):
                deeper.extend(each)
            elif isinstance(each, str) and not is_unicode(each):
                raise ValueError("not Unicode")
        level = deeper


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


# The vendor uses this one if the field is left out.
DEFAULT_TEMPLATE = "overlay_gray_5443"


@dataclass(frozen=True, slots=True)
class CreateFields:
    """The fields of a create.

    `visibility` is the vendor's digit; `images` are urls, or the content of uploaded files, in order.
    """

    template_id: str
    title: str
    description: str
    visibility: str
    options: Mapping[str, Json]
    images: tuple[str | bytes, ...] = field(repr=False)
    event_id: str
    webhook_url: str | None

    @property
    def content_digest(self) -> str:
        """A hash of the fields that determine what is made, with uploaded files by their content."""
        images = [
            image if isinstance(image, str) else hashlib.sha256(image).hexdigest() for image in self.images
        ]
        return _digest([self.template_id, self.options, images, self.event_id])

    @property
    def digest(self) -> str:
        """A hash of all fields."""
        texts = [self.title, self.description, self.visibility, self.webhook_url]
        return _digest([self.content_digest, *texts])


class InvalidField(Exception):
    """A request that the vendor answers with 422: the field, and what is wrong with it."""

    def __init__(self, location: Sequence[str | int], message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.detail: list[Json] = [{"loc": list(location), "msg": message, "type": kind}]


def fields_from_form(texts: Mapping[str, str], urls: Sequence[str], files: Sequence[bytes]) -> CreateFields:
    """The fields of a v1 create: `options` is a JSON string, and with `files` the urls are ignored.

    Raises:
        InvalidField: a field is invalid.
    """
    try:
        options = parse_json(texts.get("options") or "{}")
    except ValueError:
        raise InvalidField(["body", "options"], "Invalid JSON", "json_invalid") from None
    fields: dict[str, Json] = {**texts, "options": options, "image_urls": cast("list[Json]", list(urls))}
    return _create_fields(fields, tuple(files))


def fields_from_json(body: Json) -> CreateFields:
    """The fields of a v2 create.

    Raises:
        InvalidField: the body is not an object, or a field is invalid.
    """
    if not isinstance(body, dict):
        raise InvalidField(["body"], "Input should be a valid dictionary", "dict_type")
    return _create_fields(body, ())


def require_inputs(fields: CreateFields, template: EmulatedTemplate) -> None:
    """Check that the input is present without which the template makes nothing.

    Raises:
        InvalidField: it is not.
    """
    if template.needs is not Needs.NOTHING and not fields.images:
        raise InvalidField(["body", "image_files"], f"{template.id} needs a {template.needs}", "missing")


def _create_fields(fields: Mapping[str, Json], files: tuple[bytes, ...]) -> CreateFields:
    visibility = _text(fields, "visibility_status", "1")
    if visibility not in {"0", "1", "2"}:
        raise InvalidField(["body", "visibility_status"], "Input should be '0', '1' or '2'", "enum")
    options = fields.get("options", {})
    if not isinstance(options, dict):
        raise InvalidField(["body", "options"], "Input should be a valid dictionary", "dict_type")
    return CreateFields(
        template_id=_text(fields, "template_id", DEFAULT_TEMPLATE),
        title=_text(fields, "title", ""),
        description=_text(fields, "description", ""),
        visibility=visibility,
        options=options,
        images=files or tuple(_urls(fields.get("image_urls", []))),
        event_id=_text(fields, "event_id", "no_event"),
        webhook_url=_text(fields, "webhook_url", "") or None,
    )


def _digest(fields: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _text(fields: Mapping[str, Json], name: str, default: str) -> str:
    value = fields.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidField(["body", name], "Input should be a valid string", "string_type")
    if not is_unicode(value):
        raise InvalidField(["body", name], "Input should be a valid unicode string", "string_unicode")
    return value


def _urls(value: Json) -> list[str]:
    if not isinstance(value, list):
        raise InvalidField(["body", "image_urls"], "Input should be a valid list", "list_type")
    for position, url in enumerate(value):
        if not isinstance(url, str):
            location: list[str | int] = ["body", "image_urls", position]
            raise InvalidField(location, "Input should be a valid string", "string_type")
        if not is_unicode(url):
            raise InvalidField(location, "Input should be a valid unicode string", "string_unicode")
    return cast("list[str]", value)
