"""`pipeline schema` prints the JSON Schemas of the repository."""

import json
from pathlib import Path

import jsonschema
import pytest
from support.calling import Pipeline
from support.campaigns import spring
from support.json_commands import json_commands

from pipeline.documents import schema

SCHEMAS = sorted((Path(__file__).parents[2] / "schemas").glob("*.schema.json"))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_printed_schemas_are_those_of_the_repository(offline: Pipeline, file: Path) -> None:
    ended = offline("schema", file.name.removesuffix(".schema.json"))

    assert ended.code == 0, ended.output
    assert ended.document == json.loads(file.read_bytes())
    jsonschema.Draft202012Validator.check_schema(ended.document)


def test_campaign_schema_accepts_a_campaign(offline: Pipeline) -> None:
    validator = jsonschema.Draft202012Validator(offline("schema", "campaign").document)

    validator.validate(spring())
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(spring(promts={}))


@pytest.mark.parametrize("name", json_commands())
def test_every_command_that_prints_json_has_a_schema(name: str) -> None:
    assert name in schema.available(), (
        f"`{name} --format json` has no schema: add schemas/{name}.schema.json, and its name to NAMES in "
        "pipeline/documents/schema.py"
    )


def test_unknown_schema_is_wrong_usage(offline: Pipeline) -> None:
    assert offline("schema", "nonsense").code == 64
