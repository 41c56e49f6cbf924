#!/usr/bin/env python3
"""Makes the pictures of the documentation in `docs/images`: the gallery and the live page, light and dark.

Two campaigns are run for them on the emulator, in a temporary folder: the quickstart, and `manifests/launch.yaml`
with a few faults, decisions and an edit. It takes a few minutes and needs a Chromium. `python docs/pictures.py NAME…`
makes only those whose name begins so.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
LARGEST = 300_000
DESKTOP, PHONE = (1440, 900), (390, 780)
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Images far below the window, and those of a view that was left, are loaded when somebody looks at them.
_ALL_SHOWN = """() => {
  const isSeen = (each) => each.checkVisibility() && each.getBoundingClientRect().top <= innerHeight;
  return [...document.images].every((each) => each.complete || !isSeen(each)) &&
    [...document.querySelectorAll("video[src]")].every((each) => each.readyState > 1);
}"""
# What is shown is this checkout, whichever is installed.
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PIPELINE_POLL_INTERVAL": "0.5"}
_FAULTS = """faults:
  - {{on: create, match: {{title: {job}/locale=es}}, do: fail}}
  - {{on: create, match: {{title: {job}/locale=fr}}, do: reset-after-processing}}
"""
_FIRST_REVIEW = (
    ("approve", "hero/overlay/red/leap", "--rating", "5"),
    ("approve", "hero/overlay/blue/stroll/background=city", "--rating", "4"),
    ("approve", "hero/overlay/blue/leap/background=beach"),
    ("reject", "hero/overlay/red/stroll/background=beach", "--note", "Too dark"),
    ("redo", "hero/overlay/red/stroll/background=city", "--note", "Slower, please"),
)
_DECISIONS = (
    ("approve", "hero/wide/red/walk/background=beach", "--rating", "5", "--note", "The one for the homepage"),
    ("approve", "hero/wide/blue/walk/background=beach"),
    ("approve", "feed/loop"),
    ("reject", "social/story/mug#2"),
)
_NOTE = ("--at", "1.25", "--note", "The laces catch the light here")


@dataclass(frozen=True, slots=True)
class Picture:
    """A page to open at an address, in a window of this size, scrolled to what `at` selects; videos at `moment`."""

    name: str
    page: Path
    address: str = ""
    size: tuple[int, int] = DESKTOP
    at: str = ""
    moment: float = 0  # in seconds


def main() -> int:
    """Make the pictures that are asked for; all, if none is named."""
    wanted = tuple(sys.argv[1:])
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary)
        if wanted != ("live",):
            gallery, taken = launch(folder / "launch")
            for picture in pictures(quickstart(folder / "quickstart"), gallery, taken[1:]):
                if not wanted or picture.name in wanted:
                    for theme in THEMES:
                        take(browser, picture, theme)
            if not wanted or "detail" in wanted:
                detail(browser, folder / "launch", taken[0])
        if not wanted or "live" in wanted:
            live(browser, folder / "live")
    return 0


def pictures(quickstart: Path, gallery: Path, taken: Sequence[str]) -> Iterator[Picture]:
    """What is shown of the two galleries; `taken` are a replaced purchase and the one that came after it."""
    yield Picture("quickstart", quickstart)
    yield Picture("overview", gallery)
    yield Picture("grid", gallery, "#q=image%3Amug", at="[role=status]")
    yield Picture("compare", gallery, f"#compare={','.join(taken)}", moment=1.25)
    yield Picture("failures", gallery, "#view=failures")
    yield Picture("phone", gallery, size=PHONE)


def quickstart(folder: Path) -> Path:
    """The quickstart, of which some is decided; its gallery."""
    shutil.copytree(
        ROOT / "examples" / "quickstart", folder, ignore=shutil.ignore_patterns("output", ".pipeline")
    )
    pipeline(folder, "run", "campaign.yaml", "--emulate", "--yes")
    for command, *arguments in _FIRST_REVIEW:
        pipeline(folder, command, "campaign.yaml", "--emulate", *arguments)
    return report(folder, "campaign.yaml", "--emulate")


def launch(folder: Path) -> tuple[Path, list[str]]:
    """A campaign with a past: failures, decisions, changes. Its gallery; a job, what served it, what does."""
    shutil.copytree(ROOT / "manifests", folder, ignore=shutil.ignore_patterns("output", ".pipeline"))
    manifest = folder / "launch.yaml"
    with emulator(folder, failing="mug/walk/background=beach") as vendor:
        pipeline(folder, "run", manifest.name, "--yes", vendor=vendor, ends={7})
        for command, *arguments in _DECISIONS:
            pipeline(folder, command, manifest.name, *arguments)
        replace(manifest, "shrugs off", "laughs at")
        replace(folder / "base.yaml", "backgrounds/city.mp4", "backgrounds/downtown.mp4")
        pipeline(folder, "redo", manifest.name, "social/story/mug", "--note", "Closer, please")
        pipeline(folder, "run", manifest.name, "--yes", "--select", "hero", vendor=vendor, ends={7})
    results = json.loads((folder / "launch.results.json").read_text("utf-8"))
    job = next(each for each in results["jobs"] if "red/rain/background=city/locale=en" in each["key"])
    bought = [each["id"] for each in results["purchases"] if each["key"] == job["key"]]
    pipeline(folder, "approve", manifest.name, job["key"], "--rating", "4", "--as", "Ana", *_NOTE)
    return report(folder, manifest.name), [job["key"], *bought]


def replace(file: Path, old: str, new: str) -> None:
    """Write a file with `new` in the place of `old`."""
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")


def detail(browser: Browser, folder: Path, job: str) -> None:
    """A job with its notes and stars, on the page of `pipeline serve`, which saves decisions."""
    with started(folder, "serve", "launch.yaml", "--listen", "127.0.0.1:0") as served:
        address = first_address(served)
        with window(browser, DESKTOP, "light") as page:
            page.goto(f"{address}#job={quote(job)}")
            page.wait_for_selector("body[data-view=job]")
            show_moment(page, 1.25)
            for theme in THEMES:
                page.emulate_media(color_scheme=theme)
                save(page, f"detail-{theme}")


def live(browser: Browser, folder: Path) -> None:
    """The page of `pipeline serve`, while a run is under way of which something has failed already."""
    shutil.copytree(ROOT / "manifests", folder, ignore=shutil.ignore_patterns("output", ".pipeline"))
    with emulator(folder, failing="blue/rain/background=beach", seconds=8) as vendor:
        # Once each template has made something, the page tells the time left.
        for earlier in ("feed", "social/story/red"):
            pipeline(folder, "run", "launch.yaml", "--yes", "--select", earlier, vendor=vendor)
        with (
            started(folder, "run", "launch.yaml", "--yes", "--in-flight", "6", vendor=vendor) as run,
            started(folder, "serve", "launch.yaml", "--listen", "127.0.0.1:0") as served,
        ):
            address = first_address(served)
            while (jobs := jobs_by_status(folder)).get("done", 0) < 12 or not jobs.get("failed"):
                if run.poll() is not None:
                    sys.exit(f"the run ended too soon\n{(folder / 'said.log').read_text('utf-8')}")
                time.sleep(1)
            for theme in THEMES:
                with window(browser, DESKTOP, theme) as page:
                    page.goto(f"{address}#view=live")
                    page.wait_for_selector("body[data-view=live]")
                    page.wait_for_timeout(1_000)  # for what the server sends first
                    page.get_by_role("heading", name=re.compile("left")).wait_for()
                    save(page, f"live-{theme}")


def jobs_by_status(folder: Path) -> dict[str, int]:
    """How many jobs of the campaign are done, under way, and so on."""
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "status", "launch.yaml", "--format", "json"],
        cwd=folder,
        env=_ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    jobs: dict[str, int] = json.loads(ended.stdout)["summary"]["jobs"]
    return jobs


# How they are made


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        sys.exit("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])


@contextmanager
def window(browser: Browser, size: tuple[int, int], theme: Theme) -> Iterator[Page]:
    """A window of this size, as sharp as a page of the documentation shows it."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        device_scale_factor=2 if size == PHONE else 4 / 3,
        bypass_csp=True,  # for what looks whether all is shown
    )
    yield context.new_page()
    context.close()


