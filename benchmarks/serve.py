"""The live page: what it costs while a run goes on, and how soon a change is told to every browser."""

import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.campaigns import from_matrix
from benchmarks.measuring import Failed
from benchmarks.report import Row, at_most

_RATE = 50.0
_BROWSERS = 3
_TICKS = os.sysconf("SC_CLK_TCK")


class Browser:
    """Listens as a browser does, and notes when it heard of each step of each purchase."""

    def __init__(self, url: str) -> None:
        self.heard: dict[tuple[str, str], float] = {}
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open
        base = url.partition("/?")[0]
        self._open(url).read()
        after = json.load(self._open(f"{base}/data"))["live"]["event"]
        self._events = f"{base}/events?after={after}"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with self._open(self._events) as answer:
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                now = time.monotonic()
                for change in json.loads(line[6:])["campaigns"]:
                    for row in change.get("purchases", ()):
                        self.heard.setdefault((row["id"], row["status"]), now)


def rows(bench: Bench) -> Iterator[Row]:
    """The share of a core that the server takes, and the longest that a finished job took to be told."""
    [jobs] = bench.sizes(2000) if bench.jobs is None else bench.jobs[:1]
    seconds = 1.0 if bench.smoke else 20.0
    rate = 4.0 if bench.smoke else _RATE
    shares, lags = [], []
    for _ in range(bench.times()):
        campaign = from_matrix(bench.fresh("serve"), jobs)
        bench.program("seed", campaign.manifest, "submitted").measure()
        share, lag = _served(bench, campaign.manifest, rate, seconds)
        shares.append(share)
        lags.append(lag)
    what = f"serve, {jobs:,} jobs, {rate:g} transitions a second, {_BROWSERS} browsers"
    yield Row(f"{what}: share of a core", shares, "", at_most(0.1))
    yield Row(f"{what}: seconds until the last browser knows", lags, "s", at_most(1.0))


def _served(bench: Bench, manifest: Path, rate: float, seconds: float) -> tuple[float, float]:
    command = bench.pipeline("serve", manifest, "--listen", "127.0.0.1:0")
    server = subprocess.Popen(
        list(map(str, command.arguments)),
        env=dict(command.environment),
        cwd=command.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if "http://" not in line:
            raise Failed(f"{command}: it never listened")
        browsers = [Browser(line.split()[-1]) for _ in range(_BROWSERS)]
        steps, share = _moved(bench, manifest, rate, seconds, server.pid)
        wanted = {(purchase, status): at for purchase, status, at in steps if status == "done"}
        deadline = time.monotonic() + 30
        while any(wanted.keys() - each.heard.keys() for each in browsers) and time.monotonic() < deadline:
            time.sleep(0.05)
        if any(wanted.keys() - each.heard.keys() for each in browsers):
            raise Failed(f"{command}: a browser was never told of all that was done")
        return share, max(each.heard[step] - at for each in browsers for step, at in wanted.items())
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _moved(
    bench: Bench, manifest: Path, rate: float, seconds: float, server: int
) -> tuple[list[tuple[str, str, float]], float]:
    """Each step with its moment, and the share of a core that the server took meanwhile."""
    output = bench.fresh("steps.jsonl")
    command = bench.program("transitions", manifest, rate, seconds, output=output)
    before, begun = _cpu(server), time.monotonic()
    command.measure()
    spent, took = _cpu(server) - before, time.monotonic() - begun
    steps = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    return [(each[0], each[1], each[2]) for each in steps], spent / took


def _cpu(process: int) -> float:
    """The seconds of CPU that a process has taken. Only Linux tells this of another one."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
