"""The port to a vendor: its calls and their outcomes.

Outcomes of a create are values, matched exhaustively in `pipeline.engine.create`; how an answer becomes an
outcome is each provider's business. Everything here is plain data that can be pickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipeline.errors import ExitCode, PipelineError
from pipeline.jobs import LocalFile, MediaType, Option, Visibility
from pipeline.json_values import Json
from pipeline.purchases import WorkflowId


@dataclass(frozen=True, slots=True)
class Attachment:
    """A local file to be sent: its bytes were read once, and have the hash that the job asks for."""

    file: LocalFile
    content: bytes = field(repr=False)
    content_type: str


def always() -> bool:
    """Nothing forbids it."""
    return True


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The content of one create. `images` are urls or attachments, in order.

    Before `Provider.prepare`, options may hold a `LocalFile` whose bytes are in `attached`, by hash;
    after it they are plain JSON, and `images` are all urls or all attachments.

    `may_send` is asked when the way to the vendor is open, before the first byte: where it says no, another run may
    hold the state by now, and nothing is sent. It was asked before `Provider.create` too, but to connect takes time.
    """

    template_id: str
    options: Mapping[str, Option]
    title: str
    description: str
    visibility: Visibility
    images: tuple[str | Attachment, ...] = ()
    event_id: str | None = None
    webhook_url: str | None = None
    joined: frozenset[str] = frozenset()
    attached: Mapping[str, Attachment] = field(default_factory=dict)
    may_send: Callable[[], bool] = field(default=always, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bought:
    """The vendor took it and gave it an id: paid."""

    workflow_id: WorkflowId


@dataclass(frozen=True, slots=True)
class NotSent:
    """It provably never arrived whole: nothing was bought, it may go again as a new purchase.

    `started`: some of the request's bytes had left, which is not repeated for ever.
    """

    reason: str
    started: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Too many requests: nothing was bought, again after `after` seconds (None: the vendor did not say)."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class JobRefused:
    """The vendor refused this request for what it asks: nothing was bought, and it will be refused again."""

    reason: str


class AccountProblem(StrEnum):
    """A problem with the account, as the vendor reports it."""

    CREDIT = "credit"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class AccountRefused:
    """The vendor refused the account, not the job: nothing was bought, and nothing else will be now."""

    problem: AccountProblem
    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """It may have been bought, which cannot be known: never sent again by itself. `response` is cut to a limit."""

    reason: str
    response: str = ""


CreateOutcome = Bought | NotSent | Deferred | JobRefused | AccountRefused | OutcomeUnknown


class Progress(StrEnum):
    """The vendor's status of a workflow, reduced to what matters here."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Media:
    """One file at the vendor. The whole `url` is a bearer secret: it is used, never stored or printed.

    `most` is how many bytes may be fetched of it, None where only the provider's own limit counts.
    """

    url: str = field(repr=False)
    content_type: str
    size: int | None = None
    most: int | None = None

    @property
    def kind(self) -> MediaType | None:
        """Image, video or audio by the content type, None for anything else."""
        family = self.content_type.partition("/")[0]
        return MediaType(family) if family in set(MediaType) else None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as the vendor reports it. `known_status` is False where the status is not one that we know.

    `percent` is 0 to 100; `created_at` and `updated_at` are the vendor's own text.
    """

    id: str
    progress: Progress
    status: str
    known_status: bool = True
    percent: float | None = None
    template_id: str = ""
    title: str = ""
    description: str = ""
    result: tuple[Media, ...] = ()
    steps: tuple[tuple[str, tuple[Media, ...]], ...] = ()
    credits: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    error: str | None = None


class VendorError(PipelineError):
    """A call that may be repeated did not answer soundly. `after`: the seconds the vendor asks to wait."""

    exit_code = ExitCode.UNFINISHED

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class NotFound(VendorError):
    """The vendor does not know this workflow."""


class CallRefused(VendorError):
    """The vendor refuses this call for its content, so repeating it is useless."""


class DownloadFailed(VendorError):
    """A file did not come, or not whole, or is not what it should be; nothing stands at its place.

    `expired`: its url is no longer good, a fresh `get` may give another. `lasting`: repeating it will fail
    in the same way (a refused address, a wrong type, no space left on this machine).
    """

    def __init__(
        self, message: str, after: float | None = None, *, expired: bool = False, lasting: bool = False
    ) -> None:
        super().__init__(message, after)
        self.expired = expired
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Changes:
    """The fields that a PUT sets; None is left as it is. `delivered_at` is ISO 8601."""

    title: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    rating: int | None = None
    delivered_at: str | None = None


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The result of a download."""

    sha256: str
    bytes: int
    content_type: str


class Provider(Protocol):
    """A vendor. Picklable; safe to use from many threads.

    All calls but `create` may be repeated. They raise `VendorError` (or `NotFound`, `CallRefused`,
    `DownloadFailed`) where the vendor did not answer soundly, `AccountError` where it refused the key and
    `BuyingStopped` where it has no credit left for us.
    """

    @property
    def name(self) -> str: ...

    def prepare(self, request: CreateRequest) -> CreateRequest:
        """Upload what must be a url before the create. Free, and remembered by hash within the run.

        Raises `CallRefused` for a request that cannot be sent as it is.
        """
        ...

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Buy, once. Raises for nothing that network or vendor do. Only `pipeline.engine.create` calls it."""
        ...

    def get(self, workflow_id: WorkflowId) -> Workflow: ...

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow: ...

    def delete(self, workflow_id: WorkflowId) -> None:
        """Delete the workflow and its files at the vendor; one that is not there counts as deleted."""
        ...

    def report_error(self, message: str, context: Mapping[str, Json]) -> None: ...

    def health(self) -> None: ...

    def download(self, media: Media, target: Path) -> Downloaded:
        """Fetch one file to `target`, whole or not at all; a part that has arrived is kept beside it and resumed."""
        ...
