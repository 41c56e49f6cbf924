"""Objects in a store: put once and whole by the first writer, and identified by their hash."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

import pytest
from support.processes import until
from support.protection import fails_without
from support.s3 import BUCKET, KEYS, Asked, Refusal, S3Server

from pipeline.artifacts.base import NotOurs, Upload, make_scratch
from pipeline.artifacts.object_store import ObjectStore, send
from pipeline.artifacts.s3 import Bucket, signed
from pipeline.artifacts.store_access import on_this_machine
from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.schemes import ObjectUrl

PLACE = ObjectUrl(BUCKET, "out")
SENDS = """
import hashlib, os, sys
from pathlib import Path
from pipeline.artifacts import s3
from pipeline.artifacts.base import Upload
from pipeline.artifacts.object_store import send
from pipeline.schemes import ObjectUrl
file = Path(sys.argv[1])
digest = hashlib.sha256(file.read_bytes()).hexdigest()
s3._client()
for path in sys.stdin:
    child = os.fork()
    if child == 0:
        send(ObjectUrl("films", "out"), file.parent, [Upload(file, path.strip(), digest)])
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def upload(folder: Path, content: bytes, path: str = "a.mp4") -> Upload:
    """A file to be put at `path`."""
    file = folder / hashlib.sha256(content + path.encode()).hexdigest()
    file.write_bytes(content)
    return Upload(file, path, hashlib.sha256(content).hexdigest())


@pytest.fixture
def store(bucket: S3Server, tmp_path: Path) -> ObjectStore:
    return ObjectStore(PLACE, tmp_path / "scratch")


def test_object_is_found_by_hash_from_another_machine(
    store: ObjectStore, bucket: S3Server, tmp_path: Path
) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    other = ObjectStore(PLACE, tmp_path / "other")

    assert not film.temporary.exists()
    assert other.digest("a.mp4") == store.digest("a.mp4") == film.digest
    assert other.stamp("a.mp4") == store.stamp("a.mp4")
    assert other.is_taken("a.mp4")
    assert not other.is_taken("b.mp4")
    assert other.digest("b.mp4") is None


def test_only_one_of_many_concurrent_puts_wins_and_all_learn_which(bucket: S3Server, tmp_path: Path) -> None:
    films = [upload(tmp_path, b"film %d" % number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: send(PLACE, tmp_path, [each])["a.mp4"], films))

    lies = hashlib.sha256(bucket.objects()["out/a.mp4"]).hexdigest()
    assert {each.sha256 for each in found if each.sha256 == lies}
    late = ObjectStore(PLACE, tmp_path)
    for film in films:
        if film.digest != lies:
            with pytest.raises(NotOurs):
                late.put(film)
            assert film.temporary.exists()


def test_lost_response_is_harmless(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    asked: list[Asked] = []

    def lose(each: Asked) -> int | None:
        if each.method == "PUT" and each.key == "out/a.mp4" and not asked:
            asked.append(each)
            bucket.client.put_object(
                Bucket=BUCKET,
                Key=each.key,
                Body=b"film",
                ChecksumAlgorithm="SHA256",
            )
            return 503
        return None

    bucket.meet = lose
    store.put(film)
    assert bucket.objects() == {"out/a.mp4": b"film"}


class Sender:
    """Puts files one after another, each in its own process, which a test may kill; ends with its `with`."""

    def __init__(self, around: dict[str, str], file: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SENDS, str(file)],
            env={**os.environ, **around},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def put(self, path: str) -> int:
        """Begin to put it at `path`; returns the process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        return self.number()

    def number(self) -> int:
        """Wait for its end; returns its exit code."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.mark.parametrize("seed", range(4))
def test_killed_put_leaves_whole_object_or_none_and_nobody_overwrites_it(
    bucket: S3Server, tmp_path: Path, seed: int
) -> None:
    rng, size, kills = random.Random(seed), 8 << 20, 25
    content = rng.randbytes(1 << 16) * (size >> 16)
    film = upload(tmp_path, content)

    def strike(key: str, share: float | None, victims: SimpleQueue[int], asked: Asked) -> None:
        """Kill the sender when that share of the body has arrived; None: when it requests the object it has put."""
        if asked.key != key or asked.method != ("HEAD" if share is None else "PUT"):
            return
        body = asked.headers["wsgi.input"]
        came = b"" if share is None else body.read(int(size * share))
        os.kill(victims.get(), signal.SIGKILL)
        asked.headers["wsgi.input"] = _Rest(came, body)

    with Sender(bucket.environment, film.temporary) as sender:
        for number in range(kills):
            victims: SimpleQueue[int] = SimpleQueue()
            shares = (rng.random(), rng.random(), 1.0, None)
            bucket.meet = partial(strike, f"out/{number}.mp4", rng.choice(shares), victims)
            victims.put(sender.put(f"{number}.mp4"))
            assert sender.number() == -signal.SIGKILL
    until(lambda: bucket.is_idle, "the server to be through with what came")
    bucket.meet = lambda _asked: None

    left = bucket.objects()
    assert set(left.values()) <= {content}
    assert 0 < len(left) < kills
    assert not bucket.open_uploads()
    other = [upload(tmp_path, b"another", f"{number}.mp4") for number in range(kills)]
    send(PLACE, tmp_path, other)
    assert bucket.objects() == {f"out/{each.path}": b"another" for each in other} | left


class _Rest:
    """The part of a body already read, then the rest."""

    def __init__(self, came: bytes, rest: Any) -> None:
        self._came, self._rest = BytesIO(came), rest

    def read(self, size: int = -1) -> bytes:
        return self._came.read(size) or bytes(self._rest.read(size))

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(1 << 16), b"")


