"""Start-up: what each command takes before there is anything to do, beside an interpreter that does nothing."""

import statistics
from collections.abc import Iterator, Mapping

from benchmarks.bench import Bench
from benchmarks.campaigns import from_table
from benchmarks.installation import environment
from benchmarks.loopback import vendor
from benchmarks.measuring import Command, by_turns
from benchmarks.report import Row, at_most

_ROUNDS = 15
_GOALS = {
    "--help": at_most(7.0),
    "validate": at_most(12.0),
    "status": at_most(12.0),
    "plan": at_most(14.0),
    "completion after `pipeline run --`": at_most(15.0),
}


def rows(bench: Bench) -> Iterator[Row]:
    """CPU of each command on a campaign of a few jobs that are done."""
    commands = {name: each for name, each in _commands(bench).items() if name in _GOALS or not bench.smoke}
    nothing = bench.python("-c", "pass")
    measures = [each.measure for each in (nothing, *commands.values())]
    # The first round brings into memory what lies on disk, and is left out.
    rounds = list(by_turns(bench.times(_ROUNDS + 1), *measures))
    rounds = rounds[1:] or rounds
    beside = f"`python -c pass` {statistics.median(costs[0].cpu for costs in rounds) * 1000:.0f} ms"
    for place, name in enumerate(commands, start=1):
        ratios = [costs[place].cpu / costs[0].cpu for costs in rounds]
        yield Row(f"start-up, {name}: × `python -c pass`", ratios, goal=_GOALS.get(name), beside=beside)


def _commands(bench: Bench) -> Mapping[str, Command]:
    campaign = from_table(bench.fresh("small"), 4)
    with vendor() as asked:
        bench.pipeline("run", campaign.manifest, "--yes", around=asked.environment).measure()
    manifest = campaign.manifest
    asks_for = {"_PIPELINE_COMPLETE": "bash_complete", "COMP_WORDS": "pipeline run --", "COMP_CWORD": "2"}
    return {
        "--help": bench.pipeline("--help"),
        "--version": bench.pipeline("--version"),
        **{
            name: bench.pipeline(name, manifest)
            for name in ("validate", "expand", "plan", "status", "verify", "results", "run", "collect")
        },
        "state export": bench.pipeline("state", "export", manifest),
        "show": bench.pipeline("show", manifest, "hero/loop/p000000/turn"),
        "templates": bench.pipeline("templates"),
        "schema campaign": bench.pipeline("schema", "campaign"),
        "completion after `pipeline run --`": bench.pipeline(around=environment(asks_for)),
    }
