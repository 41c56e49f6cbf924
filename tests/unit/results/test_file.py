"""The results file: the same bytes for the same outcome, and read as untrusted input."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.protection import fails_without

from pipeline.errors import InvalidInput
from pipeline.jobs import Coordinates, Job, JobKey, Request
from pipeline.json_values import Json
from pipeline.purchases import Decisions, Output, Purchase, PurchaseId, Reason, Served, Status
from pipeline.results.document import Builder
from pipeline.results.file import ResultsFile, read, write
from results.campaign import FILM, HEADING, Document, assignment_of, bought, document, job, read_back

NAME = "spring.results.json"


def written(folder: Path, text: str | bytes, name: str = NAME) -> ResultsFile | None:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, name)


def refusal(folder: Path, text: str | bytes, name: str = NAME) -> str:
    with pytest.raises(InvalidInput) as caught:
        written(folder, text, name)
    return str(caught.value)


def a_document() -> Document:
    sketch = job("sketch", "sketch")
    film = job("film", "film", sketch)
    return document(
        [sketch, film, job("none")], bought(1, sketch), bought(2, film, Status.SUBMITTED, bought(1, sketch))
    )


# Built


def test_written_results_read_back(tmp_path: Path) -> None:
    sketch = job("sketch", "sketch")
    film = job("film", "film", sketch)
    purchases = [bought(1, sketch), bought(2, film, Status.FAILED, bought(1, sketch))]
    results = read_back(document([sketch, film], *purchases))
    assert dict(results.records.purchases) == {each.id: each for each in purchases}
    assert results.records.served == {
        sketch.key: Served(purchase=purchases[0].id),
        film.key: Served(purchase=purchases[1].id),
    }
    assert (results.campaign, results.manifest) == ("spring", "campaign.yaml")


def test_jobs_are_sorted_by_key_and_purchases_by_key_then_time() -> None:
    a, b = job("a", "walk"), job("b", "dance")
    made = document([b, a], bought(3, b), bought(2, a), bought(1, b))
    assert [each["key"] for each in read_back(made).jobs] == [a.key, b.key]
    assert list(read_back(made).records.purchases) == [f"{number:016x}" for number in (2, 1, 3)]
    assert made == document([a, b], bought(1, b), bought(3, b), bought(2, a))


def test_manifest_given_as_results_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text("version: 1\nname: a\ntemplates: {}\n", encoding="utf-8")

    with pytest.raises(InvalidInput) as refused:
        read(path, path.name)

    [problem] = refused.value.problems
    assert problem.message.startswith("this is a manifest; expected a results file")


def test_job_has_its_purchase_and_the_paths_of_its_files() -> None:
    a = job("a")
    row = read_back(document([a], bought(1, a))).jobs[0]
    assert row == {
        "key": a.key,
        "rule": "r",
        "template": "t",
        "image": "a",
        "fingerprint": a.fingerprint,
        "status": "done",
        "purchase": f"{1:016x}",
        "workflow_id": "wf-1",
        "outputs": [
            {
                "path": "output/spring/r/a.mp4",
                "content_type": "video/mp4",
                "sha256": "c" * 64,
                "bytes": 1000,
            }
        ],
    }


def test_job_has_only_the_parts_of_its_key() -> None:
    axes: tuple[tuple[str, Json], ...] = (("look", None), ("duration", 5), ("a=b", "c/d"))
    whole = Job(Coordinates("r", "t", "a", "walk", axes, take=2), Request("vimmerse", "t"), path="a")
    bare = Job(Coordinates("r", "t"), Request("vimmerse", "t"), path="b")
    of_bare, of_whole = read_back(document([whole, bare])).jobs
    assert of_bare == {
        "key": "r/t",
        "rule": "r",
        "template": "t",
        "fingerprint": bare.fingerprint,
        "status": "pending",
    }
    assert {name: of_whole[name] for name in ("image", "prompt", "axes", "take")} == {
        "image": "a",
        "prompt": "walk",
        "axes": {"a=b": "c/d", "duration": 5, "look": None},
        "take": 2,
    }


def test_unassigned_job_is_pending_and_names_its_last_purchase() -> None:
    before, after = job("a", "walk"), job("a", "dance")
    row = read_back(document([after], bought(1, before))).jobs[0]
    assert (row["status"], row["last"], "purchase" in row) == ("pending", f"{1:016x}", False)


@pytest.mark.parametrize(
    ("said", "decision"),
    [
        (Decisions(approved={PurchaseId(f"{1:016x}"): JobKey("r/t/a")}), "approved"),
        (Decisions(rejected=frozenset({PurchaseId(f"{1:016x}")})), "rejected"),
        (Decisions(), None),
    ],
)
def test_job_has_its_decision(said: Decisions, decision: str | None) -> None:
    a = job("a")
    assert read_back(document([a], bought(1, a), decisions=said)).jobs[0].get("decision") == decision


def test_summary_counts_jobs_and_all_spending() -> None:
    a, b = job("a", "walk"), job("b", "dance")
    refused = replace(bought(3, b, Status.FAILED), reason=Reason.REJECTED, workflow_id=None)
    made = document([a, b], bought(1, a), bought(2, job("gone", "gone")), refused)
    assert made["summary"] == {"jobs": {"done": 1, "failed": 1}, "credits": 20}


def test_void_purchases_are_omitted_unless_already_published() -> None:
    a = job("a")
    void = bought(1, a, Status.VOID)
    assert not read_back(document([a], void)).records.purchases
    told = read_back(document([a], void, published={void.id}))
    assert told.records.purchases == {void.id: void}
    assert told.published == {void.id}


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.ATTENTION])
def test_purchase_published_as_submitting_may_be_known_as_attention(status: Status) -> None:
    """A machine that reads another's `submitting` writes it as `attention`, and must learn that it bought nothing."""
    a = job("a")
    unknown = replace(bought(1, a, status), workflow_id=None)
    assert read_back(document([a], unknown)).published == {unknown.id}


