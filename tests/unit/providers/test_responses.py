"""What is read from responses, and what is ignored."""

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.artifacts.file_names import suffix
from pipeline.errors import printable
from pipeline.json_values import Json
from pipeline.providers.base import Bought, Media, NotSent, OutcomeUnknown, Progress
from pipeline.providers.create_outcome import classify
from pipeline.providers.http.connection import Stage
from pipeline.providers.http.transport import Ending, Response
from pipeline.providers.media import content_type_of, sniffed, type_of
from pipeline.providers.responses import (
    LONGEST_WAIT,
    error_message,
    read_object,
    seconds_to_wait,
    workflow_from,
)
from pipeline.purchases import WorkflowId
from pipeline.records import is_workflow_id
from providers.create_requests import is_harmless

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        "id",
        "processing_status",
        "progress_percentage",
        "model",
        "title",
        "result",
        "media_result",
        "completions",
        "credits",
        "created_at",
        "error",
        "url",
        "content_type",
        "size",
        "flow",
    ]
)
ODD_WORKFLOWS = st.dictionaries(
    FIELDS, ANY_JSON | st.lists(st.dictionaries(FIELDS, ANY_JSON, max_size=4), max_size=3), max_size=8
)


def test_workflow_is_read_as_documented() -> None:
    url = "https://cdn.example.com/final.mp4"
    told: dict[str, Json] = {
        "id": "wf-1",
        "processing_status": "success",
        "progress_percentage": 100,
        "model": "overlay_gray_5443",
        "title": "a title",
        "primary_user_id": "secret-user",
        "completions": [
            {"flow": "upscale", "result": [{"content_type": "image/png", "url": f"{url}.png?s=1"}]}
        ],
        "result": [{"content_type": "video/mp4; codecs=avc1", "url": f"{url}?sig=1"}],
        "media_result": [{"url": f"{url}?sig=2", "size": 1234, "updated_at": "x"}],
        "created_at": "2025-04-11 18:33:59.780864+00:00",
    }
    workflow = workflow_from(told, WorkflowId("wf-1"))
    assert workflow.progress is Progress.SUCCEEDED
    assert workflow.percent == 100
    assert workflow.template_id == "overlay_gray_5443"
    assert workflow.result == (Media(f"{url}?sig=1", "video/mp4", 1234),)
    assert workflow.steps == (("upscale", (Media(f"{url}.png?s=1", "image/png"),)),)
    assert workflow.created_at == "2025-04-11 18:33:59.780864+00:00"
    assert workflow.credits is None
    assert "secret-user" not in repr(workflow)


@pytest.mark.parametrize(
    ("status", "progress", "known"),
    [
        ("success", Progress.SUCCEEDED, True),
        ("SUCCESS", Progress.SUCCEEDED, True),
        ("fail", Progress.FAILED, True),
        ("cancel", Progress.FAILED, True),
        ("processing", Progress.RUNNING, True),
        ("failing", Progress.RUNNING, False),
        ("", Progress.RUNNING, False),
        (None, Progress.RUNNING, False),
        (1, Progress.RUNNING, False),
    ],
)
def test_only_documented_final_statuses_end_a_workflow(status: Json, progress: Progress, known: bool) -> None:
    workflow = workflow_from({"processing_status": status}, WorkflowId("wf-1"))
    assert (workflow.progress, workflow.known_status) == (progress, known)


@given(ODD_WORKFLOWS)
def test_malformed_workflow_gives_only_valid_fields(told: dict[str, Json]) -> None:
    workflow = workflow_from(told, WorkflowId("wf-1"))
    assert workflow.percent is None or 0 <= workflow.percent <= 100
    assert workflow.credits is None or workflow.credits >= 0
    texts = (workflow.status, workflow.title, workflow.template_id, workflow.error or "")
    for text in texts:
        assert "\0" not in text
        text.encode()
    for media in workflow.result:
        assert media.url.startswith(("http://", "https://"))
        assert media.size is None or media.size > 0


def test_characters_that_cannot_be_stored_are_removed() -> None:
    workflow = workflow_from({"title": "a\0b", "error": "half \ud83d", "model": "x" * 5000}, WorkflowId("w"))
    assert (workflow.title, workflow.error, workflow.template_id) == ("ab", "half ?", "x" * 2000)


