"""Reviews of takes, recorded in a file to be committed to git."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from pipeline.errors import Unfinished, UsageError, printable
from pipeline.operations.clock import now
from pipeline.operations.published_results import read_published
from pipeline.operations.trial_records import assert_not_of_a_trial
from pipeline.planning.hints import elsewhere_hint, not_made_again
from pipeline.planning.prune import without_successor
from pipeline.planning.send_back import failures_in_place, stands_in_for
from pipeline.purchases import OUTCOME_UNKNOWN, Purchase, PurchaseId, Status
from pipeline.record_limits import LONGEST_NAME, is_storable
from pipeline.results import decisions
from pipeline.results.decisions import Decision, Note, Verdict
from pipeline.succession import Succession

if TYPE_CHECKING:
    from pipeline.assignment import Assignment
    from pipeline.jobs import JobKey
    from pipeline.media.facts import MediaMap
    from pipeline.operations.campaign_state import CampaignState
    from pipeline.operations.workspace import Workspace

LONGEST_NOTE = 4_000
_LONGEST_VIDEO = 86_400.0
# Seconds: git answers immediately, or not at all.
_GIT_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """An opinion on a take: a verdict, stars, a note; any of them may be missing.

    `moment` is where in the video the note belongs, in seconds; None: it is about the whole take. `by` names the
    reviewer. With `withdraws` there is no verdict: the previous one is withdrawn.

    Raises:
        UsageError: it cannot be recorded.
    """

    verdict: Verdict | None = None
    rating: int | None = None
    note: str | None = None
    moment: float | None = None
    by: str | None = None
    withdraws: bool = False

    def __post_init__(self) -> None:
        if self.rating is not None and (type(self.rating) is not int or self.rating not in range(1, 6)):
            raise UsageError(f"a rating is 1 to 5 stars, not {self.rating!r:.40}")
        if self.note is not None and not _is_text(self.note, LONGEST_NOTE):
            raise UsageError(f"a note is 1 to {LONGEST_NOTE:,} characters of text")
        assert_name(self.by)
        if self.moment is not None:
            if self.note is None:
                raise UsageError("--at needs --note: it says which moment the note is about")
            if not 0 <= self.moment <= _LONGEST_VIDEO:  # NaN is not in any range
                raise UsageError(
                    f"a moment is in seconds from the start of the video, not {self.moment!r:.40}"
                )

    def of(self, purchase: PurchaseId, key: JobKey) -> Decision:
        """The opinion as a decision on one purchase, as of now."""
        # Without a moment, the note of a verdict is its reason.
        is_why = self.moment is None and self.verdict is not None
        moment = round(self.moment, 3) if self.moment is not None else None
        noted = self.note is not None and not is_why
        return Decision(
            purchase=purchase,
            key=key,
            decision=self.verdict,
            rating=self.rating,
            note=self.note if is_why else None,
            notes=(Note(text=self.note or "", at=moment, by=self.by),) if noted else (),
            by=self.by,
            at=now(),
            withdraws=self.withdraws,
        )


def assert_name(by: str | None) -> str | None:
    """The name of the reviewer, unchanged.

    Raises:
        UsageError: it cannot be recorded.
    """
    if by is not None and not (_is_text(by, LONGEST_NAME) and by.isprintable()):
        raise UsageError(f"a name is one line of 1 to {LONGEST_NAME} characters")
    return by


def _is_text(text: str, longest: int) -> bool:
    return len(text.strip()) > 0 and len(text) <= longest and is_storable(text)


def reviewer(workspace: Workspace) -> str | None:
    """The reviewer's name as git knows it; None if git has none."""
    try:
        asked = subprocess.run(
            ["git", "config", "--get", "user.name"],  # noqa: S607 - whichever git is meant here
            cwd=workspace.campaign.manifest.parent,
            env=dict(workspace.environment.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = asked.stdout.decode("utf-8", "replace").strip()
    return name if _is_text(name, LONGEST_NAME) and name.isprintable() else None


def decide(
    state: CampaignState, opinion: Opinion, named: Mapping[str, Sequence[tuple[JobKey | None, Purchase]]]
) -> list[Decision]:
    """Record an opinion on each purchase in `named`, whose verdict is then the last one; returns the decisions made.

    `named` has, by what a reviewer wrote, what `purchases_named` found for it. Of a selection, only purchases that
    can serve are approved; if the outcome of any purchase is unknown, nothing is sent back. Where nothing was
    decided, nothing is withdrawn. The decisions include those that `with_failures` adds.

    Raises:
        UsageError: a purchase cannot be approved or sent back, none of a selection can be approved, or a video is
            shorter than the moment.
        InvalidInput: the decisions file is invalid.
        Unfinished: it cannot be written.
    """
    made: list[Decision] = []
    if opinion.moment is not None:
        published = state.published or read_published(state.workspace)
        for each in (each for found in named.values() for _key, each in found):
            assert_has_moment(each, opinion.moment, published.media if published is not None else {})
    if opinion.verdict is Verdict.REDO:
        assert_can_be_sent_back(
            state.workspace,
            [(key or each.key, each) for found in named.values() for key, each in found],
            state.elsewhere(),
        )
    for name, found in named.items():
        for key, purchase in _decidable(state, name, found, opinion.verdict):
            about = _decided(state, key, purchase) if opinion.withdraws else purchase
            if about is not None:
                made.append(opinion.of(about.id, key or served_key(state.assignment, about)))
            elif opinion.rating is not None or opinion.note is not None:
                made.append(opinion.of(purchase.id, key or served_key(state.assignment, purchase)))
    made = [*{each.purchase: each for each in with_failures(state.assignment, state.decided, made)}.values()]
    if made:
        record(state.workspace, made, state.records.purchases)
    return made


def withdraw_unrecorded(
    state: CampaignState, opinion: Opinion, purchases: Iterable[PurchaseId]
) -> list[Decision]:
    """Take back the decisions on `purchases`, which no record here has; returns the decisions made.

    Raises:
        InvalidInput: the decisions file is invalid.
        Unfinished: it cannot be written.
    """
    made = [opinion.of(each, state.unrecorded[each].key) for each in purchases]
    if made:
        record(state.workspace, made, state.records.purchases)
    return made


def _decided(state: CampaignState, key: JobKey | None, purchase: Purchase) -> Purchase | None:
    """The purchase whose verdict is withdrawn: this one, or the one it stands in for; None if neither has one."""
    decided = state.decided.get(purchase.id)
    if (decided is not None and decided.decision is not None) or purchase.id in state.lost_approvals:
        return purchase
    if key is None:
        return None
    said_of = {each.purchase: each.key for each in state.decided.values()}
    return stands_in_for(state.assignment, key, purchase, said_of)


def with_failures(
    assignment: Assignment, decided: Mapping[PurchaseId, Decision], made: Sequence[Decision]
) -> list[Decision]:
    """`made`, and the same decision on each earlier failure that would serve instead of a take that is sent back.

    Withdrawing such a verdict withdraws it from those failures too. These are known by the key of the verdict, so a
    failure gets the same, whichever of the jobs that share the take it would serve; and, since a file written by hand
    may have the key of another of those jobs, by their request. `decided` has the earlier decisions by purchase.
    """
    known = assignment.matcher.records.purchases
    sent_back = {each.purchase: each for each in made if each.decision is Verdict.REDO}
    further = [
        _as_said(sent_back[assignment.by_key[key].id], failure)
        for key, failure in (failures_in_place(assignment, sent_back) if sent_back else ())
    ]
    for each in made:
        before = decided.get(each.purchase)
        if each.withdraws and before is not None and before.decision is Verdict.REDO:
            further += [
                _as_said(each, failure)
                for other in decided.values()
                if other.decision is Verdict.REDO
                if (failure := known.get(other.purchase)) is not None and failure.status is Status.FAILED
                if other.key == before.key or _asks_for_the_same(known.get(each.purchase), failure)
            ]
    named = {each.purchase for each in made}
    return [*made, *(each for each in further if each.purchase not in named)]


def _asks_for_the_same(taken: Purchase | None, failure: Purchase) -> bool:
    return taken is not None and (taken.fingerprint, taken.inputs) == (failure.fingerprint, failure.inputs)


def _as_said(said: Decision, purchase: Purchase) -> Decision:
    return replace(said, purchase=purchase.id, rating=None, note=None, notes=())


def record(workspace: Workspace, made: Sequence[Decision], recorded: Collection[PurchaseId]) -> None:
    """Write decisions to disk; a decision that another process writes at the same moment is not overwritten.

    `recorded` are the purchases that state and results have.

    Raises:
        UsageError: one is on a purchase of a trial.
        InvalidInput: the decisions file is invalid.
        Unfinished: it cannot be written.
    """
    assert_not_of_a_trial(workspace, made, recorded)
    try:
        decisions.record(workspace.decisions, workspace.decisions_name, made)
    except OSError as error:
        raise Unfinished(f"{workspace.decisions_name}: cannot be written: {error.strerror}") from error


def _decidable(
    state: CampaignState, name: str, found: Sequence[tuple[JobKey | None, Purchase]], verdict: Verdict | None
) -> Sequence[tuple[JobKey | None, Purchase]]:
    if verdict is Verdict.APPROVED:
        if len(found) == 1:
            assert_can_serve(found[0][1], state.elsewhere())
        can_serve = [each for each in found if _can_serve(each[1])]
        if found and not can_serve:
            raise UsageError(f"'{printable(name)}': none of it has succeeded, and only that can be approved")
        return can_serve
    return found


def _can_serve(purchase: Purchase) -> bool:
    return purchase.status in {Status.DONE, Status.SUCCEEDED} and not purchase.deleted


def assert_can_serve(purchase: Purchase, elsewhere: Collection[PurchaseId] = ()) -> None:
    """Check that a purchase can be approved; `elsewhere` are those that another machine may be sending.

    Raises:
        UsageError: it has not succeeded, or is deleted.
    """
    if not _can_serve(purchase):
        is_elsewhere = purchase.id in elsewhere
        how = f"is {elsewhere_hint(purchase.bought_at)}" if is_elsewhere else purchase.in_words
        raise UsageError(f"{purchase.id} {how}: only what has succeeded can be approved")


def assert_can_be_sent_back(
    workspace: Workspace, found: Iterable[tuple[JobKey, Purchase]], elsewhere: Collection[PurchaseId] = ()
) -> None:
    """Check that the outcome of every purchase in `found` is known; `elsewhere` as above.

    Raises:
        UsageError: the outcome of one is unknown: if it was made again, it might be paid for twice.
    """
    unknown = [(key, each) for key, each in found if each.status in OUTCOME_UNKNOWN]
    if unknown:
        raise UsageError(not_made_again(workspace.target, unknown, elsewhere))


def assert_has_moment(purchase: Purchase, moment: float, media: MediaMap) -> None:
    """Check that the longest file of a purchase has this moment, if the lengths of all are known; `media` by SHA-256.

    Raises:
        UsageError: it is shorter, or there are only images.
    """
    lengths = [0.0]
    for output in purchase.outputs:
        length = media.get(output.sha256 or "", {}).get("duration")
        if isinstance(length, int | float):
            lengths.append(length)
        elif not output.content_type.startswith("image/"):
            return
    longest = max(lengths)
    is_image = [each.content_type.startswith("image/") for each in purchase.outputs]
    # Some images move.
    if is_image and all(is_image) and not longest:
        raise UsageError(f"{purchase.id} is an image: it has no moment, so --note goes without --at")
    if longest and round(moment, 3) > longest:
        raise UsageError(f"{purchase.id} is {longest:g} s long: it has no moment at {moment:g} s")


def served_key(assignment: Assignment, purchase: Purchase) -> JobKey:
    """The first job that the purchase serves, whose last good take it is, or that it served before.

    The job it was bought for goes before others that it served, unless what serves that job never replaced it: then
    it went to another one, as after a swap of names. If it served none of the jobs, its own key.
    """
    serves = (key for key, each in assignment.by_key.items() if each.id == purchase.id)
    last_of = (key for key, each in without_successor(assignment) if each.id == purchase.id)
    is_pending = purchase.key in assignment.matcher.jobs and purchase.key not in assignment.by_key
    own_first = chain([purchase.key] if purchase.key in assignment.by_key else [], assignment.by_key)
    succession = Succession(assignment.matcher)
    served = (key for key in own_first if purchase.id in succession.all_before(key))
    return next(chain(serves, last_of, [purchase.key] if is_pending else served), purchase.key)