def take(browser: Browser, picture: Picture, theme: Theme) -> None:
    """Open the page and write `NAME-THEME.webp`."""
    with window(browser, picture.size, theme) as page:
        page.goto(f"{picture.page.as_uri()}{picture.address}")
        page.wait_for_selector("body[data-view]")
        if picture.at:
            page.locator(picture.at).evaluate(
                "each => window.scrollBy(0, each.getBoundingClientRect().top - 70)"
            )
        if picture.moment:
            show_moment(page, picture.moment)
        save(page, f"{picture.name}-{theme}")


def show_moment(page: Page, seconds: float) -> None:
    """Have the videos of the page stand at a moment."""
    page.wait_for_function(_ALL_SHOWN, timeout=20_000)
    page.evaluate("seconds => reel.seek(seconds)", seconds)


def save(page: Page, name: str) -> None:
    """Write what the window shows once its stills and videos are there, in at most `LARGEST` bytes."""
    page.wait_for_function(_ALL_SHOWN, timeout=20_000)
    with Image.open(io.BytesIO(page.screenshot(animations="disabled"))) as image:
        for quality in (85, 70, 50):
            written = io.BytesIO()
            image.save(written, "WEBP", quality=quality, method=6)
            if written.tell() <= LARGEST:
                break
    (IMAGES / f"{name}.webp").write_bytes(written.getvalue())
    sys.stdout.write(f"docs/images/{name}.webp: {written.tell():,} bytes\n")


