"""A paid file is never lost because the vendor lists its files in another order, or under other urls."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.protection import fails_without

from engine.harness import USUAL, Harness, job
from engine.vendor import success
from pipeline import record_limits
from pipeline.engine.fetch import FetchResult, fetch
from pipeline.engine.fetch_list import FetchedFile, Wanted
from pipeline.engine.listing import matched, merged, merged_steps, recorded_url
from pipeline.errors import ExitCode
from pipeline.providers.base import Downloaded, DownloadFailed, Media, Provider, VendorError, Workflow
from pipeline.purchases import Output, Step, WorkflowId

ONE = Media("https://media.test/one.mp4?signature=1", "video/mp4")
TWO = Media("https://media.test/two.mp4?signature=1", "video/mp4")
STILL = Media("https://media.test/still.png", "image/png")
STEPS = (("crop", (ONE,)), ("upscale", (TWO,)))


def renamed(media: Media, url: str, size: int | None = None) -> Media:
    return Media(url, media.content_type, size)


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


# The rules, one by one


def test_url_matches_first_in_any_order_and_with_any_query() -> None:
    recorded = merged((), (ONE, TWO))
    told = (renamed(TWO, "https://media.test/two.mp4?signature=2"), ONE)
    assert matched(recorded, told) == {0: 1, 1: 0}


def test_size_matches_if_urls_are_new_or_ambiguous() -> None:
    recorded = (
        Output("video/mp4", "https://m.test/a", bytes=5),
        Output("video/mp4", "https://m.test/b", bytes=7),
    )
    told = (
        Media("https://m.test/get?id=2", "video/mp4", 7),
        Media("https://m.test/get?id=1", "video/mp4", 5),
    )
    assert matched(recorded, told) == {0: 1, 1: 0}
    told = (Media("https://m.test/c", "video/mp4", 7), Media("https://m.test/d", "video/mp4", 7))
    assert matched(recorded, told) == {}


@pytest.mark.parametrize("unknown", ["recorded", "listed"])
def test_no_size_matches_while_another_is_unknown(unknown: str) -> None:
    recorded = (
        Output("video/mp4", "https://m.test/a", bytes=5),
        Output("video/mp4", "https://m.test/b", bytes=None if unknown == "recorded" else 7),
    )
    told = (
        Media("https://m.test/c", "video/mp4", 5),
        Media("https://m.test/d", "video/mp4", None if unknown == "listed" else 7),
    )
    assert matched(recorded, told) == {}


def test_response_drops_no_downloaded_output_and_fills_others() -> None:
    fetched = Output("video/mp4", "https://m.test/a", digest("a"), 1)
    free = Output("video/mp4", "https://m.test/b")
    assert merged((fetched, free), (ONE,)) == (fetched, Output("video/mp4", "https://media.test/one.mp4"))
    assert merged((free,), (ONE, TWO))[1].url == "https://media.test/two.mp4"
    assert merged((fetched,), ()) == (fetched,)


def test_steps_match_by_name() -> None:
    recorded = merged_steps((), success(steps=STEPS))
    again = merged_steps(recorded, success(steps=(STEPS[1], STEPS[0], ("overlay", (ONE,)))))
    assert again == (*recorded, Step("overlay", merged((), (ONE,))))


def test_signature_and_user_of_a_url_are_not_recorded() -> None:
    told = renamed(ONE, "https://u:s3cret@media.test:8443/a@b.mp4?sig=s3cret@x#s3cret")
    (recorded,) = merged((), (told,))
    assert recorded.url == "https://media.test:8443/a@b.mp4"
    assert matched((recorded,), (renamed(ONE, "https://v:other@media.test:8443/a@b.mp4?sig=2"),)) == {0: 0}


def test_url_recorded_with_a_user_by_an_earlier_version_still_matches() -> None:
    recorded = Output("video/mp4", "https://u:s3cret@media.test/one.mp4", digest("one"), 3)
    assert matched((recorded,), (TWO, ONE)) == {0: 1}


# In a run


@fails_without(
    "pipeline.engine.listing:recorded_from",
    "return Output(media.content_type",
    swap=("url_to_record(media)", "media.url"),
)
def test_url_signature_is_not_recorded_before_the_download(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, steps=STEPS)]

    ran = harness.run(job("blue"), settings=replace(USUAL, download=False))

    (purchase,) = ran.records.purchases.values()
    assert "signature" not in str((purchase.outputs, purchase.steps))


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://h:8000/a@b.mp4?sig=s3cret#t", "https://h:8000/a@b.mp4"),
        ("https://user:s3cret@h/x.mp4", "https://h/x.mp4"),
        ("https://user:s3/cret@h/x.mp4", "https://…"),
        ("https://user:s3?cret@h/x.mp4", "https://…"),
        ("https://user:s3#cret@h/x.mp4", "https://…"),
        ("user:s3cret@h/x.mp4", "h/x.mp4"),
        ("https://h/" + "x" * 1_000, "https://h/" + "x" * 1_000),
    ],
)
def test_url_is_recorded_without_password_and_signature(url: str, recorded: str) -> None:
    assert recorded_url(url) == recorded
    assert recorded_url(recorded) == recorded


def test_reordered_files_with_expired_url_lose_no_file(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO), success(TWO, ONE)]
    harness.vendor.contents[TWO.url] = [DownloadFailed("403", expired=True), b"two"]

    ran = harness.run(job("blue"))

    assert not ran.codes
    assert harness.files() == {"blue.mp4": ONE.url, "blue-2.mp4": "two"}


def test_reordered_steps_lose_no_file(harness: Harness) -> None:
    film = Media("https://media.test/film.mp4", "video/mp4")
    harness.vendor.poll_answers["blue"] = [success(film, steps=STEPS), success(film, steps=STEPS[::-1])]
    harness.vendor.contents[TWO.url] = [DownloadFailed("403", expired=True), b"two"]

    harness.run(job("blue", steps=True))

    assert harness.files() == {
        "blue.mp4": film.url,
        "blue.steps/01-crop.mp4": ONE.url,
        "blue.steps/02-upscale.mp4": "two",
    }


@fails_without(
    "pipeline.engine.fetch_list:FileList._fetch_missing", "self._fetch_others(listed, temporaries, skipped)"
)
def test_urls_reassigned_to_other_files_lose_no_file(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    harness.vendor.contents[ONE.url] = [b"one", b"two"]
    harness.vendor.contents[TWO.url] = [DownloadFailed("403", expired=True), b"one"]

    harness.run(job("blue"))

    assert sorted(harness.files().values()) == ["one", "two"]


def test_files_are_collected_by_content_if_nothing_else_matches(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    harness.run(job("blue"))
    for name in ("blue.mp4", "blue-2.mp4"):
        (harness.folder / "output" / name).unlink()
    harness.vendor.poll_answers["blue"] = [
        success(renamed(TWO, "https://other.test/x"), renamed(ONE, "https://other.test/y"))
    ]
    harness.vendor.contents["https://other.test/x"] = [TWO.url.encode()]
    harness.vendor.contents["https://other.test/y"] = [ONE.url.encode()]

    ran = harness.collect(job("blue"))

    assert not ran.codes
    assert harness.files() == {"blue.mp4": ONE.url, "blue-2.mp4": TWO.url}


def test_file_listed_later_is_downloaded_and_recorded(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE), success(TWO, ONE)]
    harness.run(job("blue"), settings=replace(USUAL, download=False))

    ran = harness.run(job("blue"))

    assert harness.files() == {"blue.mp4": ONE.url, "blue-2.mp4": TWO.url}
    (purchase,) = ran.records.purchases.values()
    assert [each.url for each in purchase.outputs] == [
        "https://media.test/one.mp4",
        "https://media.test/two.mp4",
    ]


def test_file_no_longer_listed_does_not_affect_others(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    harness.run(job("blue"))
    for name in ("blue.mp4", "blue-2.mp4"):
        (harness.folder / "output" / name).unlink()
    harness.vendor.poll_answers["blue"] = [success(TWO)]

    ran = harness.collect(job("blue"))

    assert ran.codes == {ExitCode.UNFINISHED}
    assert "no longer lists this file (result/0)" in ran.report.notes[0]
    assert harness.files() == {"blue-2.mp4": TWO.url}


def test_file_that_is_listed_but_did_not_arrive_keeps_its_place(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    harness.run(job("blue"), settings=replace(USUAL, download=False))
    other = renamed(TWO, "https://cdn.test/b.mp4")
    harness.vendor.poll_answers["blue"] = [success(ONE, other)]
    harness.vendor.contents[ONE.url] = [DownloadFailed("404")] * 9

    harness.run(job("blue"))

    assert harness.files() == {"blue-2.mp4": other.url}


def test_file_that_is_listed_but_did_not_arrive_keeps_its_place_from_a_file_that_is_made_anew(
    harness: Harness,
) -> None:
    again = renamed(TWO, "https://media.test/again.mp4")
    harness.vendor.contents[ONE.url] = [DownloadFailed("503")] * 99
    for listed in ((ONE, TWO), (ONE, again)):
        harness.vendor.poll_answers["blue"] = [success(*listed)] * 9
        ran = harness.run(job("blue"))
        assert ran.codes == {ExitCode.UNFINISHED}

    (purchase,) = ran.records.purchases.values()

    assert [each.url for each in purchase.outputs] == [recorded_url(each.url) for each in (ONE, TWO, again)]
    assert harness.files() == {"blue-2.mp4": TWO.url, "blue-3.mp4": again.url}


def test_new_url_of_a_file_that_did_not_arrive_is_recorded(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    harness.run(job("blue"), settings=replace(USUAL, download=False))
    one, two = renamed(ONE, "https://cdn.test/a.mp4"), renamed(TWO, "https://cdn.test/b.mp4")
    harness.vendor.poll_answers["blue"] = [success(one, two)]
    harness.vendor.contents[two.url] = [DownloadFailed("404")] * 9

    (purchase,) = harness.run(job("blue")).records.purchases.values()

    assert [each.url for each in purchase.outputs] == [one.url, two.url]


def test_files_follow_the_list_of_the_copy_that_wins_a_merge(harness: Harness) -> None:
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO)]
    (mine,) = harness.run(job("blue")).records.purchases.values()
    theirs = replace(mine, outputs=mine.outputs[::-1], updated_at="later")
    harness.vendor.calls.clear()

    harness.absorb(theirs)
    ran = harness.run(job("blue"))

    assert ran.records.purchases[mine.id].outputs == mine.outputs[::-1]
    assert harness.files() == {"blue.mp4": TWO.url, "blue-2.mp4": ONE.url}
    assert not harness.vendor.calls


def test_file_type_comes_from_its_bytes(harness: Harness) -> None:
    vague = Media("https://media.test/x", "application/octet-stream")
    harness.vendor.poll_answers["blue"] = [success(vague)]
    harness.vendor.kinds[vague.url] = "video/webm"

    ran = harness.run(job("blue"))

    assert harness.files() == {"blue.webm": vague.url}
    (purchase,) = ran.records.purchases.values()
    assert purchase.outputs[0].content_type == "video/webm"


def test_chain_uses_the_recorded_order(harness: Harness) -> None:
    sketch = job("sketch")
    harness.vendor.poll_answers["sketch"] = [success(ONE, TWO)]
    harness.run(sketch)
    harness.vendor.poll_answers["sketch"] = [success(TWO, ONE)]

    harness.run(sketch, job("film", upstream=sketch))

    assert harness.vendor.requests[-1].images == (ONE.url,)


def test_chain_recognises_its_missing_file_by_its_bytes(harness: Harness) -> None:
    sketch = job("sketch")
    harness.vendor.poll_answers["sketch"] = [success(ONE, TWO)]
    harness.run(sketch)
    for path in (harness.folder / "output").iterdir():
        path.unlink()
    other = [renamed(TWO, "https://other.test/x"), renamed(ONE, "https://other.test/y")]
    harness.vendor.poll_answers["sketch"] = [success(*other)]
    harness.vendor.contents["https://other.test/x"] = [TWO.url.encode()]
    harness.vendor.contents["https://other.test/y"] = [ONE.url.encode()]

    harness.run(sketch, job("film", upstream=sketch))

    assert harness.vendor.requests[-1].images == ("https://other.test/y",)


def test_unavailable_file_does_not_hide_the_one_a_chain_needs(harness: Harness) -> None:
    sketch = job("sketch")
    harness.vendor.poll_answers["sketch"] = [success(ONE, TWO)]
    harness.run(sketch)
    for path in (harness.folder / "output").iterdir():
        path.unlink()
    other = [renamed(TWO, "https://other.test/x"), renamed(ONE, "https://other.test/y")]
    harness.vendor.poll_answers["sketch"] = [success(*other)]
    harness.vendor.contents["https://other.test/x"] = [DownloadFailed("404", expired=True)]
    harness.vendor.contents["https://other.test/y"] = [ONE.url.encode()]

    harness.run(sketch, job("film", upstream=sketch))

    assert harness.vendor.requests[-1].images == ("https://other.test/y",)


def test_oversized_result_is_rejected_before_download(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_limits, "LARGEST_PURCHASE", 100)
    large = [Media(f"https://media.test/{number}.mp4", "video/mp4", 60) for number in range(2)]
    harness.vendor.poll_answers["blue"] = [success(*large)]

    ran = harness.run(job("blue"))

    assert ran.statuses == {"blue": "succeeded"}
    assert ran.codes == {ExitCode.UNFINISHED}
    assert "exceed 100 bytes, the most for one purchase" in ran.report.notes[0]
    assert not harness.vendor.of("download")


@fails_without("pipeline.engine.fetch_list:FileList._download", "self.allowance.spend(downloaded")
def test_download_beyond_the_limit_is_aborted_and_does_not_affect_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_limits, "LARGEST_PURCHASE", 100)
    harness.vendor.poll_answers["blue"] = [success(ONE, TWO, STILL)]
    for media in (ONE, TWO, STILL):
        harness.vendor.contents[media.url] = [b"x" * 60, b"x" * 60]

    ran = harness.run(job("blue"))

    assert ran.statuses == {"blue": "succeeded"}
    assert harness.vendor.most == [100, 40, 40]  # so that a provider can stop during the download
    assert harness.files() == {"blue.mp4": "x" * 60}
    assert harness.run(job("blue")).statuses == {"blue": "succeeded"}
    assert harness.vendor.most[3:] == [40, 40]
    monkeypatch.undo()
    assert harness.run(job("blue")).statuses == {"blue": "done"}
    assert harness.vendor.creates == ["blue"]


# Any history

contents = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=5)


@dataclass
class Listing:
    """How a vendor lists its files in one answer."""

    order: Sequence[int]
    names: str
    has_sizes: Sequence[bool]
    expired: Sequence[bool]


@st.composite
def listings(draw: st.DrawFn, number: int) -> Listing:
    flags = st.lists(st.booleans(), min_size=number, max_size=number)
    return Listing(
        order=draw(st.permutations(range(number))),
        names=draw(st.sampled_from(["stable", "by place", "one for all", "new each time"])),
        has_sizes=draw(flags),
        expired=draw(flags),
    )


@dataclass
class Vendor:
    """Lists the same files differently each time; one url in each answer may have expired.

    `meanings` has, by url, the contents of the files that it was listed for.
    """

    truth: Sequence[str]
    listings: list[Listing]
    served: dict[str, str] = field(default_factory=dict)
    meanings: dict[str, set[str]] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    answers: int = 0

    def get(self, _workflow_id: str) -> Workflow:
        listing = self.listings[min(self.answers, len(self.listings) - 1)]
        self.answers += 1
        self.served.clear()
        self.expired.clear()
        media = []
        for place, number in enumerate(listing.order):
            name = {
                "stable": f"f{number}",
                "by place": f"p{place}",
                "one for all": f"get?id={number}",
                "new each time": f"n{self.answers}-{number}",
            }[listing.names]
            url = f"https://m.test/{name}"
            size = len(self.truth[number]) if listing.has_sizes[number] else None
            media.append(Media(url, "video/mp4", size))
            self.served[url] = self.truth[number]
            self.meanings.setdefault(url, set()).add(self.truth[number])
            # In the last answer, all urls are valid.
            if listing.expired[number] and self.answers < len(self.listings):
                self.expired.add(url)
        return Workflow("w", cast("Any", "succeeded"), "success", result=tuple(media))

    @property
    def reuses_urls(self) -> bool:
        return any(len(contents) > 1 for contents in self.meanings.values())

    def download(self, media: Media, target: Path) -> Downloaded:
        if media.url in self.expired:
            raise DownloadFailed("403", expired=True)
        content = self.served[media.url].encode()
        target.write_bytes(content)
        return Downloaded(hashlib.sha256(content).hexdigest(), len(content), media.content_type)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_file_is_lost_for_any_order_and_urls_of_a_response(data: st.DataObject) -> None:
    truth = data.draw(contents)
    told = data.draw(st.lists(listings(len(truth)), min_size=2, max_size=5))
    vendor = Vendor(truth, told)
    with tempfile.TemporaryDirectory() as folder:
        recorded = merged((), vendor.get("w").result)
        first = _brought(vendor, Wanted(Path(folder, ".w"), recorded))
        assert first.problem is None
        hashes = [each.sha256 for each in first.outputs if each.sha256 is not None]
        assert Counter(hashes) >= Counter(map(digest, truth))
        assert set(hashes) == set(map(digest, truth))
        _assert_here(first)
        if first.failure is not None:
            return

        # Listed differently again, on this machine and another: fetched files keep their slots.
        vendor.answers = 0
        assert merged(first.outputs, vendor.get("w").result) == first.outputs
        again = _brought(vendor, Wanted(Path(folder, ".again"), first.outputs, is_open=False))
        assert again.problem is None
        assert [each.sha256 for each in again.outputs] == [each.sha256 for each in first.outputs]
        assert len(again.files) == len(hashes)
        _assert_here(again)
        assert len(list(Path(folder).iterdir())) == 2 * len(hashes)


@fails_without("pipeline.engine.fetch_list:FileList._assign_copies", "self._put(index")
def test_file_that_was_recorded_twice_under_different_urls_is_fetched_twice() -> None:
    """Two files are equal, and of two that do not arrive, one is here under the name that another had before."""

    def listed(order: Sequence[int], names: str, *expired: int) -> Listing:
        return Listing(order, names, [False] * 3, [number in expired for number in range(3)])

    told = [
        listed([0, 1, 2], "stable"),
        listed([0, 1, 2], "by place", 1),
        listed([2, 1, 0], "stable", 1, 2),
        listed([0, 1, 2], "stable", 2),
        listed([0, 1, 2], "stable"),
    ]
    truth = ["a", "a", "b"]
    vendor = Vendor(truth, told)
    with tempfile.TemporaryDirectory() as folder:
        recorded = merged((), vendor.get("w").result)
        came = _brought(vendor, Wanted(Path(folder, ".w"), recorded))
        assert Counter(each.sha256 for each in came.outputs) == Counter(map(digest, ["a", "b", "b", "a"]))
        _assert_here(came)


def _brought(vendor: Vendor, wanted: Wanted) -> FetchResult:
    """The result of as many attempts as it takes; what one brings is here for the next.

    It may be left unfinished only if a url was listed for several files: the list may then have one too many, which
    nothing tells from a file that the vendor lists no longer.
    """
    placed: dict[str, FetchedFile] = {}
    while True:
        try:
            came = fetch(cast("Provider", vendor), WorkflowId("w"), wanted, None)
        except DownloadFailed:
            assert vendor.answers <= len(vendor.listings) + 1
            continue
        except VendorError as error:
            assert vendor.reuses_urls
            return FetchResult(outputs=wanted.outputs, steps=(), files=placed, failure=error)
        assert not placed.keys() & came.files.keys()
        for slot, file in came.files.items():
            path = file.temporary.with_name(f"{wanted.beside.name} {slot.replace('/', ' ')}")
            placed[slot] = replace(file, temporary=file.temporary.rename(path))
        if came.failure is None:
            return replace(came, files=placed)
        assert vendor.answers <= len(vendor.listings) + 1
        wanted = replace(wanted, outputs=came.outputs, here=frozenset(placed))


def _assert_here(came: FetchResult) -> None:
    for slot, file in came.files.items():
        expected = came.outputs[int(slot.rpartition("/")[2])].sha256
        assert hashlib.sha256(file.temporary.read_bytes()).hexdigest() == expected
