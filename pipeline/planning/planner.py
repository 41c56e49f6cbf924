"""Chooses the action of each job; the checks are in order of precedence."""

from collections.abc import Callable, Collection, Mapping

from pipeline.assignment import Assignment, is_sent_back, is_to_be_bought_again
from pipeline.jobs import Job, JobKey, Visibility
from pipeline.planning.differences import changed_names, differences
from pipeline.planning.hints import elsewhere_hint, missing_files, pending_outcome, unknown_outcome
from pipeline.planning.plan import Action, Difference, Entry, PlanOptions, Presence, Wording
from pipeline.planning.retries import count_failures, has_retries_left
from pipeline.purchases import OUTCOME_UNKNOWN, UNFINISHED, Purchase, PurchaseId, Reason, Status

# The statuses of an upstream from which a job can be made.
_MADE = frozenset({Status.SUCCEEDED, Status.DONE})

_REPLACED = "requested (--replace)"


class Planner:
    """Decides job by job. Which jobs wait is decided first, because only one that does not wait can buy for others.

    `assignment` includes the flags that the plan sets, `before` does not.
    """

    def __init__(
        self,
        assignment: Assignment,
        before: Assignment,
        presence: Mapping[JobKey, Presence],
        options: PlanOptions,
        can_be_proven: Callable[[Purchase], bool],
        elsewhere: Collection[PurchaseId] = (),
    ) -> None:
        self._assignment = assignment
        self._before = before
        self._presence = presence
        self._options = options
        self._can_be_proven = can_be_proven
        self._elsewhere = elsewhere
        self._waits: dict[JobKey, str] = {}
        self._buyers: dict[str | tuple[str, ...], JobKey] = {}
        self._bought_by: dict[JobKey, JobKey] = {}
        self._supersedes: dict[JobKey, list[PurchaseId]] = {}
        self._first: dict[PurchaseId, JobKey] = {}
        self._failures = count_failures(assignment.matcher.records.purchases.values())
        for job in assignment.jobs:
            self._note_buyer(job)

    def is_selected(self, key: JobKey) -> bool:
        """Whether this key is selected."""
        return self._options.selected is None or key in self._options.selected

    def entry(self, job: Job) -> Entry:
        """Choose the action for `job`, and give its reason."""
        purchase = self._assignment.by_key.get(job.key)
        if purchase is None or self._is_retried(job):
            return self._buy(job, purchase)
        return self._follow(job, purchase)

    def _note_buyer(self, job: Job) -> None:
        """Record which job buys for which others, and the first job of each purchase, in plan order."""
        purchase = self._assignment.by_key.get(job.key)
        if purchase is not None and self._assignment.matcher.matches(purchase, job):
            self._first.setdefault(purchase.id, job.key)
        unserved = purchase is None or self._is_retried(job)
        if not unserved or job.key in self._assignment.not_needed:
            return
        if not self.is_selected(job.key) or self._waits_for(job):
            return
        buyer = self._buyers.setdefault(self._assignment.matcher.requested(job.key), job.key)
        if buyer != job.key:
            self._bought_by[job.key] = buyer
        replaced = self._before.by_key.get(job.key)
        if job.key in self._options.replace and replaced is not None:
            # Includes another machine's purchase of the same request, which would serve in its place.
            matcher = self._before.matcher.matching(job.key)
            self._supersedes.setdefault(buyer, []).extend(each.id for each in (replaced, *matcher))

    # Jobs that a purchase serves

    def _follow(self, job: Job, purchase: Purchase) -> Entry:
        if purchase.status in OUTCOME_UNKNOWN:
            return self._await(job, purchase)
        presence = self._presence.get(job.key, Presence.MISSING) if purchase.status is Status.DONE else None
        if not self._assignment.matcher.matches(purchase, job):
            changes = differences(purchase, job)
            return Entry(
                key=job.key,
                action=Action.PINNED,
                reason=_pinned(purchase, changes, presence),
                job=job,
                purchase=purchase,
                changes=changes,
                presence=presence,
            )
        wording, unsent = self._due_wording(job, purchase), None
        if wording is not None and not self._can_be_proven(purchase):
            wording, unsent = None, wording
        match purchase.status:
            case Status.SUBMITTED:
                action, reason = Action.RESUME, f"bought {purchase.bought_at}, not finished"
            case Status.SUCCEEDED:
                some = "not all of its files are downloaded yet"
                none = "its files are not downloaded yet"
                action = Action.DOWNLOAD
                reason = f"finished, {some if purchase.is_partly_fetched else none}"
            case Status.FAILED:
                action, reason, wording, unsent = Action.KEEP, _failure(purchase), None, None
            case _ if presence is Presence.ELSEWHERE:
                action, reason = Action.MOVE, "its file is here, at another path"
            case _ if wording is not None:
                action, reason = Action.UPDATE, _rewording(purchase, wording)
            case _:
                action, reason = Action.KEEP, _kept(presence)
        return Entry(
            key=job.key,
            action=action,
            reason=reason,
            job=job,
            purchase=purchase,
            presence=presence,
            wording=wording,
            unsent=unsent,
        )

    def _await(self, job: Job, purchase: Purchase) -> Entry:
        """The entry for a job whose create has an unknown outcome, for now or for good."""
        reason = unknown_outcome(purchase.error)
        if purchase.id in self._elsewhere:
            reason = elsewhere_hint(purchase.bought_at)
        # If its run had ended, it would be in attention by now, so a run is still in progress.
        if purchase.status is Status.SUBMITTING:
            reason = pending_outcome(purchase.bought_at)
        if purchase.id in self._assignment.matcher.decisions.redo:
            reason = f"{reason}; its redo takes effect once the outcome is known"
        return Entry(
            key=job.key,
            action=Action.ATTENTION,
            reason=reason,
            job=job,
            purchase=purchase,
            is_pending=purchase.id in self._elsewhere or purchase.status is Status.SUBMITTING,
        )

    def _due_wording(self, job: Job, purchase: Purchase) -> Wording | None:
        """The wording to send to the vendor; the first job that a purchase serves determines it."""
        if self._first.get(purchase.id) != job.key:
            return None
        wanted = Wording(
            title=job.title(purchase.id),
            description=job.description(purchase.id),
            visibility=job.visibility,
        )
        return None if wanted == last_sent(purchase) else wanted

    # Jobs that no purchase serves

    def _buy(self, job: Job, failed: Purchase | None) -> Entry:
        if job.key in self._assignment.not_needed:
            return Entry(key=job.key, action=Action.PINNED, reason="another take of it is approved", job=job)
        if waits_for := self._waits_for(job):
            return Entry(key=job.key, action=Action.WAIT, reason=waits_for, job=job, after=job.upstream)
        if (buyer := self._bought_by.get(job.key)) is not None:
            reason = f"asks for the same as {buyer}"
            return Entry(
                key=job.key, action=Action.SHARE, reason=reason, job=job, purchase=failed, buyer=buyer
            )
        after = self._after(job)
        behind = "" if after is None else f", after {after}"
        source = self._assignment.matcher.source(job) if job.approved_of else None
        last = self._assignment.matcher.last(job.key)
        changes: tuple[Difference, ...] = ()
        if failed is not None:
            action, reason = Action.RETRY, f"failed ({failed.reason})"
        elif last is None:
            is_replaced = job.key in self._options.replace
            action, reason = Action.CREATE, _REPLACED if is_replaced else "new"
        else:
            changes = self._changes(last, job)
            action, reason = Action.REPLACE, self._what_changed(last, changes, job.key)
        return Entry(
            key=job.key,
            action=action,
            reason=reason + behind,  # adding an empty text keeps one shared string for all new jobs
            job=job,
            purchase=failed if failed is not None else last,
            credits=job.credits,
            changes=changes,
            after=after,
            # For every action: a purchase that is not flagged would serve the job again.
            supersedes=tuple(dict.fromkeys(self._supersedes.get(job.key, ()))),
            source=source,
        )

    def _is_retried(self, job: Job) -> bool:
        """Whether the purchase that serves a job has failed and is to be bought again."""
        purchase = self._assignment.by_key.get(job.key)
        if purchase is None or purchase.status is not Status.FAILED or not self.is_selected(job.key):
            return False
        if self._approved(purchase):
            return False
        return (self._options.retry_failed and job.key not in self._options.carried_out) or has_retries_left(
            purchase, job, self._failures
        )

    def _waits_for(self, job: Job) -> str:
        """Why an unserved job cannot be bought in this plan; empty if it can."""
        if job.upstream is None:
            return ""
        if job.key not in self._waits:
            self._waits[job.key] = self._what_upstream_lacks(job, job.upstream)
        return self._waits[job.key]

    def _what_upstream_lacks(self, job: Job, upstream_key: JobKey) -> str:
        purchase = self._assignment.matcher.source(job)
        if purchase is not None and purchase.status in _MADE:
            # A file that could not be downloaded may be the one to make it from, and nobody has seen it.
            of = self._assignment.matcher.decisions.approved.get(purchase.id, upstream_key)
            return missing_files(purchase, of) if purchase.lacks_files else ""
        if job.approved_of:
            return f"no take of {upstream_key} is approved"
        upstream = self._assignment.matcher.jobs[upstream_key]
        if not self.is_selected(upstream.key):
            return f"{upstream.key} is not selected and has not succeeded"
        if upstream.key in self._assignment.not_needed:
            return f"{upstream.key} is not bought, as another take of it is approved"
        if purchase is None or self._is_retried(upstream):
            return f"{upstream.key} waits" if self._waits_for(upstream) else ""
        if purchase.status is Status.FAILED:
            return f"{upstream.key} failed"
        # One that is being sent belongs to a run that goes on, see `_await`.
        is_under_way = purchase.status in {Status.SUBMITTING, Status.SUBMITTED}
        return "" if is_under_way else f"{upstream.key} needs attention"

    def _after(self, job: Job) -> JobKey | None:
        """The upstream that must succeed first; None if it has succeeded."""
        if job.upstream is None:
            return None
        purchase = self._assignment.matcher.source(job)
        return None if purchase is not None and purchase.status in _MADE else job.upstream

    def _changes(self, before: Purchase, job: Job) -> tuple[Difference, ...]:
        changes = differences(before, job)
        upstream = self._assignment.matcher.source(job)
        made_from = before.inputs[0] if before.inputs else None
        now = upstream.id if upstream is not None else None
        if job.upstream is not None and made_from != now:
            changes += (Difference(name="upstream", old=made_from, new=now or f"the next of {job.upstream}"),)
        return changes

    def _what_changed(self, before: Purchase, changes: tuple[Difference, ...], key: JobKey) -> str:
        if key in self._options.replace:
            return _REPLACED
        if is_sent_back(before, self._assignment.matcher.decisions):
            return "sent back (redo)"
        if is_to_be_bought_again(before, self._assignment.matcher.decisions):
            return "to be bought again"
        if before.deleted:
            return "what served it was deleted"
        names = changed_names(changes)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"changed: {', '.join(names[:3])}{more}" if names else "requested again"

    def _approved(self, purchase: Purchase | None) -> bool:
        return purchase is not None and purchase.id in self._assignment.matcher.decisions.approved


