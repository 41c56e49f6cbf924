"""Parses the vendor's responses. They are read liberally, and not trusted: each field is checked on its own."""

from __future__ import annotations

import codecs
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipeline import record_limits
from pipeline.errors import printable
from pipeline.json_values import Json, integer_of
from pipeline.providers.address import shown_url
from pipeline.providers.base import Media, Progress, Workflow
from pipeline.providers.media import content_type_of, is_vague
from pipeline.schemes import without_secrets

if TYPE_CHECKING:
    from pipeline.purchases import WorkflowId

LONGEST_WAIT = 86_400.0
_LONGEST_TEXT = 2_000
_NO_URL = "an entry without a url"

_ENDED = {"success": Progress.SUCCEEDED, "fail": Progress.FAILED, "cancel": Progress.FAILED}
_RUNNING = frozenset({"created", "in_progress", "pending", "processing", "queued", "running", "started"})
_WHOLE_NUMBER = re.compile(r"([0-9]{1,16})(\.0*)?")
# White space, and what is invisible: a byte order mark, characters of no width and marks of direction.
_AROUND = (
    "".join(each for each in map(chr, range(0x3001)) if each.isspace() or unicodedata.category(each) == "Cf")
    + "\ufeff"
)
# Some servers also end a text as C or DOS do.
_AROUND_JSON = f"{_AROUND}\0\x1a"
_ORIGIN = re.compile("https?://[^/?#]*", re.IGNORECASE)


def _lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    """Stands for a character that was lost, as in JSON's own escapes; a url with one is refused."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


_LOST = "pipeline.lost"
codecs.register_error(_LOST, _lone_surrogate)


def read_object(body: bytes, *, strict: bool = False) -> dict[str, Json]:
    """The JSON object in `body`; `strict` refuses a name that occurs twice, which is ambiguous.

    Raises:
        ValueError: it is not one; the message says why.
    """
    try:
        # Also accepts UTF-16, and a text that was cut within a character.
        text = body.decode(json.detect_encoding(body), _LOST)
        value = json.loads(
            text.strip(_AROUND_JSON),
            strict=False,  # accepts control characters in texts
            parse_int=integer_of,
            object_pairs_hook=_unique if strict else None,
        )
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    except ValueError as error:
        doubled = error.args[0] if isinstance(error, _Doubled) else "the answer is not JSON"
        raise ValueError(doubled) from None
    if not isinstance(value, dict):
        raise ValueError("the answer is not a JSON object")
    return value


class _Doubled(ValueError):
    pass


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Doubled("a name occurs twice in the answer")
    return found


def error_message(body: bytes) -> str:
    """The reason in a refusal, as one printable line: from a `message`, or from FastAPI's list of details.

    Urls that it quotes are shown without what may be a password or a signature: the reason is recorded and published.
    """
    try:
        response = read_object(body)
    except ValueError:
        return ""
    match response:
        case {"message": str(message)} | {"detail": str(message)}:
            return without_secrets(printable(message))
        case {"detail": list(details)}:
            return without_secrets(printable("; ".join(_details(details))))
        case _:
            return ""


def _details(details: list[Json]) -> Iterator[str]:
    for detail in details[:20]:
        match detail:
            case {"msg": str(message), "loc": list(place)}:
                yield f"{'.'.join(str(part) for part in place[:10])[:200]}: {message[:400]}"
            case {"msg": str(message)}:
                yield message[:400]


def seconds_to_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """`Retry-After` in seconds, at most a day; None if it is missing or invalid."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return min(float(text), LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None


def workflow_from(data: Mapping[str, Json], workflow_id: WorkflowId) -> Workflow:
    """The workflow in a response. A field of an unexpected type counts as missing."""
    status = _text(data.get("processing_status")).strip()
    normalized = status.casefold()
    sizes = _Sizes(data)
    return Workflow(
        id=workflow_id,
        progress=_ENDED.get(normalized, Progress.RUNNING),
        status=status,
        known_status=normalized in _ENDED or normalized in _RUNNING,
        percent=_percent(data.get("progress_percentage")),
        template_id=_text(data.get("model")),
        title=_text(data.get("title"), record_limits.LONGEST_TEXT),
        description=_text(data.get("description"), record_limits.LONGEST_TEXT),
        result=tuple(_media(data.get("result"), sizes)),
        unusable=_unusable([data.get("result")]),
        unusable_step=_unusable(each.get("result") for each in _items(data.get("completions"))),
        steps=tuple(_steps(data.get("completions"), sizes)),
        credits=whole_number(data.get("credits")),
        created_at=_text(data.get("created_at")) or None,
        updated_at=_text(data.get("updated_at")) or None,
        error=next(
            (text for name in ("error", "error_message", "message") if (text := _text(data.get(name)))), None
        ),
    )


