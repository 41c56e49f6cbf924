"""Jobs: the key, the request, and the request's fingerprint.

Jobs are computed from the manifest each time, and never stored. Everything here is pure.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from pipeline.json_values import Json, canonical_encoder, with_plain_numbers

# The key by which people and records identify a job, as in `hero/overlay/blue/walk/duration=5/locale=en#2`.
JobKey = NewType("JobKey", str)
# Here, since the texts of a job may contain the id; everyone else imports it from `pipeline.purchases`.
PurchaseId = NewType("PurchaseId", str)


class MediaType(StrEnum):
    """The types of media that templates accept and produce."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Visibility(StrEnum):
    """Who can see a workflow at the vendor."""

    PRIVATE = "private"
    UNLISTED = "unlisted"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine. `path` is relative to the manifest's folder; only the hash identifies the content."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A url that is sent to the vendor byte for byte. `version`, if set, identifies it in place of its query."""

    url: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamOutput:
    """The first output of type `media` (None: any type) of another job, from its `result` or from a step.

    If `takes`, the keys of all takes of that job, is set, only an approved one of them is used.
    """

    job: JobKey
    output: str = "result"
    media: MediaType | None = None
    takes: tuple[JobKey, ...] = ()


Source = LocalFile | RemoteFile | UpstreamOutput

# A resolved option: JSON in which a LocalFile may stand for the url of a file that is still to be uploaded.
Option = bool | int | float | str | LocalFile | list["Option"] | dict[str, "Option"] | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the vendor: what determines the result, and nothing that can change without a new create.

    `joined` names the options whose list is sent as one comma-separated string. This is only about how they are sent,
    so it is not part of the fingerprint.
    """

    provider: str
    template_id: str
    options: Mapping[str, Option] = field(default_factory=dict)
    images: tuple[Source, ...] = ()
    event_id: str | None = None
    take: int = 1
    joined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Identifies a job by the manifest's own names; `key` is the canonical spelling.

    `hero/overlay/blue/walk/duration=5/locale=en#2`: rule, template, item, prompt, axes by name, take.
    """

    rule: str
    template: str
    image: str | None = None
    prompt: str | None = None
    axes: tuple[tuple[str, Json], ...] = ()
    take: int = 1
    key: JobKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        key = self._without_take() if self.take == 1 else f"{self._without_take()}#{self.take}"
        object.__setattr__(self, "key", JobKey(key))

    def __str__(self) -> str:
        return self.key

    @property
    def for_path(self) -> str:
        """The key as `job.key` in `output.path`, where a take is written as `-take2`."""
        return self.key if self.take == 1 else f"{self._without_take()}-take{self.take}"

    def _without_take(self) -> str:
        named = (self.rule, self.template, self.image, self.prompt)
        parts = [encode_part(part) for part in named if part is not None]
        for name, value in sorted(self.axes) if len(self.axes) > 1 else self.axes:
            parts.append(f"{encode_part(name)}={encode_part(axis_text(value))}")
        return "/".join(parts)


_RESERVED = re.compile(r"[/,=#%&*?\[\]\s\x00-\x1f\x7f]")


@lru_cache(maxsize=4096)  # the parts of keys recur
def encode_part(name: str) -> str:
    """Percent-encode characters with a meaning in keys or selections: `/ , = # % & * ? [ ]` and white space."""
    return _RESERVED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def axis_text(value: Json) -> str:
    """An axis value as written in the key: a string unchanged, anything else as JSON."""
    return value if isinstance(value, str) else _JSON(value)


_JSON = json.JSONEncoder(ensure_ascii=False).encode


# A text that may contain the purchase's id, which exists only once the create is prepared.
PurchaseText = Callable[[PurchaseId], str]
# Stands for the id of a purchase that is not made yet.
_NOT_BOUGHT = PurchaseId("…")


@dataclass(frozen=True, slots=True)
class _Constant:
    """The same text for every purchase."""

    text: str

    def __call__(self, _purchase_id: PurchaseId) -> str:
        return self.text


def constant(text: str) -> PurchaseText:
    """A title or description without the purchase's id."""
    return _Constant(text)


