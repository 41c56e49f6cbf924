"""A campaign split into shards: each job is in one of them, and jobs that belong together stay together."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs import Job
from pipeline.planning.plan import Action
from pipeline.planning.shards import Shard, ShardBy, is_whole
from pipeline.planning.split import Split, caps_of_part
from pipeline.purchases import Status
from pipeline.state.store import Caps
from planning.campaign import bought, job, plan

by = st.sampled_from(ShardBy)
counts = st.integers(1, 9)


@st.composite
def campaigns(draw: st.DrawFn) -> list[Job]:
    """Jobs, some of which share a purchase, are chained, or are takes of one request."""
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 25))):
        upstream = draw(st.none() | st.sampled_from(jobs)) if jobs else None
        made = job(
            f"{number}", draw(st.sampled_from("abcdefgh")), upstream, draw(st.none() | st.integers(0, 500))
        )
        take = draw(st.integers(1, 3)) if upstream is None else 1
        jobs.append(
            replace(
                made,
                request=replace(made.request, take=take),
                coordinates=replace(made.coordinates, take=take),
            )
        )
    return jobs


def splits(jobs: Sequence[Job], count: int, balance: ShardBy) -> list[Split]:
    return [Split(Shard(index=index, count=count, by=balance), jobs) for index in range(1, count + 1)]


def shard_with(of: Job, parts: Sequence[Split]) -> int:
    [index] = [number for number, each in enumerate(parts) if each.has_job(of.key)]
    return index


@given(campaigns(), counts, by)
def test_each_job_is_in_exactly_one_shard_in_any_order(jobs: list[Job], count: int, balance: ShardBy) -> None:
    parts, backwards = splits(jobs, count, balance), splits(jobs[::-1], count, balance)
    for each in jobs:
        assert shard_with(each, parts) == shard_with(each, backwards)


@given(campaigns(), counts, by)
def test_jobs_that_may_share_a_purchase_and_chains_stay_together(
    jobs: list[Job], count: int, balance: ShardBy
) -> None:
    parts = splits(jobs, count, balance)
    by_key = {each.key: each for each in jobs}
    for each in jobs:
        if each.upstream is not None:
            assert shard_with(each, parts) == shard_with(by_key[each.upstream], parts)
    for entry in plan(jobs).of(Action.SHARE):
        assert entry.job is not None
        assert entry.buyer is not None
        assert shard_with(entry.job, parts) == shard_with(by_key[entry.buyer], parts)
    for one in jobs:
        for other in jobs:
            if one.upstream is other.upstream is None and one.request.options == other.request.options:
                assert shard_with(one, parts) == shard_with(other, parts)


@given(campaigns(), campaigns(), counts)
def test_job_stays_in_its_shard_when_others_are_added(jobs: list[Job], others: list[Job], count: int) -> None:
    added = [
        replace(each, coordinates=replace(each.coordinates, rule="other"))
        for each in others
        if each.upstream is None
    ]
    before, after = splits(jobs, count, ShardBy.REQUESTS), splits([*jobs, *added], count, ShardBy.REQUESTS)
    assert [shard_with(each, before) for each in jobs] == [shard_with(each, after) for each in jobs]


@given(campaigns(), counts, by, st.data())
def test_shards_add_up_to_the_plan_and_their_caps_to_the_cap(
    jobs: list[Job], count: int, balance: ShardBy, data: st.DataObject
) -> None:
    priced = [replace(each, credits=each.credits or 0) for each in jobs]
    statuses = st.sampled_from([Status.DONE, Status.SUBMITTED, Status.FAILED])
    known = [
        bought(number, each, data.draw(statuses))
        for number, each in enumerate(priced)
        if each.upstream is None and data.draw(st.booleans())
    ]
    gone = bought(50, job("gone", "z"), Status.SUBMITTED)
    whole = plan(priced, *known, gone)
    caps = Caps(max_creates=len(whole.buying), max_credits=whole.credits, budget=7 + whole.credits)

    parts = [each.part_of(whole) for each in splits(priced, count, balance)]
    shares = [caps_of_part(caps, part) for part in parts]

    assert sorted(entry.key for part in parts for entry in part.entries) == sorted(
        e.key for e in whole.entries
    )
    assert sum(len(part.followed) for part in parts) == len(whole.followed)
    assert sum(share.max_creates or 0 for share in shares) == caps.max_creates
    assert sum(share.max_credits or 0 for share in shares) == caps.max_credits
    # What others buy counts against the whole budget, what a shard buys against its share of the plan.
    assert {share.budget for share in shares} == {caps.budget}
    only_budget = [caps_of_part(Caps(budget=caps.budget), part) for part in parts]
    assert sum(share.max_credits or 0 for share in only_budget) == whole.credits
    for part, share in zip(parts, shares, strict=True):
        assert len(part.buying) <= (share.max_creates or 0)


def test_missing_cap_stays_missing() -> None:
    whole = plan([job("a")])
    assert caps_of_part(Caps(), whole) == Caps(of_shard=True)


@given(st.integers(1, 100), st.integers(1, 12))
def test_limit_is_divided_and_each_shard_gets_at_least_one(limit: int, count: int) -> None:
    shares = [Shard(index=index, count=count).share(limit) for index in range(1, count + 1)]
    assert sum(shares) == max(limit, count)
    assert min(shares) >= 1


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_different_limits_per_shard_never_exceed_the_largest(
    limits: list[int],
) -> None:
    count = len(limits)
    shares = [Shard(index=index, count=count).share(limit) for index, limit in enumerate(limits, 1)]
    assert sum(shares) <= max(*limits, count)


def test_balancing_by_credits_separates_expensive_jobs() -> None:
    jobs = [job(name, name, price=price) for name, price in (("a", 400), ("b", 390), ("c", 10), ("d", 5))]
    parts = splits(jobs, 2, ShardBy.CREDITS)
    assert [shard_with(each, parts) for each in jobs] == [0, 1, 1, 0]


def test_balancing_by_credits_counts_shared_jobs_once_and_spreads_unpriced_ones() -> None:
    shared = [job(f"s{number}", "same", price=100) for number in range(5)]
    single = job("single", "other", price=120)
    unpriced = [job(name, name, price=None) for name in "wxyz"]
    parts = splits([*shared, single, *unpriced], 2, ShardBy.CREDITS)
    assert shard_with(single, parts) != shard_with(shared[0], parts)
    assert len({shard_with(each, splits(unpriced, 2, ShardBy.CREDITS)) for each in unpriced}) == 2


@pytest.mark.parametrize(
    ("shards", "whole"),
    [
        ([(1, 2), (2, 2)], True),
        ([(2, 2), (1, 2)], True),
        ([(1, 1)], True),
        ([(1, 2)], False),
        ([(1, 2), (1, 2)], False),
        ([(1, 2), (2, 3)], False),
        ([(1, 2), (2, 2), (2, 2)], False),
    ],
)
def test_split_is_complete_if_each_shard_occurs_once(shards: list[tuple[int, int]], whole: bool) -> None:
    assert is_whole([Shard(index=index, count=count) for index, count in shards]) is whole
