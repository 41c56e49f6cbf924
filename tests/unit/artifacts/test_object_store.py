"""Objects in a store: put once and whole by whoever comes first, and found there by their hash."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support.protection import fails_without
from support.s3 import BUCKET, KEYS, Asked, S3Server

from pipeline.artifacts.base import NotOurs, Upload
from pipeline.artifacts.object_store import ObjectStore, send
from pipeline.artifacts.opening import on_this_machine
from pipeline.artifacts.s3 import Bucket
from pipeline.errors import InvalidInput, PipelineError, Unfinished
from pipeline.schemes import ObjectUrl

PLACE = ObjectUrl(BUCKET, "out")
SENDS = """
import hashlib, sys
from pathlib import Path
from pipeline.artifacts.base import Upload
from pipeline.artifacts.object_store import send
from pipeline.schemes import ObjectUrl
file = Path(sys.argv[1])
send(ObjectUrl("films", "out"), file.parent, [Upload(file, "a.mp4", hashlib.sha256(file.read_bytes()).hexdigest())])
"""


def upload(folder: Path, content: bytes, path: str = "a.mp4") -> Upload:
    """A file that is about to be put at `path`."""
    file = folder / hashlib.sha256(content + path.encode()).hexdigest()
    file.write_bytes(content)
    return Upload(file, path, hashlib.sha256(content).hexdigest())


@pytest.fixture
def store(bucket: S3Server, tmp_path: Path) -> ObjectStore:
    return ObjectStore(PLACE, tmp_path / "scratch")


def test_what_is_put_is_found_by_its_hash_by_another_machine_too(
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


def test_of_many_that_put_at_once_one_does_and_all_learn_what_lies_there(
    bucket: S3Server, tmp_path: Path
) -> None:
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


def test_an_answer_that_is_lost_does_no_harm(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
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


@pytest.mark.parametrize("seed", range(20))
def test_a_kill_in_the_middle_of_a_put_leaves_nothing(bucket: S3Server, tmp_path: Path, seed: int) -> None:
    rng, size = random.Random(seed), 24 << 20
    file = tmp_path / "film"
    file.write_bytes(rng.randbytes(1 << 16) * (size >> 16))
    process = subprocess.Popen(
        [sys.executable, "-c", SENDS, str(file)], env={**os.environ, **bucket.environment}
    )

    def strike(asked: Asked) -> None:
        if asked.method == "PUT" and asked.key == "out/a.mp4":
            came = asked.headers["wsgi.input"].read(rng.randrange(size // 2))
            process.send_signal(signal.SIGKILL)
            process.wait()
            asked.headers["wsgi.input"] = _Rest(came, asked.headers["wsgi.input"])

    bucket.meet = strike
    assert process.wait(timeout=60) == -signal.SIGKILL
    bucket.meet = lambda _asked: None

    assert bucket.objects() == {}
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=BUCKET)


class _Rest:
    """What came of a body, and then what still comes."""

    def __init__(self, came: bytes, rest: Any) -> None:
        self._came, self._rest = BytesIO(came), rest

    def read(self, size: int = -1) -> bytes:
        return self._came.read(size) or bytes(self._rest.read(size))

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(1 << 16), b"")


@fails_without(
    "pipeline.artifacts.object_store:ObjectStore.copy", "if self._bucket.fetch(path, temporary) != digest"
)
def test_what_has_changed_is_not_moved(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    bucket.put("out/a.mp4", b"another")

    with pytest.raises(Unfinished, match="has changed"):
        store.move("a.mp4", "b.mp4", film.digest)
    assert bucket.objects() == {"out/a.mp4": b"another"}


@fails_without(
    "pipeline.artifacts.object_store:ObjectStore.delete",
    "if stored is not None and stored.sha256",
    swap=(" and stored.sha256 == digest", ""),
)
def test_only_what_is_known_is_deleted(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    store.put(film)
    bucket.put("out/a.mp4", b"another")

    store.delete("a.mp4", film.digest)
    store.delete("never.mp4", film.digest)
    assert bucket.objects() == {"out/a.mp4": b"another"}


def test_a_move_ends_with_one_object_and_a_copy_with_two(
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
def test_what_nobody_hashed_is_none_of_ours(store: ObjectStore, bucket: S3Server, tmp_path: Path) -> None:
    bucket.client.put_object(Bucket=BUCKET, Key="out/a.mp4", Body=b"film", ChecksumAlgorithm="CRC32")
    film = upload(tmp_path, b"film")

    assert store.digest("a.mp4") not in {None, film.digest}
    with pytest.raises(NotOurs):
        store.put(film)


def test_a_bucket_without_a_prefix_is_a_place_too(bucket: S3Server, tmp_path: Path) -> None:
    film = upload(tmp_path, b"film")
    whole = ObjectStore(ObjectUrl.parse("s3://films"), tmp_path)
    whole.put(film)
    assert ObjectStore(ObjectUrl.parse("s3://films/"), tmp_path).digest("a.mp4") == film.digest
    assert "a.mp4" in bucket.objects()


@fails_without("pipeline.artifacts.opening:on_this_machine", "raise Unfinished(")
def test_a_copy_to_read_is_the_file_itself_and_does_not_stay(
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
def test_a_refusal_is_told_in_our_words(
    bucket: S3Server, tmp_path: Path, status: int, error: type[PipelineError]
) -> None:
    bucket.meet = lambda _asked: status
    with pytest.raises(error, match="s3://films/out: ") as told:
        Bucket(PLACE).listing()
    assert not any(secret in str(told.value) for secret in (KEYS["AWS_ACCESS_KEY_ID"], "canary"))


def test_a_server_that_is_not_there_is_told(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Unfinished, match="does not answer"):
        Bucket(PLACE).listing()
