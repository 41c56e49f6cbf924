"""What the media looks like: decoded and measured."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from pipeline.emulator import drawing
from pipeline.emulator.clips import read_clip, write_clip
from pipeline.emulator.drawing import Picture, Unreadable
from pipeline.emulator.render import Canvas, Opener, render
from pipeline.emulator.settings import EmulatorSettings, Size
from pipeline.emulator.sprites import Pose, Sprite, drifted, motion_named
from pipeline.emulator.templates import TEMPLATES
from pipeline.emulator.workflow import Step, Workflow
from pipeline.errors import UsageError
from pipeline.json_values import Json
from pipeline.purchases import WorkflowId

SMALL = Size(64, 36)
LARGE_ENOUGH_TO_READ = Size(320, 180)


def a_cut_out(folder: Path, colour: tuple[int, int, int] = (210, 40, 40)) -> Path:
    image = Image.new("RGBA", (60, 40))
    image.paste((*colour, 255), (20, 10, 40, 30))
    path = folder / "cut-out.png"
    image.save(path)
    return path


def made(
    folder: Path,
    template: str,
    files: Mapping[str, Path],
    *,
    size: Size = SMALL,
    inputs: tuple[str, ...] = ("a.png",),
    options: Mapping[str, Json] | None = None,
) -> tuple[Step, ...]:
    folder.mkdir(exist_ok=True)
    workflow = Workflow(
        id=WorkflowId("a"),
        template_id=template,
        title="",
        description="",
        visibility="1",
        options=options or {},
        inputs=inputs,
        event_id="",
        webhook_url=None,
        created=0,
        updated=0,
        duration=0,
    )
    opener: Opener = files.get
    return render(workflow, TEMPLATES[template], Canvas(size, 4), folder, opener)


def frames_of(folder: Path, step: Step) -> list[Picture]:
    return list(read_clip(folder / step.files[0].name))


def picture_of(folder: Path, step: Step) -> Picture:
    with Image.open(folder / step.files[0].name) as image:
        image.load()
        return image


def colour_at(picture: Picture, x: float, y: float) -> tuple[int, int, int]:
    pixel = picture.convert("RGB").getpixel((int(picture.width * x), int(picture.height * y)))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def is_red(colour: tuple[int, int, int]) -> bool:
    return colour[0] > 150 and colour[1] < 90 and colour[2] < 90


def is_gray(colour: tuple[int, int, int]) -> bool:
    return all(abs(part - 128) <= 8 for part in colour)


def test_overlay_steps_do_what_their_names_say(tmp_path: Path) -> None:
    steps = made(tmp_path / "w", "overlay_gray_5443", {"a.png": a_cut_out(tmp_path)})

    cropped, gray, upscaled = (picture_of(tmp_path / "w", step) for step in steps[:3])
    assert cropped.size == (20, 20)
    assert gray.mode == "RGB"
    assert upscaled.size == (40, 40)
    animated, overlaid = (frames_of(tmp_path / "w", step)[0] for step in steps[3:])
    assert is_red(colour_at(animated, 0.5, 0.5))
    assert is_gray(colour_at(animated, 0.03, 0.5))
    assert is_red(colour_at(overlaid, 0.5, 0.5))
    assert not is_gray(colour_at(overlaid, 0.03, 0.5))


def test_clip_plays_in_browsers(tmp_path: Path) -> None:
    [*_, last] = made(tmp_path / "w", "vim_arctic", {"a.png": a_cut_out(tmp_path)})
    path = tmp_path / "w" / last.files[0].name

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.pix_fmt == "yuv420p"
        assert (stream.color_primaries, stream.color_trc, stream.colorspace, stream.color_range) == (
            1,
            1,
            1,
            1,
        )
    content = path.read_bytes()
    # The index is before the pictures, so that a player can start before the file is complete.
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("colour", [(220, 30, 30), (30, 200, 60), (40, 60, 220), (250, 250, 250)])
def test_colours_survive_the_encoding(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "clip.mp4"
    # Not a multiple of the rows' alignment.
    write_clip(path, Size(70, 36), 4, [Image.new("RGB", (70, 36), colour)] * 3)

    [first, *_] = read_clip(path)

    assert all(abs(a - b) <= 4 for a, b in zip(colour_at(first, 0.5, 0.5), colour, strict=True))


def test_same_frames_give_the_same_bytes_at_any_memory_address(tmp_path: Path) -> None:
    size = Size(320, 180)
    frames = []
    for number in range(10):
        frame = Image.new("RGB", (320, 180), (120, 150, 180))
        frame.paste((200, 30, 40), (number, 5, 20 + number, 30))
        frames.append(drifted(frame, Pose(zoom=1.01, right=0.001)))
    contents: set[str] = set()
    elsewhere: list[bytes] = []
    for number in range(40):
        elsewhere = [*elsewhere[-4:], bytes(1_000 + number * 7_919)]
        write_clip(tmp_path / "clip.mp4", size, 6, frames)
        contents.add(hashlib.sha256((tmp_path / "clip.mp4").read_bytes()).hexdigest())

    assert len(contents) == 1


def test_same_request_gives_the_same_bytes(tmp_path: Path) -> None:
    files = {"a.png": a_cut_out(tmp_path)}

    def hashes(folder: Path, prompt: str) -> list[str]:
        steps = made(
            folder, "each_explodedloop_0226", files, size=LARGE_ENOUGH_TO_READ, options={"prompt": prompt}
        )
        return [hashlib.sha256((folder / step.files[0].name).read_bytes()).hexdigest() for step in steps]

    assert hashes(tmp_path / "1", "one") == hashes(tmp_path / "2", "one") != hashes(tmp_path / "3", "two")


def test_animated_subject_is_cut_out_and_laid_over_a_background(tmp_path: Path) -> None:
    steps = made(tmp_path / "up", "overlay_gray_5442", {"a.png": a_cut_out(tmp_path)})
    animated = tmp_path / "up" / next(step for step in steps if step.flow == "create_media").files[0].name

    [overlaid] = made(tmp_path / "down", "overlay_only_1025", {"v": animated}, inputs=("v",))

    first = frames_of(tmp_path / "down", overlaid)[0]
    assert is_red(colour_at(first, 0.5, 0.5))
    assert not is_gray(colour_at(first, 0.03, 0.5))


def test_own_background_is_used(tmp_path: Path) -> None:
    green = tmp_path / "green.png"
    Image.new("RGB", (64, 36), (20, 220, 40)).save(green)
    files = {"a.png": a_cut_out(tmp_path), "own": green}

    steps = made(tmp_path / "w", "overlay_gray_5442", files, options={"background_urls": "own"})

    red, grass, blue = colour_at(frames_of(tmp_path / "w", steps[-1])[0], 0.03, 0.5)
    assert grass > 180
    assert max(red, blue) < 80


def test_several_backgrounds_alternate(tmp_path: Path) -> None:
    files = {"a.png": a_cut_out(tmp_path)}
    for name, colour in {"green": (20, 220, 40), "blue": (30, 40, 220)}.items():
        files[name] = tmp_path / f"{name}.png"
        Image.new("RGB", (64, 36), colour).save(files[name])

    steps = made(tmp_path / "w", "overlay_gray_5442", files, options={"background_urls": "green,blue"})

    frames = frames_of(tmp_path / "w", steps[-1])
    assert colour_at(frames[0], 0.03, 0.5)[1] > 150
    assert colour_at(frames[-1], 0.03, 0.5)[2] > 150


def test_first_of_two_images_turns_into_the_second(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    files = {"a.png": a_cut_out(tmp_path), "b.png": a_cut_out(other, (40, 40, 210))}

    steps = made(tmp_path / "w", "overlay_gray_5442", files, inputs=("a.png", "b.png"))

    frames = frames_of(tmp_path / "w", steps[-1])
    assert is_red(colour_at(frames[0], 0.5, 0.5))
    assert colour_at(frames[-1], 0.5, 0.5)[2] > 150


@pytest.mark.parametrize(
    ("asked", "frames"), [(None, 10), (1, 4), ("3", 12), (99, 40), (0, 4), ("soon", 10), ("nan", 10)]
)
def test_duration_is_as_requested_within_bounds(tmp_path: Path, asked: Json, frames: int) -> None:
    steps = made(tmp_path / "w", "vim_arctic", {"a.png": a_cut_out(tmp_path)}, options={"duration": asked})

    assert len(frames_of(tmp_path / "w", steps[-1])) == frames


@pytest.mark.parametrize(("ratio", "size"), [("16:9", (64, 36)), ("9:16", (36, 64)), ("1:1", (36, 36))])
def test_aspect_ratio_is_kept(tmp_path: Path, ratio: str, size: tuple[int, int]) -> None:
    steps = made(
        tmp_path / "w", "vim_arctic", {"a.png": a_cut_out(tmp_path)}, options={"aspect_ratio": ratio}
    )

    assert frames_of(tmp_path / "w", steps[-1])[0].size == size


def test_image_mode_ends_with_an_image(tmp_path: Path) -> None:
    options: dict[str, Json] = {"pipeline_mode": "image"}

    [step] = made(tmp_path / "w", "vim_sketch_me", {"a.png": a_cut_out(tmp_path)}, options=options)

    assert step.files[0].content_type == "image/png"
    assert picture_of(tmp_path / "w", step).size == (64, 36)


def test_preview_moves(tmp_path: Path) -> None:
    steps = made(tmp_path / "w", "vim_arctic", {"a.png": a_cut_out(tmp_path)})
    frames = frames_of(tmp_path / "w", steps[-1])

    assert frames[0].tobytes() != frames[-1].tobytes()


@given(st.text(max_size=30), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_every_motion_stays_near_the_frame(word: str, seed: int, share: float) -> None:
    pose = motion_named(word, seed).at(share)

    assert 1 <= pose.zoom <= 1.2
    assert max(abs(pose.right), abs(pose.down)) < 0.05


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_bytes_that_are_not_an_image_are_only_unreadable(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)

    with pytest.raises(Unreadable):
        drawing.read_picture(path)


def test_damaged_video_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "hostile.mp4"
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))

    with pytest.raises(Unreadable):
        list(read_clip(path))


def test_image_with_too_many_pixels_is_rejected_before_decoding(tmp_path: Path) -> None:
    packed = io.BytesIO()
    Image.new("1", (8_000, 8_000)).save(packed, "PNG")
    path = tmp_path / "bomb.png"
    path.write_bytes(packed.getvalue())

    with pytest.raises(Unreadable, match="too large"):
        drawing.read_picture(path)


@pytest.mark.parametrize("text", ["", "640", "640x361", "0x0", "640x-2", "99999x2", "axb"])
def test_invalid_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="even numbers"):
        Size.parse(text)


def test_size_is_parsed() -> None:
    assert Size.parse(" 1280X720 ") == Size(1280, 720)
    assert EmulatorSettings.tiny(Path()).size == SMALL


@settings(max_examples=60, deadline=None)
@given(
    zoom=st.floats(1, 1.2),
    right=st.floats(-0.04, 0.04),
    down=st.floats(-0.04, 0.04),
    box=st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(45, 64), st.integers(25, 36)),
)
def test_sprite_moves_like_the_whole_frame(
    zoom: float, right: float, down: float, box: tuple[int, int, int, int]
) -> None:
    frame = Image.new("RGBA", (64, 36))
    frame.paste((255, 255, 255, 255), box)
    pose = Pose(zoom=zoom, right=right, down=down)

    picture, (x, y) = Sprite.of(frame).posed(pose)

    assert x + picture.width <= 64
    assert y + picture.height <= 36
    moved = Image.new("L", (64, 36))
    moved.paste(picture.getchannel("A"), (x, y))
    # The reference: every pixel of the frame, transformed.
    scale = 1 / zoom
    left, top = 32 - (32 + right * 64) * scale, 18 - (18 + down * 36) * scale
    whole = frame.getchannel("A").transform(
        (64, 36), Image.Transform.AFFINE, (scale, 0, left, 0, scale, top), Image.Resampling.BILINEAR
    )
    difference = ImageStat.Stat(ImageChops.difference(moved, whole))
    # Both soften an edge, with different filters, which differ by a few levels over a rim of one pixel.
    assert difference.mean[0] < 6


def test_empty_sprite_stays_empty() -> None:
    picture, _ = Sprite.of(Image.new("RGBA", (64, 36))).posed(Pose(zoom=1.1, right=0.03, down=0.0))

    assert picture.getchannel("A").getextrema() == (0, 0)


def test_only_visible_backgrounds_are_rendered(tmp_path: Path) -> None:
    urls = ",".join(f"https://cdn.example.com/{number}.mp4" for number in range(20_000))

    steps = made(
        tmp_path / "w", "overlay_gray_5442", {"a.png": a_cut_out(tmp_path)}, options={"background_urls": urls}
    )

    assert len(frames_of(tmp_path / "w", steps[-1])) == 10