@dataclass(frozen=True, slots=True, repr=False)
class Job:
    """One thing that the manifest asks for, with what a run needs to buy it and put it in place.

    `title` and `description` are functions of the purchase's id, which they may contain so that a lost create can be
    found. `path` is the path of its files below the output folder, without the suffix. `timeout` is in seconds;
    `credits` is the price, None if unknown. `fingerprint` is that of the request, in the current version.
    """

    coordinates: Coordinates
    request: Request
    path: str
    title: PurchaseText = constant("")
    description: PurchaseText = constant("")
    visibility: Visibility = Visibility.PRIVATE
    timeout: float = 3600.0
    retries: int = 0
    credits: int | None = None
    steps: bool = False
    output_media: MediaType | None = None
    fingerprint: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.request, CURRENT))

    def __repr__(self) -> str:
        return f"<Job {self.key}>"

    @property
    def key(self) -> JobKey:
        """The key by which purchases and selections identify the job."""
        return self.coordinates.key

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprint in every version, newest first, so that older purchases still fit after an upgrade."""
        older = [fingerprint(self.request, version) for version in FINGERPRINTS if version != CURRENT]
        return (self.fingerprint, *older)

    @property
    def approved_of(self) -> tuple[JobKey, ...]:
        """The takes of the upstream if the job is made from an approved one only; otherwise empty."""
        for source in self.request.images:
            if isinstance(source, UpstreamOutput):
                return source.takes
        return ()

    @property
    def upstream(self) -> JobKey | None:
        """The key of the job whose output this one is made from, if it is chained."""
        for source in self.request.images:
            if isinstance(source, UpstreamOutput):
                return source.job
        return None

    def request_json(self, purchase_id: PurchaseId = _NOT_BOUGHT) -> dict[str, Json]:
        """The request in readable form, for `expand` and the results manifest, without absent values."""
        written: dict[str, Json] = {
            "options": {name: _readable(value) for name, value in self.request.options.items()},
            "images": [_source_json(source, self.coordinates.image) for source in self.request.images],
            "event_id": self.request.event_id,
            "title": self.title(purchase_id),
            "description": self.description(purchase_id),
            "visibility": self.visibility.value,
        }
        return {name: value for name, value in written.items() if value not in (None, "", [], {})}

    def local_files(self) -> Iterator[LocalFile]:
        """Every local file that the request sends, images first."""
        yield from (source for source in self.request.images if isinstance(source, LocalFile))
        for value in self.request.options.values():
            yield from _files_in(value)


def template_names(jobs: Iterable[Job]) -> dict[str, str]:
    """The name of each template in the manifest, by its id at the vendor; of several names, the last."""
    return {job.request.template_id: job.coordinates.template for job in jobs}


def in_plan_order(jobs: Iterable[Job]) -> list[Job]:
    """Sort by rule, as written in the manifest, then by key: the order in which a plan is shown and bought."""
    listed = list(jobs)
    rules = {
        rule: number for number, rule in enumerate(dict.fromkeys(job.coordinates.rule for job in listed))
    }
    # Two stable sorts, so that no tuple has to be built for each job.
    listed.sort(key=lambda job: job.key)
    listed.sort(key=lambda job: rules[job.coordinates.rule])
    return listed


def _readable(value: Option) -> Json:
    match value:
        case LocalFile(path, digest):
            return {"file": path, "sha256": digest}
        case list():
            return [_readable(inner) for inner in value]
        case dict():
            return {name: _readable(inner) for name, inner in value.items()}
        case _:
            return value


def _source_json(source: Source, image: str | None) -> Json:
    named: dict[str, Json] = {"id": image} if image is not None else {}
    match source:
        case LocalFile(path, digest):
            return {**named, "path": path, "sha256": digest}
        case RemoteFile(url, None):
            return {**named, "url": url}
        case RemoteFile(url, version):
            # The signature in its query changes over time, and must not cause a diff in git.
            return {**named, "url": url.partition("?")[0], "version": version}
        case UpstreamOutput(job, output, takes=()):
            return {**named, "outputs_of": job, "output": output}
        case UpstreamOutput(job, output):
            return {**named, "outputs_of": job, "output": output, "only": "approved"}


def _files_in(value: Option) -> Iterator[LocalFile]:
    if isinstance(value, LocalFile):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _files_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _files_in(inner)


def fingerprint(request: Request, version: str = "v1") -> str:
    """`v1:` and the SHA-256 of the canonical request; equal exactly for requests for the same thing."""
    return f"{version}:{hashlib.sha256(FINGERPRINTS[version](request)).hexdigest()}"


def _file_hash(value: object) -> Json:
    if isinstance(value, LocalFile):
        return {"file": value.sha256}
    raise TypeError(f"{type(value).__name__} is not JSON")


_encode = canonical_encoder(_file_hash)


def _canonical_v1(request: Request) -> bytes:
    asked = {
        "provider": request.provider,
        "template_id": request.template_id,
        "options": with_plain_numbers(request.options),
        "images": [_identity(source) for source in request.images],
        "event_id": request.event_id,
        "take": request.take,
    }
    # A lone surrogate is refused by the reader of the manifest, as it cannot be sent; it must not break the hash
    # either.
    return _encode(asked).encode("utf-8", "surrogatepass")


def _identity(source: Source) -> dict[str, str | None]:
    match source:
        case LocalFile(sha256=digest):
            return {"file": digest}
        case RemoteFile(url, None):
            return {"url": url}
        case RemoteFile(url, version):
            return {"url": url.partition("?")[0], "version": version}
        case UpstreamOutput(output=output):
            return {"output": output}


# Every version that this tool has ever written. New ones are added; none is ever removed or changed.
FINGERPRINTS: Mapping[str, Callable[[Request], bytes]] = {"v1": _canonical_v1}
CURRENT = "v1"