def last_sent(purchase: Purchase) -> Wording:
    """The wording that was last sent to the vendor for a purchase."""
    sent = purchase.request
    return Wording(
        title=str(sent.get("title", "")),
        description=str(sent.get("description", "")),
        visibility=Visibility(str(sent.get("visibility", Visibility.PRIVATE))),
    )


def _failure(purchase: Purchase) -> str:
    why = f": {purchase.error}" if purchase.error else ""
    what = "change what it asks for" if purchase.reason is Reason.REJECTED else "--retry-failed buys it again"
    return f"failed ({purchase.reason}){why}; {what}"


def _pinned(purchase: Purchase, changes: tuple[Difference, ...], presence: Presence | None) -> str:
    names = ", ".join(changed_names(changes)[:3])
    due = ""
    if presence is Presence.ELSEWHERE:
        due = "; its file is here, at another path: a run puts it in place"
    elif purchase.status in UNFINISHED:
        due = "; its files are not downloaded yet"
    return f"approved, so it stays although {names or 'what it is made from'} changed{due}"


def _rewording(purchase: Purchase, wording: Wording) -> str:
    sent = last_sent(purchase)
    parts = {
        "title": wording.title != sent.title,
        "description": wording.description != sent.description,
        "visibility": wording.visibility is not sent.visibility,
    }
    return f"{', '.join(name for name, differs in parts.items() if differs)} changed"


def _kept(presence: Presence | None) -> str:
    match presence:
        case Presence.MISSING:
            return "up to date; its file is not on this machine (`pipeline collect` downloads it)"
        case Presence.ALTERED:
            return "up to date; its file was altered on this machine"
        case Presence.POINTER:
            return "up to date; a Git LFS pointer is in the place of its file (`git lfs pull` downloads it)"
        case _:
            return "up to date"
