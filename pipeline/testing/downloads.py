"""Checks of `download`: a file arrives in full or not at all, and the key is not sent to the server of files."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.providers.base import DownloadFailed
from pipeline.testing.lab import KEY, MEDIA, PNG, SHORT_TIMEOUT, TIMEOUT, Lab, Play, expect
from pipeline.testing.server import Connection, head_of
from pipeline.testing.vendor import Call, Reply

TYPE = ("Content-Type", "image/png")
ETAG = ("ETag", '"strong-1"')
_BEFORE = b"what was there"


def _sends(*headers: tuple[str, str], body: bytes = PNG, status: int = 200) -> Play:
    return lambda connection, _call: connection.answer(Reply(status, body), *headers)


def _whole(lab: Lab) -> None:
    lab.on_media = _sends(TYPE)
    target = lab.folder / "film.png"
    fetched = lab.download(lab.provider(), target)
    _assert_whole(target, PNG)
    expect(fetched.sha256 == hashlib.sha256(PNG).hexdigest(), "the returned hash is not that of the file")
    expect(
        fetched.bytes == len(PNG), f"the file has {len(PNG)} bytes, but the provider returned {fetched.bytes}"
    )
    content_type = fetched.content_type.partition(";")[0].strip().lower()
    expect(content_type == TYPE[1], f"the file is {TYPE[1]}, but the provider returned {content_type!r}")
    beside = sorted(path.name for path in lab.folder.iterdir() if path != target)
    expect(not beside, f"it left {beside} beside the file")


def _assert_whole(target: Path, content: bytes) -> None:
    expect(not target.is_symlink(), "it left a link instead of a file")
    expect(target.is_file() and target.read_bytes() == content, "the file is not what the server sent")


def _spelled(lab: Lab) -> None:
    asked = f"{MEDIA}%7Euser/a%2fb/./../v%2bx.png?Sig=a%2fb%7E+c'd%27&Exp=1"
    lab.on_media = _sends(TYPE)
    lab.download(lab.provider(), lab.folder / "film.png", url=f"{lab.url}{asked}")
    requested = [call.target for call in lab.media]
    expect(
        requested == [asked],
        f"the vendor listed {asked}, but {requested} was requested: a signed url has to keep its spelling",
    )


def _without_key(lab: Lab) -> None:
    def redirect(connection: Connection, call: Call) -> None:
        if "moved" in call.target:
            connection.answer(Reply(200, PNG), TYPE)
        else:
            connection.answer(Reply(302), ("Location", f"{MEDIA}moved.png"))

    lab.on_media = redirect
    lab.download(lab.provider(), lab.folder / "film.png")
    _assert_whole(lab.folder / "film.png", PNG)
    sent = [call for call in lab.media if KEY in f"{call.target}{call.headers}"]
    expect(not sent, "the key was sent to where the files lie")


def _cut(connection: Connection, _call: Call) -> None:
    connection.send(head_of(Reply(), ("Content-Length", str(len(PNG))), TYPE) + PNG[:1000])
    connection.close()


def _cut_chunk(connection: Connection, _call: Call) -> None:
    connection.send(head_of(Reply(), ("Transfer-Encoding", "chunked"), TYPE) + b"ffff\r\n" + PNG[:1000])
    connection.close()


def _stall(connection: Connection, _call: Call) -> None:
    connection.send(head_of(Reply(), ("Content-Length", str(len(PNG))), TYPE) + PNG[:1000])
    connection.stall()


def _again(connection: Connection, call: Call) -> None:
    connection.answer(Reply(302), ("Location", call.target))


UNSOUND: dict[str, Play] = {
    "cut short": _cut,
    "whose chunk is incomplete": _cut_chunk,
    "that stops arriving": _stall,
    "of another size than announced": _sends(TYPE, body=PNG + b"x"),
    "that is empty": _sends(TYPE, body=b""),
    "that is an HTML page": _sends(("Content-Type", "text/html"), body=b"<html>not ready</html>"),
    "that is an HTML page and called an image": _sends(TYPE, body=b"<html>not ready</html>"),
    "that redirects for ever": _again,
    "with HTTP 500": _sends(status=500, body=b""),
    "with HTTP 204": _sends(status=204, body=b""),
}


def _unsound(name: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_media = UNSOUND[name]
        target = lab.folder / "film.png"
        target.write_bytes(_BEFORE)
        size = len(PNG) if "size" in name or "cut" in name else None
        failure = _failure(lab, target, SHORT_TIMEOUT if "stops" in name else TIMEOUT, size=size)
        expect(failure is not None, "a broken file was accepted")
        expect(target.read_bytes() == _BEFORE, "the earlier file is gone, although no whole file arrived")

    return check


def _without_length(connection: Connection, _call: Call) -> None:
    connection.send(head_of(Reply(), ("Connection", "close"), TYPE) + PNG)
    connection.close()


def _too_large(play: Play) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_media = play
        target = lab.folder / "film.png"
        target.write_bytes(_BEFORE)
        failure = _failure(lab, target, size=None, most=len(PNG) // 2)
        expect(
            failure is not None, f"a file of {len(PNG)} bytes was accepted, but `most` was {len(PNG) // 2}"
        )
        expect(
            target.read_bytes() == _BEFORE, "the earlier file is gone, although no file may come in its place"
        )

    return check


def _failure(lab: Lab, target: Path, timeout: float = TIMEOUT, **changed: object) -> DownloadFailed | None:
    try:
        lab.download(lab.provider(timeout), target, **changed)
    except DownloadFailed as failure:
        return failure
    except Exception as error:  # noqa: BLE001 - any other exception is a fault
        expect(False, f"it raised {type(error).__name__} instead of DownloadFailed")
    return None


def _expired(status: int) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        lab.on_media = _sends(status=status, body=b"")
        failure = _failure(lab, lab.folder / "film.png")
        expect(
            failure is not None and failure.expired,
            f"HTTP {status} means that the url has expired, which no DownloadFailed said",
        )

    return check


def _foreign(url: str) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        failure = _failure(lab, lab.folder / "film.png", url=url, size=None)
        expect(failure is not None, f"{url} is not in the vendor's store, but it was downloaded")

    return check


def _resumed(second: Play, content: bytes) -> Callable[[Lab], None]:
    def check(lab: Lab) -> None:
        def play(connection: Connection, call: Call) -> None:
            if len(lab.media) == 1:
                promised = head_of(Reply(), ("Content-Length", str(len(PNG))), TYPE, ETAG)
                connection.send(promised + PNG[:1000])
                connection.close()
            elif "range" in call.headers:
                second(connection, call)
            else:
                connection.answer(Reply(200, content), TYPE, ETAG)

        lab.on_media = play
        target, provider = lab.folder / "film.png", lab.provider()
        try:
            lab.download(provider, target, size=None)
        except DownloadFailed:
            pass
        else:
            expect(False, "a file that was cut short was taken for a whole one")
        fetched = lab.download(provider, target, size=None)
        _assert_whole(target, content)
        expect(fetched.sha256 == hashlib.sha256(content).hexdigest(), "the hash is not that of the file")

    return check


def _rest(connection: Connection, call: Call) -> None:
    start = int(call.headers["range"].removeprefix("bytes=").partition("-")[0])
    sent_range = f"bytes {start}-{len(PNG) - 1}/{len(PNG)}"
    connection.answer(Reply(206, PNG[start:]), ("Content-Range", sent_range), TYPE, ETAG)


def _wrong_range(connection: Connection, _call: Call) -> None:
    sent_range = f"bytes 5-{len(PNG) - 1}/{len(PNG)}"
    connection.answer(Reply(206, PNG[5:]), ("Content-Range", sent_range), TYPE, ETAG)


def _in_range(rest: bytes, *headers: tuple[str, str]) -> Play:
    """Sends `rest`, whatever is missing, with a range that says that it is all of it."""

    def play(connection: Connection, call: Call) -> None:
        start = int(call.headers["range"].removeprefix("bytes=").partition("-")[0])
        sent_range = f"bytes {start}-{len(PNG) - 1}/{len(PNG)}"
        connection.answer(Reply(206, rest), ("Content-Range", sent_range), TYPE, *headers)

    return play


ALTERED = PNG[:-100] + bytes(100)


def checks() -> Iterator[tuple[str, Callable[[Lab], None]]]:
    yield "download: a whole file", _whole
    yield "download: the url as it is spelled", _spelled
    yield "download: without the key, over a redirect too", _without_key
    for name in UNSOUND:
        yield f"download: a file {name}", _unsound(name)
    yield "download: a file larger than `most`", _too_large(_sends(TYPE))
    yield "download: a file larger than `most`, without a length", _too_large(_without_length)
    for status in (403, 404, 410):
        yield f"download: HTTP {status}", _expired(status)
    for url in ("file:///etc/passwd", "http://169.254.169.254/x.png", "javascript:alert(1)"):
        yield f"download: from {url}", _foreign(url)
    yield "download: resumes where it was cut off", _resumed(_rest, PNG)
    yield "download: resumes from a server without ranges", _resumed(_sends(TYPE, ETAG), PNG)
    yield (
        "download: resumes a file that has changed",
        _resumed(_sends(TYPE, ("ETag", '"2"'), body=ALTERED), ALTERED),
    )
    yield "download: a range that was not asked for", _resumed(_wrong_range, PNG)
    yield "download: a range without its bytes", _resumed(_in_range(b"", ETAG), PNG)
    yield "download: a range with too few bytes", _resumed(_in_range(PNG[1000:1500], ETAG), PNG)
    yield "download: a range with too many bytes", _resumed(_in_range(PNG[1000:] + bytes(9), ETAG), PNG)
    yield "download: a range of an unknown version", _resumed(_in_range(bytes(len(PNG) - 1000)), PNG)
    yield "download: a range that is refused", _resumed(_sends(status=416, body=b""), PNG)
