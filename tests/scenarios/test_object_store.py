"""Videos in an object store: uploaded once and whole, found again, never overwritten, even if machines die."""

import random
import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest
from support.calling import Pipeline
from support.campaigns import Project, campaign, chained, picture, spring
from support.checks import assert_nothing_bought_twice, assert_playable
from support.fork_server import Child, ForkServer
from support.protection import fails_without
from support.s3 import BUCKET, KEYS, Asked, S3Server, assert_stored_whole

from pipeline.emulator.embedded import Emulator

PLACE = f"s3://{BUCKET}/spring"


def many(number: int) -> dict[str, object]:
    """A campaign of `number` jobs."""
    return spring(prompts={f"p{each}": f"prompt {each}" for each in range(number)})


def test_campaign_is_stored_there_and_found_again(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    ended = pipeline("run", project.manifest, "--output", PLACE)

    assert ended.code == 0, ended.output
    assert len(bucket.objects()) == 2
    assert_stored_whole(project, bucket)
    assert f"Files:   {PLACE}/" in ended.out
    assert not (project.folder / "output").exists()
    assert [path.name for path in (project.folder / ".pipeline" / "spring.uploads").iterdir()] == [
        ".gitignore"
    ]
    again = pipeline("run", project.manifest, "--output", PLACE, "--frozen")
    assert again.code == 0, again.output
    assert len(vendor.ledger.entries) == 2
    for name in KEYS.values():
        assert name == "us-east-1" or name not in ended.output + again.output


def test_each_file_is_put_once_with_its_hash_and_overwrites_nothing(
    project: Project, pipeline: Pipeline, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0

    puts = [each for each in bucket.asked if each.method == "PUT"]
    assert len({each.key for each in puts} - {"spring/.pipeline-output"}) == 2
    for each in puts:
        assert each.headers["HTTP_IF_NONE_MATCH"] == "*"
        assert each.headers["HTTP_X_AMZ_CHECKSUM_SHA256"]


def test_verify_asks_for_sizes_and_hashes_and_downloads_nothing(
    project: Project, pipeline: Pipeline, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    bucket.asked.clear()

    ended = pipeline("verify", project.manifest, "--files", "--output", PLACE)

    assert ended.code == 0, ended.output
    assert not [each for each in bucket.asked if each.method == "GET" and each.key]
    assert [each for each in bucket.asked if each.method == "HEAD"]
    first, second = sorted(bucket.objects())
    bucket.put(first, b"another film")
    bucket.client.delete_object(Bucket=BUCKET, Key=second)
    ended = pipeline("verify", project.manifest, "--files", "--output", PLACE)
    assert ended.code == 1, ended.output
    assert f"s3://{BUCKET}/{first}: differs from what was downloaded" in ended.output
    assert f"s3://{BUCKET}/{second}: missing" in ended.output


@fails_without("pipeline.artifacts.s3:Bucket._put", "_client().put_object(", swap=("IfNoneMatch='*', ", ""))
def test_existing_object_is_not_overwritten(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    key = min(bucket.objects())
    other = f"s3://{BUCKET}/other"
    theirs = f"other/{key.removeprefix('spring/')}"

    def come_between(asked: Asked) -> None:
        if asked.method == "PUT" and asked.key == theirs:
            bucket.meet = lambda _asked: None
            bucket.put(theirs, b"theirs")

    bucket.meet = come_between
    ended = pipeline("collect", project.manifest, "--output", other)

    assert ended.code == 8, ended.output
    assert f"s3://{BUCKET}/{theirs}: not a file of this campaign" in ended.output
    assert bucket.objects()[theirs] == b"theirs"
    assert len(vendor.ledger.entries) == 2
    bucket.client.delete_object(Bucket=BUCKET, Key=theirs)
    assert pipeline("collect", project.manifest, "--output", other).code == 0
    assert pipeline("verify", project.manifest, "--files", "--output", other).code == 0


def test_two_machines_that_put_the_same_purchase_agree(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    before = bucket.objects()
    clone = campaign(project.folder / "clone", {"images/red.png": picture()})
    clone.results_file.write_bytes(project.results_file.read_bytes())

    ended = pipeline("run", clone.manifest, "--output", PLACE)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == 2
    assert bucket.objects() == before


def test_video_of_another_machine_is_kept_and_so_is_the_purchase(
    project: Project, pipeline: Pipeline, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    before = bucket.objects()
    other = campaign(project.folder / "other", {"images/red.png": picture()})

    ended = pipeline("run", other.manifest, "--output", PLACE)

    assert ended.code == 8, ended.output
    assert bucket.objects() == before
    assert set(other.statuses().values()) == {"succeeded"}


def test_replaced_file_is_set_aside_and_moved_file_is_verified_before_deletion(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    before = bucket.objects()

    replaced = pipeline("run", project.manifest, "--output", PLACE, "--replace", next(iter(project.jobs())))

    assert replaced.code == 0, replaced.output
    after = bucket.objects()
    assert set(before.values()) <= set(after.values())
    assert [key for key in after if "~" in key]
    assert_stored_whole(project, bucket)
    project.write({"campaign.yaml": spring(output={"path": "moved/{{ job.key }}.{{ ext }}"})})
    moved = pipeline("run", project.manifest, "--output", PLACE, "--frozen")
    assert moved.code == 0, moved.output
    assert_stored_whole(project, bucket)
    assert set(after.values()) == set(bucket.objects().values())


@fails_without("pipeline.artifacts.object_store:_assert_creates_only", "raise InvalidInput(f'{bucket.url}: ")
def test_server_that_overwrites_is_refused_before_buying(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    def ignore(asked: Asked) -> None:
        asked.headers.pop("HTTP_IF_NONE_MATCH", None)

    bucket.meet = ignore
    ended = pipeline("run", project.manifest, "--output", PLACE)

    assert ended.code == 3, ended.output
    assert "If-None-Match" in ended.output
    assert not vendor.ledger.entries


@pytest.mark.parametrize(
    ("output", "status", "expected"),
    [
        ("s3://no-such-bucket/x", None, "there is no bucket 'no-such-bucket'"),
        (PLACE, 403, "no permission to"),
        (PLACE, 401, "does not accept the credentials"),
    ],
)
def test_unwritable_store_is_reported_before_buying(
    project: Project,
    pipeline: Pipeline,
    vendor: Emulator,
    bucket: S3Server,
    output: str,
    status: int | None,
    expected: str,
) -> None:
    bucket.meet = lambda _asked: status
    ended = pipeline("run", project.manifest, "--output", output)

    assert ended.code == 3, ended.output
    assert expected in ended.output
    assert "Traceback" not in ended.output
    assert not vendor.ledger.entries


def test_missing_credentials_report_where_they_are_looked_up(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server, tmp_path: Path
) -> None:
    pipeline.set("AWS_ACCESS_KEY_ID", None)
    pipeline.set("AWS_SECRET_ACCESS_KEY", None)
    pipeline.set("AWS_EC2_METADATA_DISABLED", "true")
    pipeline.set("HOME", str(tmp_path))
    ended = pipeline("run", project.manifest, "--output", PLACE)

    assert ended.code == 3, ended.output
    assert "AWS_ACCESS_KEY_ID" in ended.output
    assert not vendor.ledger.entries


@pytest.mark.parametrize(
    "output", ["s3://", "s3://KEY:hunter2@films/x", "s3://films/../x", "s3://films//x", "s3://Films/x"]
)
def test_invalid_location_is_refused_without_repeating_it(
    project: Project, pipeline: Pipeline, output: str
) -> None:
    ended = pipeline("plan", project.manifest, "--output", output)
    assert ended.code == 64, ended.output
    assert "expected s3://BUCKET/PREFIX" in ended.err
    assert "hunter2" not in ended.output


def test_video_is_named_by_its_url_and_deleted_with_its_purchase(
    project: Project, pipeline: Pipeline, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    url = project.results()["jobs"][0]["outputs"][0]["path"]

    assert pipeline("doctor", project.manifest, "--output", PLACE).out.count(f"{PLACE} answers") == 1
    shown = pipeline("show", project.manifest, project.results()["jobs"][0]["key"], "--output", PLACE)
    assert url in shown.out, shown.output
    approved = pipeline("approve", project.manifest, url, "--output", PLACE)
    assert approved.code == 0, approved.output
    assert project.results_file.exists()
    destroyed = pipeline("destroy", project.manifest, "--output", PLACE, "--yes")
    assert destroyed.code == 0, destroyed.output
    assert bucket.objects() == {}


def test_file_set_aside_by_one_machine_is_pruned_by_another(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    before = bucket.objects()
    replaced = pipeline("run", project.manifest, "--output", PLACE, "--replace", next(iter(project.jobs())))
    assert replaced.code == 0, replaced.output
    assert len(bucket.objects()) == 3
    clone = campaign(project.folder / "clone", {"images/red.png": picture()})
    clone.results_file.write_bytes(project.results_file.read_bytes())

    # A checkout of the results proves nothing to a new state, so the purchase is named.
    (old,) = (each["id"] for each in project.results()["purchases"] if each.get("again"))
    ended = pipeline("prune", clone.manifest, old, "--output", PLACE, "--yes")

    assert ended.code == 0, ended.output
    assert len(bucket.objects()) == len(before)
    assert not [key for key in bucket.objects() if "~" in key]


@fails_without("pipeline.operations.delete:_delete_all", "continue")
def test_video_that_the_store_fails_to_delete_is_deleted_by_the_next_prune(
    project: Project, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    walk = next(key for key in bucket.objects() if "walk" in key)
    project.write({"campaign.yaml": spring(prompts={"dance": "a dance in the rain"})})

    bucket.meet = lambda asked: 503 if asked.method == "DELETE" else None
    failed = pipeline("prune", project.manifest, "--output", PLACE, "--yes")
    assert failed.code == 8, failed.output
    assert f"not deleted: {PLACE}" in failed.output
    assert "1 could not be deleted yet: run again" in failed.output
    assert walk in bucket.objects()
    bucket.meet = lambda _asked: None
    again = pipeline("prune", project.manifest, "--output", PLACE, "--yes")

    assert again.code == 0, again.output
    assert "1 deleted." in again.out
    assert len(vendor.store.workflows()) == len(bucket.objects()) == 1
    assert walk not in bucket.objects()
    assert pipeline("prune", project.manifest, "--output", PLACE, "--yes").out == "Nothing to delete.\n"


def sketched(folder: Path, pipeline: Pipeline, vendor: Emulator) -> Project:
    """A campaign of two stages whose first result is in the store and gone at the vendor."""
    project = campaign(folder, {"campaign.yaml": chained()})
    ended = pipeline("run", project.manifest, "--output", PLACE, "--select", "sketch")
    assert ended.code == 0, ended.output
    (sketch,) = vendor.store.workflows()
    vendor.store.delete(sketch.id)
    return project


def test_stage_is_made_from_a_file_in_the_store(
    folder: Path, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    project = sketched(folder, pipeline, vendor)
    ended = pipeline("run", project.manifest, "--output", PLACE)

    assert ended.code == 0, ended.output
    assert set(project.statuses().values()) == {"done"}
    (sketch,) = (content for key, content in bucket.objects().items() if key.endswith(".png"))
    assert sketch in [each.read_bytes() for each in vendor.settings.folder.rglob("input-1.png")]
    assert [each.name for each in (folder / ".pipeline" / "copies").iterdir()] == [".gitignore"]


@fails_without("pipeline.engine.upstream:_on_this_machine", "raise VendorError(str(error))")
def test_unavailable_file_in_the_store_holds_up_only_its_stage(
    folder: Path, pipeline: Pipeline, vendor: Emulator, bucket: S3Server
) -> None:
    project = sketched(folder, pipeline, vendor)
    manifest = chained()
    manifest["prompts"]["turn"] = "it turns"
    manifest["jobs"].append(
        {"id": "plain", "templates": ["film"], "image_sets": ["shoes"], "prompts": ["turn"]}
    )
    project.write({"campaign.yaml": manifest})
    bucket.meet = lambda asked: 503 if asked.method == "GET" and asked.key else None

    ended = pipeline("run", project.manifest, "--output", PLACE)
    assert ended.code == 8, ended.output
    assert "film/film/red/spin: s3://" in ended.output
    assert project.statuses()["plain/film/red/turn"] == "done"
    bucket.meet = lambda _asked: None
    again = pipeline("run", project.manifest, "--output", PLACE)
    assert again.code == 0, again.output
    assert_nothing_bought_twice(vendor)


def test_missing_extra_is_named(project: Project) -> None:
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['boto3'] = None; from pipeline.cli.main import main; main()",
            *("plan", str(project.manifest), "--output", PLACE),
        ],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ended.returncode == 64, ended.stderr
    assert "campaign-pipeline[s3]" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (project.folder / "s3:").exists()


def test_kill_at_any_request_leaves_no_partial_object_and_buys_nothing_twice(
    folder: Path, pipeline: Pipeline, vendor: Emulator, fork_server: ForkServer, bucket: S3Server
) -> None:
    project = campaign(folder, {"campaign.yaml": many(24)})
    rng, killed = random.Random(20), 0
    for number in range(20):
        left = rng.randrange(1, 12)
        running: SimpleQueue[Child] = SimpleQueue()

        def strike(_asked: Asked, running: SimpleQueue[Child] = running) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                running.get().signal(signal.SIGKILL)

        bucket.meet = strike
        child = fork_server.start(
            *("run", project.manifest, "--output", PLACE),
            url=vendor.url,
            folder=folder,
            log=folder.parent / f"run-{number}",
            **bucket.environment,
        )
        running.put(child)
        killed += child.ended().code == -signal.SIGKILL
        bucket.meet = lambda _asked: None
        for key, content in bucket.objects().items():
            assert_playable(key, content)
    assert killed > 10
    ended = pipeline("collect", project.manifest, "--output", PLACE)
    assert ended.code in {0, 7}, ended.output
    assert pipeline("verify", project.manifest, "--files", "--output", PLACE).code == 0
    assert_stored_whole(project, bucket)
    assert_nothing_bought_twice(vendor)
    behind = [each.name for each in (folder / ".pipeline" / "spring.uploads").iterdir()]
    assert not [name for name in behind if not name.startswith((".mark.", ".gitignore"))]


def test_gallery_reads_stills_from_the_store_and_links_videos_only_if_asked(
    project: Project, pipeline: Pipeline, bucket: S3Server
) -> None:
    assert pipeline("run", project.manifest, "--output", PLACE).code == 0
    page = project.folder / "page" / "index.html"

    plain = pipeline("report", project.manifest, "--output", PLACE, "--out", page.parent)
    assert plain.code == 0, plain.output
    assert bucket.url not in page.read_text()
    assert len(list((page.parent / "posters").iterdir())) == 2
    signed = pipeline("report", project.manifest, "--output", PLACE, "--out", page.parent, "--sign", "24h")
    assert signed.code == 0, signed.output
    assert f"media-src 'self' file: {bucket.url}" in page.read_text()
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in page.read_text()
    bundle = pipeline("report", project.manifest, "--output", PLACE, "--out", page.parent, "--bundle")
    assert bundle.code == 0, bundle.output
    assert len(list((page.parent / "media").rglob("*.mp4"))) == 2


@pytest.mark.parametrize(
    "flags", [("--sign", "8d"), ("--sign", "soon"), ("--sign", "1h", "--bundle"), ("--sign", "1h")]
)
def test_links_that_cannot_be_signed_are_refused(
    project: Project, pipeline: Pipeline, flags: tuple[str, ...]
) -> None:
    assert pipeline("report", project.manifest, *flags).code == 64
