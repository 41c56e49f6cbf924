"""A real HTTP server that speaks S3, which the tests start themselves; what it is asked can be met."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from pipeline.artifacts import object_store, s3

BUCKET = "films"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARY7Q",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-51",
    "AWS_REGION": "us-east-1",
}


class Asked(NamedTuple):
    """A request: its method, the key that it names, and its headers, as WSGI has them."""

    method: str
    key: str
    headers: dict[str, Any]


class S3Server:
    """The server with an empty bucket. `meet` is called with each request before it is carried out.

    A status that it returns is the answer, and nothing is carried out.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.meet: Callable[[Asked], int | None] = lambda _asked: None
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
        """Where a process finds the server, and its keys."""
        return {"AWS_ENDPOINT_URL": self.url, **KEYS}

    def objects(self) -> dict[str, bytes]:
        """All that lies in the bucket, by key, but the mark that the server keeps its word."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {
            each["Key"]: self.client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            for each in found
            if not each["Key"].endswith("/.pipeline-output")
        }

    def put(self, key: str, content: bytes) -> None:
        """Somebody else's file."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def empty(self) -> None:
        """As it was in the beginning."""
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
        key = environ["PATH_INFO"].lstrip("/").partition("/")[2]
        asked = Asked(environ["REQUEST_METHOD"], key, environ)
        self.asked.append(asked)
        status = self.meet(asked)
        if status is not None:
            start_response(f"{status} refused", [("content-length", "0")])
            return [b""]
        return self._app(environ, start_response)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One server for all tests of a process."""
    server = S3Server()
    yield server
    server.close()


@pytest.fixture
def bucket(s3_server: S3Server, folder: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """The server with an empty bucket, which commands of this process find."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    forget()
    s3_server.empty()
    yield s3_server
    s3_server.meet = lambda _asked: None
    forget()


def forget() -> None:
    """What this process remembers of servers and keys."""
    s3._made.cache_clear()
    object_store._keeps_word.clear()
