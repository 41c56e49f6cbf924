"""Each job gets one action: the first in the table that applies."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.assignment import assign
from pipeline.jobs import Job, Option, in_plan_order
from pipeline.json_values import Json
from pipeline.planning.make import make
from pipeline.planning.plan import Action, Difference, PlanOptions, Presence
from pipeline.purchases import UNDECIDED, Decisions, Output, Reason, Records, Served, Status
from planning.campaign import bought, job, only, plan


def test_job_without_purchase_is_created_at_its_price() -> None:
    a = job("a", price=120)
    entry = only(plan([a]), a)
    assert (entry.action, entry.credits, entry.buys) == (Action.CREATE, 120, True)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (Status.SUBMITTING, Action.ATTENTION),
        (Status.ATTENTION, Action.ATTENTION),
        (Status.SUBMITTED, Action.RESUME),
        (Status.SUCCEEDED, Action.DOWNLOAD),
        (Status.FAILED, Action.KEEP),
        (Status.DONE, Action.KEEP),
        (Status.VOID, Action.CREATE),
    ],
)
def test_bought_job_is_followed_and_not_bought_again(status: Status, action: Action) -> None:
    a = job("a")
    entry = only(plan([a], bought(1, a, status)), a)
    assert entry.action is action
    assert entry.buys == (status is Status.VOID)


def test_unknown_outcome_has_a_reason() -> None:
    a = job("a")
    lost = replace(bought(1, a, Status.ATTENTION), error="a time-out after sending")
    assert only(plan([a], lost), a).reason == "it is unknown whether it was bought (a time-out after sending)"


def test_reason_recorded_by_an_older_version_is_not_repeated() -> None:
    a = job("a")
    lost = replace(bought(1, a, Status.ATTENTION), error="HTTP 500: it is unknown whether it was bought")
    assert only(plan([a], lost), a).reason == "it is unknown whether it was bought (HTTP 500)"


def test_failure_has_a_reason_and_advice() -> None:
    a = job("a")
    failed = replace(bought(1, a, Status.FAILED), error="no face found")
    assert only(plan([a], failed), a).reason == "failed (vendor): no face found; --retry-failed buys it again"


@pytest.mark.parametrize(
    ("presence", "action", "says"),
    [
        (Presence.IN_PLACE, Action.KEEP, "up to date"),
        (Presence.ELSEWHERE, Action.MOVE, "at another path"),
        (Presence.MISSING, Action.KEEP, "collect"),
        (Presence.ALTERED, Action.KEEP, "altered"),
        (Presence.POINTER, Action.KEEP, "git lfs pull"),
    ],
)
def test_finished_job_is_kept_wherever_its_file_is(presence: Presence, action: Action, says: str) -> None:
    a = job("a")
    entry = only(plan([a], bought(1, a), presence={a.key: presence}), a)
    assert (entry.action, entry.presence) == (action, presence)
    assert says in entry.reason
    assert not entry.buys


def test_changed_request_is_replaced_and_shows_old_and_new() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    old = bought(1, before)
    entry = only(plan([after], old), after)
    assert (entry.action, entry.purchase) == (Action.REPLACE, old)
    assert entry.changes == (Difference(name="options.prompt", old="walk", new="dance"),)
    assert "options.prompt" in entry.reason


def test_other_template_is_a_difference_and_new_title_is_not() -> None:
    before = job("a", template="overlay")
    after = replace(before, request=replace(before.request, template_id="other"), title=lambda _: "new")
    entry = only(plan([after], bought(1, before)), after)
    assert entry.changes == (Difference(name="template_id", old="overlay", new="other"),)


def test_added_or_removed_option_differs_from_nothing() -> None:
    before = job("a")
    after = replace(before, request=replace(before.request, options={"duration": 5}))
    assert only(plan([after], bought(1, before)), after).changes == (
        Difference(name="options.prompt", old="walk", new=None),
        Difference(name="options.duration", old=None, new=5),
    )


def test_item_that_joins_or_leaves_a_list_is_one_change() -> None:
    urls: list[Option] = [f"https://a.example/{number}.mp4" for number in range(61)]

    def changes(old: list[Option], new: list[Option]) -> list[tuple[str, Json, Json]]:
        before, after = (
            replace(each, request=replace(each.request, options={"urls": value}))
            for each, value in ((job("a"), old), (job("a"), new))
        )
        entry = only(plan([after], bought(1, before)), after)
        return [(change.name, change.old, change.new) for change in entry.changes]

    assert changes(urls, [*urls[:20], "x", *urls[20:]]) == [("options.urls[20]", None, "x")]
    assert changes(urls, [*urls[:20], *urls[21:]]) == [("options.urls[20]", urls[20], None)]
    assert changes(urls, [*urls[:20], "x", *urls[21:], "y"]) == [
        ("options.urls[20]", urls[20], "x"),
        ("options.urls[61]", None, "y"),
    ]
    assert changes([1, True], [1, 2.5, "1"]) == [
        ("options.urls[1]", True, 2.5),
        ("options.urls[2]", None, "1"),
    ]
    # So many are compared one by one.
    assert len(changes(urls * 100, ["x", *urls * 100])) == 6101


@pytest.mark.parametrize("approved", [False, True])
def test_list_of_which_several_items_changed_is_named_once_in_the_reason(approved: bool) -> None:
    def reason(new: list[Option]) -> str:
        old: list[Option] = ["one", "two", "three"]
        before = job("a")
        before = replace(before, request=replace(before.request, options={"prompt": "walk", "urls": old}))
        after = replace(before, request=replace(before.request, options={"prompt": "run", "urls": new}))
        made = bought(1, before)
        said = Decisions(approved={made.id: before.key} if approved else {})
        return only(plan([after], made, decisions=said), after).reason

    assert "options.prompt, options.urls[1]" in reason(["one", "2", "three"])
    changed: list[list[Option]] = [["three", "two", "one"], ["1", "2", "3"], []]
    for said in map(reason, changed):
        assert "options.urls[" not in said
        assert "options.prompt, options.urls" in said
        assert "more" not in said


@pytest.mark.parametrize(
    ("flag", "says"), [({"again": True}, "to be bought again"), ({"deleted": True}, "was deleted")]
)
def test_purchase_to_be_bought_again_or_deleted_is_replaced_with_a_reason(
    flag: dict[str, bool], says: str
) -> None:
    a = job("a")
    entry = only(plan([a], replace(bought(1, a), **flag)), a)  # type: ignore[arg-type]  # both are bool
    assert entry.action is Action.REPLACE
    assert says in entry.reason


def test_redo_replaces_once() -> None:
    a = job("a")
    first, second = bought(1, a), bought(2, a)
    said = Decisions(redo=frozenset({first.id}))
    assert only(plan([a], first, decisions=said), a).action is Action.REPLACE
    assert only(plan([a], first, second, decisions=said), a).action is Action.KEEP


def test_redo_of_an_unknown_outcome_buys_nothing_and_says_so() -> None:
    a = job("a")
    lost = bought(1, a, Status.ATTENTION)
    entry = only(plan([a], lost, decisions=Decisions(redo=frozenset({lost.id}))), a)
    assert (entry.action, entry.reason) == (
        Action.ATTENTION,
        "it is unknown whether it was bought; its redo takes effect once the outcome is known",
    )


def test_redo_replaces_even_if_an_earlier_take_was_rejected() -> None:
    a = job("a")
    first, second, third = bought(1, a), bought(2, a), bought(3, a)
    said = Decisions(
        rejected=frozenset({first.id}), redo=frozenset({second.id}), order={first.id: 1, second.id: 2}
    )
    entry = only(plan([a], first, second, decisions=said), a)
    assert (entry.action, entry.reason) == (Action.REPLACE, "sent back (redo)")
    assert only(plan([a], first, second, third, decisions=said), a).action is Action.KEEP


# Sharing


def test_identical_requests_are_bought_once() -> None:
    first, second, third = job("a"), job("b"), job("c", "dance")
    made = plan([first, second, third])
    assert [entry.key for entry in made.buying] == [first.key, third.key]
    shared = only(made, second)
    assert (shared.action, shared.buyer, shared.credits) == (Action.SHARE, first.key, None)


def test_first_selected_job_buys_for_the_others() -> None:
    first, second, third = job("a"), job("b"), job("c")
    made = plan([first, second, third], selected={second.key, third.key})
    assert [entry.key for entry in made.buying] == [second.key]
    assert only(made, third).buyer == second.key


def test_waiting_job_buys_for_no_other() -> None:
    broken, sound = job("s1", "sketch"), job("s2", "sketch")
    waiting, free = job("f1", "film", broken), job("f2", "film", sound)
    # The failed sketch serves both, as their requests are the same, and nothing can be made from it.
    failed = bought(1, broken, Status.FAILED)
    both = plan([broken, sound, waiting, free], failed)
    assert [only(both, each).action for each in (waiting, free)] == [Action.WAIT, Action.WAIT]
    # An approved sketch serves only its own job, so the other film is bought separately.
    good = bought(2, sound)
    said = Decisions(approved={good.id: sound.key, failed.id: broken.key})
    made = plan([broken, sound, waiting, free], failed, good, decisions=said)
    assert only(made, waiting).action is Action.WAIT
    assert only(made, free).action is Action.CREATE


def test_job_with_unselected_upstream_leaves_buying_to_another() -> None:
    first, second = job("s1", "sketch"), job("s2", "sketch")
    behind_first, behind_second = job("f1", "film", first), job("f2", "film", second)
    jobs = [first, second, behind_first, behind_second]
    made = plan(jobs, selected={second.key, behind_first.key, behind_second.key})
    assert only(made, behind_first).action is Action.WAIT
    assert [entry.key for entry in made.buying] == [behind_second.key, second.key]


def test_videos_of_identical_sketches_are_shared_whichever_sketch_is_approved() -> None:
    one, other = job("s1", "sketch"), job("s2", "sketch")
    films = [job("f1", "film", one), job("f2", "film", other)]
    approved, newer = bought(1, one), bought(2, other)
    said = Decisions(approved={approved.id: one.key})
    made = plan([one, other, *films], approved, newer, decisions=said)
    assert [entry.action for entry in made.entries if entry.job in films] == [Action.CREATE, Action.SHARE]


# Chains


def test_chain_is_bought_in_one_plan_in_order() -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    cut = job("c", "cut", film)
    made = plan([sketch, film, cut])
    assert [only(made, each).action for each in (sketch, film, cut)] == [Action.CREATE] * 3
    assert [only(made, each).after for each in (sketch, film, cut)] == [None, sketch.key, film.key]
    assert made.credits == 30


@pytest.mark.parametrize(
    ("status", "action", "says"),
    [
        (Status.SUCCEEDED, Action.CREATE, "new"),
        (Status.DONE, Action.CREATE, "new"),
        (Status.SUBMITTED, Action.CREATE, "after"),
        (Status.FAILED, Action.WAIT, "failed"),
        (Status.ATTENTION, Action.WAIT, "needs attention"),
        (Status.SUBMITTING, Action.CREATE, "after"),
    ],
)
def test_chained_job_waits_for_its_upstream(status: Status, action: Action, says: str) -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    entry = only(plan([sketch, film], bought(1, sketch, status)), film)
    assert entry.action is action
    assert says in entry.reason
    made = status in {Status.SUCCEEDED, Status.DONE}
    assert entry.after == (None if made else sketch.key)


def test_waiting_propagates_down_the_chain_with_its_reason() -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    cut = job("c", "cut", film)
    made = plan([sketch, film, cut], bought(1, sketch, Status.FAILED))
    assert only(made, film).reason == f"{sketch.key} failed"
    assert only(made, cut).reason == f"{film.key} waits"
    assert not made.buying


@pytest.mark.parametrize("approved", [True, False])
def test_chained_job_waits_until_its_upstream_is_whole(approved: bool) -> None:
    sketch = job("sketch")
    film = job("film", upstream=sketch)
    here = Output("image/png", sha256="0" * 64)
    partly = replace(bought(1, sketch, Status.SUCCEEDED), outputs=(Output("image/png"), here))
    decisions = Decisions(approved={partly.id: sketch.key}) if approved else UNDECIDED

    entry = only(plan([sketch, film], partly, decisions=decisions), film)

    assert (entry.action, entry.reason) == (Action.WAIT, f"not all files of {sketch.key} are downloaded")
    whole = replace(partly, status=Status.DONE, outputs=(here, here))
    assert only(plan([sketch, film], whole, decisions=decisions), film).action is Action.CREATE


@fails_without(
    "pipeline.planning.planner:Planner._what_upstream_lacks",
    "return missing_files(",
    swap=("purchase.lacks_files", "purchase.is_partly_fetched"),
)
def test_chained_job_waits_for_an_upstream_whose_files_could_not_be_downloaded() -> None:
    sketch = job("sketch")
    film = job("film", upstream=sketch)
    dead = replace(bought(1, sketch, Status.SUCCEEDED), outputs=(Output("image/png"),), error="410")

    entry = only(plan([sketch, film], dead), film)

    assert (entry.action, entry.reason) == (Action.WAIT, f"none of the files of {sketch.key} are downloaded")
    assert only(plan([sketch, film], replace(dead, error=None)), film).buys


def test_chained_job_does_not_wait_for_an_unselected_upstream_that_is_done() -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    assert only(plan([sketch, film], bought(1, sketch), selected={film.key}), film).buys
    entry = only(plan([sketch, film], bought(1, sketch, Status.SUBMITTED), selected={film.key}), film)
    assert (entry.action, entry.after) == (Action.WAIT, sketch.key)
    assert entry.reason == f"{sketch.key} is not selected and has not succeeded"


def test_changed_upstream_replaces_its_chained_jobs_and_is_named() -> None:
    before, after = job("s", "sketch"), job("s", "sharper")
    film = job("f", "film", before)
    sketched = bought(1, before)
    filmed = bought(2, film, Status.DONE, sketched)
    made = plan([after, film], sketched, filmed)
    assert only(made, film).action is Action.REPLACE
    assert only(made, film).after == after.key
    assert only(made, film).changes == (
        Difference(name="upstream", old=sketched.id, new=f"the next of {after.key}"),
    )
    again = bought(3, after)
    assert only(plan([after, film], sketched, filmed, again), film).changes == (
        Difference(name="upstream", old=sketched.id, new=again.id),
    )


# Purchases that serve no job


def test_orphan_is_listed_and_followed_if_under_way() -> None:
    kept, gone = job("a"), job("gone", "other")
    orphan = bought(2, gone, Status.SUBMITTED)
    made = plan([kept], bought(1, kept), orphan)
    assert [(entry.key, entry.purchase, entry.job) for entry in made.of(Action.ORPHAN)] == [
        (gone.key, orphan, None)
    ]
    assert list(made.followed) == [orphan]


def test_earlier_purchase_is_not_listed_but_followed_to_its_end() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    under_way, ended = bought(1, before, Status.SUBMITTED), bought(2, job("a", "run"))
    made = plan([after], under_way, ended)
    assert [entry.key for entry in made.entries] == [after.key]
    assert list(made.followed) == [under_way]


def test_deleted_purchase_is_neither_listed_nor_followed() -> None:
    gone = replace(bought(1, job("gone"), Status.SUBMITTED), deleted=True)
    made = plan([job("a")], gone)
    assert not list(made.of(Action.ORPHAN))
    assert not made.followed


# Selection and order


def test_only_selected_jobs_are_planned_and_followed() -> None:
    a, b, gone = job("a", "walk"), job("b", "dance"), job("gone", "other")
    earlier = bought(1, job("b", "before"), Status.SUBMITTED)
    orphan = bought(2, gone, Status.SUBMITTED)
    made = plan([a, b], earlier, orphan, selected={a.key})
    assert [entry.key for entry in made.entries] == [a.key]
    assert not made.followed
    assert [entry.key for entry in plan([a, b], earlier, orphan, selected={gone.key}).entries] == [gone.key]


def test_order_is_by_rule_as_written_then_by_key() -> None:
    listed = [job("b", rule="z"), job("a", rule="z"), job("c", rule="a")]
    assert [each.key for each in in_plan_order(listed)] == ["z/overlay/a", "z/overlay/b", "a/overlay/c"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")), max_size=8))
def test_repeated_request_is_bought_once_in_any_order(
    asked: list[tuple[str, str]],
) -> None:
    jobs = list({name: job(name, asks) for name, asks in asked}.values())
    made = plan(jobs)
    buyers = {entry.key: entry for entry in made.buying}
    assert len(buyers) == len({each.fingerprint for each in jobs})
    for each in jobs:
        entry = only(made, each)
        buyer = entry if entry.buyer is None else buyers[entry.buyer]
        assert buyer.job is not None
        assert buyer.job.fingerprint == each.fingerprint


# Retries and replacements


def test_retry_failed_buys_only_failed_jobs_again() -> None:
    a, b = job("a", "walk"), job("b", "dance")
    failed = bought(1, a, Status.FAILED)
    made = plan([a, b], failed, bought(2, b), retry_failed=True)
    assert (only(made, a).action, only(made, a).purchase) == (Action.RETRY, failed)
    assert [entry.key for entry in made.buying] == [a.key]


def test_retry_waits_until_the_outcome_of_the_last_one_is_known() -> None:
    a = job("a")
    failed, unknown = bought(1, a, Status.FAILED), bought(2, a, Status.ATTENTION)
    served = Records({each.id: each for each in (failed, unknown)}, {a.key: Served(purchase=failed.id)})
    made = make(assign([a], served), {}, PlanOptions(retry_failed=True))
    assert only(made, a).action is Action.ATTENTION


@pytest.mark.parametrize(("retries", "action"), [(0, Action.KEEP), (1, Action.KEEP), (2, Action.RETRY)])
def test_retries_count_all_failures(retries: int, action: Action) -> None:
    a = replace(job("a"), retries=retries)
    twice = [bought(1, a, Status.FAILED), bought(2, a, Status.FAILED)]
    assert only(plan([a], *twice), a).action is action


def test_rejected_request_is_not_retried_automatically() -> None:
    a = replace(job("a"), retries=5)
    rejected = replace(bought(1, a, Status.FAILED), reason=Reason.REJECTED)
    assert only(plan([a], rejected), a).action is Action.KEEP
    assert only(plan([a], rejected, retry_failed=True), a).action is Action.RETRY


def test_chained_job_comes_after_its_retried_upstream() -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    made = plan([sketch, film], bought(1, sketch, Status.FAILED), retry_failed=True)
    assert (only(made, film).action, only(made, film).after) == (Action.CREATE, sketch.key)


def test_replace_applies_to_all_jobs_that_share_a_purchase() -> None:
    a, b = job("a"), job("b")
    old = bought(1, a)
    made = plan([a, b], old, replacing=[a])
    assert (only(made, a).action, only(made, a).supersedes) == (Action.REPLACE, (old.id,))
    assert only(made, b).action is Action.SHARE


def test_replace_includes_identical_purchases_of_other_machines() -> None:
    sketch = job("s", "sketch")
    film = job("f", "film", sketch)
    ours, theirs = bought(1, sketch), bought(2, sketch)
    made = plan([sketch, film], ours, theirs, bought(3, film, Status.DONE, ours), replacing=[sketch])
    assert only(made, sketch).action is Action.REPLACE
    assert set(only(made, sketch).supersedes) == {ours.id, theirs.id}
    assert only(made, film).after == sketch.key


def test_approved_purchase_is_pinned_whatever_the_request() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    approved = bought(1, before)
    said = Decisions(approved={approved.id: before.key})
    entry = only(plan([after], approved, decisions=said), after)
    assert (entry.action, entry.purchase) == (Action.PINNED, approved)
    assert entry.changes == (Difference(name="options.prompt", old="walk", new="dance"),)
    assert only(plan([before], approved, decisions=said), before).action is Action.KEEP


def test_new_title_is_updated_once_by_the_first_job_at_no_cost() -> None:
    a, b = job("a"), job("b")
    purchase = bought(1, a)
    renamed = [replace(each, title=lambda _: "new") for each in (a, b)]
    here = {each.key: Presence.IN_PLACE for each in renamed}
    made = plan(renamed, purchase, presence=here)
    assert [only(made, each).action for each in renamed] == [Action.UPDATE, Action.KEEP]
    assert not made.buying
    wording = only(made, renamed[0]).wording
    assert wording is not None
    assert wording.title == "new"


def take(number: int, rule: str = "hero") -> Job:
    made = job("a", rule=rule)
    return replace(
        made,
        coordinates=replace(made.coordinates, take=number),
        request=replace(made.request, take=number),
        path=f"a{number}",
    )


def test_no_other_take_of_an_approved_one_is_bought() -> None:
    approved = bought(1, take(1))
    said = Decisions(approved={approved.id: take(1).key})
    made = plan([take(1), take(2)], approved, decisions=said)
    assert only(made, take(2)).action is Action.PINNED
    assert not made.buying


def test_take_superseded_by_an_approved_one_buys_for_no_other() -> None:
    approved = bought(1, take(1))
    said = Decisions(approved={approved.id: take(1).key})
    elsewhere = take(2, rule="teaser")
    made = plan([take(1), take(2), elsewhere], approved, decisions=said)
    assert only(made, elsewhere).action is Action.CREATE


def test_job_chained_to_an_unbought_take_waits() -> None:
    approved = bought(1, take(1))
    said = Decisions(approved={approved.id: take(1).key})
    film = job("f", "film", take(2))
    made = plan([take(1), take(2), film], approved, decisions=said)
    assert only(made, film).action is Action.WAIT
    assert not made.buying