@pytest.mark.parametrize(
    "url",
    [
        "file:///x",
        "javascript:x",
        "x/y",
        "",
        " ",
        7,
        None,
        "https://x\u200d/y",
        "https://x/\ud83d",
        "https://x/" + "y" * 9000,
    ],
)
def test_invalid_url_is_dropped(url: Json) -> None:
    assert (
        workflow_from(
            {"result": [{"url": url, "content_type": "video/mp4"}, "x", None]}, WorkflowId("w")
        ).result
        == ()
    )


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        (" \r\n\u00a0https://x/a.mp4?s=%2f\t\n", "https://x/a.mp4?s=%2f"),
        (
            "https://x/a\u200d\n\u00a0b.mp4?s=\ufeff%e2~'#\u2028x",
            "https://x/a%E2%80%8D%0A%C2%A0b.mp4?s=%EF%BB%BF%e2~'#%E2%80%A8x",
        ),
        (
            "https://b\u00fccher.example/caf\u00e9 \U0001f525.mp4",
            "https://b\u00fccher.example/caf\u00e9 \U0001f525.mp4",
        ),
        ("//x/a.mp4", "https://x/a.mp4"),
        ("\ufeffhttps://x/a.mp4", "https://x/a.mp4"),
        ("\u200b \u2060https://x/a.mp4\u200b\ufeff\u200e\n", "https://x/a.mp4"),
        ('HTTPS://X/\\{a}|^`<b>"%zz', 'HTTPS://X/\\{a}|^`<b>"%zz'),
    ],
)
def test_url_is_stripped_and_encoded_where_it_has_to_be(url: str, usable: str) -> None:
    told: dict[str, Json] = {
        "result": [{"url": url}],
        "media_result": [{"url": url, "size": 5}],
        "completions": [{"flow": "a", "result": url}],
    }

    workflow = workflow_from(told, WorkflowId("w"))

    assert [(media.url, media.size) for media in workflow.result] == [(usable, 5)]
    assert [media.url for _, (media,) in workflow.steps] == [usable]
    assert (workflow.unusable, workflow.unusable_step) == ("", "")


def test_first_unusable_url_of_a_step_is_named_without_its_secrets() -> None:
    steps: Json = [
        {"flow": "a", "result": [{"url": "https://h/x.mp4"}]},
        {"flow": "b", "result": [{"url": "https://h/y.mp4"}, {"url": "ftp://u:s3cret@h/y?sig=s3cret"}]},
    ]

    workflow = workflow_from({"completions": steps}, WorkflowId("w"))

    assert (workflow.unusable, workflow.unusable_step) == ("", "ftp://h/y")


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ([{"url": "file:///x.mp4"}], "file:///x.mp4"),
        ("ftp://u:s3cret@h/x.mp4?sig=s3cret#s3cret", "ftp://h/x.mp4"),
        ([{"url": "https://h\n/"}, {"url": "file:///y"}], "https://h\\n/"),
        ([{"url": ""}, {"url": None, "content_type": "video/mp4"}, {}, None, "", " "], ""),
        ([{"url": "https://h/x.mp4"}, {"href": "https://h/y.mp4?sig=s3cret"}], "an entry without a url"),
        ([{"url": "https://h/x.mp4"}, {"url": ""}], "an entry without a url"),
        ([{"url": " "}, "https://h/x.mp4"], "an entry without a url"),
        ([{"url": "https://h/x.mp4"}, {"content_type": "video/mp4"}], "an entry without a url"),
        ([None, {"url": "https://h/x.mp4"}], "an entry without a url"),
        ([[{"url": "https://h/x.mp4"}]], "an entry without a url"),
        ([{"url": 7}], "an entry without a url"),
        (7, "an entry without a url"),
        ([{"url": "https://h/x.mp4"}], ""),
        (None, ""),
        ([], ""),
        ({}, ""),
        ("", ""),
    ],
)
def test_first_unusable_url_is_named_without_its_secrets(result: Json, told: str) -> None:
    assert workflow_from({"result": result}, WorkflowId("w")).unusable == told


@pytest.mark.parametrize(
    ("told", "percent"),
    [
        (-5, 0.0),
        (250, 100.0),
        (12.5, 12.5),
        (True, None),
        ("50", None),
        (math.nan, None),
        (10**400, None),
        (-(10**400), None),
    ],
)
def test_percentage_is_between_0_and_100_or_missing(told: Json, percent: float | None) -> None:
    assert workflow_from({"progress_percentage": told}, WorkflowId("w")).percent == percent


