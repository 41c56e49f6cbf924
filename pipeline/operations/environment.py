"""The operator's environment as values; only the CLI and the API read the real one."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment `variables`, which hold the key, and the `command` line of this process."""

    variables: Mapping[str, str] = field(repr=False)
    command: str = ""

    @property
    def allows_network_file_system(self) -> bool:
        """Whether the operator vouches for the locks of a network file system."""
        return self.variables.get("PIPELINE_ALLOW_NETWORK_FS") == "1"

    @property
    def lease_seconds(self) -> float | None:
        """How long the lease on a team's state lasts; None: the default. Only tests set it."""
        given = self.variables.get("PIPELINE_LEASE_SECONDS", "")
        return float(given) if given.isdecimal() else None
