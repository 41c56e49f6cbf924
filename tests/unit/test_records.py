"""What can be recorded: every reader has the same limits, and nothing is written that no reader would accept."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from purchase_strategies import json_values, purchases, texts, wild_texts

from pipeline import record_limits
from pipeline.documents import schema
from pipeline.errors import InvalidInput
from pipeline.jobs import JobKey
from pipeline.json_values import Json
from pipeline.purchases import (
    Output,
    Purchase,
    PurchaseId,
    Reason,
    Records,
    Status,
    Step,
    WorkflowId,
    as_json,
)
from pipeline.records import purchase_from_json, unrecordable_reason
from pipeline.results import file
from pipeline.state import snapshot, transitions
from pipeline.state.events import Disowned, Event, Finished, GivenUp, Reported, Vanished, VendorFailed
from pipeline.state.transitions import PHASES, phase

LONG = record_limits.LONGEST_TEXT


def nested(levels: int) -> Json:
    value: Json = "x"
    for _ in range(levels):
        value = [value]
    return value


def a_purchase(**fields: Any) -> Purchase:
    made = Purchase(
        id=PurchaseId("0" * 16),
        key=JobKey("hero/overlay"),
        fingerprint="v1:" + "f" * 64,
        status=Status.DONE,
        bought_at="2026-03-01T12:00:00.000Z",
        template_id="overlay_gray_5443",
        workflow_id=WorkflowId("w1"),
    )
    return replace(made, **fields)


def output(**fields: Any) -> Output:
    return replace(Output(content_type="video/mp4"), **fields)


# Values that are just within a limit, and just beyond it.
LIMITS: dict[str, tuple[Purchase, Purchase]] = {
    "key": (a_purchase(key="k" * 8192), a_purchase(key="k" * 8193)),
    "path": (a_purchase(path="p" * 8192), a_purchase(path="p" * 8193)),
    "template_id": (a_purchase(template_id="t" * 200), a_purchase(template_id="t" * 201)),
    "workflow_id": (a_purchase(workflow_id="w" * 128), a_purchase(workflow_id="w" * 129)),
    "workflow_id, dots": (a_purchase(workflow_id="..w"), a_purchase(workflow_id="..")),
    "inputs": (a_purchase(inputs=("a" * 16,) * 100), a_purchase(inputs=("a" * 16,) * 101)),
    "created_at": (a_purchase(created_at="d" * 100), a_purchase(created_at="d" * 101)),
    "updated_at": (a_purchase(updated_at="d" * 100), a_purchase(updated_at="d" * 101)),
    "credits": (a_purchase(credits=10**9), a_purchase(credits=10**9 + 1)),
    "error": (a_purchase(error="e" * LONG), a_purchase(error="e" * (LONG + 1))),
    "title": (
        a_purchase(request={"title": "é" * (LONG // 2)}),
        a_purchase(request={"title": "é" * (LONG // 2 + 1)}),
    ),
    "sha256": (
        a_purchase(outputs=(output(sha256="a" * 64, bytes=1),)),
        a_purchase(outputs=(output(sha256="a" * 64),)),
    ),
    "images": (a_purchase(request={"images": [{}] * 1000}), a_purchase(request={"images": [{}] * 1001})),
    "options": (
        a_purchase(request={"options": {"o": nested(record_limits.DEEPEST_OPTION)}}),
        a_purchase(request={"options": {"o": nested(record_limits.DEEPEST_OPTION + 1)}}),
    ),
    "options, a number": (
        a_purchase(request={"options": {"o": [10**18 - 1, -(10**18) + 1, 1e300, 5e-324]}}),
        a_purchase(request={"options": {"o": 10**18}}),
    ),
    "options, a key": (
        a_purchase(request={"options": {"o": {"k" * LONG: "t" * LONG}}}),
        a_purchase(request={"options": {"o": {"k" * (LONG + 1): ""}}}),
    ),
    "outputs": (a_purchase(outputs=(output(),) * 1000), a_purchase(outputs=(output(),) * 1001)),
    "steps": (
        a_purchase(steps=(Step(flow="f", outputs=()),) * 1000),
        a_purchase(steps=(Step(flow="f", outputs=()),) * 1001),
    ),
    "flow": (
        a_purchase(steps=(Step(flow="f" * 200, outputs=(output(),)),)),
        a_purchase(steps=(Step(flow="f" * 201, outputs=()),)),
    ),
    "content_type": (
        a_purchase(outputs=(output(content_type="c" * 200),)),
        a_purchase(outputs=(output(content_type="c" * 201),)),
    ),
    "url": (a_purchase(outputs=(output(url="u" * 8192),)), a_purchase(outputs=(output(url="u" * 8193),))),
    "bytes": (a_purchase(outputs=(output(bytes=2**53),)), a_purchase(outputs=(output(bytes=2**53 + 1),))),
}


def results_of(*made: Purchase) -> dict[str, Json]:
    return {
        "version": 1,
        "campaign": "spring",
        "manifest": "spring.yaml",
        "tool": "pipeline",
        "jobs": [],
        "purchases": [as_json(each) for each in made],
        "summary": {"jobs": {}, "credits": 0},
    }


def assert_all_read(folder: Path, *made: Purchase) -> None:
    """Assert that each reader accepts what its writer writes of these purchases, and gets the same."""
    held = {each.id: each for each in made}
    for form in ("json", "yaml"):
        path = folder / f"spring.results.{form}"
        file.write(path, results_of(*held.values()), None)
        read = file.read(path, path.name)
        assert read is not None
        assert read.records.purchases == held
    exported = json.dumps(snapshot.write("spring", Records(held), [], {}))
    assert snapshot.read(json.loads(exported), "x.json").records.purchases == held


@pytest.mark.parametrize("name", LIMITS)
def test_values_at_the_limit_are_written_and_read_in_every_format(tmp_path: Path, name: str) -> None:
    assert_all_read(tmp_path, LIMITS[name][0])


@pytest.mark.parametrize("name", LIMITS)
def test_values_over_a_limit_are_rejected_by_every_reader(tmp_path: Path, name: str) -> None:
    beyond, word = LIMITS[name][1], name.partition(",")[0]
    assert word in (unrecordable_reason(beyond) or "")
    for form in ("json", "yaml"):
        path = tmp_path / f"spring.results.{form}"
        file.write(path, results_of(beyond), None)
        with pytest.raises(InvalidInput) as caught:
            file.read(path, path.name)
        assert path.name in str(caught.value)
    exported = json.dumps(snapshot.write("spring", Records({beyond.id: beyond}), [], {}))
    with pytest.raises(InvalidInput, match=r"x\.json: purchases\[0\]"):
        snapshot.read(json.loads(exported), "x.json")


@pytest.mark.parametrize(
    "no_date", ["2026-99-99T99:99:99.999Z", "2026-02-30T12:00:00.000Z", "2026-03-01T25:00:00Z"]
)
def test_invalid_date_is_rejected_by_every_reader(tmp_path: Path, no_date: str) -> None:
    made = a_purchase(bought_at=no_date)
    for form in ("json", "yaml"):
        path = tmp_path / f"spring.results.{form}"
        file.write(path, results_of(a_purchase(id=PurchaseId("1" * 16)), made), None)
        with pytest.raises(InvalidInput, match=r"purchases\[1\]: bought_at") as caught:
            file.read(path, path.name)
        assert path.name in str(caught.value)
    exported = json.dumps(snapshot.write("spring", Records({made.id: made}), [], {}))
    with pytest.raises(InvalidInput, match=r"x\.json: purchases\[0\].*bought_at"):
        snapshot.read(json.loads(exported), "x.json")


@given(st.lists(purchases(), max_size=3, unique_by=lambda each: each.id))
def test_anything_recordable_is_written_and_read_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, made: list[Purchase]
) -> None:
    assert [unrecordable_reason(each) for each in made] == [None] * len(made)
    assert_all_read(tmp_path_factory.mktemp("forms"), *made)


# What the vendor, or a plug-in for it, may say in any field.
wild_outputs = st.builds(
    Output,
    content_type=wild_texts | st.just("c" * 500),
    url=st.none() | wild_texts | st.just("https://" + "u" * 9000),
    bytes=st.none() | st.sampled_from([-1, 5, 2**53 + 1]),
)
wild_media = st.lists(wild_outputs, max_size=2).map(tuple) | st.just((output(),) * 1200)
wild_dates = st.none() | wild_texts | st.just("d" * 101)
wild_credits = st.none() | st.sampled_from([-5, 7, 10**9, 10**9 + 1, 10**400])
wild_errors = wild_texts | st.just("é" * LONG)
wild_steps = st.lists(
    st.builds(Step, flow=wild_texts | st.just("f" * 300), outputs=wild_media), max_size=2
).map(tuple)
BOUGHT = a_purchase(status=Status.SUBMITTED)
events = st.one_of(
    st.builds(Reported, wild_credits, wild_dates, wild_dates),
    st.builds(Finished, wild_media, wild_steps, wild_credits, wild_dates, wild_dates),
    st.builds(VendorFailed, wild_errors, wild_dates),
    st.builds(Vanished, wild_errors),
    st.builds(Disowned, wild_errors),
    st.builds(GivenUp, wild_errors),
)


@given(events)
def test_any_vendor_response_can_be_recorded(event: Event) -> None:
    assert unrecordable_reason(transitions.advance(BOUGHT, event)) is None


def test_unrecordable_vendor_value_keeps_the_known_one() -> None:
    before = a_purchase(status=Status.SUBMITTED, credits=120, created_at="2026-03-01")
    told = Reported(credits=2 * 10**9, created_at="x" * 101, updated_at="2026-03-02")
    assert transitions.advance(before, told) == replace(before, updated_at="2026-03-02")


@pytest.mark.parametrize("credits_told", [0, record_limits.LARGEST_CREDITS])
def test_vendor_values_at_the_limit_are_kept_unchanged(credits_told: int) -> None:
    before = a_purchase(status=Status.SUBMITTED, credits=120, created_at="2026-03-01")
    told = Reported(credits=credits_told, created_at="d" * record_limits.LONGEST_DATE)
    assert transitions.advance(before, told) == replace(
        before, credits=credits_told, created_at="d" * record_limits.LONGEST_DATE
    )
    outputs = tuple(
        output(content_type="c" * record_limits.LONGEST_NAME, url="u" * record_limits.LONGEST_URL, bytes=size)
        for size in (0, record_limits.LARGEST_FILE, None)
    )
    steps = (Step(flow="f" * record_limits.LONGEST_NAME, outputs=outputs),)
    after = transitions.advance(before, Finished(outputs, steps))
    assert (after.outputs, after.steps) == (outputs, steps)


def test_long_vendor_texts_are_truncated_and_not_lost() -> None:
    media = output(
        content_type="video/mp4; codecs=" + "x" * 300, url="https://cdn.example.com/a.mp4", bytes=5
    )
    told = Finished((media,), (Step(flow="crop" * 100, outputs=(media,)),))
    after = transitions.advance(BOUGHT, told)
    assert after.outputs == (replace(media, content_type=media.content_type[:200]),)
    assert after.steps == (Step(flow="crop" * 50, outputs=after.outputs),)


def damaged(draw: st.DrawFn) -> Any:
    """A purchase as it is written, with one value replaced."""
    written: Any = as_json(draw(purchases()))
    part: Any = written
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = (
            draw(st.sampled_from([*keys, "surprise"]))
            if isinstance(part, dict)
            else draw(st.sampled_from(keys))
        )
        inner = part.get(key) if isinstance(part, dict) else part[key]
        if inner and isinstance(inner, dict | list) and draw(st.booleans()):
            part = inner
            continue
        odd: st.SearchStrategy[Any] = st.sampled_from(
            [-1, 10**30, 1.5, True, "", "x" * 201, "x" * 70_000, [], {}, None, "done", "a" * 16]
        )
        part[key] = draw(odd | json_values | texts)
        return written


@given(st.composite(damaged)())
def test_reader_and_schema_agree(written: Json) -> None:
    try:
        why = unrecordable_reason(purchase_from_json(written))
    except ValueError as error:
        why = str(error)
    findings = schema.check_json({**results_of(), "purchases": [written]}, "results")
    if why is None:
        assert findings == []
    elif not findings:
        # Limits that no schema can express.
        assert any(part in why for part in ("nested", "bytes are kept", "18 digits", "cannot be")), why


@pytest.mark.parametrize("name", ["deleted", "removed", "again"])
def test_what_is_not_marked_lacks_the_mark(name: str) -> None:
    written = as_json(a_purchase())
    assert name not in written
    assert getattr(purchase_from_json({**written, name: True}), name) is True
    with pytest.raises(ValueError, match=f"{name}: not true"):
        purchase_from_json({**written, name: False})
    assert schema.check_json({**results_of(), "purchases": [{**written, name: False}]}, "results")


def test_status_has_only_reasons_that_its_transitions_give() -> None:
    for status in Status:
        for reason in (None, *Reason):
            workflow_id = None if status in {Status.SUBMITTING, Status.VOID} else "w1"
            made = a_purchase(status=status, reason=reason, workflow_id=workflow_id)
            assert (unrecordable_reason(made) is None) == (phase(made) in PHASES)


def test_schema_has_the_same_limits() -> None:
    defs: Any = schema.load("results")["$defs"]
    purchase = defs["purchase"]["properties"]
    assert defs["key"]["maxLength"] == record_limits.LONGEST_KEY
    assert defs["output"]["properties"]["url"]["maxLength"] == record_limits.LONGEST_URL
    assert purchase["path"]["maxLength"] == record_limits.LONGEST_KEY
    assert defs["name"]["maxLength"] == defs["contentType"]["maxLength"] == record_limits.LONGEST_NAME
    assert (
        purchase["created_at"]["maxLength"]
        == purchase["updated_at"]["maxLength"]
        == record_limits.LONGEST_DATE
    )
    # The schema counts characters, as it cannot count bytes.
    assert defs["text"]["maxLength"] == record_limits.LONGEST_TEXT
    assert defs["credits"]["maximum"] == record_limits.LARGEST_CREDITS
    assert defs["bytes"]["maximum"] == record_limits.LARGEST_FILE
    assert purchase["inputs"]["maxItems"] == record_limits.MAX_INPUTS
    assert defs["serial"]["maximum"] == record_limits.MAX_SERIAL
    most = [purchase["outputs"], purchase["steps"], purchase["request"]["properties"]["images"]]
    assert {each["maxItems"] for each in most} == {record_limits.MAX_MEDIA}
    assert defs["job"]["properties"]["outputs"]["maxItems"] == record_limits.MAX_FILES


def test_documentation_has_the_same_limits() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    table = page.partition("## Limits")[2].partition("## Statuses")[0]
    numbers = {int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", table)}
    assert numbers - {8} == {  # UTF-8
        record_limits.LONGEST_KEY,
        record_limits.LONGEST_PATH,
        record_limits.PATH_ROOM,
        record_limits.LONGEST_URL,
        record_limits.LONGEST_NAME,
        record_limits.LONGEST_DATE,
        record_limits.LONGEST_TEXT,
        record_limits.DEEPEST_OPTION,
        len(str(record_limits.LARGEST_INTEGER - 1)),
        record_limits.LARGEST_CREDITS,
        record_limits.MAX_MEDIA,
        record_limits.LARGEST_PURCHASE,
    }
