"""Reads the facts of a media file and makes a still of it. Needs the extra `media` (PyAV and Pillow)."""

import io
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageOps, ImageStat

from pipeline.media.facts import MediaFacts

# The errors that the libraries may raise for bytes that are not media, truncated, or hostile.
_UNREADABLE = (
    *(OSError, ValueError, ArithmeticError, EOFError, SyntaxError, av.error.FFmpegError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
# Only these: a stranger's file could be a playlist, which names other files, or a page that runs a program.
_PICTURES = ("PNG", "JPEG", "WEBP", "GIF")
_STREAMS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,ogg",
    "protocol_whitelist": "file",
}
_MAX_PIXELS = 1 << 27
_MAX_FRAMES_LOOKED_AT = 240
# Pixels of all frames of an animated picture together: a small file may unpack to hours of work.
_MAX_PIXELS_OF_ALL_FRAMES = 1 << 31
_THUMB = (32, 32)
# The least spread of brightness, out of 255, at which a frame shows something.
_LEAST_SPREAD = 6.0

STILL_WIDTH = 320


def facts_of(path: Path) -> MediaFacts | None:
    """Read the facts of the file at `path`; None if it is not a readable picture, video or sound."""
    return _facts_of_picture(path) or _facts_of_stream(path)


def still_of(path: Path, width: int = STILL_WIDTH) -> bytes | None:
    """A still of the file as WebP, `width` pixels wide: for a video, the first frame that is neither black nor blank.

    None if nothing can be shown: it cannot be read, or holds only sound.
    """
    try:
        still = _picture(path) or _still(path)
        if still is None:
            return None
        height = max(1, round(still.height * width / still.width))
        scaled = still.resize((width, height), Image.Resampling.LANCZOS)
        written = io.BytesIO()
        scaled.save(written, "WEBP", quality=72, method=3)
    except (*_UNREADABLE, MemoryError):
        return None
    return written.getvalue()


def _facts_of_picture(path: Path) -> MediaFacts | None:
    try:
        with Image.open(path, formats=_PICTURES) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            if getattr(image, "n_frames", 1) > 1:
                return _facts_of_animation(image)
            image.verify()
        with Image.open(path, formats=_PICTURES) as image:
            turned = image.getexif().get(0x0112, 1) in {5, 6, 7, 8}
            width, height = image.size
    except _UNREADABLE:
        return None
    return MediaFacts(width=height, height=width) if turned else MediaFacts(width=width, height=height)


def _facts_of_animation(image: Image.Image) -> MediaFacts | None:
    """The facts of an animated picture: its length is the sum of its frames'."""
    frames: int = getattr(image, "n_frames", 1)
    if frames * image.width * image.height > _MAX_PIXELS_OF_ALL_FRAMES:
        return None
    milliseconds = 0.0
    for number in range(frames):
        image.seek(number)
        image.load()
        milliseconds += float(image.info.get("duration", 0))
    width, height = image.size
    if milliseconds <= 0:
        return MediaFacts(width=width, height=height)
    rate = round(frames * 1000 / milliseconds, 3)
    return MediaFacts(width=width, height=height, duration=round(milliseconds / 1000, 3), frame_rate=rate)


def _facts_of_stream(path: Path) -> MediaFacts | None:
    try:
        with closing(av.open(str(path), options=_STREAMS)) as container:
            return _facts_in(container)
    except _UNREADABLE:
        return None


def _facts_in(container: InputContainer) -> MediaFacts | None:
    video = next(iter(container.streams.video), None)
    has_audio = bool(container.streams.audio)
    if video is None and not has_audio:
        return None
    if video is not None and video.width * video.height > _MAX_PIXELS:
        return None
    duration = _duration(container)
    if video is None:
        return MediaFacts(duration=duration, audio=True)
    video.thread_type = "NONE"  # for one frame, threads cost more than they save
    frame = next(container.decode(video), None)
    if frame is None:
        return None
    width, height = _shown_size(frame, video)
    rate = video.average_rate or video.guessed_rate
    return MediaFacts(
        width=width,
        height=height,
        duration=duration,
        frame_rate=round(float(rate), 3) if rate else None,
        audio=has_audio,
    )


def _duration(container: InputContainer) -> float | None:
    """The longest stream's length in seconds, or else the container's."""
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in container.streams
        if stream.duration and stream.time_base and stream.type in {"video", "audio"}
    ]
    if lengths:
        return round(max(lengths), 3)
    return round(container.duration / av.time_base, 3) if container.duration else None


def _shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Width and height as a player shows them: pixels made square, then turned as the file says."""
    ratio = stream.sample_aspect_ratio or Fraction(1)
    width = round(frame.width * ratio) if ratio > 0 else frame.width
    return (frame.height, width) if _is_turned(frame) else (width, frame.height)


def _is_turned(frame: VideoFrame) -> bool:
    return bool(abs(getattr(frame, "rotation", 0)) % 180 == 90)


def _picture(path: Path) -> Image.Image | None:
    try:
        with Image.open(path, formats=_PICTURES) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            whole = ImageOps.exif_transpose(image)
            return _on_grey(whole)
    except _UNREADABLE:
        return None


def _on_grey(image: Image.Image) -> Image.Image:
    """Put transparent pixels on the grey of the page's mat, which is the same in both themes."""
    if "A" not in image.mode and "transparency" not in image.info:
        return image.convert("RGB")
    clear = image.convert("RGBA")
    ground = Image.new("RGBA", clear.size, "#8a8a8a")
    return Image.alpha_composite(ground, clear).convert("RGB")


def _still(path: Path) -> Image.Image | None:
    with closing(av.open(str(path), options=_STREAMS)) as container:
        video = next(iter(container.streams.video), None)
        if video is None:
            return None
        video.thread_type = "NONE"
        return _most_telling(container, video)


def _most_telling(container: InputContainer, video: VideoStream) -> Image.Image | None:
    """The first frame that shows something; if none of the first frames does, the one that shows the most."""
    best: tuple[float, Image.Image] | None = None
    for frame in _first_frames(container, video):
        image = _as_shown(frame, video)
        spread = ImageStat.Stat(image.convert("L").resize(_THUMB)).stddev[0]
        if spread >= _LEAST_SPREAD:
            return image
        if best is None or spread > best[0]:
            best = (spread, image)
    return best[1] if best else None


def _first_frames(container: InputContainer, video: VideoStream) -> Iterator[VideoFrame]:
    try:
        for number, frame in enumerate(container.decode(video)):
            if number >= _MAX_FRAMES_LOOKED_AT or frame.width * frame.height > _MAX_PIXELS:
                return
            yield frame
    except av.error.FFmpegError:
        return  # the frames before the damage will do


def _as_shown(frame: VideoFrame, video: VideoStream) -> Image.Image:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    ratio = video.sample_aspect_ratio or Fraction(1)
    if ratio > 0 and ratio != 1:
        image = image.resize((max(1, round(image.width * ratio)), image.height))
    rotation = getattr(frame, "rotation", 0) % 360
    return image.rotate(rotation, expand=True) if rotation else image
