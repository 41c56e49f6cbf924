"""Webhooks: how soon a call is answered while forged ones pour in, and what calls that are lost cost in GETs."""

import json
import socket
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.bench import Bench
from benchmarks.campaigns import TEMPLATE, from_table
from benchmarks.installation import environment
from benchmarks.measuring import Failed
from benchmarks.report import Row, at_most

_RATE = 500


def rows(bench: Bench) -> Iterator[Row]:
    """The time to answer under a flood, the memory that it costs, and the GETs of a run that is called."""
    seconds = 1 if bench.smoke else 10
    ours, bare, grown = [], [], []
    for _ in range(bench.times()):
        bare.append(_flooded(bench, "bare", seconds)["slowest"])
        measured = _flooded(bench, "ours", seconds)
        ours.append(measured["slowest"])
        grown.append(measured["grown"] / 2**20)
    what = f"webhooks, {_RATE} calls a second for {seconds} s, 9 of 10 forged"
    beside = f"an application that answers nothing but 404: {statistics.median(bare):.1f} ms"
    yield Row(f"{what}: answered, 99th percentile", ours, "ms", at_most(200), beside)
    yield Row(f"{what}: memory grown", grown, "MiB", at_most(8))
    yield _gets(bench)


def _flooded(bench: Bench, kind: str, seconds: float) -> dict[str, float]:
    """The 99th percentile of the answers in milliseconds, and the bytes by which the receiver grew."""
    program: list[str | Path] = [
        bench.installation.python,
        "-P",
        "-m",
        "benchmarks.programs.hooks",
        "serve",
        kind,
    ]
    output = bench.fresh("answers")
    with subprocess.Popen(
        program, cwd=bench.folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        if server.stdin is None or server.stdout is None:
            raise TypeError(server)
        port = server.stdout.readline().strip()
        bench.program("hooks", "call", port, _RATE, 0.2).measure()
        server.stdin.write("\n")
        server.stdin.flush()
        server.stdout.readline()
        bench.program("hooks", "call", port, _RATE, seconds, output=output).measure()
        server.stdin.close()
        took = json.loads(server.stdout.read())
    answers = json.loads(output.read_text(encoding="ascii"))
    sound = sum(status == 204 for status in answers["statuses"])
    if kind == "ours" and sound * 10 != len(answers["statuses"]):
        raise Failed(f"{sound} of {len(answers['statuses'])} calls were taken for sound")
    times = answers["seconds"]
    return {"slowest": times[int(len(times) * 0.99)] * 1000, "grown": took["grown"]}


def _gets(bench: Bench) -> Row:
    """A run whose calls get lost (10 %), doubled (10 %) or forged (5 %)."""
    [jobs] = bench.sizes(1000) if bench.jobs is None else bench.jobs[:1]
    campaign = from_table(bench.fresh("hooked"), jobs)
    manifest = json.loads(campaign.manifest.read_text(encoding="utf-8"))
    manifest["catalog"] = {"file": "hooks.json"}
    campaign.manifest.write_text(json.dumps(manifest), encoding="utf-8")
    known = {"version": 1, "templates": {TEMPLATE: {"webhook": True}}}
    (campaign.folder / "hooks.json").write_text(json.dumps(known), encoding="utf-8")
    faults = campaign.folder / "faults.json"
    strikes = [
        ("drop", range(3, jobs + 1, 10)),
        ("twice", range(5, jobs + 1, 10)),
        ("forged", range(7, jobs + 1, 20)),
    ]
    rules: list[Any] = [{"on": "webhook", "nth": list(nth), "do": name} for name, nth in strikes if nth]
    # It strikes nothing, and counts every GET.
    rules.append({"on": "get", "probability": 0.0, "do": "html"})
    faults.write_text(json.dumps({"faults": rules}), encoding="utf-8")
    gets = _called(bench, campaign.manifest, faults)
    return Row(
        f"webhooks, {jobs:,} jobs, 10 % of the calls lost, 10 % double, 5 % forged: GETs",
        [gets / jobs],
        "a job",
        at_most(1.2),
    )


def _called(bench: Bench, manifest: Path, faults: Path) -> int:
    """Run the campaign at an emulator that calls; how often it was asked for a workflow."""
    work: list[str | Path] = ["--duration", "2", "--size", "64x36", "--dir", bench.fresh("emulator")]
    command = [bench.installation.pipeline, "emulator", "--port", "0", "--faults", faults, *work]
    with subprocess.Popen(
        command, cwd=bench.folder, env=environment(), stdout=subprocess.PIPE, encoding="utf-8"
    ) as emulator:
        try:
            if emulator.stdout is None:
                raise TypeError(emulator)
            url = next(word for word in emulator.stdout.readline().split() if word.startswith("http"))
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address = f"127.0.0.1:{free.getsockname()[1]}"
            around = environment({"VIMMERSE_BASE_URL": url, "VIMMERSE_API_KEY": "any"})
            hooks = ("--webhook-url", f"http://{address}", "--webhook-listen", address)
            bench.pipeline("run", manifest, "--yes", "--no-download", *hooks, around=around).measure()
            asked = Request(f"{url}/_emulator/state", headers={"X-Api-Key": "any"})
            with urlopen(asked) as answer:
                return int(json.load(answer)["faults"][-1]["seen"])
        finally:
            emulator.terminate()
