"""`pipeline schema` prints the JSON Schemas as they stand in the repository."""

import json
from pathlib import Path

import jsonschema
import pytest
from support.calling import Pipeline
from support.campaigns import spring

SCHEMAS = sorted((Path(__file__).parents[2] / "schemas").glob("*.schema.json"))


@pytest.mark.parametrize("file", SCHEMAS, ids=lambda file: file.name)
def test_it_prints_what_the_repository_holds(offline: Pipeline, file: Path) -> None:
    ended = offline("schema", file.name.removesuffix(".schema.json"))

    assert ended.code == 0, ended.output
    assert ended.document == json.loads(file.read_bytes())
    jsonschema.Draft202012Validator.check_schema(ended.document)


def test_the_campaigns_schema_takes_a_campaign(offline: Pipeline) -> None:
    validator = jsonschema.Draft202012Validator(offline("schema", "campaign").document)

    validator.validate(spring())
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(spring(promts={}))


def test_an_unknown_one_is_wrong_usage(offline: Pipeline) -> None:
    assert offline("schema", "nonsense").code == 64
