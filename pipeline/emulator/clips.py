"""Video and sound: writes H.264 in MP4 that plays in every browser, and reads it."""

from __future__ import annotations

import math
import wave
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from PIL import Image

from pipeline.emulator.drawing import Picture, Unreadable

if TYPE_CHECKING:
    from pipeline.emulator.settings import Size

_BT709 = 1
_LIMITED_RANGE = 1
_LARGEST_PIXELS = 4096 * 4096

_SAMPLES_PER_SECOND = 22_050


def write_clip(path: Path, size: Size, frames_per_second: int, frames: Iterable[Picture]) -> None:
    """Encode `frames` (RGB, of that size). The same frames give the same bytes."""
    # One for all frames: otherwise each would set up its own, which costs more than the encoding.
    convert = VideoReformatter()
    # Moving the index to the front rewrites the file in the end, which needs a path.
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=frames_per_second)
        # Without `cpu-independent` the rounding of x264 depends on the CPU, and on the address of a frame in memory.
        stream.options = {
            "preset": "veryfast",
            "crf": "23",
            "threads": "1",
            "x264-params": "cpu-independent=1",
        }
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        # Without these tags players guess, and colours shift.
        stream.color_primaries = stream.color_trc = stream.colorspace = _BT709
        stream.color_range = _LIMITED_RANGE
        for number, picture in enumerate(frames):
            frame = convert.reformat(
                _frame(picture),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def read_clip(path: Path) -> Iterator[Picture]:
    """The frames of a video, one by one, as RGB.

    Raises:
        Unreadable: it is not a video, or is damaged.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise Unreadable("the video has no pictures")
            stream = container.streams.video[0]
            if stream.width * stream.height > _LARGEST_PIXELS:
                raise Unreadable("the video is too large")
            convert = VideoReformatter()
            for frame in container.decode(stream):
                yield _picture(convert.reformat(frame, format="rgb24", src_colorspace=Colorspace.ITU709))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise Unreadable(f"the video cannot be read: {error}") from error


def write_song(path: Path, seed: int, seconds: float) -> None:
    """A few quiet notes of a pentatonic scale, as WAV."""
    scale = [220.0 * 2 ** (step / 12) for step in (0, 3, 5, 7, 10, 12, 15)]
    beat = _SAMPLES_PER_SECOND // 4
    samples = array("h")
    for number in range(max(int(seconds * 4), 1)):
        pitch = scale[(seed >> number % 16) % len(scale)]
        step = 2 * math.pi * pitch / _SAMPLES_PER_SECOND
        for position in range(beat):
            fading = math.exp(-4.0 * position / beat) * min(position / 60, 1.0)
            tone = math.sin(step * position) + 0.3 * math.sin(2 * step * position)
            samples.append(int(9_000 * fading * tone))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLES_PER_SECOND)
        file.writeframes(samples.tobytes())


def _frame(picture: Picture) -> av.VideoFrame:
    # Not by `from_image`, which is untyped. Row by row, as the frame's rows may be padded.
    frame = av.VideoFrame(picture.width, picture.height, "rgb24")
    plane = frame.planes[0]
    width = picture.width * 3
    packed = picture.tobytes()
    if plane.line_size == width:
        plane.update(packed)
    else:
        padding = bytes(plane.line_size - width)
        rows = (packed[start : start + width] for start in range(0, len(packed), width))
        plane.update(b"".join(row + padding for row in rows))
    return frame


def _picture(rgb: av.VideoFrame) -> Picture:
    plane = rgb.planes[0]
    size = (rgb.width, rgb.height)
    return Image.frombuffer("RGB", size, bytes(plane), "raw", "RGB", plane.line_size, 1)
