"""Purchases, sets of them, and the proof that a workflow belongs to one.

A purchase is one create, sent at most once: stored before it is sent, and never forgotten. The set of purchases is
the only source of truth; `pipeline.assignment` computes what it means for the jobs. Everything here is pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NewType

from pipeline import record_limits
from pipeline.jobs import JobKey
from pipeline.jobs import PurchaseId as PurchaseId  # passed on
from pipeline.json_values import Json

# The characters of a campaign's name; next to any other character, a name is a whole word.
_OF_NAMES = "[A-Za-z0-9_-]"
# The default title and description, as the manifest's jobs have them. The key in a title has names of its own.
_DEFAULT_TITLE = rf"({_OF_NAMES}+): .* \({{id}}\)"
_DEFAULT_DESCRIPTION = rf"({_OF_NAMES}+) {{id}}"

WorkflowId = NewType("WorkflowId", str)


class Status(StrEnum):
    """The status of a purchase; `pipeline.state.transitions` has the table of its transitions."""

    SUBMITTING = "submitting"
    ATTENTION = "attention"
    VOID = "void"
    SUBMITTED = "submitted"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    DONE = "done"


# By status, the words for a sentence about a purchase.
_PHRASES = {
    Status.SUBMITTING: "is being bought",
    Status.ATTENTION: "needs attention",
    Status.VOID: "bought nothing",
    Status.SUBMITTED: "is still running",
    Status.FAILED: "has failed",
    Status.SUCCEEDED: "has succeeded",
    Status.DONE: "is done",
}

# The job status if no purchase serves a job.
PENDING = "pending"

# It is unknown, or not known yet, whether it was bought: buying it again could pay twice.
OUTCOME_UNKNOWN = frozenset({Status.SUBMITTING, Status.ATTENTION})

# The statuses that the next run continues with.
UNFINISHED = frozenset({Status.SUBMITTING, Status.SUBMITTED, Status.SUCCEEDED})


class Reason(StrEnum):
    """Why a purchase (or, for `input`, a job without one) failed."""

    REJECTED = "rejected"
    VENDOR = "vendor"
    LOST = "lost"
    INPUT = "input"


@dataclass(frozen=True, slots=True)
class Output:
    """One file of a purchase. `url` is without its query and user; hash and size are known once it is fetched."""

    content_type: str
    url: str | None = None
    sha256: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The media of one finished step of a workflow."""

    flow: str
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One create and its outcome; the fields are those of the results manifest.

    `inputs` are the purchases whose outputs it was made from. `replaces` are those that served its jobs before it,
    as far as their own keys do not tell. `bought_at` is UTC, ISO 8601, and with `id` orders purchases by age.
    `request` is what was sent: options, title, description, visibility, images. `path` is the path stem of the job
    it was bought for. `again` marks a purchase that is to be bought again, unless it is approved; `deleted` one that
    the vendor was asked to delete, `removed` one that it has deleted; none is ever unset. `created_at` and
    `updated_at` come from the vendor, but for the time of a change that it gives no later one.
    """

    id: PurchaseId
    key: JobKey
    fingerprint: str
    status: Status
    bought_at: str
    template_id: str
    inputs: tuple[PurchaseId, ...] = ()
    replaces: tuple[PurchaseId, ...] = ()
    reason: Reason | None = None
    workflow_id: WorkflowId | None = None
    request: Mapping[str, Json] = field(default_factory=dict, repr=False)
    outputs: tuple[Output, ...] = field(default=(), repr=False)
    steps: tuple[Step, ...] = field(default=(), repr=False)
    credits: int | None = None
    created_at: str | None = None
    updated_at: str | None = None
    path: str = ""
    error: str | None = None
    deleted: bool = False
    removed: bool = False
    again: bool = False

    @property
    def in_words(self) -> str:
        """Its status in words, to follow its name in a sentence."""
        return "is deleted" if self.deleted else _PHRASES[self.status]

    @property
    def age(self) -> tuple[str, str]:
        """Orders purchases by time, the newest last; a total order, so that it is the same on every machine."""
        return (self.bought_at, self.id)

    @property
    def cost(self) -> int:
        """The credits that count against a cap: 0 if nothing was bought."""
        return 0 if bought_nothing(self) else (self.credits or 0)

    @property
    def files_fetched(self) -> int:
        """The number of its files that were fetched, so that their hash is known."""
        lists = (self.outputs, *(step.outputs for step in self.steps))
        return sum(output.sha256 is not None for outputs in lists for output in outputs)

    @property
    def is_partly_fetched(self) -> bool:
        """Whether some of its files were fetched, and others could not be."""
        return self.status is Status.SUCCEEDED and self.files_fetched > 0

    @property
    def lacks_files(self) -> bool:
        """Whether files of it could not be fetched so far: nothing is made from it until all are here."""
        return self.is_partly_fetched or (self.status is Status.SUCCEEDED and self.error is not None)

    @property
    def may_be_made_from(self) -> bool:
        """Whether a chained job may be made from it now."""
        return self.status in {Status.SUCCEEDED, Status.DONE} and not self.lacks_files

    @property
    def is_unpriced(self) -> bool:
        """Whether something was, or may have been, bought at an unknown price, which does not count as zero."""
        return self.credits is None and not bought_nothing(self)


def bought_nothing(purchase: Purchase) -> bool:
    """Whether the vendor provably charged no credits for a purchase."""
    return is_free(purchase.status, purchase.reason)


def is_free(status: str, reason: str | None) -> bool:
    """Whether a purchase with this status and reason, also as results write them, provably cost nothing."""
    return status == Status.VOID or reason == Reason.REJECTED


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions of people: `approved` maps each to the key it was approved for.

    `order` numbers all decisions in the order in which they were made.
    """

    approved: Mapping[PurchaseId, JobKey] = field(default_factory=dict)
    rejected: frozenset[PurchaseId] = frozenset()
    redo: frozenset[PurchaseId] = frozenset()
    order: Mapping[PurchaseId, int] = field(default_factory=dict)

    def is_later(self, one: PurchaseId, other: PurchaseId) -> bool:
        """Whether `one` was decided after `other`, as far as their order is known."""
        return self.order.get(one, 0) > self.order.get(other, 0)