@pytest.mark.parametrize(
    ("told", "number"),
    [
        *((each, 12) for each in (12, 12.0, "12", "12.00", " 12 ")),
        *((each, 0) for each in (0, 0.0, "0")),
        *(
            (each, None)
            for each in (12.5, "12.5", -1, -1.0, "-1", True, None, "", "twelve", "1e3", "٣", [12])
        ),
        *((each, None) for each in (2**53, 1e300, math.inf, math.nan, "1" * 5000)),
    ],
)
def test_credits_and_size_are_whole_numbers_in_any_form(told: Json, number: int | None) -> None:
    answer: dict[str, Json] = {
        "credits": told,
        "result": [{"url": URL}],
        "media_result": [{"url": URL, "size": told}],
    }

    workflow = workflow_from(answer, WorkflowId("w"))

    assert workflow.credits == number
    assert workflow.result[0].size == (number or None)


def test_size_is_that_of_the_url_with_its_query_before_that_of_any_other_query() -> None:
    files = {"?f=a": 5, "?f=b": 7}
    told: dict[str, Json] = {
        "result": [{"url": URL + query} for query in files],
        "completions": [{"flow": "a", "result": [{"url": f"{URL}?f=b"}]}],
        "media_result": [{"url": URL + query, "size": size} for query, size in files.items()],
    }

    workflow = workflow_from(told, WorkflowId("w"))

    assert [media.size for media in workflow.result] == [5, 7]
    assert [media.size for _, (media,) in workflow.steps] == [7]


@pytest.mark.parametrize(
    ("listed", "size"),
    [
        ({"?sig=1": 5}, 5),
        ({"": 5}, 5),
        ({"?sig=1": 5, "?sig=2": 5}, None),
        ({"?sig=1": 5, "?sig=2": 7}, None),
        ({"": 5, "?sig=2": 7}, None),
        ({"?sig=1": 5, "?sig=9": None}, None),
        ({"?sig=1": 5, "?sig=9": 0}, None),
    ],
)
def test_size_under_another_query_counts_only_if_nothing_else_is_listed_there(
    listed: dict[str, int | None], size: int | None
) -> None:
    told: dict[str, Json] = {
        "result": [{"url": f"{URL}?sig=9"}],
        "media_result": [{"url": URL + query, "size": each} for query, each in listed.items()],
    }

    assert workflow_from(told, WorkflowId("w")).result[0].size == size


@pytest.mark.parametrize("signature", ["", "&sig=2"])
def test_size_of_one_file_is_not_that_of_another_whose_url_differs_in_its_query(signature: str) -> None:
    told: dict[str, Json] = {
        "result": [URL + "?f=a" + signature, URL + "?f=b" + signature],
        "completions": [{"flow": "a", "result": [URL + "?f=b" + signature]}],
        "media_result": [{"url": f"{URL}?f=a", "size": 5}],
    }

    workflow = workflow_from(told, WorkflowId("w"))

    assert [media.size for media in workflow.result] == [None if signature else 5, None]
    assert [media.size for _, (media,) in workflow.steps] == [None]


def test_size_of_a_file_of_a_step_is_not_that_of_the_result() -> None:
    told: dict[str, Json] = {
        "result": [f"{URL}?f=b"],
        "completions": [{"flow": "a", "result": [f"{URL}?f=a"]}],
        "media_result": [{"url": f"{URL}?f=a", "size": 5}],
    }

    assert workflow_from(told, WorkflowId("w")).result[0].size is None


def test_url_that_is_listed_with_two_sizes_has_none() -> None:
    told: dict[str, Json] = {"result": [URL], "media_result": [{"url": URL, "size": each} for each in (5, 7)]}

    assert workflow_from(told, WorkflowId("w")).result[0].size is None


URL = "https://x/a.mp4"


@pytest.mark.parametrize("result", [[URL], URL, {"url": URL}, [{"url": URL}, None, 7]])
def test_result_is_read_in_any_unambiguous_shape(result: Json) -> None:
    assert workflow_from({"result": result}, WorkflowId("w")).result == (Media(URL, "video/mp4"),)


def test_uninformative_type_is_guessed_from_the_url() -> None:
    told: dict[str, Json] = {"result": [{"url": URL, "content_type": "application/octet-stream"}]}
    assert workflow_from(told, WorkflowId("w")).result[0].content_type == "video/mp4"


