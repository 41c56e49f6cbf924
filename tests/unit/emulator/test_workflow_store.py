import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.emulator.create_fields import CreateFields, fields_from_json
from pipeline.emulator.ledger import Ledger, LedgerEntry
from pipeline.emulator.settings import EmulatorSettings
from pipeline.emulator.templates import TEMPLATES, EmulatedTemplate, Needs
from pipeline.emulator.workflow import Changes, WebhookOutcome, Workflow, view
from pipeline.emulator.workflow_store import WorkflowStore
from pipeline.purchases import WorkflowId

ARCTIC = TEMPLATES["vim_arctic"]


def create_fields(**fields: object) -> CreateFields:
    body = {"template_id": "vim_arctic", "title": "T", "image_urls": ["https://a.example/b.png"], **fields}
    return fields_from_json(json.loads(json.dumps(body)))


def test_killed_emulator_continues_where_it_was(tmp_path: Path) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path, duration=100), clock=lambda: 1000.0)
    fields = create_fields()
    bought = store.begin(fields, ARCTIC)
    store.record(fields, status=200, fault=None, bought=bought, price=100)
    # As after a kill during rendering: nothing of the media is known.
    store.wait()
    store.close()
    file = tmp_path / "workflows" / f"{bought.id}.json"
    file.write_bytes(bought.to_json())

    again = WorkflowStore(EmulatorSettings.tiny(tmp_path, duration=100), clock=lambda: 1101.0)
    again.wait()
    found = again.get(bought.id)
    again.close()

    assert found is not None
    assert again.view(found).status == "success"
    assert again.view(found).result[0].content_type == "video/mp4"
    assert again.ledger.spent == 100


def test_put_while_media_is_made_loses_neither(tmp_path: Path) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    bought = store.begin(create_fields(), ARCTIC)
    store.update(bought.id, Changes(title="New"))
    store.wait()
    found = store.get(bought.id)
    store.close()

    assert found is not None
    assert (found.title, found.made) == ("New", True)


def test_truncated_ledger_line_does_not_affect_others(tmp_path: Path) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    for title in "ab":
        store.record(create_fields(title=title), status=503, fault="status 503")
    store.close()
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(file.read_bytes() + b'{"time": 1.0, "sta')

    assert [entry.title for entry in Ledger(file).entries] == ["a", "b"]


def test_lines_after_a_truncated_one_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(b'{"time": 1.0, "sta')
    for title in "ab":
        entry = LedgerEntry(
            time=0, status=402, workflow_id=None, credits=0, title=title, template_id="", request=""
        )
        Ledger(file).append(entry)

    assert [entry.title for entry in Ledger(file).entries] == ["a", "b"]


def test_equal_fields_have_equal_digests_and_different_ones_do_not() -> None:
    assert create_fields().digest == create_fields().digest
    assert create_fields(options={"a": 1}).digest != create_fields().digest


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.id)
def test_every_template_gives_its_expected_output(template: EmulatedTemplate, tmp_path: Path) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    fields = create_fields(template_id=template.id, options={"background_urls": "https://a.example/c.mp4"})
    bought = store.begin(fields, template)
    store.wait()
    found = store.get(bought.id)
    store.close()

    assert found is not None
    assert found.error is None
    assert [step.flow for step in found.steps] == list(template.steps)
    kind = "audio/wav" if template.needs is Needs.NOTHING else "video/mp4"
    assert found.steps[-1].files[0].content_type == kind


def test_progress_follows_the_clock_and_success_waits_for_the_media(tmp_path: Path) -> None:
    workflow = Workflow(
        id=WorkflowId("a"),
        template_id="vim_arctic",
        title="",
        description="",
        visibility="1",
        options={},
        inputs=(),
        event_id="",
        webhook_url=None,
        created=0,
        updated=0,
        duration=10,
    )
    made = dataclasses.replace(workflow, error="damaged")

    assert [view(workflow, at).percent for at in (0, 5, 9.99, 100)] == [0, 50, 99, 99]
    assert view(workflow, 100).status == "processing"
    assert view(made, 5).status == "processing"
    assert view(made, 10).status == "fail"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created", None),
        ("created", "now"),
        ("duration", float("nan")),
        ("steps", 3),
        ("inputs", None),
        ("x", 1),
    ],
)
def test_damaged_workflow_is_skipped_and_the_others_are_kept(
    tmp_path: Path, field: str, value: object
) -> None:
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    damaged, whole = (store.begin(create_fields(), ARCTIC) for _ in "ab")
    store.wait()
    store.close()
    file = tmp_path / "workflows" / f"{damaged.id}.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), field: value}))
    (tmp_path / "workflows" / "list.json").write_text("[]")
    (tmp_path / "workflows" / "copy.json").write_bytes((file.parent / f"{whole.id}.json").read_bytes())

    again = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    again.close()

    assert [workflow.id for workflow in again.workflows()] == [whole.id]


def test_workflow_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Its file has the old field names, and no take."""
    store = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    workflow = store.begin(create_fields(), ARCTIC, forced_end="fail", progress_falls=True)
    store.set_webhook_outcome(workflow.id, WebhookOutcome.SENT)
    store.close()
    file = tmp_path / "workflows" / f"{workflow.id}.json"
    fields = json.loads(file.read_bytes())
    del fields["take"]
    file.write_text(json.dumps(fields))

    again = WorkflowStore(EmulatorSettings.tiny(tmp_path))
    again.close()

    assert (fields["fate"], fields["backwards"], fields["receipt"]) == ("fail", True, "sent")
    [found] = again.workflows()
    assert (found.forced_end, found.progress_falls, found.webhook_outcome) == ("fail", True, "sent")
    assert found.take == 1
