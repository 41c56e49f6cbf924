"""What the operator set around a command, as values: who reads the environment is above this room."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.providers.network import Network, network_from
from pipeline.providers.settings import VENDOR, Settings, clean_key


@dataclass(frozen=True, slots=True)
class Environment:
    """`variables` are those of the environment, which hold the key; `command` is how the process was called."""

    variables: Mapping[str, str] = field(repr=False)
    command: str = ""

    @property
    def allows_network_file_system(self) -> bool:
        """Whether the operator vouches for the locks of a network file system."""
        return self.variables.get("PIPELINE_ALLOW_NETWORK_FS") == "1"

    def provider_settings(self, api: str, request_timeout: float, emulator: str | None) -> Settings:
        """Where the API is and with which key: the operator's, or those of an emulator at the url `emulator`.

        Raises:
            AccountError: there is no key, or it cannot be one.
            UsageError: the address cannot be used.
        """
        version: Literal["v1", "v2"] = "v2" if api == "v2" else "v1"
        if emulator is not None:
            return Settings(
                key="emulator",
                base_url=emulator,
                api=version,
                request_timeout=request_timeout,
                network=Network(),
            )
        return Settings(
            key=clean_key(self.variables.get("VIMMERSE_API_KEY", "")),
            base_url=self.variables.get("VIMMERSE_BASE_URL") or VENDOR,
            api=version,
            request_timeout=request_timeout,
            network=network_from(self.variables),
        )
