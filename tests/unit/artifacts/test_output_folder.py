"""Files follow their jobs, and a file that is not ours is never changed."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.protection import fails_without

from artifacts.folder import Campaign, bought, digest, film, job
from pipeline.artifacts.base import NotOurs, StoredStamp, Upload
from pipeline.artifacts.file_names import named
from pipeline.artifacts.inventory import needed
from pipeline.artifacts.local_folder import LocalFolder
from pipeline.errors import Unfinished
from pipeline.jobs import Job
from pipeline.planning.plan import Presence
from pipeline.purchases import Output, PurchaseId, Step


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "output"


def test_downloaded_file_is_in_place(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    assert campaign.survey(a) == {"a": Presence.MISSING}
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.survey(a) == {"a": Presence.IN_PLACE}
    assert campaign.files() == {"r/a.mp4": "film"}


def test_file_follows_renamed_job(out: Path) -> None:
    old, new = job("old", asks="x"), job("new", asks="x")
    campaign = Campaign(out, [bought(1, old, "film")])
    campaign.fetch(campaign.purchases[0], "r/old.mp4", "film")
    assert campaign.survey(new) == {"new": Presence.ELSEWHERE}
    assert campaign.put(new) == [True]
    assert campaign.files() == {"r/new.mp4": "film"}
    assert campaign.placed.keys() == {"r/new.mp4"}


def test_file_of_unknown_hash_is_not_found_where_nothing_is(out: Path) -> None:
    purchase = replace(bought(1, job("a"), "", "still"), outputs=(Output("video/mp4"), film("still")))
    campaign = Campaign(out, [purchase])
    campaign.fetch(purchase, "r/a-2.mp4", "still", "result/1")
    assert campaign.outputs().inventory.files_of(purchase) == {
        "result": ((out / "r/a-2.mp4", digest("still"), "video/mp4"),)
    }


def test_swapped_jobs_swap_their_files(out: Path) -> None:
    campaign = Campaign(out, [bought(1, job("a", asks="x"), "X"), bought(2, job("b", asks="y"), "Y")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "X")
    campaign.fetch(campaign.purchases[1], "r/b.mp4", "Y")
    a, b = job("a", asks="y"), job("b", asks="x")
    assert campaign.survey(a, b) == {"a": Presence.ELSEWHERE, "b": Presence.ELSEWHERE}
    assert campaign.put(a, b) == [True, True]
    assert campaign.files() == {"r/a.mp4": "Y", "r/b.mp4": "X"}
    assert campaign.survey(a, b) == {"a": Presence.IN_PLACE, "b": Presence.IN_PLACE}


def test_swapped_jobs_swap_their_files_without_the_file_index(out: Path) -> None:
    campaign = Campaign(out, [bought(1, job("a", asks="x"), "X"), bought(2, job("b", asks="y"), "Y")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "X")
    campaign.fetch(campaign.purchases[1], "r/b.mp4", "Y")
    campaign.placed.clear()
    a, b = job("a", asks="y"), job("b", asks="x")
    assert campaign.put(a, b) == [True, True]
    assert campaign.files() == {"r/a.mp4": "Y", "r/b.mp4": "X"}


def with_steps(campaign: Campaign, number: int, name: str, content: str) -> None:
    """A purchase whose last step has the bytes of the result, with its files in place."""
    buyer = job(name, asks=content, steps=True)
    step = Step("create", (film(content),))
    purchase = bought(number, buyer, content, steps=(Step("crop", (film(f"cropped {content}"),)), step))
    campaign.purchases.append(purchase)
    for file, written in (
        ("", content),
        (".steps/01-crop", f"cropped {content}"),
        (".steps/02-create", content),
    ):
        slot = f"steps/{int(file[7:9]) - 1}/0" if file else "result/0"
        campaign.fetch(purchase, f"r/{name}{file}.mp4", written, slot)


def in_place(folder: str = "r", **asked: str) -> dict[str, str]:
    return {
        f"{folder}/{name}{file}.mp4": f"{before}{content}"
        for name, content in asked.items()
        for file, before in (("", ""), (".steps/01-crop", "cropped "), (".steps/02-create", ""))
    }


@pytest.mark.parametrize("forgets", [False, True])
def test_swapped_jobs_leave_no_step_with_the_bytes_of_a_result(out: Path, forgets: bool) -> None:
    campaign = Campaign(out, [])
    with_steps(campaign, 1, "a", "X")
    with_steps(campaign, 2, "b", "Y")
    if forgets:
        campaign.placed.clear()

    jobs = job("a", asks="Y", steps=True), job("b", asks="X", steps=True)

    assert campaign.put(*jobs) == [True, True]
    assert campaign.files() == in_place(a="Y", b="X")


def test_steps_follow_jobs_that_rotated_and_moved_to_another_folder(out: Path) -> None:
    campaign = Campaign(out, [])
    for number, (name, content) in enumerate(zip("abc", "XYZ", strict=True), 1):
        with_steps(campaign, number, name, content)
    asked = dict(zip("abc", "YZX", strict=True))
    assert campaign.put(*(job(name, asks=asks, steps=True) for name, asks in asked.items())) == [True] * 3

    moved = [job(name, f"n/{name}", asks=asks, steps=True) for name, asks in asked.items()]

    assert campaign.put(*moved) == [True] * 3
    assert campaign.files() == in_place("n", **asked)


def spare(campaign: Campaign, *jobs: Job) -> set[str]:
    return set(campaign.outputs().inventory.spare_copies(campaign.assignment(*jobs)))


def shared_once(out: Path) -> Campaign:
    """A purchase that served two jobs, one of which is gone; its copy of the file is still there."""
    a, b = job("a", asks="x"), job("b", asks="x")
    campaign = Campaign(out, [bought(1, a, "film")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    campaign.put(a, b)
    return campaign


def test_spare_copy_is_found(out: Path) -> None:
    assert spare(shared_once(out), job("a", asks="x")) == {"r/b.mp4"}


def test_only_altered_or_foreign_file_is_not_a_spare_copy(out: Path) -> None:
    a = job("a", asks="x")
    campaign = shared_once(out)
    (out / "r/mine.mp4").write_text("film")
    assert spare(campaign, a) == {"r/b.mp4"}
    (out / "r/b.mp4").write_text("edited")
    assert spare(campaign, a) == set()

    campaign = shared_once(out / "2")
    (out / "2/r/a.mp4").write_text("edited")
    assert spare(campaign, a) == set()
    (out / "2/r/a.mp4").unlink()
    assert spare(campaign, a) == set()


def test_file_shared_with_another_purchase_is_spare_only_once_that_is_deleted(out: Path) -> None:
    a, gone = job("a", asks="x"), job("gone")
    campaign = shared_once(out)
    campaign.purchases.append(bought(2, gone, "film"))
    assert spare(campaign, a) == set()
    inventory = campaign.outputs().inventory
    assert set(inventory.spare_copies(campaign.assignment(a), [campaign.purchases[1].id])) == {"r/b.mp4"}


def test_last_copy_of_unrequested_steps_is_kept(out: Path) -> None:
    campaign = Campaign(out, [])
    with_steps(campaign, 1, "a", "X")
    assert spare(campaign, job("a", asks="X")) == {"r/a.steps/02-create.mp4"}


def test_jobs_that_share_a_purchase_each_get_a_file(out: Path) -> None:
    a, b = job("a", asks="x"), job("b", asks="x")
    campaign = Campaign(out, [bought(1, a, "film")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.put(a, b) == [True, True]
    assert campaign.files() == {"r/a.mp4": "film", "r/b.mp4": "film"}
    assert not (out / "r/a.mp4").samefile(out / "r/b.mp4")


def test_purchase_with_identical_bytes_takes_no_file_from_another(out: Path) -> None:
    a, b, c = job("a", asks="x"), job("old", asks="y"), job("c", asks="z")
    campaign = Campaign(out, [bought(1, a, "film"), bought(2, b, "film"), bought(3, c, "film")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    campaign.fetch(campaign.purchases[1], "r/old.mp4", "film")
    # One is renamed, one was bought on another machine: the same bytes are here.
    b = job("b", asks="y")

    assert campaign.put(a, b, c) == [True, True, True]
    assert campaign.survey(a, b, c) == dict.fromkeys("abc", Presence.IN_PLACE)


def test_removing_a_purchase_keeps_identical_files_of_others(out: Path) -> None:
    before, after, gone = job("a", asks="x"), job("a", asks="y"), job("b")
    old, new, orphan = bought(2, before, "film"), bought(3, after, "new"), bought(1, gone, "film")
    campaign = Campaign(out, [orphan, old, new])
    for purchase, path, content in (
        (orphan, "r/b.mp4", "film"),
        (old, "r/a.mp4", "film"),
        (new, "r/a.mp4", "new"),
    ):
        campaign.fetch(purchase, path, content)

    outputs = campaign.outputs()
    outputs.remove(orphan, {"r/a.mp4": digest("new")})

    assert sorted(campaign.files().values()) == ["film", "new"]
    assert not (out / "r/b.mp4").exists()


@pytest.mark.parametrize(("wanted", "left"), [("film", ["film"]), (None, ["film"]), ("other", [])])
def test_removing_a_purchase_keeps_only_files_whose_bytes_a_job_wants(
    out: Path, wanted: str | None, left: list[str]
) -> None:
    purchase = bought(1, job("a"), "film")
    campaign = Campaign(out, [purchase])
    campaign.fetch(purchase, "r/a.mp4", "film")

    campaign.outputs().remove(purchase, {"r/a.mp4": None if wanted is None else digest(wanted)})

    assert [*campaign.files().values()] == left


def test_replaced_file_is_set_aside_under_its_own_name(out: Path) -> None:
    before, after = job("a", asks="x"), job("a", asks="y")
    old, new = bought(1, before, "old"), bought(2, after, "new")
    campaign = Campaign(out, [old, new])
    campaign.fetch(old, "r/a.mp4", "old")
    campaign.fetch(new, "r/a.mp4", "new")
    assert campaign.files() == {"r/a.mp4": "new", "r/a~0000001.mp4": "old"}
    # Reverted, it comes back from there.
    assert campaign.survey(before) == {"a": Presence.ELSEWHERE}
    assert campaign.put(before) == [True]
    assert campaign.files() == {"r/a.mp4": "old", "r/a~0000002.mp4": "new"}


def test_file_whose_hash_only_the_file_index_knows_is_set_aside(out: Path) -> None:
    old, new = bought(1, job("a", asks="x")), bought(2, job("a", asks="y"), "new")
    campaign = Campaign(out, [old, new])
    campaign.fetch(old, "r/a.mp4", "old")

    campaign.fetch(new, "r/a.mp4", "new")

    assert campaign.files() == {"r/a.mp4": "new", "r/a~0000001.mp4": "old"}


def test_set_aside_second_output_is_found_without_the_file_index(out: Path) -> None:
    before, after = job("a", asks="x"), job("a", asks="y")
    old, new = bought(1, before, "old", "old too"), bought(2, after, "new", "new too")
    campaign = Campaign(out, [old, new])
    for purchase, inventory in ((old, ("old", "old too")), (new, ("new", "new too"))):
        campaign.fetch(purchase, "r/a.mp4", inventory[0])
        campaign.fetch(purchase, "r/a-2.mp4", inventory[1], "result/1")
    campaign.placed.clear()

    assert campaign.survey(before) == {"a": Presence.ELSEWHERE}
    assert campaign.put(before) == [True]
    assert (out / "r/a-2.mp4").read_text() == "old too"


def test_foreign_file_is_not_overwritten(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    (out / "r").mkdir(parents=True)
    (out / "r/a.mp4").write_text("mine")
    with pytest.raises(NotOurs, match=r"a\.mp4"):
        campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.files() == {"r/a.mp4": "mine"}


def test_foreign_file_is_not_overwritten_when_files_are_put_in_place(out: Path) -> None:
    old, new = job("old", asks="x"), job("new", asks="x")
    campaign = Campaign(out, [bought(1, old, "film")])
    campaign.fetch(campaign.purchases[0], "r/old.mp4", "film")
    (out / "r/new.mp4").write_text("mine")
    with pytest.raises(NotOurs):
        campaign.put(new)
    assert campaign.files() == {"r/new.mp4": "mine", "r/old.mp4": "film"}


def test_altered_file_is_distinguished_from_missing_one_and_kept(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    (out / "r/a.mp4").write_text("cut by hand")
    assert campaign.survey(a) == {"a": Presence.ALTERED}
    with pytest.raises(NotOurs):
        campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.files() == {"r/a.mp4": "cut by hand"}
    (out / "r/a.mp4").unlink()
    assert campaign.survey(a) == {"a": Presence.MISSING}


def test_alteration_is_missed_only_if_size_and_time_are_unchanged(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    (out / "r/a.mp4").write_text("FILM")
    os.utime(out / "r/a.mp4", ns=(1, 1))
    assert campaign.survey(a) == {"a": Presence.ALTERED}


def test_file_of_another_purchase_counts_as_missing(out: Path) -> None:
    a, b = job("a"), job("b")
    campaign = Campaign(out, [bought(1, a, "A"), bought(2, b, "B")])
    campaign.fetch(campaign.purchases[1], "r/a.mp4", "B")
    assert campaign.survey(a)["a"] is Presence.MISSING


def test_presence_of_job_is_that_of_its_worst_file(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "one", "two")])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "one")
    assert campaign.survey(a) == {"a": Presence.MISSING}
    campaign.fetch(campaign.purchases[0], "r/a-2.mp4", "two", "result/1")
    assert campaign.survey(a) == {"a": Presence.IN_PLACE}
    (out / "r/a-2.mp4").write_text("cut")
    assert campaign.survey(a) == {"a": Presence.ALTERED}


def test_steps_are_missing_only_if_the_job_wants_them(out: Path) -> None:
    plain, full = job("a"), job("a", steps=True)
    step = Step("crop", (film("cropped", "image/png"),))
    campaign = Campaign(out, [bought(1, plain, "film", steps=(step,))])
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.survey(plain) == {"a": Presence.IN_PLACE}
    assert campaign.survey(full) == {"a": Presence.MISSING}
    campaign.fetch(campaign.purchases[0], "r/a.steps/01-crop.png", "cropped", "steps/0/0")
    assert campaign.survey(full) == {"a": Presence.IN_PLACE}


def test_absent_file_is_not_put_in_place(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    assert campaign.put(a) == [False]
    assert campaign.files() == {}


def test_file_that_a_killed_run_could_not_record_is_adopted(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    (out / "r").mkdir(parents=True)
    (out / "r/a.mp4").write_text("film")
    campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert campaign.files() == {"r/a.mp4": "film"}
    assert campaign.placed.keys() == {"r/a.mp4"}


@fails_without("pipeline.artifacts.local_folder:LocalFolder._make_in_checked", "if not there.resolve")
def test_folder_linked_outside_is_rejected(out: Path, tmp_path: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "r").symlink_to(outside)
    with pytest.raises(NotOurs, match="a link leads out"):
        campaign.outputs().temporary_folder("r/a.mp4")
    with pytest.raises(NotOurs):
        campaign.outputs().clear("r/a.mp4")
    assert not list(outside.iterdir())


def test_no_folder_is_created_behind_link_to_outside(out: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    out.mkdir()
    (out / "r").symlink_to(outside)
    with pytest.raises(NotOurs):
        Campaign(out, []).outputs().temporary_folder("r/deep/down/a.mp4")
    assert not list(outside.iterdir())


@fails_without(
    "pipeline.artifacts.local_folder:LocalFolder._status",
    "status = status_at(",
    swap=("status_at", "os.stat"),
)
@fails_without(
    "pipeline.artifacts.local_folder:LocalFolder.is_taken",
    "return os.path.lexists(",
    swap=("lexists", "exists"),
)
@pytest.mark.parametrize("dangling", [False, True])
def test_link_instead_of_file_is_not_replaced(out: Path, tmp_path: Path, dangling: bool) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    secret = tmp_path / "secret"
    if not dangling:
        secret.write_text("film")
    (out / "r").mkdir(parents=True)
    (out / "r/a.mp4").symlink_to(secret)
    assert campaign.survey(a) == {"a": Presence.MISSING}
    with pytest.raises(NotOurs):
        campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert (out / "r/a.mp4").is_symlink()
    assert secret.exists() is not dangling


@fails_without(
    "pipeline.artifacts.output_folder:OutputFolder.clear",
    "if digest is None or purchase_id",
    swap=("None or", "not None and"),
)
def test_folder_instead_of_file_is_not_replaced(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    (out / "r/a.mp4").mkdir(parents=True)
    with pytest.raises(NotOurs):
        campaign.fetch(campaign.purchases[0], "r/a.mp4", "film")
    assert (out / "r/a.mp4").is_dir()


def test_file_instead_of_folder_is_not_replaced(out: Path) -> None:
    old, new = job("old", path="old", asks="x"), job("new", path="r/new", asks="x")
    campaign = Campaign(out, [bought(1, old, "film")])
    campaign.fetch(campaign.purchases[0], "old.mp4", "film")
    (out / "r").write_text("mine")
    with pytest.raises(NotOurs, match="not a folder"):
        campaign.put(new)
    assert campaign.files() == {"old.mp4": "film", "r": "mine"}


@pytest.mark.parametrize("way", ["", "r", "r/deep"])
def test_error_names_the_blocking_part_of_the_path(out: Path, way: str) -> None:
    a = job("a", path="r/deep/er/a", asks="x")
    campaign = Campaign(out, [bought(1, a, "film")])
    shutil.rmtree(out, ignore_errors=True)
    (out / way).parent.mkdir(parents=True, exist_ok=True)
    (out / way).write_text("mine")

    with pytest.raises(NotOurs, match=f"^{re.escape(str(out / way))}: not a folder, so nothing is stored"):
        campaign.fetch(campaign.purchases[0], "r/deep/er/a.mp4", "film")


def test_folder_that_disappears_while_a_file_is_placed_is_reported(out: Path, tmp_path: Path) -> None:
    """As if somebody moved it away during a run."""
    fetched = tmp_path / "gone" / "film.tmp"

    with pytest.raises(Unfinished) as told:
        LocalFolder(out).put(Upload(fetched, "r/a.mp4", digest("film")))

    assert str(told.value) == f"{out}/r/a.mp4: cannot be written: No such file or directory"


def test_foreign_file_with_the_set_aside_name_is_not_overwritten(out: Path) -> None:
    old, new = bought(1, job("a", asks="x"), "old"), bought(2, job("a", asks="y"), "new")
    campaign = Campaign(out, [old, new])
    campaign.fetch(old, "r/a.mp4", "old")
    (out / "r/a~0000001.mp4").write_text("mine")
    with pytest.raises(NotOurs, match="a~0000001"):
        campaign.fetch(new, "r/a.mp4", "new")
    assert campaign.files() == {"r/a.mp4": "old", "r/a~0000001.mp4": "mine"}


def test_name_that_differs_only_by_case_is_not_overwritten_on_case_sensitive_disk(out: Path) -> None:
    a = job("a", path="r/Hero")
    campaign = Campaign(out, [bought(1, a, "film")])
    (out / "r").mkdir(parents=True)
    (out / "r/hero.mp4").write_text("mine")
    if (out / "r/HERO.mp4").exists():
        pytest.skip("this file system holds both names for one")
    campaign.fetch(campaign.purchases[0], "r/Hero.mp4", "film")
    assert campaign.files() == {"r/Hero.mp4": "film", "r/hero.mp4": "mine"}


def test_files_of_purchase_are_found_by_output(out: Path) -> None:
    a = job("a")
    purchase = bought(1, a, "film", steps=(Step("crop", (film("cropped", "image/png"),)),))
    campaign = Campaign(out, [purchase])
    campaign.fetch(purchase, "r/a.mp4", "film")
    assert campaign.outputs().inventory.files_of(purchase) == {
        "result": ((out / "r/a.mp4", digest("film"), "video/mp4"),),
        "crop": (),
    }


@pytest.mark.parametrize("alike", [False, True])
def test_lookups_grow_linearly_with_the_files_of_a_purchase(
    out: Path, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    """Twice as many take twice as long, even if all have the same bytes and none is here any more."""

    def looks(number: int) -> int:
        contents = ["film" if alike else f"film {each}" for each in range(number)]
        campaign = Campaign(out / str(number), [bought(1, job("a"), *contents)])
        (purchase,) = campaign.purchases
        for file, content in zip(named(purchase, "r/a"), contents, strict=True):
            campaign.fetch(purchase, file.path, content, file.slot)
        shutil.rmtree(campaign.folder)
        outputs, seen = campaign.outputs(), 0
        look = LocalFolder.stamp

        def counting(folder: LocalFolder, path: str) -> StoredStamp | None:
            nonlocal seen
            seen += 1
            return look(folder, path)

        monkeypatch.setattr(LocalFolder, "stamp", counting)
        assert outputs.inventory.missing([purchase]) == [purchase]
        for file in named(purchase, "r/a"):
            assert outputs.inventory.find(purchase, file) is None
        monkeypatch.setattr(LocalFolder, "stamp", look)
        return seen

    assert looks(40) <= 2 * looks(20) + 10


def test_making_room_may_move_the_file_that_is_wanted(out: Path) -> None:
    # Two purchases whose ids begin alike are set aside under the same name.
    a = job("a", asks="x")
    old = bought(1, a, "old")
    other = replace(bought(2, job("a", asks="y"), "new"), id=PurchaseId(f"{1:07}{1:09}"))
    campaign = Campaign(out, [old, other])
    campaign.fetch(old, "r/a.mp4", "old")
    campaign.fetch(other, "r/a.mp4", "new")
    assert campaign.files() == {"r/a.mp4": "new", "r/a~0000001.mp4": "old"}

    assert campaign.put(a) == [True]

    assert (out / "r/a.mp4").read_text() == "old"
    assert sorted(campaign.files().values()) == ["new", "old"]


@fails_without("pipeline.artifacts.output_folder:OutputFolder._rename", "if expected is not None:")
def test_move_that_is_killed_is_recorded_before_it_begins(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, newest = job("old", asks="x"), job("new", asks="x"), job("newest", asks="x")
    campaign = Campaign(out, [bought(1, old, "film")])
    campaign.fetch(campaign.purchases[0], "r/old.mp4", "film")
    move = LocalFolder.move

    def killed(self: LocalFolder, path: str, other: str, digest: str) -> None:
        move(self, path, other, digest)
        raise KeyboardInterrupt

    assignment, outputs = campaign.assignment(new), campaign.outputs()
    with monkeypatch.context() as patched:
        patched.setattr(LocalFolder, "move", killed)
        with pytest.raises(KeyboardInterrupt):
            outputs.put(new, campaign.purchases[0], needed(assignment))

    assert campaign.survey(newest) == {"newest": Presence.ELSEWHERE}
    assert campaign.put(newest) == [True]
    assert campaign.files() == {"r/newest.mp4": "film"}


def test_file_that_is_found_in_place_is_noted(out: Path) -> None:
    a = job("a")
    campaign = Campaign(out, [bought(1, a, "film")])
    (out / "r").mkdir(parents=True)
    (out / "r/a.mp4").write_text("film")
    outputs = campaign.outputs()
    outputs.inventory.survey(campaign.assignment(a))
    campaign.keep(outputs)
    assert campaign.placed.keys() == {"r/a.mp4"}

    renamed = job("renamed", asks="a")
    campaign.purchases[0] = replace(campaign.purchases[0], path="r/elsewhere")
    assert campaign.put(renamed) == [True]
    assert campaign.files() == {"r/renamed.mp4": "film"}


@pytest.mark.parametrize("is_first", [True, False])
def test_file_that_is_not_noted_stays_for_the_purchase_that_is_not_deleted(out: Path, is_first: bool) -> None:
    a = job("a")
    deleted, kept = replace(bought(1, a, "film"), deleted=True), bought(2, a, "film")
    campaign = Campaign(out, [deleted, kept] if is_first else [kept, deleted])
    campaign.fetch(kept, "r/a.mp4", "film")
    campaign.placed.clear()

    outputs = campaign.outputs()
    outputs.note_files_of([deleted])
    assert not outputs.remove(deleted, {})
    assert campaign.files() == {"r/a.mp4": "film"}
    assert outputs.remove(kept, {})
    assert campaign.files() == {}


@fails_without(
    "pipeline.artifacts.output_folder:OutputFolder._possible_paths",
    "own =",
    swap=("(file.path, aside(file.path, purchase.id))", "(file.path,)"),
)
def test_files_set_aside_by_another_machine_are_removed(out: Path) -> None:
    before, after = job("a", asks="x"), job("a", asks="y")
    old, new = bought(1, before, "old", "old too"), bought(2, after, "new", "new too")
    campaign = Campaign(out, [old, new])
    for purchase, contents in ((old, ("old", "old too")), (new, ("new", "new too"))):
        campaign.fetch(purchase, "r/a.mp4", contents[0])
        campaign.fetch(purchase, "r/a-2.mp4", contents[1], "result/1")
    campaign.placed.clear()

    assert campaign.outputs().remove(old, {})

    assert campaign.files() == {"r/a-2.mp4": "new too", "r/a.mp4": "new"}
