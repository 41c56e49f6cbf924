"""A manifest in another order has the same requests and keys."""

from typing import Any

from support.calling import Pipeline
from support.campaigns import Project, picture, spring

from pipeline.emulator.embedded import Emulator


def turned(value: Any) -> Any:
    """`value` with everything in reverse order."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(inner) for inner in reversed(value)] if isinstance(value, list) else value


def test_reordered_manifest_buys_nothing_and_keeps_its_keys(
    project: Project, pipeline: Pipeline, vendor: Emulator
) -> None:
    loop = {"template_id": "each_explodedloop_0226", "options": {"prompt": "{{ prompt }}, {{ weather }}"}}
    manifest = spring(
        templates={"loop": loop, "again": {**loop, "options": {"prompt": "again {{ prompt }}"}}},
        image_sets={"shoes": ["images/red.png", "images/blue.png"]},
        jobs=[
            {"id": "first", "templates": ["loop"], "matrix": {"weather": ["sun", "rain"], "locale": ["en"]}},
            {"id": "second", "templates": ["again"], "matrix": {"locale": ["en"]}},
        ],
    )
    project.write({"campaign.yaml": manifest, "images/blue.png": picture("blue")})
    assert pipeline("run", project.manifest).code == 0
    files, results, bought = project.output(), project.results(), len(vendor.ledger.entries)
    assert bought == 12
    project.write({"campaign.yaml": turned(manifest)})

    ended = pipeline("run", project.manifest)

    assert ended.code == 0, ended.output
    assert len(vendor.ledger.entries) == bought
    assert project.output() == files
    assert project.results() == results
