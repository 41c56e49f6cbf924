"""A live page of videos in an object store: the server passes them on, and signs no links."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from support.calling import Pipeline
from support.campaigns import Project, spring
from support.processes import PATIENCE, Running, until
from support.s3 import BUCKET, S3Server

Start = Callable[..., Running]
PLACE = f"s3://{BUCKET}/spring"


class Looking:
    """A browser's session with a started server."""

    def __init__(self, start: Start, project: Project, server: S3Server) -> None:
        flags = ("--listen", "127.0.0.1:0", "--output", PLACE)
        running = start("serve", project.manifest, *flags, **server.environment)
        self.url, _, token = running.first_line().split()[-1].partition("/?token=")
        self.session = requests.Session()
        assert self.session.get(f"{self.url}/?token={token}", timeout=PATIENCE).status_code == 200

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(f"{self.url}/{path}", headers=headers, timeout=PATIENCE)

    def files(self) -> list[dict[str, Any]]:
        files: list[dict[str, Any]] = self.get("data").json()["campaigns"][0]["files"]
        return files


@pytest.fixture
def bought(project: Project, pipeline: Pipeline, bucket: S3Server) -> Project:
    ended = pipeline("run", project.manifest, "--output", PLACE)
    assert ended.code == 0, ended.output
    return project


def test_videos_are_served_whole_and_by_range_and_have_stills(
    bought: Project, bucket: S3Server, start: Start
) -> None:
    page = Looking(start, bought, bucket)
    file = page.files()[0]
    whole, part = page.get(file["href"]), page.get(file["href"], Range="bytes=10-19")

    assert file["here"]
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.content in bucket.objects().values()
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert page.get(file["href"], Range=f"bytes={len(whole.content)}-").status_code == 416
    assert page.get(f"films/0/{'0' * 64}").status_code == 404
    until(lambda: all(each.get("poster") for each in page.files()), "stills of the videos")
    assert page.get(f"posters/{file['id']}.webp").headers["content-type"] == "image/webp"
    assert "X-Amz" not in page.get("data").text
    assert requests.get(f"{page.url}/{file['href']}", timeout=PATIENCE).status_code == 403


def test_new_video_appears_on_the_open_page_and_a_deleted_one_is_not_found(
    bought: Project, bucket: S3Server, start: Start, pipeline: Pipeline
) -> None:
    page = Looking(start, bought, bucket)
    gone = page.files()[0]
    for key in bucket.objects():
        bucket.client.delete_object(Bucket=BUCKET, Key=key)
    assert page.get(gone["href"]).status_code == 404

    bought.write({"campaign.yaml": spring(prompts={"leap": "a leap"})})
    ended = pipeline("run", bought.manifest, "--output", PLACE)

    assert ended.code == 0, ended.output
    until(lambda: len([each for each in page.files() if each.get("here")]) == 3, "the new video")


def test_unreachable_store_is_reported_and_the_rest_is_shown(
    bought: Project, bucket: S3Server, start: Start
) -> None:
    bucket.meet = lambda _asked: 403
    page = Looking(start, bought, bucket)
    (campaign,) = page.get("data").json()["campaigns"]

    assert "no permission to list objects" in campaign["trouble"]
    assert [each["status"] for each in campaign["jobs"]] == ["done", "done"]
    assert not any(each.get("here") for each in campaign["files"])
    bucket.meet = lambda _asked: None
    until(lambda: all(each.get("here") for each in page.files()), "the videos to be readable again")
    assert page.get("data").json()["campaigns"][0].get("trouble") is None
