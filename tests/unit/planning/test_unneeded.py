from dataclasses import replace

import pytest
from support.protection import fails_without

from pipeline.assignment import assign
from pipeline.planning.unneeded import nothing_needs
from pipeline.purchases import Decisions, Records, Served, Status
from planning.campaign import bought, job

SKETCH = job("sketch")
FILM = job("film", "spin", SKETCH)


@pytest.mark.parametrize("is_sent_back", [False, True])
@pytest.mark.parametrize("is_approved", [False, True])
@fails_without(
    "pipeline.planning.unneeded:nothing_needs",
    "return all(",
    swap=("(decisions, replace(decisions, approved={}))", "(decisions,)"),
)
def test_source_is_needed_while_what_was_made_from_it_fits_its_job(
    is_sent_back: bool, is_approved: bool
) -> None:
    source = replace(bought(1, SKETCH, Status.SUCCEEDED), again=is_sent_back)
    serving, film = bought(2, SKETCH), bought(3, FILM, Status.DONE, source)
    records = Records(
        {each.id: each for each in (source, serving, film)}, {SKETCH.key: Served(purchase=serving.id)}
    )
    decisions = Decisions(approved={film.id: FILM.key} if is_approved else {})

    assignment = assign([SKETCH, FILM], records, decisions)

    assert (FILM.key in assignment.by_key) is (is_approved or not is_sent_back)
    assert nothing_needs(assignment, {source.id}) is is_sent_back
    assert not nothing_needs(assignment, {serving.id})
