"""The plan: its actions, entries and options."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.assignment import Assignment
from pipeline.errors import Problem, counted
from pipeline.jobs import Job, JobKey, Visibility
from pipeline.json_values import Json
from pipeline.purchases import UNFINISHED, Purchase, PurchaseId


class Action(StrEnum):
    """What a run does for one job."""

    ATTENTION = "attention"
    PINNED = "pinned"
    WAIT = "wait"
    RESUME = "resume"
    DOWNLOAD = "download"
    SHARE = "share"
    REPLACE = "replace"
    RETRY = "retry"
    CREATE = "create"
    MOVE = "move"
    UPDATE = "update"
    KEEP = "keep"
    ORPHAN = "orphan"


BUYING = frozenset({Action.CREATE, Action.REPLACE, Action.RETRY})

# The actions that `plan --detailed-exitcode` counts as changes, and that `plan` prints by default.
CHANGING = frozenset(Action) - {Action.KEEP, Action.ORPHAN, Action.PINNED, Action.WAIT}


class Presence(StrEnum):
    """Where the files of a finished job are on this machine."""

    IN_PLACE = "in place"
    ELSEWHERE = "elsewhere"
    MISSING = "missing"
    ALTERED = "altered"
    POINTER = "a Git LFS pointer"


# In the place of the file is one that no purchase brought.
FOREIGN = frozenset({Presence.ALTERED, Presence.POINTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One changed value of a request, by its path in the request."""

    name: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The title, description and visibility of a workflow at the vendor, which a PUT can set."""

    title: str
    description: str
    visibility: Visibility


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Entry:
    """The planned action for one job, or for one orphan (`job` is then None).

    `purchase` is what serves the job now or, if it is replaced, what served it before. `credits` is the price if the
    entry buys, None if that is unknown. `after` is the upstream that must succeed first, `buyer` the job whose
    purchase is shared. `presence` is set for a job that is done. `wording` is to be sent to the vendor, if it differs
    from what was last sent; it is in `unsent` instead if nothing could prove that the workflow is the purchase's own.
    `supersedes` are the purchases to be bought again: they are flagged together with the new intent. `source` is the
    approved purchase that the job is made from, if it uses only an approved one. `is_pending`: a run in progress,
    here or elsewhere, may still learn the outcome.
    """

    key: JobKey
    action: Action
    reason: str
    job: Job | None = None
    purchase: Purchase | None = None
    credits: int | None = None
    changes: tuple[Difference, ...] = ()
    after: JobKey | None = None
    buyer: JobKey | None = None
    presence: Presence | None = None
    wording: Wording | None = None
    unsent: Wording | None = None
    supersedes: tuple[PurchaseId, ...] = ()
    source: Purchase | None = None
    is_pending: bool = False

    def __repr__(self) -> str:
        return f"<Entry {self.key}: {self.action.value}, {self.reason}>"

    @property
    def buys(self) -> bool:
        """Whether it needs a create."""
        return self.action in BUYING

    @property
    def is_change(self) -> bool:
        """Whether there is anything to do for it: a pinned job, too, may have work that is paid for."""
        is_due = self.presence is Presence.ELSEWHERE or (
            self.purchase is not None and self.purchase.status in UNFINISHED
        )
        return self.action in CHANGING or (self.action is Action.PINNED and is_due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What entries that buy cost: how many `creates`, their known `credits`, and how many are `unpriced`."""

    creates: int
    credits: int
    unpriced: int

    def __str__(self) -> str:
        """The known credits, and the number of unknown prices, which are never shown as zero."""
        if self.known is None:
            return "price unknown"
        known = counted(self.known, "credit")
        return f"{known} + {counted(self.unpriced, 'job')} with no known price" if self.unpriced else known

    @property
    def known(self) -> int | None:
        """The sum of the known prices; None if no price is known."""
        return None if self.creates and self.unpriced == self.creates else self.credits

    def as_json(self) -> dict[str, Json]:
        """The cost, for scripts."""
        return {"creates": self.creates, "credits": self.known, "unpriced": self.unpriced}


