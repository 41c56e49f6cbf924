"""`pipeline templates` tells what is known of the vendor's templates, from the catalogue or live."""

import pytest
from support.calling import Pipeline

from pipeline.emulator.embedded import Emulator


def test_the_built_in_catalogue_needs_neither_key_nor_network(offline: Pipeline) -> None:
    ended = offline("templates")

    assert ended.code == 0, ended.said
    assert "overlay_gray_5443" in ended.out
    assert "each_ugcproduct_0226" in ended.out
    assert "320 credits" in ended.out
    assert "price unknown" in ended.out


def test_one_is_told_with_options_and_steps(offline: Pipeline) -> None:
    ended = offline("templates", "overlay_gray_5443")

    assert "background_urls" in ended.out
    assert "crop_to_content (image)" in ended.out
    assert "video_overlay (video)" in ended.out


def test_for_scripts_it_is_one_document(offline: Pipeline) -> None:
    listed = offline("templates", "--format", "json").document["templates"]

    by_id = {template["id"]: template for template in listed}
    assert by_id["overlay_only_1025"]["inputs"] == {"type": "video", "min": 1, "max": 1}
    assert by_id["each_createsong_0226"]["gives"] == "audio"


def test_an_unknown_one_is_an_error_with_the_nearest(offline: Pipeline) -> None:
    ended = offline("templates", "overlay_grey_5443")

    assert ended.code == 3
    assert "did you mean 'overlay_gray_544" in ended.err


def test_the_live_catalogue_is_the_vendors(pipeline: Pipeline, vendor: Emulator) -> None:
    ended = pipeline("templates", "--refresh")

    assert ended.code == 0, ended.said
    assert "vim_arctic" in ended.out
    assert pipeline("templates", "vim_arctic", "--refresh", "--format", "json").document["templates"]


@pytest.mark.parametrize(("url", "key", "code"), [("", None, 5), ("http://127.0.0.1:9", "k", 8)])
def test_live_it_needs_a_key_and_a_vendor(pipeline: Pipeline, url: str, key: str | None, code: int) -> None:
    pipeline.set("VIMMERSE_API_KEY", key)
    if url:
        pipeline.set("VIMMERSE_BASE_URL", url)

    assert pipeline("templates", "--refresh").code == code
