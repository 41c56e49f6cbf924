"""Which takes of a job replaced which: `prune` keeps its last good one, whatever was renamed or edited."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import bought, job, records
from results.campaign import HEADING
from support.protection import fails_without

from pipeline.assignment import Assignment, Matcher, assign
from pipeline.jobs import Job
from pipeline.join import join
from pipeline.json_values import Json
from pipeline.operations.record_assignment import served_by, taken_over
from pipeline.planning.prune import prunable
from pipeline.purchases import (
    OUTCOME_UNKNOWN,
    UNDECIDED,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Status,
    WorkflowId,
    all_served_next,
)
from pipeline.results.document import Builder
from pipeline.results.file import ResultsFile, read
from pipeline.results.merge import merge_results
from pipeline.succession import Succession

NAMES = ("walk", "stroll", "turn", "spin")
TEXTS = ("a walk", "a run", "a jump", "a dance")
BAD = (Status.FAILED, Status.ATTENTION, Status.SUBMITTING)
AT = "2026-01-01T00:00:00Z"


def succession(jobs: Sequence[Job], known: Records) -> Succession:
    return Succession(Matcher(jobs, known))


def test_last_good_take_is_the_one_that_served_last_whatever_it_was_bought_for() -> None:
    new, gone = job("a", "run"), job("gone")
    foreign, own = bought(1, gone), bought(2, job("a", "dance"))
    assert succession([new], records(foreign, own, a=foreign)).replaced(new.key) == [foreign.id]
    failed = replace(bought(3, new, status=Status.FAILED), replaces=(foreign.id,))
    retried = succession([new], records(foreign, own, failed, a=failed))
    assert retried.last_good(new.key) == [foreign]
    assert retried.replaced(new.key) == [failed.id]
    again = replace(bought(4, new, status=Status.FAILED), replaces=(failed.id,))
    assert succession([new], records(foreign, own, failed, again)).last_good(new.key) == [foreign]
    # An older version recorded nothing.
    older = replace(failed, replaces=())
    assert succession([new], records(foreign, own, older, a=older)).last_good(new.key) == [own]


def test_last_good_take_is_the_one_to_which_the_job_went_back() -> None:
    new = job("a", "run")
    first, second = bought(1, job("a", "walk")), bought(2, job("a", "dance"))
    before = succession([new], records(first, second, a=first))
    assert before.last_good(new.key) == [first]
    failed = replace(bought(3, new, status=Status.FAILED), replaces=tuple(before.replaced(new.key)))
    assert succession([new], records(first, second, failed, a=failed)).last_good(new.key) == [first]


def test_last_good_take_of_a_renamed_job_is_known_by_the_key_under_which_its_successor_failed() -> None:
    new = job("turn", "run")
    good, failed = bought(1, job("spin", "walk")), bought(2, job("spin", "run"), status=Status.FAILED)
    assert succession([new], records(good, failed)).last_good(new.key) == [good]
    later = bought(3, job("spin", "jump"))
    assert later in succession([new], records(good, failed, later, spin=later)).last_good(new.key)
    held = records(good, failed, later, spin=later)
    assert later not in succession([new, job("spin", "jump")], held).last_good(new.key)
    again = replace(bought(4, new, status=Status.FAILED), replaces=(failed.id,))
    assert succession([new], records(good, failed, again, turn=again)).last_good(new.key) == [good]
    gone = replace(good, deleted=True)
    assert succession([new], records(gone, failed)).last_good(new.key) == []


def test_purchases_that_replace_all_others_are_each_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only results edited by hand say that."""
    new, ids = job("a", "run"), tuple(PurchaseId(f"{number:016x}") for number in range(1, 61))
    failed = [replace(bought(number, new, status=Status.FAILED), replaces=ids) for number in range(1, 61)]
    asked: list[PurchaseId] = []
    before = Matcher.before

    def counted(self: Matcher, purchase: Purchase) -> list[Purchase]:
        asked.append(purchase.id)
        return before(self, purchase)

    monkeypatch.setattr(Matcher, "before", counted)

    assert succession([new], records(*failed, a=failed[0])).last_good(new.key) == []
    assert sorted(asked) == sorted(ids)


