"""What the page gets from the run that serves it."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.jobs import JobKey
from pipeline.operations.run_note import RunNote
from pipeline.purchases import Purchase, PurchaseId, Records, Status
from pipeline.serve.state_source import StateOfRun
from pipeline.state.events import Finished
from pipeline.state.opening import open_store
from pipeline.state.store import Caps, Change, Turn

BEGUN = "2026-03-01T12:00:00.000Z"


def bought(number: int, template: str) -> Purchase:
    return Purchase(
        id=PurchaseId(f"{number:016x}"),
        key=JobKey(f"main/{number}"),
        fingerprint=f"v1:{number:064x}",
        status=Status.SUBMITTED,
        bought_at=BEGUN,
        template_id=template,
    )


def no_note() -> RunNote:
    raise AssertionError("nobody asks for it")


def test_new_template_takes_as_long_as_seen_in_this_run(tmp_path: Path) -> None:
    store = open_store(
        tmp_path / "spring.db",
        campaign="spring",
        manifest=tmp_path / "spring.yaml",
        run=f"{BEGUN} 1",
        writable=True,
        now=BEGUN,
    )
    try:
        store.commit_turn(Turn(durations=[("known", 300.0)]), Caps())
        source = StateOfRun(Records(), store, no_note)

        for number, (template, at) in enumerate(
            [("new", "12:01:00"), ("new", "12:02:00"), ("known", "12:00:01")]
        ):
            purchase = bought(number, template)
            source.on_change(Change(before=None, after=purchase, at=BEGUN))
            made = replace(purchase, status=Status.SUCCEEDED)
            source.on_change(
                Change(before=purchase, after=made, at=f"2026-03-01T{at}.000Z", event=Finished(()))
            )

        assert source.durations() == {"known": pytest.approx(300.0), "new": 90.0}
    finally:
        store.close()
