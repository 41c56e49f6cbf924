"""Keys and fingerprints: which job it is, and what it requests."""

from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.jobs import (
    Coordinates,
    Job,
    JobKey,
    LocalFile,
    MediaType,
    RemoteFile,
    Request,
    UpstreamOutput,
    Visibility,
    axis_text,
    constant,
    encode_part,
    fingerprint,
)
from pipeline.json_values import Json

texts = st.text(alphabet='aé\u0301"\\\U0001f388 ', max_size=4)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
options = st.recursive(
    scalars | st.builds(LocalFile, texts, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
sources = (
    st.builds(LocalFile, texts, texts)
    | st.builds(RemoteFile, texts, st.none() | texts)
    | st.builds(UpstreamOutput, texts, texts)
)
requests = st.builds(
    Request,
    provider=texts,
    template_id=texts,
    options=st.dictionaries(texts, options, max_size=3),
    images=st.lists(sources, max_size=2).map(tuple),
    event_id=st.none() | texts,
    take=st.integers(1, 3),
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@given(requests)
def test_order_of_options_does_not_matter(request: Request) -> None:
    assert fingerprint(replace(request, options=shuffled(dict(request.options)))) == fingerprint(request)


@given(requests, requests)
def test_fingerprints_are_equal_only_for_equal_requests(one: Request, other: Request) -> None:
    for changed in (
        replace(one, provider=other.provider),
        replace(one, template_id=other.template_id),
        replace(one, event_id=other.event_id),
        replace(one, take=other.take),
    ):
        assert (fingerprint(changed) == fingerprint(one)) == (changed == one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, "5"),
        (1, True),
        (0, False),
        (0, None),
        ("", None),
        ("null", None),
        (5, 5.5),
        (10**20, 10**20 + 1),
        ([1], 1),
        ([1, 2], [2, 1]),
        ({"a": 1}, [["a", 1]]),
        ("\u00e9", "e\u0301"),
        ("a", "A"),
        ("a", "a "),
        (LocalFile("a.png", "11"), LocalFile("a.png", "22")),
        (LocalFile("a.png", "11"), "11"),
        ([LocalFile("a.png", "11")], [LocalFile("a.png", "22")]),
    ],
)
def test_other_option_value_changes_the_fingerprint(one: Any, other: Any) -> None:
    ask = Request("vimmerse", "t", {"x": one})
    assert fingerprint(ask) != fingerprint(replace(ask, options={"x": other}))
    assert fingerprint(ask) != fingerprint(replace(ask, options={"y": one}))
    assert fingerprint(ask) != fingerprint(replace(ask, options={}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, 5.0),
        (0.0, -0.0),
        (1e2, 100),
        ([5.0, {"a": 2.0}], [5, {"a": 2}]),
        (LocalFile("a.png", "11"), LocalFile("renamed.png", "11")),
    ],
)
def test_other_notation_of_a_value_keeps_the_fingerprint(one: Any, other: Any) -> None:
    ask = Request("vimmerse", "t", {"x": one})
    assert fingerprint(ask) == fingerprint(replace(ask, options={"x": other}))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LocalFile("a.png", "11"), LocalFile("b.png", "11"), True),
        (LocalFile("a.png", "11"), LocalFile("a.png", "22"), False),
        (RemoteFile("https://x/a?sig=1"), RemoteFile("https://x/a?sig=2"), False),
        (RemoteFile("https://x/a?sig=1", "3"), RemoteFile("https://x/a?sig=2", "3"), True),
        (RemoteFile("https://x/a?sig=1", "3"), RemoteFile("https://x/a?sig=1", "4"), False),
        (RemoteFile("https://x/a", "3"), RemoteFile("https://x/b", "3"), False),
        (RemoteFile("https://x/a"), RemoteFile("https://x/a", "3"), False),
        (UpstreamOutput(JobKey("r/t/a")), UpstreamOutput(JobKey("r/t/b")), True),
        (UpstreamOutput(JobKey("r/t/a")), UpstreamOutput(JobKey("r/t/a"), "upscale"), False),
        (UpstreamOutput(JobKey("r/t/a")), UpstreamOutput(JobKey("r/t/a"), media=MediaType.VIDEO), True),
    ],
)
def test_fingerprint_covers_content_and_version_of_an_image(one: Any, other: Any, same: bool) -> None:
    ask = Request("vimmerse", "t", images=(one,))
    assert (fingerprint(ask) == fingerprint(replace(ask, images=(other,)))) is same