# Written


def test_file_is_not_rewritten_if_only_the_tool_version_changes(tmp_path: Path) -> None:
    path, made = tmp_path / NAME, a_document()
    assert write(path, made, None)
    before = path.read_bytes()
    newer: Document = {**made, "tool": "pipeline 2"}
    assert not write(path, newer, made)
    assert path.read_bytes() == before
    assert write(path, {**newer, "manifest": "other.yaml"}, made)
    assert b"pipeline 2" in path.read_bytes()


@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.yml", "x.YAML"])
def test_json_and_yaml_hold_the_same(tmp_path: Path, name: str) -> None:
    made = a_document()
    write(tmp_path / name, made, None)
    results = read(tmp_path / name, name)
    assert results is not None
    assert results.document == made
    assert results.records == read_back(made).records
    assert (tmp_path / name).read_text().startswith("{") == (name == "x.json")


def test_yaml_that_is_slow_to_read_is_written_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, made = tmp_path / "x.yaml", a_document()
    write(path, made, None)
    monkeypatch.setattr("pipeline.results.file._LARGEST_YAML", 100)
    with pytest.raises(InvalidInput, match=r"at most 100 are read; write it as JSON: `--results FILE\.json`"):
        read(path, "x.yaml")
    write(path, made, None)
    results = read(path, "x.yaml")
    assert results is not None
    assert results.document == made


def test_yaml_flow_mappings_are_read_as_yaml(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        "{version: 1, campaign: spring, manifest: a.yaml, tool: t, jobs: [], purchases: [],\n"
        " summary: {jobs: {}, credits: 0}}\n"
    )
    results = read(path, "x.yaml")
    assert results is not None
    assert results.campaign == "spring"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@given(texts, st.dictionaries(texts, texts | st.integers(-(10**17), 10**17) | st.none(), max_size=3))
