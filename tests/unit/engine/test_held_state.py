"""Just before a create is sent, it checks that the run still holds the state."""

import pytest
from providers.create_requests import a_request
from support.protection import fails_without

from engine.harness import Harness, jobs
from pipeline.engine.create import send
from pipeline.providers.base import NotSent
from pipeline.state.sql.store import SqlStore


@fails_without("pipeline.engine.create:send", "if not is_held():")
def test_nothing_is_sent_if_another_run_may_hold_the_state(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqlStore, "is_held", lambda store: False)

    ran = harness.run(*jobs(2))

    assert harness.vendor.creates == []
    assert set(ran.statuses.values()) == {"pending"}
    unsent = send(harness.vendor, a_request(), lambda: False)
    assert isinstance(unsent, NotSent)
    assert not unsent.started


def test_create_is_sent_if_the_state_is_held(harness: Harness) -> None:
    harness.run(*jobs(2))

    assert len(harness.vendor.creates) == 2
