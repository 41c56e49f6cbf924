import contextlib
import io
import os
import struct
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from manifest.authoring import ANYTHING, Project, png
from pipeline.files import sha256_of
from pipeline.jobs import LocalFile, RemoteFile
from pipeline.manifest import globs
from pipeline.manifest.images import LARGEST, Images, check_image
from pipeline.paths import as_on_disk

Form = Literal["NFC", "NFD"]


def encoded(kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((48, 40), 90).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


FORMS = {
    "png": encoded("PNG"),
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "jpeg with restarts": encoded("JPEG", restart_marker_blocks=1),
    "jpeg with a thumbnail": encoded("JPEG", exif=b"Exif\0\0" + encoded("JPEG", quality=1)),
    "webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
    "webp with metadata": encoded("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\b\0\0"),
    "moving webp": encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (48, 40))]),
}


def paths(project: Project, text: str) -> list[str]:
    jobs = project.jobs(ANYTHING + text)
    return [image.path for job in jobs for image in job.request.images if isinstance(image, LocalFile)]


class TestContent:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_image_type_is_detected_from_content_not_name(self, project: Project, kind: str) -> None:
        project.write("image.dat", encoded(kind))
        (job,) = project.jobs(ANYTHING + "image_sets: {shoes: [image.dat]}\n")
        assert job.request.images == (LocalFile("image.dat", sha256_of(project.root / "image.dat")),)

    def test_jpeg_with_much_metadata_is_accepted(self, project: Project) -> None:
        jpeg = encoded("JPEG")
        segments = b"".join(b"\xff\xe1" + struct.pack(">H", 60_002) + bytes(60_000) for _ in range(3))
        for name, content in (
            ("some", jpeg[:2] + segments + jpeg[2:]),
            ("much", jpeg[:2] + segments * 8 + jpeg[2:]),
        ):
            project.write(f"{name}.jpg", content)
        assert paths(project, "image_sets: {shoes: {glob: '*.jpg'}}\n") == ["much.jpg", "some.jpg"]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "is empty"),
            (encoded("GIF"), "is a GIF"),
            (encoded("BMP"), "is a BMP"),
            (encoded("TIFF"), "is a TIFF"),
            (b"<!DOCTYPE html><html></html>", "is an HTML page"),
            (b"\xef\xbb\xbf\n <HTML>", "is an HTML page"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is an SVG"),
            (b"%PDF-1.7", "is a PDF"),
            (b"\0\0\0\x20ftypavif", "is an AVIF"),
            (b"\0\0\0\x20ftypheic", "is a HEIC"),
            (b"\0\0\0\x20ftypisom", "is a video"),
            (b"just some text", "is no image"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
            (png()[:24], "is a broken image"),
            (png()[:16] + bytes(8) + png()[24:], "is a broken image: it has no width"),
            (encoded("JPEG")[:20], "is a broken image"),
            (b"\xff\xd8\xff\xd9", "is a broken image"),
            (b"\xff\xd8 not a segment", "is a broken image"),
            (b"RIFF\0\0\0\0WEBPVP9 ....", "is a broken image"),
        ],
    )
    def test_non_image_is_described(self, project: Project, content: bytes, said: str) -> None:
        project.write("image.png", content)
        (problem,) = project.problems(f"{ANYTHING}image_sets: {{shoes: [image.png]}}\n")
        assert f"image.png {said}" in problem.message
        assert problem.path == "image_sets.shoes[0]"

    @pytest.mark.parametrize("form", FORMS)
    def test_image_with_trailing_bytes_is_accepted(self, form: str) -> None:
        check_image(FORMS[form])
        check_image(FORMS[form] + b"\0\xffmore\xff")

    @pytest.mark.parametrize("form", FORMS)
    @given(data=st.data())
    def test_truncated_image_is_rejected_wherever_it_was_cut(self, form: str, data: st.DataObject) -> None:
        # A byte that is left out may be padding, such as the last of a WebP.
        length = data.draw(st.integers(0, len(FORMS[form]) - 2))
        with pytest.raises(ValueError, match=r"broken image|no image"):
            check_image(FORMS[form][:length])

    @pytest.mark.parametrize("form", FORMS)
    def test_error_says_that_the_image_is_truncated(self, form: str) -> None:
        with pytest.raises(ValueError, match=r"it is truncated \(no end marker\)"):
            check_image(FORMS[form][: len(FORMS[form]) // 2])

    @given(
        head=st.binary(max_size=80), kind=st.sampled_from([b"", png()[:8], b"\xff\xd8", b"RIFF\0\0\0\0WEBP"])
    )
    def test_no_content_breaks_the_check(
        self, tmp_path_factory: pytest.TempPathFactory, head: bytes, kind: bytes
    ) -> None:
        folder = tmp_path_factory.getbasetemp()
        (folder / "any.png").write_bytes(kind + head)
        # Accepted as an image, or refused with a message; nothing else.
        with contextlib.suppress(ValueError):
            assert Images(folder, folder).local("any.png", folder).path == "any.png"

    def test_image_size_limit_is_exact(self, project: Project) -> None:
        for name, size in (("fits.png", LARGEST), ("large.png", LARGEST + 1)):
            with project.image(name).open("r+b") as file:
                file.truncate(size)
        assert paths(project, "image_sets: {shoes: [fits.png]}\n") == ["fits.png"]
        assert "larger than 25 MB" in project.messages(ANYTHING + "image_sets: {shoes: [large.png]}\n")

    def test_image_is_read_once(self, project: Project) -> None:
        images = Images(project.root, project.root)
        path = project.image("red.png", 1)
        first = images.local("red.png", project.root)
        path.write_bytes(b"")
        assert images.local("./red.png", project.root) == first


class TestPaths:
    def test_link_inside_the_project_is_followed(self, project: Project) -> None:
        project.image("shared/red.png")
        (project.root / "images").symlink_to("shared")
        assert paths(project, "image_sets: {shoes: [images/red.png]}\n") == ["shared/red.png"]

    def test_link_to_outside_is_rejected(self, project: Project, tmp_path: Path) -> None:
        (tmp_path / "secret.png").write_bytes(png())
        (project.root / "red.png").symlink_to(tmp_path / "secret.png")
        (project.root / "out").symlink_to(tmp_path)
        told = project.messages(ANYTHING + "image_sets: {shoes: [red.png, out/secret.png, {glob: 'x'}]}\n")
        assert told.count("leads outside the project") == 2

    def test_unreachable_path_is_reported(self, project: Project) -> None:
        (project.root / "circle.png").symlink_to("circle.png")
        long = "é" * 200
        told = project.messages(ANYTHING + f"image_sets: {{shoes: [circle.png, '{long}', {long}/a.png]}}\n")
        assert told.count("no file can be reached there") == 3
        told = project.messages(
            ANYTHING + f"image_sets: {{shoes: {{glob: '*/{long}'}}, hats: {{glob: '{long}/*'}}}}\n"
        )
        assert "matches no file" in told

    def test_link_to_hidden_file_is_rejected(self, project: Project) -> None:
        project.image(".secrets/red.png")
        (project.root / "red.png").symlink_to(".secrets/red.png")
        assert "'.secrets' is hidden" in project.messages(ANYTHING + "image_sets: {shoes: [red.png]}\n")

    def test_pipe_is_rejected_without_blocking(self, project: Project) -> None:
        os.mkfifo(project.root / "red.png")
        assert "not a regular file" in project.messages(ANYTHING + "image_sets: {shoes: [red.png]}\n")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_unreadable_file_is_reported(self, project: Project) -> None:
        project.image("red.png").chmod(0)
        assert "cannot be read" in project.messages(ANYTHING + "image_sets: {shoes: [red.png]}\n")

    @pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
    @pytest.mark.parametrize("written", ["NFC", "NFD"])
    def test_name_is_the_same_in_any_normal_form(
        self, project: Project, on_disk: Form, written: Form
    ) -> None:
        name = "tür-ñ.png"
        project.image(unicodedata.normalize(on_disk, name))
        (job,) = project.jobs(ANYTHING + f"image_sets: {{shoes: [{unicodedata.normalize(written, name)}]}}\n")
        (image,) = job.request.images
        assert isinstance(image, LocalFile)
        assert image.path == unicodedata.normalize("NFC", name)
        assert job.coordinates.image == unicodedata.normalize("NFC", "tür-ñ")
        assert as_on_disk(project.root / image.path).exists()


class TestUrls:
    def test_url_is_sent_byte_for_byte(self, project: Project) -> None:
        url = "HTTPS://cdn.example.com/Ä%20b/./x/../red.png?sig=a+b%2F&x=1#part"
        (job,) = project.jobs(ANYTHING + f"image_sets: {{shoes: ['{url}']}}\n")
        assert job.request.images == (RemoteFile(url),)
        assert job.coordinates.image == "red"

    def test_url_of_another_scheme_is_rejected(self, project: Project) -> None:
        said = project.messages(ANYTHING + "image_sets: {shoes: ['ftp://user:word@cdn.example.com/a.png']}\n")
        assert (
            "image_sets.shoes[0]: expected a path, or a url that begins with http:// or https://, found ftp://"
        ) in said
        assert "word" not in said

    def test_item_version_applies_to_its_urls(self, project: Project) -> None:
        (job,) = project.jobs(
            ANYTHING + "image_sets: {shoes: [{url: 'https://cdn.example.com/red.png?sig=1', version: '3'}]}\n"
        )
        assert job.request.images == (RemoteFile("https://cdn.example.com/red.png?sig=1", "3"),)

    def test_several_images_keep_their_order_and_may_be_mixed(self, project: Project) -> None:
        project.image("front.png")
        (job,) = project.jobs(
            ANYTHING + "image_sets: {shoes: [{images: ['https://cdn.example.com/a.png', front.png]}]}\n"
        )
        assert [type(image) for image in job.request.images] == [RemoteFile, LocalFile]
        assert job.coordinates.image == "a"

    @pytest.mark.parametrize("between", [",", ", ", ";", "|", " ", "\\n"])
    def test_two_urls_in_one_text_are_rejected(self, project: Project, between: str) -> None:
        url = f"https://cdn.example.com/a.jpg{between}HTTPS://cdn.example.com/b.jpg"
        told = project.messages(ANYTHING + f'image_sets: {{shoes: ["{url}"]}}\n')
        assert "two urls in one text; several images are a list: {images: […]}" in told

    @pytest.mark.parametrize(("between", "encoded"), [(",", "%2C"), (";", "%3B"), ("|", "%7C")])
    @pytest.mark.parametrize("first", ["1.png", "https://a.example/1.png", "https%3A%2F%2Fa.example%2F1.png"])
    def test_url_with_several_in_its_query_is_written_as_its_refusal_says(
        self, project: Project, first: str, between: str, encoded: str
    ) -> None:
        url = f"https://x.example/r?layers={first}{between}https://b.example/2.png"
        text = ANYTHING + f"image_sets: {{shoes: [{{id: a, url: '{url}'}}]}}\n"
        assert f"if it is one url, write the '{between}' in it as {encoded}" in project.messages(text)
        (job,) = project.jobs(text.replace(url, url.replace(between, encoded)))
        assert job.request.images == (RemoteFile(url.replace(between, encoded)),)

    @pytest.mark.parametrize(
        "url",
        [
            "https://img.example/w=800?src=https%3A%2F%2Fcdn.example%2Fa.jpg",
            "https://web.archive.org/web/2020/https://a.example/a.png",
            "https://a.example/fetch?url=https://b.example/a.png&x=1,2;3|4",
            "https://a.example/a,b;c|d.png",
        ],
    )
    def test_url_containing_a_url_is_accepted(self, project: Project, url: str) -> None:
        (job,) = project.jobs(ANYTHING + f"image_sets: {{shoes: [{{id: a, url: '{url}'}}]}}\n")
        assert job.request.images == (RemoteFile(url),)

    @pytest.mark.parametrize(
        "url", ["https://", "https:///a.png", "http://[::1/a.png", "https://a.example/b c.png"]
    )
    def test_unfetchable_url_is_rejected(self, project: Project, url: str) -> None:
        assert "image_sets.shoes[0]" in project.messages(ANYTHING + f"image_sets: {{shoes: ['{url}']}}\n")


class TestGlobs:
    def test_matches_are_sorted_and_exclude_hidden_files(self, project: Project) -> None:
        for name in ("b.png", "a.png", "sub/c.png", ".d.png", ".e/f.png", "g.jpg"):
            project.image(f"images/{name}")
        assert paths(project, "image_sets: {shoes: {glob: 'images/*.png'}}\n") == [
            "images/a.png",
            "images/b.png",
        ]
        assert paths(project, "image_sets: {shoes: {glob: 'images/**/*.png'}}\n") == [
            *("images/a.png", "images/b.png", "images/sub/c.png"),
        ]

    @pytest.mark.skipif(os.sep != "/", reason="there it separates folders")
    def test_file_with_a_backslash_in_its_name_is_named(self, project: Project) -> None:
        project.image("images/a.png")
        (project.root / "images" / "a.png").rename(project.root / "images" / "a\\b.png")
        told = project.messages(ANYTHING + "image_sets: {shoes: {glob: 'images/*.png'}}\n")
        assert r"image_sets.shoes.glob: the name of 'images/a\b.png' has a backslash" in told

    @pytest.mark.parametrize(
        ("pattern", "found"),
        [
            ("**", ["a/b.png", "a/c/d.png", "e.png"]),
            ("**/*", ["a/b.png", "a/c/d.png", "e.png"]),
            ("**/**/d.png", ["a/c/d.png"]),
            ("a/**", ["a/b.png", "a/c/d.png"]),
            ("a/*", ["a/b.png"]),
            ("./a/?.png", ["a/b.png"]),
            ("[de].png", ["e.png"]),
            ("[!e].png", []),
            ("e.png", ["e.png"]),
            ("a", []),
            ("none/*", []),
        ],
    )
    def test_patterns_have_their_usual_meaning(
        self, project: Project, pattern: str, found: list[str]
    ) -> None:
        for name in ("e.png", "a/b.png", "a/c/d.png"):
            project.image(name)
        assert globs.matching(pattern, project.root, project.root) == found

    def test_pattern_may_start_above_its_file_but_not_above_the_project(self, project: Project) -> None:
        project.image("images/a.png")
        (project.root / "spring").mkdir()
        assert globs.matching("../images/*", project.root / "spring", project.root) == ["../images/a.png"]
        for pattern in ("../../*", "/*", "*/../../*"):
            with pytest.raises(ValueError, match=r"project|absolute|start"):
                globs.matching(pattern, project.root / "spring", project.root)

    def test_folder_that_links_to_itself_is_walked_once(self, project: Project) -> None:
        project.image("images/a.png")
        (project.root / "images" / "again").symlink_to(".")
        assert globs.matching("**/*.png", project.root, project.root) == ["images/a.png"]

    def test_braces_are_reported_as_not_a_pattern(self, project: Project) -> None:
        project.image("images/a.png")
        (problem,) = project.problems(ANYTHING + "image_sets: {shoes: {glob: 'images/*.{jpg,png}'}}\n")
        assert problem.message == (
            "'images/*.{jpg,png}' matches no file: braces are not a pattern here; "
            "write two sets, images/*.jpg and images/*.png"
        )
        project.image("images/{a,b}.png")
        assert paths(project, "image_sets: {shoes: {glob: 'images/{a,b}.png'}}\n") == ["images/{a,b}.png"]
        told = project.messages(ANYTHING + "jobs: [{id: a, templates: ['a*{y,x}']}]\n")
        assert "no template matches 'a*{y,x}': braces are not a pattern here; list both" in told

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("image_sets: {s: ['images/*.png']}", "write the image set as {glob: 'images/*.png'}"),
            (
                "image_sets: {s: [{path: 'images/re?.png'}]}",
                "write the image set as {glob: 'images/re?.png'}",
            ),
            ("image_sets: {s: ['images/{red,a}.png']}", "list both, images/red.png and images/a.png"),
            (
                "image_sets: {s: {glob: 'images/{a..c}.png'}}",
                "braces are not a pattern here; write images/[a-c].png",
            ),
            (
                "image_sets: {s: {glob: '{01..12}.png'}}",
                "braces are not a pattern here; write two sets, 01.png and 12.png",
            ),
            ("jobs: [{id: a, prompts: ['{p,q}']}]", "braces are not a pattern here; list both, p and q"),
        ],
    )
    def test_pattern_where_none_is_read_is_named(self, project: Project, text: str, hint: str) -> None:
        project.image("images/red.png")
        told = project.messages(f"{ANYTHING}prompts: {{p: x}}\n{text}\n")
        assert hint in str(told)
        assert "did you mean" not in str(told)

    @pytest.mark.parametrize("name", [b"caf\xe9.png", b"caf\xe9/a.png"])
    def test_file_name_that_is_not_utf8_is_reported(self, project: Project, name: bytes) -> None:
        project.image(f"images/{os.fsdecode(name)}")
        pattern = "images/**/*.png"
        (problem,) = project.problems(ANYTHING + f"image_sets: {{shoes: {{glob: '{pattern}'}}}}\n")
        shown = name.decode("ascii", "backslashreplace")
        assert problem.message == f"the name of images/{shown} is not UTF-8; rename it"
        assert str(problem.position) == "campaign.yaml:4:28"