def test_any_text_survives_both_formats(error: str, options: dict[str, Json]) -> None:
    a = job("a")
    purchase = replace(bought(1, a, Status.FAILED), error=error, request={"options": options})
    for name in ("x.json", "x.yaml"):
        assert read_back(document([a], purchase), name).records.purchases == {purchase.id: purchase}


# Read


def test_missing_file_means_no_results(tmp_path: Path) -> None:
    assert read(tmp_path / NAME, NAME) is None


def test_dangling_link_is_not_taken_for_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "gone")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(tmp_path / NAME, NAME)


def test_unreadable_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(NAME)
    with pytest.raises(InvalidInput) as told:
        read(tmp_path / NAME, NAME)
    assert "Errno" not in str(told.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (b'"\\ud800"', "3:12: an escape that stands for no character"),
        (b'"a\\u0000"', "3:13: an escape that stands for no character"),
        (b'"\\\\ud800 \\ud83d\\udc4d\\uDC4d"', "3:32: an escape that stands for no character"),
        (b'{"a\\ud83d": 1}', "3:14: an escape that stands for no character"),
        (b'["NaN", NaN]', "3:19: not valid JSON: NaN is not a number"),
        (
            b'"' + b"1" * 5000 + b'"\n, "x": 0.' + b"1" * 5000 + b', "y": ' + b"1" * 5000,
            "4:5017: a number of 5,000 digits",
        ),
        (b'"\xc3\xa9\xff"', "3:13: cannot be read: not UTF-8 (byte 0xFF)"),
        (b'"\0"', "3:12: not JSON"),
    ],
)
def test_unrecordable_value_is_reported_at_its_position(tmp_path: Path, written: bytes, told: str) -> None:
    content = b'\xef\xbb\xbf{\n  "version": 1,\n  "tool": ' + written + b"\n}\n"
    assert f"{NAME}:{told}" in refusal(tmp_path, content)


def test_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(InvalidInput, match="cannot be read"):
        read(tmp_path / NAME, NAME)


@pytest.mark.parametrize("name", [NAME, "spring.results.yaml"])
def test_merge_conflict_is_reported_with_its_line_and_advice(tmp_path: Path, name: str) -> None:
    text = (
        '{\n  "version": 1,\n<<<<<<< HEAD\n  "campaign": "a"\n=======\n  "campaign": "b"\n>>>>>>> theirs\n}\n'
    )
    told = refusal(tmp_path, text, name)
    assert f"{name}:3:1" in told
    assert "merge conflict" in told
    assert "pipeline merge" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "expected"),
        ("null", "expected"),
        ('{"version": 1, "version": 1}', "results.json:1:16: the key 'version' is written twice"),
        ('{"version": 1,\n "campaign": 5}', "results.json:2:14: campaign: expected"),
        ('{"version": NaN}', "NaN is not a number"),
        ("[" * 100_000, "nested more than"),
        (b"\xff\xfe", "cannot be read"),
        ('{"version": 2}', "version"),
        ("1" * 5000, ":1:1: a number of 5,000 digits is larger than any record has"),
    ],
)
def test_invalid_results_are_rejected_with_a_position(tmp_path: Path, text: str | bytes, says: str) -> None:
    told = refusal(tmp_path, text)
    assert says in told
    assert told.startswith(NAME)


@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_deep_nesting_in_a_valid_file_is_rejected(tmp_path: Path, depth: int) -> None:
    deep = '"options": {"deep": ' + "[" * depth + "]" * depth + ", "
    told = refusal(tmp_path, json.dumps(a_document()).replace('"options": {', deep, 1))
    assert "nested more than 64 levels deep" in told or "not valid JSON" in told


