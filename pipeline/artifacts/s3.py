"""One bucket of an S3 server: the requests to it, and its errors as ours. Its client comes with an extra.

Keys come from the usual places of AWS and appear in no message; neither does the text of the server's errors.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.artifacts.base import StoredObject
from pipeline.errors import InvalidInput, Unfinished, UsageError, printable

if TYPE_CHECKING:
    from pipeline.schemes import ObjectUrl

try:
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConfigParseError,
        CredentialRetrievalError,
        NoCredentialsError,
        NoRegionError,
        PartialCredentialsError,
        ProfileNotFound,
        SSOError,
        TokenRetrievalError,
    )
    from botocore.parsers import ResponseParserError
except ImportError as error:
    raise UsageError(
        "--output s3://…: files in an object store need the extra 's3': pip install 'campaign-pipeline[s3]'"
    ) from error

# The limit of one put. More would need a multipart upload, which has no hash of the whole and may be left behind.
LARGEST_OBJECT = 5 << 30
_AT_ONCE = 64
_ATTEMPTS = 5
_BLOCK = 1 << 20

# The attempts of a put that conflicts with another one of the same name, and the seconds before the second.
_CONFLICTS = 5
_CONFLICT_PAUSE = 0.1

_IS_THERE = frozenset({"PreconditionFailed", "412"})
_CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted", "409"})
_IS_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_NO_SUCH_RANGE = frozenset({"InvalidRange", "416"})
_FORBIDDEN = frozenset({"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"})
_NOT_KNOWN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "401", "Unauthorized"})
_EXPIRED = frozenset({"ExpiredToken", "RequestExpired", "ExpiredTokenException"})
_ELSEWHERE = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"})
_NEVER = frozenset({"InvalidBucketName", "NotImplemented", "501", "KeyTooLongError", "InvalidRequest"})


@dataclass(frozen=True, slots=True)
class OpenObject:
    """A stream of bytes: how many, which (`bytes 0-99/500`; None: all), and the bytes, to be read once."""

    length: int
    span: str | None
    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The objects below `url`, by their path there. Safe to use from several threads.

    Raises:
        InvalidInput: there is no such bucket, no permission, or there are no keys.
        Unfinished: the server does not answer, or its answer is invalid.
    """

    url: ObjectUrl

    def listing(self) -> dict[str, StoredObject]:
        """All objects, without their hashes."""
        prefix = f"{self.url.key}/" if self.url.key else ""
        found = {}
        with _translated_errors(self.url, "list objects (s3:ListBucket)"):
            pages = _client().get_paginator("list_objects_v2").paginate(Bucket=self.url.bucket, Prefix=prefix)
            for each in (each for page in pages for each in page.get("Contents", ())):
                found[each["Key"].removeprefix(prefix)] = _stored(each, each["Size"])
        return found

    def head(self, path: str) -> StoredObject | None:
        """The object at `path`, with its hash; None if there is none."""
        with _translated_errors(self.url, "read objects (s3:GetObject)"):
            try:
                response = _client().head_object(**self._named(path), ChecksumMode="ENABLED")
            except ClientError as error:
                if _code(error) in _IS_MISSING:
                    return None
                raise
            return _stored(response, response["ContentLength"], _from_base64(response.get("ChecksumSHA256")))

    def put_if_absent(self, file: Path, path: str, digest: str) -> bool:
        """Put a whole file at a free path; False if an object is there, which stays as it is."""
        with _translated_errors(self.url, "put objects (s3:PutObject)"):
            for tries in range(1, _CONFLICTS + 1):
                try:
                    self._put(file, path, digest)
                except ClientError as error:
                    if _code(error) in _IS_THERE:
                        return False
                    # Two puts of one name conflicted, and the server accepted neither as the first.
                    if _code(error) not in _CONFLICT or tries == _CONFLICTS:
                        raise
                    time.sleep(_CONFLICT_PAUSE * 2 ** (tries - 1))
                else:
                    break
        return True

    def _put(self, file: Path, path: str, digest: str) -> None:
        checksum = base64.b64encode(bytes.fromhex(digest)).decode()
        with file.open("rb") as body:
            _client().put_object(
                **self._named(path),
                Body=body,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=checksum,
            )

    def fetch(self, path: str, target: Path) -> str:
        """Write the bytes of an object to the file `target`, and return their SHA-256 in hex."""
        digest = hashlib.sha256()
        with _translated_errors(self.url, "read objects (s3:GetObject)"), target.open("wb") as file:
            body = _client().get_object(**self._named(path))["Body"]
            while block := body.read(_BLOCK):
                digest.update(block)
                file.write(block)
        return digest.hexdigest()

    def open(self, path: str, span: str | None = None) -> OpenObject | None:
        """Open an object, or one range of it (`bytes=0-99`), for reading; None if there is none."""
        asked = self._named(path) if span is None else {**self._named(path), "Range": span}
        with _translated_errors(self.url, "read objects (s3:GetObject)"):
            try:
                response = _client().get_object(**asked)
            except ClientError as error:
                if _code(error) in _IS_MISSING | _NO_SUCH_RANGE:
                    return None
                raise
        return OpenObject(
            length=response["ContentLength"],
            span=response.get("ContentRange"),
            blocks=_blocks(self.url, response["Body"]),
        )

    def delete(self, path: str, known: StoredObject) -> None:
        """Delete the object at `path` if it still is the `known` one; an object that has replaced it stays."""
        with _translated_errors(self.url, "delete objects (s3:DeleteObject)"):
            try:
                _client().delete_object(**self._named(path), IfMatch=known.etag)
            except ClientError as error:
                if _code(error) not in _IS_THERE | _IS_MISSING:
                    raise

    def _named(self, path: str) -> dict[str, str]:
        return {"Bucket": self.url.bucket, "Key": (self.url / path).key}


