"""A create as it came in: read from a form or from JSON, and refused as FastAPI would refuse it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pipeline.emulator.templates import Needs, Template
from pipeline.jobs import Json

DEFAULT_TEMPLATE = "overlay_gray_5443"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a request."""

    filename: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Order:
    """What a create asks for. `visibility` is the vendor's digit; `images` are urls or uploads, in order."""

    template_id: str
    title: str
    description: str
    visibility: str
    options: Mapping[str, Json]
    images: tuple[str | Upload, ...]
    event_id: str
    webhook_url: str | None

    @property
    def digest(self) -> str:
        """A hash over all that was asked, the files by their content."""
        images = [
            image if isinstance(image, str) else hashlib.sha256(image.content).hexdigest()
            for image in self.images
        ]
        asked = [self.template_id, self.title, self.description, self.visibility, self.options, images]
        text = json.dumps([*asked, self.event_id, self.webhook_url], sort_keys=True)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


class Invalid(Exception):
    """A request that the vendor answers with 422: which field, and what is wrong with it."""

    def __init__(self, place: Sequence[str | int], message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.detail: list[Json] = [{"loc": list(place), "msg": message, "type": kind}]


def order_of_form(texts: Mapping[str, str], urls: Sequence[str], files: Sequence[Upload]) -> Order:
    """The order in a v1 create: `options` is a JSON string, and files push the urls aside.

    Raises:
        Invalid: a field is wrong.
    """
    try:
        options = cast("Json", json.loads(texts.get("options") or "{}"))
    except (ValueError, RecursionError):
        raise Invalid(["body", "options"], "Invalid JSON", "json_invalid") from None
    return _order({**texts, "options": options, "image_urls": cast("list[Json]", list(urls))}, tuple(files))


def order_of_json(body: Json) -> Order:
    """The order in a v2 create.

    Raises:
        Invalid: it is no object, or a field is wrong.
    """
    if not isinstance(body, dict):
        raise Invalid(["body"], "Input should be a valid dictionary", "dict_type")
    return _order(body, ())


def check_inputs(order: Order, template: Template) -> None:
    """What the template cannot do without is there.

    Raises:
        Invalid: it is not.
    """
    if template.needs is not Needs.NOTHING and not order.images:
        raise Invalid(["body", "image_files"], f"{template.id} needs a {template.needs}", "missing")


def _order(fields: Mapping[str, Json], files: tuple[Upload, ...]) -> Order:
    visibility = _text(fields, "visibility_status", "1")
    if visibility not in {"0", "1", "2"}:
        raise Invalid(["body", "visibility_status"], "Input should be '0', '1' or '2'", "enum")
    options = fields.get("options", {})
    if not isinstance(options, dict):
        raise Invalid(["body", "options"], "Input should be a valid dictionary", "dict_type")
    return Order(
        template_id=_text(fields, "template_id", DEFAULT_TEMPLATE),
        title=_text(fields, "title", ""),
        description=_text(fields, "description", ""),
        visibility=visibility,
        options=options,
        images=files or tuple(_urls(fields.get("image_urls", []))),
        event_id=_text(fields, "event_id", "no_event"),
        webhook_url=_text(fields, "webhook_url", "") or None,
    )


def _text(fields: Mapping[str, Json], name: str, default: str) -> str:
    value = fields.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Invalid(["body", name], "Input should be a valid string", "string_type")
    return value


def _urls(value: Json) -> list[str]:
    if not isinstance(value, list):
        raise Invalid(["body", "image_urls"], "Input should be a valid list", "list_type")
    for position, url in enumerate(value):
        if not isinstance(url, str):
            raise Invalid(["body", "image_urls", position], "Input should be a valid string", "string_type")
    return cast("list[str]", value)
