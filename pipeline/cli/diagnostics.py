"""Problems in the formats that tools read: Terraform's diagnostics, GitHub's annotations, GitLab's report."""

import hashlib
from collections.abc import Iterable, Iterator

from pipeline.errors import Problem, printable
from pipeline.jobs import Json

_LONGEST = 2000


def as_json(problems: Iterable[Problem]) -> dict[str, Json]:
    """As `terraform validate -json` has it: severity, summary, detail, range, snippet."""
    listed = list(problems)
    errors = sum(each.severity == "error" for each in listed)
    return {
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": len(listed) - errors,
        "diagnostics": [_diagnostic(each) for each in listed],
    }


def _diagnostic(problem: Problem) -> Json:
    written: dict[str, Json] = {
        "severity": problem.severity,
        "summary": problem.message,
        "detail": problem.path,
    }
    if problem.position is not None and problem.position.line == 0:
        # Of a file that is missing there is no range, but its name must not be lost.
        written["detail"] = ": ".join(part for part in (problem.position.file, problem.path) if part)
    elif problem.position is not None:
        start: Json = {"line": problem.position.line, "column": problem.position.column}
        written["range"] = {"filename": problem.position.file, "start": start, "end": start}
        written["snippet"] = {
            "code": problem.source,
            "start_line": problem.position.line,
            "highlight_start_offset": min(problem.position.column - 1, len(problem.source)),
        }
    return written


def as_github(problems: Iterable[Problem]) -> Iterator[str]:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    for problem in problems:
        location = ""
        if problem.position is not None:
            location = f" file={_property(problem.position.file)}"
            if problem.position.line:
                location += f",line={problem.position.line},col={problem.position.column}"
        text = f"{problem.path}: {problem.message}" if problem.path else problem.message
        yield f"::{problem.severity}{location}::{_data(printable(text, _LONGEST))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_gitlab(problems: Iterable[Problem]) -> list[Json]:
    """GitLab's code quality report."""
    return [_quality(problem) for problem in problems]


def _quality(problem: Problem) -> Json:
    file = problem.position.file if problem.position else "."
    line = max(1, problem.position.line) if problem.position else 1
    # The same problem keeps its fingerprint when lines above it change.
    fingerprint = hashlib.sha256(f"{file}\0{problem.path}\0{problem.message}".encode()).hexdigest()
    return {
        "description": printable(str(problem), _LONGEST),
        "check_name": "pipeline-validate",
        "fingerprint": fingerprint,
        "severity": "major" if problem.severity == "error" else "minor",
        "location": {"path": file, "lines": {"begin": line}},
    }
