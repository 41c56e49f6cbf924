"""The hints about a create whose outcome is unknown."""

from pipeline.planning.hints import not_made_again
from pipeline.purchases import Status
from planning.campaign import bought, job


def test_resolve_is_not_suggested_while_a_run_is_buying() -> None:
    a = job("a")
    sending = bought(1, a, Status.SUBMITTING)

    assert not_made_again("campaign.yaml", [(a.key, sending)]) == (
        "hero/overlay/a (0000000000000001): it is unknown whether it was bought; wait for the run in progress to end"
    )


def test_first_of_many_are_named_and_the_rest_counted() -> None:
    jobs = [job(f"j{number:02}", asks=str(number)) for number in range(12)]
    unknown = [(each.key, bought(number, each, Status.ATTENTION)) for number, each in enumerate(jobs)]

    said = not_made_again("campaign.yaml", unknown)

    assert "hero/overlay/j09 (0000000000000009) and 2 more: it is unknown whether they were bought; " in said
    assert "resolve each first: `pipeline resolve campaign.yaml 0000000000000000 --workflow-id ID`" in said


def test_resolve_is_not_suggested_for_a_create_of_another_machine() -> None:
    a, b = job("a"), job("b", asks="b")
    unknown = [(a.key, bought(1, a, Status.ATTENTION)), (b.key, bought(2, b, Status.ATTENTION))]

    said = not_made_again("campaign.yaml", unknown, {unknown[1][1].id})

    assert said == (
        f"hero/overlay/b (0000000000000002): under way elsewhere, since {unknown[1][1].bought_at}; "
        "wait for the results of that machine"
    )
