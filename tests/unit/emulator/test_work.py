import dataclasses
import json
from pathlib import Path

import pytest

from pipeline.emulator.ledger import Ledger
from pipeline.emulator.orders import Order, order_of_json
from pipeline.emulator.settings import Settings
from pipeline.emulator.templates import TEMPLATES, Needs, Template
from pipeline.emulator.work import Work
from pipeline.emulator.workflow import Changes, Workflow, view

ARCTIC = TEMPLATES["vim_arctic"]


def an_order(**fields: object) -> Order:
    body = {"template_id": "vim_arctic", "title": "T", "image_urls": ["https://a.example/b.png"], **fields}
    return order_of_json(json.loads(json.dumps(body)))


def test_a_killed_emulator_goes_on_where_it_was(tmp_path: Path) -> None:
    work = Work(Settings.tiny(tmp_path, duration=100), clock=lambda: 1000.0)
    order = an_order()
    bought = work.buy(order, ARCTIC, None, backwards=False)
    work.record(order, 200, None, bought.id, 100)
    # As after a kill in the middle of rendering: nothing of the media is known.
    work.wait()
    work.close()
    file = tmp_path / "workflows" / f"{bought.id}.json"
    file.write_bytes(bought.to_json())

    again = Work(Settings.tiny(tmp_path, duration=100), clock=lambda: 1101.0)
    again.wait()
    found = again.get(bought.id)
    again.close()

    assert found is not None
    assert again.view(found).status == "success"
    assert again.view(found).result[0].content_type == "video/mp4"
    assert again.ledger.spent == 100


def test_a_put_while_the_media_is_made_loses_neither(tmp_path: Path) -> None:
    work = Work(Settings.tiny(tmp_path))
    bought = work.buy(an_order(), ARCTIC, None, backwards=False)
    work.update(bought.id, Changes(title="New"))
    work.wait()
    found = work.get(bought.id)
    work.close()

    assert found is not None
    assert (found.title, found.made) == ("New", True)


def test_a_ledger_with_a_line_cut_short_keeps_the_others(tmp_path: Path) -> None:
    work = Work(Settings.tiny(tmp_path))
    for title in "ab":
        work.record(an_order(title=title), 503, "status 503", None, 0)
    work.close()
    file = tmp_path / "ledger.jsonl"
    file.write_bytes(file.read_bytes() + b'{"time": 1.0, "sta')

    assert [entry.title for entry in Ledger(file).entries] == ["a", "b"]


def test_the_same_order_has_the_same_digest_and_another_one_another() -> None:
    assert an_order().digest == an_order().digest
    assert an_order(options={"a": 1}).digest != an_order().digest


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.id)
def test_every_template_gives_what_it_should(template: Template, tmp_path: Path) -> None:
    work = Work(Settings.tiny(tmp_path))
    order = an_order(template_id=template.id, options={"background_urls": "https://a.example/c.mp4"})
    bought = work.buy(order, template, None, backwards=False)
    work.wait()
    found = work.get(bought.id)
    work.close()

    assert found is not None
    assert found.error is None
    assert [step.flow for step in found.steps] == list(template.steps)
    kind = "audio/wav" if template.needs is Needs.NOTHING else "video/mp4"
    assert found.steps[-1].files[0].content_type == kind


def test_progress_follows_the_clock_and_the_end_waits_for_the_media(tmp_path: Path) -> None:
    workflow = Workflow("a", "vim_arctic", "", "", "1", {}, (), "", None, created=0, updated=0, duration=10)
    made = dataclasses.replace(workflow, error="damaged")

    assert [view(workflow, at).percent for at in (0, 5, 9.99, 100)] == [0, 50, 99, 99]
    assert view(workflow, 100).status == "processing"
    assert view(made, 5).status == "processing"
    assert view(made, 10).status == "fail"
