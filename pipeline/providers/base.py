"""The port to a vendor: its calls and their outcomes.

Outcomes of a create are values, matched exhaustively in `pipeline.engine.create`; each provider decides how a
response becomes an outcome. Everything here is plain data that can be pickled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pipeline.errors import ExitCode, PipelineError, printable
from pipeline.jobs import LocalFile, MediaType, Option, Visibility
from pipeline.json_values import Json
from pipeline.purchases import WorkflowId
from pipeline.schemes import without_secrets


@dataclass(frozen=True, slots=True)
class Attachment:
    """A local file to be sent; its bytes were read once, and have the hash that the job expects."""

    file: LocalFile
    content: bytes = field(repr=False)
    content_type: str


def always() -> bool:
    """Always allow sending (default for `may_send`)."""
    return True


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The content of one create. `images` are urls or attachments, in order.

    Before `Provider.prepare`, options may contain a `LocalFile` whose bytes are in `attached`, by hash; after it,
    they are plain JSON, and `images` are all urls or all attachments.

    `may_send` is called once the connection is open, before the first byte is sent: if it returns False, another run
    may hold the state by now, and nothing may be sent. It is also checked before `Provider.create`, but connecting
    takes time.
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
    """The vendor accepted the create and returned an id: it is paid for."""

    workflow_id: WorkflowId


@dataclass(frozen=True, slots=True)
class NotSent:
    """The create provably never arrived in full: nothing was bought, and it may be retried as a new purchase.

    `started`: some of the request's bytes were sent; such a create is retried only a few times.
    """

    reason: str
    started: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Too many requests: nothing was bought; retry after `after` seconds (None: the vendor did not say)."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class JobRefused:
    """The vendor refused the request for its content: nothing was bought, and it would be refused again."""

    reason: str


class AccountProblem(StrEnum):
    """A problem with the account, as the vendor reports it."""

    CREDIT = "credit"
    KEY = "key"


def out_of_credit(reason: str) -> str:
    """The message if the vendor refuses to sell any more, and what to do; `reason` is the vendor's own."""
    return (
        f"the vendor says that your credit is used up ({printable(reason)}): "
        "add credit to your account there, then run again"
    )


@dataclass(frozen=True, slots=True)
class AccountRefused:
    """The vendor refused the account, not the job: nothing was bought, and no other create would succeed now."""

    problem: AccountProblem
    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """It is unknown whether it was bought: never retried automatically. `response` is cut to a limit."""

    reason: str
    response: str = ""


CreateOutcome = Bought | NotSent | Deferred | JobRefused | AccountRefused | OutcomeUnknown


class Progress(StrEnum):
    """The vendor's status of a workflow, reduced to the distinctions that matter here."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Media:
    """One file at the vendor. The complete `url` is a bearer secret: it is used, but never stored or printed.

    `most` is the most bytes to fetch; None means that only the provider's own limit applies. `recorded_as` is the url
    to record, where this one has something that must not be.
    """

    url: str = field(repr=False)
    content_type: str
    size: int | None = None
    most: int | None = None
    recorded_as: str = field(default="", repr=False)

    @property
    def kind(self) -> MediaType | None:
        """Image, video or audio, by the content type; None for anything else."""
        family = self.content_type.partition("/")[0]
        return MediaType(family) if family in set(MediaType) else None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as the vendor reports it. `known_status` is False for a status that this tool does not know.

    `unusable` is the first url in its result that cannot be used (and is not in `result`), in a form that is safe to
    show, or says that one is missing; `unusable_step` is that of its steps.
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
    unusable: str = ""
    unusable_step: str = ""
    steps: tuple[tuple[str, tuple[Media, ...]], ...] = ()
    credits: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    error: str | None = None


class VendorError(PipelineError):
    """A call that may be repeated got no valid response. `after`: the seconds that the vendor asks to wait.

    The message may have a text of the vendor: addresses in it are cut where they may have secrets.
    """

    exit_code = ExitCode.UNFINISHED

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(without_secrets(message))
        self.after = after


class ProviderFault(VendorError):
    """The provider itself made a mistake: it raised or returned what the port does not allow."""


class UnusableAnswer(VendorError):
    """The vendor answered, but with something else than what was asked for."""


class NotFound(VendorError):
    """The vendor does not know this workflow."""


class CallRefused(VendorError):
    """The vendor refuses this call for its content, so a retry is useless."""


class DownloadFailed(VendorError):
    """A file did not arrive, or not in full, or is not what it should be; nothing was written to its target.

    `expired`: its url is no longer valid; a new `get` may return another. `lasting`: a retry will fail in the same
    way (a refused address, a wrong type, no space left on this machine).
    """

    def __init__(
        self, message: str, after: float | None = None, *, expired: bool = False, lasting: bool = False
    ) -> None:
        super().__init__(message, after)
        self.expired = expired
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Changes:
    """The fields that a PUT sets; None leaves a field unchanged. `delivered_at` is ISO 8601."""

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

    All calls but `create` may be repeated. They raise `VendorError` (or `NotFound`, `CallRefused`, `DownloadFailed`)
    if there is no valid response, `AccountError` if the vendor refuses the key, and `BuyingStopped` if the account
    has no credit left: raised by `prepare`, it ends the buying; otherwise the call is repeated.
    """

    @property
    def name(self) -> str: ...

    def prepare(self, request: CreateRequest) -> CreateRequest:
        """Upload files that must be urls in the create. Free, and done once per hash within the run.

        Raises `CallRefused` for a request that cannot be sent as it is.
        """
        ...

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Send one create. Never raises for what network or vendor do. Only `pipeline.engine.create` calls it."""
        ...

    def get(self, workflow_id: WorkflowId) -> Workflow: ...

    def update(self, workflow_id: WorkflowId, changes: Changes) -> Workflow: ...

    def delete(self, workflow_id: WorkflowId) -> None:
        """Delete the workflow and its files at the vendor; one that does not exist counts as deleted."""
        ...

    def report_error(self, message: str, context: Mapping[str, Json]) -> None: ...

    def health(self) -> None: ...

    def download(self, media: Media, target: Path) -> Downloaded:
        """Fetch one file to `target`, in full or not at all; a partial file is kept beside it and resumed."""
        ...
