"""A note may be about a moment only where there is one."""

import pytest

from pipeline.errors import UsageError
from pipeline.jobs import JobKey
from pipeline.operations.review import assert_has_moment
from pipeline.purchases import Output, Purchase, PurchaseId, Status

IMAGE = Output("image/png", sha256="1" * 64)
VIDEO = Output("video/mp4", sha256="2" * 64)


def purchase(*outputs: Output) -> Purchase:
    return Purchase(
        id=PurchaseId("a" * 16),
        key=JobKey("hero/overlay/red"),
        fingerprint="v1:" + "f" * 64,
        status=Status.DONE,
        bought_at="2026-11-28T12:00:00.000Z",
        template_id="overlay",
        request={},
        outputs=outputs,
    )


def test_an_image_has_no_moment() -> None:
    with pytest.raises(UsageError, match="is an image"):
        assert_has_moment(purchase(IMAGE), 1.0, {})


def test_a_video_beside_an_image_has_its_moments() -> None:
    assert_has_moment(purchase(IMAGE, VIDEO), 1.0, {VIDEO.sha256 or "": {"duration": 2.5}})
    assert_has_moment(purchase(IMAGE, VIDEO), 99.0, {})
    with pytest.raises(UsageError, match=r"2\.5 s long"):
        assert_has_moment(purchase(IMAGE, VIDEO), 99.0, {VIDEO.sha256 or "": {"duration": 2.5}})
