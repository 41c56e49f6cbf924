"""What a create looks like on the wire."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from pipeline.jobs import LocalFile, Visibility
from pipeline.providers.base import CallRefused, JobRefused
from pipeline.providers.payloads import Field, form_of, json_of, multipart
from providers.create_requests import a_client, a_request, an_attachment


def fields_of(content: bytes, content_type: str) -> list[tuple[str, bytes]]:
    boundary = content_type.partition("boundary=")[2].encode()
    parts = content.split(b"--" + boundary)[1:-1]
    found = []
    for part in parts:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found.append((head.split(b'name="')[1].split(b'"')[0].decode(), value.removesuffix(b"\r\n")))
    return found


def v1(**changed: object) -> list[tuple[str, bytes]]:
    body = form_of(a_request(**changed))
    return fields_of(body.content, body.content_type)


def test_v1_sends_every_field_and_options_as_a_json_string() -> None:
    sent = v1(title="Zürich 🎬", options={"duration": 5, "prompt": 'a "b"'}, visibility=Visibility.PUBLIC)
    assert sent == [
        ("template_id", b"overlay_gray_5443"),
        ("title", "Zürich 🎬".encode()),
        ("description", b""),
        ("visibility_status", b"2"),
        ("options", b'{"duration":5,"prompt":"a \\"b\\""}'),
    ]


def test_v2_sends_an_object() -> None:
    body = json_of(a_request(options={"duration": 5}, images=("https://a.example/1.png",), event_id="e"))
    assert body.content_type == "application/json"
    assert json.loads(body.content) == {
        "template_id": "overlay_gray_5443",
        "title": "a title",
        "description": "",
        "visibility_status": "0",
        "event_id": "e",
        "options": {"duration": 5},
        "image_urls": ["https://a.example/1.png"],
    }


@pytest.mark.parametrize(("visibility", "sent"), [("private", b"0"), ("unlisted", b"1"), ("public", b"2")])
def test_visibility_is_the_vendors_number_as_a_string(visibility: str, sent: bytes) -> None:
    assert ("visibility_status", sent) in v1(visibility=Visibility(visibility))


def test_event_and_webhook_are_sent_only_if_set() -> None:
    assert not {"event_id", "webhook_url"} & {name for name, _ in v1()}
    sent = v1(event_id="e", webhook_url="https://hook.example/1")
    assert ("event_id", b"e") in sent
    assert ("webhook_url", b"https://hook.example/1") in sent


def test_urls_are_sent_byte_for_byte() -> None:
    url = "https://a.example/%7Ea b.png?sig=1+2&x=%2f"
    assert ("image_urls", url.encode()) in v1(images=(url,))


def test_files_are_sent_under_our_names_in_order() -> None:
    jpeg = an_attachment(b"\xff\xd8\xff1", "image/jpeg", 'a"\r\n‮.png')
    body = form_of(a_request(images=(jpeg, an_attachment())))
    assert body.content.count(b'name="image_files"') == 2
    assert body.content.index(b'filename="image-1.jpg"') < body.content.index(b'filename="image-2.png"')
    assert "‮".encode() not in body.content


def test_files_and_urls_are_never_both_sent() -> None:
    with pytest.raises(CallRefused):
        form_of(a_request(images=("https://a.example/1.png", an_attachment())))


def test_v2_sends_no_files() -> None:
    with pytest.raises(CallRefused):
        json_of(a_request(images=(an_attachment(),)))


def test_list_expected_as_a_string_is_joined() -> None:
    request = a_request(
        options={"background_urls": ["a", "b"], "tags": ["c"]}, joined=frozenset({"background_urls"})
    )
    assert json.loads(json_of(request).content)["options"] == {"background_urls": "a,b", "tags": ["c"]}


def test_comma_in_a_joined_item_is_rejected_before_sending() -> None:
    request = a_request(options={"background_urls": ["a,b"]}, joined=frozenset({"background_urls"}))
    with pytest.raises(CallRefused, match=r"options\.background_urls: an item holds a comma"):
        a_client("http://127.0.0.1:9").prepare(request)
    assert isinstance(a_client("http://127.0.0.1:9").create(request), JobRefused)


@pytest.mark.parametrize(
    "options", [{"x": math.nan}, {"x": [math.inf]}, {"x": "\ud800"}, {"x": LocalFile("a", "0")}], ids=repr
)
def test_unserialisable_value_is_rejected_before_sending(options: dict[str, object]) -> None:
    for write in (form_of, json_of):
        with pytest.raises(CallRefused):
            write(a_request(options=options))


def test_unencodable_title_is_rejected_before_sending() -> None:
    with pytest.raises(CallRefused):
        form_of(a_request(title="\ud800"))


texts = st.text(st.characters(exclude_categories=["Cs"]))
files = st.tuples(texts, st.binary(), st.sampled_from(["image/png", "image/jpeg"]))


@given(st.lists(st.tuples(texts, texts) | st.tuples(texts, files)))
def test_form_equals_that_of_the_library(fields: list[Field]) -> None:
    content, content_type = multipart(fields)

    boundary = content_type.partition("boundary=")[2]
    assert (content, content_type) == encode_multipart_formdata(fields, boundary)


def test_each_form_has_its_own_boundary() -> None:
    assert multipart([("title", "spring")])[1] != multipart([("title", "spring")])[1]
