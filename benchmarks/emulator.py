"""The emulator: what a clip costs beside the encoding of its pictures alone."""

import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.installation import environment
from benchmarks.report import Row

_PAUSE = 0.2


def rows(bench: Bench) -> Iterator[Row]:
    """Clips a second of CPU, with and without all that makes their pictures."""
    clips = 1 if bench.smoke else 20
    ratios, rates = [], []
    for _ in range(bench.times()):
        folder = bench.fresh("clips")
        folder.mkdir()
        each = (_cpu(bench, clips, folder) - _cpu(bench, 0, folder)) / clips
        output = bench.fresh("encoded")
        bench.program("yardsticks", "encode", folder / "0.mp4", clips, output=output).measure()
        ratios.append(float(output.read_text(encoding="ascii")) / each)
        rates.append(1 / each)
    yield Row(
        "emulator: clips a second of CPU, against encoding their pictures alone",
        ratios,
        beside=f"{statistics.median(rates):.2f} clips a second of CPU",
    )


def _cpu(bench: Bench, clips: int, folder: Path) -> float:
    """The seconds of CPU of an emulator that makes so many clips, from its start to its end."""
    command: list[str | Path] = [
        bench.installation.pipeline,
        "emulator",
        "--duration",
        "0",
        "--dir",
        bench.fresh("emulator"),
    ]
    with subprocess.Popen(
        command, cwd=bench.folder, env=environment(), stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        try:
            if process.stdout is None:
                raise TypeError(process)
            url = next(word for word in process.stdout.readline().split() if word.startswith("http"))
            around = environment({"VIMMERSE_BASE_URL": url, "VIMMERSE_API_KEY": "any"})
            threads = max(clips, 1)
            bench.program("yardsticks", "calls", clips, threads, _PAUSE, folder, around=around).measure()
        finally:
            process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime
