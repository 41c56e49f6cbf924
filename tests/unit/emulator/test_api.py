import re
from pathlib import Path
from typing import Any

import pytest
import requests

from emulator.calls import KEY, Client
from pipeline.emulator.embedded import Emulator
from pipeline.emulator.settings import EmulatorSettings
from pipeline.emulator.templates import described


def test_form_encoded_create_succeeds_with_a_playable_url(client: Client) -> None:
    workflow = client.made("vim_arctic", title="Ice")

    assert workflow["processing_status"] == "success"
    assert workflow["progress_percentage"] == 100
    assert (workflow["title"], workflow["model"]) == ("Ice", "vim_arctic")
    [file] = workflow["result"]
    assert file["content_type"] == "video/mp4"
    media = requests.get(file["url"], timeout=10)
    assert media.headers["content-type"] == "video/mp4"
    assert media.content[4:8] == b"ftyp"
    assert workflow["media_result"][0]["size"] == len(media.content)


def test_timestamps_contain_a_space(client: Client) -> None:
    workflow = client.made("vim_arctic")

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00", workflow["created_at"])


def test_v2_accepts_json_and_shares_workflows_with_v1(emulator: Emulator, client: Client) -> None:
    body = {
        "template_id": "vim_arctic",
        "options": {"aspect_ratio": "1:1"},
        "image_urls": ["https://a.example/b.png"],
    }
    answer = requests.post(f"{emulator.url}/v2/workflow", json=body, headers=KEY, timeout=10)

    identity = answer.json()["data"]["id"]
    assert client.finished(identity)["options"] == {"aspect_ratio": "1:1"}
    assert Client(emulator, "/v2").get(identity).json()["data"]["processing_status"] == "success"


def test_steps_and_result_of_the_recommended_overlay(client: Client, picture: bytes) -> None:
    workflow = client.made("overlay_gray_5443", files=[picture])

    flows = [(step["flow"], step["result"][0]["content_type"]) for step in workflow["completions"]]
    assert flows == [
        ("crop_to_content", "image/png"),
        ("replace_alpha_with_gray", "image/png"),
        ("upscale", "image/png"),
        ("create_media", "video/mp4"),
        ("video_overlay", "video/mp4"),
    ]
    assert workflow["result"] == workflow["completions"][-1]["result"]


def test_files_take_precedence_over_urls(client: Client, picture: bytes) -> None:
    workflow = client.made("vim_arctic", files=[picture], image_urls=["https://cdn.example.com/never.png"])

    [image] = workflow["images"]
    assert requests.get(image, timeout=10).content == picture


def test_workflow_takes_time_and_reports_progress(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path, duration=3600)) as slow:
        client = Client(slow)
        workflow = client.made("vim_arctic")

    assert workflow["processing_status"] == "processing"
    assert workflow["progress_percentage"] == 0
    assert workflow["result"] == []


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"options": "{not json"}, ["body", "options"]),
        ({"options": "[1]"}, ["body", "options"]),
        ({"visibility_status": "3"}, ["body", "visibility_status"]),
        ({"image_urls": []}, ["body", "image_files"]),
    ],
)
def test_invalid_field_is_rejected_as_by_fastapi(
    client: Client, fields: dict[str, Any], location: list[str]
) -> None:
    answer = client.create(**fields)

    assert answer.status_code == 422
    [detail] = answer.json()["detail"]
    assert detail["loc"] == location
    assert detail["msg"]
    assert detail["type"]
    assert client.emulator.ledger.bought == ()


def test_unknown_template_is_rejected_unless_it_is_of_a_known_family(
    client: Client,
) -> None:
    assert client.create("no-such-template").json() == {"message": "NOT_FOUND"}
    assert client.made("vim_brand_new_2027")["processing_status"] == "success"


@pytest.mark.parametrize(
    ("gives", "content_type"),
    [("image", "image/png"), ("video", "video/mp4"), ("audio", "audio/wav"), (None, "video/mp4")],
)
def test_template_that_a_campaign_describes_gives_what_is_said_of_it(
    tmp_path: Path, gives: str | None, content_type: str
) -> None:
    templates = (described("soft-light", gives), described("vim_new_2027", gives))
    with Emulator(EmulatorSettings.tiny(tmp_path, templates=templates)) as emulator:
        for template in templates:
            [file] = Client(emulator).made(template.id)["result"]
            answer = requests.get(file["url"], timeout=10)

            assert answer.headers["Content-Type"] == content_type
            assert Client(emulator).create("no-such-template").status_code == 404


def test_nothing_is_shown_or_bought_without_a_key(emulator: Emulator) -> None:
    for method, path in [("POST", "/workflow"), ("GET", "/workflow/x"), ("POST", "/image")]:
        assert requests.request(method, emulator.url + path, timeout=10).status_code == 401
    assert requests.get(f"{emulator.url}/health", timeout=10).status_code == 200
    assert emulator.ledger.bought == ()


def test_only_the_configured_key_is_accepted(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings(tmp_path, key="other")) as strict:
        assert Client(strict).create().json() == {"message": "UNAUTHORIZED"}


def test_credits_run_out_and_can_be_topped_up(tmp_path: Path) -> None:
    with Emulator(EmulatorSettings.tiny(tmp_path, credits=150)) as poor:
        client = Client(poor)
        first, second = client.create("each_explodedloop_0226"), client.create("each_explodedloop_0226")
        client.admin("settings", {"credits": 100})
        third = client.create("each_explodedloop_0226")

    assert [first.status_code, second.status_code, third.status_code] == [200, 402, 200]
    assert second.json() == {"message": "INSUFFICIENT_CREDIT"}
    assert poor.store.balance == 0


def test_put_changes_only_the_given_fields(client: Client) -> None:
    workflow = client.made("vim_arctic", title="Old", description="Kept")
    address = f"{client.url}/workflow/{workflow['id']}"

    changed = requests.put(
        address, json={"title": "New", "rating": "5", "delivered_at": None}, headers=KEY, timeout=10
    )

    now = client.get(workflow["id"]).json()["data"]
    assert changed.json()["data"] == now
    assert (now["title"], now["description"], now["rating"]) == ("New", "Kept", "5")
    assert now["delivered_at"]
    assert requests.put(address, data="[]", headers=KEY, timeout=10).json() == {"message": "BAD_REQUEST"}
    assert requests.put(address, json={"title": 5}, headers=KEY, timeout=10).status_code == 422


def test_deleted_workflow_and_its_files_are_gone(client: Client) -> None:
    workflow = client.made("vim_arctic")
    address = f"{client.url}/workflow/{workflow['id']}"

    assert requests.delete(address, headers=KEY, timeout=10).json()["data"]["id"] == workflow["id"]

    assert client.get(workflow["id"]).status_code == 404
    assert requests.delete(address, headers=KEY, timeout=10).status_code == 404
    assert requests.get(workflow["result"][0]["url"], timeout=10).status_code == 404


def test_media_supports_range_requests_and_requires_a_signature(client: Client) -> None:
    url = client.made("vim_arctic")["result"][0]["url"]
    whole = requests.get(url, timeout=10)

    rest = requests.get(url, headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]}, timeout=10)

    assert rest.status_code == 206
    assert whole.content[:10] + rest.content == whole.content
    assert rest.headers["content-range"] == f"bytes 10-{len(whole.content) - 1}/{len(whole.content)}"
    assert requests.get(url.partition("?")[0], timeout=10).status_code == 403


def test_uploaded_image_gets_a_url_and_anything_else_is_rejected(client: Client, picture: bytes) -> None:
    address = f"{client.url}/image"

    image = requests.post(address, files={"image_file": ("a.png", picture)}, headers=KEY, timeout=10).json()[
        "data"
    ]
    text = requests.post(address, files={"image_file": ("a.png", b"<html>")}, headers=KEY, timeout=10)
    none = requests.post(address, data={"x": "y"}, headers=KEY, timeout=10)

    assert (image["status"], image["mime_type"]) == ("success", "image/png")
    assert requests.get(image["results"][0], timeout=10).content == picture
    assert (text.status_code, none.status_code) == (400, 422)


def test_reported_errors_are_stored_by_week(client: Client) -> None:
    address = f"{client.url}/workflow/error-log"

    logged = requests.post(
        address, json={"error_message": "boom", "context": {"a": 1}}, headers=KEY, timeout=10
    )

    path = logged.json()["data"]["log_path"]
    assert re.fullmatch(r"customer-error-logs/[\w-]+/errors-\d{4}-W\d\d\.log", path)
    assert "boom" in (client.emulator.settings.folder / path).read_text()
    assert requests.post(address, json={"context": {}}, headers=KEY, timeout=10).status_code == 422


def test_template_listing_has_details_on_request(client: Client) -> None:
    address = f"{client.url}/v2/workflow/templates"

    brief = requests.get(address, headers=KEY, timeout=10).json()["data"]
    full = requests.get(f"{address}?detail=true", headers=KEY, timeout=10).json()["data"]

    assert len(brief) == len(full) >= 15
    assert "steps" not in brief[0]
    assert full[0]["steps"][0] == "crop_to_content"


def test_damaged_image_fails_its_workflow_with_a_reason(client: Client, picture: bytes) -> None:
    workflow = client.made("overlay_gray_5443", files=[picture[:40]])

    assert workflow["processing_status"] == "fail"
    assert "cannot be read" in workflow["error"]
