"""The closing advice of a command that did not end with 0, in one sentence, and where the pages are that it names."""

from pathlib import Path

from pipeline.errors import ExitCode

# What to do about code N is documented here.
RECOVER = "docs/how-to/recover.md#exit-code-N"
_AGAIN = "run it again"
# Other codes need no more than their message.
_WHAT_TO_DO: dict[ExitCode, str] = {
    ExitCode.FAILED: "see why each job failed with `pipeline status`, or what disagrees with `pipeline verify`",
    ExitCode.INVALID: f"correct what is named above, and {_AGAIN}",
    ExitCode.STOPPED_BUYING: (
        f"raise or leave out the limit that is named above, set the price that it needs, or add credit, and {_AGAIN}"
    ),
    ExitCode.ACCOUNT: "set the key; if the vendor refused it, check on the vendor's site that it is active",
    ExitCode.LOCKED: "wait for the other process, or stop it: it saves everything",
    ExitCode.ATTENTION: "look for it on the vendor's site, and say with `pipeline resolve` what you found",
    ExitCode.UNFINISHED: (
        "unless the message says that running again does not help, "
        f"remove the cause if it is on your side, and {_AGAIN}: nothing is bought twice"
    ),
}
# In a wheel they are inside the package, in a checkout beside it.
_PAGES = (Path(__file__).parents[1] / "docs", Path(__file__).parents[2] / "docs")


def pages() -> Path | None:
    """The folder of the pages that messages name as `docs/…`; None if they are not installed."""
    return next((folder for folder in _PAGES if (folder / "how-to").is_dir()), None)


class ReplacedCode(int):
    """The exit code of a run with `--replace` that has bought something again, or goes on with what was."""

    __slots__ = ()


def what_to_do(code: int) -> str | None:
    """The advice for an exit code; None if there is none."""
    what = _WHAT_TO_DO.get(ExitCode(code))
    if what is None:
        return None
    if isinstance(code, ReplacedCode):
        first = what.partition(_AGAIN)[0] if _AGAIN in what else f"{what}; "
        what = f"{first}{_AGAIN} without --replace, which would buy once more what was made again"
    return f"What to do: {what} ({RECOVER.removesuffix('N')}{int(code)})"