def _text(value: Json, limit: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str):
        return ""
    # A database refuses NUL, and UTF-8 cannot encode a lone surrogate.
    return value[:limit].replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _percent(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON does not limit integers
        return None
    return min(max(number, 0.0), 100.0) if math.isfinite(number) else None


def whole_number(value: Json) -> int | None:
    """A number that counts something, in any of the forms in which vendors write it; None if it is none."""
    match value:
        case bool():
            return None
        case float() if value.is_integer():
            number = int(value)
        case int():
            number = value
        case str() if found := _WHOLE_NUMBER.fullmatch(value.strip()):
            number = int(found[1])
        case _:
            return None
    return number if 0 <= number < 2**53 else None


def usable_url(url: str) -> str | None:
    """A url from a response in the form in which it is used; None if no file can be fetched from it.

    White space and invisible characters around it are removed, and what cannot be shown or recorded is
    percent-encoded. Everything else stays as it is spelled, because a signature covers the spelling.
    """
    url = url.strip(_AROUND)
    if url.startswith("//"):
        url = f"https:{url}"
    origin = _ORIGIN.match(url)
    if origin is None or not origin[0].isprintable():
        return None
    try:
        url = "".join(each if each.isprintable() else quote(each, safe="") for each in url)
    except UnicodeEncodeError:  # a lone surrogate
        return None
    # The url is recorded without its query, which may be a long signature.
    is_short = len(url) <= record_limits.LONGEST_TEXT and len(_bare(url)) <= record_limits.LONGEST_URL
    return url if is_short else None


def _items(value: Json) -> Iterator[Mapping[str, Json]]:
    if isinstance(value, list):
        yield from (item for item in value[: record_limits.MAX_MEDIA] if isinstance(item, dict))


class _Sizes:
    """The sizes that a response states for its files."""

    def __init__(self, data: Mapping[str, Json]) -> None:
        self._by_url: dict[str, set[int | None]] = {}
        self._listed: dict[str, set[str]] = {}
        self._files: dict[str, set[str]] = {}
        for item in _items(data.get("media_result")):
            if (url := _usable(item.get("url"))) is not None:
                self._by_url.setdefault(url, set()).add(whole_number(item.get("size")) or None)
                self._listed.setdefault(_bare(url), set()).add(url)
        steps = (each.get("result") for each in _items(data.get("completions")))
        for files in (data.get("result"), *steps):
            for file in _listed(files):
                if isinstance(file, dict) and (url := _usable(file.get("url"))) is not None:
                    self._files.setdefault(_bare(url), set()).add(url)

    def of(self, url: str) -> int | None:
        """The size of the file at `url`; None if it is not stated, or not without doubt."""
        listed = self._listed.get(_bare(url), set())
        if url not in listed:
            # The same file may be listed with another signature; but a query may also be what names the file, so
            # nothing else may be listed there, nor be another file of the workflow.
            if len(listed) != 1 or self._files.get(_bare(url)) != {url}:
                return None
            [url] = listed
        stated = self._by_url[url] - {None}
        return stated.pop() if len(stated) == 1 else None


def _listed(value: Json) -> Iterator[Json]:
    # A single item in place of a list, and a url in place of a mapping, are accepted too.
    listed = value if isinstance(value, list) else [value]
    for each in listed[: record_limits.MAX_MEDIA]:
        yield {"url": each} if isinstance(each, str) else each


def _usable(value: Json) -> str | None:
    return usable_url(value) if isinstance(value, str) else None


def _unusable(lists: Iterable[Json]) -> str:
    """The first url that cannot be used, safe to show; empty if there is none."""
    return next((why for each in lists for why in _problems(each) if why), "")


def _problems(value: Json) -> Iterator[str]:
    urls = [item["url"] if isinstance(item, dict) and "url" in item else item for item in _listed(value)]
    # Without a file, the vendor lists nothing yet; beside one, an empty entry is a file that has no url yet.
    is_empty = not any(map(_usable, urls))
    for url in urls:
        if isinstance(url, str) and url.strip():
            yield "" if usable_url(url) else shown_url(url.strip())
        elif not is_empty or (url and not isinstance(url, str)):
            yield _NO_URL


def _media(value: Json, sizes: _Sizes) -> Iterator[Media]:
    for item in _listed(value):
        if isinstance(item, dict) and (url := _usable(item.get("url"))) is not None:
            declared = _text(item.get("content_type")).partition(";")[0].strip().lower()
            content_type = content_type_of(_bare(url)) if is_vague(declared) else declared
            yield Media(url, content_type, sizes.of(url))


def _steps(value: Json, sizes: _Sizes) -> Iterator[tuple[str, tuple[Media, ...]]]:
    for item in _items(value):
        if flow := _text(item.get("flow")):
            yield flow, tuple(_media(item.get("result"), sizes))


def _bare(url: str) -> str:
    return url.partition("?")[0]
