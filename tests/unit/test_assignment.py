"""Which purchase serves which job: nothing is bought again unrequested, and no purchase serves the wrong job."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import bought, job, records
from support.protection import fails_without

from pipeline.assignment import Assignment, Matcher, assign
from pipeline.jobs import Coordinates, Job, JobKey, Request, UpstreamOutput
from pipeline.purchases import Decisions, Purchase, PurchaseId, Records, Served, Status, all_served_next


def job_of_approved(name: str, *takes: Job) -> Job:
    """A job that is made from an approved take only."""
    source = UpstreamOutput(takes[0].key, takes=tuple(each.key for each in takes))
    return Job(Coordinates("r", "t", name), Request("vimmerse", "t", {"prompt": "z"}, (source,)), path=name)


def who(assignment: Assignment) -> dict[str, str]:
    """The purchase that serves each job, by the job's short name."""
    return {key.removeprefix("r/t/"): purchase.id for key, purchase in assignment.by_key.items()}


def test_renamed_job_keeps_its_purchase() -> None:
    old, new = job("old"), job("new")
    purchase = bought(1, old)
    assert who(assign([new], records(purchase, old=purchase))) == {"new": purchase.id}


@fails_without(
    "pipeline.assignment:Matcher.matching",
    "matching = [purchase",
    swap=("))", ")) if purchase.key == job.key"),
)
def test_jobs_that_swapped_requests_swap_purchases() -> None:
    first, second = bought(1, job("a", "walk")), bought(2, job("b", "dance"))
    held = records(first, second, a=first, b=second)
    assert who(assign([job("a", "dance"), job("b", "walk")], held)) == {"a": second.id, "b": first.id}


def test_reverted_request_is_served_by_its_earlier_purchase() -> None:
    before, after = bought(1, job("a", "walk")), bought(2, job("a", "dance"))
    held = records(before, after, a=after)
    assert who(assign([job("a", "dance")], held)) == {"a": after.id}
    assert who(assign([job("a", "walk")], held)) == {"a": before.id}


def test_identical_requests_share_one_purchase() -> None:
    purchase = bought(1, job("a"))
    assignment = assign([job("a"), job("b")], records(purchase))
    assert who(assignment) == {"a": purchase.id, "b": purchase.id}
    assert assignment.matcher.requested(JobKey("r/t/a")) == assignment.matcher.requested(JobKey("r/t/b"))


@pytest.mark.parametrize(
    "harm",
    [
        lambda purchase: replace(purchase, status=Status.VOID),
        lambda purchase: replace(purchase, deleted=True),
        lambda purchase: replace(purchase, again=True),
        lambda purchase: replace(purchase, fingerprint="v1:other"),
        lambda purchase: replace(purchase, inputs=("0" * 16,)),
    ],
)
def test_unusable_purchase_serves_nothing(harm) -> None:  # type: ignore[no-untyped-def]  # a lambda for each row
    purchase = harm(bought(1, job("a")))
    assert who(assign([job("a")], records(purchase, a=purchase))) == {}


def sent_back(*purchases: Purchase, rejected: Iterable[Purchase]) -> Decisions:
    """The decisions of somebody who rejected some takes and then sent others back."""
    before = frozenset(each.id for each in rejected)
    return Decisions(
        rejected=before,
        redo=frozenset(each.id for each in purchases),
        order={**dict.fromkeys(before, 1), **dict.fromkeys((each.id for each in purchases), 2)},
    )


def test_redo_rules_out_a_purchase_but_not_its_successor() -> None:
    first, second = bought(1, job("a")), bought(2, job("a"))
    said = Decisions(redo=frozenset({first.id}))
    assert who(assign([job("a")], records(first, a=first), said)) == {}
    assert who(assign([job("a")], records(first, second, a=first), said)) == {"a": second.id}