@contextmanager
def emulator(folder: Path, *, failing: str, seconds: float = 0.5) -> Iterator[Mapping[str, str]]:
    """An emulator with faults, in two languages of one job; what the environment of a run needs to find it."""
    (folder / "faults.yaml").write_text(_FAULTS.format(job=failing), "utf-8")
    arguments = ("emulator", "--port", "0", "--faults", "faults.yaml", "--duration", str(seconds))
    with started(folder, *arguments) as running:
        yield {"VIMMERSE_BASE_URL": first_address(running), "VIMMERSE_API_KEY": "anything"}


@contextmanager
def started(
    folder: Path, *arguments: str, vendor: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A command that goes on until it is not needed any more."""
    with (folder / "said.log").open("a", encoding="utf-8") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=folder,
            env={**_ENVIRONMENT, **(vendor or {})},
            stdout=log if arguments[0] == "run" else subprocess.PIPE,
            stderr=log,
            encoding="utf-8",
        )
        try:
            yield running
        finally:
            running.terminate()
            running.wait()


def first_address(process: "subprocess.Popen[str]") -> str:
    """The address in the first line that has one."""
    for line in process.stdout or ():
        if found := re.search(r"https?://\S+", line):
            return found[0].rstrip(".,)")
    sys.exit("it ended before it told its address")


def report(folder: Path, *arguments: str) -> Path:
    """The gallery of a campaign."""
    page = folder / "report"
    pipeline(folder, "report", *arguments, "--out", str(page))
    return page / "index.html"


def pipeline(
    folder: Path, *arguments: str, vendor: Mapping[str, str] | None = None, ends: Collection[int] = (0,)
) -> None:
    """Run a command, which has to end with one of `ends`."""
    environment = {**_ENVIRONMENT, **(vendor or {})}
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ended.returncode not in ends:
        sys.exit(
            f"pipeline {' '.join(arguments)}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"
        )


if __name__ == "__main__":
    sys.exit(main())
