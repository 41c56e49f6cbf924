"""What the operator set around a command, as values: who reads the environment is above this room."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.state.location import LEASE_SECONDS


@dataclass(frozen=True, slots=True)
class Environment:
    """`variables` are those of the environment, which hold the key; `command` is how the process was called."""

    variables: Mapping[str, str] = field(repr=False)
    command: str = ""

    @property
    def allows_network_file_system(self) -> bool:
        """Whether the operator vouches for the locks of a network file system."""
        return self.variables.get("PIPELINE_ALLOW_NETWORK_FS") == "1"

    @property
    def lease_seconds(self) -> float:
        """How long the lease on a team's state lasts; only tests set it, as all that share a state have to agree."""
        try:
            return float(self.variables.get("PIPELINE_LEASE_SECONDS", LEASE_SECONDS))
        except ValueError:
            return LEASE_SECONDS