def test_rejected_take_keeps_serving_and_buys_nothing() -> None:
    purchase = bought(1, job("a"))
    assert who(assign([job("a")], records(purchase), Decisions(rejected=frozenset({purchase.id})))) == {
        "a": purchase.id
    }


def test_rejected_take_does_not_replace_a_later_one_that_was_sent_back() -> None:
    first, second, third = (bought(number, job("a")) for number in (1, 2, 3))
    said = sent_back(second, rejected=[first])
    assert who(assign([job("a")], records(first, second, a=second), said)) == {}
    assert who(assign([job("a")], records(first, second, third, a=second), said)) == {"a": third.id}


def test_rejected_take_bought_after_one_was_sent_back_serves() -> None:
    first, second, third = (bought(number, job("a")) for number in (1, 2, 3))
    said = sent_back(second, rejected=[first])
    said = replace(said, rejected=said.rejected | {third.id}, order={**said.order, third.id: 3})
    assert who(assign([job("a")], records(first, second, third, a=third), said)) == {"a": third.id}


@fails_without(
    "pipeline.assignment:_rejected_before_redo",
    "return frozenset",
    swap=(" and decisions.is_later(each.id, purchase.id)", ""),
)
def test_rejected_replacement_serves_even_if_a_fast_clock_makes_it_look_older() -> None:
    replacement, first = bought(1, job("a")), bought(2, job("a"))
    said = sent_back(first, rejected=[])
    said = replace(said, rejected=frozenset({replacement.id}), order={**said.order, replacement.id: 3})
    assert who(assign([job("a")], records(replacement, first, a=replacement), said)) == {"a": replacement.id}


def test_rejected_take_serves_if_the_one_sent_back_is_unrelated_or_void() -> None:
    first, other = bought(1, job("a")), bought(2, job("b", "dance"))
    void = bought(3, job("a"), status=Status.VOID)
    said = sent_back(other, void, rejected=[first])
    assert who(assign([job("a")], records(first, other, void, a=first), said)) == {"a": first.id}
    sketches = [bought(number, job(name, name)) for number, name in enumerate("st", 4)]
    films = [
        bought(number, job(name, "film", upstream=of.key[-1]), of)
        for number, name, of in zip((6, 7), "fg", sketches, strict=True)
    ]
    jobs = [job("s", "s"), job("t", "t"), job("f", "film", "s"), job("g", "film", "t")]
    of_films = sent_back(films[1], rejected=films[:1])
    served = who(assign(jobs, records(*sketches, *films), of_films))
    assert (served.get("f"), served.get("g")) == (films[0].id, None)


@fails_without(
    "pipeline.assignment:is_sent_back", "return ", swap=(" and purchase.status not in OUTCOME_UNKNOWN", "")
)
@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.ATTENTION])
def test_redo_has_no_effect_until_the_outcome_is_known(status: Status) -> None:
    rejected, unknown = bought(1, job("a")), bought(2, job("a"), status=status)
    said = sent_back(unknown, rejected=[rejected])
    assert who(assign([job("a")], records(unknown), said)) == {"a": unknown.id}
    assert rejected in assign([job("a")], records(rejected, unknown), said).matcher.matching(JobKey("r/t/a"))
    settled = replace(unknown, status=Status.SUBMITTED)
    assert who(assign([job("a")], records(rejected, settled), said)) == {}


def test_preferences_apply_in_order() -> None:
    asked = job("a")
    newest = bought(9, asked)
    under_this_key = bought(8, asked)
    served_last = replace(bought(7, job("b")), id=PurchaseId("7" * 16))
    sound = replace(bought(6, job("b")), id=PurchaseId("6" * 16))
    approved = replace(bought(5, job("b"), status=Status.FAILED), id=PurchaseId("5" * 16))
    elsewhere = replace(newest, key=job("b").key)
    assert who(assign([asked], records(under_this_key, newest))) == {"a": newest.id}
    assert who(assign([asked], records(under_this_key, elsewhere))) == {"a": under_this_key.id}
    assert who(assign([asked], records(under_this_key, served_last, a=served_last))) == {"a": served_last.id}
    for status in (Status.FAILED, Status.ATTENTION):
        ill = replace(served_last, status=status)
        assert who(assign([asked], records(ill, sound, a=ill))) == {"a": sound.id}
    said = Decisions(approved={approved.id: job("c").key})
    assert who(assign([asked], records(approved, sound, newest, a=newest), said)) == {"a": approved.id}


