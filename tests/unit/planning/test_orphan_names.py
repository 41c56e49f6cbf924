"""The names that the key of an orphan can stand for, by what is recorded of its purchase."""

from typing import Any

import pytest

from pipeline.jobs import Coordinates, JobKey, PurchaseId
from pipeline.planning.orphan_names import possible_coordinates
from pipeline.purchases import Purchase, Status

NOTHING_SENT: dict[str, Any] = {}
NO_IMAGE: dict[str, Any] = {"title": "a title"}


def orphan(key: str, request: dict[str, Any]) -> Purchase:
    return Purchase(
        id=PurchaseId("0011223344556677"),
        key=JobKey(key),
        fingerprint="v1:0",
        status=Status.DONE,
        bought_at="2026-01-01T00:00:00.000Z",
        template_id="each_moonwalk_0226",
        request=request,
    )


@pytest.mark.parametrize(
    "job",
    [
        Coordinates("main", "loop"),
        Coordinates("main", "loop", "blue"),
        Coordinates("main", "loop", None, "walk"),
        Coordinates("main", "loop", "blue", "walk", (("cut", "a=b/c"), ("locale", "pt-BR")), 12),
        Coordinates("ma in", "lo/op", "Zoë #2", "50% = ½", (("a,b", "?*[é]"),)),
    ],
)
def test_key_with_its_request_stands_for_one_job(job: Coordinates) -> None:
    request = {**NO_IMAGE, "images": [{"id": job.image, "path": "x"}]} if job.image else NO_IMAGE

    assert possible_coordinates(orphan(job.key, request)) == (job,)


def test_name_is_an_image_or_a_prompt_where_the_request_is_not_recorded() -> None:
    assert possible_coordinates(orphan("main/loop/blue", NOTHING_SENT)) == (
        Coordinates("main", "loop", "blue"),
        Coordinates("main", "loop", None, "blue"),
    )


@pytest.mark.parametrize(
    "key",
    ["", "main", "a/b/c/d/e", "main/loop#1", "main/loop#two", "main/l oop", "main/loop/b=1/a=1", "main/%ff"],
)
def test_key_that_no_job_has_stands_for_none(key: str) -> None:
    assert possible_coordinates(orphan(key, NOTHING_SENT)) == ()


@pytest.mark.parametrize(
    "images", [[{"id": "red"}], [{"id": "blue"}, {"id": "red"}], ["blue"], "blue", [], None]
)
def test_key_that_its_request_contradicts_stands_for_none(images: object) -> None:
    request = {**NO_IMAGE, "images": images}

    assert possible_coordinates(orphan("main/loop/blue/walk", request)) == ()
