"""`python -m benchmarks`: measures what is asked for and prints the table."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks import (
    cluster,
    detection,
    emulator,
    expansion,
    lifecycle,
    noop,
    serve,
    startup,
    waiting,
    webhooks,
)
from benchmarks.bench import Bench
from benchmarks.installation import installed
from benchmarks.measuring import PATIENCE, Failed, TooSlow
from benchmarks.report import Row, as_json, machine, table

PARTS: Mapping[str, Callable[[Bench], Iterator[Row]]] = {
    "lifecycle": lifecycle.rows,
    "waiting": waiting.rows,
    "expand": expansion.expand_rows,
    "plan": expansion.plan_rows,
    "noop": noop.rows,
    "startup": startup.rows,
    "detection": detection.rows,
    "flight": detection.in_flight_rows,
    "emulator": emulator.rows,
    "webhooks": webhooks.rows,
    "serve": serve.rows,
    "cluster": cluster.rows,
}


def main() -> int:
    """Measure, and print what was found; the exit code says only whether everything could be measured."""
    given = _arguments()
    with tempfile.TemporaryDirectory(prefix="pipeline-bench-") as folder:
        bench = Bench(
            installed(),
            Path(folder),
            smoke=given.smoke,
            runs=given.runs,
            jobs=tuple(given.jobs) if given.jobs else None,
            patience=given.patience,
        )
        found: list[Row] = []
        code = 0
        for part in given.parts or PARTS:
            print(f"measuring {part} …", file=sys.stderr, flush=True)
            try:
                for row in PARTS[part](bench):
                    found.append(row)
                    print(f"  {' | '.join(filter(None, row.cells()))}", file=sys.stderr, flush=True)
            except TooSlow as error:
                found.append(Row(f"{part}: a command", [], beside=str(error)))
            except Failed as error:
                print(f"{part}: {error}", file=sys.stderr)
                code = 1
    if given.json:
        print(as_json(found))
    else:
        print("; ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
        print(table(found))
    return code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--smoke", action="store_true", help="As small as can be: shows that it works.")
    parser.add_argument("--runs", type=int, default=3, help="How often each measurement is made.")
    parser.add_argument("--jobs", type=int, nargs="+", help="These sizes in the place of the usual ones.")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="Seconds for one command.")
    parser.add_argument("--json", action="store_true", help="Print JSON.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