def test_failed_purchase_serves_if_there_is_no_other() -> None:
    failed = bought(1, job("a"), status=Status.FAILED)
    assert who(assign([job("a")], records(failed))) == {"a": failed.id}


@fails_without(
    "pipeline.assignment:Matcher._preference",
    "has_failed = ",
    swap=("purchase.status is Status.FAILED", "False"),
)
def test_of_failed_purchases_the_last_attempt_serves_whatever_served_before() -> None:
    first = bought(1, job("a"), status=Status.FAILED)
    last = bought(2, job("b"), status=Status.FAILED)
    jobs = [job("a"), job("b")]
    for served in ({}, {"a": first, "b": first}, {"a": last, "b": last}):
        assert who(assign(jobs, records(last, first, **served))) == {"a": last.id, "b": last.id}
    done = bought(0, job("c"))
    assert who(assign(jobs, records(done, first, last, a=last))) == {"a": done.id, "b": done.id}
    approved = Decisions(approved={first.id: JobKey("r/t/a")})
    assert who(assign(jobs, records(done, first, last, a=last), approved))["a"] == first.id


def test_failure_of_what_is_made_from_the_present_upstream_serves_before_a_newer_one_of_another() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    before, now = bought(1, sketch), bought(2, sketch)
    of_now = bought(3, film, now, status=Status.FAILED)
    of_before = bought(4, film, before, status=Status.FAILED)
    held = records(before, now, of_now, of_before, sketch=now, film=of_before)
    assert who(assign([sketch, film], held)) == {"sketch": now.id, "film": of_now.id}


def test_possibly_bought_purchase_is_preferred_over_a_failed_one() -> None:
    failed, unknown = bought(1, job("a"), status=Status.FAILED), bought(2, job("a"), status=Status.ATTENTION)
    assert who(assign([job("a")], records(failed, unknown, a=failed))) == {"a": unknown.id}


def test_approved_purchase_serves_its_key_whatever_is_edited_later() -> None:
    approved, other = bought(1, job("a", "walk")), bought(2, job("a", "dance"))
    held = records(approved, other, b=approved)
    said = Decisions(approved={approved.id: JobKey("r/t/a")})
    assert who(assign([job("a", "dance"), job("b", "run")], held, said)) == {
        "a": approved.id,
        "b": approved.id,
    }


def test_newest_of_several_approved_purchases_serves() -> None:
    old, new = bought(1, job("a")), bought(2, job("a"))
    said = Decisions(approved={old.id: JobKey("r/t/a"), new.id: JobKey("r/t/a")})
    assert who(assign([job("a", "changed")], records(old, new, a=old), said)) == {"a": new.id}


def test_deleted_approved_purchase_serves_nothing() -> None:
    gone = replace(bought(1, job("a")), deleted=True)
    assert (
        who(assign([job("a")], records(gone, a=gone), Decisions(approved={gone.id: JobKey("r/t/a")}))) == {}
    )