def _blocks(url: ObjectUrl, body: Any) -> Iterator[bytes]:
    with closing(body), _translated_errors(url, "read objects (s3:GetObject)"):
        while block := body.read(_BLOCK):
            yield block


@contextmanager
def _translated_errors(url: ObjectUrl, what: str) -> Iterator[None]:
    """Turn the client's errors into ours."""
    try:
        yield
    except ClientError as error:
        raise _error_of(url, _code(error), what) from None
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound):
        raise InvalidInput(
            f"{url}: no credentials for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from None
    except (CredentialRetrievalError, SSOError, TokenRetrievalError) as error:
        raise InvalidInput(
            f"{url}: no credentials were issued ({type(error).__name__}); sign in again"
        ) from None
    except ConfigParseError:
        raise InvalidInput(f"{url}: the AWS configuration cannot be read; see AWS_CONFIG_FILE") from None
    except NoRegionError:
        raise InvalidInput(f"{url}: its region is unknown; set AWS_REGION") from None
    except ValueError:
        raise InvalidInput(f"{url}: AWS_ENDPOINT_URL is not the address of a server") from None
    except (ResponseParserError, KeyError, RecursionError):  # the last if it redirects to itself for ever
        raise InvalidInput(
            f"{url}: the answer is not from an object store; AWS_ENDPOINT_URL may name another server"
        ) from None
    except BotoCoreError as error:
        raise Unfinished(f"{url}: the store does not answer ({type(error).__name__})") from None
    except OSError as error:
        raise Unfinished(f"{error.filename or 'this machine'}: {error.strerror}") from error


def signed(location: ObjectUrl, seconds: int) -> str:
    """A link to an object that works for anybody for `seconds`.

    Raises:
        InvalidInput: there are no keys to sign it with.
    """
    named = {"Bucket": location.bucket, "Key": location.key}
    with _translated_errors(location, "sign links"):
        # Otherwise links name Amazon's global host, where links to newer regions do not work.
        is_amazon = ".amazonaws." in _client().meta.endpoint_url
        signer = _client(names_region=is_amazon)
        link = signer.generate_presigned_url("get_object", Params=named, ExpiresIn=seconds)
    return str(link)


def _error_of(url: ObjectUrl, code: str, what: str) -> InvalidInput | Unfinished:
    if code == "NoSuchBucket":
        return InvalidInput(
            f"{url}: there is no bucket {url.bucket!r}; create it, or name another with --output"
        )
    if code in _FORBIDDEN:
        return InvalidInput(f"{url}: no permission to {what}")
    if code in _NOT_KNOWN:
        return InvalidInput(f"{url}: the store does not accept the credentials that were found")
    if code in _EXPIRED:
        return Unfinished(f"{url}: the credentials have expired; sign in again and run again")
    if code in _ELSEWHERE:
        return InvalidInput(f"{url}: is not in the configured region; set AWS_REGION")
    if code == "RequestTimeTooSkewed":
        return InvalidInput(
            f"{url}: the clock of this machine is wrong, so the store refuses every request; set it"
        )
    if code == "400":  # the code if a response has no body, as those to HEAD
        return Unfinished(
            f"{url}: the store refuses to {what}: the credentials may have expired, or AWS_REGION may be wrong"
        )
    if code in _NEVER:
        return InvalidInput(f"{url}: the store cannot {what}: {printable(code, 60)}")
    return Unfinished(f"{url}: the store could not {what} now: {printable(code, 60)}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _stored(response: Any, size: int, sha256: str | None = None) -> StoredObject:
    return StoredObject(size, response["ETag"], int(response["LastModified"].timestamp()), sha256)


def _from_base64(checksum: str | None) -> str | None:
    """The hash in hex. None for a multipart object, whose checksum is of its parts and ends in their number."""
    try:
        return base64.b64decode(checksum or "", validate=True).hex() or None
    except ValueError:
        return None


_lock = threading.Lock()
# By default the client reads only the second variable.
_VARIABLES = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}


def _client(*, names_region: bool = False) -> Any:
    # A client may be used by many threads, but not made by two at the same time.
    with _lock:
        return _create_client(names_region)


@cache
def _create_client(names_region: bool) -> Any:
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=_AT_ONCE,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # The default would sign links in a way that newer buckets do not accept.
        signature_version="s3v4",
        # With this the host of a bucket is in its region.
        s3={"addressing_style": "virtual"} if names_region else None,
    )
    make: Callable[..., Any] = boto3.session.Session(
        botocore_session=botocore.session.Session(_VARIABLES)
    ).client
    return make("s3", config=config)
