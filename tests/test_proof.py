"""The code has every protection that a test names; `make proof` removes each one and checks that its test fails."""

import ast
import sys

import pytest
from proof.__main__ import main
from proof.protections import ROOT, Protection, protections

PROTECTIONS = protections()


def test_money_lock_key_and_paths_are_protected() -> None:
    packages = {each.function.split(".")[1].partition(":")[0] for each in PROTECTIONS}

    bare = {"artifacts", "engine", "providers", "state"} - packages
    assert not bare, f"no test names a protection of {', '.join(sorted(bare))} in its @fails_without"
    assert len(PROTECTIONS) >= 80, "protections were dropped: see @fails_without in CONTRIBUTING.md"


def test_only_tests_name_protections() -> None:
    others = [
        each.test for each in PROTECTIONS if not each.test.partition("::")[2].startswith(("test_", "Test"))
    ]

    assert not others, (
        f"{', '.join(others)}: pytest runs no test of that name; move its @fails_without to the test"
    )


@pytest.mark.parametrize("protection", PROTECTIONS, ids=lambda each: f"{each.function} {each.statement[:40]}")
def test_protected_statement_exists(protection: Protection) -> None:
    source = (ROOT / protection.file).read_text()

    without, why = source, ""
    try:
        without = protection.taken_out(source)
    except LookupError as error:
        why = str(error)
    if why:
        pytest.fail(why, pytrace=False)

    assert ast.dump(ast.parse(without)) != ast.dump(ast.parse(source)), "taking it out changes nothing"


def test_filter_that_selects_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["proof", "pipeline", "nosuch"])

    assert main() == 2
    assert capsys.readouterr().err == "error: 'nosuch' selects no protection and no module\n"