@fails_without(
    "pipeline.assignment:is_to_be_bought_again",
    "return ",
    swap=(" and purchase.id not in decisions.approved", ""),
)
def test_approved_purchase_serves_even_if_it_is_to_be_bought_again() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    jobs = [sketch, job("twin"), film]
    old, new = bought(1, sketch), bought(2, sketch)
    film_of_old = bought(3, film, old)
    said = Decisions(approved={old.id: sketch.key})
    marked = replace(old, again=True)
    for others in ((film_of_old,), (new, film_of_old)):
        for served in ({}, {"sketch": others[0]}, {"twin": old}):
            as_marked = who(assign(jobs, records(marked, *others, **served), said))
            assert as_marked == who(assign(jobs, records(old, *others, **served), said))
            assert as_marked == {"sketch": old.id, "twin": old.id, "film": film_of_old.id}
    assert who(assign(jobs, records(marked, new, film_of_old))) == {"sketch": new.id, "twin": new.id}
    deleted = replace(marked, deleted=True)
    assert who(assign(jobs, records(deleted, new), said)) == {"sketch": new.id, "twin": new.id}


def test_changed_upstream_changes_its_chained_jobs() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    first = bought(1, sketch)
    held = records(first, bought(2, film, first))
    assert who(assign([sketch, film], held)) == {"sketch": first.id, "film": f"{2:016x}"}
    assert who(assign([job("sketch", "changed"), film], held)) == {}
    reverted = assign([film, sketch], held)
    assert who(reverted) == {"sketch": first.id, "film": f"{2:016x}"}


def test_chains_made_on_two_machines_are_not_mixed() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    sketch_a, sketch_b = bought(1, sketch, time=1), bought(2, sketch, time=2)
    film_a, film_b = bought(3, film, sketch_a, time=9), bought(4, film, sketch_b, time=3)
    assignment = assign([sketch, film], records(sketch_a, sketch_b, film_a, film_b))
    # The newer sketch serves, so its own film serves too, though the other film is newer.
    assert who(assignment) == {"sketch": sketch_b.id, "film": film_b.id}
    assert {each.id for each in assignment.earlier} == {sketch_a.id, film_a.id}
    alone = assign([sketch, film], records(sketch_a, sketch_b, film_a))
    assert who(alone) == {"sketch": sketch_b.id, "film": film_a.id}


def test_only_purchases_made_from_the_approved_upstream_match() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    approved, newer = bought(1, sketch), bought(2, sketch)
    film_of_newer = bought(3, film, newer)
    said = Decisions(approved={approved.id: sketch.key})
    assert who(assign([sketch, film], records(approved, newer, film_of_newer), said)) == {
        "sketch": approved.id
    }
    film_of_approved = bought(4, film, approved, time=0)
    held = records(approved, newer, film_of_newer, film_of_approved)
    assert who(assign([sketch, film], held, said))["film"] == film_of_approved.id


def test_approved_purchase_of_a_renamed_job_stays_the_source_of_what_is_made_from_it() -> None:
    old, new = job("old"), job("new")
    film = job_of_approved("film", new)
    sketch = bought(1, old)
    video = bought(2, film, sketch)
    decisions = Decisions(approved={sketch.id: old.key})
    renamed = assign([new, film], records(sketch, video, old=sketch, film=video), decisions)
    assert who(renamed) == {"new": sketch.id, "film": video.id}
    assert renamed.matcher.source(film) == sketch


def test_chain_of_three_depends_on_its_first() -> None:
    jobs = [job("a"), job("b", upstream="a"), job("c", upstream="b")]
    a = bought(1, jobs[0])
    b = bought(2, jobs[1], a)
    c = bought(3, jobs[2], b)
    assert who(assign(jobs, records(a, b, c))) == {"a": a.id, "b": b.id, "c": c.id}
    assert who(assign([job("a", "changed"), *jobs[1:]], records(a, b, c))) == {}
    assert who(assign(jobs, records(replace(a, deleted=True), b, c))) == {}


def test_purchase_with_several_or_no_known_inputs_does_not_match_a_chained_job() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    a, b = bought(1, sketch), bought(2, sketch)
    assert "film" not in who(assign([sketch, film], records(a, b, bought(3, film, a, b), bought(4, film))))