def test_order_and_number_of_images_matter() -> None:
    a, b = LocalFile("a", "11"), LocalFile("b", "22")
    asks = [Request("v", "t", images=images) for images in ((), (a,), (a, a), (a, b), (b, a))]
    assert len({fingerprint(ask) for ask in asks}) == len(asks)


def test_title_path_and_limits_are_not_part_of_the_fingerprint() -> None:
    job = Job(Coordinates("r", "t"), Request("vimmerse", "t", {"urls": ["a"]}), path="a")
    reworded = replace(
        job,
        coordinates=Coordinates("other", "t"),
        title=constant("new"),
        description=constant("new"),
        visibility=Visibility.PUBLIC,
        path="b",
        timeout=1.0,
        retries=3,
        credits=5,
        steps=True,
        request=replace(job.request, joined=frozenset({"urls"})),
    )
    assert reworded.fingerprint == job.fingerprint
    assert job.fingerprint in job.fingerprints


def test_fingerprint_is_versioned_and_never_changes() -> None:
    ask = Request(
        "vimmerse", "overlay", {"prompt": "Größe 🎈", "duration": 5}, (LocalFile("a", "11"),), "no_event", 2
    )
    assert fingerprint(ask) == "v1:7e706904d9fee7170568ddbdf9c2c7c4264d6b4b576e61639387e5ca39a80337"


def test_lone_surrogate_can_be_fingerprinted() -> None:
    assert fingerprint(Request("v", "t", {"x": "\ud800"})) != fingerprint(Request("v", "t", {"x": "\udfff"}))


names = st.text(alphabet="ab/,=#%&*?[] \t\n\u2028é", max_size=4)


@given(st.text())
def test_encoded_name_reads_back_and_has_no_special_characters(name: str) -> None:
    assume(not any("\ud800" <= character <= "\udfff" for character in name))
    encoded = encode_part(name)
    assert unquote(encoded) == name
    assert not set(encoded) & set("/,=#&*?[] \t\r\n\0")


keys = st.builds(
    lambda rule, template, image, prompt, axes, take: Coordinates(
        rule, template, image, prompt, tuple(axes.items()), take
    ),
    names,
    names,
    names,
    names,
    st.dictionaries(names, names, max_size=2),
    st.integers(1, 3),
)


@given(keys, keys)
def test_keys_are_equal_only_for_equal_parts(one: Coordinates, other: Coordinates) -> None:
    same = replace(one, axes=tuple(sorted(one.axes))) == replace(other, axes=tuple(sorted(other.axes)))
    assert (str(one) == str(other)) == same


@given(keys)
def test_order_of_axes_does_not_matter(key: Coordinates) -> None:
    assert str(replace(key, axes=key.axes[::-1])) == str(key)


def test_key_has_the_documented_form() -> None:
    key = Coordinates("hero", "overlay", "blue", "walk", (("locale", "en"), ("duration", 5)), 2)
    assert str(key) == "hero/overlay/blue/walk/duration=5/locale=en#2"
    assert key.for_path == "hero/overlay/blue/walk/duration=5/locale=en-take2"
    assert str(Coordinates("main", "t")) == "main/t"


@pytest.mark.parametrize(
    ("value", "text"), [("5", "5"), (5, "5"), (True, "true"), (None, "null"), (1.5, "1.5"), ("é", "é")]
)
def test_axis_value_is_written_in_its_usual_form(value: Json, text: str) -> None:
    assert axis_text(value) == text


def test_job_lists_its_files_and_its_inputs() -> None:
    files = [LocalFile(name, name) for name in "abc"]
    asked = Request(
        "v",
        "t",
        {"x": files[1], "y": [{"z": files[2]}], "n": 1},
        (files[0], UpstreamOutput(JobKey("r/t/up"))),
    )
    job = Job(Coordinates("r", "t"), asked, "p")
    assert list(job.local_files()) == files
    assert job.upstream == "r/t/up"
    assert Job(Coordinates("r", "t"), Request("v", "t"), "p").upstream is None
