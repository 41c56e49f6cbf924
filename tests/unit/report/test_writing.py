"""What is written: a page that loads nothing from elsewhere, and stills; no file of others is overwritten."""

import base64
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from support.gallery_records import SHA, purchase, records
from support.protection import fails_without

from pipeline.errors import UsageError
from pipeline.media.facts import MediaFacts
from pipeline.report.data import GalleryRecords
from pipeline.report.gallery_campaign import GalleryCampaign
from pipeline.report.page import page
from pipeline.report.stills import MediaReader, StillCache
from pipeline.report.writing import write_folder, write_single

STILL = b"RIFF....WEBP"
OTHER = hashlib.sha256(b"other").hexdigest()


def reader(read: list[Path] | None = None) -> MediaReader:
    def still(path: Path) -> bytes | None:
        if read is not None:
            read.append(path)
        return None if path.read_bytes() == b"broken" else STILL

    return MediaReader(still_of=still, facts_of=lambda _path: MediaFacts(width=640, height=360, duration=2.5))


def campaign(
    folder: Path, given: GalleryRecords | None = None, content: bytes = b"nine long"
) -> GalleryCampaign:
    output = folder / "output" / "spring"
    file = output / "hero" / "a b#1.mp4"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return GalleryCampaign(
        page_folder=output / "report",
        name="spring",
        records=given or records(),
        output=output,
        cache=StillCache(folder / ".pipeline" / "cache"),
        files={SHA: file},
        shown=frozenset({SHA}),
        expendable=frozenset({SHA, OTHER}),
    )


def data_of(path: Path) -> Any:
    found = re.search(r'id="data">([^<]*)<', path.read_text())
    assert found is not None
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def write(folder: Path, campaigns: Sequence[GalleryCampaign], with_reader: bool = True, **more: Any) -> Path:
    given = {"bundle": False, "on_progress": lambda _number, _of: None, **more}
    return write_folder(folder, campaigns, reader() if with_reader else None, **given).page


def test_policy_allows_only_scripts_and_styles_by_hash() -> None:
    text = page({"campaigns": []}, "<spring>").decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    told = dict(part.split(" ", 1) for part in policy[1].split("; "))

    for element in ("script", "style"):
        contents = re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
        hashes = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in contents]
        assert contents
        assert told[f"{element}-src"].split() == [f"'sha256-{each}'" for each in hashes]
    assert told["default-src"] == "'none'"
    assert "unsafe" not in policy[1]
    assert "http:" not in policy[1]
    assert "<title>&lt;spring&gt;</title>" in text
    # The markup has no handlers, no styles, and no links elsewhere.
    markup = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.search(r"\son\w+=|\sstyle=", markup)
    assert not re.search(r"https?://", markup)


def test_page_links_videos_in_place_and_has_its_stills_beside_it(tmp_path: Path) -> None:
    index = write(tmp_path / "output/spring/report", [campaign(tmp_path)])

    [file] = data_of(index)["campaigns"][0]["files"]
    assert file["href"] == "../hero/a%20b%231.mp4"
    assert (file["width"], file["duration"]) == (640, 2.5)
    assert (index.parent / "posters" / f"{SHA[:16]}.webp").read_bytes() == STILL
    assert {path.name for path in index.parent.iterdir()} == {"index.html", "posters"}


@fails_without("pipeline.report.writing:_href", "return ", swap=("f'./{quoted}'", "quoted"))
def test_name_that_looks_like_a_scheme_is_still_a_file(tmp_path: Path) -> None:
    given = campaign(tmp_path)
    file = tmp_path / "javascript:alert(1).mp4"
    file.write_bytes(b"film")

    index = write(tmp_path, [replace(given, files={SHA: file})])

    assert data_of(index)["campaigns"][0]["files"][0]["href"] == "./javascript%3Aalert%281%29.mp4"