def cost_of(entries: Iterable[Entry]) -> Cost:
    """What these entries cost, all of which buy."""
    prices = [entry.credits for entry in entries]
    known = [price for price in prices if price is not None]
    return Cost(creates=len(prices), credits=sum(known), unpriced=len(prices) - len(known))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Plan:
    """One entry for each selected job, in plan order, then the orphans.

    `assignment` is what it is based on. `followed` are purchases that serve no selected job but are still to be
    followed to their end. `limit` says which limit a run would exceed, so that it buys nothing; None if there is
    none. `unsettled` are purchases in attention that serve no job; `elsewhere` are those in attention that another
    machine is about to send, `idle_elsewhere` those of them that serve no job. `prices_of` is the date (ISO 8601) of
    the oldest price of what is bought, if the catalogue has it. `target` is the manifest with the flags that choose
    its records, quoted for a shell, for suggested commands. `lost_approvals` are approved purchases that only results
    show, with their jobs: a run would be refused. Without `retries`, what fails on the way is not bought again.
    `warnings` are those of the manifest. `not_replaced` are jobs that were to be bought again, but whose purchase is
    still under way.
    """

    entries: Sequence[Entry]
    assignment: Assignment
    followed: Sequence[Purchase] = ()
    unsettled: Sequence[Purchase] = ()
    limit: str | None = None
    elsewhere: frozenset[PurchaseId] = frozenset()
    idle_elsewhere: Sequence[Purchase] = ()
    prices_of: str | None = None
    target: str = "MANIFEST"
    lost_approvals: Mapping[PurchaseId, JobKey] = field(default_factory=dict)
    retries: bool = True
    warnings: Sequence[Problem] = ()
    not_replaced: frozenset[JobKey] = frozenset()
    _by_key: dict[str, Entry] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __repr__(self) -> str:
        counts = Counter(entry.action.value for entry in self.entries)
        actions = ", ".join(f"{number} {action}" for action, number in sorted(counts.items()))
        lost = f"; lacks {counted(len(self.lost_approvals), 'approval')}" if self.lost_approvals else ""
        return f"<Plan: {actions or 'nothing to do'}; {self.cost}{lost}>"

    def entry(self, key: JobKey) -> Entry | None:
        """The entry of a selected job."""
        # Built on first use: showing a plan does not need it.
        if not self._by_key:
            jobs = (entry for entry in self.entries if entry.action is not Action.ORPHAN)
            self._by_key.update((entry.key, entry) for entry in jobs)
        return self._by_key.get(key)

    def of(self, *actions: Action) -> Iterator[Entry]:
        """The entries with one of these actions."""
        return (entry for entry in self.entries if entry.action in actions)

    @property
    def buying(self) -> list[Entry]:
        """The entries that need a create, in the order in which they are bought."""
        return [entry for entry in self.entries if entry.buys]

    def made_after(self) -> dict[JobKey, JobKey | None]:
        """By job that is bought, or shares what is, the job that has to be made before it, if there is one."""
        bought = {entry.key: entry.after for entry in self.buying}
        sharing = {
            entry.key: bought.get(entry.buyer) for entry in self.of(Action.SHARE) if entry.buyer is not None
        }
        return bought | sharing

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to do, for a run or for a person."""
        return bool(self.unsettled or self.idle_elsewhere) or any(entry.is_change for entry in self.entries)

    @property
    def asks_vendor(self) -> bool:
        """Whether any entry needs the vendor, and so a key."""
        paid = any(self.of(Action.RESUME, Action.DOWNLOAD)) or bool(self.followed)
        return bool(self.buying) or paid or any(entry.wording for entry in self.entries)

    @property
    def moves_files(self) -> bool:
        """Whether it puts files in place that are elsewhere on this machine."""
        return any(entry.presence is Presence.ELSEWHERE for entry in self.entries)

    @property
    def cost(self) -> Cost:
        """What all that is bought costs."""
        return cost_of(self.buying)

    @property
    def credits(self) -> int:
        """The sum of the known prices of all that is bought."""
        return self.cost.credits

    @property
    def unpriced(self) -> list[Entry]:
        """The entries that are bought at an unknown price."""
        return [entry for entry in self.buying if entry.credits is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """The options of a plan besides the manifest, resolved to keys.

    `selected` are keys of jobs or orphans; None selects all. `replace` are keys of jobs to buy again; `retry_failed`
    buys every failed job again. Neither applies to jobs in `carried_out`.
    """

    selected: frozenset[JobKey] | None = None
    replace: frozenset[JobKey] = frozenset()
    retry_failed: bool = False
    carried_out: frozenset[JobKey] = frozenset()


ALL = PlanOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArguments:
    """The options as given on the command line: `select`, `exclude` and `replace` are expressions of `--select`."""

    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    retry_failed: bool = False