def test_missing_type_is_guessed_from_the_url() -> None:
    result: Json = [{"url": "https://x/a.MP4?s=.png"}, {"url": "https://x/a", "content_type": 7}]
    types = [media.content_type for media in workflow_from({"result": result}, WorkflowId("w")).result]
    assert types == ["video/mp4", "application/octet-stream"]


@pytest.mark.parametrize(
    ("value", "sound"),
    [
        *((sound, True) for sound in ("wf-1", "A.b_c-9", "x" * 128)),
        *((odd, False) for odd in ("x" * 129, "", ".", "..", "a/b", "a\n", "é", 7, None)),
    ],
)
def test_workflow_id_is_safe_in_a_url(value: object, sound: bool) -> None:
    assert is_workflow_id(value) is sound


REASONS = ("the answer is not JSON", "the answer is not a JSON object", "a name occurs twice in the answer")


@given(st.binary(max_size=200) | ANY_JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_an_object_or_a_described_error(body: bytes) -> None:
    for strict in (False, True):
        told = ""
        try:
            assert isinstance(read_object(body, strict=strict), dict)
        except ValueError as error:
            told = str(error)
        assert told in ("", *REASONS)
    assert is_harmless(error_message(body))


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            "cannot read https://u:PW@h.test/x.png?token=T: no such host",
            "cannot read https://…: no such host",
        ),
        ("https://h.test/x.png?X-Amz-Signature=T", "https://…"),
        ("see https://h.test/docs/images", "see https://h.test/docs/images"),
    ],
)
def test_refusal_is_quoted_without_the_secrets_of_its_urls(told: str, shown: str) -> None:
    for body in ({"message": told}, {"detail": told}, {"detail": [{"msg": told}]}):
        assert error_message(json.dumps(body).encode()) == shown


def test_control_characters_in_a_text_are_read() -> None:
    assert read_object(b'{"title": "a\tb\1\n"}', strict=True) == {"title": "a\tb\1\n"}


@pytest.mark.parametrize(("encoding", "half"), [("utf-8", b"\xc3"), ("utf-16-le", b"\x00\xd8")])
def test_text_that_was_cut_within_a_character_is_read(encoding: str, half: bytes) -> None:
    body = '{"id": "w", "title": "cut?"}'.encode(encoding).replace("?".encode(encoding), half)

    assert read_object(body, strict=True) == {"id": "w", "title": "cut\udcff"}


def test_url_of_which_a_character_was_lost_is_dropped_and_one_that_has_the_sign_for_that_is_kept() -> None:
    def urls_of(name: bytes) -> list[str]:
        body = b'{"result": [{"url": "https://x/caf%s.mp4", "content_type": "video/mp4"}]}' % name
        return [media.url for media in workflow_from(read_object(body), WorkflowId("w")).result]

    assert urls_of(b"\xc3") == []
    assert urls_of("\ufffd".encode()) == urls_of(b"\\ufffd") == ["https://x/caf\ufffd.mp4"]


