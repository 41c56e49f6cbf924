"""Files are fetched whole or not at all, and files of others are not harmed."""

from hashlib import sha256
from pathlib import Path

import pytest
from support.campaigns import picture
from support.protection import fails_without

from engine.harness import Harness, job
from engine.vendor import FILM, success
from pipeline.engine.run_settings import RunSettings
from pipeline.errors import ExitCode
from pipeline.providers.base import DownloadFailed, Media, NotFound

BLUE = job("blue")
STILL = Media("https://media.test/still.png", "image/png")
CROP = Media("https://media.test/crop.png", "image/png")
LATER = Media("https://media.test/film.mp4?signature=2", "video/mp4")
EXPIRED = DownloadFailed("403", expired=True)


def test_downloads_are_repeated(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("reset"), DownloadFailed("short"), b"film"]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": "film"}


def test_a_download_that_fails_again_and_again_is_left_to_the_next_run(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("reset")] * 5

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "could not be downloaded (reset)" in ran.report.notes[0]
    assert len(harness.vendor.of("download")) == 5
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_a_download_is_repeated_no_sooner_than_asked(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("503", after=90), b"film"]

    harness.run(BLUE)

    first, second = harness.vendor.when(f"download {FILM.url}")
    assert second - first > 89.9


def test_a_download_is_not_waited_for_longer_than_its_job_has_time(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("503", after=86_400)]
    begun = harness.clock.time

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.clock.time - begun < 100


def test_an_expired_url_is_asked_for_anew_once(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM), success(LATER)]
    harness.vendor.contents[FILM.url] = [EXPIRED]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.of("download") == [FILM.url, LATER.url]
    assert harness.vendor.of("get") == ["blue", "blue"]


def test_urls_that_are_always_expired_are_not_asked_for_for_ever(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [EXPIRED] * 99

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert len(harness.vendor.of("download")) <= 10


def test_what_lasts_is_not_tried_again_in_this_run(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("http on loopback is refused", lasting=True)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert len(harness.vendor.of("download")) == 1


def test_a_file_of_somebody_else_is_left_alone_and_the_job_says_what_is_in_its_way(harness: Harness) -> None:
    (harness.folder / "output").mkdir()
    (harness.folder / "output" / "blue.mp4").write_text("holidays")

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert "not a file of this campaign" in ran.report.blocked[BLUE.key]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.files() == {"blue.mp4": "holidays"}


def test_a_folder_that_is_a_file_hinders_one_job_only(harness: Harness) -> None:
    (harness.folder / "output").mkdir()
    (harness.folder / "output" / "inner").write_text("mine")
    inner = job("inner/blue")

    ran = harness.run(inner, BLUE)

    assert ran.statuses == {"inner/blue": "succeeded", "blue": "done"}
    assert ran.report.blocked.keys() == {inner.key}


@fails_without(
    "pipeline.engine.fetch:_List._put",
    "self.outputs[index] = Output",
    swap=("recorded_url(media.url)", "media.url"),
)
def test_all_outputs_and_the_steps_where_wanted_are_fetched(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL, steps=(("crop", (CROP,)),))]

    ran = harness.run(job("blue", steps=True))

    assert harness.files() == {
        "blue.mp4": FILM.url,
        "blue-2.png": STILL.url,
        "blue.steps/01-crop.png": CROP.url,
    }
    (purchase,) = ran.records.purchases.values()
    assert all(output.sha256 for output in (*purchase.outputs, *purchase.steps[0].outputs))
    assert purchase.outputs[0].url == "https://media.test/film.mp4"


def test_a_file_that_is_listed_no_more_is_not_taken_for_fetched(harness: Harness) -> None:
    harness.run(BLUE, settings=RunSettings(download=False))
    harness.vendor.poll_answers["blue"] = [success()]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert "no longer lists this file" in ran.report.notes[0]


def test_a_workflow_that_is_gone_when_its_files_are_to_be_fetched_stays_succeeded(harness: Harness) -> None:
    harness.run(BLUE, settings=RunSettings(download=False))
    harness.vendor.poll_answers["blue"] = [NotFound("404")]

    assert harness.run(BLUE).statuses == {"blue": "succeeded"}


def test_collect_brings_back_what_was_deleted_here(harness: Harness) -> None:
    harness.run(BLUE)
    (harness.folder / "output" / "blue.mp4").unlink()

    ran = harness.collect(BLUE)

    assert not ran.codes
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.creates == ["blue"]


def test_a_file_that_is_not_what_was_fetched_before_is_refused(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.run(BLUE)
    for name in ("blue.mp4", "blue-2.png"):
        (harness.folder / "output" / name).unlink()
    harness.vendor.contents[FILM.url] = [b"another film"]

    ran = harness.collect(BLUE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert "result/0 is not the file that was downloaded before" in ran.report.notes[0]
    assert harness.files() == {"blue-2.png": STILL.url}
    assert ran.statuses == {"blue": "done"}


def test_what_the_vendor_had_failed_may_turn_up_when_it_is_collected(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success()]
    assert harness.run(BLUE).statuses == {"blue": "failed (vendor)"}
    assert harness.collect(BLUE).statuses == {"blue": "failed (vendor)"}
    harness.vendor.poll_answers["blue"] = [success(FILM)]

    ran = harness.collect(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url}


def test_a_job_whose_file_lies_under_another_path_gets_it_without_the_vendor(harness: Harness) -> None:
    harness.run(BLUE)
    harness.vendor.calls.clear()

    ran = harness.run(job("navy", asks="blue"))

    assert ran.statuses == {"navy": "done"}
    assert harness.files() == {"navy.mp4": FILM.url}
    assert not harness.vendor.of("download")


def test_what_a_file_holds_is_read_once_it_is_whole(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[STILL.url] = [picture()]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    digest = sha256(picture()).hexdigest()
    film = sha256(FILM.url.encode()).hexdigest()  # not a film, despite the name
    assert ran.report.media == {digest: {"rule": 1, "width": 24, "height": 16}, film: {}}


def test_no_library_that_reads_media_can_cost_a_file(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: Path) -> None:
        raise RuntimeError("a bug in a codec")

    monkeypatch.setattr("pipeline.media.read.facts_of", fail)

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert not ran.codes
    assert set(map(str, ran.report.media.values())) <= {"{}"}
