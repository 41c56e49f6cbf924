"""Files are downloaded whole or not at all, and files of others are never changed."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from support.campaigns import picture
from support.protection import fails_without

from engine.harness import USUAL, Harness, job
from engine.vendor import FILM, Response, success
from pipeline.artifacts.base import EarlyUpload, StoredObject, Upload
from pipeline.artifacts.output_folder import OutputFolder
from pipeline.engine.calls import CallPool
from pipeline.engine.fetch import fetch
from pipeline.engine.fetch_list import Wanted
from pipeline.errors import BuyingStopped, ExitCode
from pipeline.providers.base import DownloadFailed, Media, NotFound, VendorError
from pipeline.purchases import Output, WorkflowId
from pipeline.state.events import Fetched, PartlyFetched
from pipeline.state.store import Change

BLUE = job("blue")
STILL = Media("https://media.test/still.png", "image/png")
CROP = Media("https://media.test/crop.png", "image/png")
LATER = Media("https://media.test/film.mp4?signature=2", "video/mp4")
EXPIRED = DownloadFailed("403", expired=True)


def test_downloads_are_retried(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("reset"), DownloadFailed("short"), b"film"]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": "film"}


def test_repeatedly_failing_download_is_left_to_the_next_run(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("reset")] * 5

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "could not be downloaded (reset)" in ran.report.notes[0]
    assert len(harness.vendor.of("download")) == 5
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


def test_download_is_retried_no_sooner_than_requested(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("503", after=90), b"film"]

    harness.run(BLUE)

    first, second = harness.vendor.when(f"download {FILM.url}")
    assert second - first > 89.9


def test_download_does_not_outlast_the_job_timeout(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("503", after=86_400)]
    begun = harness.clock.time

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.clock.time - begun < 100


def test_expired_url_is_refreshed_once(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM), success(LATER)]
    harness.vendor.contents[FILM.url] = [EXPIRED]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.vendor.of("download") == [FILM.url, LATER.url]
    assert harness.vendor.of("get") == ["blue", "blue"]


def test_missing_credit_for_a_fresh_url_is_tried_again(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [EXPIRED]
    harness.vendor.poll_answers["blue"] = [success(FILM), BuyingStopped("402"), success(LATER)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert not ran.codes


def test_always_expired_urls_are_not_refreshed_forever(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [EXPIRED] * 99

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert len(harness.vendor.of("download")) <= 10


def test_permanent_failure_is_not_retried_in_this_run(harness: Harness) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("http on loopback is refused", lasting=True)]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert len(harness.vendor.of("download")) == 1


def test_foreign_file_is_not_overwritten_and_the_job_names_it(harness: Harness) -> None:
    (harness.folder / "output").mkdir()
    (harness.folder / "output" / "blue.mp4").write_text("holidays")
    changes: list[Change] = []
    harness.on_change = changes.append

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert not [each for each in changes if isinstance(each.event, PartlyFetched)]
    assert "not a file of this campaign" in ran.report.blocked[BLUE.key]
    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.files() == {"blue.mp4": "holidays"}


def test_file_instead_of_folder_blocks_only_one_job(harness: Harness) -> None:
    (harness.folder / "output").mkdir()
    (harness.folder / "output" / "inner").write_text("mine")
    inner = job("inner/blue")

    ran = harness.run(inner, BLUE)

    assert ran.statuses == {"inner/blue": "succeeded", "blue": "done"}
    assert ran.report.blocked.keys() == {inner.key}


@fails_without(
    "pipeline.engine.fetch_list:FileList._put",
    "self.outputs[index] = Output",
    swap=("url_to_record(media)", "media.url"),
)
def test_all_outputs_and_requested_steps_are_downloaded(harness: Harness) -> None:
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


def test_file_no_longer_listed_does_not_count_as_downloaded(harness: Harness) -> None:
    harness.run(BLUE, settings=replace(USUAL, download=False))
    harness.vendor.poll_answers["blue"] = [success()]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert "no longer lists this file" in ran.report.notes[0]


def test_workflow_that_disappears_before_its_download_stays_succeeded(harness: Harness) -> None:
    harness.run(BLUE, settings=replace(USUAL, download=False))
    harness.vendor.poll_answers["blue"] = [NotFound("404")]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}


def test_file_whose_workflow_is_gone_is_not_promised_for_the_next_run(harness: Harness) -> None:
    harness.run(BLUE)
    (harness.folder / "output" / "blue.mp4").unlink()
    harness.vendor.poll_answers["blue"] = [NotFound("404")]

    ran = harness.collect(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "the vendor no longer has its workflow" in ran.report.notes[0]
    assert "`redo`" in ran.report.notes[0]
    assert "run again" not in ran.report.notes[0]
    assert len(ran.report.without_workflow) == 1


def test_collect_restores_deleted_files(harness: Harness) -> None:
    harness.run(BLUE)
    (harness.folder / "output" / "blue.mp4").unlink()

    ran = harness.collect(BLUE)

    assert not ran.codes
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.creates == ["blue"]


def test_file_that_differs_from_the_first_download_is_rejected(harness: Harness) -> None:
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


def test_collect_recovers_a_result_that_the_vendor_had_reported_failed(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success()]
    assert harness.run(BLUE).statuses == {"blue": "failed (vendor)"}
    assert harness.collect(BLUE).statuses == {"blue": "failed (vendor)"}
    harness.vendor.poll_answers["blue"] = [success(FILM)]

    ran = harness.collect(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url}


def test_file_at_another_path_is_moved_without_calling_the_vendor(harness: Harness) -> None:
    harness.run(BLUE)
    harness.vendor.calls.clear()

    ran = harness.run(job("navy", asks="blue"))

    assert ran.statuses == {"navy": "done"}
    assert harness.files() == {"navy.mp4": FILM.url}
    assert not harness.vendor.of("download")


def test_media_facts_are_read_from_the_complete_file(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[STILL.url] = [picture()]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    digest = sha256(picture()).hexdigest()
    film = sha256(FILM.url.encode()).hexdigest()  # not a video, despite the name
    assert ran.report.media == {digest: {"rule": 1, "width": 24, "height": 16}, film: {}}


def test_crash_of_a_media_library_costs_no_file(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> None:
        raise RuntimeError("a bug in a codec")

    monkeypatch.setattr("pipeline.media.read.facts_of", fail)

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert not ran.codes
    assert set(map(str, ran.report.media.values())) <= {"{}"}


# Some of the files do not arrive

FILMS = job("blue", asks="films")


def gone() -> list[Response[bytes]]:
    """Answers to more downloads than one test makes, which it uses up."""
    return [DownloadFailed("410", expired=True)] * 99


def test_file_that_arrived_is_kept_and_not_fetched_again_while_another_is_missing(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[STILL.url] = gone()

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "not all of its files could be downloaded (410)" in ran.report.notes[0]
    assert harness.files() == {"blue-2.mp4": FILM.url}
    (purchase,) = ran.records.purchases.values()
    assert [each.sha256 for each in purchase.outputs] == [None, sha256(FILM.url.encode()).hexdigest()]

    harness.vendor.contents[STILL.url] = []
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.png": STILL.url, "blue-2.mp4": FILM.url}
    assert harness.vendor.of("download").count(FILM.url) == 1
    assert harness.vendor.creates == ["blue"]


@pytest.mark.parametrize(
    "failure",
    [
        DownloadFailed("is no video but a text"),
        DownloadFailed("too large", lasting=True),
        DownloadFailed("503", after=1.0),
        VendorError("a plug-in's own"),
    ],
)
def test_kept_file_does_not_depend_on_why_another_is_missing(harness: Harness, failure: VendorError) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[STILL.url] = [failure for _ in range(99)]

    ran = harness.run(BLUE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.files() == {"blue-2.mp4": FILM.url}
    assert harness.vendor.of("download").count(FILM.url) == 1


def test_missing_step_does_not_keep_the_result_away(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, steps=(("crop", (CROP,)),))]
    harness.vendor.contents[CROP.url] = gone()

    ran = harness.run(job("blue", steps=True))

    assert ran.statuses == {"blue": "succeeded"}
    assert harness.files() == {"blue.mp4": FILM.url}


def test_file_that_the_vendor_no_longer_lists_does_not_keep_others_away(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM), success(FILM)]
    harness.run(BLUE, settings=replace(USUAL, download=False))

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert "the vendor no longer lists this file (result/0)" in ran.report.notes[0]
    assert harness.files() == {"blue-2.mp4": FILM.url}
    (purchase,) = ran.records.purchases.values()
    assert purchase.is_partly_fetched


def test_file_that_arrived_is_kept_if_there_are_no_fresh_urls_for_others(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL), NotFound("404")]
    harness.vendor.contents[STILL.url] = gone()

    ran = harness.run(BLUE)

    assert ran.codes == {ExitCode.UNFINISHED}
    assert harness.files() == {"blue.mp4": FILM.url}
    assert harness.vendor.of("download").count(FILM.url) == 1


def test_purchase_whose_files_are_all_here_is_done_although_its_workflow_is_gone(harness: Harness) -> None:
    """Two machines fetched one file each, and the vendor deleted the workflow."""
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[STILL.url] = gone()
    (mine,) = harness.run(BLUE).bought(BLUE)
    still = Output("image/png", "https://media.test/still.png", sha256(b"still").hexdigest(), 5)
    harness.absorb(replace(mine, outputs=(still, replace(mine.outputs[1], sha256=None))))
    harness.vendor.poll_answers["blue"] = [NotFound("404")]

    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "succeeded"}
    assert "the vendor no longer has its workflow" in ran.report.notes[0]

    (harness.folder / "output" / "blue.png").write_bytes(b"still")
    ran = harness.run(BLUE)

    assert ran.statuses == {"blue": "done"}
    assert not ran.codes
    assert ran.reporter.lines == ["blue: done"]
    assert harness.files() == {"blue.png": "still", "blue-2.mp4": FILM.url}


def test_file_that_is_not_recorded_yet_is_fetched_although_all_others_are_here(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM)]
    harness.run(BLUE, settings=replace(USUAL, download=False))
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[STILL.url] = gone()
    assert harness.run(BLUE).statuses == {"blue": "succeeded"}

    harness.vendor.contents[STILL.url] = []

    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url, "blue-2.png": STILL.url}


def test_fetch_that_brings_no_file_fails(harness: Harness, tmp_path: Path) -> None:
    harness.vendor.contents[FILM.url] = [DownloadFailed("503", after=7.0)]

    with pytest.raises(DownloadFailed, match="503"):
        fetch(harness.vendor, WorkflowId("wf-1"), Wanted(tmp_path / ".f", ()), success(FILM))


def test_part_is_not_uploaded_ahead(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier take may be at the paths of its files."""
    uploaded: list[str] = []

    def upload(_outputs: OutputFolder, uploads: Sequence[Upload]) -> EarlyUpload:
        def noted() -> dict[str, StoredObject]:
            uploaded.extend(each.path for each in uploads)
            return {}

        return noted

    monkeypatch.setattr(OutputFolder, "early_upload", upload)
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[STILL.url] = gone()

    harness.run(BLUE)

    assert not uploaded
    harness.vendor.contents[STILL.url] = []
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert uploaded == ["blue-2.png"]


