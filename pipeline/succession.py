"""Tells which takes of a job replaced which, through all renames and edits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.purchases import Purchase, PurchaseId, Status

if TYPE_CHECKING:
    from pipeline.assignment import Matcher
    from pipeline.jobs import JobKey


@dataclass(frozen=True, slots=True)
class Succession:
    """The takes of jobs, one after the other: what a purchase has recorded as replaced leads from one to the next."""

    matcher: Matcher

    def last_good(self, *keys: JobKey) -> list[Purchase]:
        """The takes of these jobs that were done last.

        Of one job, several where a purchase replaced those of several jobs, or where it cannot be told which of them
        was the last: then all of them are kept.
        """
        return self._good_among(each for key in keys for each in self._latest(key))

    def _good_among(self, latest: Iterable[Purchase]) -> list[Purchase]:
        """The good takes among these, and in place of each other one, the good takes that it replaced."""
        reached = {each.id: each for each in latest}
        left, found = [*reached.values()], list[Purchase]()
        for each in left:  # grows on the way
            if _is_good(each):
                found.append(each)
                continue
            new = [before for before in self.matcher.before(each) if before.id not in reached]
            reached |= {before.id: before for before in new}
            left += new
        return found

    def taken_over(self) -> dict[PurchaseId, list[PurchaseId]]:
        """By purchase without result, what it has to record as replaced, as it serves a job in place of a good take.

        A new purchase records that when it is made. An older one, made for this or another job, does not know of it:
        it comes to serve when a job asks for the same as that one did, or again for what it asked for before.
        """
        found: dict[PurchaseId, dict[PurchaseId, None]] = {}
        for key in self.matcher.jobs:
            serving, served = (
                self.matcher.purchase_for(key),
                self.matcher.served(key) or self._served_before_renaming(key),
            )
            if serving is None or served in (None, serving) or _is_good(serving):
                continue
            known = {each.id for each in self._good_among([serving])}
            new = [each.id for each in self._good_among([served]) if each.id not in known]
            if new:
                before = [each.id for each in self.matcher.before(serving)]
                found.setdefault(serving.id, {}).update(dict.fromkeys([*new, *before]))
        # In the order in which a join has them.
        return {purchase_id: sorted(replaced) for purchase_id, replaced in found.items()}

    def all_before(self, key: JobKey) -> set[PurchaseId]:
        """All purchases that were replaced, one after the other, by what serves a job now."""
        serving = self.matcher.purchase_for(key)
        left, found = [] if serving is None else [serving], set[PurchaseId]()
        while left:
            before = [each for each in self.matcher.before(left.pop()) if each.id not in found]
            found |= {each.id for each in before}
            left += before
        return found

    def replaced(self, key: JobKey, sharing: Iterable[JobKey] = ()) -> list[PurchaseId]:
        """What a purchase to be made for a job, and for those sharing it, has to record as replaced.

        From then on, nothing else may tell it. Only what was bought last for this key need not be recorded, if it is
        all, and has not replaced something itself.
        """
        latest = [each for one in (key, *sharing) for each in self._latest(one)]
        found = dict.fromkeys(replaced for each in latest for replaced in self._leading_to(each))
        newest = max(self.matcher.bought_for(key), key=lambda each: each.age, default=None)
        if newest is not None and not newest.replaces and [*found] == [newest.id]:
            return []
        return [*found]

    def _leading_to(self, purchase: Purchase) -> Iterable[PurchaseId]:
        """What to record in place of a purchase that bought nothing, which may never be read again."""
        if purchase.status is not Status.VOID:
            return (purchase.id,)
        return purchase.replaces or [each.id for each in self.matcher.before(purchase)]

    def _latest(self, key: JobKey) -> list[Purchase]:
        """The purchases that served a job last, serve it, or were last bought for it."""
        served = self.matcher.served(key) or self._served_before_renaming(key)
        found = (served, self.matcher.purchase_for(key), self.matcher.last(key))
        return [*{each.id: each for each in found if each is not None}.values()]

    def _served_before_renaming(self, key: JobKey) -> Purchase | None:
        """What served a job last under the key for which its purchase was bought, if no job has that key any more."""
        serving = self.matcher.purchase_for(key)
        return (
            None if serving is None or serving.key in self.matcher.jobs else self.matcher.served(serving.key)
        )


def _is_good(purchase: Purchase) -> bool:
    # What has only succeeded may never come here as a whole.
    return purchase.status is Status.DONE and not purchase.deleted
