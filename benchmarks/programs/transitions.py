"""Moves the purchases of a seeded state on, so many steps a second, as a run would; tells each with its moment."""

import argparse
import json
import time
from pathlib import Path

from benchmarks.programs.simulated import FILM, opened_state, written
from pipeline.manifest.load import load
from pipeline.purchases import Output, Purchase
from pipeline.state.events import Event, Fetched, Finished
from pipeline.state.store import Change
from pipeline.state.transitions import advance


def main() -> None:
    """Do what the arguments say. One line a step: the purchase, its status, and when it was on disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    given = parser.parse_args()
    campaign = load(given.manifest)
    with opened_state(given.manifest, campaign.name, "transitions") as store:
        waiting = iter(store.records().purchases.values())
        begun = time.monotonic()
        steps = int(given.rate * given.seconds) // 2
        for number in range(steps):
            time.sleep(max(0.0, begun + 2 * number / given.rate - time.monotonic()))
            purchase = next(waiting)
            finished = Output(FILM.content_type, FILM.url)
            fetched = Output(FILM.content_type, sha256=f"{number:064x}", bytes=1_000_000)
            for event in (Finished((finished,)), Fetched((fetched,))):
                change = _step(purchase, event)
                store.commit([change])
                purchase = change.after
                print(json.dumps([purchase.id, purchase.status.value, time.monotonic()]), flush=True)


def _step(before: Purchase, event: Event) -> Change:
    return Change(before=before, after=advance(before, event), at=written(), event=event)


if __name__ == "__main__":
    main()
