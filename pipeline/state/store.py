"""The port to where purchases are kept. Only one run at a time writes; see `pipeline.state.lock`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Status, WorkflowId
from pipeline.state.transitions import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of one purchase's life, as it goes to disk.

    `before` is None for an intent. `event` is None for an intent too, and for what the join brought.
    `at` is UTC, ISO 8601. `detail` is kept in the event's row for people (a raw answer, say).
    """

    before: Purchase | None
    after: Purchase
    at: str
    event: Event | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Caps on buying: `max_creates` and `max_credits` in this run, `budget` in credits over all runs."""

    max_creates: int | None = None
    max_credits: int | None = None
    budget: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Use of the caps: creates and credits of this run, void ones aside, and the credits of all runs."""

    creates: int = 0
    credits: int = 0
    ever: int = 0

    def plus(self, purchase: Purchase, *, own: bool) -> "Spent":
        """The sums with `purchase`; `own`: this run bought it."""
        return self._changed(purchase, 1, own=own)

    def without(self, purchase: Purchase, *, own: bool) -> "Spent":
        """The sums without `purchase`."""
        return self._changed(purchase, -1, own=own)

    def is_within(self, caps: Caps) -> bool:
        """Whether no cap is exceeded."""
        used = ((self.creates, caps.max_creates), (self.credits, caps.max_credits), (self.ever, caps.budget))
        return all(cap is None or amount <= cap for amount, cap in used)

    def _changed(self, purchase: Purchase, sign: int, *, own: bool) -> "Spent":
        is_create = own and purchase.status is not Status.VOID
        cost = sign * purchase.cost
        return Spent(
            creates=self.creates + (sign if is_create else 0),
            credits=self.credits + (cost if own else 0),
            ever=self.ever + cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """Where a purchase's file lies on this machine; never joined, never published.

    `path` is relative to the output folder. `slot` says which of the purchase's files it is: `result/0` or
    `steps/2/0`. `mtime_ns` and `bytes` show that a file is untouched, without hashing it again.
    """

    path: str
    purchase: PurchaseId
    slot: str
    sha256: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A create that is to be sent: `purchase` as `submitting`, noted at `at` (UTC, ISO 8601).

    `supersedes` are purchases whose place it takes: they get the flag `again` with it, or not at all.
    """

    purchase: Purchase
    at: str
    supersedes: Sequence[PurchaseId] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The changes of one turn of the coordinator, made durable as one.

    `changes` are steps of purchases that the state holds. `files` lie in the output folder now; at the paths
    `removed` nothing lies any more. `durations` are pairs of a template's id and the seconds that one of its
    workflows took from create to success.
    """

    changes: Sequence[Change] = ()
    intents: Sequence[Intent] = ()
    files: Sequence[PlacedFile] = ()
    removed: Sequence[str] = ()
    durations: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownResults:
    """The results manifest that was written from a state last; both are hashes, or empty.

    The state has all that the results `joined` say. They were written from the state and from what has the hash
    `inputs`: a change of a purchase, or of what serves a job, forgets the latter.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The content of a state at one moment. `revisions` says how often each purchase had been written.

    `runs` names the run that recorded the intent of each, empty where another machine did. A run's name begins with
    the time of its start.
    """

    records: Records = Records()
    revisions: Mapping[PurchaseId, int] = field(default_factory=dict)
    runs: Mapping[PurchaseId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The part of an export beside the purchases. Results, which anyone can write, have none of it.

    `recorded` are purchases whose intent the state that was exported recorded: they count as recorded by this one.
    `events` are their history, `durations` the mean seconds of a template's workflows.
    """

    recorded: Collection[PurchaseId] = frozenset()
    events: Sequence[LoggedEvent] = ()
    durations: Mapping[str, float] = field(default_factory=dict)


NOTHING_IMPORTED = Imported()


class Store(Protocol):
    """A set of purchases on durable storage, written by one thread of the one run that holds the lock."""

    @property
    def campaign(self) -> str:
        """The name of the campaign whose state it is."""
        ...

    @property
    def run(self) -> str:
        """The name of the run that it is open for."""
        ...

    def records(self) -> Records:
        """Everything that is known, as it is on disk."""
        ...

    def look(self, before: Sighting) -> Sighting:
        """All purchases, with the run of each; one that has not changed since `before` is the same object."""
        ...

    def recover(self, at: str) -> Sequence[Change]:
        """Take over what a dead run left, once at the start: ids it rescued, then `submitting` to `attention`.

        Returns what changed.
        """
        ...

    def commit_turn(self, turn: Turn, caps: Caps) -> Sequence[Change]:
        """Make all of `turn` durable in one transaction: on disk when this returns, and nothing of it if it raises.

        Changes are written first, each only if the purchase is still as its `before` says. On top of them the
        intents are, one after another, up to the first that would exceed a cap: that one and those after it are
        left out. Credits are reserved with the intent, so no number of workers overshoots a cap; what a change
        of this turn gave back (a create that bought nothing) is free for its intents.

        Returns what was written for the intents, in their order: for each a change whose `before` is None, then
        the flags of what it supersedes. An intent that is not among them must not be sent.

        Raises:
            InvalidInput: the state was deleted, replaced, or taken over by another run meanwhile; or an intent
                has no price under a cap on credits.
            StateLocked: the lease on it ran out.
            Unfinished: it cannot be written (a full disk, an unreachable server).
            PipelineError: a purchase is not any more as a change found it.
        """
        ...

    def rescue(self, purchase_id: PurchaseId, workflow_id: WorkflowId) -> None:
        """Keep a paid workflow's id where `commit` failed, durably, until the next `recover`.

        Raises:
            Unfinished, InvalidInput: not even that could be written.
        """
        ...

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes durable in one transaction, each only if the purchase is still as `before` says.

        Raises:
            Unfinished: it cannot be written (a full disk); nothing of it was.
            InvalidInput: as `commit_turn`.
        """
        ...

    def absorb(
        self, records: Records, decisions: Decisions, at: str, imported: Imported = NOTHING_IMPORTED
    ) -> Records:
        """Join `records` into the state (`pipeline.purchases.join`) and return what it holds then.

        Of what is `imported`, a history is taken where only joins are known here, and a duration where none is.
        """
        ...

    def recorded(self) -> frozenset[PurchaseId]:
        """The purchases whose intent this state recorded itself, or got by an import."""
        ...

    def save_assignment(
        self, served: Mapping[JobKey, PurchaseId], results: KnownResults | None = None
    ) -> None:
        """Remember which purchase serves each key now, and the `results` that were written of all this."""
        ...

    def known_results(self) -> KnownResults:
        """The results manifest that was written last."""
        ...

    def spent(self) -> Spent:
        """The creates and credits of this run, and of all runs, so far."""
        ...

    def files(self) -> Sequence[PlacedFile]:
        """Where files lie on this machine, as far as this state knows."""
        ...

    def index_files(self, placed: Iterable[PlacedFile], removed: Iterable[str] = ()) -> None:
        """Remember where files lie now, and forget the paths `removed`."""
        ...

    def durations(self) -> Mapping[str, float]:
        """The mean seconds from create to success by template id, as far as known."""
        ...

    def events(self, purchase_id: PurchaseId) -> Sequence[LoggedEvent]:
        """A purchase's history, oldest first."""
        ...

    def export(self, records: Records | None = None) -> Mapping[str, Json]:
        """The whole state as JSON, for `pipeline state export`; `records` stand in for what is on disk."""
        ...

    def is_held(self) -> bool:
        """Whether this run still holds the state, without a query; safe in any thread.

        Where it does not, nothing may be sent any more, and no `commit` will succeed.
        """
        ...

    def close(self) -> None:
        """Release the storage and the lock."""
        ...