def with_other(folder: Path) -> GalleryCampaign:
    """The campaign with a second film."""
    content, digest = b"other", OTHER
    outputs = [{"content_type": "video/mp4", "sha256": digest, "bytes": len(content)}]
    given = campaign(folder, records(purchases=[purchase(), purchase(id="2" * 16, outputs=outputs)]))
    other = folder / "output" / "spring" / "other.mp4"
    other.write_bytes(content)
    return replace(given, files={**given.files, digest: other}, shown=frozenset({SHA, digest}))


def test_bundle_has_its_videos_and_nothing_from_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "handed-on"
    write(folder, [with_other(tmp_path)], bundle=True)
    assert (folder / "media/spring/other.mp4").read_bytes() == b"other"

    index = write(folder, [campaign(tmp_path)], bundle=True)

    assert data_of(index)["campaigns"][0]["files"][0]["href"] == "media/spring/hero/a%20b%231.mp4"
    assert [path.name for path in (folder / "media").rglob("*.mp4")] == ["a b#1.mp4"]
    assert [path.name for path in (folder / "posters").iterdir()] == [f"{SHA[:16]}.webp"]
    # Removing it from the folder removes nothing from the campaign.
    assert (tmp_path / "output/spring/other.mp4").read_bytes() == b"other"

    write(folder, [campaign(tmp_path)])
    assert not (folder / "media").exists()


@pytest.mark.parametrize("bundle", [False, True])
def test_only_what_an_earlier_page_put_there_is_removed(tmp_path: Path, bundle: bool) -> None:
    folder = tmp_path / "site"
    others = ["media/logo.svg", "media/footage/master.mov", "media/spring/cut.mp4", "posters/hall.webp"]
    others.append(f"posters/{'0' * 16}.webp")
    for name in others:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not ours")
    (folder / "media" / "to come").mkdir()

    for given in (with_other(tmp_path), with_other(tmp_path), campaign(tmp_path)):
        write(folder, [given], bundle=bundle)

    assert {name: (folder / name).read_text() for name in others} == dict.fromkeys(others, "not ours")
    assert (folder / "media" / "to come").is_dir()
    assert not (folder / "media/spring/other.mp4").exists()


def test_video_that_was_replaced_in_the_folder_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write(folder, [with_other(tmp_path)], bundle=True)
    video = folder / "media/spring/other.mp4"
    video.unlink()
    video.write_text("cut shorter, by hand")

    write(folder, [campaign(tmp_path)], bundle=True)

    assert video.read_text() == "cut shorter, by hand"


@pytest.mark.parametrize("at", ["media", "media/spring"])
@fails_without(
    "pipeline.report.earlier_page:_is_within",
    "return real_path",
    swap=("real_path(path.parent)", "path.parent"),
)
def test_nothing_is_removed_behind_a_link(tmp_path: Path, at: str) -> None:
    folder, share = tmp_path / "site", tmp_path / "share"
    write(folder, [with_other(tmp_path)], bundle=True)
    (folder / at).rename(share)
    (folder / at).symlink_to(share)
    before = {path for path in share.rglob("*") if path.is_file()}

    write(folder, [campaign(tmp_path)])

    assert before <= {path for path in share.rglob("*") if path.is_file()}


@pytest.mark.parametrize("output", ["media", "media/spring"])
def test_outputs_are_never_taken_for_copies_of_them(tmp_path: Path, output: str) -> None:
    folder = tmp_path / "site"
    given = with_other(tmp_path)
    (folder / output).parent.mkdir(parents=True)
    given.page_folder.parent.rename(folder / output)
    moved = {
        digest: folder / output / path.relative_to(tmp_path / "output/spring")
        for digest, path in given.files.items()
        if isinstance(path, Path)
    }
    given = replace(given, files=moved, output=folder / output)

    write(folder, [given], bundle=True)
    one = replace(given, files={SHA: moved[SHA]}, shown=frozenset({SHA}), records=records())
    index = write(folder, [one], bundle=True)

    assert all(path.is_file() for path in moved.values())
    [file] = data_of(index)["campaigns"][0]["files"]
    assert (folder / unquote(file["href"])).read_bytes() == b"nine long"


