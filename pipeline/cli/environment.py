"""The only reader of the environment and of the terminal's nature: what it says is passed on as values."""

import os
import sys
from typing import Literal, TextIO

from pipeline.providers.network import Network, network_from
from pipeline.providers.settings import VENDOR, Settings, clean_key


def provider_settings(api: str, timeout: float, emulator: str | None) -> Settings:
    """Where the API is and with which key: the operator's, or those of an emulator at the url `emulator`.

    Raises:
        AccountError: there is no key, or it cannot be one.
        UsageError: the address cannot be used.
    """
    version: Literal["v1", "v2"] = "v2" if api == "v2" else "v1"
    if emulator is not None:
        return Settings("emulator", emulator, version, timeout, Network())
    key = clean_key(os.environ.get("VIMMERSE_API_KEY", ""))
    base_url = os.environ.get("VIMMERSE_BASE_URL") or VENDOR
    return Settings(key, base_url, version, timeout, network_from(os.environ))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sees `stream` at once."""
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def wants_colour(stream: TextIO, *, no_color: bool) -> bool:
    """Colour only for a terminal, and never where it is not wanted (https://no-color.org)."""
    plain = no_color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return not plain and is_terminal(stream)


def is_github() -> bool:
    """Whether GitHub Actions reads what we print, and takes some of it for commands."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def allows_network_file_system() -> bool:
    """Whether the operator vouches for the locks of a network file system."""
    return os.environ.get("PIPELINE_ALLOW_NETWORK_FS") == "1"


def failure() -> tuple[int, str] | None:
    """`PIPELINE_FAIL_AT`, for tests: `17:kill` dies at the 17th failpoint; `raise` and `full` fail there."""
    number, _, manner = os.environ.get("PIPELINE_FAIL_AT", "").partition(":")
    return (int(number), manner) if number.isdigit() and manner in {"kill", "raise", "full"} else None


def command_line() -> str:
    """How this process was called, for whoever finds the state locked."""
    return " ".join(["pipeline", *sys.argv[1:]])[:500]