@pytest.mark.parametrize("number", ["1" + "0" * 4300, "-1" + "0" * 5000])
@pytest.mark.parametrize("strict", [True, False])
def test_number_of_too_many_digits_counts_as_not_told(number: str, strict: bool) -> None:
    body = f'{{"id": "w", "n": {number}, "of": [{number}, 7]}}'.encode()

    assert read_object(body, strict=strict) == {"id": "w", "n": None, "of": [None, 7]}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2.0),
        (" 7 ", 7.0),
        ("86401", LONGEST_WAIT),
        ("999999999", LONGEST_WAIT),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("banana", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("", None),
    ],
)
def test_requested_delay(text: str, seconds: float | None) -> None:
    assert seconds_to_wait({"retry-after": text}, NOW) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_a_valid_delay_or_none(text: str) -> None:
    wait = seconds_to_wait({"retry-after": text}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


BODIES = st.sampled_from(
    [b"", b"{}", b'{"data": {"id": "wf-1"}}', b'{"data": {"id": ""}}', b'{"data": {"id": "wf-1"}', b"<html>"]
)
ANSWERS = st.builds(
    Response, st.integers(100, 599), st.just({}), BODIES | st.binary(max_size=30), st.sampled_from(Ending)
)


@given(st.sampled_from(Stage), st.none() | ANSWERS)
def test_outcome_is_never_not_sent_if_sent_nor_bought_without_an_id(
    stage: Stage, response: Response | None
) -> None:
    outcome = classify(stage, response, "why", NOW)
    if isinstance(outcome, NotSent):
        assert stage is not Stage.SENT
        assert outcome.started is (stage is Stage.SENDING)
    if isinstance(outcome, Bought):
        assert response is not None
        assert 200 <= response.status < 300
        assert json.loads(response.body)["data"]["id"] == outcome.workflow_id
    if stage is Stage.SENT and (response is None or response.ending is Ending.CUT):
        assert isinstance(outcome, OutcomeUnknown)
    if response is not None and response.status >= 500 and response.ending is Ending.WHOLE:
        assert isinstance(outcome, OutcomeUnknown)


HEADS = [
    (b"\x89PNG\r\n\x1a\n....", "image/png", "image/png"),
    (b"\xff\xd8\xff\xe0....", "image/jpg", "image/jpeg"),
    (b"GIF89a..", "image/gif", "image/gif"),
    (b"RIFF....WEBPVP8 ", "image/webp", "image/webp"),
    (b"RIFF....WAVEfmt ", "audio/wav", "audio/wav"),
    (b"\0\0\0\x20ftypisom", "video/mp4", "video/mp4"),
    (b"\0\0\0\x20ftypisom", "audio/x-m4a", "audio/mp4"),
    (b"\0\0\0\x20ftypM4A ", "", "audio/mp4"),
    (b"\0\0\0\x14ftypqt  ", "", "video/quicktime"),
    (b"\x1aE\xdf\xa3..webm", "video/webm", "video/webm"),
    (b"ID3\x04", "audio/mp3", "audio/mpeg"),
    (b"\xff\xfb\x90\0", "audio/mpeg", "audio/mpeg"),
    (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xf1\x50\x80\x02\x1f\xfc", "audio/mpeg", "audio/aac"),
    (b"ID3\x04\0\x10\0\0\0\0" + b"3DI\x04\0\x10\0\0\0\0" + b"\xff\xf1\x50\x80\x02\x1f\xfc", "", "audio/aac"),
    (b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + b"fLaC\0\0\0\x22", "", "audio/flac"),
    (b"ID3\x03\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\0", "audio/aac", "audio/mpeg"),
    (b"ID3\x04\0\0\0\x01\0\0", "audio/aac", "audio/aac"),
    (b"ID3\x04\0\0\0\x01\0\0", "audio/x-aac", "audio/aac"),
    (b"ID3\x04\0\0\0\x01\0\0", "audio/x-flac", "audio/flac"),
    (b"ID3\x04\0\0\0\x01\0\0", "video/mp4", "audio/mpeg"),
    (b"OggS", "", "audio/ogg"),
    (b"OggS" + bytes(24) + b"\x80theora", "audio/ogg", "video/ogg"),
    (b"\x1aE\xdf\xa3..webm", "video/mp4", "video/webm"),
    (b"\x1aE\xdf\xa3..matroska", "video/webm", "video/x-matroska"),
    (b"\x1aE\xdf\xa3", "video/webm", "video/webm"),
    (b"\0\0\0\x14ftypqt  ", "video/mp4", "video/quicktime"),
    (b"\0\0\0\x20ftypisom", "video/quicktime", "video/mp4"),
    (b"\0\0\0\x1cftypavif", "image/png", "image/avif"),
    (b"\0\0\0\x18ftypheic", "", "image/heic"),
    (b"\0\0\0\x18ftypmif1", "image/avif", "image/avif"),
    (b"\0\0\0\x18ftyp3gp4", "", "video/3gpp"),
    (b"\0\0\0\x18ftyp3gp4", "audio/3gpp", "audio/3gpp"),
    (b"\x1aE\xdf\xa3..webm", "audio/webm", "audio/webm"),
    (b"\x1aE\xdf\xa3..matroska", "audio/x-matroska", "audio/x-matroska"),
    (b"\0\0\0\x08wide\0\0\x10\0mdat", "video/quicktime", "video/quicktime"),
    (b"\0\0\x10\0mdat", "video/mp4", "video/mp4"),
    (b"\0\0\x10\0moov", "", "video/quicktime"),
    (b"RIFF....AVI LIST", "video/avi", "video/x-msvideo"),
    (b"FORM....AIFF", "", "audio/aiff"),
    (b"fLaC\0\0", "audio/mpeg", "audio/flac"),
    (b"\xff\xf1\x50\x80\x02\x1f\xfc", "", "audio/aac"),
    (b"BM....\0\0\0\0", "", "image/bmp"),
    (b"II*\0", "", "image/tiff"),
    (b"YUV4MPEG2 W640 H360 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\nFRAME", "", "video/x-yuv4mpeg"),
    (b"P6\n640 480\n255\n...", "image/x-portable-pixmap", "image/x-portable-pixmap"),
    (b"P5 # made\n640 480 255\n", "", "image/x-portable-anymap"),
    (b"\0\0\x01\xba", "", "video/mpeg"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", "", "video/x-ms-wmv"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", "audio/x-ms-wma", "audio/x-ms-wma"),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9", "video/x-ms-asf", "video/x-ms-asf"),
]


@pytest.mark.parametrize(("head", "declared", "found"), HEADS)
def test_media_is_recognised_by_its_first_bytes(head: bytes, declared: str, found: str) -> None:
    assert sniffed(head, declared) == found
    assert type_of(head, declared, "text/plain") == found


@pytest.mark.parametrize("content_type", sorted({found for _, _, found in HEADS}))
def test_recognised_media_has_a_suffix_of_its_own(content_type: str) -> None:
    assert suffix(content_type) != "bin"


JAPANESE = "ファイルがありません。　リンクの有効期限が切れました"
RUSSIAN = "Ошибка: файл не найден или срок действия ссылки истек"
ARABIC = "الملف غير موجود‏"
PAGE = "<html><body>This link has expired \u2013 sorry</body></html>"


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"<html>", b"<?xml", b"<svg", b"MZ", b"PK\3\4", b"\x89PNG", b"RIFF....ABCD", b"#!/bin"),
        # Sync bits of MPEG audio or AAC, with a reserved version, layer, bitrate or sample rate.
        *(b"\xff\xeb\x90\0", b"\xff\xe1\x90\0", b"\xff\xfb\xf0\0", b"\xff\xfb\x9c\0", b"\xff\xfb\x90"),
        b"\xff\xf1\x74\x80\x02\x1f\xfc",
        *(b"\xff\xfe\x90\xc4\0\0\0\0", RUSSIAN.encode("utf-16"), JAPANESE.encode("utf-16")),
        *(b"ID3 tags are missing", b"Our free plan has ended", b"\xff\xfe \0n\0o\0t\0 \0y\0e\0t\0"),
    ],
)
def test_non_media_is_recognised(head: bytes) -> None:
    assert sniffed(head, "video/mp4") is None


