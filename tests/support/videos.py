"""Small real videos, made with PyAV."""

from collections.abc import Iterable
from pathlib import Path

import av
from PIL import Image, ImageDraw

Size = tuple[int, int]


def video(
    path: Path, size: Size, frames: Iterable[Image.Image], rate: int = 12, codec: str = "libx264"
) -> Path:
    """An mp4 of `frames` at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for image in frames:
            container.mux(stream.encode(frame_of(image)))
        container.mux(stream.encode())
    return path


def frame_of(image: Image.Image) -> av.VideoFrame:
    """A picture as a PyAV frame."""
    return av.VideoFrame.from_image(image)  # type: ignore[no-any-return,no-untyped-call]


def plain(size: Size, colour: str) -> Image.Image:
    """A frame of one colour."""
    return Image.new("RGB", size, colour)


def numbered(size: Size, count: int, ground: str = "#3a6ea5", ink: str = "#f4d06f") -> list[Image.Image]:
    """Frames that show their number: a ball that moves from left to right, over one bar for each earlier frame."""
    frames = []
    width, height = size
    for number in range(count):
        image = plain(size, ground)
        draw = ImageDraw.Draw(image)
        x = round((width - width // 4) * number / max(1, count - 1))
        draw.ellipse((x, height // 3, x + width // 4, height // 3 + width // 4), fill=ink)
        for bar in range(number % 10 + 1):
            draw.rectangle((4 + bar * 6, height - 12, 7 + bar * 6, height - 4), fill="white")
        frames.append(image)
    return frames
