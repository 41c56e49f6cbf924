"""Facts come from a file's bytes; a file that cannot be read has no facts and no still."""

import io
import wave
from pathlib import Path

import av
import pytest
from PIL import Image
from support.videos import frame_of, numbered, plain, video

from pipeline.media.facts import MediaFacts
from pipeline.media.read import facts_of, still_of

SIZE = (96, 64)


def shown(still: bytes | None) -> Image.Image:
    assert still is not None
    image = Image.open(io.BytesIO(still))
    assert image.format == "WEBP"
    return image.convert("RGB")


def near(image: Image.Image, colour: tuple[int, int, int]) -> bool:
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(middle, tuple)
    return all(abs(one - other) < 40 for one, other in zip(middle, colour, strict=True))


def sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x00\x10" * int(8000 * seconds))
    return path


def test_video_has_size_duration_rate_and_whether_it_has_sound(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", SIZE, numbered(SIZE, 24), rate=12)

    assert facts_of(path) == MediaFacts(width=96, height=64, duration=2.0, frame_rate=12.0, audio=False)


def test_video_with_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        audio = container.add_stream("aac", rate=8000)
        for image in numbered(SIZE, 12):
            container.mux(stream.encode(frame_of(image)))
        container.mux(stream.encode())
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate = 8000
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(audio.encode(frame))
        container.mux(audio.encode())

    facts = facts_of(tmp_path / "a.mp4")

    assert facts is not None
    assert facts.audio is True
    assert (facts.width, facts.height) == SIZE


def test_audio_has_a_duration_and_no_size(tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav", 1.5)

    assert facts_of(path) == MediaFacts(duration=1.5, audio=True)
    assert still_of(path) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_picture_has_a_size_and_no_duration(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    plain((40, 30), "red").save(path, kind)

    assert facts_of(path) == MediaFacts(width=40, height=30)


def test_picture_has_its_displayed_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    plain((40, 30), "red").save(tmp_path / "a.jpg", exif=exif)

    assert facts_of(tmp_path / "a.jpg") == MediaFacts(width=30, height=40)
    assert shown(still_of(tmp_path / "a.jpg", 60)).size == (60, 80)


def test_animated_picture_has_a_duration(tmp_path: Path) -> None:
    first, *rest = numbered((40, 30), 4)
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=250)

    assert facts_of(tmp_path / "a.gif") == MediaFacts(width=40, height=30, duration=1.0, frame_rate=4.0)


@pytest.mark.parametrize("dull", ["black", "white", "#204080"])
def test_still_skips_black_or_blank_frames(tmp_path: Path, dull: str) -> None:
    frames = [*[plain(SIZE, dull)] * 8, *numbered(SIZE, 8, ground="#c03020", ink="#c03021")]
    bright = plain(SIZE, "#c03020")
    bright.paste("white", (0, 0, 48, 20))
    path = video(tmp_path / "a.mp4", SIZE, [*frames, bright, bright])

    assert near(shown(still_of(path)), (0xC0, 0x30, 0x20))


def test_all_black_video_still_has_a_still(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", SIZE, [plain(SIZE, "black")] * 6)

    assert near(shown(still_of(path)), (0, 0, 0))


def test_still_is_320_wide_and_keeps_the_ratio(tmp_path: Path) -> None:
    assert shown(still_of(video(tmp_path / "a.mp4", (64, 96), numbered((64, 96), 6)))).size == (320, 480)


def test_non_media_file_has_neither_facts_nor_a_still(tmp_path: Path) -> None:
    whole = video(tmp_path / "whole.mp4", SIZE, numbered(SIZE, 24)).read_bytes()
    playlist = "#EXTM3U\n#EXTINF:2,\nwhole.mp4\n#EXT-X-ENDLIST\n"
    for name, content in {
        "empty.mp4": b"",
        "text.mp4": b"not a film",
        "cut.mp4": whole[:200],
        "playlist.mp4": playlist.encode(),
        "script.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert facts_of(path) is None, name
        assert still_of(path) is None, name
    assert facts_of(tmp_path / "missing.mp4") is None
    assert still_of(tmp_path / "missing.mp4") is None