UNKNOWN_KINDS = [
    (b"glTF\2\0", "model/gltf-binary", "", "model/gltf-binary"),
    (b"\0\1\2\3", "video/mp4", "text/plain", "video/mp4"),
    (b"\0\1\2\3", "application/octet-stream", "video/x-odd", "video/x-odd"),
    (b"\0\1\2\3", "", "application/force-download", "application/octet-stream"),
    (b"\0\1\2\3", "", "video/\x1b[31mred", "application/octet-stream"),
    (b"\0\1\2\3", "image/" + "x" * 500, "nonsense", "application/octet-stream"),
    (b"WEBVTT\n\n", "text/vtt", "", "text/vtt"),
    (b"WEBVTT\n\n", "", "text/plain", "application/octet-stream"),
    (b"a caption", "text/plain", "text/plain", "text/plain"),
    (b"\0\1\2\3", "text/plain", "", "application/octet-stream"),
    (b"<svg xmlns=", "image/svg+xml", "", "image/svg+xml"),
    (b"<svg xmlns=", "image/svg+xml", "text/html", "image/svg+xml"),
    (b"\xef\xbb\xbf\n<svg xmlns=", "", "image/svg+xml", "image/svg+xml"),
    (b'<?xml version="1.0"?>\n<svg>', "application/octet-stream", "image/svg+xml", "image/svg+xml"),
    (b"<svg xmlns=", "", "text/html", None),
    (b"<svg xmlns=", "video/mp4", "image/svg+xml", None),
    (b"<html>", "", "image/svg+xml", None),
    # Also how UTF-16 begins, but this is none.
    (b"\xff\xfe\x90\xc4\0\0\0\0", "audio/mp3", "", "audio/mpeg"),
    (b"\xff\xfe\x90\xc4\0\xdc\0\xe0", "audio/mpeg", "audio/mpeg", "audio/mpeg"),
    (b"\xff\xfe\x90\xc4\0\0\0\0", "", "", "application/octet-stream"),
    (b"#EXTM3U", "application/vnd.apple.mpegurl", "", "application/vnd.apple.mpegurl"),
    (b'{"faces": []}', "application/json", "", "application/json"),
    (b"<html>", "video/mp4", "video/mp4", None),
    (b"not ready", "image/png", "", None),
    (b'{"message": "wait"}', "", "application/json", None),
    ("<!doctype html>\u00e9".encode()[:-1], "", "text/html", None),
    ("<title>supprim\u00e9</title>".encode("latin-1"), "video/mp4", "text/html", None),
    *(
        (PAGE.encode(encoding)[:64], declared, "video/mp4", None)
        for declared in ("video/mp4", "")
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-8-sig")
    ),
    ("\ufeff not ready".encode("utf-16-le"), "audio/mpeg", "", None),
    ('{"message": "wait"}'.encode("utf-16-be"), "", "", None),
    *(
        (gone.encode("utf-16")[:64], declared, served, None)
        for gone in (JAPANESE, f"<html lang='ja'><title>{JAPANESE}", RUSSIAN, ARABIC)
        for declared, served in (("video/mp4", "text/plain"), ("audio/mpeg", "video/mp4"), ("image/png", ""))
    ),
    *(
        (gone.encode(encoding)[:64], declared, served, None)
        for gone, encoding in ((JAPANESE, "utf-16-le"), (JAPANESE, "shift_jis"), (RUSSIAN, "cp1251"))
        for declared in ("video/mp4", "")
        for served in ("text/html", "application/xhtml+xml", "application/json", "application/problem+json")
    ),
    (RUSSIAN.encode("cp1251")[:64], "video/mp4", "text/plain", None),
    *(
        (f"{markup}{gone}".encode(encoding)[:64], declared, "video/mp4", None)
        for gone, encoding in (
            *((RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r")),
            *((JAPANESE, "shift_jis"), (JAPANESE, "euc-jp"), (JAPANESE, "iso2022_jp"), (ARABIC, "cp1256")),
        )
        for markup in ("<p>", "\r\n<h1 class=a>", "<Title>", "<!DOCTYPE html>", '{"e": "', "[{")
        for declared in ("video/mp4", "")
    ),
    # Without markup, bytes of such an encoding are not surely text.
    (JAPANESE.encode("shift_jis")[:64], "video/mp4", "video/mp4", "video/mp4"),
    # Bytes that only begin like markup.
    *(
        (head, "video/x-odd", "video/x-odd", "video/x-odd")
        for head in (
            b"<p\0\x80\x91\xa2\xb3",
            b"<p>\0\1\x80\x91\xa2",
            b"<pix\x80\x91\xa2\xb3\xc4\xd5\xe6",
            b'{"\0\1\x80',
        )
    ),
    (b"\0\1\2\3", "model/gltf-binary", "application/json", "model/gltf-binary"),
    ("<svg xmlns=".encode("utf-16"), "image/svg+xml", "", "image/svg+xml"),
    (b"\x80\x91\xa2\xb3\xc4\xd5\xe6\xf7ab", "video/x-odd", "", "video/x-odd"),
]


@pytest.mark.parametrize(("head", "declared", "served", "found"), UNKNOWN_KINDS)
def test_unknown_bytes_have_their_declared_type_unless_it_is_html(
    head: bytes, declared: str, served: str, found: str | None
) -> None:
    assert type_of(head, declared, served) == found


@given(st.binary(max_size=64), st.text(max_size=20), st.text(max_size=20))
def test_binary_bytes_always_have_a_type(head: bytes, declared: str, served: str) -> None:
    assert type_of(b"\0\1" + head, declared, served) is not None


@given(st.binary(max_size=64), st.text(max_size=20))
def test_any_bytes_can_be_sniffed(head: bytes, declared: str) -> None:
    found = sniffed(head, declared)
    assert found is None or found.partition("/")[0] in ("image", "video", "audio")


def test_suffix_gives_a_type() -> None:
    assert content_type_of("https://x/a.webm") == "video/webm"
    assert content_type_of("https://x/a.exe") == "application/octet-stream"


@given(st.text(), st.integers(1, 50))
def test_printable_is_one_short_encodable_line(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert len(shown) <= limit
    assert is_harmless(shown)
    shown.encode()


def test_printable_keeps_words_of_any_script() -> None:
    for text in ("Zürich", "« café »", "日本語", "हिन्दी", "🎬 film"):
        assert printable(text) == text
