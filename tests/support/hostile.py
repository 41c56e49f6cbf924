"""Hostile texts, and checks that none of them reaches a terminal or a log of GitHub's runner."""

import json
import re

from support.calling import Pipeline
from support.campaigns import Project

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202etxt.exe\u2028\r\n::error::gotcha\n##[group]x\n</script>"


def assert_harmless(output: str) -> None:
    """Assert: no escape sequence, no bidirectional control, no command to GitHub's runner except our own brackets."""
    assert not set(output) & set("\x1b\x07\x9b\u202e\u2028\r")
    tokens = [
        line.removeprefix("::stop-commands::")
        for line in output.splitlines()
        if line.startswith("::stop-commands::")
    ]
    brackets = {*(f"::stop-commands::{token}" for token in tokens), *(f"::{token}::" for token in tokens)}
    assert all(len(token) == 32 for token in tokens)
    assert len(set(tokens)) == len(tokens)  # a stranger could print a token that was seen before
    for line in output.splitlines():
        assert line in brackets or not line.strip().startswith("::"), line
        assert "##[" not in line


def outside_of_fences(text: str) -> str:
    """The text that Markdown interprets: everything outside of code fences, which must be closed."""
    lines, fence = [], ""
    for line in text.splitlines():
        if fence:
            fence = "" if re.fullmatch(rf" {{0,3}}{fence}`*\s*", line) else fence
        elif found := re.match(r"`{3,}$", line):
            fence = found[0]
        else:
            lines.append(line)
    assert not fence
    return "\n".join(lines)


# Manifests that a stranger's results may name, each with what is said of it.
MANIFESTS_ELSEWHERE = [
    ("../elsewhere/campaign.yaml", "it leads outside the project (project/), and no manifest of 'spring'"),
    ("ABSOLUTE", "a path may not be absolute"),
    (".git/campaign.yaml", "'.git' is hidden"),
]


def assert_refuses_manifest_elsewhere(
    command: str, project: Project, pipeline: Pipeline, manifest: str, told: str
) -> None:
    """Assert that `command` refuses results that name such a manifest, and writes nothing where that lies."""
    elsewhere = project.folder.parent / "elsewhere"
    elsewhere.mkdir()
    (project.folder / ".git").mkdir()
    document = project.results()
    document["manifest"] = str(elsewhere / "campaign.yaml") if manifest == "ABSOLUTE" else manifest
    (project.folder / "theirs.results.json").write_text(json.dumps(document))

    ended = pipeline(command, "theirs.results.json")

    assert ended.code == 3, ended.output
    assert f"theirs.results.json: it names the manifest '{document['manifest']}': {told}" in ended.err
    assert not list(elsewhere.iterdir())
    assert not list((project.folder / ".git").iterdir())