def test_usually_nothing_is_recorded_as_replaced() -> None:
    new = job("a", "run")
    old, void = bought(1, job("a")), bought(2, new, status=Status.VOID)
    assert succession([new], records()).replaced(new.key) == []
    assert succession([new], records(old, a=old)).replaced(new.key) == []
    assert succession([new], records(old, void, a=void)).replaced(new.key) == []


def test_what_bought_nothing_is_passed_over() -> None:
    new, foreign = job("a", "run"), bought(1, job("gone"))
    void = replace(bought(2, new, status=Status.VOID), replaces=(foreign.id,))
    matcher = Matcher([new], records(foreign, void, a=void))
    assert matcher.last(new.key) == foreign
    assert Succession(matcher).last_good(new.key) == [foreign]
    assert Succession(matcher).replaced(new.key) == [foreign.id]


def test_purchases_that_replace_each_other_end() -> None:
    """Only results edited by hand say that."""
    new = job("a", "run")
    one = replace(bought(1, new, status=Status.FAILED), replaces=(PurchaseId(f"{2:016x}"),))
    two = replace(bought(2, new, status=Status.FAILED), replaces=(one.id,))
    assert succession([new], records(one, two, a=one)).last_good(new.key) == []


def _read_back(document: Mapping[str, Json]) -> ResultsFile:
    """What a reader gets of results, which no test needs to find after a power cut."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "spring.results.json")
        path.write_text(json.dumps(document))
        results = read(path, path.name)
    assert results is not None
    return results


@dataclass
class Team:
    """A campaign of some jobs, each known to the team whatever it is called, and what was done last for each."""

    names: list[str]
    texts: list[str]
    records: Records = field(default_factory=Records)
    published: list[ResultsFile] = field(default_factory=list)
    known_by_others: frozenset[PurchaseId] = frozenset()
    last_good: dict[int, PurchaseId] = field(default_factory=dict)

    def _assigned(self) -> Assignment:
        return assign([job(*each) for each in zip(self.names, self.texts, strict=True)], self.records)

    def _record(self) -> Assignment:
        changed = {each.after.id: each.after for each in taken_over(self._assigned(), AT)}
        self.records = replace(self.records, purchases={**self.records.purchases, **changed})
        assignment = self._assigned()
        self.records = replace(
            self.records, served=all_served_next(self.records.served, served_by(assignment))
        )
        return assignment

    def rename(self, names: Mapping[int, str]) -> None:
        """Rename jobs. One that nothing serves, since its create bought nothing, cannot be told from a new one."""
        assignment = self._assigned()
        for number, name in names.items():
            if assignment.jobs[number].key not in assignment.by_key:
                self.last_good.pop(number, None)
            self.names[number] = name

    def run(self, outcomes: Mapping[str, Status], *, again: bool) -> None:
        """Buy what is missing, and with `again` what failed; `outcomes` has the texts that do not end well.

        One that stays `submitting` was published, and then its machine was lost.
        """
        assignment = self._record()
        made: set[str] = set()
        for each in assignment.jobs:
            serving = assignment.by_key.get(each.key)
            retried = again and serving is not None and serving.status is Status.FAILED
            if each.fingerprint in made or not (serving is None or retried):
                continue
            made.add(each.fingerprint)
            sharing = [other.key for other in assignment.jobs if other.fingerprint == each.fingerprint]
            number = len(self.records.purchases)
            status = outcomes.get(str(each.request.options["prompt"]), Status.DONE)
            purchase = Purchase(
                id=PurchaseId(f"{number:016x}"),
                key=each.key,
                fingerprint=each.fingerprint,
                status=status,
                bought_at=f"2026-01-01T00:{number:02}:00Z",
                template_id="t",
                replaces=tuple(Succession(assignment.matcher).replaced(each.key, sharing[1:])),
                reason=Reason.VENDOR if status is Status.FAILED else None,
                workflow_id=None if status in OUTCOME_UNKNOWN else WorkflowId(f"w{number}"),
            )
            self.records = replace(self.records, purchases={**self.records.purchases, purchase.id: purchase})
        if any(each.status is Status.SUBMITTING for each in self.records.purchases.values()):
            self._publish()
            self.begin_from_results()
        assignment = self._record()
        for number, each in enumerate(assignment.jobs):
            serving = assignment.by_key[each.key]
            if serving.status is Status.DONE:
                self.last_good[number] = serving.id
        self._publish()

    def apply_outcome(self, status: Status) -> None:
        """A person settles what became of all creates of which nobody knows that."""
        is_bought = status is not Status.VOID
        settled = {
            each.id: replace(
                each, status=status, workflow_id=WorkflowId(f"w{each.id}") if is_bought else None
            )
            for each in self.records.purchases.values()
            if each.status is Status.ATTENTION
        }
        self.records = replace(self.records, purchases={**self.records.purchases, **settled})
        assignment = self._record()
        for number, each in enumerate(assignment.jobs):
            serving = assignment.by_key.get(each.key)
            if serving is not None and serving.status is Status.DONE:
                self.last_good[number] = serving.id
        self._publish()

    def _publish(self) -> None:
        document = Builder().build(
            HEADING,
            assignment=self._record(),
            records=self.records,
            decisions=UNDECIDED,
            published=self.known_by_others,
        )
        results = _read_back(document)
        self.known_by_others |= results.published
        assert results.records == self.records
        self.published.append(results)

    def begin_from_results(self) -> None:
        """The state is lost; a create whose machine was lost with it needs attention."""
        found = {
            each.id: replace(each, status=Status.ATTENTION) if each.status is Status.SUBMITTING else each
            for each in self.published[-1].records.purchases.values()
        }
        self.records = replace(self.published[-1].records, purchases=found)

    def earlier_results_come_in(self, number: int) -> None:
        """A branch is merged on which nothing was run since, or an older file is put back."""
        served = self.records.served
        self.records = join(self.records, self.published[number].records)
        assert self.records.served == served
        latest, earlier = self.published[-1], self.published[number]
        assert (
            _read_back(merge_results([latest, earlier], "pipeline 1")).records.served == latest.records.served
        )

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
    swap=("Succession(assignment.matcher).taken_over()", "{}"),
)
@fails_without("pipeline.join:_last_to_serve", "return (served.serial", swap=("served.serial", "1"))
def test_last_good_take_of_a_job_is_kept_through_all_renames_and_edits(data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 3))
    team = Team(names=list(NAMES[:number]), texts=list(TEXTS[:number]))
    jobs, texts = st.integers(0, number - 1), st.sampled_from(TEXTS)
    for _ in range(data.draw(st.integers(2, 12))):
        one = data.draw(jobs)
        match data.draw(st.sampled_from(["rename", "edit", "swap names", "same text"])):
            case "rename":
                free = [each for each in NAMES if each not in team.names]
                team.rename({one: data.draw(st.sampled_from(free))})
            case "edit":
                team.texts[one] = data.draw(texts)
            case "swap names":
                other = data.draw(jobs)
                team.rename({one: team.names[other], other: team.names[one]})
            case "same text":
                team.texts[one] = team.texts[data.draw(jobs)] = data.draw(texts)
        for _ in range(data.draw(st.integers(1, 2))):
            if data.draw(st.booleans()):
                team.prune(replaced=data.draw(st.booleans()))
            # A job that was edited and renamed before any run could not be told from a new one.
            team.run(data.draw(st.dictionaries(texts, st.sampled_from(BAD))), again=data.draw(st.booleans()))
            if data.draw(st.booleans()):
                team.apply_outcome(data.draw(st.sampled_from([Status.VOID, Status.DONE])))
            if data.draw(st.booleans()):
                team.begin_from_results()
            if data.draw(st.booleans()):
                team.earlier_results_come_in(data.draw(st.integers(0, len(team.published) - 1)))
    team.prune(replaced=True)
