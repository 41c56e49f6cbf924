"""Random histories, each from its own seed: kills and signals at random moments, vendors that fail."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.json_values import Json
from support.fork_server import ForkServer
from support.trials import Trial

# How often a campaign is interrupted before it may run to its end.
STRIKES = 5
# The exit codes of an interrupted run; -15 if SIGTERM came before the command installed its handler.
STRUCK = {"kill": {-9}, "term": {143, -15}, "store": {-9}}
# Seconds that a workflow takes, and within which a run is interrupted, so that a run with much to do always is.
_DURATION = 0.3
_LONGEST = {"kill": 0.5, "term": 0.5, "store": 1.5}

# Faults of a create that must not make it be bought twice; and of all other calls, lasting or temporary.
_CREATE_FAULTS: list[Json] = [
    *("reset-before-reading", "close-before-reading", "reset-after-reading", "close-after-reading"),
    *("reset-after-processing", "close-after-processing", "html", "garbage", "empty", "no-id", "odd-id"),
    *("partial-status-line", "partial-headers", "two-lengths", "many-headers", "bad-gzip", "truncated"),
    *("truncated-unsized", "same-id", "fail", "cancel", "backwards"),
    {"status": 402},
    {"status": 403},
    {"status": 422},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 500},
    {"status": 503, "at": "after-processing"},
    {"redirect": "http://127.0.0.1:9/"},
    {"stall": 1.0},
    {"stall": 1.0, "at": "after-reading"},
]
_GET_FAULTS: list[Json] = [
    *("reset-after-reading", "html", "garbage", "empty", "truncated", "partial-headers", "bad-gzip", "no-id"),
    {"status": 404},
    {"status": 429},
    {"status": 500},
    {"patch": {"processing_status": "dreaming"}},
]
_DOWNLOAD_FAULTS: list[Json] = [
    *("reset-after-processing", "truncated", "truncated-unsized", "short", "long", "ignore-range", "expired"),
    *("changed-etag", "wrong-type", "partial-headers"),
    {"status": 500},
    {"keep": 0.5},
]


def seed_of_tests() -> int:
    """The seed: `PIPELINE_TEST_SEED`, or else a new one each time."""
    return int(os.environ.get("PIPELINE_TEST_SEED") or random.randrange(1 << 32))


def strike(trial: Trial, kind: str, rng: random.Random) -> list[int]:
    """Run a campaign and interrupt it at a random moment, repeatedly; returns the codes of the interrupted runs."""
    codes: list[int] = []
    for _ in range(STRIKES):
        child = trial.start()
        time.sleep(rng.uniform(0.0, _LONGEST[kind]))
        child.signal(signal.SIGTERM if kind == "term" else signal.SIGKILL)
        code = trial.ended(child).code
        if code not in STRUCK[kind]:
            # It finished before the interruption, so there is nothing left to interrupt.
            assert code in {0, 7}, trial.transcript
            break
        codes.append(code)
    return codes


def faults(rng: random.Random) -> list[Json]:
    """One to four rules of any kind, each with an end."""
    families = (("create", _CREATE_FAULTS), ("get", _GET_FAULTS), ("download", _DOWNLOAD_FAULTS))
    rules: list[Json] = []
    for _ in range(rng.randint(1, 4)):
        operation, known = rng.choice(families)
        rules.append(
            {
                "on": operation,
                "do": rng.choice(known),
                "after": rng.randint(0, 3),
                "times": rng.randint(1, 4),
                "probability": rng.choice((0.5, 1.0)),
                "seed": rng.randrange(1 << 16),
            }
        )
    return rules


@dataclass(frozen=True, slots=True)
class Chance:
    """One history. `kind` is `kill`, `term`, `store` or `faults`; the same seed and number give the same plan.

    `store` also kills, but runs whose files go to an object store.
    """

    kind: str
    seed: int
    number: int

    def play(self, folder: Path, vendor: Emulator, fork_server: ForkServer) -> list[int]:
        """Play it to its end and check the promises.

        Returns the exit codes of the interrupted runs.

        Raises:
            AssertionError: a promise is broken; with the seed and the output of all runs.
        """
        rng = random.Random(f"{self.seed}/{self.kind}/{self.number}")
        trial = Trial.of(folder / f"{self.kind}-{self.number}", vendor, fork_server, 2)
        with self._store_for(trial):
            try:
                codes = self._disturb(trial, rng)
                trial.assert_kept(trial.run_until_done())
            except AssertionError as error:
                raise AssertionError(f"PIPELINE_TEST_SEED={self.seed}, {self}: {error}") from error
        return codes

    @contextmanager
    def _store_for(self, trial: Trial) -> Iterator[None]:
        if self.kind != "store":
            yield
            return
        # Imported here, as the import takes seconds.
        from support.s3 import S3Server

        trial.store = S3Server()
        try:
            trial.store.empty()
            yield
        finally:
            trial.store.close()

    def _disturb(self, trial: Trial, rng: random.Random) -> list[int]:
        if self.kind != "faults":
            return strike(trial, self.kind, rng)
        trial.vendor.fail(*faults(rng))
        codes = [trial.run(PIPELINE_REQUEST_TIMEOUT="0.5").code for _ in range(2)]
        trial.vendor.clear_faults()
        return codes


def vendor_in(folder: Path) -> Emulator:
    """A vendor of tiny media whose workflows take time; use it in a `with`."""
    return Emulator(EmulatorSettings.tiny(folder, _DURATION))
