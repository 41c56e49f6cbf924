"""A chained job is made from the file that its upstream keeps as its first, never from one that is only a guess."""

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.protection import fails_without

from engine.harness import USUAL, Harness, RunResult, job
from engine.vendor import Script, success
from pipeline.errors import ExitCode
from pipeline.jobs import MediaType, UpstreamOutput
from pipeline.providers.base import Attachment, DownloadFailed, Media, NotFound, Workflow

SKETCH = job("sketch")
FILM = job("film", images=(UpstreamOutput(SKETCH.key, media=MediaType.VIDEO),))
WITHOUT_FILES = replace(USUAL, download=False)
NOT_IDENTIFIED = (
    f"only the files themselves tell which of those that the vendor lists for {SKETCH.key} it is made from: "
    "download them with `pipeline collect`, then run again"
)
NOWHERE = (
    f"the vendor no longer has the workflow of {SKETCH.key} (HTTP 404), and sketch.mp4 is not on this machine as it "
    "was downloaded; copy that into the output folder from the machine that has it, or have it made again with "
    "`pipeline redo` (see docs/reference/errors.md#missing-workflow)"
)
SIGNATURE = {"video/mp4": b"\x00\x00\x00\x18ftypmp42", "image/png": b"\x89PNG\r\n\x1a\n"}


@dataclass(frozen=True)
class File:
    """A file that the vendor lists under the path or the query that `style` says, new each time if it is renewed."""

    name: str
    style: str = "path"
    content_type: str = "video/mp4"
    size: int | None = None

    def listed(self, number: int) -> Media:
        urls = {
            "same": f"https://media.test/{self.name}",
            "signed": f"https://media.test/{self.name}?{number}",
            "path": f"https://media.test/{number}/{self.name}",
            "query": f"https://media.test/get?{number}/{self.name}",
        }
        return Media(urls[self.style], self.content_type, self.size)


def content_of(url: str) -> bytes:
    name = url.partition("?")[0].rpartition("/")[2]
    name = url.rpartition("/")[2] if name == "get" else name
    return SIGNATURE["image/png" if "still" in name else "video/mp4"] + name.encode()


def lists(harness: Harness, answers: Sequence[Sequence[File]]) -> None:
    """Let the vendor list these files, by the number of the GET; the answers are repeated."""
    numbers = itertools.count()

    def answer() -> Workflow:
        number = next(numbers)
        return success(*(each.listed(number) for each in answers[number % len(answers)]))

    harness.vendor.contents = Script(content_of)
    harness.vendor.poll_answers["sketch"] = [answer]


def first_film(harness: Harness) -> bytes:
    """The content of the first video that the sketch keeps."""
    folder = harness.folder / "output"
    return next(
        path.read_bytes()
        for name in ("sketch.mp4", *(f"sketch-{number}.mp4" for number in range(2, 9)))
        if (path := folder / name).exists()
    )


def made_from(harness: Harness) -> list[bytes]:
    """The content of what each film was made from."""
    images = [each.images[0] for each in harness.vendor.requests if each.title == "film"]
    return [each.content if isinstance(each, Attachment) else content_of(each) for each in images]


A, B, STILL = File("a"), File("b"), File("still", content_type="image/png")


@fails_without("pipeline.engine.upstream:_unfetched", "raise _not_identified(source, purchase)")
@pytest.mark.parametrize("style", ["path", "query"])
def test_chain_follows_the_order_of_the_files_if_the_vendor_turns_it(harness: Harness, style: str) -> None:
    one, two = replace(A, style=style), replace(B, style=style)
    lists(harness, [(one, two), (two, one)])

    ran = harness.run(SKETCH, FILM)

    assert ran.statuses == {"sketch": "done", "film": "done"}
    assert made_from(harness) == [first_film(harness)]
    assert not ran.codes


def test_job_waits_for_a_slow_download_and_asks_the_vendor_nothing_meanwhile(harness: Harness) -> None:
    lists(harness, [(A, B), (B, A)])
    harness.executor.held.add("fetch")
    harness.clock.later(500.0, harness.let_go)

    ran = harness.run(SKETCH, FILM)

    assert ran.statuses == {"sketch": "done", "film": "done"}
    assert made_from(harness) == [first_film(harness)]
    assert len(harness.vendor.when("get sketch")) == 3