def test_unassigned_purchases_are_earlier_or_orphans() -> None:
    earlier = bought(1, job("a", "before"))
    serving_now = bought(2, job("a"))
    orphan = bought(3, job("gone", "other"))
    deleted = replace(bought(4, job("gone", "deleted")), deleted=True)
    void = bought(5, job("gone", "void"), status=Status.VOID)
    assignment = assign([job("a")], records(earlier, serving_now, orphan, deleted, void))
    assert assignment.earlier == (earlier,)
    assert assignment.orphans == (orphan,)


def test_last_purchase_of_a_key_is_the_last_assigned_or_else_the_last_bought() -> None:
    one, two = bought(1, job("a", "x")), bought(2, job("a", "y"))
    void = bought(3, job("a", "z"), status=Status.VOID)
    assert Matcher([job("a")], records(one, two, void, a=one)).last(JobKey("r/t/a")) == one
    assert Matcher([job("a")], records(one, two, void)).last(JobKey("r/t/a")) == two
    assert Matcher([job("a")], records(one, two, void, a=void)).last(JobKey("r/t/a")) == two
    assert Matcher([job("a")], records()).last(JobKey("r/t/a")) is None


def test_last_purchase_of_a_new_key_ignores_redo_and_again() -> None:
    sketch, film = job("sketch"), job("film", upstream="sketch")
    made = bought(1, sketch)
    old = bought(2, job("gone", upstream="sketch"), made)
    of_another = bought(3, job("gone", upstream="sketch"), bought(9, job("other", "other")))
    said = Decisions(redo=frozenset({old.id, of_another.id}))
    sent_back = Matcher([sketch, film], records(made, old, of_another), said)
    assert sent_back.last(film.key) == old
    marked = replace(old, again=True)
    assert Matcher([sketch, film], records(made, marked)).last(film.key) == marked
    for gone in (replace(marked, deleted=True), replace(marked, status=Status.VOID)):
        assert Matcher([sketch, film], records(made, gone)).last(film.key) is None
    assert Matcher([sketch], records(made, old), said).last(film.key) is None


def test_requests_differ_if_upstreams_differ_or_have_different_approvals() -> None:
    jobs = [job("a", "x"), job("b", "x"), job("c", upstream="a"), job("d", upstream="b")]
    alike = Matcher(jobs, records())
    assert alike.requested(JobKey("r/t/c")) == alike.requested(JobKey("r/t/d"))
    one, other = bought(1, jobs[0]), bought(2, jobs[1])
    each_its_own = Decisions(approved={one.id: JobKey("r/t/a"), other.id: JobKey("r/t/b")})
    pinned = Matcher(jobs, records(one, other), each_its_own)
    assert pinned.requested(JobKey("r/t/c")) != pinned.requested(JobKey("r/t/d"))


def test_requests_are_equal_if_one_approved_upstream_serves_both() -> None:
    jobs = [job("a", "x"), job("b", "x"), job("c", upstream="a"), job("d", upstream="b")]
    approved, newer = bought(1, jobs[0]), bought(2, jobs[1])
    pinned = Matcher(jobs, records(approved, newer), Decisions(approved={approved.id: JobKey("r/t/a")}))
    # Both are made from the approved sketch: two purchases would give the same film.
    assert pinned.requested(JobKey("r/t/c")) == pinned.requested(JobKey("r/t/d"))


