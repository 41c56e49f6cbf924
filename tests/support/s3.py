"""A real HTTP server that speaks S3, started by the tests, which can intercept its requests."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from pipeline.artifacts import object_store, s3
from support.campaigns import Project
from support.checks import assert_playable, assert_valid

BUCKET = "films"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY7Q",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-51",
    "AWS_REGION": "us-east-1",
}


class Asked(NamedTuple):
    """A request: its method, the key that it names, and its headers, as in WSGI."""

    method: str
    key: str
    headers: dict[str, Any]


class Refusal(NamedTuple):
    """The answer to a request that is not executed; `body` is its text."""

    status: int
    body: bytes = b""
    content_type: str = "application/xml"

    @classmethod
    def of(cls, status: int, code: str) -> "Refusal":
        """A refusal in S3's format."""
        return cls(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())


class S3Server:
    """The server with an empty bucket. `meet` is called with each request before it is executed.

    If it returns a status or a refusal, that is the answer, and the request is not executed.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._under_way = 0
        self.meet: Callable[[Asked], int | Refusal | None] = lambda _asked: None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment with the address of the server and its keys."""
        return {"AWS_ENDPOINT_URL": self.url, **KEYS}

    def objects(self) -> dict[str, bytes]:
        """All objects in the bucket, by key, except the one that proves that the server does not overwrite."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {
            each["Key"]: self.client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            for each in found
            if not each["Key"].endswith("/.pipeline-output")
        }

    @staticmethod
    def location(name: str) -> str:
        """The url of the location for one campaign."""
        return f"s3://{BUCKET}/{name}"

    def get(self, url: str) -> bytes:
        """The content of the object at a url."""
        key = url.removeprefix(f"s3://{BUCKET}/")
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def open_uploads(self) -> list[str]:
        """The keys of unfinished multipart uploads."""
        found = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        return [each["Key"] for each in found]

    def put(self, key: str, content: bytes) -> None:
        """Store a file as somebody else."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    @property
    def is_idle(self) -> bool:
        """Whether no request is being executed: a request may be complete though its sender is gone."""
        return self._under_way == 0

    def empty(self) -> None:
        """Reset it to its initial state."""
        self.meet = lambda _asked: None
        self.client.get_waiter("bucket_exists")
        for bucket in self.client.list_buckets()["Buckets"]:
            for each in self.client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
                self.client.delete_object(Bucket=bucket["Name"], Key=each["Key"])
        self.client.create_bucket(Bucket=BUCKET)
        self.asked.clear()

    def close(self) -> None:
        self.client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._lock:
            self._under_way += 1
        try:
            return self._answered(environ, start_response)
        finally:
            with self._lock:
                self._under_way -= 1

    def _answered(self, environ: dict[str, Any], start_response: Any) -> Any:
        key = environ["PATH_INFO"].lstrip("/").partition("/")[2]
        asked = Asked(environ["REQUEST_METHOD"], key, environ)
        self.asked.append(asked)
        met = self.meet(asked)
        if met is None:
            return self._app(environ, start_response)
        refusal = Refusal(met) if isinstance(met, int) else met
        body = b"" if asked.method == "HEAD" else refusal.body
        headers = [("content-length", str(len(body))), ("content-type", refusal.content_type)]
        start_response(f"{refusal.status} refused", headers)
        return [body]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for all tests of a process."""
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3_server: S3Server, folder: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server with an empty bucket, configured for commands of this process."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    forget()
    s3_server.empty()
    yield s3_server
    s3_server.meet = lambda _asked: None
    forget()


def forget() -> None:
    """Clear what this process has cached of servers and keys."""
    s3._create_client.cache_clear()
    object_store._verified_buckets.clear()


def assert_stored_whole(project: Project, server: S3Server) -> None:
    """Every file in the results is stored whole, and nothing else is; no upload is left unfinished."""
    results, objects = project.results(), server.objects()
    assert_valid(results, "results")
    listed = {file["path"]: file for job in results["jobs"] for file in job.get("outputs", ())}
    for path, file in listed.items():
        content = objects[path.removeprefix(f"s3://{BUCKET}/")]
        assert len(content) == file["bytes"]
        assert_playable(path, content)
    assert {f"s3://{BUCKET}/{key}" for key in objects if "~" not in key} == listed.keys()
    assert "Uploads" not in server.client.list_multipart_uploads(Bucket=BUCKET)