def test_job_is_left_to_the_next_run_if_the_files_do_not_arrive(harness: Harness) -> None:
    lists(harness, [(A, B), (B, A)])
    harness.vendor.contents = Script(lambda _: DownloadFailed("reset"))

    ran = harness.run(SKETCH, FILM)

    assert ran.statuses == {"sketch": "succeeded", "film": "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert f"{FILM.key}: none of the files of {SKETCH.key} are downloaded; run again" in ran.report.notes


def test_without_downloads_a_job_that_only_these_could_decide_is_named(harness: Harness) -> None:
    lists(harness, [(A, B), (B, A)])

    ran = harness.run(SKETCH, FILM, settings=WITHOUT_FILES)

    assert ran.statuses == {"sketch": "succeeded", "film": "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.notes == [f"{FILM.key}: not bought: {NOT_IDENTIFIED}"]
    assert harness.run(SKETCH, FILM).statuses == {"sketch": "done", "film": "done"}
    assert made_from(harness) == [first_film(harness)]


def test_nothing_is_made_from_one_of_several_files_of_a_step_that_are_not_kept(harness: Harness) -> None:
    film = job("film", images=(UpstreamOutput(SKETCH.key, "crop"),))
    answers = [success(A.listed(0), steps=(("crop", (A.listed(n), B.listed(n))),)) for n in range(9)]
    harness.vendor.poll_answers["sketch"] = list(answers)
    harness.vendor.contents = Script(content_of)

    ran = harness.run(SKETCH, film)

    assert ran.statuses == {"sketch": "done", "film": "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "set `output: {steps: true}` and have that made again with `pipeline redo`" in ran.report.notes[0]

    kept = job("sketch", steps=True)
    again = harness.run(kept, film, replacing=[kept])
    assert again.statuses == {"sketch": "done", "film": "done"}
    assert made_from(harness) == [(harness.folder / "output/sketch.steps/01-crop.mp4").read_bytes()]


@pytest.mark.parametrize(
    "answers",
    [
        [(A, STILL), (STILL, A)],
        [(A,), (A,)],
        [(replace(A, style="signed"), B), (B, replace(A, style="signed"))],
        [(A, replace(B, style="signed")), (replace(B, style="signed"), A)],
        [(replace(A, size=5), replace(B, size=6)), (replace(B, size=6), replace(A, size=5))],
        [(replace(A, style="same"),) * 2] * 2,
    ],
    ids=["kind", "only one", "url", "url of the others", "size", "one file, listed twice"],
)
def test_chain_need_not_wait_for_the_files_where_the_answer_leaves_no_doubt(
    harness: Harness, answers: Sequence[Sequence[File]]
) -> None:
    lists(harness, answers)

    ran = harness.run(SKETCH, FILM, settings=WITHOUT_FILES)

    assert ran.statuses == {"sketch": "succeeded", "film": "succeeded"}
    assert not ran.codes
    assert harness.run(SKETCH, FILM).statuses == {"sketch": "done", "film": "done"}
    assert made_from(harness) == [first_film(harness)]


# An upstream that cannot be made from


def gone_after_the_first_run(harness: Harness) -> RunResult:
    """The workflow is deleted at the vendor, and the files are not on this machine."""
    lists(harness, [(A,)])
    harness.run(SKETCH)
    harness.vendor.poll_answers["sketch"] = [NotFound("HTTP 404")]
    for path in (harness.folder / "output").iterdir():
        path.rename(harness.folder / path.name)
    return harness.run(SKETCH, FILM)


def test_job_waits_if_the_file_of_its_upstream_is_neither_here_nor_at_the_vendor(harness: Harness) -> None:
    ran = gone_after_the_first_run(harness)

    assert ran.statuses == {"sketch": "done", "film": "pending"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert ran.report.inputs == {}
    assert ran.report.notes == [f"{FILM.key}: {NOWHERE}"]

    (harness.folder / "sketch.mp4").rename(harness.folder / "output" / "sketch.mp4")
    assert harness.run(SKETCH, FILM).statuses == {"sketch": "done", "film": "done"}


@pytest.mark.parametrize("download", [True, False])
def test_job_waits_if_the_vendor_no_longer_lists_the_file_of_its_upstream(
    harness: Harness, download: bool
) -> None:
    lists(harness, [(A,)])
    harness.run(SKETCH, settings=replace(USUAL, download=download))
    for path in (harness.folder / "output").glob("*"):
        path.unlink()
    lists(harness, [(STILL,)])

    ran = harness.run(SKETCH, FILM, settings=WITHOUT_FILES)

    assert ran.statuses["film"] == "pending"
    assert ran.codes == {ExitCode.UNFINISHED}
    assert f"the vendor no longer lists the file of {SKETCH.key} that it is made from" in ran.report.notes[0]


def test_job_fails_if_its_upstream_never_had_what_it_is_made_from(harness: Harness) -> None:
    lists(harness, [(STILL,)])

    ran = harness.run(SKETCH, FILM)

    assert ran.report.inputs == {
        FILM.key: f"{SKETCH.key} has no video in its result for this job to be made from"
    }


# Whatever the vendor does


@st.composite
def answers(draw: st.DrawFn) -> list[list[File]]:
    """What a vendor lists in a few GETs: always the same files, in any order."""
    style = draw(st.sampled_from(["path", "query", "mixed"]))
    styles = st.sampled_from(["same", "signed", "path", "query"]) if style == "mixed" else st.just(style)
    sizes = draw(st.sampled_from([st.none(), st.none(), st.integers(5, 7)]))
    films = [
        File(f"film{number}", draw(styles), size=draw(sizes)) for number in range(draw(st.integers(1, 3)))
    ]
    stills = [File("still", draw(styles), "image/png", draw(sizes))] if draw(st.booleans()) else []
    orders = st.permutations([*films, *stills])
    return [draw(orders) for _ in range(draw(st.integers(2, 4)))]


@settings(max_examples=60, deadline=None)
@given(
    listed=answers(),
    runs=st.lists(st.booleans(), min_size=1, max_size=2),
    failing=st.sampled_from([0, 0, 1, 8]),
    newest_first=st.booleans(),
    deletes=st.booleans(),
)
def test_whatever_the_vendor_lists_a_chain_is_made_from_the_first_video_that_is_kept(
    listed: list[list[File]], runs: list[bool], failing: int, newest_first: bool, deletes: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        harness = Harness(Path(folder))
        harness.executor.newest_first = newest_first
        lists(harness, listed)
        failures = itertools.count()

        def content(url: str) -> bytes | Exception:
            return DownloadFailed("410", expired=True) if next(failures) < failing else content_of(url)

        harness.vendor.contents = Script(content)
        for downloads in runs:
            harness.run(SKETCH, FILM, settings=replace(USUAL, download=downloads))
        harness.run(SKETCH)
        assert harness.run(SKETCH).statuses == {"sketch": "done"}
        kept = first_film(harness)
        if deletes:
            for path in (harness.folder / "output").glob("sketch*"):
                path.unlink()

        ran = harness.run(SKETCH, FILM)

        assert ran.statuses == {"sketch": "done", "film": "done"}
        assert made_from(harness) == [kept]
