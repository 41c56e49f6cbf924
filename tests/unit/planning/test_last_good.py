"""`prune` never deletes the last good take of a job that no such take serves, whatever was renamed and edited."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.assignment import Assignment, assign
from pipeline.jobs import Coordinates, Job, Request
from pipeline.operations.record_assignment import served_by, taken_over
from pipeline.planning.prune import prunable
from pipeline.purchases import Purchase, PurchaseId, Reason, Records, Status

NAMES = ("walk", "stroll", "turn", "spin")
TEXTS = ("a walk", "a run", "a jump", "a dance")
AT = "2026-01-01T00:00:00Z"


def job(name: str, text: str) -> Job:
    return Job(Coordinates("r", "t", name), Request("vimmerse", "t", {"prompt": text}, ()), path=name)


@dataclass
class Team:
    """A campaign of some jobs, each known to the team whatever it is called, and what was done last for each."""

    names: list[str]
    texts: list[str]
    records: Records = field(default_factory=Records)
    last_good: dict[int, PurchaseId] = field(default_factory=dict)

    def _assigned(self) -> Assignment:
        return assign([job(*each) for each in zip(self.names, self.texts, strict=True)], self.records)

    def _record(self) -> Assignment:
        changed = {each.after.id: each.after for each in taken_over(self._assigned(), AT)}
        self.records = replace(self.records, purchases={**self.records.purchases, **changed})
        assignment = self._assigned()
        self.records = replace(self.records, served={**self.records.served, **served_by(assignment)})
        return assignment

    def run(self, failing: Sequence[str], *, again: bool) -> None:
        """Buy what is missing, and with `again` what failed; texts that are `failing` now end without a result."""
        assignment = self._record()
        made: set[str] = set()
        for each in assignment.jobs:
            serving = assignment.by_key.get(each.key)
            retried = again and serving is not None and serving.status is Status.FAILED
            if each.fingerprint in made or not (serving is None or retried):
                continue
            made.add(each.fingerprint)
            sharing = [other.key for other in assignment.jobs if other.fingerprint == each.fingerprint]
            has_failed = each.request.options["prompt"] in failing
            number = len(self.records.purchases)
            purchase = Purchase(
                id=PurchaseId(f"{number:016x}"),
                key=each.key,
                fingerprint=each.fingerprint,
                status=Status.FAILED if has_failed else Status.DONE,
                bought_at=f"2026-01-01T{number:06}",
                template_id="t",
                replaces=tuple(assignment.matcher.replaced(each.key, sharing[1:])),
                reason=Reason.VENDOR if has_failed else None,
            )
            self.records = replace(self.records, purchases={**self.records.purchases, purchase.id: purchase})
        assignment = self._record()
        for number, each in enumerate(assignment.jobs):
            serving = assignment.by_key[each.key]
            if serving.status is Status.DONE:
                self.last_good[number] = serving.id

    def prune(self, *, replaced: bool) -> None:
        """Delete what no job needs, which is never the last good take of a job without one."""
        assignment = self._record()
        deleted = {each.id: replace(each, deleted=True) for each in prunable(assignment, replaced=replaced)}
        for number, each in enumerate(assignment.jobs):
            serving = assignment.by_key.get(each.key)
            if serving is None or serving.status is not Status.DONE:
                assert self.last_good.get(number) not in deleted
        self.records = replace(self.records, purchases={**self.records.purchases, **deleted})


@given(st.data())
@fails_without(
    "pipeline.operations.record_assignment:taken_over",
    "found, purchases",
    swap=("assignment.matcher.taken_over()", "{}"),
)
def test_last_good_take_of_a_job_is_kept_through_all_renames_and_edits(data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 3))
    team = Team(names=list(NAMES[:number]), texts=list(TEXTS[:number]))
    jobs, texts = st.integers(0, number - 1), st.sampled_from(TEXTS)
    for _ in range(data.draw(st.integers(2, 12))):
        one = data.draw(jobs)
        match data.draw(st.sampled_from(["rename", "edit", "swap names", "same text"])):
            case "rename":
                free = [each for each in NAMES if each not in team.names]
                team.names[one] = data.draw(st.sampled_from(free))
            case "edit":
                team.texts[one] = data.draw(texts)
            case "swap names":
                other = data.draw(jobs)
                team.names[one], team.names[other] = team.names[other], team.names[one]
            case "same text":
                team.texts[one] = team.texts[data.draw(jobs)] = data.draw(texts)
        for _ in range(data.draw(st.integers(1, 2))):
            if data.draw(st.booleans()):
                team.prune(replaced=data.draw(st.booleans()))
            # A job that was edited and renamed before any run could not be told from a new one.
            team.run(data.draw(st.lists(texts, unique=True)), again=data.draw(st.booleans()))
    team.prune(replaced=True)