@given(st.data())
def test_purchase_serves_exactly_the_jobs_it_matches(data: st.DataObject) -> None:
    jobs = [job(name, data.draw(st.sampled_from("xy"))) for name in "abc"]
    jobs += [job(name, "z", upstream=data.draw(st.sampled_from("abc"))) for name in "de"]
    purchases: list[Purchase] = []
    for number in range(data.draw(st.integers(0, 6))):
        of = data.draw(st.sampled_from(jobs))
        inputs = [data.draw(st.sampled_from(purchases))] if of.upstream and purchases else []
        made = bought(number, of, *inputs, status=data.draw(st.sampled_from(Status)))
        purchases.append(replace(made, again=data.draw(st.booleans()), deleted=data.draw(st.booleans())))
    assignment = assign(jobs, records(*purchases))
    for each in jobs:
        fitting = [purchase for purchase in purchases if assignment.matcher.matches(purchase, each)]
        assert (each.key in assignment.by_key) == bool(fitting)
        assert not fitting or assignment.by_key[each.key] in fitting
        for purchase in fitting:
            assert purchase.status is not Status.VOID
            assert not purchase.deleted
            assert not purchase.again
    paid = {each.id for each in purchases if each.status is not Status.VOID and not each.deleted}
    told = {each.id for each in (*assignment.by_key.values(), *assignment.earlier, *assignment.orphans)}
    assert told == paid
    assert who(assign(jobs[::-1], records(*purchases[::-1]))) == who(assignment)


@settings(max_examples=300)
@given(st.data())
def test_recording_what_serves_changes_nothing_about_it(data: st.DataObject) -> None:
    jobs = [job("a"), job("b"), job("c", data.draw(st.sampled_from(["walk", "run"])))]
    for name in "de":
        source = data.draw(st.sampled_from(jobs))
        is_from_approved = data.draw(st.booleans())
        jobs.append(
            job_of_approved(name, source)
            if is_from_approved
            else job(name, "z", upstream=source.coordinates.image)
        )
    purchases: list[Purchase] = []
    for number in range(data.draw(st.integers(1, 6))):
        of = data.draw(st.sampled_from(jobs))
        inputs = [data.draw(st.sampled_from(purchases))] if of.upstream and purchases else []
        purchases.append(bought(number, of, *inputs))
    keys = st.sampled_from([*(each.key for each in jobs), JobKey("r/t/before-a-rename")])
    ids = st.sampled_from([each.id for each in purchases])
    last = st.builds(Served, purchase=ids)
    decisions = Decisions(approved=data.draw(st.dictionaries(ids, keys, min_size=1, max_size=3)))
    held = replace(records(*purchases), served=data.draw(st.dictionaries(keys, last, max_size=2)))
    first = assign(jobs, held, decisions)
    recorded = all_served_next(held.served, {key: each.id for key, each in first.by_key.items()})
    assert who(assign(jobs, replace(held, served=recorded), decisions)) == who(first)


def calls_to_serve(jobs: Sequence[Job], held: Records) -> int:
    """The number of function calls it takes: a measure of work that is the same on every machine."""
    count = 0

    def counting(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(counting)
    try:
        assign(jobs, held)
    finally:
        sys.setprofile(None)
    return count


def alone(size: int) -> tuple[list[Job], Records]:
    jobs = [job(f"j{number}", f"prompt {number}") for number in range(size)]
    return jobs, records(*(bought(number, each, time=0) for number, each in enumerate(jobs)))


def shared(size: int) -> tuple[list[Job], Records]:
    return [job(f"j{number}") for number in range(size)], records(bought(1, job("j0")))


def chained(size: int) -> tuple[list[Job], Records]:
    """Different sketches, and videos of them whose requests differ only in their inputs."""
    sketches = [job(f"s{number}", f"prompt {number}") for number in range(size)]
    films = [job(f"f{number}", "film", upstream=f"s{number}") for number in range(size)]
    first = [bought(number, each, time=0) for number, each in enumerate(sketches)]
    second = [
        bought(size + number, each, source, time=0)
        for number, (each, source) in enumerate(zip(films, first, strict=True))
    ]
    return sketches + films, records(*first, *second)


@pytest.mark.parametrize("campaign", [alone, shared, chained])
def test_work_grows_linearly_with_the_jobs(campaign) -> None:  # type: ignore[no-untyped-def]  # a function for each row
    few, many = campaign(100), campaign(400)
    for jobs, held in (few, many):
        assert len(who(assign(jobs, held))) == len(jobs)  # which also computes the fingerprints, once
    assert calls_to_serve(*many) < 5 * calls_to_serve(*few)