@fails_without(
    "pipeline.artifacts.object_store:ObjectStore.copy", "if self._bucket.fetch(path, temporary) != digest"
)
def test_changed_object_is_not_moved(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    bucket.put("out/a.mp4", b"another")

    with pytest.raises(Unfinished, match="was changed"):
        store.move("a.mp4", "b.mp4", film.digest)
    assert bucket.objects() == {"out/a.mp4": b"another"}


@fails_without(
    "pipeline.artifacts.object_store:ObjectStore.delete",
    "if stored is not None and stored.sha256",
    swap=(" and stored.sha256 == digest", ""),
)
def test_only_known_object_is_deleted(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    bucket.put("out/a.mp4", b"another")

    store.delete("a.mp4", film.digest)
    store.delete("never.mp4", film.digest)
    assert bucket.objects() == {"out/a.mp4": b"another"}


def test_move_leaves_one_object_and_copy_leaves_two(
    store: ObjectStore, bucket: S3Server, tmp_path: Path
) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    store.move("a.mp4", "deep/b.mp4", film.digest)
    assert bucket.objects() == {"out/deep/b.mp4": b"film"}
    store.copy("deep/b.mp4", "c.mp4", film.digest)
    assert bucket.objects() == {"out/deep/b.mp4": b"film", "out/c.mp4": b"film"}
    assert store.digest("a.mp4") is None
    assert not [each for each in (tmp_path / "scratch").iterdir() if each.suffix == ".tmp"]


@fails_without("pipeline.artifacts.object_store:ObjectStore.put", "if stored.sha256 != upload.digest:")
def test_object_without_hash_is_not_ours(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="out/a.mp4", Body=b"film", ChecksumAlgorithm="CRC32")
    film = upload(tmp_path, b"film")

    assert store.digest("a.mp4") not in {None, film.digest}
    with pytest.raises(NotOurs):
        store.put(film)


def test_bucket_without_prefix_is_accepted(bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    whole = ObjectStore(ObjectUrl.parse("s3://films"), tmp_path)
    whole.put(film)
    assert ObjectStore(ObjectUrl.parse("s3://films/"), tmp_path).digest("a.mp4") == film.digest
    assert "a.mp4" in bucket.objects()


@fails_without("pipeline.artifacts.store_access:on_this_machine", "raise Unfinished(")
def test_temporary_copy_has_the_content_and_is_removed_afterwards(
    store: ObjectStore, bucket: S3Server, tmp_path: Path
) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    with on_this_machine(PLACE / "a.mp4", film.digest, tmp_path / "copies") as path:
        assert path.read_bytes() == b"film"
    assert not path.exists()
    bucket.put("out/a.mp4", b"another")
    with (
        pytest.raises(Unfinished),
        on_this_machine(PLACE / "a.mp4", film.digest, tmp_path / "copies"),
    ):
        raise AssertionError("it was given out")


@pytest.mark.parametrize(
    ("status", "error"), [(403, InvalidInput), (401, InvalidInput), (500, Unfinished), (503, Unfinished)]
)
def test_access_denied_is_explained(
    bucket: S3Server, tmp_path: Path, status: int, error: type[PipelineError]
) -> None:
    bucket.meet = lambda _asked: status
    with pytest.raises(error, match="s3://films/out: ") as told:
        Bucket(PLACE).listing()
    assert not any(secret in str(told.value) for secret in (KEYS["AWS_ACCESS_KEY_ID"], "canary"))


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (Refusal.of(301, "PermanentRedirect"), InvalidInput, "AWS_REGION"),
        (Refusal.of(400, "AuthorizationHeaderMalformed"), InvalidInput, "AWS_REGION"),
        (Refusal.of(403, "RequestTimeTooSkewed"), InvalidInput, "clock"),
        (Refusal.of(400, "ExpiredToken"), Unfinished, "expired"),
        (Refusal.of(503, "SlowDown"), Unfinished, "SlowDown"),
        (Refusal.of(409, "OperationAborted"), Unfinished, "OperationAborted"),
        (Refusal(200, b"<html><h1>Welcome</h1>", "text/html"), Unfinished, "could not list"),
        (Refusal(200, b"{}", "application/json"), Unfinished, "could not list"),
        (
            Refusal(200, b"<ListBucketResult><Contents><Key>x</Key></Contents></ListBucketResult>"),
            InvalidInput,
            "UR",
        ),
        (Refusal(500, b"<html><h1>Oh</h1>", "text/html"), Unfinished, "could not list"),
    ],
)
def test_server_error_comes_with_advice(
    bucket: S3Server, refusal: Refusal, error: type[PipelineError], words: str
) -> None:
    bucket.meet = lambda asked: refusal if asked.method == "GET" else None
    with pytest.raises(error, match=words):
        Bucket(PLACE).listing()


def test_endless_redirect_is_reported(bucket: S3Server) -> None:
    bucket.meet = lambda _asked: Refusal.of(301, "PermanentRedirect")
    # The library recurses until Python stops it, which raises one of two errors.
    with pytest.raises(PipelineError, match="s3://films/out: "):
        Bucket(PLACE).listing()


@pytest.mark.parametrize(
    ("refusal", "error"),
    [(Refusal(200), InvalidInput), (Refusal(400), Unfinished), (Refusal(409), Unfinished)],
)
def test_empty_error_response_is_reported(
    bucket: S3Server, refusal: Refusal, error: type[PipelineError]
) -> None:
    bucket.meet = lambda _asked: refusal
    with pytest.raises(error, match="s3://films/out: "):
        Bucket(PLACE).head("a.mp4")


def test_conflicting_put_is_retried(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film, met = upload(tmp_path, b"film"), list[Asked]()

    def conflict(asked: Asked) -> Refusal | None:
        if asked.method == "PUT" and asked.key == "out/a.mp4" and len(met) < 2:
            met.append(asked)
            return Refusal.of(409, "ConditionalRequestConflict")
        return None

    bucket.meet = conflict
    store.put(film)
    assert (len(met), bucket.objects()) == (2, {"out/a.mp4": b"film"})


@fails_without(
    "pipeline.artifacts.object_store:_assert_creates_only", "if probe is None or probe.sha256 is None:"
)
def test_server_that_drops_hashes_is_rejected(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    def forget_hash(asked: Asked) -> None:
        for name in [name for name in asked.headers if "CHECKSUM" in name]:
            del asked.headers[name]

    bucket.meet = forget_hash
    with pytest.raises(InvalidInput, match="no SHA-256"):
        store.assert_writable()
    with pytest.raises(InvalidInput, match="no SHA-256"):
        store.put(upload(tmp_path, b"film"))
    assert bucket.objects() == {}


def test_object_that_replaced_a_deleted_one_is_kept(
    store: ObjectStore, bucket: S3Server, tmp_path: Path
) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)

    def come_between(asked: Asked) -> None:
        if asked.method == "DELETE":
            bucket.meet = lambda _asked: None
            bucket.put("out/a.mp4", b"another")

    bucket.meet = come_between
    store.delete("a.mp4", film.digest)
    assert bucket.objects() == {"out/a.mp4": b"another"}
    assert store.is_taken("a.mp4")
    assert store.digest("a.mp4") != film.digest


@pytest.mark.parametrize(
    "prefix",
    ["a b", "é", "e\u0301", "50%", "%2F", "a+b", "a&b=c", "a?b#c", "~", "'\"", "名", "🎬", "a:b", "-", "*"],
)
def test_prefix_with_special_characters_works(bucket: S3Server, tmp_path: Path, prefix: str) -> None:
    place = ObjectUrl.parse(f"s3://{BUCKET}/{prefix}/x")
    store, film = ObjectStore(place, tmp_path), upload(tmp_path, b"film")
    store.assert_writable()
    store.put(film)
    store.move("a.mp4", "b é+%.mp4", film.digest)

    assert bucket.objects() == {f"{prefix}/x/b é+%.mp4": b"film"}
    late = ObjectStore(place, tmp_path)
    assert late.digest("b é+%.mp4") == film.digest
    late.delete("b é+%.mp4", film.digest)
    assert bucket.objects() == {}


def test_scratch_files_of_killed_commands_are_deleted_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".copy.old.tmp", 90_000), (".look.new.tmp", 3_600), ("film.mp4", 90_000)):
        (tmp_path / name).write_bytes(b"film")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    make_scratch(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == [".look.new.tmp", "film.mp4"]


def test_full_local_disk_is_reported(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    store.put(upload(tmp_path, b"film"))
    with pytest.raises(Unfinished, match="No such file"):
        Bucket(PLACE).fetch("a.mp4", tmp_path / "gone" / "film")


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "https://films.s3.amazonaws.com/"),
        ("ap-east-1", "https://films.s3.ap-east-1."),
    ],
)
def test_presigned_url_is_valid_in_every_region(
    bucket: S3Server, monkeypatch: pytest.MonkeyPatch, region: str, host: str
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_REGION", region)
    link = signed(PLACE / "a b.mp4", 3600)
    assert link.startswith(f"{host}")
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in link


def test_unreachable_server_is_reported(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unfinished, match="does not answer"):
        Bucket(PLACE).listing()
