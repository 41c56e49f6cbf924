"""A client that resumes from an event gets every later one once, in order; one that cannot is told to reload."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from hypothesis import given, settings
from hypothesis import strategies as st
from support.calling import PATIENCE
from support.loops import run

from pipeline.serve.feed import Feed

FRAME = re.compile(rb"id: (\S+)\ndata: (.*)\n\n")


def heard(feed: Feed, after: str) -> list[bytes]:
    """The frames of a stream that is closed once it has sent all events so far."""

    async def listen() -> list[bytes]:
        frames = []
        async for frame in feed.stream(after, beat=0):
            if frame.startswith(b"event: beat"):
                break
            frames.append(frame)
        return frames[1:]  # the first frame is the time until a reconnect

    return run(listen())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12), st.integers(1, 200))
def test_missed_events_are_sent_once_or_the_client_is_reset(
    before: int, after: int, most: int, most_bytes: int
) -> None:
    feed = Feed(most, most_bytes)
    for number in range(before):
        feed.add(b"%d" % number)
    seen = feed.last_id
    for number in range(before, before + after):
        feed.add(b"%d" % number)

    told = b"".join(heard(feed, seen))

    if told.startswith(b"event: reset"):
        # The last event is always kept, so only earlier ones can be gone.
        assert after > 1
        assert told == b"event: reset\nid: %s\ndata:\n\n" % feed.last_id.encode()
        return
    frames = FRAME.findall(told)
    assert [data for _, data in frames] == [b"%d" % number for number in range(before, before + after)]
    if frames:
        assert frames[-1][0].decode() == feed.last_id


def test_client_of_another_server_is_reset() -> None:
    other, feed = Feed(), Feed()
    for each in (other, feed):
        each.add(b"1")
    name = feed.last_id.partition("-")[0]

    numbers = ("2", "-1", "x", "9" * 40, "²", "")
    for strange in (other.last_id, "", "-", *(f"{name}-{number}" for number in numbers)):
        assert heard(feed, strange)[0].startswith(b"event: reset"), strange
    assert heard(feed, feed.last_id) == []


def test_first_beat_follows_all_events_so_far() -> None:
    feed = Feed()
    seen = feed.last_id
    for number in range(3):
        feed.add(b"%d" % number)

    async def listen() -> bytes:
        told = b""
        async for frame in feed.stream(seen):
            told += frame
            if b"event: beat" in frame:
                break
        return told

    told = run(listen())
    assert [data for _, data in FRAME.findall(told[: told.index(b"event: beat")])] == [b"0", b"1", b"2"]


def test_events_added_before_closing_are_sent() -> None:
    feed = Feed()
    seen = feed.last_id
    feed.add(b"the end")
    feed.close()

    async def listen() -> bytes:
        return b"".join([frame async for frame in feed.stream(seen)])

    told = run(listen())
    assert b"data: the end\n\n" in told
    assert told.endswith(b"event: end\ndata:\n\n")


def test_streams_end_when_the_feed_is_closed() -> None:
    feed = Feed()

    async def listen() -> int:
        frames = 0
        async for _ in feed.stream(feed.last_id):
            frames += 1
            assert feed.listeners == 1
            feed.close()
        return frames

    assert run(listen()) == 2
    assert feed.listeners == 0


def test_end_waits_for_listeners_to_leave() -> None:
    feed = Feed()

    async def listen() -> bool:
        async with aclosing(feed.stream(feed.last_id)) as stream:
            await anext(stream)
            end = asyncio.create_task(asyncio.to_thread(feed.end, PATIENCE))
            said = b"".join([frame async for frame in _up_to_end(stream)])
            waited = feed.listeners == 1 and not end.done()
            assert said.endswith(b"event: end\ndata:\n\n")
        await end
        return waited

    assert run(listen())
    assert feed.listeners == 0


def test_end_does_not_wait_forever() -> None:
    feed = Feed()

    async def listen() -> int:
        async with aclosing(feed.stream(feed.last_id)) as stream:
            await anext(stream)
            end = asyncio.create_task(asyncio.to_thread(feed.end, 0.0))
            ends = [frame async for frame in stream if not frame.startswith(b"event: beat")]
        await end
        return len(ends)

    assert run(listen()) == 1


async def _up_to_end(stream: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async for frame in stream:
        yield frame
        if frame.startswith(b"event: end"):
            return
