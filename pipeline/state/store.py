"""The port to the storage of purchases. Only one run at a time writes; see `pipeline.state.lock`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status, WorkflowId

if TYPE_CHECKING:
    from pipeline.jobs import JobKey
    from pipeline.json_values import Json
    from pipeline.state.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one purchase, as it is committed.

    `before` is None for an intent. `event` is None for an intent, and for a change by a join. `at` is UTC, ISO 8601.
    `detail` is stored with the event for people (a raw response, for example).
    """

    before: Purchase | None
    after: Purchase
    at: str
    event: Event | None = None
    detail: str = ""


def _unknown(_purchase: Purchase) -> int | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Caps on buying: `max_creates` and `max_credits` in this run, `budget` in credits over all runs.

    `price_of` is the price today of what a purchase requested, None if it is not known. It counts where the purchase
    was made without a known price. `of_shard`: the caps of this run are
    what a shard's part of the plan costs.
    """

    max_creates: int | None = None
    max_credits: int | None = None
    budget: int | None = None
    of_shard: bool = False
    price_of: Callable[[Purchase], int | None] = field(default=_unknown, repr=False, compare=False)

    def cost(self, purchase: Purchase) -> int | None:
        """The credits of a purchase that count against the budget; None if they are not known."""
        return self.price_of(purchase) if purchase.is_unpriced else purchase.cost

    def budget_left(self, purchases: Iterable[Purchase]) -> int | None:
        """What the known costs of all purchases leave of the budget; None if there is none."""
        return None if self.budget is None else self.budget - sum(self.cost(each) or 0 for each in purchases)

    def unpriced(self, purchases: Iterable[Purchase]) -> list[Purchase]:
        """The purchases whose credits are not known, neither from when they were made nor today."""
        return [each for each in purchases if self.cost(each) is None]


UNCAPPED = Caps()


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What counts against the caps: creates (except void ones) and credits of this run, and credits of all runs.

    `unpriced` is the number of purchases, of all runs, whose credits are not known.
    """

    creates: int = 0
    credits: int = 0
    ever: int = 0
    unpriced: int = 0

    def plus(self, purchase: Purchase, *, own: bool) -> Spent:
        """The sums with `purchase`; `own`: this run bought it."""
        return self._changed(purchase, 1, own=own)

    def without(self, purchase: Purchase, *, own: bool) -> Spent:
        """The sums without `purchase`."""
        return self._changed(purchase, -1, own=own)

    def is_within(self, caps: Caps) -> bool:
        """Whether no cap is exceeded; an unknown price may exceed any budget."""
        if caps.budget is not None and self.unpriced:
            return False
        return not self.exceeded(caps)

    def exceeded(self, caps: Caps) -> Sequence[str]:
        """The names of the caps that the sums exceed, as far as prices are known."""
        used = (
            ("max_creates", self.creates, caps.max_creates),
            ("max_credits", self.credits, caps.max_credits),
            ("budget", self.ever, caps.budget),
        )
        return [name for name, amount, cap in used if cap is not None and amount > cap]

    def _changed(self, purchase: Purchase, sign: int, *, own: bool) -> Spent:
        is_create = own and purchase.status is not Status.VOID
        cost = sign * purchase.cost
        return Spent(
            creates=self.creates + (sign if is_create else 0),
            credits=self.credits + (cost if own else 0),
            ever=self.ever + cost,
            unpriced=self.unpriced + sign * purchase.is_unpriced,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """Where a purchase's file is on this machine; never joined, never published.

    `path` is relative to the output folder. `slot` says which of the purchase's files it is: `result/0` or
    `steps/2/0`. `mtime_ns` and `bytes` show that a file is unchanged, without hashing it again.
    """

    path: str
    purchase: PurchaseId
    slot: str
    sha256: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A create that is to be sent: `purchase` as `submitting`, recorded at `at` (UTC, ISO 8601).

    `supersedes` are the purchases that it replaces: they get the flag `again` in the same transaction.
    """

    purchase: Purchase
    at: str
    supersedes: Sequence[PurchaseId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The changes of one turn of the coordinator, committed together.

    `changes` are of purchases that the state already has. `files` are now in the output folder; at the paths
    `removed`, there is no file any more. `durations` are pairs of a template's id and the seconds that one of its
    workflows took from create to success.
    """

    changes: Sequence[Change] = ()
    intents: Sequence[Intent] = ()
    files: Sequence[PlacedFile] = ()
    removed: Sequence[str] = ()
    durations: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownResults:
    """The results manifest last written from a state; both fields are hashes, or empty.

    The results with the hash `joined` are in the state completely. `inputs` is the hash of everything that they were
    written from; a change of a purchase, or of what serves a job, clears it.
    """

    joined: str = ""
    inputs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One row of a purchase's history."""

    at: str
    purchase: PurchaseId
    event: str
    before: str | None
    after: str
    detail: str


class PartStamp(NamedTuple):
    """A value that changes whenever a part of a campaign's state is written, and whether a run holds that part.

    `is_held` is None where that cannot be seen from here.
    """

    written: object
    is_held: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The content of a state at one moment. `revisions` counts how often each purchase had been written.

    `runs` names the run that recorded each purchase's intent, empty if another machine did. A run's name begins with
    its start time.
    """

    records: Records = Records()
    revisions: Mapping[PurchaseId, int] = field(default_factory=dict)
    runs: Mapping[PurchaseId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an export has besides the purchases. Results, which anyone can write, have none of this.

    `recorded` are purchases whose intent the exported state recorded: they count as recorded by this one. `events` is
    the purchases' history, `durations` the mean seconds of each template's workflows.
    """

    recorded: Collection[PurchaseId] = frozenset()
    events: Sequence[LoggedEvent] = ()
    durations: Mapping[str, float] = field(default_factory=dict)


NOTHING_IMPORTED = Imported()


class Store(Protocol):
    """A set of purchases on durable storage, written by one thread of the one run that holds the lock."""

    @property
    def campaign(self) -> str:
        """The name of the campaign that the state belongs to."""
        ...

    @property
    def manifest(self) -> Path | None:
        """The manifest that the state names, which need not exist; None if it names none on this machine."""
        ...

    @property
    def run(self) -> str:
        """The name of the run that opened it."""
        ...

    def records(self) -> Records:
        """All records, as they are on disk."""
        ...

    def look(self, before: Sighting) -> Sighting:
        """All purchases, with the run of each; those unchanged since `before` are the same objects."""
        ...

    def recover(self, at: str) -> Sequence[Change]:
        """Take over what a dead run left, once at the start: rescued ids, then `submitting` to `attention`.

        Returns what changed.
        """
        ...

    def commit_turn(self, turn: Turn, caps: Caps) -> Sequence[Change]:
        """Commit `turn` in one transaction: everything is on disk when this returns, and nothing if it raises.

        Changes are written first, each only if the purchase still equals its `before`. Then the intents are written
        in order, up to the first that would exceed a cap: that one and all after it are left out. Credits are
        reserved with the intent, so no number of workers can exceed a cap; credits that a change of this turn
        released (a create that bought nothing) are available to its intents.

        Returns the changes written for the intents, in order: for each, a change whose `before` is None, then the
        flags of the purchases that it supersedes. An intent that is not among them must not be sent.

        Raises:
            InvalidInput: the state was deleted, replaced, or taken over by another run meanwhile; or an intent
                has no price under a cap on credits.
            StateLocked: the lease on it ran out.
            Unfinished: it cannot be written (a full disk, an unreachable server).
            PipelineError: a purchase no longer equals the `before` of its change.
        """
        ...

    def rescue(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Store a paid workflow's id durably after `commit` failed, until the next `recover`.

        Raises:
            Unfinished, InvalidInput: not even that could be written.
        """
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Commit changes in one transaction, each only if the purchase still equals its `before`.

        Raises:
            Unfinished: it cannot be written (a full disk); nothing was.
            InvalidInput: as `commit_turn`.
        """
        ...

    def absorb(
        self, records: Records, decisions: Decisions, at: str, imported: Imported = NOTHING_IMPORTED
    ) -> Records:
        """Join `records` into the state (`pipeline.join.join`), and return the joined records.

        From `imported`, a purchase's history is taken if only joins are known here, and a duration if none is.
        """
        ...

    def recorded(self) -> frozenset[PurchaseId]:
        """The purchases whose intent this state recorded itself, or imported."""
        ...

    def recorded_by_runs(self) -> frozenset[PurchaseId]:
        """Those of them whose intent a run on this state recorded."""
        ...

    def save_assignment(
        self, served: Mapping[JobKey, PurchaseId], results: KnownResults | None = None
    ) -> None:
        """Store which purchase serves each key now, and the `results` that were written from this."""
        ...

    def known_results(self) -> KnownResults:
        """The results manifest last written."""
        ...

    def spent(self, caps: Caps = UNCAPPED) -> Spent:
        """The creates and credits of this run, and of all runs, so far, with the prices that `caps` know."""
        ...

    def files(self) -> Sequence[PlacedFile]:
        """The index of files on this machine."""
        ...

    def index_files(self, placed: Iterable[PlacedFile], removed: Iterable[str] = ()) -> None:
        """Add files to the index, and remove the paths `removed`."""
        ...

    def durations(self) -> Mapping[str, float]:
        """By template id, the mean seconds from create to success, if known."""
        ...

    def events(self, purchase_id: PurchaseId) -> Sequence[LoggedEvent]:
        """A purchase's history, oldest first."""
        ...

    def export(self, records: Records | None = None) -> Mapping[str, Json]:
        """The whole state as JSON, for `pipeline state export`; `records` are joined with what is on disk."""
        ...

    def is_held(self) -> bool:
        """Whether this run still holds the state, without a query; safe in any thread.

        If it does not, nothing more may be sent, and no `commit` will succeed.
        """
        ...

    def close(self) -> None:
        """Release the storage and the lock."""
        ...
