"""What a run has still to make, and in which order."""

from dataclasses import replace

import pytest
from planning.campaign import bought, job, plan

from pipeline.engine.served_jobs import ServedJobs
from pipeline.purchases import Status


def test_what_is_made_one_after_another_is_a_chain_until_only_its_end_is_left() -> None:
    sketch = job("sketch", template="still")
    film = job("film", "spin", sketch, template="film")
    served = ServedJobs(plan([sketch, film]))
    purchase = bought(1, sketch, Status.SUBMITTING)

    assert served.chains({}) == {(None, ("film", "still"))}
    served.add(sketch, purchase.id)
    assert served.chains({}) == {("still", ("film",))}
    served.note(replace(purchase, status=Status.DONE))
    assert not served.chains({})


def test_chain_leads_through_what_shares_the_purchase_of_another_job() -> None:
    first, same = job("a", template="still"), job("b", template="still")
    film = job("film", "spin", same, template="film")

    assert ServedJobs(plan([first, same, film])).chains({}) == {(None, ("film", "still"))}


def test_jobs_that_are_made_from_images_only_have_no_chain() -> None:
    assert not ServedJobs(plan([job("a", "walk"), job("b", "turn")])).chains({})


@pytest.mark.parametrize("status", [Status.FAILED, Status.ATTENTION])
def test_what_is_made_from_what_ended_without_success_is_no_longer_to_come(status: Status) -> None:
    sketch, other = job("sketch", template="still"), job("other", "turn", template="still")
    film = job("film", "spin", sketch, template="film")
    reel = job("reel", "spin", film, template="reel")
    served = ServedJobs(plan([sketch, film, reel, other]))
    purchase = bought(1, sketch, Status.SUBMITTING)
    assert served.waiting({}) == {"still": 2, "film": 1, "reel": 1}

    served.add(sketch, purchase.id)
    assert served.waiting({}) == {"still": 1, "film": 1, "reel": 1}
    served.note(replace(purchase, status=status))

    assert served.waiting({}) == {"still": 1}
    assert not served.chains({})
    # They are jobs of this run nevertheless.
    assert served.counts["pending"] == 3


@pytest.mark.parametrize("status", [Status.FAILED, Status.ATTENTION])
def test_what_is_held_back_behind_a_canary_without_success_is_no_longer_to_come(status: Status) -> None:
    canary, held = job("a", template="still"), job("b", "turn", template="still")
    film = job("film", "spin", held, template="film")
    other = job("other", template="reel")
    served = ServedJobs(plan([canary, held, film, other]))
    purchase = bought(1, canary, Status.SUBMITTING)
    canaries = {"still": canary.key}
    served.add(canary, purchase.id)
    assert served.waiting(canaries) == {"still": 1, "film": 1, "reel": 1}

    served.note(replace(purchase, status=status))

    assert served.waiting(canaries) == {"reel": 1}
    assert not served.chains(canaries)
    # Once another purchase of the template has succeeded, they are released.
    assert served.waiting({}) == {"still": 1, "film": 1, "reel": 1}
