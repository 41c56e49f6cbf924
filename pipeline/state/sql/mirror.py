"""The purchases of a state in memory: read from the tables once, as only the run that holds the state writes them."""

from dataclasses import dataclass, field

from pipeline.jobs import JobKey
from pipeline.purchases import Purchase, PurchaseId, Records
from pipeline.state.store import KnownResults, PlacedFile, Spent


@dataclass(slots=True)
class Mirror:
    """What the tables hold of purchases, and what counts against the caps, summed up as purchases change.

    `revisions` says how often each purchase was written; `own` are those that this run bought, `recorded` those
    whose intent this state recorded, in whatever run. `files` are, by path, where files lie, None before
    that is asked for.
    """

    purchases: dict[PurchaseId, Purchase] = field(default_factory=dict)
    served: dict[JobKey, PurchaseId] = field(default_factory=dict)
    revisions: dict[PurchaseId, int] = field(default_factory=dict)
    own: set[PurchaseId] = field(default_factory=set)
    recorded: set[PurchaseId] = field(default_factory=set)
    spent: Spent = Spent()
    results: KnownResults = KnownResults()
    files: dict[str, PlacedFile] | None = None

    @property
    def records(self) -> Records:
        """What it holds now; what is written later does not change it."""
        return Records(purchases=dict(self.purchases), served=dict(self.served))

    def put(self, purchase: Purchase, revision: int, *, own: bool = False, recorded: bool = False) -> None:
        """Take in a purchase as it is now; `own`: it is new, and this run buys it; `recorded`: so was its intent."""
        before = self.purchases.get(purchase.id)
        if own:
            self.own.add(purchase.id)
        if recorded:
            self.recorded.add(purchase.id)
        is_own = purchase.id in self.own
        if before is not None:
            self.spent = self.spent.without(before, own=is_own)
        self.spent = self.spent.plus(purchase, own=is_own)
        self.purchases[purchase.id] = purchase
        self.revisions[purchase.id] = revision
