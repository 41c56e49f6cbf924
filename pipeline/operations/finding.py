"""One thing that `doctor` looked at, and what it means for a run."""

from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.errors import ExitCode


class Verdict(StrEnum):
    """What a finding means for a run: nothing, something to think of, or that it would not work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at. `code` is what a run would end with because of it."""

    check: str
    message: str
    verdict: Verdict = Verdict.OK
    code: ExitCode = ExitCode.OK


CHECKS = (
    "python",
    "extras",
    "manifest",
    "provider",
    "state",
    "lock",
    "disk",
    "key",
    "address",
    "health",
    "clock",
    "git",
)


def ignored(finding: Finding) -> Finding:
    """The same, as one that a run works with."""
    if finding.verdict is not Verdict.ERROR:
        return finding
    return replace(finding, verdict=Verdict.WARNING, code=ExitCode.OK)


def warned(check: str, message: str) -> Finding:
    """A finding that a run works with."""
    return Finding(check=check, message=message, verdict=Verdict.WARNING)


def failed(check: str, message: str, code: ExitCode) -> Finding:
    """A finding that ends a run."""
    return Finding(check=check, message=message, verdict=Verdict.ERROR, code=code)
