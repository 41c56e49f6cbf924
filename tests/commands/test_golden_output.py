"""The output for one campaign with a bit of everything is fixed to the byte: keys, fingerprints, titles, JSON.

If a fingerprint or key changes, paid work no longer matches, so a difference here is a change of the contract and
never a matter of taste. The expected output is beside the campaign, in `tests/golden/mixed`.
"""

import shutil
from pathlib import Path

import pytest
from support.calling import Pipeline

GOLDEN = Path(__file__).parents[1] / "golden" / "mixed"


@pytest.fixture
def mixed(folder: Path) -> Path:
    """The campaign in its own project, with results and decisions of earlier runs."""
    shutil.copytree(GOLDEN, folder, dirs_exist_ok=True)
    (folder / ".git").mkdir()
    return folder / "campaign.yaml"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("expand", "--format", "jsonl"), "expand.jsonl"),
        (("expand",), "expand.txt"),
        (("plan", "--format", "json"), "plan.json"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_output_is_identical_to_the_byte(
    mixed: Path, offline: Pipeline, arguments: tuple[str, ...], expected: str
) -> None:
    command, *options = arguments

    ended = offline(command, mixed, *options)

    assert ended.code == 0, ended.output
    out = ended.out.replace(f"{mixed.parent}/", "")  # warnings name the manifest as it was given
    assert out == (GOLDEN / expected).read_text("utf-8")
