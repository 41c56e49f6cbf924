from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidInput
from pipeline.purchases import PurchaseId, WorkflowId
from pipeline.records import is_workflow_id
from pipeline.state.rescue import RescueFile, read, rescue_path

purchases = st.integers(0, 9).map(lambda number: f"{number:016x}")
workflows = st.from_regex("[A-Za-z0-9._-]{1,128}", fullmatch=True).filter(is_workflow_id)
A, B, C = "a" * 16, "b" * 16, "c" * 16


@given(kept=st.lists(st.dictionaries(purchases, workflows, min_size=1, max_size=3), max_size=4))
def test_every_kept_id_is_read_back_whoever_opened_the_file(
    tmp_path_factory: pytest.TempPathFactory, kept: list[dict[str, str]]
) -> None:
    path = rescue_path(tmp_path_factory.mktemp("rescue") / "s.db")
    everything: dict[str, str] = {}
    for entries in kept:
        rescue = RescueFile.open(path)
        for purchase, workflow in entries.items():
            rescue.append(PurchaseId(purchase), WorkflowId(workflow))
        rescue.close()
        everything |= entries
        assert read(path) == everything


@given(kept=st.dictionaries(purchases, workflows, max_size=5), gone=st.sets(purchases), later=purchases)
def test_forgotten_ids_are_gone_and_the_rest_stay(
    tmp_path_factory: pytest.TempPathFactory, kept: dict[str, str], gone: set[str], later: str
) -> None:
    rescue = RescueFile.open(tmp_path_factory.mktemp("rescue") / "r.jsonl")
    for purchase, workflow in kept.items():
        rescue.append(PurchaseId(purchase), WorkflowId(workflow))
    rescue.forget([PurchaseId(each) for each in gone])
    left = {purchase: workflow for purchase, workflow in kept.items() if purchase not in gone}
    assert rescue.held() == read(rescue.path) == left
    rescue.append(PurchaseId(later), WorkflowId("w"))
    assert read(rescue.path) == left | {later: "w"}
    rescue.close()


def test_space_is_preallocated_for_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rescue = RescueFile.open(path)
    size = path.stat().st_size
    for number in range(500):
        rescue.append(PurchaseId(f"{number:016x}"), WorkflowId(f"workflow-{number}"))
    assert path.stat().st_size == size
    assert len(read(path)) == 500
    rescue.close()


def test_line_truncated_by_a_power_loss_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(f'{{"purchase": "{A}", "workflow_id": "w1"}}\n{{"purchase": "{B}", "wor'.encode())
    rescue = RescueFile.open(path)
    rescue.append(PurchaseId(C), WorkflowId("w3"))
    rescue.close()
    assert read(path) == {A: "w1", C: "w3"}


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[1]",
        b"{}",
        b'{"purchase": 1, "workflow_id": "w"}',
        b"[" * 200,
        b"[" * 5000,
        b'{"purchase": "../x", "workflow_id": "w"}',
        *(
            b'{"purchase": "%s", "workflow_id": "%s"}' % (B.encode(), workflow)
            for workflow in (b"", b"a/../b", b"a b", b"\\ud800", b"\\u0000", b"x" * 5000, b".", b"..")
        ),
    ],
    ids=repr,
)
def test_invalid_entry_is_skipped(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(line + f'\n{{"purchase": "{A}", "workflow_id": "w1"}}\n'.encode())
    assert read(path) == {A: "w1"}


def test_missing_file_means_nothing_was_kept(tmp_path: Path) -> None:
    assert read(tmp_path / "r.jsonl") == {}


def test_link_instead_of_the_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "r.jsonl").symlink_to(victim)
    with pytest.raises(InvalidInput):
        RescueFile.open(tmp_path / "r.jsonl")
    assert victim.read_text() == "mine"
