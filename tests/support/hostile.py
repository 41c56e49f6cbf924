"""What a stranger might say, and what must never reach a terminal or a log of GitHub's runner."""

import re

HOSTILE = "\x1b]0;owned\x07\x9b31m\u202etxt.exe\u2028\r\n::error::gotcha\n##[group]x\n</script>"


def assert_harmless(output: str) -> None:
    """No escape sequence, no turned text, and no command to GitHub's runner but our own bracket."""
    assert not set(output) & set("\x1b\x07\x9b\u202e\u2028\r")
    tokens = [
        line.removeprefix("::stop-commands::")
        for line in output.splitlines()
        if line.startswith("::stop-commands::")
    ]
    brackets = {*(f"::stop-commands::{token}" for token in tokens), *(f"::{token}::" for token in tokens)}
    assert all(len(token) == 32 for token in tokens)
    assert len(set(tokens)) == len(tokens)  # one that was seen before could be printed by a stranger
    for line in output.splitlines():
        assert line in brackets or not line.strip().startswith("::"), line
        assert "##[" not in line


def outside_of_fences(text: str) -> str:
    """What Markdown reads: all but what stands between fences, which must be closed."""
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