@pytest.mark.parametrize(
    "href",
    [
        "media/../../kept.mp4",
        "media/spring/../../../kept.mp4",
        "media/spring/..%2f..%2f..%2fkept.mp4",
        "media/other/kept.mp4",
        "media/spring/%00",
        "/kept.mp4",
    ],
)
def test_page_of_a_stranger_removes_nothing_elsewhere(tmp_path: Path, href: str) -> None:
    content = b"kept"
    kept = [tmp_path / "kept.mp4", tmp_path / "site/media/other/kept.mp4"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    entry = {
        "id": hashlib.sha256(content).hexdigest()[:16],
        "bytes": len(content),
        "href": href,
        "poster": True,
    }
    data: Any = {
        "campaigns": [{"name": "spring", "files": [entry, {"id": "../../kept", "poster": True}, 7]}, None]
    }
    (tmp_path / "site/index.html").write_bytes(page(data, "spring"))

    write(tmp_path / "site", [campaign(tmp_path)], bundle=True)

    assert all(path.read_bytes() == content for path in kept)


def test_bundle_replaces_no_file_of_others(tmp_path: Path) -> None:
    video = tmp_path / "site/media/spring/hero/a b#1.mp4"
    video.parent.mkdir(parents=True)
    video.write_text("mine")

    with pytest.raises(
        UsageError, match=r"a b#1\.mp4: not a copy that a gallery made, so it is not overwritten"
    ):
        write(tmp_path / "site", [campaign(tmp_path)], bundle=True)

    assert video.read_text() == "mine"
    assert not (tmp_path / "site/index.html").exists()


@pytest.mark.parametrize("bundle", [False, True])
def test_originals_are_kept_where_a_link_makes_the_folder_of_the_copies_the_output(
    tmp_path: Path, bundle: bool
) -> None:
    folder, output = tmp_path / "site", tmp_path / "output/spring"
    given = with_other(tmp_path)
    write(folder, [given], bundle=True)
    shutil.rmtree(output)
    output.symlink_to(folder / "media/spring")

    index = write(folder, [given], bundle=bundle)

    assert sorted(path.name for path in output.rglob("*.mp4")) == ["a b#1.mp4", "other.mp4"]
    files = data_of(index)["campaigns"][0]["files"]
    assert all((folder / unquote(file["href"])).is_file() for file in files)


def without_other(given: GalleryCampaign, **changes: Any) -> GalleryCampaign:
    """The campaign once its second film cannot be found any more."""
    return replace(given, files={SHA: given.files[SHA]}, expendable=frozenset({SHA}), **changes)


@pytest.mark.parametrize("bundle", [False, True])
def test_last_copy_of_a_film_is_kept_and_shown(tmp_path: Path, bundle: bool) -> None:
    folder = tmp_path / "site"
    given = with_other(tmp_path)
    write(folder, [given], bundle=True)
    (tmp_path / "output/spring/other.mp4").unlink()

    for _ in range(2):
        index = write(folder, [without_other(given)], bundle=bundle)

        [file] = [each for each in data_of(index)["campaigns"][0]["files"] if each["id"] == OTHER[:16]]
        assert (folder / file["href"]).read_bytes() == b"other"


def test_last_copy_that_the_page_does_not_show_is_left_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    given = with_other(tmp_path)
    write(folder, [given], bundle=True)

    for _ in range(2):
        written = write_folder(
            folder,
            [without_other(given, shown=frozenset({SHA}), records=records())],
            None,
            bundle=True,
            on_progress=lambda _number, _of: None,
        )
        assert written.left == [folder / "media/spring/other.mp4"]


def test_last_copy_is_not_replaced_by_another_take(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    given = with_other(tmp_path)
    write(folder, [given], bundle=True)
    take = replace(given, files={SHA: tmp_path / "output/spring/other.mp4"}, expendable=frozenset({SHA}))

    with pytest.raises(UsageError, match=r"other\.mp4: the only copy here of another file"):
        write(folder, [take], bundle=True)
    assert (folder / "media/spring/other.mp4").read_bytes() == b"other"

    # Once the other one was removed on purpose, its copy is no loss.
    original = tmp_path / "output/spring/other.mp4"
    original.unlink()
    original.write_bytes(b"nine long")
    write(folder, [replace(take, expendable=frozenset({SHA, OTHER}))], bundle=True)
    assert (folder / "media/spring/other.mp4").read_bytes() == b"nine long"


@pytest.mark.parametrize("at", ["media", "media/spring", "media/spring/hero"])
def test_bundle_writes_nothing_behind_a_link(tmp_path: Path, at: str) -> None:
    folder, share = tmp_path / "site", tmp_path / "share"
    write(folder, [campaign(tmp_path)], bundle=True)
    (folder / at).rename(share)
    (folder / at).symlink_to(share)
    [film] = share.rglob("*.mp4")
    film.unlink()
    film.write_bytes(b"by hand!!")

    with pytest.raises(UsageError, match="a link leads elsewhere"):
        write(folder, [campaign(tmp_path)], bundle=True)

    assert film.read_bytes() == b"by hand!!"


@pytest.mark.parametrize("is_there", [True, False])
def test_still_is_neither_written_nor_removed_behind_a_link(tmp_path: Path, is_there: bool) -> None:
    folder, share = tmp_path / "site", tmp_path / "share"
    page = write(folder, [campaign(tmp_path)])
    (folder / "posters").rename(share)
    (folder / "posters").symlink_to(share)
    if not is_there:
        shutil.rmtree(share)
    stills, before = list(share.glob("*")), page.read_bytes()

    with pytest.raises(UsageError, match="posters: a link leads elsewhere"):
        write(folder, [with_other(tmp_path)])

    assert list(share.glob("*")) == stills
    assert page.read_bytes() == before


def test_still_is_not_written_through_a_link_in_its_place(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "site", tmp_path / "elsewhere.webp"
    write(folder, [campaign(tmp_path)])
    [still] = (folder / "posters").iterdir()
    still.unlink()
    still.symlink_to(elsewhere)

    write(folder, [campaign(tmp_path)])

    assert not elsewhere.exists()


def test_copy_that_somebody_made_smaller_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write(folder, [campaign(tmp_path)], bundle=True)
    copy = folder / "media/spring/hero/a b#1.mp4"
    copy.unlink()
    copy.write_bytes(b"small")

    with pytest.raises(UsageError, match="not a copy that a gallery made"):
        write(folder, [campaign(tmp_path)], bundle=True)

    assert copy.read_bytes() == b"small"


def test_bundle_of_two_campaigns_with_one_name_is_refused(tmp_path: Path) -> None:
    given = [campaign(tmp_path / "a"), campaign(tmp_path / "b", content=b"of others")]

    with pytest.raises(UsageError, match="two of these campaigns are called 'spring'"):
        write(tmp_path / "site", given, bundle=True)

    assert not (tmp_path / "site").exists()
    write(tmp_path / "site", given)


def test_single_file_does_not_replace_the_page_that_knows_what_is_in_its_folder(tmp_path: Path) -> None:
    index = write(tmp_path / "site", [with_other(tmp_path)], bundle=True)
    before = index.read_bytes()

    with pytest.raises(UsageError, match="the page of a folder"):
        write_single(index, [campaign(tmp_path)], None, on_progress=lambda _number, _of: None)

    assert index.read_bytes() == before


def test_copies_of_a_bundle_whose_page_is_gone_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write(folder, [with_other(tmp_path)], bundle=True).unlink()
    one = replace(campaign(tmp_path), files={SHA: campaign(tmp_path).files[SHA]})
    copy = folder / "media/spring/hero/a b#1.mp4"
    copy.unlink()

    written = write_folder(folder, [one], None, bundle=True, on_progress=lambda _number, _of: None)

    assert written.left == [folder / "media/spring/other.mp4"]


def test_bundle_that_was_not_finished_leaves_nothing_in_the_next_one(tmp_path: Path) -> None:
    """Whoever stops a bundle of everything and makes one of the best may be about to upload it."""
    folder = tmp_path / "site"

    def stop(_number: int, _of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(folder, [with_other(tmp_path)], bundle=True, on_progress=stop)
    assert (folder / "media/spring/other.mp4").exists()
    write(folder, [campaign(tmp_path)], bundle=True)

    assert not (folder / "media/spring/other.mp4").exists()


def test_single_file_has_stills_and_no_videos(tmp_path: Path) -> None:
    file = tmp_path / "one.html"

    written = write_single(file, [campaign(tmp_path)], reader(), on_progress=lambda _number, _of: None)

    text = file.read_text()
    stills = re.search(r'id="stills">([^<]*)<', text)
    assert stills is not None
    assert json.loads(stills[1]) == {SHA[:16]: "data:image/webp;base64," + base64.b64encode(STILL).decode()}
    data = data_of(file)
    assert data["videos"] is False
    assert "href" not in data["campaigns"][0]["files"][0]
    assert data["campaigns"][0]["files"][0]["here"] is True
    assert written.stills == 1
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".html"] == ["one.html"]


@fails_without(
    "pipeline.report.writing:_is_ours",
    "return assert_replaces",
    swap=("_MARK in head[:4096]", "True"),
)
def test_folder_that_is_not_a_gallery_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>mine</h1>")

    with pytest.raises(UsageError, match="not a gallery"):
        write(folder, [campaign(tmp_path)])
    with pytest.raises(UsageError, match="not a gallery"):
        write_single(folder / "index.html", [campaign(tmp_path)], None, on_progress=lambda _number, _of: None)

    assert (folder / "index.html").read_text() == "<h1>mine</h1>"
    assert [path.name for path in folder.iterdir()] == ["index.html"]


def test_each_file_is_read_once_across_reports(tmp_path: Path) -> None:
    read: list[Path] = []
    for _ in range(3):
        given = campaign(tmp_path)
        write_folder(
            tmp_path / "report", [given], reader(read), bundle=False, on_progress=lambda _number, _of: None
        )

    assert len(read) == 1
    assert (tmp_path / ".pipeline/cache/.gitignore").read_text() == "*\n"


def test_undecodable_file_has_no_still_and_is_not_retried(tmp_path: Path) -> None:
    read: list[Path] = []
    for _ in range(2):
        given = campaign(tmp_path, content=b"broken")
        index = write_folder(
            tmp_path / "report", [given], reader(read), bundle=False, on_progress=lambda _number, _of: None
        ).page
        assert "poster" not in data_of(index)["campaigns"][0]["files"][0]

    assert len(read) == 1


def test_without_the_extra_the_page_says_so_and_shows_cached_stills(tmp_path: Path) -> None:
    index = write(tmp_path / "none", [campaign(tmp_path)], with_reader=False)
    assert data_of(index)["posters"] is False
    assert "poster" not in data_of(index)["campaigns"][0]["files"][0]

    write(tmp_path / "some", [campaign(tmp_path)])
    index = write(tmp_path / "none", [campaign(tmp_path)], with_reader=False)
    assert data_of(index)["campaigns"][0]["files"][0]["poster"] is True


def test_stills_are_made_even_if_the_cache_is_unwritable(tmp_path: Path) -> None:
    (tmp_path / ".pipeline").write_text("in the way")

    index = write(tmp_path / "report", [campaign(tmp_path)])

    assert (index.parent / "posters" / f"{SHA[:16]}.webp").read_bytes() == STILL


def test_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path / "report", [campaign(tmp_path)]).read_bytes()

    assert write(tmp_path / "report", [campaign(tmp_path)]).read_bytes() == first
