"""Real processes, killed while they commit: acknowledged data survives, and the next run continues."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.calling import PATIENCE
from support.protection import fails_without

from pipeline.errors import InvalidInput, StateLocked
from pipeline.purchases import PurchaseId, Status
from pipeline.state.opening import open_store
from state.conftest import NOW, StateHarness, buy, purchase

BUYS_WITHOUT_END = """
import itertools, sys
from pathlib import Path
from pipeline.state.events import Accepted
from state.conftest import *

harness = StateHarness(Path(sys.argv[1]))
store = harness.open("killed")
print("open", flush=True)
for number in itertools.count(int(sys.argv[2])):
    bought = buy(store, number)
    print("intent", bought.id, flush=True)
    move(store, bought, Accepted(f"w{number}"))
    print("accepted", bought.id, flush=True)
"""


def spawn(source: str, *arguments: object) -> subprocess.Popen[str]:
    unit = Path(__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        env={"PYTHONPATH": os.pathsep.join(map(str, (unit, unit.parent, unit.parents[1])))},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_acknowledged_commits_survive_a_kill(harness: StateHarness) -> None:
    intents: set[str] = set()
    accepted: set[str] = set()
    for round_number in range(6):
        process = spawn(BUYS_WITHOUT_END, harness.folder, round_number * 1000)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        if round_number == 0:
            with pytest.raises(StateLocked, match=str(process.pid)):
                harness.open()
        lines = [process.stdout.readline() for _ in range(5 + 7 * round_number)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait(timeout=30)
        process.stdout.close()
        for line in lines:
            event, _, purchase_id = line.strip().partition(" ")
            if len(purchase_id) == 16:
                (intents if event == "intent" else accepted).add(purchase_id)

        seen = harness.read().records().purchases
        assert intents <= seen.keys()
        # Reading changed nothing for the next run.
        store = harness.open(f"after-{round_number}")
        store.recover(NOW)
        held = store.records().purchases
        assert seen.keys() == held.keys()
        assert all(held[PurchaseId(purchase_id)].status is Status.SUBMITTED for purchase_id in accepted)
        assert all(each.status in {Status.SUBMITTED, Status.ATTENTION} for each in held.values())
        assert sum(each.status is Status.ATTENTION for each in held.values()) <= round_number + 1
        store.close()


def test_run_killed_while_creating_the_state_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    process = spawn(DIES_AT, tmp_path)
    said, _ = process.communicate(timeout=PATIENCE)
    runs, code = map(int, said.split())

    assert code == 0
    assert runs > 15
    for number in range(1, runs + 1):
        harness = StateHarness(tmp_path / str(number))
        assert harness.read().records().purchases.keys() <= {purchase(1).id}
        store = harness.open("next")
        assert store.records().purchases.keys() <= {purchase(1).id}
        store.close()


# Runs are killed at the Nth call that touches the disk, N = 1, 2, …, until one ends otherwise. They are forked, as it
# would take much longer to start each.
DIES_AT = """
import os, signal, sys
from itertools import count
from pathlib import Path
from state.conftest import *

def run(harness, left):
    def strike(event, arguments):
        nonlocal left
        touches = ("os.mkdir", "os.rename", "os.remove", "os.truncate", "sqlite3.connect", "fcntl.flock")
        if event in touches or (event == "open" and ".pipeline" in str(arguments[0])):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(strike)
    store = harness.open()
    buy(store)
    store.close()

for number in count(1):
    harness = StateHarness(Path(sys.argv[1]) / str(number))
    harness.folder.mkdir()
    harness.manifest.touch()
    child = os.fork()
    if child == 0:
        run(harness, number)
        sys.exit()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != -signal.SIGKILL:
        print(number, code)
        break
"""


@fails_without(
    "pipeline.state.lock:once_in_this_process.let_go",
    "if os.getpid() == owner:",
    swap=("os.getpid() == owner", "True"),
)
def test_forked_child_may_exit_without_closing_the_state(harness: StateHarness) -> None:
    store = harness.open()
    bought = buy(store)
    child = os.fork()
    if child == 0:
        store.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(StateLocked):
        harness.open("run-2")
    assert list(store.records().purchases) == [bought.id]
    buy(store, 2)
    # It still has the purchase_id of a state that is incomplete without its -wal.
    copy = harness.folder / "copy.db"
    shutil.copy(harness.state, copy)
    with pytest.raises(InvalidInput, match="-wal"):
        open_store(copy, campaign="spring", manifest=None, run="", writable=False, now=NOW)
    store.close()
    assert len(harness.open("run-2").records().purchases) == 2
