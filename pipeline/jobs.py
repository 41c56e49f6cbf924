"""Jobs: the key, the request, and the request's fingerprint.

Jobs are worked out from the manifest each time and never stored. All of this is pure.
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

# `hero/overlay/blue/walk/duration=5/locale=en#2`: which job it is, as people and records spell it.
JobKey = NewType("JobKey", str)


class MediaType(StrEnum):
    """The types of media that templates take and give."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Visibility(StrEnum):
    """Who may see a workflow at the vendor."""

    PRIVATE = "private"
    UNLISTED = "unlisted"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Bytes on this machine. `path` is relative to the manifest's folder; what counts is the hash."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A url that goes to the vendor byte for byte. `version` stands for a signature that changes."""

    url: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class UpstreamOutput:
    """The first output of type `media` (None: of any) of another job: its `result`, or that of a step.

    With `takes`, the keys of all takes of that job, only an approved one of them is taken.
    """

    job: JobKey
    output: str = "result"
    media: MediaType | None = None
    takes: tuple[JobKey, ...] = ()


Source = LocalFile | RemoteFile | UpstreamOutput

# A resolved option: JSON in which a LocalFile may stand for a url that is yet to be uploaded.
Option = bool | int | float | str | LocalFile | list["Option"] | dict[str, "Option"] | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the vendor: all that decides what is made, and nothing that can change without making it again.

    `joined` names the options whose list goes over the wire as one comma-separated string: how they
    are sent, not what is asked for, so it is no part of the fingerprint.
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
    """Which job it is, in the manifest's own names; `key` is its one spelling.

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
        """The key as `job.key` reads in `output.path`, where a take is `-take2`."""
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
    """Percent-encode what has a meaning in a key or in a selection: `/ , = # % & * ? [ ]` and white space."""
    return _RESERVED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)


def axis_text(value: Json) -> str:
    """An axis value as the key spells it: a string as it is, anything else as JSON writes it."""
    return value if isinstance(value, str) else _JSON(value)


_JSON = json.JSONEncoder(ensure_ascii=False).encode


# A text with the purchase's id in it: the id exists only when the create is sent.
PurchaseText = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Constant:
    """The same text for each purchase."""

    text: str

    def __call__(self, _purchase_id: str) -> str:
        return self.text


def constant(text: str) -> PurchaseText:
    """A title or description in which the purchase's id does not occur."""
    return _Constant(text)


@dataclass(frozen=True, slots=True, repr=False)
class Job:
    """One thing the manifest asks for, with what a run needs to know to buy and place it.

    `title` and `description` are functions of the purchase's id, which may stand in them so that a lost
    create can be found. `path` is where its files go, below the output folder, without the suffix.
    `timeout` is in seconds; `credits` the known price, None if unknown. `fingerprint` is that of the request, in
    the current version.
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
        """The key's one spelling, by which purchases and selections know the job."""
        return self.coordinates.key

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """In every version, newest first: after an upgrade, older purchases still fit."""
        older = [fingerprint(self.request, version) for version in FINGERPRINTS if version != CURRENT]
        return (self.fingerprint, *older)

    @property
    def approved_of(self) -> tuple[JobKey, ...]:
        """The takes of which an approved one is what this job is made from; empty where it is no such job."""
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

    def request_json(self, purchase: str = "…") -> dict[str, Json]:
        """The request as people read it, in `expand` and in the results manifest; absent values left out."""
        written: dict[str, Json] = {
            "options": {name: _readable(value) for name, value in self.request.options.items()},
            "images": [_source_json(source, self.coordinates.image) for source in self.request.images],
            "event_id": self.request.event_id,
            "title": self.title(purchase),
            "description": self.description(purchase),
            "visibility": self.visibility.value,
        }
        return {name: value for name, value in written.items() if value not in (None, "", [], {})}

    def local_files(self) -> Iterator[LocalFile]:
        """Every local file the request sends, images first."""
        yield from (source for source in self.request.images if isinstance(source, LocalFile))
        for value in self.request.options.values():
            yield from _files_in(value)


def in_plan_order(jobs: Iterable[Job]) -> list[Job]:
    """Rules as written, then keys: the order in which a plan is shown and bought."""
    listed = list(jobs)
    rules = {
        rule: number for number, rule in enumerate(dict.fromkeys(job.coordinates.rule for job in listed))
    }
    # In two goes, as what is equal keeps its order: no pair has to be made for each job.
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
            # Its signature changes by itself, and must not make a difference in git.
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
    """`v1:` and the SHA-256 of the canonical request: equal exactly when the same thing is asked for."""
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
    # A lone surrogate cannot be sent and is refused by the reader; it must not break a hash either.
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


# Every version this tool has ever written; a new rule is added, none is ever removed or changed.
FINGERPRINTS: Mapping[str, Callable[[Request], bytes]] = {"v1": _canonical_v1}
CURRENT = "v1"