def test_files_that_are_here_do_not_count_against_the_rate(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.run(BLUE)
    (harness.folder / "output" / "blue-2.png").unlink()
    harness.vendor.calls.clear()
    charged: list[int] = []
    monkeypatch.setattr(CallPool, "charge", lambda _, requests: charged.append(requests))

    harness.collect(BLUE)

    assert sum(charged) == len(harness.vendor.calls) == 2


def test_part_of_a_new_take_does_not_replace_a_whole_earlier_one(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Names of files that are set aside differ by the first digits.
    monkeypatch.setattr(harness, "_new_id", iter(["1" * 16, "2" * 16]).__next__)
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[FILM.url] = [b"first"]
    harness.run(BLUE)
    harness.vendor.contents[FILM.url] = [b"second"]
    harness.vendor.contents[STILL.url] = gone()

    ran = harness.run(FILMS)

    assert ran.statuses == {"blue": "succeeded"}
    whole = {"blue.mp4": "first", "blue-2.png": STILL.url}
    assert harness.files() == {**whole, "blue~2222222.mp4": "second"}

    harness.vendor.contents[STILL.url] = [b"second still"]
    assert harness.run(FILMS).statuses == {"blue": "done"}
    assert harness.files() == {
        "blue.mp4": "second",
        "blue-2.png": "second still",
        "blue~1111111.mp4": "first",
        "blue-2~1111111.png": STILL.url,
    }
    assert harness.vendor.of("download").count(FILM.url) == 2


def test_every_file_that_is_set_aside_has_the_same_form_of_name(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "_new_id", iter(["1" * 16, "2" * 16]).__next__)
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    harness.vendor.contents[FILM.url] = [b"first"]
    harness.run(BLUE)
    harness.vendor.contents[FILM.url] = [b"second"]
    harness.vendor.contents[STILL.url] = gone()

    harness.run(FILMS)

    assert harness.files().keys() == {"blue.png", "blue-2.mp4", "blue-2~2222222.mp4"}


def test_part_is_copied_for_each_job_that_shares_the_purchase(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[STILL.url] = gone()
    navy = job("navy", asks="blue")

    harness.run(BLUE, navy)

    assert harness.files() == {"blue.mp4": FILM.url, "navy.mp4": FILM.url}


def test_part_that_was_deleted_here_is_fetched_again(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[STILL.url] = gone()
    harness.run(BLUE)
    (harness.folder / "output" / "blue.mp4").unlink()
    harness.vendor.contents[STILL.url] = []

    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url, "blue-2.png": STILL.url}


def test_file_that_cannot_be_put_in_place_does_not_keep_others_away(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(STILL, FILM, steps=(("crop", (CROP,)),))]
    (harness.folder / "output").mkdir()
    in_the_way = harness.folder / "output" / "blue.png"
    in_the_way.write_text("holidays")
    with_steps = job("blue", steps=True)

    ran = harness.run(with_steps)

    assert ran.statuses == {"blue": "succeeded"}
    assert "not a file of this campaign" in ran.report.blocked[BLUE.key]
    arrived = {"blue-2.mp4": FILM.url, "blue.steps/01-crop.png": CROP.url}
    assert harness.files() == {"blue.png": "holidays", **arrived}
    (purchase,) = ran.records.purchases.values()
    assert [each.sha256 is None for each in purchase.outputs] == [True, False]
    in_the_way.unlink()
    assert harness.run(with_steps).statuses == {"blue": "done"}
    assert harness.files() == {"blue.png": STILL.url, **arrived}
    assert len(harness.vendor.of("download")) == 4
    assert not list((harness.folder / "output").glob(".*"))


def test_part_of_a_blocked_purchase_does_not_block_the_next_one(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "_new_id", iter(["1" * 16, "2" * 16]).__next__)
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[FILM.url] = [b"first", b"second"]
    (harness.folder / "output").mkdir()
    in_the_way = harness.folder / "output" / "blue-2.png"
    in_the_way.write_text("holidays")
    harness.run(BLUE)
    in_the_way.unlink()

    ran = harness.run(FILMS)

    assert ran.statuses == {"blue": "done"}
    assert harness.files() == {
        "blue.mp4": "second",
        "blue-2.png": STILL.url,
        "blue~1111111.mp4": "first",
        "blue~1111111-2.png": STILL.url,
    }


def test_job_is_done_although_the_files_of_its_earlier_purchase_cannot_be_put_in_place(
    harness: Harness,
) -> None:
    (first,) = harness.run(BLUE, settings=replace(USUAL, download=False)).bought(BLUE)
    (harness.folder / "output").mkdir()
    (harness.folder / "output" / f"blue~{first.id[:7]}.mp4").write_text("holidays")

    ran = harness.run(FILMS)

    assert ran.statuses == {"blue": "done"}
    assert ran.report.blocked == {}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "not a file of this campaign" in ran.report.notes[0]


def test_purchase_that_serves_no_job_is_named_by_its_id(harness: Harness) -> None:
    (first,) = harness.run(BLUE, settings=replace(USUAL, download=False)).bought(BLUE)
    harness.vendor.contents[FILM.url] = gone()
    harness.vendor.poll_answers["films"] = [success(STILL)]

    ran = harness.run(job("blue", asks="films", title="films"))

    assert ran.statuses == {"blue": "done"}
    assert [each.partition(":")[0] for each in ran.report.notes] == [f"{BLUE.key} ({first.id})"]


def test_part_that_is_not_here_does_not_count_as_fetched(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.vendor.contents[STILL.url] = gone()
    harness.run(BLUE)
    (harness.folder / "output" / "blue.mp4").unlink()
    harness.vendor.poll_answers["blue"] = [success(STILL)]
    harness.vendor.contents[STILL.url] = []

    for ran in (harness.run(BLUE), harness.collect(BLUE)):
        assert ran.statuses == {"blue": "succeeded"}
        assert ran.codes == {ExitCode.UNFINISHED}
        assert "the vendor no longer lists this file (result/0)" in ran.report.notes[0]
        assert harness.files() == {"blue-2.png": STILL.url}

    harness.vendor.poll_answers["blue"] = [success(STILL, FILM)]
    assert harness.run(BLUE).statuses == {"blue": "done"}
    assert harness.files() == {"blue.mp4": FILM.url, "blue-2.png": STILL.url}


def test_job_whose_file_is_deleted_before_it_is_copied_is_not_done(harness: Harness) -> None:
    def delete(change: Change) -> None:
        if isinstance(change.event, Fetched):
            (harness.folder / "output" / "blue.mp4").unlink()

    harness.on_change = delete

    ran = harness.run(BLUE)

    assert "blue: done" not in ran.reporter.lines
    assert "`pipeline collect` downloads them" in ran.report.blocked[BLUE.key]
    assert ran.codes == {ExitCode.UNFINISHED}
    harness.on_change = lambda change: None
    assert not harness.collect(BLUE).codes
    assert harness.files() == {"blue.mp4": FILM.url}


def test_collect_fetches_only_the_files_that_are_not_here(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(FILM, STILL)]
    harness.run(BLUE)
    (harness.folder / "output" / "blue-2.png").unlink()
    harness.vendor.calls.clear()

    assert not harness.collect(BLUE).codes

    assert harness.vendor.of("download") == [STILL.url]
    assert harness.files() == {"blue.mp4": FILM.url, "blue-2.png": STILL.url}