@pytest.mark.parametrize("name", [NAME, "spring.results.yaml"])
@pytest.mark.parametrize(
    ("find", "by", "told"),
    [
        ('"credits": 10', '"credits": -1', "purchases[0].credits: "),
        ('"status": "submitted"', '"status": "failed"', "purchases[0]: "),
    ],
)
def test_error_in_a_row_is_reported_at_its_line(
    tmp_path: Path, name: str, find: str, by: str, told: str
) -> None:
    lines = json.dumps(a_document(), indent=2).splitlines()
    row = next(number for number, line in enumerate(lines, 1) if '"purchases"' in line) + 1
    at = next(number for number, line in enumerate(lines, 1) if find in line and number > row)
    lines[at - 1] = lines[at - 1].replace(find, by)

    found = refusal(tmp_path, "\n".join(lines), name)

    expected = f"{at}:" if told.endswith(".credits: ") else f"{row}:5: "
    assert f"{name}:{expected}" in found
    assert told in found


def changed(edit: dict[str, Json], remove: str = "") -> str:
    """A valid file, except for the first purchase."""
    made = json.loads(json.dumps(a_document()))
    made["purchases"][0].update(edit)
    made["purchases"][0].pop(remove, None)
    return json.dumps(made)


@pytest.mark.parametrize(
    ("edit", "remove", "says"),
    [
        ({}, "workflow_id", "cannot be submitted without a workflow_id"),
        ({"status": "submitted"}, "workflow_id", "cannot be submitted without a workflow_id"),
        ({"status": "failed"}, "", "cannot be failed with the reason none"),
        ({"reason": "vendor"}, "", "cannot be submitted with the reason vendor"),
        ({"status": "failed", "reason": "input"}, "", "cannot be failed with the reason input"),
        ({"status": "paid"}, "", "status"),
        ({"id": "../../x"}, "", "id"),
        ({"workflow_id": "a/b"}, "", "workflow_id"),
        ({"credits": -1}, "", "credits"),
        ({"credits": 1.5}, "", "credits"),
        ({"credits": True}, "", "credits"),
        ({"deleted": False}, "", "deleted"),
        ({"surprise": 1}, "", "surprise"),
        ({"error": "\ud800"}, "", "no character that can be written"),
        ({"request": {"options": {"prompt": "\ud800"}}}, "", "no character that can be written"),
        ({"bought_at": "yesterday"}, "", "bought_at"),
        ({"key": "k" * 9000}, "", "key"),
        ({"inputs": ["x"]}, "", "inputs"),
    ],
)
def test_hostile_purchase_is_rejected_and_named(
    tmp_path: Path, edit: dict[str, Json], remove: str, says: str
) -> None:
    told = refusal(tmp_path, changed(edit, remove))
    assert says in told
    told.encode()


def test_duplicate_purchase_is_rejected(tmp_path: Path) -> None:
    made = json.loads(json.dumps(a_document()))
    made["purchases"].append(made["purchases"][0])
    assert "occurs twice" in refusal(tmp_path, json.dumps(made))


def test_row_with_a_missing_purchase_assigns_nothing(tmp_path: Path) -> None:
    made = json.loads(json.dumps(a_document()))
    made["purchases"] = []
    results = written(tmp_path, json.dumps(made))
    assert results is not None
    assert results.records.served == {}


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    results = written(tmp_path, b"\xef\xbb\xbf" + json.dumps(a_document()).encode())
    assert results is not None
    assert results.campaign == HEADING.campaign


