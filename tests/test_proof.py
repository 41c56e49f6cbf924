"""The list of protections is true of the code as it is; `make proof` then takes each out and sees its tests fail."""

import ast
from functools import cache
from pathlib import Path

import pytest
from proof.protections import ROOT, Protection, protections


@cache
def names_in(test_file: str) -> set[str]:
    """Its functions, and those of its classes as `Class::function`."""
    body = ast.parse((ROOT / test_file).read_text()).body
    inside = [(f"{node.name}::", node.body) for node in body if isinstance(node, ast.ClassDef)]
    return {
        f"{scope}{node.name}"
        for scope, nodes in [("", body), *inside]
        for node in nodes
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.parametrize("protection", protections(), ids=lambda each: each.against)
def test_its_lines_and_its_tests_are_there(protection: Protection) -> None:
    for edit in protection.edits:
        assert Path(ROOT / edit.file).read_text().count(edit.code) == 1, edit
        assert edit.instead != edit.code
    assert protection.tests
    for test in protection.tests:
        file, _, name = test.partition("::")
        assert name.partition("[")[0] in names_in(file), test
