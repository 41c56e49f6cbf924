"""Merging results manifests: nothing is dropped, and neither order nor repetition matters."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assignment import assign
from pipeline.errors import InvalidInput
from pipeline.json_values import Json
from pipeline.purchases import UNDECIDED, Purchase, Reason, Records, Served, Status
from pipeline.results.document import Builder
from pipeline.results.merge import merge_results
from results.campaign import HEADING, Document, bought, document, job, read_back


def merge(*documents: Document, tool: str = "pipeline 1") -> Document:
    """Several documents merged, written and read as `pipeline merge` does."""
    return merge_results([read_back(each) for each in documents], tool)


def row(made: Document, key: str) -> Mapping[str, Json]:
    return next(each for each in read_back(made).jobs if each["key"] == key)


def test_each_side_adds_its_purchases() -> None:
    a, b = job("a", "walk"), job("b", "dance")
    both = merge(document([a, b], bought(1, a)), document([a, b], bought(2, b)))
    assert read_back(both).records.purchases.keys() == {f"{1:016x}", f"{2:016x}"}
    assert row(both, a.key)["purchase"] == f"{1:016x}"
    assert row(both, b.key)["purchase"] == f"{2:016x}"
    assert both["summary"] == {"jobs": {"done": 2}, "credits": 20}


def test_job_has_the_current_status_of_its_purchase() -> None:
    a = job("a")
    early = bought(1, a, Status.SUBMITTED)
    both = merge(
        document([a], early), document([a], replace(early, status=Status.FAILED, reason=Reason.VENDOR))
    )
    assert (row(both, a.key)["status"], row(both, a.key)["reason"]) == ("failed", "vendor")


def test_purchase_keeps_its_credits_if_the_more_advanced_copy_has_none() -> None:
    a = job("a")
    priced = document([a], replace(bought(1, a, Status.SUBMITTED), credits=77))
    finished = document([a], replace(bought(1, a), credits=None))
    for both in every_way(priced, finished):
        assert row(both, a.key)["status"] == "done"
        assert both["summary"] == {"jobs": {"done": 1}, "credits": 77}


def test_job_whose_create_bought_nothing_is_pending() -> None:
    a = job("a")
    intent = bought(1, a, Status.SUBMITTING)
    told = document([a], intent)
    learned = document([a], replace(intent, status=Status.VOID), published={intent.id})
    for one, other in ((told, learned), (learned, told)):
        both = merge(one, other)
        assert row(both, a.key)["status"] == "pending"
        assert "purchase" not in row(both, a.key)
        assert read_back(both).records.purchases[intent.id].status is Status.VOID


def test_job_keeps_its_newest_former_purchase() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    old, new = bought(1, before), bought(2, before)
    newer_knows = document([after], new)  # nothing serves it now; `new` served it before
    older_serves = document([before], old)
    for files in permutations([newer_knows, older_serves]):
        assert read_back(merge(*files)).records.served[before.key].purchase == new.id


def test_void_create_that_served_a_job_leads_to_what_it_replaced_after_any_merge() -> None:
    a, b = job("a"), job("a", "dance")
    good, void = bought(2, b), bought(1, a, Status.VOID)
    records = Records({each.id: each for each in (good, void)}, {a.key: Served(purchase=void.id, serial=3)})
    made = Builder().build(HEADING, assignment=assign([a], records), records=records, decisions=UNDECIDED)

    assert read_back(made).records == records
    assert merge(made, made) == made


def every_way(*made: Document) -> Sequence[Document]:
    """Documents merged all at once and one after another, in every order."""
    orders = list(permutations(made))
    return [merge(*order) for order in orders] + [reduce(merge, order) for order in orders]


def test_outcome_of_an_intent_is_shown_in_any_merge_order() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    served_before = document([after], bought(1, before))
    intent = bought(2, after, Status.SUBMITTING)
    asked = document([after], intent)
    void = replace(intent, status=Status.VOID)
    for outcome, told in ((bought(2, after), "done"), (void, "pending")):
        became = document([], outcome, published={intent.id})
        first, *others = every_way(served_before, asked, became)
        assert row(first, after.key)["status"] == told
        assert all(each == first for each in others)


def test_results_of_two_campaigns_are_not_merged() -> None:
    a = job("a")
    with pytest.raises(InvalidInput, match="different campaigns"):
        merge(document([a]), {**document([a]), "campaign": "other"})


# Machines know more or less of one purchase; none knows it as void if another saw its workflow.
STATUSES = (
    [Status.SUBMITTING, Status.VOID],
    [Status.SUBMITTING, Status.SUBMITTED, Status.FAILED, Status.DONE],
)


MEDIA: st.SearchStrategy[dict[str, Json]] = st.fixed_dictionaries(
    {"rule": st.integers(1, 2), "width": st.integers(1, 3), "duration": st.sampled_from([2, 2.5])}
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Documents that one of several machines may have written: few jobs and purchases, so that they overlap."""
    jobs = [
        job(name, draw(st.sampled_from(["walk", "dance"]))) for name in draw(st.sets(st.sampled_from("abc")))
    ]
    made: list[Purchase] = []
    for number in draw(st.sets(st.integers(1, 4))):
        status = draw(st.sampled_from(STATUSES[number % 2]))
        made.append(bought(number, job("abcd"[number - 1], ["walk", "dance"][number % 2]), status))
    media = draw(st.dictionaries(st.sampled_from(["c" * 64, "d" * 64]), MEDIA))
    return document(jobs, *made, published={each.id for each in made}, media=media)


@settings(max_examples=40)  # each example reads some fifty files
@given(st.lists(documents(), min_size=1, max_size=3))
def test_neither_order_nor_repetition_matters(made: Sequence[Document]) -> None:
    whole = merge(*made)
    for order in permutations(made):
        assert merge(*order) == whole
        assert reduce(merge, order) == merge(whole, whole) == merge(whole, *order) == whole


@given(st.lists(documents(), min_size=1, max_size=3))
def test_nothing_is_dropped_and_the_result_is_valid(made: Sequence[Document]) -> None:
    merged = read_back(merge(*made))
    whole = merged.records
    for each in made:
        assert read_back(each).media.keys() <= merged.media.keys()
        assert read_back(each).records.purchases.keys() <= whole.purchases.keys()
        intents = {row["key"] for row in merged.jobs if row["status"] == "submitting"}
        assert read_back(each).records.served.keys() <= whole.served.keys() | intents
