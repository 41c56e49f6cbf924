"""The few calls that the emulator's tests use."""

import json
from typing import Any

import requests

from pipeline.emulator.embedded import Emulator
from pipeline.json_values import Json

KEY = {"X-Api-Key": "a-key"}


class Client:
    """A client of the API that shares no code with ours."""

    def __init__(self, emulator: Emulator, root: str = "") -> None:
        self.emulator = emulator
        self.url = emulator.url + root

    def create(
        self, template: str = "vim_arctic", *, files: list[bytes] | None = None, **fields: Any
    ) -> requests.Response:
        options = fields.pop("options", {})
        data = {"template_id": template, "image_urls": ["https://cdn.example.com/a.png"], **fields}
        data["options"] = options if isinstance(options, str) else json.dumps(options)
        parts = [("image_files", (f"{number}.png", file)) for number, file in enumerate(files or [])]
        return requests.post(f"{self.url}/workflow", data=data, files=parts or None, headers=KEY, timeout=10)

    def get(self, identity: str) -> requests.Response:
        return requests.get(f"{self.url}/workflow/{identity}", headers=KEY, timeout=10)

    def finished(self, identity: str) -> Any:
        """The workflow once its media is made; waits for the emulator itself and not for a fixed time."""
        self.emulator.store.wait()
        return self.get(identity).json()["data"]

    def made(self, template: str = "vim_arctic", *, files: list[bytes] | None = None, **fields: Any) -> Any:
        answer = self.create(template, files=files, **fields)
        assert answer.status_code == 200, answer.text
        return self.finished(answer.json()["data"]["id"])

    def admin(self, path: str, body: Json = None) -> requests.Response:
        address = f"{self.emulator.url}/_emulator/{path}"
        if body is None:
            return requests.get(address, headers=KEY, timeout=10)
        return requests.post(address, json=body, headers=KEY, timeout=10)