def test_oversized_file_is_rejected_unread(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as file:
        file.truncate((1 << 30) + 1)  # a sparse file, which takes no space
    with pytest.raises(InvalidInput, match="larger than"):
        read(tmp_path / NAME, NAME)


@fails_without("pipeline.results.file:write", "if len(content) > LARGEST")
def test_results_too_large_to_read_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = job("a"), job("b")
    path = tmp_path / "r.json"
    write(path, document([a], bought(1, a)), None)
    before = path.read_bytes()
    monkeypatch.setattr("pipeline.results.file.LARGEST", len(before))
    with pytest.raises(OSError, match="split the campaign"):
        write(path, document([a, b], bought(1, a), bought(2, b)), None)
    assert path.read_bytes() == before


def test_every_status_can_be_written(tmp_path: Path) -> None:
    purchases: list[Purchase] = []
    for number, status in enumerate(Status, start=1):
        purchases.append(bought(number, job(status.value, status.value), status))
    made = document([job("a")], *purchases, published={each.id for each in purchases})
    assert dict(read_back(made).records.purchases) == {each.id: each for each in purchases}


# Built one after another


@given(
    st.lists(
        st.tuples(
            st.lists(
                st.tuples(
                    st.integers(1, 4), st.sampled_from("abc"), st.sampled_from(list(Status)), st.booleans()
                ),
                max_size=5,
                unique_by=lambda each: each[0],
            ),
            st.sampled_from([None, "approved", "rejected", "redo"]),
            st.booleans(),
            st.sampled_from(["output/spring", "elsewhere"]),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_incremental_build_equals_full_build(
    steps: list[tuple[list[tuple[int, str, Status, bool]], str | None, bool, str]],
) -> None:
    builder = Builder()
    for held, said, with_steps, output in steps:
        jobs = [job(name, "walk" if name == "a" else "dance", steps=with_steps) for name in "abc"]
        by_name = dict(zip("abc", jobs, strict=True))
        purchases = [
            replace(bought(number, by_name[name], status), error="no" if marked else None)
            for number, name, status, marked in held
        ]
        ids = frozenset(each.id for each in purchases)
        decisions = Decisions(
            approved={each.id: each.key for each in purchases} if said == "approved" else {},
            rejected=ids if said == "rejected" else frozenset(),
            redo=ids if said == "redo" else frozenset(),
        )
        assignment = assignment_of(jobs, *purchases, decisions=decisions)
        given_now: dict[str, Any] = {
            "assignment": assignment,
            "records": assignment.matcher.records,
            "decisions": decisions,
            "inputs": {jobs[0].key: "no such file"} if with_steps else {},
            "published": ids if with_steps else (),
            "media": {each.id * 4: {"rule": 1 + len(steps), "width": len(held)} for each in purchases},
        }
        heading = replace(HEADING, output=output)
        assert builder.build(heading, **given_now) == Builder().build(heading, **given_now)


def test_job_names_its_files_once_all_of_them_are_downloaded() -> None:
    film = job("film")
    whole = replace(bought(1, film), outputs=(FILM, FILM))
    part = replace(whole, status=Status.SUCCEEDED, outputs=(FILM, Output("image/png")))

    # Until then, files of an earlier take may be in their place.
    assert [len(read_back(document([film], each)).jobs[0].get("outputs", ())) for each in (part, whole)] == [
        0,
        2,
    ]


@fails_without(
    "pipeline.results.document:Builder._job_row", "if known is None or", swap=("known[0] != fields", "False")
)
@fails_without(
    "pipeline.results.document:Builder._purchase_row",
    "if known is None or",
    swap=("known[0] is not purchase", "False"),
)
def test_status_change_appears_in_the_next_build() -> None:
    film, builder = job("film"), Builder()
    for status in (Status.SUBMITTED, Status.SUCCEEDED, Status.DONE):
        assignment = assignment_of([film], bought(1, film, status))
        made = builder.build(
            HEADING, assignment=assignment, records=assignment.matcher.records, decisions=Decisions()
        )
        results = read_back(made)
        assert results.jobs[0]["status"] == status
        assert results.records.purchases[PurchaseId(f"{1:016x}")].status is status


def test_void_purchase_stays_that_alone_tells_what_another_replaced() -> None:
    a = job("a")
    void = bought(1, a, Status.VOID)
    failed = replace(bought(2, a, Status.FAILED), replaces=(void.id,))

    assert read_back(document([a], void, failed)).records.purchases[void.id] == void


def test_key_that_two_purchases_are_said_to_have_served_last_is_refused(tmp_path: Path) -> None:
    a = job("a")
    made = document([a], bought(1, a))
    rows: list[Json] = [{"key": "gone", "purchase": f"{1:016x}"}] * 2

    with pytest.raises(InvalidInput, match="served\\[1\\]: 'gone' occurs twice"):
        read_back(made | {"served": rows})