UNDECIDED = Decisions()


def with_approvals(decisions: Decisions, later: Decisions) -> Decisions:
    """The `decisions`, and what was approved `later`, but nothing else of it."""
    return replace(
        decisions,
        approved={**decisions.approved, **later.approved},
        rejected=decisions.rejected - later.approved.keys(),
        redo=decisions.redo - later.approved.keys(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The purchase that served a key last. `serial` counts those that did so, one after the other, from 1.

    The serial tells which of two records is the later one: a job may go back to a purchase older than its last.
    """

    purchase: PurchaseId
    serial: int = 1


def served_next(before: Served | None, purchase: PurchaseId) -> Served:
    """What is recorded of a key that `purchase` serves now; `before` is what was recorded until now."""
    if before is None:
        return Served(purchase=purchase)
    if before.purchase == purchase:
        return before
    return Served(purchase=purchase, serial=min(before.serial + 1, record_limits.MAX_SERIAL))


def all_served_next(
    before: Mapping[JobKey, Served], now: Mapping[JobKey, PurchaseId]
) -> dict[JobKey, Served]:
    """What is recorded of all keys, of which some are served now."""
    return {**before, **{key: served_next(before.get(key), each) for key, each in now.items()}}


@dataclass(frozen=True, slots=True)
class Records:
    """A set of purchases by id, and by key which of them served it last."""

    purchases: Mapping[PurchaseId, Purchase] = field(default_factory=dict)
    served: Mapping[JobKey, Served] = field(default_factory=dict)


def as_json(purchase: Purchase) -> dict[str, Json]:
    """The purchase as JSON, as in the results manifest, without absent values."""
    written: dict[str, Json] = {
        "id": purchase.id,
        "key": purchase.key,
        "fingerprint": purchase.fingerprint,
        "inputs": list(purchase.inputs) or None,
        "replaces": list(purchase.replaces) or None,
        "status": purchase.status.value,
        "reason": purchase.reason.value if purchase.reason else None,
        "bought_at": purchase.bought_at,
        "template_id": purchase.template_id,
        "workflow_id": purchase.workflow_id,
        "request": _in_order(dict(purchase.request)) or None,
        "outputs": [output_as_json(output) for output in purchase.outputs] or None,
        "steps": [
            {"flow": step.flow, "outputs": [output_as_json(output) for output in step.outputs]}
            for step in purchase.steps
        ]
        or None,
        "credits": purchase.credits,
        "created_at": purchase.created_at,
        "updated_at": purchase.updated_at,
        "path": purchase.path or None,
        "error": purchase.error,
        "deleted": purchase.deleted or None,
        "removed": purchase.removed or None,
        "again": purchase.again or None,
    }
    return {name: value for name, value in written.items() if value is not None}


def _in_order(value: Json) -> Json:
    """A copy with sorted keys, so that it is the same from a state, results or a run."""
    match value:
        case dict():
            return {name: _in_order(value[name]) for name in sorted(value)}
        case list():
            return [_in_order(inner) for inner in value]
        case _:
            return value


def output_as_json(output: Output) -> dict[str, Json]:
    """The output as JSON; absent values are left out."""
    written: dict[str, Json] = {
        "url": output.url,
        "content_type": output.content_type,
        "sha256": output.sha256,
        "bytes": output.bytes,
    }
    return {name: value for name, value in written.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Decides whether a workflow is a purchase's own; needed because results may come from a stranger's pull request.

    `recorded` are the purchases whose intent this state recorded itself.
    """

    campaign: str
    recorded: frozenset[PurchaseId]

    def is_recorded(self, purchase: Purchase) -> bool:
        """Whether the state itself recorded that it sent the create."""
        return purchase.id in self.recorded

    def can_be_proven(self, purchase: Purchase) -> bool:
        """Whether the vendor's response could prove that the workflow is the purchase's own, by what was sent."""
        sent = purchase.request
        return self.is_recorded(purchase) or self.is_named_in(
            purchase.id, title=str(sent.get("title", "")), description=str(sent.get("description", ""))
        )

    def is_named_in(self, purchase_id: PurchaseId, *, title: str, description: str) -> bool:
        """Whether the texts of a workflow name the purchase and the campaign.

        A default title or description names exactly one campaign, its first word: any other word of a title may be
        that of a rule, an image or a prompt, and another campaign may be called so. In a manifest's own wording, the
        id and the name are whole words anywhere.
        """
        forms = ((_DEFAULT_TITLE, title), (_DEFAULT_DESCRIPTION, description))
        found = [re.fullmatch(form.format(id=purchase_id), text, re.DOTALL) for form, text in forms]
        named = {match[1] for match in found if match is not None}
        if named:
            return named == {self.campaign}
        text = f"{title}\n{description}"
        name = rf"(?<!{_OF_NAMES}){re.escape(self.campaign)}(?!{_OF_NAMES})"
        return re.search(rf"\b{purchase_id}\b", text) is not None and re.search(name, text) is not None
